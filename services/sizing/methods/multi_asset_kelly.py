"""Kelly for a whole book: expected returns, volatilities and correlations together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from services.core.explain import Floats
from services.risk.growth import certainty
from services.sizing.abilities import Survival
from services.sizing.columns import SizingColumns
from services.sizing.growth import betting, growth_weights, most_along, sharpe_ratios
from services.sizing.interface import Factor, RowByRow
from services.sizing.kelly import (
    as_bet,
    check_fraction,
    edge_remarks,
    observation_requirements,
    observed,
    prospect,
    strength,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiAssetKelly(RowByRow):
    r"""``w = c · k · argmax (x'μ − ½ x'Σx)`` with every row on the side of its direction; ``Σ⁻¹μ`` where that is so.

    μ is `expected_return` of the signals: in excess of financing and after costs. Without a correlation matrix each row
    bets alone on 1/n of the capital, which is no more than Kelly whatever the correlations; the answer says so.

    Parameters
    ----------
    max_volatility : float
        Volatility of all that is bet; the final sizes are at most that [annual, fraction].
    fraction : float
        c of Kelly; at 0.25 the growth is 44 % of the largest and the chance of ever halving 1 in 128.
    forced : bool
        Allow more than half Kelly.
    shrink : bool
        Multiply by ``k = max(1 − n/(T θ²), 0)``, θ² = μ'Σ⁻¹μ/N on the sides that are bet on, N the bars a year: what T
        bars are worth as evidence on n expected returns.
    observations : int, optional
        T, bars that the expected returns were estimated from; by default those of the shortest posted series.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    An optimum takes differences of like assets for sure: errors of μ are what it feeds on, which k bounds on average
    and not for each row. A row that is worth nothing beside the others gets nothing. Half directions are half
    positions; where directions take the book off the optimal composition, such as half of a hedge, the whole is cut to
    c of what grows fastest along its own ray, ``d∘x · (d∘x)'μ / (d∘x)'Σ(d∘x)``. Directions beyond 1 bet more, up to
    half Kelly or, if that is more, to `fraction`. Positions that are not sized are not in the optimum. O(n³).

    References
    ----------
    Merton (1969). Thorp (2006), The Kelly criterion, eq. 8.2. Kan & Zhou (2007), JFQA 42(3), eq. 17.
    """

    method: Literal["multi_asset_kelly"] = "multi_asset_kelly"
    max_volatility: Annotated[float, Gt(0), Le(3)]
    fraction: Annotated[float, Gt(0), Le(1)] = 0.25
    forced: bool = False
    shrink: bool = True
    observations: Annotated[int, Ge(2), Le(10_000_000)] | None = None
    scope: Literal["book", "instrument"] | None = None

    bounds_wealth: ClassVar[bool] = True
    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price", "expected_return"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        check_fraction(self.fraction, self.forced)

    def trusted(self, columns: SizingColumns, weights: Floats) -> float:
        """k of the book whose full Kelly weights these are; 1 where nothing bets."""
        rows = np.flatnonzero(betting(columns))
        if not self.shrink or not rows.size:
            return 1.0
        bars, periods = observed(columns, self.observations)
        risks = weights[rows] * columns.event_volatility[rows]
        years = float((bars[rows] / periods[rows]).min())
        # At the optimum u'Ru = s'u; the rows that bet alone have u = s/n each.
        parts = 1 if columns.correlation is not None else rows.size
        squared = parts * float(risks @ np.maximum(sharpe_ratios(columns)[rows], 0.0))
        return float(certainty(np.array(squared), np.array(years), rows.size))

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Growth-optimal weights, the fraction of them, what estimates are worth, what directions leave, the cap."""
        weights = growth_weights(columns)
        trusted = self.trusted(columns, weights)
        directed = self._directed(columns, weights)
        bet = weights * self.fraction * trusted * directed
        return (
            Factor("growth", weights, "signals.expected_return"),
            Factor("fraction", self.fraction, "sizing.fraction"),
            Factor("estimation_error", trusted, "sizing.observations"),
            Factor("directed_book", directed, "signals.direction"),
            Factor("volatility_cap", self._cap(columns, bet), "sizing.max_volatility"),
        )

    def _directed(self, columns: SizingColumns, weights: Floats) -> float:
        """Factor with which the book as directed is no more than its fraction of Kelly along its own ray."""
        rows = betting(columns)
        strongest = float(strength(columns, self.fraction)[rows].max(initial=1.0))
        return min(1.0, strongest * most_along(columns, weights)) if weights[rows].any() else 1.0

    def _cap(self, columns: SizingColumns, bet: Floats) -> float:
        side, seen = np.sign(columns.direction), columns.with_events()
        full = seen.portfolio_volatility(side * bet * np.maximum(np.abs(columns.direction), 1.0))
        risk = max(full, seen.portfolio_volatility(columns.direction * bet))
        return self.max_volatility / risk if risk > self.max_volatility else 1.0

    def full_weight(self, columns: SizingColumns, count: int) -> Floats:
        """Weight of a row that bets alone, over `count`; 0 where its expected return is unknown."""
        sharpe = np.nan_to_num(np.maximum(sharpe_ratios(columns), 0.0))
        trusted = np.ones(sharpe.shape)
        if self.shrink:
            bars, periods = observed(columns, self.observations)
            trusted = np.nan_to_num(certainty(sharpe**2 / periods, bars))
        risk = np.minimum(self.fraction * trusted * sharpe, self.max_volatility)
        return np.asarray(risk / (columns.event_volatility * count), dtype=float)

    @property
    def further_requires(self) -> frozenset[str]:
        """How much the expected return of a row is worth, where that counts and is not told."""
        return observation_requirements(self.shrink, self.observations)

    def remarks(self, columns: SizingColumns, weights: Floats) -> tuple[str, ...]:
        """Why a row with a direction has no position; that nothing is known of correlations."""
        bets = as_bet(columns, self.scope)
        trusted = np.full(weights.shape, self.trusted(bets, growth_weights(bets)))
        texts, rows = edge_remarks(bets, trusted), betting(bets)
        if columns.correlation is not None or np.count_nonzero(rows) < 2:
            return texts
        alone = f"no correlation matrix: each of {np.count_nonzero(rows)} rows bets alone on its part of the capital"
        return tuple(text or (alone if one else "") for text, one in zip(texts, rows.tolist(), strict=True))

    def survival(self, columns: SizingColumns, weights: Floats) -> Survival:
        """Chance of ever halving, and growth over the largest, with the expected returns times k."""
        bets = as_bet(columns, self.scope)
        return prospect(self.method, columns, weights, self.trusted(bets, growth_weights(bets)))
