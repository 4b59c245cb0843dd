"""Circuit breakers: a ladder of five levels with hysteresis, dwell times and a latch, as a pure state machine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from itertools import pairwise
from typing import Annotated, Any, ClassVar, NamedTuple

from annotated_types import Ge, Gt, Le

from services.core.control import BreakerState
from services.core.errors import InvalidInput


class Level(IntEnum):
    """What a breaker allows; each level asks all that the ones below ask."""

    NORMAL = 0
    CAUTION = 1
    REDUCE = 2
    CLOSE_ONLY = 3
    FLATTEN = 4


class Cause(StrEnum):
    """Why a level changed."""

    MAINTENANCE_RATIO = "maintenance_ratio"
    DISTANCE = "liquidation_distance"
    DRAWDOWN = "drawdown"
    UNKNOWN = "metric_unknown"
    UNTRUSTED_PRICE = "price_not_trusted"
    CALM = "calm"
    RESET = "manual_reset"


Four = tuple[float, float, float, float]
Three = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakers:
    """Ladder of a circuit breaker: when each level is entered and left, and what it allows.

    Multiplier m on increases alone: ``current + m (target - current)``. Levels 1 to 4 are caution, reduce, close only
    and flatten.

    Parameters
    ----------
    enter : 4 floats
        Maintenance margin over equity from which each level holds, strictly increasing.
    leave : 3 floats
        Ratio below which levels 1 to 3 may be left; below `enter`, not decreasing. Flatten is left by a reset alone.
    dwell_seconds : 3 floats
        How long every metric must have been below the exit of levels 1 to 3, without interruption [s].
    distance : 4 floats, optional
        Distance to liquidation below which each level holds, strictly decreasing [standard deviations of a day]; None:
        not looked at.
    distance_gap : float
        A level is left at its distance times 1 + gap.
    drawdown : 4 floats, optional
        Fall of the equity from its high-water mark from which each level holds, strictly increasing; it moves the
        whole portfolio. None: not looked at.
    drawdown_gap : float
        A level is left below its drawdown times 1 - gap.
    caution, reduce : float
        Multipliers on increases at levels 1 and 2; levels 3 and 4 allow none.
    reduce_to : float
        From level 2 on sizes shrink until maintenance margin over equity is at most this.

    Raises
    ------
    InvalidInput
        If thresholds are out of order, an exit does not lie below its entry, or a higher level has the larger
        multiplier.

    Notes
    -----
    Thresholds of ratio, distance and dwell are those of the specification; the drawdowns, both gaps and the multipliers
    are choices without an empirical optimum. A gap below 0.05 makes a ladder that chatters.

    References
    ----------
    Binance, portfolio margin: uniMMR 1.5, 1.2, 1.05 (ratios 0.667, 0.833, 0.952). Vega protocol, margins: search 1.1,
    initial 1.2, release 1.4 times maintenance (0.909, 0.833, 0.714). Liquidation is at 1.

    Examples
    --------
    >>> Breakers().multipliers
    (1.0, 0.75, 0.5, 0.0, 0.0)
    >>> Breakers(leave=(0.5, 0.6, 0.72))
    Traceback (most recent call last):
    services.core.errors.InvalidInput: policy.breakers.leave must lie below enter at each level (0.5, 0.67, 0.8), \
