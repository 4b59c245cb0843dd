"""Age of what a source says, by its own heartbeat, and what a price of less than full validity is still good for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from services.guards.outcome import OracleReason, SourceReason

GRACE = 1.5
"""Heartbeats after which a source is stale."""
FUTURE_SECONDS = 1.0
"""Clock difference that is forgiven."""


def seconds_between(earlier: datetime, later: datetime) -> float:
    """Seconds from one moment to the other; 0 where they are the other way round."""
    return max((later - earlier).total_seconds(), 0.0)


def lateness(moment: datetime, heartbeat_seconds: float, as_of: datetime) -> float:
    """Age over the age at which the source is stale: 2/3 is one heartbeat, above 1 is stale.

    Examples
    --------
    >>> from datetime import UTC
    >>> lateness(datetime(2026, 1, 1, 0, 0, 0, tzinfo=UTC), 60.0, datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC))
    1.0
    """
    return seconds_between(moment, as_of) / (GRACE * heartbeat_seconds)


def time_fault(moment: datetime, heartbeat_seconds: float, as_of: datetime) -> SourceReason | None:
    """Why a price of `moment` is not one of `as_of`; None if it is.

    Notes
    -----
    Each source by its own heartbeat: with the longest one for all, the fast feed is trusted long after it died; with
    the shortest, the slow one is never used.
    """
    if (moment - as_of).total_seconds() > FUTURE_SECONDS:
        return SourceReason.IN_FUTURE
    return SourceReason.STALE if lateness(moment, heartbeat_seconds, as_of) > 1.0 else None


class PriceUse(StrEnum):
    """What a price is wanted for."""

    OPEN = "open"
    WITHDRAW = "withdraw"
    REDUCE = "reduce"
    LIQUIDATE = "liquidate"


class Validity(StrEnum):
    """How far a price is to be trusted."""

    VALID = "valid"
    UNCERTAIN = "uncertain"
    VOLATILE = "volatile"
    STALE = "stale"
    MISSING = "missing"


TOLERATED: dict[PriceUse, frozenset[Validity]] = {
    PriceUse.OPEN: frozenset({Validity.VALID}),
    PriceUse.WITHDRAW: frozenset({Validity.VALID}),
    PriceUse.REDUCE: frozenset(Validity),
    PriceUse.LIQUIDATE: frozenset({Validity.VALID, Validity.UNCERTAIN, Validity.STALE}),
}
"""What each use puts up with: taking risk off need not wait for the feed, taking some on or money out must.

After `is_oracle_valid_for_action` of Drift (protocol-v2, programs/drift/src/math/oracle.rs), which liquidates on an
uncertain or stale price and not on a volatile one: a price that was pushed is what a manipulator liquidates with.
"""
_VALIDITY = {
    OracleReason.NONE: Validity.VALID,
    OracleReason.JUMP_UNCONFIRMED: Validity.VOLATILE,
    OracleReason.FAR_FROM_TWAP: Validity.VOLATILE,
}


def validity_of(reasons: Iterable[OracleReason]) -> frozenset[Validity]:
    """Validities that the blocking reasons of an existing price amount to; `valid` alone without any."""
    found = frozenset(_VALIDITY.get(reason, Validity.UNCERTAIN) for reason in reasons)
    return found or frozenset({Validity.VALID})


def permitted(use: PriceUse, validity: frozenset[Validity]) -> bool:
    """Whether a price may be used so: every one of its shortcomings must be tolerated.

    Examples
    --------
    >>> stale = frozenset({Validity.STALE})
    >>> permitted(PriceUse.REDUCE, stale), permitted(PriceUse.OPEN, stale)
    (True, False)
    """
    return validity <= TOLERATED[use]
