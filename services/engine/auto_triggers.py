"""When a portfolio in `auto` mode acts, and how much it may order in a day.

A trigger only says that the decision just made may be acted on; what is ordered is what the decision orders. What is
remembered between decisions travels from answer to request, so that a restart, a takeover or a replay forgets nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt


class Trigger(StrEnum):
    """Why a decision is acted on."""

    SCHEDULE = "schedule"
    VOLATILITY = "volatility"
    DRIFT = "drift"
    COLLATERAL = "collateral"
    MARGIN_RATIO = "margin_ratio"
    BREAKER = "breaker"


URGENT = frozenset({Trigger.MARGIN_RATIO, Trigger.BREAKER})
"""Triggers that wait for no cooldown and no snapshot: reductions that they call for are made at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoRules:
    """When to act, and the budget of a day. A trigger that is None never fires.

    Parameters
    ----------
    max_orders_per_day : int
        Orders of a UTC day from which on nothing is increased any more.
    max_notional_per_day : float
        The same for their notional [account currency].
    cooldown_seconds : float
        Least time between two decisions with orders; reductions of urgent triggers do not wait.
    schedule_seconds : float, optional
        Time since the last decision that was acted on.
    volatility_move : float, optional
        Relative move, up or down, of the volatility of any market since then: ``|ln(σ / σ₀)| >= ln(1 + move)``.
    drift : float, optional
        Notional of the orders that the decision makes over the equity.
    collateral_move : float, optional
        Relative move of the value of the collateral since then, as of the volatility.
    margin_ratio : float, optional
        Maintenance margin over the equity that backs it.
    breaker : bool
        Whether a rise of the tier of the circuit breaker is a trigger.
    rearm : float
        Share of the threshold of `drift` or `margin_ratio` below which a trigger that was acted on can fire again.
    enabled : bool
        False: nothing is acted on, and everything is remembered.
    """

    max_orders_per_day: Annotated[int, Ge(1), Le(100_000)]
    max_notional_per_day: Annotated[float, Gt(0)]
    cooldown_seconds: Annotated[float, Ge(0)] = 60.0
    schedule_seconds: Annotated[float, Gt(0)] | None = None
    volatility_move: Annotated[float, Gt(0), Le(10)] | None = None
    drift: Annotated[float, Gt(0), Le(10)] | None = None
    collateral_move: Annotated[float, Gt(0), Le(10)] | None = None
    margin_ratio: Annotated[float, Gt(0), Le(10)] | None = None
    breaker: bool = False
    rearm: Annotated[float, Gt(0), Lt(1)] = 0.8
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoMemory:
    """What is remembered between two decisions.

    Parameters
    ----------
    acted_at : datetime, optional
        Last decision that a trigger called for and that nothing held back: references are of then.
    emitted_at, emitted_until : datetime, optional
        Last decision with orders, and when they expire.
    emitted_snapshot : str, optional
        The snapshot that they were made of.
    latched : frozenset of Trigger
        Triggers that were acted on with orders and have not fallen back since.
    volatility : mapping
        Annual volatility by market, at `acted_at`.
    collateral : float, optional
        Value of the collateral then [account currency].
    tier : int
        Tier of the circuit breaker: that at `acted_at`, or a lower one since.
    day : date, optional
        UTC day that `orders` and `notional` are of.
    orders, notional : int, float
        What was ordered on that day, reductions counted.
    total_orders : int
        What was ordered ever.
    """

    acted_at: datetime | None = None
    emitted_at: datetime | None = None
    emitted_until: datetime | None = None
    emitted_snapshot: str | None = None
    latched: frozenset[Trigger] = frozenset()
    volatility: Mapping[str, float] = field(default_factory=dict)
    collateral: float | None = None
    tier: int = 0
    day: date | None = None
    orders: int = 0
    notional: float = 0.0
    total_orders: int = 0

    def on(self, moment: datetime) -> AutoMemory:
        """This memory on the day of a moment: another day than the last starts at nothing.

        A clock that goes backwards gives no budget back.

        Examples
        --------
        >>> used = AutoMemory(day=date(2026, 11, 20), orders=7)
        >>> [used.on(datetime(2026, 11, day, tzinfo=UTC)).orders for day in (19, 20, 21)]
        [7, 7, 0]
        """
        today = moment.astimezone(UTC).date()
        if self.day is not None and today <= self.day:
            return self
        return replace(self, day=today, orders=0, notional=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What triggers look at, of one decision; None where it is not known.

    Parameters
    ----------
    at : datetime
        Event time of the decision.
    snapshot : str
        Name of the snapshot that it was made of.
    volatility : mapping
        Annual volatility by market.
    drift : float, optional
        Notional of its orders over the equity; infinite where the equity is not > 0.
    collateral : float, optional
        [account currency]
    margin_ratio : float, optional
        Maintenance margin over equity, before the orders; infinite where the equity is not > 0.
    tier : int, optional
        Of the circuit breaker.
    """

    at: datetime
    snapshot: str
    volatility: Mapping[str, float] = field(default_factory=dict)
    drift: float | None = None
    collateral: float | None = None
    margin_ratio: float | None = None
    tier: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a decision is acted on.

    Parameters
    ----------
    fired : tuple of Trigger
        Conditions that hold and have not been acted on.
    act : bool
        Whether its orders may be made.
    only_reductions : str
        Why only reductions may be among them; empty where anything may.
    spent : bool
        Whether that is because the budget of the day leaves no room.
    waiting_for : str
        Why triggers that fired are not acted on; empty where they are.
    unknown : tuple of Trigger
        Triggers of the rules whose figure is not known: they cannot fire.
    """

    fired: tuple[Trigger, ...] = ()
    act: bool = False
    only_reductions: str = ""
    spent: bool = False
    waiting_for: str = ""
    unknown: tuple[Trigger, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """Orders of a decision: their number, their notional [account currency], when the last of them expires."""

    orders: int = 0
    notional: float = 0.0
    until: datetime | None = None


def judge(rules: AutoRules, memory: AutoMemory, readings: Readings) -> Verdict:
    """Which triggers fire, and what may be done about them.

    Notes
    -----
    No chatter: a figure that hovers at its threshold fires once. `drift` and `margin_ratio` fire again after they fell
    below ``rearm · threshold``, or where a later snapshot still shows them once the orders made for them have expired;
    moves are measured from the last decision that was acted on, so acting takes them back to nothing.

    In the cooldown, and on a snapshot that orders were made of already (which does not know what was traded since),
    nothing is done but for the reductions of urgent triggers.
    """
    if not rules.enabled:
        return Verdict(waiting_for="auto.enabled is false")
    fired = tuple(trigger for trigger in Trigger if _fires(trigger, rules, memory, readings))
    unknown = tuple(trigger for trigger in Trigger if _wanted(trigger, rules) and _unknown(trigger, readings))
    held = _held(rules, memory, readings)
    if not fired or not held:
        return Verdict(fired=fired, act=bool(fired), unknown=unknown)
    if URGENT.isdisjoint(fired):
        return Verdict(fired=fired, waiting_for=held, unknown=unknown)
    return Verdict(fired=fired, act=True, only_reductions=held, unknown=unknown)


def _held(rules: AutoRules, memory: AutoMemory, readings: Readings) -> str:
    if memory.emitted_snapshot == readings.snapshot:
        return "orders were made of this snapshot already: send a snapshot after trading"
    cooled = cooled_at(rules, memory)
    if cooled is not None and readings.at < cooled:
        return f"the cooldown lasts until {cooled.astimezone(UTC).isoformat(timespec='seconds')[:-6]}Z"
    return ""


def cooled_at(rules: AutoRules, memory: AutoMemory) -> datetime | None:
    """End of the cooldown; None before the first orders."""
    return None if memory.emitted_at is None else memory.emitted_at + timedelta(seconds=rules.cooldown_seconds)


def over_budget(rules: AutoRules, memory: AutoMemory, emission: Emission, at: datetime) -> str:
    """Why the orders of a decision that increases something are too many for what is left of the day; empty where they
    are not.

    Notes
    -----
    Orders belong together (legs of one spread, a hedge and what it hedges), so they fit as a whole or not at all: where
    they do not, the decision is made again under reduce-only. An unknown notional fits nothing.
    """
    used = memory.on(at)
    if used.orders + emission.orders > rules.max_orders_per_day:
        return (
            f"max_orders_per_day: {used.orders} of {rules.max_orders_per_day} are made, "
            f"and this decision has {emission.orders}"
        )
    if not used.notional + emission.notional <= rules.max_notional_per_day:
        return (
            f"max_notional_per_day: {used.notional:.12g} of {rules.max_notional_per_day:.12g} is used, "
            f"and this decision has {emission.notional:.12g}"
        )
    return ""


def remember(
    rules: AutoRules, memory: AutoMemory, readings: Readings, verdict: Verdict, emission: Emission, *, wanted: bool
) -> AutoMemory:
    """What the next decision must know.

    Parameters
    ----------
    emission : Emission
        Orders that were made.
    wanted : bool
        Whether the decision would have ordered something without the bounds of the day, the cooldown and the snapshot.

    Notes
    -----
    A trigger whose orders were held back stays due: references move only where something was ordered or nothing was
    wanted.
    """
    after = replace(memory.on(readings.at), latched=frozenset(_still_latched(rules, memory, readings)))
    if readings.tier is not None:
        after = replace(after, tier=min(after.tier, readings.tier))
    if not rules.enabled:
        return after
    after = _with_missing(after, readings)
    if verdict.act and (emission.orders or not wanted):
        after = replace(
            after,
            acted_at=readings.at,
            volatility=dict(readings.volatility),
            collateral=after.collateral if readings.collateral is None else readings.collateral,
            tier=after.tier if readings.tier is None else readings.tier,
        )
    if not emission.orders:
        return after
    return replace(
        after,
        emitted_at=readings.at,
        emitted_until=emission.until,
        emitted_snapshot=readings.snapshot,
        latched=after.latched | (_LEVELS & set(verdict.fired)),
        orders=after.orders + emission.orders,
        notional=after.notional + (emission.notional if math.isfinite(emission.notional) else 0.0),
        total_orders=after.total_orders + emission.orders,
    )


def due_at(rules: AutoRules, memory: AutoMemory, readings: Readings, verdict: Verdict) -> datetime | None:
    """When to decide again though nothing changes; None: a change decides.

    Parameters
    ----------
    memory : AutoMemory
        After the decision.

    Notes
    -----
    The next turn of the schedule; the end of the cooldown where a trigger waits for it; the expiry of orders whose
    trigger still holds on a later snapshot; the next day where the budget is spent.
    """
    if not rules.enabled:
        return None
    times: list[datetime] = []
    if rules.schedule_seconds is not None and memory.acted_at is not None:
        times.append(memory.acted_at + timedelta(seconds=rules.schedule_seconds))
    if memory.emitted_snapshot != readings.snapshot:
        cooled = cooled_at(rules, memory)
        if verdict.waiting_for and cooled is not None:
            times.append(cooled)
        if memory.latched and memory.emitted_until is not None:
            times.append(memory.emitted_until)
    if verdict.spent:
        times.append(
            datetime.combine(memory.on(readings.at).day or readings.at.date(), time(), UTC) + timedelta(days=1)
        )
    return min((moment for moment in times if moment > readings.at), default=None)


MOST_MARKETS = 500
"""Markets whose volatility is remembered: those of the last decision, and some that it did not know."""
_LEVELS = frozenset({Trigger.DRIFT, Trigger.MARGIN_RATIO})
"""Triggers that look at a level and not at a move since the last action."""


def _wanted(trigger: Trigger, rules: AutoRules) -> bool:
    wanted: dict[Trigger, object] = {
        Trigger.SCHEDULE: rules.schedule_seconds,
        Trigger.VOLATILITY: rules.volatility_move,
        Trigger.DRIFT: rules.drift,
        Trigger.COLLATERAL: rules.collateral_move,
        Trigger.MARGIN_RATIO: rules.margin_ratio,
        Trigger.BREAKER: rules.breaker or None,
    }
    return wanted[trigger] is not None


def _unknown(trigger: Trigger, readings: Readings) -> bool:
    known: dict[Trigger, object] = {
        Trigger.SCHEDULE: readings.at,
        Trigger.VOLATILITY: readings.volatility or None,
        Trigger.DRIFT: readings.drift,
        Trigger.COLLATERAL: readings.collateral,
        Trigger.MARGIN_RATIO: readings.margin_ratio,
        Trigger.BREAKER: readings.tier,
    }
    return known[trigger] is None


def _fires(trigger: Trigger, rules: AutoRules, memory: AutoMemory, readings: Readings) -> bool:
    if not _wanted(trigger, rules) or _unknown(trigger, readings):
        return False
    if trigger is Trigger.SCHEDULE:
        return _schedule_due(rules, memory, readings.at)
    if trigger is Trigger.VOLATILITY:
        return _volatility_moved(rules.volatility_move or 0.0, memory, readings)
    if trigger is Trigger.COLLATERAL:
        return _moved(memory.collateral, readings.collateral or 0.0, rules.collateral_move or 0.0)
    if trigger is Trigger.BREAKER:
        return (readings.tier or 0) > memory.tier
    level, threshold = _level(trigger, rules, readings)
    return level >= threshold and (trigger not in memory.latched or _again(memory, readings))


def _schedule_due(rules: AutoRules, memory: AutoMemory, at: datetime) -> bool:
    return memory.acted_at is None or at >= memory.acted_at + timedelta(seconds=rules.schedule_seconds or 0.0)


def _volatility_moved(move: float, memory: AutoMemory, readings: Readings) -> bool:
    return any(_moved(memory.volatility.get(market), value, move) for market, value in readings.volatility.items())


def _moved(before: float | None, now: float, move: float) -> bool:
    """Whether a value is ``1 + move`` times what it was, or less than the inverse; from something to nothing is."""
    if before is None or before <= 0.0:
        return False
    return now <= 0.0 or abs(math.log(now / before)) >= math.log1p(move)


def _level(trigger: Trigger, rules: AutoRules, readings: Readings) -> tuple[float, float]:
    if trigger is Trigger.DRIFT:
        return readings.drift or 0.0, rules.drift or math.inf
    return readings.margin_ratio or 0.0, rules.margin_ratio or math.inf


def _again(memory: AutoMemory, readings: Readings) -> bool:
    """Whether what was done for a trigger is over, and a later snapshot shows that it was not enough."""
    over = memory.emitted_until is None or readings.at >= memory.emitted_until
    return over and memory.emitted_snapshot != readings.snapshot


def _still_latched(rules: AutoRules, memory: AutoMemory, readings: Readings) -> list[Trigger]:
    """Triggers acted on that have not fallen back; one that is not read any more stays."""
    return [
        trigger
        for trigger in memory.latched
        if not _wanted(trigger, rules)
        or _unknown(trigger, readings)
        or _level(trigger, rules, readings)[0] > rules.rearm * _level(trigger, rules, readings)[1]
    ]


def _with_missing(memory: AutoMemory, readings: Readings) -> AutoMemory:
    """References of what was never seen before: a market that is new has not moved."""
    collateral = readings.collateral if memory.collateral is None else memory.collateral
    known = {market: memory.volatility.get(market, now) for market, now in readings.volatility.items()}
    others = [(market, value) for market, value in memory.volatility.items() if market not in known]
    known |= dict(others[: max(MOST_MARKETS - len(known), 0)])
    return replace(memory, volatility=known, collateral=collateral)
