"""Budgets of value at risk and expected shortfall: the size that both allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from services.core.errors import InvalidInput, Refusal
from services.core.explain import Bools, Floats
from services.risk.value_at_risk import (
    Levels,
    TailLoss,
    cornish_fisher_loss,
    filtered_loss,
    fitted_student_loss,
    historical_loss,
    horizon_years,
    normal_loss,
    student_loss,
)
from services.sizing.columns import SizingColumns
from services.sizing.interface import Factor, RowByRow, evidence_of

Law = Literal["normal", "student_t", "cornish_fisher", "historical", "filtered_historical"]
UNKNOWN = TailLoss(np.nan, np.nan)


class Judged(NamedTuple):
    """Loss of one row over the horizon [fraction of notional] and what it rests on, or why there is none."""

    loss: TailLoss
    basis: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueAtRiskBudget(RowByRow):
    r"""``w = min(V / VaR, S / ES)`` with ``VaR = q σ √h``: losses beyond the budgets are as rare as their levels say.

    `normal`, `student_t`, `cornish_fisher`: quantiles and tail means of a law of unit variance. `filtered_historical`:
    of the returns over their own forecasts, brought to variance 1. All four are scaled by today's volatility.
    `historical`: of the posted returns themselves, whatever the volatility is now.

    Parameters
    ----------
    value_at_risk : float, optional
        V, loss over the capital that may be exceeded with probability 1 − `level` [fraction].
    expected_shortfall : float, optional
        S, mean loss over the capital in the worst 1 − `shortfall_level` [fraction]. One of the two budgets at least.
    level, shortfall_level : float
        Confidence of the value at risk, and of the expected shortfall.
    horizon_days : float
        h [calendar days, 365 a year]; a session of an exchange with 252 a year is 1.45 of them.
    distribution : str
        ``normal``, ``student_t``, ``cornish_fisher``, ``historical`` or ``filtered_historical``.
    degrees_of_freedom : float, optional
        ν > 2 of the Student law; by default fitted to the standardised returns of each row, at least 3.
    scope : {"book", "instrument"}, optional
        By default, by the presence of signals.

    Notes
    -----
    Both figures are in the detail of each row, with the law that they rest on. Whatever reads a sample needs 250
    returns, and one of them beyond each level. Cornish and Fisher's expansion holds for a skewness within ±1, an excess
    kurtosis of at most 8 and only where its quantiles rise; elsewhere filtered historical takes its place, which the
    detail says. Tails are those of the side that is held. √h takes bars for independent: over weeks it understates
    risk after calm. A loss is taken as linear in the return: a fall of 30 % in logs is one of 26 %. Each row has
    budgets of its own: rows together lose more often.

    References
    ----------
    McNeil, Frey & Embrechts (2015), Quantitative Risk Management, §2.3 and §9.2. Barone-Adesi et al. (1999), VaR
    without correlations. Maillard (2012), A user's guide to the Cornish Fisher expansion. Rockafellar & Uryasev (2002).
    """

    method: Literal["value_at_risk"] = "value_at_risk"
    value_at_risk: Annotated[float, Ge(0.000001), Le(1)] | None = None
    expected_shortfall: Annotated[float, Ge(0.000001), Le(1)] | None = None
    level: Annotated[float, Gt(0.5), Lt(1)] = 0.99
    shortfall_level: Annotated[float, Gt(0.5), Lt(1)] = 0.975
    horizon_days: Annotated[float, Ge(0.0001), Le(365)] = 1.0
    distribution: Law = "student_t"
    degrees_of_freedom: Annotated[float, Gt(2), Le(1000)] | None = None
    scope: Literal["book", "instrument"] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"volatility", "price"})
    shares_capital: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if self.value_at_risk is None and self.expected_shortfall is None:
            raise InvalidInput("value_at_risk", "or expected_shortfall must be given", None)
        if self.degrees_of_freedom is not None and self.distribution != "student_t":
            raise InvalidInput("degrees_of_freedom", "goes with student_t", self.degrees_of_freedom)

    @property
    def further_requires(self) -> frozenset[str]:
        """Histories, by the law."""
        if self.distribution == "historical":
            return frozenset({"returns"})
        fixed = self.distribution == "normal" or self.degrees_of_freedom is not None
        return frozenset() if fixed else frozenset({"standardized"})

    def factors(self, columns: SizingColumns) -> Sequence[Factor]:
        """Budget of one measure over the loss, and how much less the other allows."""
        losses = [judged.loss for judged in self.judge(columns)]
        at_risk = allowed(self.value_at_risk, np.array([loss.value_at_risk for loss in losses]))
        shortfall = allowed(self.expected_shortfall, np.array([loss.expected_shortfall for loss in losses]))
        if self.value_at_risk is None:
            return (Factor("expected_shortfall", shortfall, "sizing.expected_shortfall"),)
        less = np.minimum(shortfall / at_risk, 1.0)
        return (
            Factor("value_at_risk", at_risk, "sizing.value_at_risk"),
            Factor("expected_shortfall", less, "sizing.expected_shortfall"),
        )

    def unusable(self, columns: SizingColumns, rows: Bools) -> dict[int, str]:
        """Rows whose sample is too thin for a tail, or has none."""
        faults = [judged.fault for judged in self.judge(columns)]
        return {index: faults[index] for index in np.flatnonzero(rows).tolist() if faults[index]}

    def remarks(self, columns: SizingColumns, weights: Floats) -> tuple[str, ...]:
        """Both figures of each row that has a position, and what they rest on."""
        return tuple(
            f"over {self.horizon_days:g} days, by the square root of time: value at risk {judged.loss[0]:.4g} and "
            f"expected shortfall {judged.loss[1]:.4g} of notional, from {judged.basis}"
            if judged.basis and said
            else ""
            for judged, said in zip(self.judge(columns), (columns.sizable & (weights != 0.0)).tolist(), strict=True)
        )

    def judge(self, columns: SizingColumns) -> list[Judged]:
        """Loss of each row on its side; without a side, the larger one of both."""
        held = np.sign(columns.current + columns.collateral)
        side = np.where(columns.direction != 0.0, np.sign(columns.direction), held)
        return [self._judged(columns, row, sign) for row, sign in enumerate(side.tolist())]

    def _judged(self, columns: SizingColumns, row: int, side: float) -> Judged:
        if side == 0.0:
            both = [self._judged(columns, row, sign) for sign in (1.0, -1.0)]
            return max(both, key=lambda judged: np.inf if judged.fault else max(judged.loss))
        try:
            loss, basis = self._loss(columns, row, side)
        except Refusal as refusal:
            return Judged(UNKNOWN, fault=refusal.detail)
        return Judged(loss, basis)

    def _loss(self, columns: SizingColumns, row: int, side: float) -> tuple[TailLoss, str]:
        seen, levels = evidence_of(columns), Levels(self.level, self.shortfall_level)
        years = horizon_years(self.horizon_days)
        if self.distribution == "historical":
            loss, basis = historical_loss(side * posted(seen.returns[row]), levels)
            return loss.times(float(seen.periods_per_year[row] * years) ** 0.5), basis
        loss, basis = self._multiples(side, seen.standardized[row], levels)
        return loss.times(float(columns.event_volatility[row]) * years**0.5), basis

    def _multiples(self, side: float, standardized: Floats | None, levels: Levels) -> tuple[TailLoss, str]:
        """Losses over volatility."""
        if self.distribution == "normal":
            return normal_loss(levels), "the normal law"
        if self.degrees_of_freedom is not None:
            text = f"Student t with {self.degrees_of_freedom:g} degrees of freedom"
            return student_loss(levels, self.degrees_of_freedom), text
        if self.distribution == "student_t":
            return fitted_student_loss(posted(standardized), levels)
        law = cornish_fisher_loss if self.distribution == "cornish_fisher" else filtered_loss
        return law(side * posted(standardized), levels)


def posted(sample: Floats | None) -> Floats:
    """A sample; empty where there is none."""
    return np.empty(0) if sample is None else sample


def allowed(budget: float | None, loss: Floats) -> Floats:
    """Weight whose loss is the budget; without bound where there is none."""
    return np.full(loss.shape, np.inf) if budget is None else budget / loss
