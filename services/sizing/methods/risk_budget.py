"""A risk budget: the size whose loss over a horizon, at a confidence, is an amount of money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.risk.tails import Distribution, quantile_multiple
from services.risk.value_at_risk import horizon_years
from services.sizing.columns import SizingColumns
from services.sizing.interface import Factor, RowByRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskBudget(RowByRow):
    r"""``N = B / (κ σ √h)``: a move of κ standard deviations over h days loses the budget B.

    Parameters
    ----------
    budget : float, optional
        B of each row [account currency]; 0 is flat. Give this or `budget_fraction`.
    budget_fraction : float, optional
        B over the capital [fraction: 0.01 is 1 %].
    horizon_days : float
        h [calendar days, 365 a year]; a session of an exchange with 252 a year is 1.45 of them.
    confidence_factor : float, optional
        κ [standard deviations]. Give this or `confidence`.
    confidence : float, optional
        Probability that the loss stays within B; κ is its quantile under `distribution`. 0.99 where neither is given.
    distribution : {"normal", "student_t"}
        Law behind `confidence`, of unit variance.
    degrees_of_freedom : float
        ν > 2 of the Student law; ignored for the normal one.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    Each row has a budget of its own: n rows may lose n budgets, and more than B together more often than one alone; the
    block `scaling` bounds the book. √h takes returns for independent and volatility for constant: over weeks it
    understates risk after calm. Events that are scheduled for the next bar count as volatility. Near ν = 2 the scaling
    to unit variance wins, and a smaller ν is *less* careful.

    References
    ----------
    RiskMetrics Technical Document (1996), part I. Jorion (2006), Value at Risk, ch. 5.
    """

    method: Literal["risk_budget"] = "risk_budget"
    budget: Annotated[float, Ge(0), Le(1e15)] | None = None
    budget_fraction: Annotated[float, Ge(0), Le(1)] | None = None
    horizon_days: Annotated[float, Ge(0.0001), Le(365)] = 1.0
    confidence_factor: Annotated[float, Ge(0.01), Le(100)] | None = None
    confidence: Annotated[float, Gt(0.5), Lt(1)] | None = None
    distribution: Distribution = "normal"
    degrees_of_freedom: Annotated[float, Gt(2), Le(1000)] = 4.0
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price"})
    uses_evidence: ClassVar[bool] = False
    shares_capital: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if (self.budget is None) == (self.budget_fraction is None):
            raise InvalidInput("budget", "or else budget_fraction must be given, and only one of them", self.budget)
        if self.confidence_factor is not None and self.confidence is not None:
            raise InvalidInput("confidence_factor", "must not be given beside confidence", self.confidence_factor)

    @property
    def deviations(self) -> float:
        """κ."""
        if self.confidence_factor is not None:
            return self.confidence_factor
        return quantile_multiple(self.distribution, self.confidence or 0.99, self.degrees_of_freedom)

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Budget over capital, over the deviations, over the volatility of the horizon."""
        capital = self.budget_fraction if self.budget is None else self.budget / columns.equity
        budget = "budget_fraction" if self.budget is None else "budget"
        confidence = "confidence" if self.confidence_factor is None else "confidence_factor"
        return (
            Factor("risk_budget", float(capital or 0.0), f"sizing.{budget}"),
            Factor("confidence", 1.0 / self.deviations, f"sizing.{confidence}"),
            Factor("horizon_volatility", 1.0 / self._moves(columns), "sizing.horizon_days"),
        )

    def _moves(self, columns: SizingColumns) -> Floats:
        return np.asarray(columns.event_volatility * horizon_years(self.horizon_days) ** 0.5)
