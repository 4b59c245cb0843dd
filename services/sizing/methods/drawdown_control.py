"""Drawdown control: growth-optimal bets on the wealth above a fraction of its high-water mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le, Lt

from services.core.explain import Floats
from services.risk.gap import any_gap_probability, gap_probability
from services.sizing.abilities import Survival
from services.sizing.columns import SizingColumns
from services.sizing.growth import Growth, growth_weights, moments, most_growth, sharpe_ratios
from services.sizing.interface import Factor


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawdownControl(Growth):
    r"""``w = x · (1 − α M/W) / (A (1 − α) + α)``: Grossman and Zhou's optimum for wealth that stays above α M.

    M is the high-water mark, α = 1 − `max_drawdown`, x the growth-optimal weights ``argmax x'μ − ½ x'Σx`` with every
    row on the side of its direction (alone: ``μ/σ²``), A the relative risk aversion. With ``Y = W − αM`` the process
    ``K = Y M^{α/(1−α)}`` is a geometric Brownian motion whose exposure is ``w W/Y``, so that the long-run growth of
    ``E[W^{1−A}]`` is that of ``E[K^{(1−A)(1−α)}]``: Merton's problem with risk aversion ``A(1−α) + α``.

    Parameters
    ----------
    max_drawdown : float
        1 − α, largest fall from the high-water mark [fraction].
    risk_aversion : float
        A; 1 maximises growth, 2 is about half of it.
    rebalances_per_year : float
        How often the book is rebalanced at least; only for the probability of a gap in `portfolio.survival`.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    Continuous trading never touches the floor; between two rebalances a gap can (`portfolio.survival`). The mark is
    that of the control state: send `state` of the last answer as `previous`. At the floor nothing is held
    (`cash_locked`). Expected returns are taken at their word: shrink them first. Without them, `portfolio_insurance`
    with a ratchet keeps the same floor. Positions that are not sized are not in the bound.

    References
    ----------
    Grossman & Zhou (1993), Optimal investment strategies for controlling drawdowns, Mathematical Finance 3(3).
    Cvitanić & Karatzas (1995), On portfolio optimization under "drawdown" constraints, IMA 65.
    """

    method: Literal["drawdown_control"] = "drawdown_control"
    max_drawdown: Annotated[float, Ge(0.0001), Lt(1)]
    risk_aversion: Annotated[float, Ge(1), Le(100)] = 2.0
    rebalances_per_year: Annotated[float, Ge(0.01), Le(31_536_000)] = 252.0
    scope: Literal["book", "instrument"] | None = None

    bounds_wealth: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    @property
    def share_of_growth_weights(self) -> float:
        """``1 / (A (1 − α) + α)``, in (0, 1]."""
        return 1.0 / (self.risk_aversion * self.max_drawdown + 1.0 - self.max_drawdown)

    def floor_share(self, columns: SizingColumns) -> float:
        """``α M / W``; may exceed 1."""
        mark = columns.control.high_water_mark
        return (1.0 - self.max_drawdown) * max(1.0 if mark is None else mark / columns.equity, 1.0)

    def _factors(self, columns: SizingColumns, weights: Floats) -> Sequence[Factor]:
        growth = Factor("growth", weights, "signals.expected_return")
        cushion = 1.0 - self.floor_share(columns)
        if cushion <= 0.0:
            return growth, Factor("cash_locked", 0.0, "previous.high_water_mark")
        strongest = max(1.0, float(np.abs(columns.direction[columns.live]).max(initial=0.0)))
        return (
            growth,
            Factor("strongest_signal", 1.0 / strongest, "signals.direction"),
            Factor("risk_aversion", self.share_of_growth_weights, "sizing.risk_aversion"),
            Factor("cushion", cushion, "previous.high_water_mark"),
        )

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Growth-optimal weights, risk aversion, cushion; directions beyond 1 are relative to the strongest."""
        return self._factors(columns, growth_weights(columns))

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight of a row that bets alone, over `count`; 0 where its expected return is unknown."""
        alone = np.nan_to_num(np.maximum(sharpe_ratios(columns), 0.0)) / columns.event_volatility
        for factor in self._factors(columns, alone)[1:]:
            alone = alone * factor.values
        return alone / count

    def remarks(self, columns: SizingColumns, weights: Floats) -> tuple[str, ...]:
        """Why nothing is held, where the floor is reached."""
        locked = self.floor_share(columns) >= 1.0
        text = f"cash_locked: the drawdown has reached sizing.max_drawdown of {self.max_drawdown:g}"
        return tuple(text if locked and row else "" for row in (columns.sizable & columns.live).tolist())

    def survival(self, columns: SizingColumns, weights: Floats) -> Survival:
        """Probability that a gap of the coming year goes through the floor, and the long-run share of growth.

        The share is ``(1 − α) (c'μ − ½ c'Σc) / g*`` with ``c = w / (1 − αM/W)``.
        """
        level, held = min(self.floor_share(columns), 1.0), weights != 0.0
        known = moments(columns, weights)
        if level >= 1.0 or known is None:
            missing = "no cushion is left" if level >= 1.0 else "a drift, a risk or a correlation is unknown"
            return self._prospect(level, None, None, missing)
        if not held.any():
            return self._prospect(level, 0.0, 0.0, "nothing is held")
        drift, variance = known[0] / (1.0 - level), known[1] / (1.0 - level) ** 2
        best = most_growth(columns, weights)
        share = self.max_drawdown * (drift - variance / 2.0) / best if best > 0.0 else None
        return self._prospect(level, self._gap(columns, weights, level), share, "gaps of GBM between two rebalances")

    def _gap(self, columns: SizingColumns, weights: Floats, level: float) -> float:
        gross = float(np.abs(weights).sum())
        volatility, step = columns.portfolio_volatility(weights) / gross, 1.0 / self.rebalances_per_year
        sides = (1, -1) if (weights < 0.0).any() else (1,)
        one = max(gap_probability(gross / (1.0 - level), volatility, step, side=side) for side in sides)
        return any_gap_probability(one, self.rebalances_per_year)

    def _prospect(self, level: float, probability: float | None, share: float | None, basis: str) -> Survival:
        return Survival(
            method=self.method, level=level, probability=probability, horizon="year", growth_share=share, basis=basis
        )
