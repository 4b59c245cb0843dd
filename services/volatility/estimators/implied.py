"""Implied volatility as a forecast, scaled by what it proved to be worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le
from scipy.signal import lfilter

from services.core.explain import Floats
from services.volatility.averages import gain_of
from services.volatility.bars import MAX_MISSING_BARS
from services.volatility.close_match import advance_match, match_averages
from services.volatility.moves import Move, Moves

Memory = tuple[float, ...]

PRIOR_RATIO = 0.7
"""Realised over implied variance before anything was seen: sellers of options are paid for the risk."""
PRIOR_PAIRS = 20.0
HALF_LIFE = 250.0
"""Of the sums [bars]."""
_GAIN = gain_of(HALF_LIFE)
_KEPT = 1.0 - _GAIN

_SEEN, _LEVEL, _RETURNED, _IMPLIED, _PAIRS, _LAST, _AGE = range(7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Implied:
    r"""``σ² = iv · (Σ r² + 20 · 0.7 · s) / (Σ iv_prev + 20 · s)``: the last implied variance times a causal ratio.

    The sums run over the bars before which an implied variance was known, and halve every 250 bars; s is the average r²
    of the same half-life, capped as in `services.volatility.close_match`: it gives the 20 imagined pairs their size.

    Parameters
    ----------
    calibrate : bool
        Apply the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    Takes any annual implied volatility per bar: of options at the money, or model-free as by
    `services.options.model_free`. The last value is held over five bars that bring none; NaN after them, and before the
    first. A factor in the source (VIX is quoted above what is realised) is learnt. Cost: O(1) a bar.

    References
    ----------
    Christensen & Prabhala (1998), The relation between implied and realized volatility, J. Fin. Economics 50.
    """

    method: Literal["implied"] = "implied"
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close", "implied_volatility"})
    revision: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def start(self) -> Memory:
        """Memory before the first move.

        Bars seen, s, Σ r², Σ iv_prev, Σ 1 of the pairs, last iv (0: none in time) and the bars since.
        """
        return (0.0,) * 7

    def advance(self, memory: Memory, move: Move) -> Memory:
        """Memory after one more move."""
        seen, level, returned, implied, pairs, last, age = memory
        square = move.log_return * move.log_return
        level, _ = advance_match(level, 0.0, square, 0.0, seen)
        returned, implied, pairs = _KEPT * returned, _KEPT * implied, _KEPT * pairs
        if last > 0.0:
            returned, implied, pairs = returned + square, implied + last, pairs + 1.0
        if move.implied_variance > 0.0:
            last, age = move.implied_variance, 0.0
        elif last > 0.0:
            last, age = (last, age + 1.0) if age < MAX_MISSING_BARS else (0.0, 0.0)
        return (seen + 1.0, level, returned, implied, pairs, last, age)

    def variance(self, memory: Memory) -> float:
        """Forecast for the next bar [variance per bar]; NaN without an implied volatility on it or the five before."""
        last = memory[_LAST]
        return last * self.ratio(memory) if last > 0.0 else math.nan

    def ratio(self, memory: Memory) -> float:
        """Realised over implied variance; 0.7 before the first pair."""
        imagined = PRIOR_PAIRS * memory[_LEVEL]
        weight = memory[_IMPLIED] + imagined
        return (memory[_RETURNED] + PRIOR_RATIO * imagined) / weight if weight > 0.0 else PRIOR_RATIO

    def variance_path(self, moves: Moves) -> Floats:
        """`variance` after each move, (m, n)."""
        if moves.implied_variance is None:
            return np.full(moves.shape, np.nan)
        squares = moves.log_return * moves.log_return
        held = _held(moves.implied_variance)
        before = np.concatenate([np.zeros((moves.shape[0], 1)), held[:, :-1]], axis=-1)
        imagined = PRIOR_PAIRS * match_averages(squares, np.zeros(moves.shape))[0]
        returned = _faded(np.where(before > 0.0, squares, 0.0)) + PRIOR_RATIO * imagined
        weight = _faded(before) + imagined
        ratio = np.full(moves.shape, PRIOR_RATIO)
        np.divide(returned, weight, out=ratio, where=weight > 0.0)
        return np.where(held > 0.0, held * ratio, np.nan)

    def effective_half_life(self, memory: Memory) -> float:
        """One bar: the newest implied volatility stands for all of them [bars]."""
        del memory
        return 1.0

    def effective_observations(self, memory: Memory) -> float:
        """Kish size of the pairs that the ratio rests on, and one for the newest value."""
        size = memory[_PAIRS] * (1.0 + _KEPT) / (2.0 - _GAIN * memory[_PAIRS])
        return min(size + 1.0, max(memory[_SEEN], 1.0))


def _held(implied: Floats) -> Floats:
    """Last value so far, 0 where there was none on a bar and the five before."""
    bars = np.arange(implied.shape[-1])
    place = np.maximum.accumulate(np.where(implied > 0.0, bars, -1), axis=-1)
    held = np.take_along_axis(implied, np.maximum(place, 0), axis=-1)
    return np.where((place < 0) | (bars - place > MAX_MISSING_BARS), 0.0, held)


def _faded(values: Floats) -> Floats:
    """Sums so far that halve every `HALF_LIFE` bars."""
    sums: Floats = lfilter([1.0], [1.0, -_KEPT], values, axis=-1)
    return sums
