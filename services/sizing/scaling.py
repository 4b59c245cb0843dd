"""Portfolio scaling: one factor on everything that the method sized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Bools, Floats
from services.sizing.columns import NO_RISK, SizingColumns, volatility_multiplier

CONFIG: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoScaling:
    """Leave the sizes of the method as they are."""

    method: Literal["none"] = "none"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def factor(self, columns: SizingColumns, contracts: Floats, resized: Bools) -> float:
        """Factor on the resized rows, >= 0."""
        return 1.0

    def alone(self, weight: Floats, columns: SizingColumns) -> Floats:
        """Weight of a row that is alone in the book."""
        return weight


@dataclass(frozen=True, slots=True, kw_only=True)
class ToVolatility:
    """Scale the book to a volatility: ``m`` with ``vol(m·w + f) = τ``, f what the method does not touch.

    Parameters
    ----------
    target_volatility : float
        τ [annual, fraction: 0.20 is 20 %].
    mode : {"two_sided", "cap"}
        `cap` only scales down.

    Notes
    -----
    Directions below 1 are part of the book: a half direction on every row is scaled up like a full one; use
    `cap`, or the method `volatility_target`, where a half direction must stay a half position. Where the book holds a
    position of unknown risk, nothing is scaled up. The volatility is that of the next bar, scheduled events included.
    """

    method: Literal["volatility"] = "volatility"
    target_volatility: Annotated[float, Gt(0), Le(3)]
    mode: Literal["two_sided", "cap"] = "two_sided"

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def factor(self, columns: SizingColumns, contracts: Floats, resized: Bools) -> float:
        """Factor on the resized rows, >= 0."""
        weights = columns.weights(np.where(resized, contracts, 0.0))
        if not weights.any():
            return 1.0
        fixed = columns.fixed_weights(resized)
        found = volatility_multiplier(columns.with_events(), weights, fixed, self.target_volatility)
        faulty = not columns.risk_complete or bool((columns.live & ~resized).any())
        return min(found, 1.0) if self.mode == "cap" or faulty else found

    def alone(self, weight: Floats, columns: SizingColumns) -> Floats:
        """Weight of a row that is alone in the book."""
        full = self.target_volatility / columns.event_volatility
        return np.minimum(weight, full) if self.mode == "cap" else full


@dataclass(frozen=True, slots=True, kw_only=True)
class ToLeverage:
    """Scale the book to a gross leverage: ``m = L / Σ|w|``.

    Parameters
    ----------
    leverage : float
        L, gross notional over equity.
    """

    method: Literal["leverage"] = "leverage"
    leverage: Annotated[float, Gt(0), Le(100)]

    __pydantic_config__: ClassVar[dict[str, Any]] = CONFIG

    def factor(self, columns: SizingColumns, contracts: Floats, resized: Bools) -> float:
        """Factor on the resized rows, >= 0."""
        gross = float(np.abs(np.where(resized, contracts * columns.unit_value, 0.0)).sum()) / columns.equity
        found = self.leverage / gross if gross > NO_RISK else 1.0
        faulty = not columns.risk_complete or bool((columns.live & ~resized).any())
        return min(found, 1.0) if faulty else found

    def alone(self, weight: Floats, columns: SizingColumns) -> Floats:
        """Weight of a row that is alone in the book."""
        return np.full(weight.shape, self.leverage)


Scaling = NoScaling | ToVolatility | ToLeverage
