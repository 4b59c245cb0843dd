"""GARCH(1,1) with given parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility import garch
from services.volatility.moves import Move, Moves


@dataclass(frozen=True, slots=True, kw_only=True)
class Garch:
    r"""GARCH(1,1) as a filter: parameters are given, by hand or by a fit, and never change while it runs.

    ``h' = ω + α r² + β h``.

    Parameters
    ----------
    omega : float
        Constant ω [variance per bar of log returns]. Of a fit on percent returns (`arch`): its omega / 10,000.
    alpha : float
        Reaction α to the newest squared return; the same number in every unit of returns.
    beta : float
        Share β of the variance that is kept; the same number in every unit of returns.
    start_variance : float, optional
        Forecast for the first bar [variance per bar]: the long-run variance ω / (1 − α − β) where none is given. For
        `arch`'s own path give ω + (α + β) × its backcast. Required where α + β ≥ 0.9999.
    calibrate : bool
        Multiply the forecast by the second-moment factor k of `services.volatility.calibration`.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    Returns have mean zero here; a fit with a constant mean differs by the square of that mean. α + β must be at most 1;
    from 0.9999 on forecasts over several bars are flat. A flat market lets h sink to ω / (1 − β) and no further. The
    parameters belong to one bar length and one market: the recursion is not scale-free. Cost: O(1) a bar.

    References
    ----------
    Bollerslev (1986), J. Econometrics 31, eq. 2.
    """

    method: Literal["garch"] = "garch"
    omega: Annotated[float, Ge(1e-16), Le(100)]
    alpha: Annotated[float, Ge(0), Le(1)]
    beta: Annotated[float, Ge(0), Lt(1)]
    start_variance: Annotated[float, Ge(1e-16), Le(10_000)] | None = None
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close"})
    revision: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if self.persistence > 1.0:
            raise InvalidInput("estimator", "needs alpha + beta <= 1, or the variance grows for ever", self.persistence)
        if self.persistence >= garch.FLAT_FROM and self.start_variance is None:
            rule = "needs start_variance where alpha + beta >= 0.9999: there is no long-run variance to start from"
            raise InvalidInput("estimator", rule, self.persistence)

    @property
    def persistence(self) -> float:
        """α + β."""
        return garch.persistence(self.alpha, 0.0, self.beta)

    @property
    def long_run_variance(self) -> float:
        """ω / (1 − α − β) [variance per bar]; infinite from persistence 0.9999 on."""
        return garch.long_run_variance(self.omega, self.alpha, 0.0, self.beta)

    def start(self) -> tuple[float, ...]:
        """(forecast, bars seen)."""
        return (self.long_run_variance if self.start_variance is None else self.start_variance, 0.0)

    def advance(self, memory: tuple[float, ...], move: Move) -> tuple[float, ...]:
        """Memory after one more move."""
        variance = garch.next_variance(memory[0], move.log_return, self.omega, self.alpha, 0.0, self.beta)
        return (variance, memory[1] + 1.0)

    def variance(self, memory: tuple[float, ...]) -> float:
        """Forecast for the next bar [variance per bar]; before any bar the start value."""
        return memory[0]

    def variance_path(self, moves: Moves) -> Floats:
        """`variance` after each move, (m, n)."""
        return garch.variance_path(moves.log_return, self.omega, self.alpha, 0.0, self.beta, self.start()[0])

    def multi_step(self, memory: tuple[float, ...], bars: int) -> Floats:
        """Forecast for each of the next `bars` bars, see `garch.multi_step`."""
        return garch.multi_step(memory[0], self.persistence, self.long_run_variance, bars)

    def effective_half_life(self, memory: tuple[float, ...]) -> float:
        """Age at which half of the weight of past returns is reached: they weigh as β^age [bars]."""
        return garch.half_life(self.beta)

    def effective_observations(self, memory: tuple[float, ...]) -> float:
        """Kish size of the weights β^age."""
        return garch.kish_size(self.beta, memory[1])
