"""Names of cached volatility states, and what they say under a policy."""

from __future__ import annotations

from app.ports import StateKey
from services.core.annualization import Calendar
from services.volatility.registry import Estimator, model_version


def state_key(tenant_id: str, venue: str | None, symbol: str, bar_seconds: int, estimator: Estimator) -> StateKey:
    """Key of the state of one market, bar and estimator."""
    return StateKey(tenant_id, venue or "", symbol, bar_seconds, model_version(estimator))


def state_keys(
    tenant_id: str, venue: str | None, symbol: str, bar_seconds: int, estimator: Estimator
) -> tuple[StateKey, ...]:
    """Keys under which to look for a market, best first: that of the venue, then the one kept without a venue."""
    own = state_key(tenant_id, venue, symbol, bar_seconds, estimator)
    return (own,) if venue is None else (own, own._replace(venue=""))


def calendar_name(calendar: Calendar) -> str:
    """Calendar as an answer shows it."""
    return calendar.name if calendar.periods_per_year is None else f"{calendar.periods_per_year:g} periods a year"


def interval_text(bar_seconds: int) -> str:
    """Bar length as an ISO 8601 duration of one component.

    Examples
    --------
    >>> [interval_text(seconds) for seconds in (604_800, 86_400, 3_600, 90)]
    ['P7D', 'P1D', 'PT1H', 'PT90S']
    """
    for unit, seconds in (("P{}D", 86_400), ("PT{}H", 3_600), ("PT{}M", 60)):
        if bar_seconds % seconds == 0:
            return unit.format(bar_seconds // seconds)
    return f"PT{bar_seconds}S"
