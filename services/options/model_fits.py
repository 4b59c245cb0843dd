"""What of Heston and Bates may be fitted: one frozen dataclass a model, its fields the bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
from annotated_types import Ge, Le

from services.core.errors import InvalidInput
from services.core.explain import Floats

Pair = tuple[float, float]

WIDEST_BOUNDS: dict[str, Pair] = {
    "variance_bounds": (1e-4, 25.0),
    "mean_reversion_bounds": (0.01, 100.0),
    "volatility_of_variance_bounds": (0.01, 25.0),
    "correlation_bounds": (-0.99, 0.99),
    "jump_intensity_bounds": (0.0, 365.0),
    "jump_mean_bounds": (-1.0, 1.0),
    "jump_volatility_bounds": (0.005, 1.0),
}
"""What bounds may be asked for: inside, prices cost little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HestonFit:
    """What may be fitted: bounds of Heston's parameters, and a price on breaking Feller's condition.

    Parameters
    ----------
    variance_bounds : pair of float
        Of v₀ and θ [annual variance].
    mean_reversion_bounds : pair of float
        κ [per year]. Expiries of a week cannot tell a κ of 30 from one of 60.
    volatility_of_variance_bounds, correlation_bounds : pairs of float
        σ and ρ.
    feller_penalty : float
        Adds ``feller_penalty · max(0, σ² − 2κθ)²`` to half the sum of squared errors; 0 leaves the fit free.
    """

    method: Literal["heston"] = "heston"
    variance_bounds: Pair = (1e-4, 9.0)
    mean_reversion_bounds: Pair = (0.05, 30.0)
    volatility_of_variance_bounds: Pair = (0.01, 15.0)
    correlation_bounds: Pair = (-0.98, 0.98)
    feller_penalty: Annotated[float, Ge(0), Le(1e9)] = 0.0

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        _check_bounds(self)

    @property
    def bounds(self) -> Floats:
        """(5, 2), in the order of `PARAMETERS`."""
        return np.array(_variance_bounds(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatesFit:
    """As `HestonFit`, with jumps.

    Parameters
    ----------
    variance_bounds, mean_reversion_bounds, volatility_of_variance_bounds, correlation_bounds, feller_penalty
        As in `HestonFit`.
    jump_intensity_bounds : pair of float
        λ [per year].
    jump_mean_bounds, jump_volatility_bounds : pairs of float
        μ and δ of ln(1 + jump).
    """

    method: Literal["bates"] = "bates"
    variance_bounds: Pair = (1e-4, 9.0)
    mean_reversion_bounds: Pair = (0.05, 30.0)
    volatility_of_variance_bounds: Pair = (0.01, 15.0)
    correlation_bounds: Pair = (-0.98, 0.98)
    feller_penalty: Annotated[float, Ge(0), Le(1e9)] = 0.0
    jump_intensity_bounds: Pair = (0.0, 50.0)
    jump_mean_bounds: Pair = (-0.5, 0.5)
    jump_volatility_bounds: Pair = (0.01, 0.5)

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        _check_bounds(self)

    @property
    def bounds(self) -> Floats:
        """(8, 2), in the order of `PARAMETERS`."""
        jumps = [self.jump_intensity_bounds, self.jump_mean_bounds, self.jump_volatility_bounds]
        return np.array([*_variance_bounds(self), *jumps])


ModelFit: TypeAlias = HestonFit | BatesFit


def _check_bounds(fit: ModelFit) -> None:
    for name, (least, most) in WIDEST_BOUNDS.items():
        low, high = getattr(fit, name, (least, most))
        if not least <= low < high <= most:
            raise InvalidInput(f"model.{name}", f"must be ascending within {least:g} and {most:g}", (low, high))


def _variance_bounds(fit: ModelFit) -> list[Pair]:
    return [
        fit.variance_bounds,
        fit.mean_reversion_bounds,
        fit.variance_bounds,
        fit.volatility_of_variance_bounds,
        fit.correlation_bounds,
    ]
