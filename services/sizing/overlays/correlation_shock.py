"""Correlation shock: the book with every correlation at 1, against a multiple of its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Floats
from services.sizing.overlay import Acts, Effect, View
from services.sizing.risk_limit import limit_risk


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationShock:
    """``m = min(1, limit · τ / Σ|w|σ)``: all correlations 1 and every row on the losing side.

    Parameters
    ----------
    limit : float
        Multiple of the target volatility.
    volatility : float, optional
        τ [annual], where the policy has no target volatility of its own.

    Notes
    -----
    With |w| a hedge counts as a second position, not as an offset: what is feared is that it stops offsetting.
    Positions that are not resized count; where the risk of a held one is unknown, what is known still limits and
    nothing is increased.

    References
    ----------
    Carver, pysystemtrade ``systems/risk_overlay.py``: ``max_risk_limit_sum_abs_risk``, 4 by default.
    """

    method: Literal["correlation_shock"] = "correlation_shock"
    limit: Annotated[float, Gt(0), Le(20)] = 4.0
    volatility: Annotated[float, Gt(0), Le(3)] | None = None

    acts_on: ClassVar[Acts] = "exposure"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"volatility"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """One multiplier for the book."""

        def measure(weights: Floats) -> float:
            return summed_volatility(weights, view.columns.volatility)

        name = "volatility of the book at correlation 1"
        return limit_risk(view, measure, limit=self.limit, target=self.volatility, name=name)


def summed_volatility(weights: Floats, volatility: Floats) -> float:
    """``Σ|w|σ`` of weights over equity [annual].

    Examples
    --------
    >>> summed_volatility(np.array([0.5, -0.5]), np.array([0.5, 0.25]))
    0.375
    """
    return float(np.abs(weights) @ volatility)
