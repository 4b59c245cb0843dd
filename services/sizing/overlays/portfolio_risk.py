"""Portfolio risk: the volatility of the book as wanted against a multiple of its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Gt, Le

from services.sizing.overlay import Acts, Effect, View
from services.sizing.risk_limit import limit_risk


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
    what is known still limits, and nothing is increased.

    References
    ----------
    Carver, pysystemtrade ``systems/risk_overlay.py``: ``max_risk_fraction_normal_risk``, 2 by default.
    """

    method: Literal["portfolio_risk"] = "portfolio_risk"
    limit: Annotated[float, Gt(0), Le(20)] = 2.0
    volatility: Annotated[float, Gt(0), Le(3)] | None = None

    acts_on: ClassVar[Acts] = "exposure"
    after_caps: ClassVar[bool] = False
    requires: ClassVar[frozenset[str]] = frozenset({"volatility"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def effect(self, view: View) -> Effect:
        """One multiplier for the book."""
        return limit_risk(view, view.columns.portfolio_volatility, limit=self.limit, target=self.volatility)
