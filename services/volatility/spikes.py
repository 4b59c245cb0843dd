"""Bars that are not what they seem: jumps that are taken back at once, and splits."""

from __future__ import annotations

import math

SPIKE_SIGMAS = 12.0
"""Size of a jump that may be a bad print [σ of the forecast before it]."""
TAKEN_BACK = 0.8
"""Part of a jump that the next bar must take back to undo it."""
UNDO_EVERY = 64
"""Bars between two jumps that may be undone: a market that keeps jumping is not a market with bad prints."""
SMALLEST_SPLIT = math.log(1.9)
SPLIT_TOLERANCE = 0.01
LARGEST_WHOLE = 20.5


def takes_back(log_return: float, spike: float) -> bool:
    """Whether a move takes back a jump: price ends within 20 % of the jump from where it was before.

    Examples
    --------
    >>> takes_back(-0.85, 1.0), takes_back(-0.5, 1.0), takes_back(-1.5, 1.0)
    (True, False, False)
    """
    return abs(log_return + spike) <= (1.0 - TAKEN_BACK) * abs(spike)


def looks_like_a_split(log_return: float, volume: float, volume_before: float) -> bool:
    """Whether a move is that of a split or a redenomination.

    The price changes by 1.9 or more, to within 1 % of a whole multiple or part (beyond 20 of a power of ten, since near
    large numbers there is always a whole one), and the volume changes the other way by as much: its logarithm to within
    half of the move. Without volumes nothing is suspected.

    Examples
    --------
    >>> looks_like_a_split(math.log(0.5), 210.0, 100.0), looks_like_a_split(math.log(0.5), 100.0, 100.0)
    (True, False)
    """
    if abs(log_return) < SMALLEST_SPLIT or not (volume > 0.0 and volume_before > 0.0):
        return False
    ratio = math.exp(min(abs(log_return), 700.0))
    whole = round(ratio) if ratio < LARGEST_WHOLE else 10.0 ** round(math.log10(ratio))
    if abs(ratio / whole - 1.0) > SPLIT_TOLERANCE:
        return False
    return abs(math.log(volume) - math.log(volume_before) + log_return) <= 0.5 * abs(log_return)
