"""What Parkinson, Garman–Klass and Rogers–Satchell share: an average of the variances that single bars measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility.averages import advance_ewma, effective_size, ewma_path, gain_of, mean_of, rolling_mean
from services.volatility.close_match import advance_match, match_path, match_ratio
from services.volatility.moves import Move, Moves
from services.volatility.ranges import Number

Memory = tuple[float, ...]

DEFAULT_HALF_LIFE = 20.0
_COUNT, _RETURNED, _MEASURED = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeAverage(ABC):
    """Average of the variance that each bar measured by its range, lifted to the variance of closes.

    Notes
    -----
    Memory: bars seen, E(r²), E(v), then the exponential average or the last `window` values, oldest first.
    """

    window: Annotated[int, Ge(2), Le(250)] | None = None
    half_life: Annotated[float, Gt(0), Le(2000)] | None = None
    overnight: bool = True
    match_close_variance: bool = True
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close", "range"})
    revision: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if self.window is None and self.half_life is None:
            object.__setattr__(self, "half_life", DEFAULT_HALF_LIFE)
        elif self.window is not None and self.half_life is not None:
            raise InvalidInput("window", "excludes half_life: give one of the two", self.window)

    @abstractmethod
    def intraday(self, high: Number, low: Number, body: Number) -> Number:
        """Variance of the open hours of a bar from its range."""

    def start(self) -> Memory:
        """Memory before the first move."""
        return (0.0,) * (3 + (self.window or 1))

    def advance(self, memory: Memory, move: Move) -> Memory:
        """Memory after one more move."""
        square = move.log_return * move.log_return
        value = self._measure(move.overnight, move.high, move.low, move.body) if move.ranged else square
        seen = memory[_COUNT]
        returned, measured = advance_match(memory[_RETURNED], memory[_MEASURED], square, value, seen)
        if self.half_life is None:
            return (seen + 1.0, returned, measured, *memory[4:], value)
        return (seen + 1.0, returned, measured, advance_ewma(memory[3], value, seen, gain_of(self.half_life)))

    def variance(self, memory: Memory) -> float:
        """Forecast for the next bar [variance per bar]; NaN until `window` bars were seen."""
        if memory[_COUNT] < (self.window or 1):
            return float("nan")
        average = memory[3] if self.half_life is not None else mean_of(memory[3:])
        ratio = match_ratio(memory[_RETURNED], memory[_MEASURED]) if self.match_close_variance else 1.0
        return ratio * average

    def variance_path(self, moves: Moves) -> Floats:
        """`variance` after each move, (m, n)."""
        squares = moves.log_return * moves.log_return
        values = self._measured(moves, squares)
        if self.half_life is None:
            average = rolling_mean(values, self.window or 1)
        else:
            average = ewma_path(values, gain_of(self.half_life))
        return average * match_path(squares, values) if self.match_close_variance else average

    def effective_half_life(self, memory: Memory) -> float:
        """`half_life`, or half the window: the age at which half of the weight is reached [bars]."""
        del memory
        return self.half_life if self.half_life is not None else (self.window or 1) / 2.0

    def effective_observations(self, memory: Memory) -> float:
        """How many equally weighted bars would know as much (Kish); the ratio to closes is taken as known."""
        if self.half_life is None:
            return min(memory[_COUNT], float(self.window or 1))
        return effective_size([gain_of(self.half_life)], [1.0], memory[_COUNT])

    def _measure(self, overnight: Number, high: Number, low: Number, body: Number) -> Number:
        intraday = self.intraday(high, low, body)
        return overnight * overnight + intraday if self.overnight else intraday

    def _measured(self, moves: Moves, squares: Floats) -> Floats:
        """Value of each bar, r² where it has no range."""
        overnight, high, low, body = moves.overnight, moves.high, moves.low, moves.body
        if overnight is None or high is None or low is None or body is None:
            return squares
        return np.where(np.isnan(high), squares, self._measure(overnight, high, low, body))
