"""Kelly for an expected return and a volatility, each row alone on its part of the capital."""

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
from services.sizing.growth import sharpe_ratios
from services.sizing.interface import Factor
from services.sizing.kelly import (
    SharedBets,
    as_bet,
    check_fraction,
    edge_remarks,
    observation_requirements,
    observed,
    prospect,
    volatility_share,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousKelly(SharedBets):
    r"""``w = c · k · μ / (n σ²)``: growth-optimal for a price that diffuses, on the side of the direction.

    μ is `expected_return` of the signal: in excess of financing and after costs. n are the rows with a live signal:
    each bets on its part of the capital; `multi_asset_kelly` shares by correlation instead. An expected return against
    the direction is no position.

    Parameters
    ----------
    max_volatility : float
        Volatility that a row may have on its part of the capital; the final size is the smaller one [annual, fraction].
    fraction : float
        c of Kelly; at 0.25 the growth is 44 % of the largest and the chance of ever halving 1 in 128.
    forced : bool
        Allow more than half Kelly.
    shrink : bool
        Multiply by ``k = max(1 − 1/(T θ²), 0)``, θ = μ/(σ √N) the Sharpe ratio a bar and N the bars a year: what T bars
        are worth as evidence.
    observations : int, optional
        T, bars that the expected returns were estimated from; by default those of the posted series.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    k is 0 unless the Sharpe ratio of a year is above 1/√(years): a year of prices proves no edge below 1, whatever the
    bar. An expected return from elsewhere than the mean of returns has a T of its own: give it, or switch `shrink` off.
    A half direction is a half position, a direction of 2 two, up to the cap and to half Kelly or,
    if that is more, to `fraction`.

    References
    ----------
    Merton (1969), Lifetime portfolio selection under uncertainty. Thorp (2006), The Kelly criterion, §7. Kan & Zhou
    (2007), Optimal portfolio choice with parameter uncertainty, JFQA 42(3), eq. 17.
    """

    method: Literal["continuous_kelly"] = "continuous_kelly"
    max_volatility: Annotated[float, Gt(0), Le(3)]
    fraction: Annotated[float, Gt(0), Le(1)] = 0.25
    forced: bool = False
    shrink: bool = True
    observations: Annotated[int, Ge(2), Le(10_000_000)] | None = None
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price", "expected_return"})
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        check_fraction(self.fraction, self.forced)

    def trusted(self, columns: SizingColumns) -> Floats:
        """k of each row."""
        if not self.shrink:
            return np.ones(columns.current.shape)
        squared, bars, periods = sharpe_ratios(columns) ** 2, *observed(columns, self.observations)
        return certainty(squared / periods, bars)

    def bet(self, columns: SizingColumns) -> Sequence[Factor]:
        """Kelly, the fraction of it, what the estimate is worth, the cap on volatility."""
        kelly = np.maximum(sharpe_ratios(columns), 0.0) / columns.event_volatility
        trusted = self.trusted(columns)
        cap = volatility_share(columns, kelly * self.fraction * trusted, self.max_volatility, self.fraction)
        return (
            Factor("kelly", kelly, "signals.expected_return"),
            Factor("fraction", self.fraction, "sizing.fraction"),
            Factor("estimation_error", trusted, "sizing.observations"),
            Factor("volatility_cap", cap, "sizing.max_volatility"),
        )

    @property
    def further_requires(self) -> frozenset[str]:
        """How much the expected return of a row is worth, where that counts and is not told."""
        return observation_requirements(self.shrink, self.observations)

    def remarks(self, columns: SizingColumns, weights: Floats) -> tuple[str, ...]:
        """Why a row with a direction has no position."""
        bets = as_bet(columns, self.scope)
        return edge_remarks(bets, self.trusted(bets))

    def survival(self, columns: SizingColumns, weights: Floats) -> Survival:
        """Chance of ever halving, and growth over the largest, with the expected returns times k."""
        return prospect(self.method, columns, weights, self.trusted(as_bet(columns, self.scope)))
