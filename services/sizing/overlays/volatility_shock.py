"""Volatility shock: the book at the volatilities of a rare bad time, against a multiple of its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.explain import Bools, Floats
from services.risk.covariance import portfolio_volatility
from services.sizing.conditions import Conditions
from services.sizing.overlay import Acts, Effect, View
from services.sizing.risk_limit import limit_risk

MIN_PATH = 100
"""Bars below which a 99 % quantile is no more than the largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityShock:
    """``m = min(1, limit · τ / sqrt(w'SRSw))``, S the shocked volatilities.

    The shock of a market is the quantile of its own volatility path over up to ten years of posted bars, or the
    client's own figure (`volatilities[].shock_volatility`), and never below the present volatility.

    Parameters
    ----------
    limit : float
        Multiple of the target volatility.
    quantile : float
        Of the volatility path.
    volatility : float, optional
        τ [annual], where the policy has no target volatility of its own.

    Notes
    -----
    A path needs 100 bars with a volatility. Where one row with exposure has neither path nor figure, what is known
    still limits, that row counting with its present volatility, and nothing is increased. Cached states keep no path:
    send the figure. A quantile of ten years is none of the years before: a market that has been calm for ten years has
    a small shock. Cost: one forecast path a market.

    References
    ----------
    Carver, pysystemtrade ``systems/risk_overlay.py``: ``max_risk_fraction_stdev_risk``, the 99 % point of ten years of
    volatility, 6 by default.
    """

    method: Literal["volatility_shock"] = "volatility_shock"
    limit: Annotated[float, Gt(0), Le(50)] = 6.0
    quantile: Annotated[float, Ge(0.5), Lt(1)] = 0.99
    volatility: Annotated[float, Gt(0), Le(3)] | None = None

    acts_on: ClassVar[Acts] = "exposure"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "volatility_path"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """One multiplier for the book."""
        columns, shock = view.columns, shock_volatilities(view.conditions, self.quantile)
        known: Bools = np.isfinite(shock)
        shocked = np.maximum(np.where(known, shock, 0.0), columns.volatility)

        def measure(weights: Floats) -> float:
            return portfolio_volatility(weights, shocked, columns.correlation)

        lacking = bool((~known & ((view.weights != 0.0) | (view.wanted != 0.0))).any())
        unknown = (
            "send a series of at least 100 bars, or volatilities[].shock_volatility, for every row" if lacking else ""
        )
        name = "volatility of the book in a shock"
        return limit_risk(view, measure, limit=self.limit, target=self.volatility, unknown=unknown, name=name)


def shock_volatilities(conditions: Conditions, quantile: float) -> Floats:
    """Shock of each row: the client's figure, else the quantile of its path; NaN where there is neither."""
    found = conditions.shock_volatility.copy()
    for index in np.flatnonzero(np.isnan(found)).tolist():
        path = conditions.volatility_path[index]
        if path is not None and path.size >= MIN_PATH:
            found[index] = np.quantile(path, quantile)
    return found
