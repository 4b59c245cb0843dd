"""Risk budgets: the formula by hand, and what simulated losses make of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from services.core.book import Signal
from services.core.errors import InvalidInput
from services.core.outcome import Status
from services.engine import Evaluation, Policy, evaluate
from services.sizing.buffers import NoBuffer
from services.sizing.methods.risk_budget import RiskBudget
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import OPEN, inputs, inverse, row


def decided(*rows: Any, method: Any, **changes: Any) -> Evaluation:
    return evaluate(inputs(*rows, policy=Policy(sizing=method, limits=OPEN, buffer=NoBuffer()), **changes))


def size(result: Evaluation) -> float:
    return float(result.targets[0].target or 0)


def long(direction: float = 1.0, **changes: Any) -> Any:
    return row(signal=Signal(direction), **changes)


YEAR = {"horizon_days": 365.0, "confidence_factor": 2.0}


def test_by_hand() -> None:
    """400 over (2 · 0.4): a notional of 500, five contracts at 100."""
    assert size(decided(long(), method=RiskBudget(budget=400.0, **YEAR))) == 5.0
    assert size(decided(long(-1.0), method=RiskBudget(budget_fraction=0.04, **YEAR))) == -5.0
    assert size(decided(long(0.5), method=RiskBudget(budget=400.0, **YEAR))) == 2.5


def test_an_amount_does_not_grow_with_the_equity_and_a_fraction_does() -> None:
    amount, part = RiskBudget(budget=400.0, **YEAR), RiskBudget(budget_fraction=0.04, **YEAR)
    assert [size(decided(long(), method=amount, equity=equity)) for equity in (10_000.0, 20_000.0)] == [5.0, 5.0]
    assert [size(decided(long(), method=part, equity=equity)) for equity in (10_000.0, 20_000.0)] == [5.0, 10.0]


def test_a_quarter_of_the_horizon_is_twice_the_size() -> None:
    quarter = RiskBudget(budget=400.0, horizon_days=91.25, confidence_factor=2.0)
    assert size(decided(long(), method=quarter)) == 10.0
    assert size(decided(long(), method=quarter, volatility=0.8)) == 5.0


def test_it_is_volatility_targeting_of_budget_over_confidence() -> None:
    budget = size(decided(long(), method=RiskBudget(budget_fraction=0.3, horizon_days=365.0, confidence_factor=1.5)))
    assert budget == size(decided(long(), method=VolatilityTarget(target_volatility=0.2)))


@pytest.mark.parametrize(
    ("method", "losses"),
    [
        (RiskBudget(budget=100.0), stats.norm),
        (RiskBudget(budget=100.0, confidence=0.95), stats.norm),
        (
            RiskBudget(budget=100.0, distribution="student_t", degrees_of_freedom=4.0),
            stats.t(4.0, scale=0.5**0.5),
        ),
    ],
)
def test_simulated_losses_exceed_the_budget_as_often_as_it_says(method: RiskBudget, losses: Any) -> None:
    move = 0.4 / 365.0**0.5
    draws = losses.rvs(size=400_000, random_state=9) * move
    notional = 100.0 * size(decided(long(), method=method))
    missed = float((notional * draws > 100.0).mean())
    allowed = 1.0 - (method.confidence or 0.99)
    assert missed == pytest.approx(allowed, abs=4.0 * (allowed / 400_000) ** 0.5 + 0.001 * allowed)


def test_a_budget_of_nothing_is_flat_and_no_refusal() -> None:
    target = decided(long(quantity="3"), method=RiskBudget(budget=0.0)).targets[0]
    assert (target.status, float(target.target or 0), float(target.order or 0)) == (Status.OK, 0.0, -3.0)


def test_inverse_and_linear_have_the_same_notional() -> None:
    method = RiskBudget(budget=400.0, **YEAR)
    assert size(decided(long(instrument=inverse(multiplier=1.0)), method=method)) == 500.0


def test_every_row_has_a_budget_of_its_own() -> None:
    rows = [long(), row("B", signal=Signal(-1.0))]
    found = decided(*rows, method=RiskBudget(budget=400.0, **YEAR), volatility={"A": 0.4, "B": 0.8})
    assert [float(target.target or 0) for target in found.targets] == [5.0, -2.5]
    assert found.capacity is not None
    assert [float(most or 0) for most in found.capacity.long] == [5.0, 2.5]


def test_a_book_without_signals_keeps_its_sides() -> None:
    found = decided(row(quantity="-1"), method=RiskBudget(budget=400.0, **YEAR))
    assert size(found) == -5.0


def test_the_explanation_names_what_was_given() -> None:
    result = decided(long(), method=RiskBudget(budget=400.0, **YEAR))
    assert result.trail is not None
    named = {step.stage: step.parameter for step in result.trail.steps(0)}
    assert named["risk_budget"] == "sizing.budget"
    assert named["confidence"] == "sizing.confidence_factor"
    assert np.prod([step.factor for step in result.trail.steps(0) if step.factor]) * 100.0 == pytest.approx(5.0)


@pytest.mark.parametrize(
    "fields",
    [{}, {"budget": 1.0, "budget_fraction": 0.1}, {"budget": 1.0, "confidence": 0.9, "confidence_factor": 2.0}],
)
def test_contradicting_parameters_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        RiskBudget(**fields)  # type: ignore[arg-type]
