"""Risk-constrained Kelly: the most growth with which a drawdown stays improbable; closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Lt

from services.core.explain import Floats
from services.risk.growth import drawdown_exponent, probability_ever_below, quadratic_share
from services.sizing.abilities import Survival
from services.sizing.columns import SizingColumns
from services.sizing.growth import Growth, growth_weights, moments, most_along, most_growth, sharpe_ratios
from services.sizing.interface import Factor


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskConstrainedKelly(Growth):
    r"""``w = c x``, ``c = min(1, 2/(1 + λ))``, ``λ = ln β / ln α``: Kelly cut so that ``P(W ever < α W₀) <= β``.

    α = 1 − `max_drawdown`, β = `drawdown_probability`; x are the growth-optimal weights ``argmax x'μ − ½ x'Σx`` with
    every row on the side of its direction (alone: ``μ/σ²``). This is the quadratic form of ``E[(1 + r'b)^{−λ}] <= 1``,
    and the fractional Kelly whose ruin ``α^{2/c − 1}`` is β.

    Parameters
    ----------
    max_drawdown : float
        1 − α, loss of the present equity that is to stay improbable [fraction].
    drawdown_probability : float
        β, largest probability of ever losing that much.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    Exact for continuous rebalancing of geometric Brownian motions; `historical_risk_constrained_kelly` bounds the
    probability for the outcomes of a history. Half directions are half positions; where directions take the book off
    the optimal composition, c is that of the book as directed, ``2 w'μ / ((1 + λ) w'Σw)``, if it is less. Expected
    returns are taken at their word: an error of one in them is an error of two in the drift after variance. Positions
    that are not sized are not in the bound.

    References
    ----------
    Busseti, Ryu & Boyd (2016), Risk-constrained Kelly gambling, J. Investing 25(3), problem QRCK. Thorp (2006), §3.2.
    """

    method: Literal["risk_constrained_kelly"] = "risk_constrained_kelly"
    max_drawdown: Annotated[float, Ge(0.0001), Lt(1)]
    drawdown_probability: Annotated[float, Ge(0.000001), Lt(1)]
    scope: Literal["book", "instrument"] | None = None

    bounds_wealth: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @property
    def exponent(self) -> float:
        """λ."""
        return drawdown_exponent(1.0 - self.max_drawdown, self.drawdown_probability)

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Growth-optimal weights and the share of them that the drawdown allows."""
        weights = growth_weights(columns)
        return (
            Factor("growth", weights, "signals.expected_return"),
            Factor("drawdown_constraint", self._share(columns, weights), "sizing.drawdown_probability"),
        )

    def _share(self, columns: SizingColumns, weights: Floats) -> float:
        return min(quadratic_share(self.exponent), 2.0 / (1.0 + self.exponent) * most_along(columns, weights))

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight of a row that bets alone, over `count`; 0 where its expected return is unknown."""
        alone = np.nan_to_num(np.maximum(sharpe_ratios(columns), 0.0)) / columns.event_volatility
        return quadratic_share(self.exponent) * alone / count

    def survival(self, columns: SizingColumns, weights: Floats) -> Survival:
        """``α^{2g/v}`` at the weights as targeted, and their growth over the largest."""
        level, known = 1.0 - self.max_drawdown, moments(columns, weights)
        if known is None:
            return self._prospect(None, None, "a drift, a risk or a correlation is unknown")
        if not weights.any():
            return self._prospect(0.0, 0.0, "nothing is held")
        best = most_growth(columns, weights)
        share = (known[0] - known[1] / 2.0) / best if best > 0.0 else None
        return self._prospect(probability_ever_below(level, *known), share, "GBM with the expected returns as sent")

    def _prospect(self, probability: float | None, share: float | None, basis: str) -> Survival:
        return Survival(
            method=self.method,
            level=1.0 - self.max_drawdown,
            probability=probability,
            horizon="ever",
            growth_share=share,
            basis=basis,
        )