found (0.5, 0.6, 0.72)
    """

    enter: Four = (0.50, 0.67, 0.80, 0.90)
    leave: Three = (0.45, 0.60, 0.72)
    dwell_seconds: Three = (60.0, 120.0, 300.0)
    distance: Four | None = (4.0, 3.0, 2.0, 1.0)
    distance_gap: Annotated[float, Gt(0), Le(1)] = 0.1
    drawdown: Four | None = (0.10, 0.15, 0.20, 0.30)
    drawdown_gap: Annotated[float, Gt(0), Le(1)] = 0.2
    caution: Annotated[float, Ge(0), Le(1)] = 0.75
    reduce: Annotated[float, Ge(0), Le(1)] = 0.5
    reduce_to: Annotated[float, Gt(0), Le(1)] = 0.60

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        _rising("enter", self.enter)
        if not all(0.0 <= low < high for low, high in zip(self.leave, self.enter[:3], strict=True)):
            rule = f"must lie below enter at each level {self.enter[:3]}"
            raise InvalidInput("policy.breakers.leave", rule, self.leave)
        if sorted(self.leave) != list(self.leave):
            raise InvalidInput("policy.breakers.leave", "must not decrease from level to level", self.leave)
        if min(self.dwell_seconds) < 0.0:
            raise InvalidInput("policy.breakers.dwell_seconds", "must be >= 0", self.dwell_seconds)
        if self.distance is not None:
            _rising("distance", self.distance[::-1], "strictly decreasing")
        if self.drawdown is not None:
            _rising("drawdown", self.drawdown)
            if self.drawdown[-1] > 1.0:
                raise InvalidInput("policy.breakers.drawdown", "must be <= 1", self.drawdown)
        if self.reduce > self.caution:
            raise InvalidInput("policy.breakers.reduce", f"must be <= caution ({self.caution:g})", self.reduce)
        if self.reduce_to >= self.enter[1]:
            raise InvalidInput("policy.breakers.reduce_to", f"must be < enter ({self.enter[1]:g})", self.reduce_to)

    @property
    def multipliers(self) -> tuple[float, ...]:
        """Multiplier on increases of each level."""
        return (1.0, self.caution, self.reduce, 0.0, 0.0)

    def entered(self, reading: Reading) -> tuple[Level, Cause]:
        """Highest level that a reading asks for, and by which metric; an unknown one asks for close only."""
        if not reading.trusted:
            return Level.CLOSE_ONLY, Cause.UNTRUSTED_PRICE
        asked = [
            (_reached(reading.maintenance_ratio, self.enter), Cause.MAINTENANCE_RATIO),
            (_reached(_minus(reading.distance), _negative(self.distance)), Cause.DISTANCE),
            (_reached(reading.drawdown, self.drawdown), Cause.DRAWDOWN),
        ]
        level, cause = max(asked, key=lambda item: item[0])
        if level < Level.CLOSE_ONLY and reading.unknown:
            return Level.CLOSE_ONLY, Cause.UNKNOWN
        return Level(level), cause

    def exits(self, level: int) -> Exits | None:
        """What every metric must be below, or above, before a level is left; None at normal and flatten."""
        if not Level.NORMAL < level < Level.FLATTEN:
            return None
        place = level - 1
        return Exits(
            maintenance_ratio=self.leave[place],
            distance=None if self.distance is None else self.distance[place] * (1.0 + self.distance_gap),
            drawdown=None if self.drawdown is None else self.drawdown[place] * (1.0 - self.drawdown_gap),
            dwell_seconds=self.dwell_seconds[place],
        )

    def calm(self, level: int, reading: Reading) -> bool:
        """Whether every metric is below the exit of a level; what is unknown, or not to be trusted, is not calm."""
        exits = self.exits(level)
        if exits is None or reading.unknown or not reading.trusted:
            return False
        return (
            _below(reading.maintenance_ratio, exits.maintenance_ratio)
            and _below(_minus(reading.distance), _minus(exits.distance), touching=True)
            and _below(reading.drawdown, exits.drawdown)
        )


class Exits(NamedTuple):
    """Exit of a level: ratio and drawdown below, distance at least, for so long [s]."""

    maintenance_ratio: float
    distance: float | None
    drawdown: float | None
    dwell_seconds: float


class Reading(NamedTuple):
    """Metrics of one scope at one moment.

    Parameters
    ----------
    maintenance_ratio : float, optional
        Maintenance margin over equity, inf without equity; None: no metric of this scope. NaN: unknown.
    distance : float, optional
        Smallest distance to liquidation [standard deviations of a day], inf where nothing can be liquidated.
    drawdown : float, optional
        Fall from the high-water mark, in [0, 1].
    trusted : bool
        Whether the prices behind it are fresh and agreed on.
    """

    maintenance_ratio: float | None = None
    distance: float | None = None
    drawdown: float | None = None
    trusted: bool = True

    @property
    def unknown(self) -> bool:
        """Whether a metric is NaN, or there is none at all."""
        known = [value for value in self[:3] if value is not None]
        return not known or any(map(math.isnan, known))


class Transition(NamedTuple):
    """One change of level; `actor` and `reason` of a manual one."""

    at: datetime
    before: Level
    after: Level
    cause: Cause
    actor: str = ""
    reason: str = ""


class ResetOrder(NamedTuple):
    """Order to take the latch off a scope: which, who, why."""

    scope: str
    actor: str
    reason: str


class Advanced(NamedTuple):
    """State after a reading, what changed, and whether the clock went backwards so that nothing did."""

    state: BreakerState
    transition: Transition | None = None
    clock_backwards: bool = False


def advance(state: BreakerState, reading: Reading, at: datetime, rules: Breakers) -> Advanced:
    """State of a breaker after one reading.

    Parameters
    ----------
    state : BreakerState
        As the last call left it.
    reading : Reading
        Metrics now.
    at : datetime
        Time of the reading.
    rules : Breakers
        The ladder.

    Returns
    -------
    Advanced
        New state and the transition, if there was one.

    Notes
    -----
    * Up at once, by any number of levels, whatever time has passed; down one level at a time, after every metric was
      below the exit of the present level without interruption for its dwell. The dwell of the next level begins then.
    * Flatten latches: only `reset` ends it.
    * An unknown metric asks for close only. Prices that are not trusted do too, and for no more: nothing is flattened
      on a stale price. Neither counts as calm.
    * A reading from before the last one changes nothing and is flagged.
    * The dwell is measured between readings: a gap without any counts as calm if both its ends are, so that a caller
      who reads seldom leaves a level by two readings.

    Cost O(1).

    Examples
    --------
    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> state, moved, _ = advance(BreakerState(), Reading(0.83), noon, Breakers())
    >>> moved.before.name, moved.after.name, moved.cause.value
    ('NORMAL', 'CLOSE_ONLY', 'maintenance_ratio')
    """
    if state.last_at is not None and at < state.last_at:
        return Advanced(state, clock_backwards=True)
    asked, cause = rules.entered(reading)
    now = state._replace(last_at=at)
    if asked > state.level:
        return _moved(now, asked, at, cause, calm_since=None)
    if state.latched or not rules.calm(state.level, reading):
        return Advanced(now._replace(calm_since=None))
    begun = state.calm_since or at
    exits = rules.exits(state.level)
    assert exits is not None
    if at - begun < timedelta(seconds=exits.dwell_seconds):
        return Advanced(now._replace(calm_since=begun))
    below = Level(state.level - 1)
    return _moved(now, below, at, Cause.CALM, calm_since=at if rules.calm(below, reading) else None)


def reset(state: BreakerState, at: datetime, *, actor: str, reason: str, drawdown: float = 0.0) -> Advanced:
    """State after somebody has taken the latch off: close only, from where the ladder goes on.

    Parameters
    ----------
    state : BreakerState
        Latched.
    at : datetime
        When.
    actor, reason : str
        Who, and why; both are part of the record.
    drawdown : float
        Fall from the high-water mark now. It is forgiven: a flat book cannot earn it back, and would latch again at
        the next reading for ever.

    Raises
    ------
    InvalidInput
        If nothing is latched, or actor or reason is empty.

    Notes
    -----
    A margin that is still short latches again at the next reading.

    Examples
    --------
    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> reset(BreakerState(4, latched=True), noon, actor="risk desk", reason="collateral added").state.level
    3
    """
    if not state.latched:
        raise InvalidInput("breaker_reset.scope", "must name a scope that is latched", Level(state.level).name)
    for name, text in (("actor", actor), ("reason", reason)):
        if not text.strip():
            raise InvalidInput(f"breaker_reset.{name}", "must not be empty", text)
    released = state._replace(latched=False, last_at=at, forgiven=min(max(drawdown, 0.0), 1.0 - 1e-9))
    moved = _moved(released, Level.CLOSE_ONLY, at, Cause.RESET, calm_since=None)
    assert moved.transition is not None
    return moved._replace(transition=moved.transition._replace(actor=actor, reason=reason))


def remaining_drawdown(drawdown: float, forgiven: float) -> tuple[float, float]:
    """Drawdown from what a reset left of the high-water mark, and what stays forgiven of the whole fall.

    ``1 - (1 - drawdown) / (1 - forgiven)``: as the equity recovers, less stays forgiven, so that a second fall counts
    from the recovery and not from the reset.

    Examples
    --------
    >>> [round(value, 12) for value in remaining_drawdown(0.40, 0.25)]
    [0.2, 0.25]
    >>> remaining_drawdown(0.10, 0.25)
    (0.0, 0.1)
    """
    kept = min(forgiven, drawdown)
    return max(1.0 - (1.0 - drawdown) / (1.0 - kept), 0.0), kept


def _moved(state: BreakerState, after: Level, at: datetime, cause: Cause, *, calm_since: datetime | None) -> Advanced:
    latched = after is Level.FLATTEN
    moved = state._replace(level=int(after), since=at, calm_since=calm_since, latched=latched)
    return Advanced(moved, Transition(at, Level(state.level), after, cause))


def _reached(value: float | None, thresholds: Four | None) -> int:
    """How many thresholds a metric has reached; none where it is unknown."""
    if value is None or thresholds is None:
        return 0
    return sum(value >= threshold for threshold in thresholds)


def _negative(distances: Four | None) -> Four | None:
    """Thresholds ``-d`` of a metric that is bad where it is small: reached strictly below d, so one bit under -d."""
    if distances is None:
        return None
    a, b, c, d = (math.nextafter(-distance, math.inf) for distance in distances)
    return a, b, c, d


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _below(value: float | None, exit_at: float | None, *, touching: bool = False) -> bool:
    """Whether a metric has left a level; one that is not looked at has."""
    if value is None or exit_at is None:
        return True
    return value <= exit_at if touching else value < exit_at


def _rising(name: str, values: tuple[float, ...], order: str = "strictly increasing") -> None:
    if not (values[0] > 0.0 and all(low < high for low, high in pairwise(values))):
        raise InvalidInput(f"policy.breakers.{name}", f"must be > 0 and {order}", values)
