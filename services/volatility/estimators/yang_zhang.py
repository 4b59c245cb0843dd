"""Yang–Zhang: overnight and open-to-close variances around their means, and Rogers–Satchell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.explain import Floats
from services.volatility.averages import mean_of, rolling_mean, rolling_variance, sample_variance
from services.volatility.close_match import advance_match, match_path, match_ratio
from services.volatility.moves import Move, Moves
from services.volatility.ranges import Number, rogers_satchell, yang_zhang_weight

Memory = tuple[float, ...]

_COUNT, _RETURNED, _MEASURED, _RINGS = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class YangZhang:
    r"""``σ² = c · (var(o) + k var(c) + (1 − k) mean(RS))`` over the last n bars, variances divided by n − 1.

    ``k = .34 / (1.34 + (n + 1)/(n − 1))``

    Parameters
    ----------
    window : int
        n [bars].
    match_close_variance : bool
        Multiply by the ratio c of `services.volatility.close_match`; the value of one bar is there
        ``o² + k c² + (1 − k) RS``, the same mixture around zero.
    calibrate : bool
        Apply the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    Free of drift and right about opening jumps; blind to jumps while the market is open. Where it never closes o is
    noise: prefer Garman–Klass there. A bar without a range counts with o = 0, c = r and RS = r². NaN before n bars.
    Memory: 3 n floats (o, c and RS of each bar), 6 KB at n = 250. Cost: O(n) a bar, in two passes.

    References
    ----------
    Yang & Zhang (2000), J. Business 73; TTR ``volatility(calc = "yang.zhang")``.
    """

    method: Literal["yang_zhang"] = "yang_zhang"
    window: Annotated[int, Ge(2), Le(250)] = 20
    match_close_variance: bool = True
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close", "range"})
    revision: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def start(self) -> Memory:
        """Memory before the first move: bars seen, E(r²), E(v), then o, c, RS of the last bars, oldest first."""
        return (0.0,) * (_RINGS + 3 * self.window)

    def advance(self, memory: Memory, move: Move) -> Memory:
        """Memory after one more move."""
        square = move.log_return * move.log_return
        overnight, body, intraday = 0.0, move.log_return, square
        if move.ranged:
            overnight, body, intraday = move.overnight, move.body, rogers_satchell(move.high, move.low, move.body)
        value = self._mixture(overnight * overnight, body * body, intraday)
        seen = memory[_COUNT]
        returned, measured = advance_match(memory[_RETURNED], memory[_MEASURED], square, value, seen)
        return (seen + 1.0, returned, measured, *memory[_RINGS + 3 :], overnight, body, intraday)

    def variance(self, memory: Memory) -> float:
        """Forecast for the next bar [variance per bar]; NaN until `window` bars were seen."""
        if memory[_COUNT] < self.window:
            return math.nan
        overnight, body, intraday = (memory[_RINGS + place :: 3] for place in range(3))
        mixture = self._mixture(sample_variance(overnight), sample_variance(body), mean_of(intraday))
        ratio = match_ratio(memory[_RETURNED], memory[_MEASURED]) if self.match_close_variance else 1.0
        return ratio * mixture

    def variance_path(self, moves: Moves) -> Floats:
        """`variance` after each move, (m, n)."""
        squares = moves.log_return * moves.log_return
        overnight, body, intraday = _parts(moves, squares)
        window = self.window
        variances = (rolling_variance(overnight, window), rolling_variance(body, window))
        path = self._mixture(*variances, rolling_mean(intraday, window))
        if not self.match_close_variance:
            return path
        return path * match_path(squares, self._mixture(overnight * overnight, body * body, intraday))

    def effective_half_life(self, memory: Memory) -> float:
        """Half the window [bars]."""
        del memory
        return self.window / 2.0

    def effective_observations(self, memory: Memory) -> float:
        """Bars in the window."""
        return min(memory[_COUNT], float(self.window))

    def _mixture(self, overnight: Number, body: Number, intraday: Number) -> Number:
        weight = yang_zhang_weight(self.window)
        return overnight + weight * body + (1.0 - weight) * intraday


def _parts(moves: Moves, squares: Floats) -> tuple[Floats, Floats, Floats]:
    """o, c and RS of each bar; 0, r and r² where it has no range."""
    overnight, high, low, body = moves.overnight, moves.high, moves.low, moves.body
    if overnight is None or high is None or low is None or body is None:
        return np.zeros(squares.shape), moves.log_return, squares
    bare = np.isnan(high)
    intraday = np.where(bare, squares, rogers_satchell(high, low, body))
    return np.where(bare, 0.0, overnight), np.where(bare, moves.log_return, body), intraday
