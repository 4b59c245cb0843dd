r"""Parameters that a venue publishes for a market: which version holds when, and how far a new one may move.

Versions are numbered and never change. At any time the newest of those that have become effective holds, so a later
publication also supersedes an earlier one that was scheduled for after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, NamedTuple

from annotated_types import Ge, Gt, Le

from services.core.errors import InvalidInput

DAY = timedelta(days=1)
LEAST_STEP = 0.001
"""Change of a rate that is always allowed: a relative one leads nowhere from zero."""
RATES = ("initial_long", "initial_short", "maintenance_long", "maintenance_short", "haircut")
CAPS = ("max_leverage", "max_position", "max_notional")
_EXACT = 1e-9
"""Relative slack of a bound, for the last bits of a product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRates:
    """Rates of one market [fractions of notional or value]; higher is tighter.

    Parameters
    ----------
    initial_long, initial_short : float
        Initial margin.
    maintenance_long, maintenance_short : float
        Maintenance margin, at most the initial one of its side.
    haircut : float
        Of the market's asset as collateral.
    """

    initial_long: Annotated[float, Gt(0), Le(1)]
    initial_short: Annotated[float, Gt(0), Le(10)]
    maintenance_long: Annotated[float, Gt(0), Le(1)]
    maintenance_short: Annotated[float, Gt(0), Le(10)]
    haircut: Annotated[float, Ge(0), Le(1)]

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        for side in ("long", "short"):
            initial, maintenance = getattr(self, f"initial_{side}"), getattr(self, f"maintenance_{side}")
            if maintenance > initial:
                rule = f"must be at most initial_{side} ({initial:g})"
                raise InvalidInput(f"rates.maintenance_{side}", rule, maintenance)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationRules:
    """What a market may rely on.

    Parameters
    ----------
    notice_seconds : float
        Least time from publication to effect [s].
    max_change_per_day : float
        Largest relative change of a figure against any that held in the day before [fraction].
    """

    notice_seconds: Annotated[float, Ge(0), Le(30 * 86_400)] = 86_400.0
    max_change_per_day: Annotated[float, Gt(0), Le(1)] = 0.25

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One version.

    Parameters
    ----------
    version : int
        From 1, without gaps.
    max_leverage : float, optional
        Notional over margin; None: only the rates bound it. So for the other caps.
    max_position : Decimal, optional
        [contracts]
    max_notional : Decimal, optional
        [quote currency]
    rules : PublicationRules
        For publications that are made while this version holds.
    emergency : bool
        It came without notice, or moved further than the rules say: then it only tightens.
    """

    version: int
    effective_at: datetime
    rates: MarketRates
    max_leverage: float | None = None
    max_position: Decimal | None = None
    max_notional: Decimal | None = None
    rules: PublicationRules = PublicationRules()
    emergency: bool = False

    def cap(self, name: str) -> float:
        """Cap as a number: infinite where there is none."""
        value = getattr(self, name)
        return math.inf if value is None else float(value)


class Bounds(NamedTuple):
    """Range in which a figure may lie."""

    low: float
    high: float


def in_force(history: Sequence[Publication], moment: datetime) -> Publication | None:
    """Newest version that is effective at `moment`."""
    return max((item for item in history if item.effective_at <= moment), key=lambda item: item.version, default=None)


def scheduled(history: Sequence[Publication], moment: datetime) -> Publication | None:
    """Version that will hold next after `moment`, as things stand."""
    present = in_force(history, moment)
    later = [item for item in history if item.effective_at > moment and item.version > _number(present)]
    first = min((item.effective_at for item in later), default=None)
    return None if first is None else in_force(later, first)


def _number(item: Publication | None) -> int:
    return 0 if item is None else item.version


def held_before(history: Sequence[Publication], moment: datetime) -> list[Publication]:
    """Versions that hold in the day before `moment`, from the last emergency on.

    What an emergency has raised is the measure from then on: were it measured by what held before it, it could neither
    stay nor be taken back step by step.
    """
    moments = [moment - DAY, *(item.effective_at for item in history if moment - DAY < item.effective_at < moment)]
    found = [item for at in sorted(moments) if (item := in_force(history, at)) is not None]
    urgent = max((item.version for item in found if item.emergency), default=0)
    return [item for item in dict.fromkeys(found) if item.version >= urgent]


def rate_bounds(values: Sequence[float], change: float) -> Bounds:
    """Range of a rate: within ``± max(change · x, 0.001)`` of each x.

    Examples
    --------
    >>> rate_bounds([0.5, 0.75], 0.5)
    Bounds(low=0.375, high=0.75)
    """
    steps = [max(change * value, LEAST_STEP) for value in values]
    low = max((max(value - step, 0.0) for value, step in zip(values, steps, strict=True)), default=0.0)
    high = min((value + step for value, step in zip(values, steps, strict=True)), default=math.inf)
    return Bounds(low, high)


def cap_bounds(values: Sequence[float], change: float) -> Bounds:
    """Range of a cap: within ``± change · x`` of each x; where there was none, any is its first."""
    known = [value for value in values if math.isfinite(value)]
    low = max((value * (1.0 - change) for value in known), default=0.0)
    return Bounds(low, min((value * (1.0 + change) for value in known), default=math.inf))


def check_publication(history: Sequence[Publication], wanted: Publication, now: datetime) -> None:
    """Refuse what comes too soon or moves too far.

    Parameters
    ----------
    history : sequence of Publication
        At least the versions from the one on that held at the earlier of `now` and a day before `wanted` takes effect.

    Raises
    ------
    InvalidInput
        With the range that is allowed.

    Notes
    -----
    The rules are those of the version that holds at `now` (of the first, before any does), so that looser rules give
    no more room before their own notice has run. A first publication is bound by nothing. An emergency is bound by no
    notice and no range upwards, and may loosen nothing: neither what holds, nor what is scheduled to.
    """
    if wanted.effective_at < now:
        rule = f"must not lie before the time of receipt ({now.isoformat()})"
        raise InvalidInput("effective_at", rule, wanted.effective_at.isoformat())
    if not history:
        return
    rules = (in_force(history, now) or history[0]).rules
    if wanted.emergency:
        _check_tightens(history, wanted, now)
        return
    soonest = now + timedelta(seconds=rules.notice_seconds)
    if wanted.effective_at < soonest:
        rule = f"must leave the notice of {rules.notice_seconds:g} s: {soonest.isoformat()} or later"
        raise InvalidInput("effective_at", rule, wanted.effective_at.isoformat(), "emergency passes it, upwards only")
    before = held_before(history, wanted.effective_at)
    for name in RATES:
        values = [getattr(item.rates, name) for item in before]
        _check_range(f"rates.{name}", getattr(wanted.rates, name), rate_bounds(values, rules.max_change_per_day), rules)
    for name in CAPS:
        values = [item.cap(name) for item in before]
        _check_kept(name, wanted.cap(name), values)
        _check_range(name, wanted.cap(name), cap_bounds(values, rules.max_change_per_day), rules)


def _check_range(name: str, value: float, bounds: Bounds, rules: PublicationRules) -> None:
    if bounds.low * (1.0 - _EXACT) <= value <= bounds.high * (1.0 + _EXACT) or math.isinf(value):
        return
    change = f"max_change_per_day {rules.max_change_per_day:g}"
    rule = f"must lie within {bounds.low:.6g} and {bounds.high:.6g} on that day ({change})"
    raise InvalidInput(name, rule, value, "go there in steps, a day apart; emergency passes it, upwards only")


def _check_kept(name: str, value: float, values: Sequence[float]) -> None:
    if math.isinf(value) and any(map(math.isfinite, values)):
        raise InvalidInput(name, "must stay: a cap that is dropped moves without bound", None, "raise it in steps")


def _check_tightens(history: Sequence[Publication], wanted: Publication, now: datetime) -> None:
    """An emergency is at least as tight as all that holds from its effect on."""
    present = in_force(history, wanted.effective_at)
    ahead = [item for item in history if item.effective_at > now and item.version > _number(present)]
    for item in (*ahead, *((present,) if present is not None else ())):
        held = "which holds" if item is present else f"as version {item.version} has scheduled"
        for name in RATES:
            least, value = getattr(item.rates, name), getattr(wanted.rates, name)
            if value < least:
                raise InvalidInput(f"rates.{name}", f"must be at least {least:g} in an emergency, {held}", value)
        for name in CAPS:
            if wanted.cap(name) > item.cap(name):
                rule = f"must be at most {item.cap(name):g} in an emergency, {held}"
                raise InvalidInput(name, rule, getattr(wanted, name))
