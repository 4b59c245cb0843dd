"""Moves that are too large to be believed at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from services.core.annualization import SECONDS_PER_YEAR
from services.guards.observation import OracleState, PendingPrice
from services.guards.policy import OraclePolicy
from services.guards.quorum import Voice
from services.guards.staleness import seconds_between

SHORTEST_SECONDS = 60.0
"""Time that a move is given at least: over less, the spread between sources is the larger part of it."""


def largest_move(policy: OraclePolicy, volatility: float | None, seconds: float) -> float:
    r"""Log return that needs no confirmation: ``min(max_jump, jump_sigmas · σ · √(max(t, 60 s) / 1 year))``.

    Parameters
    ----------
    volatility : float, optional
        σ [annual]; without it `max_jump` alone counts.
    seconds : float
        Time since the price that is compared with [s].

    Examples
    --------
    >>> round(largest_move(OraclePolicy(), 0.5, 3600.0), 4), largest_move(OraclePolicy(), None, 3600.0)
    (0.0534, 0.1)
    """
    if volatility is None:
        return policy.max_jump
    years = max(seconds, SHORTEST_SECONDS) / SECONDS_PER_YEAR
    return min(policy.max_jump, policy.jump_sigmas * volatility * math.sqrt(years))


def is_near(
    price: float, other: float, moment: datetime, as_of: datetime, policy: OraclePolicy, volatility: float | None
) -> bool:
    """Whether a price may have become another one since `moment`."""
    return abs(math.log(price / other)) <= largest_move(policy, volatility, seconds_between(moment, as_of))


def jump(
    price: float,
    voices: Sequence[Voice],
    previous: OracleState,
    policy: OraclePolicy,
    as_of: datetime,
    volatility: float | None,
) -> PendingPrice | None:
    """What waits for confirmation; None where the move is small or confirmed.

    A jump is confirmed by a later aggregate near it, in which a quorum of voices has published again since it was first
    seen: the same prices sent twice prove nothing.

    Notes
    -----
    Holding costs one publication after a true crash. It buys that whoever moves all sources for the length of one print
    opens nothing on it.
    """
    if is_near(price, previous.price, previous.as_of, as_of, policy, volatility):
        return None
    pending = previous.pending
    if pending is None or not is_near(price, pending.price, pending.as_of, as_of, policy, volatility):
        return PendingPrice(price, as_of)
    witnesses = sum(voice.newest > pending.as_of for voice in voices)
    return None if witnesses >= policy.quorum else pending


def far_from_average(price: float, average: float | None, policy: OraclePolicy) -> float | None:
    """Ratio of price and time-weighted average price where it is above the policy's; else None."""
    if average is None:
        return None
    ratio = max(price, average) / min(price, average)
    return ratio if ratio > policy.max_twap_ratio else None
