"""EGARCH with given parameters: the recursion runs in the logarithm of the variance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.explain import Floats
from services.volatility import garch
from services.volatility.moves import Move, Moves


@dataclass(frozen=True, slots=True, kw_only=True)
class Egarch:
    r"""EGARCH(1,1,1) as a filter: parameters are given, by hand or by a fit, and never change while it runs.

    ``ln h' = ω + α(|z| − √(2/π)) + γ z + β ln h`` with ``z = r / √h``; ln h is kept within ± 30.

    Parameters
    ----------
    omega : float
        Constant ω of ln h, h in variance per bar of log returns. Of a fit on percent returns (`arch`): its
        omega − (1 − β) × ln(10,000).
    alpha : float
        Reaction α to the size of z, not negative: large moves may not calm the forecast. The same number in every unit
        of returns.
    gamma : float
        Reaction γ to z with its sign: negative where falls raise the volatility.
    beta : float
        Share β of ln h that is kept, below 1; it is the persistence.
    start_variance : float, optional
        Forecast for the first bar [variance per bar]: exp(ω / (1 − β)) where none is given.
    calibrate : bool
        Multiply the forecast by the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    For comparison and for parameters that exist; not the tool for tails, because the variance answers to one wild
    return with an exponential. A log return of 1.5 at a volatility of 6 % a bar (z = 25) and α = 0.2 multiplies it by
    126. Only the limits of ln h bound that. Cost: O(1) a bar; whole series need a loop.

    References
    ----------
    Nelson (1991), Econometrica 59, 347–370, in the parameters of `arch`.
    """

    method: Literal["egarch"] = "egarch"
    omega: Annotated[float, Ge(-100), Le(100)]
    alpha: Annotated[float, Ge(0), Le(2)]
    gamma: Annotated[float, Ge(-2), Le(2)]
    beta: Annotated[float, Ge(0), Lt(1)]
    start_variance: Annotated[float, Ge(1e-16), Le(10_000)] | None = None
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close"})
    revision: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @property
    def persistence(self) -> float:
        """β."""
        return self.beta

    @property
    def long_run_variance(self) -> float:
        """exp(ω / (1 − β)), the variance at the long-run mean of ln h [variance per bar]."""
        level = self.omega / (1.0 - self.beta)
        return math.exp(min(max(level, -garch.LOG_VARIANCE_LIMIT), garch.LOG_VARIANCE_LIMIT))

    def start(self) -> tuple[float, ...]:
        """(ln of the forecast, bars seen)."""
        first = self.long_run_variance if self.start_variance is None else self.start_variance
        return (min(max(math.log(first), -garch.LOG_VARIANCE_LIMIT), garch.LOG_VARIANCE_LIMIT), 0.0)

    def advance(self, memory: tuple[float, ...], move: Move) -> tuple[float, ...]:
        """Memory after one more move."""
        level = garch.next_log_variance(memory[0], move.log_return, self.omega, self.alpha, self.gamma, self.beta)
        return (level, memory[1] + 1.0)

    def variance(self, memory: tuple[float, ...]) -> float:
        """Forecast for the next bar [variance per bar]; before any bar the start value."""
        return math.exp(memory[0])

    def variance_path(self, moves: Moves) -> Floats:
        """`variance` after each move, (m, n)."""
        path = garch.log_variance_path(moves.log_return, self.omega, self.alpha, self.gamma, self.beta, self.start()[0])
        return np.exp(path)

    def multi_step(self, memory: tuple[float, ...], bars: int) -> Floats:
        """Forecast for each of the next `bars` bars, see `garch.multi_step_log`."""
        return garch.multi_step_log(memory[0], self.omega, self.alpha, self.gamma, self.beta, bars)

    def effective_half_life(self, memory: tuple[float, ...]) -> float:
        """Age at which half of the weight of past shocks to ln h is reached: they weigh as β^age [bars]."""
        return garch.half_life(self.beta)

    def effective_observations(self, memory: tuple[float, ...]) -> float:
        """Kish size of the weights β^age."""
        return garch.kish_size(self.beta, memory[1])
