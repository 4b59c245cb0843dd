"""Where the levels of a grid lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Gt, Le

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput

_CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}
SNAP = 1e-9
"""Part of a step by which a level may miss the edge of the range and still lie in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSpacing:
    r"""Levels at equal price differences: ``p_i = lo + i (hi − lo) / (n − 1)``.

    Parameters
    ----------
    min_step : float
        Smallest distance of neighbours [fraction of the price].

    Notes
    -----
    Relative steps shrink toward the top, so that the smallest is kept there: at most ``(hi − lo) / (min_step · hi)``
    levels.

    References
    ----------
    A convention of venues' grid bots.

    Examples
    --------
    >>> LinearSpacing().prices(100.0, 200.0, 150.0, 0.01, 3)
    [100.0, 150.0, 200.0]
    """

    method: Literal["linear"] = "linear"
    min_step: Annotated[float, Gt(0), Le(0.5)] = 0.002

    requires: ClassVar[frozenset[str]] = frozenset()
    fewest: ClassVar[int] = 2
    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG

    def step(self, volatility: float | None) -> float:
        """Smallest step [fraction]."""
        return self.min_step

    def most(self, low: float, high: float, mark: float, step: float) -> int:
        """Levels that are at least a step apart."""
        return math.floor((high - low) / (step * high) + SNAP)

    def prices(self, low: float, high: float, mark: float, step: float, count: int) -> list[float]:
        """`count` >= 2 levels, the ends of the range among them."""
        return [low + index * (high - low) / (count - 1) for index in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometricSpacing:
    r"""Levels at equal price ratios: ``p_i = lo (hi / lo)^{i / (n − 1)}``.

    Parameters
    ----------
    min_step : float
        Smallest distance of neighbours [log price].

    Notes
    -----
    At most ``ln(hi / lo) / min_step`` levels. Each round trip between neighbours earns the same fraction.

    References
    ----------
    A convention of venues' grid bots.

    Examples
    --------
    >>> [round(price, 9) for price in GeometricSpacing().prices(100.0, 400.0, 150.0, 0.01, 3)]
    [100.0, 200.0, 400.0]
    """

    method: Literal["geometric"] = "geometric"
    min_step: Annotated[float, Gt(0), Le(0.5)] = 0.002

    requires: ClassVar[frozenset[str]] = frozenset()
    fewest: ClassVar[int] = 2
    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG

    def step(self, volatility: float | None) -> float:
        """Smallest step [log price]."""
        return self.min_step

    def most(self, low: float, high: float, mark: float, step: float) -> int:
        """Levels that are at least a step apart."""
        return math.floor(math.log(high / low) / step + SNAP)

    def prices(self, low: float, high: float, mark: float, step: float, count: int) -> list[float]:
        """`count` >= 2 levels, the ends of the range among them."""
        return [low * (high / low) ** (index / (count - 1)) for index in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilitySpacing:
    r"""Levels whole steps away from the mark, a step being what the price moves: ``p_{±i} = S e^{±i s}``.

    ``s = max(min_step, k σ √dt, 2 × fee)``.

    Parameters
    ----------
    multiple : float
        k [standard deviations].
    horizon_seconds : float
        dt, the time in which the price should move about one step [s].
    min_step : float
        Smallest distance of neighbours [log price].

    Notes
    -----
    Of fewer levels than fit, the nearest to the mark are kept: the step is never narrowed or widened. A price that
    diffuses takes a time of the order of dt from one level to the next; how often levels fill and refill is not
    promised.

    References
    ----------
    Own rule; for σ√dt see `services.volatility`.

    Examples
    --------
    >>> spacing = VolatilitySpacing(multiple=1.0, horizon_seconds=86_400.0)
    >>> round(spacing.step(0.365**0.5), 6)
    0.031623
    >>> [round(price, 3) for price in spacing.prices(90.0, 110.0, 100.0, 0.05, 4)]
    [90.484, 95.123, 105.127]
    """

    method: Literal["volatility"] = "volatility"
    multiple: Annotated[float, Gt(0), Le(10)] = 1.0
    horizon_seconds: Annotated[float, Gt(0), Le(2_592_000)] = 3_600.0
    min_step: Annotated[float, Gt(0), Le(0.5)] = 0.002

    requires: ClassVar[frozenset[str]] = frozenset({"volatility"})
    fewest: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = _CONFIG

    def step(self, volatility: float | None) -> float:
        """Smallest step [log price].

        Raises
        ------
        InvalidInput
            Without a volatility.
        """
        if volatility is None:
            raise InvalidInput("volatility", "is needed by spacing volatility", None)
        return max(self.min_step, self.multiple * volatility * math.sqrt(self.horizon_seconds / SECONDS_PER_YEAR))

    def most(self, low: float, high: float, mark: float, step: float) -> int:
        """Levels of the range that are whole steps away from the mark."""
        return len(_steps_within(low, high, mark, step))

    def prices(self, low: float, high: float, mark: float, step: float, count: int) -> list[float]:
        """The `count` levels nearest to the mark, or all there are; of two equally near the lower one comes first."""
        nearest = sorted(_steps_within(low, high, mark, step), key=lambda steps: (abs(steps), steps))[:count]
        return [mark * math.exp(steps * step) for steps in sorted(nearest)]


def _steps_within(low: float, high: float, mark: float, step: float) -> list[int]:
    first, last = math.log(low / mark) / step, math.log(high / mark) / step
    return [steps for steps in range(math.ceil(first - SNAP), math.floor(last + SNAP) + 1) if steps]


GridSpacing = LinearSpacing | GeometricSpacing | VolatilitySpacing
