"""Operator's switches: what somebody has stopped by hand, where, and until when.

A switch belongs to a scope and is on one of three modes. Stopping is easy and starting is not: a change that lets more
be done, now or at any later moment, is told apart from one that does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from services.core.errors import InvalidInput

GLOBAL = "global"
"""Scope of everything."""


class SwitchMode(StrEnum):
    """What may be done, from all to nothing."""

    NORMAL = "normal"
    REDUCE_ONLY = "reduce_only"
    """Nothing grows: reductions are made as ever."""
    HALT = "halt"
    """No order at all."""

    @property
    def severity(self) -> int:
        """0 for what stops nothing, 2 for what stops everything."""
        return _ORDER.index(self)


_ORDER = tuple(SwitchMode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One switch as it was last set.

    Parameters
    ----------
    version : int
        Counts the changes of this scope from 1; 0: it was never set.
    actor, reason : str
        Who set it, and why.
    expires_at : datetime, optional
        From then on it is on reduce-only, whatever it was on: the passing of time lets nothing grow.
    """

    scope: str
    mode: SwitchMode = SwitchMode.NORMAL
    actor: str = ""
    reason: str = ""
    version: int = 0
    set_at: datetime | None = None
    expires_at: datetime | None = None

    def expired(self, moment: datetime) -> bool:
        """Whether it has run out."""
        return self.expires_at is not None and moment >= self.expires_at

    def mode_at(self, moment: datetime) -> SwitchMode:
        """Mode in force.

        Examples
        --------
        >>> from datetime import UTC
        >>> switch = Switch(scope="global", mode=SwitchMode.HALT, expires_at=datetime(2026, 11, 20, tzinfo=UTC))
        >>> [switch.mode_at(datetime(2026, 11, day, tzinfo=UTC)).value for day in (19, 20)]
        ['halt', 'reduce_only']
        """
        return SwitchMode.REDUCE_ONLY if self.expired(moment) else self.mode


class ActiveSwitch(NamedTuple):
    """A switch that stops something now, as a decision uses and records it."""

    scope: str
    mode: SwitchMode
    actor: str
    reason: str
    version: int
    expired: bool = False

    @property
    def text(self) -> str:
        """One sentence about it.

        Examples
        --------
        >>> ActiveSwitch("venue:okx", SwitchMode.HALT, "ann", "withdrawals stopped", 3).text
        'venue:okx is on halt, version 3, set by ann: withdrawals stopped'
        """
        ran_out = ", because it has expired" if self.expired else ""
        return (
            f"{self.scope} is on {self.mode.value}{ran_out}, version {self.version}, set by {self.actor}: {self.reason}"
        )


UNREAD = ActiveSwitch(GLOBAL, SwitchMode.REDUCE_ONLY, "trimtab", "the stored switches cannot be read", 0)
"""Stands in for switches that nobody knows: a fault never increases risk."""


def loosens(before: Switch, after: Switch, now: datetime) -> bool:
    """Whether `after` lets more be done than `before` does, now or at any later moment.

    Notes
    -----
    Modes change only where a switch expires, so the present and those moments are all there is to look at. A halt that
    is given an end is loosened; a permission that is given one is not.

    Examples
    --------
    >>> from datetime import UTC
    >>> now, later = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
    >>> normal, halt = Switch(scope="global"), Switch(scope="global", mode=SwitchMode.HALT)
    >>> until = Switch(scope="global", mode=SwitchMode.HALT, expires_at=later)
    >>> loosens(halt, until, now), loosens(until, halt, now), loosens(normal, halt, now)
    (True, False, False)
    """
    ends = [end for end in (before.expires_at, after.expires_at) if end is not None and end > now]
    return any(after.mode_at(moment).severity < before.mode_at(moment).severity for moment in (now, *ends))


def check_expiry(switch: Switch, now: datetime) -> None:
    """Refuse an end that means nothing.

    Raises
    ------
    InvalidInput
        If it does not lie after `now`, or the mode is the one that it would fall back to.
    """
    if switch.expires_at is None:
        return
    if switch.mode is SwitchMode.REDUCE_ONLY:
        rule = "goes with normal or halt: reduce_only is what an expired switch falls back to"
        raise InvalidInput("expires_at", rule, switch.expires_at.isoformat(), "leave it out")
    if switch.expires_at <= now:
        raise InvalidInput(
            "expires_at", f"must lie after the time of receipt ({now.isoformat()})", switch.expires_at.isoformat()
        )


def active_switches(switches: Iterable[Switch], now: datetime) -> tuple[ActiveSwitch, ...]:
    """Those that stop something at `now`, in the order of their scopes."""
    found = [
        ActiveSwitch(one.scope, mode, one.actor, one.reason, one.version, one.expired(now))
        for one in switches
        if (mode := one.mode_at(now)) is not SwitchMode.NORMAL
    ]
    return tuple(sorted(found))


def within(switches: Iterable[ActiveSwitch], scopes: frozenset[str]) -> tuple[ActiveSwitch, ...]:
    """Switches of these scopes; those of everything are of any."""
    return tuple(one for one in switches if one.scope == GLOBAL or one.scope in scopes)


def strictest(switches: Iterable[ActiveSwitch]) -> ActiveSwitch | None:
    """The one that stops most; of equals the first."""
    return max(switches, key=lambda one: one.mode.severity, default=None)


def market_scopes(symbol: str, venue: str | None = None, account_id: str | None = None) -> frozenset[str]:
    """Scopes of one row.

    Examples
    --------
    >>> sorted(market_scopes("BTC/USDT:USDT", "okx"))
    ['symbol:BTC/USDT:USDT', 'venue:okx']
    """
    named = {f"symbol:{symbol}"}
    named |= {f"venue:{venue}"} if venue else set()
    return frozenset(named | ({f"account:{account_id}"} if account_id else set()))
