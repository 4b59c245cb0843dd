"""Implied volatility as a forecast, scaled by what it proved to be worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Floats
from services.volatility.close_match import advance_match, match_averages
from services.volatility.moves import Move, Moves

Memory = tuple[float, ...]

PRIOR_RATIO = 0.7
"""Realised over implied variance before anything was seen: sellers of options are paid for the risk."""
PRIOR_PAIRS = 20.0

_SEEN, _LEVEL, _RETURNED, _IMPLIED, _PAIRS, _LAST = range(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Implied:
    r"""``σ² = iv · (Σ r² + 20 · 0.7 · s) / (Σ iv_prev + 20 · s)``: the last implied variance times a causal ratio.

    The sums run over the bars before which an implied variance was known; s is the average r² of half-life 250, capped
    as in `services.volatility.close_match`: it gives the 20 imagined pairs their size.

    Parameters
    ----------
    calibrate : bool
        Apply the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    Takes any annual implied volatility per bar: of options at the money, or model-free as by
    `services.options.model_free`. The last value is held over bars that bring none; NaN before the first. A constant
    factor in the source (VIX is quoted above what is realised) is learnt. Cost: O(1) a bar.

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
        """Memory before the first move: bars seen, s, Σ r², Σ iv_prev, pairs in the sums, last iv (0: none yet)."""
        return (0.0,) * 6

    def advance(self, memory: Memory, move: Move) -> Memory:
        """Memory after one more move."""
        seen, level, returned, implied, pairs, last = memory
        square = move.log_return * move.log_return
        level, _ = advance_match(level, 0.0, square, 0.0, seen)
        if last > 0.0:
            returned, implied, pairs = returned + square, implied + last, pairs + 1.0
        known = move.implied_variance > 0.0
        return (seen + 1.0, level, returned, implied, pairs, move.implied_variance if known else last)

    def variance(self, memory: Memory) -> float:
        """Forecast for the next bar [variance per bar]; NaN before the first implied volatility."""
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
        returned = np.cumsum(np.where(before > 0.0, squares, 0.0), axis=-1) + PRIOR_RATIO * imagined
        weight = np.cumsum(before, axis=-1) + imagined
        ratio = np.full(moves.shape, PRIOR_RATIO)
        np.divide(returned, weight, out=ratio, where=weight > 0.0)
        return np.where(held > 0.0, held * ratio, np.nan)

    def effective_half_life(self, memory: Memory) -> float:
        """One bar: the newest implied volatility stands for all of them [bars]."""
        del memory
        return 1.0

    def effective_observations(self, memory: Memory) -> float:
        """Pairs that the ratio rests on, and one for the newest value."""
        return min(memory[_PAIRS] + 1.0, max(memory[_SEEN], 1.0))


def _held(implied: Floats) -> Floats:
    """Last value so far, 0 before the first."""
    known = implied > 0.0
    place = np.maximum.accumulate(np.where(known, np.arange(implied.shape[-1]), -1), axis=-1)
    held = np.take_along_axis(implied, np.maximum(place, 0), axis=-1)
    return np.where(place < 0, 0.0, held)
