"""Wilder's average true range, and the volatility that it stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from scipy.signal import lfilter

from services.core.explain import Floats
from services.volatility.averages import effective_size
from services.volatility.moves import Move, Moves
from services.volatility.ranges import MEAN_RANGE, true_range

Memory = tuple[float, ...]


def average_true_range(high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """Average true range of prices; NaN for the first `window` bars.

    ``ATR_n = mean(TR_1 … TR_n)``, then ``ATR ← ATR + (TR − ATR)/n``; TR_0 is undefined.

    Parameters
    ----------
    high, low, close : (..., n) arrays
        Oldest first [quote currency].
    window : int
        n of Wilder, >= 1 [bars]; 14 in his book.

    Returns
    -------
    (..., n) array
        [quote currency]

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems; TTR ``ATR``.

    Examples
    --------
    >>> prices = np.array([10.0, 11.0, 12.0, 12.0])
    >>> average_true_range(prices + 1.0, prices - 1.0, prices, 2).tolist()
    [nan, nan, 2.0, 2.0]
    """
    path = np.full(close.shape, np.nan)
    path[..., 1:] = _smoothed(true_range(high, low, close)[..., 1:], window)
    return path


def _smoothed(ranges: Floats, window: int) -> Floats:
    """Wilder's average; NaN before `window` ranges."""
    path = np.full(ranges.shape, np.nan)
    if ranges.shape[-1] >= window:
        seed = ranges[..., :window].sum(axis=-1, keepdims=True) / window
        decay = 1.0 - 1.0 / window
        rest, _ = lfilter([1.0 / window], [1.0, -decay], ranges[..., window:], axis=-1, zi=decay * seed)
        path[..., window - 1 :] = np.concatenate([seed, rest], axis=-1)
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageTrueRange:
    r"""``σ² = (ATR / (1.5958 C))²``: the variance of a walk whose mean range is the ATR.

    Parameters
    ----------
    window : int
        n of Wilder [bars]: a half-life of ``ln 2 / −ln(1 − 1/n)``, 9.35 bars for n = 14.
    calibrate : bool
        Apply the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    ``E(range) = sqrt(8/π) σ``. An average of ranges, not of their squares: a crash raises it less than the variance,
    which `calibrate` makes up for on average. Made of prices, as traders do, and therefore exact in the scale of prices
    but not of returns. A bar without a range counts with ``2 |C − C_prev|``, which has the same mean for a walk.
    NaN before n bars. Kept as ATR / C and moved on by log returns alone, so that a split changes nothing. Cost: O(1) a
    bar.

    References
    ----------
    Wilder (1978); Feller (1951), The asymptotic distribution of the range, Ann. Math. Stat. 22 (mean of the range).
    """

    method: Literal["average_true_range"] = "average_true_range"
    window: Annotated[int, Ge(2), Le(250)] = 14
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close", "range"})
    revision: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def start(self) -> Memory:
        """Memory before the first move: bars seen, mean of the ranges so far or ATR over the last close."""
        return (0.0, 0.0)

    def advance(self, memory: Memory, move: Move) -> Memory:
        """Memory after one more move."""
        count, average = memory
        before = math.exp(-move.log_return)
        spread = 2.0 * abs(math.expm1(-move.log_return))
        if move.ranged:
            top, bottom = (math.expm1(move.overnight + part) for part in (move.high, move.low))
            spread = before * (max(top, 0.0) - min(bottom, 0.0))
        average *= before
        return (count + 1.0, average + (spread - average) / min(count + 1.0, self.window))

    def variance(self, memory: Memory) -> float:
        """Forecast for the next bar [variance per bar]; NaN until `window` bars were seen."""
        count, average = memory
        return (average / MEAN_RANGE) ** 2 if count >= self.window else math.nan

    def variance_path(self, moves: Moves) -> Floats:
        """`variance` after each move, (m, n)."""
        before, spreads = np.exp(-moves.log_return).T, _true_ranges(moves).T
        path, average = np.full(spreads.shape, np.nan), np.zeros(moves.shape[0])
        for bar, (ratio, spread) in enumerate(zip(before, spreads, strict=True)):
            average *= ratio
            average += (spread - average) / min(bar + 1.0, self.window)
            if bar + 1 >= self.window:
                path[bar] = average
        return np.asarray((path.T / MEAN_RANGE) ** 2, dtype=float)

    def effective_half_life(self, memory: Memory) -> float:
        """``ln 2 / −ln(1 − 1/n)`` [bars]."""
        del memory
        return math.log(2.0) / -math.log1p(-1.0 / self.window)

    def effective_observations(self, memory: Memory) -> float:
        """How many equally weighted bars would know as much (Kish); the seed is the plain mean of n ranges."""
        return effective_size([1.0 / self.window], [1.0], memory[0])


def _true_ranges(moves: Moves) -> Floats:
    """TR of each bar over its own close; twice the move of the close where it has no range."""
    bare = 2.0 * np.abs(np.expm1(-moves.log_return))
    if moves.overnight is None or moves.high is None or moves.low is None:
        return np.asarray(bare, dtype=float)
    top, bottom = np.expm1(moves.overnight + moves.high), np.expm1(moves.overnight + moves.low)
    spread = np.exp(-moves.log_return) * (np.maximum(top, 0.0) - np.minimum(bottom, 0.0))
    return np.where(np.isnan(moves.high), bare, spread)
