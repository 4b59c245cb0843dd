"""Variance of the last returns, equally weighted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from services.core.explain import Floats
from services.volatility.averages import mean_of, rolling_mean, rolling_variance, sample_variance
from services.volatility.moves import Move, Moves

Memory = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseToClose:
    r"""``Σ r² / n`` over the last n returns, or ``Σ (r − r̄)² / (n − 1)``.

    Parameters
    ----------
    window : int
        n, counted in returns [bars]. TTR's ``volatility(n)`` counts prices: its n is this one plus 1.
    mean : {"zero", "sample"}
        What deviations are taken from. Below 250 bars the noise of a sample mean costs more than it saves.
    calibrate : bool
        Apply the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    A description of the past rather than a forecast: it forgets a crash from one bar to the next. NaN before n returns.
    Cost: O(n) a bar, computed anew each time, so that nothing drifts.

    References
    ----------
    Figlewski (1997), Forecasting Volatility, Financial Markets, Institutions & Instruments 6 (why the mean is taken as
    zero); TTR ``volatility``.
    """

    method: Literal["close_to_close"] = "close_to_close"
    window: Annotated[int, Ge(2), Le(250)] = 21
    mean: Literal["zero", "sample"] = "zero"
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close"})
    revision: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def start(self) -> Memory:
        """Memory before the first move: bars seen, then the last returns, oldest first."""
        return (0.0,) * (1 + self.window)

    def advance(self, memory: Memory, move: Move) -> Memory:
        """Memory after one more move."""
        return (memory[0] + 1.0, *memory[2:], move.log_return)

    def variance(self, memory: Memory) -> float:
        """Forecast for the next bar [variance per bar]; NaN until `window` bars were seen."""
        if memory[0] < self.window:
            return math.nan
        returns = memory[1:]
        return sample_variance(returns) if self.mean == "sample" else mean_of([value * value for value in returns])

    def variance_path(self, moves: Moves) -> Floats:
        """`variance` after each move, (m, n)."""
        returns = moves.log_return
        if self.mean == "sample":
            return rolling_variance(returns, self.window)
        return rolling_mean(returns * returns, self.window)

    def effective_half_life(self, memory: Memory) -> float:
        """Half the window [bars]."""
        del memory
        return self.window / 2.0

    def effective_observations(self, memory: Memory) -> float:
        """Returns in the window, one less where their mean is estimated."""
        return max(min(memory[0], float(self.window)) - (self.mean == "sample"), 0.0)
