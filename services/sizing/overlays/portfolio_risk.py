"""Portfolio risk: the volatility of the book as wanted against a multiple of its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.sizing.overlay import Acts, Effect, View, per_row, whole_book


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioRisk:
    """``m = min(1, limit · τ / sqrt(w'Σw))``.

    Parameters
    ----------
    limit : float
        Multiple of the target volatility.
    volatility : float, optional
        τ [annual], where the policy has no target volatility of its own.

    Notes
    -----
    The risk counts positions that are not resized. A held position of unknown risk leaves the book's risk unknown: then
    nothing is increased.

    References
    ----------
    Carver, pysystemtrade ``systems/risk_overlay.py``: ``max_risk_fraction_normal_risk``, 2 by default.
    """

    method: Literal["portfolio_risk"] = "portfolio_risk"
    limit: Annotated[float, Gt(0), Le(20)] = 2.0
    volatility: Annotated[float, Gt(0), Le(3)] | None = None

    acts_on: ClassVar[Acts] = "exposure"
    after_caps: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """One multiplier for the book."""
        target = self.volatility or view.target_volatility
        size = view.wanted.size
        if target is None or not view.columns.risk_complete:
            lacking = "no target volatility" if target is None else "a held position has no known risk"
            return per_row(np.ones(size), np.ones(size, dtype=bool), ("",) * size, lacking)
        risk = view.columns.portfolio_volatility(view.weights)
        allowed = self.limit * target
        return whole_book(view, min(1.0, allowed / risk) if risk > 0.0 else 1.0, f"volatility of the book {risk:.4g}")
