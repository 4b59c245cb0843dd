"""Constant leverage: the baseline that volatility targeting is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Bools, Floats, Trail
from services.sizing.columns import NO_RISK, SizingColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantLeverage:
    r"""Hold the notional constant: ``w_i = L · d_i / n``, or the whole book scaled to gross leverage L.

    Parameters
    ----------
    leverage : float
        L, gross notional over equity.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    References
    ----------
    Moreira & Muir (2017), Harvey et al. (2018): the benchmark of every volatility-managed portfolio.
    """

    method: Literal["constant_leverage"] = "constant_leverage"
    leverage: Annotated[float, Gt(0), Le(100)] = 1.0
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"price"})
    uses_evidence: ClassVar[bool] = False
    tied: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight of each row at direction 1."""
        return np.full(columns.current.shape, self.leverage / count)

    def size_instruments(self, columns: SizingColumns, resized: Bools) -> Trail:
        """Trail of rows sized one by one; rows outside `resized` keep their position."""
        count = columns.live_count
        trail = Trail(np.where(resized, 0.0, columns.current))
        sign = np.sign(columns.direction)
        whole = sign * columns.equity / columns.unit_value
        trail.apply("equity", np.where(resized, whole, trail.value), columns.equity_parameter)
        trail.multiply("direction", np.where(resized, np.abs(columns.direction), 1.0), "signals.direction")
        trail.multiply("share", np.where(resized, 1.0 / count, 1.0), "signals")
        trail.multiply("constant_leverage", np.where(resized, self.leverage, 1.0), "sizing.leverage")
        return trail

    def size_book(self, columns: SizingColumns, resized: Bools) -> Trail:
        """Trail of a book scaled so that its resizable part has gross leverage L."""
        trail = Trail(columns.current)
        trail.apply(
            "collateral", np.where(resized, columns.current + columns.collateral, columns.current), "account.collateral"
        )
        gross = float(np.abs(np.where(resized, trail.value * columns.unit_value, 0.0)).sum()) / columns.equity
        multiplier = self.leverage / gross if gross > NO_RISK else 1.0
        trail.multiply("constant_leverage", np.where(resized, multiplier, 1.0), "sizing.leverage")
        return trail

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """No row is refused."""
        return {}

    def max_gross(self) -> float | None:
        """Gross leverage that the method itself allows: none beyond the policy's limits."""
        return None
