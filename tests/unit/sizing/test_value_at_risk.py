"""Budgets of value at risk and expected shortfall: by hand, by simulation, and on real days."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from services.core.annualization import Calendar
from services.core.book import Signal
from services.core.errors import InvalidInput
from services.core.outcome import Reason, Status
from services.engine import Evaluation, Policy, SeriesInput, evaluate
from services.risk.tails import expected_shortfall_multiple, fitted_freedom, quantile_multiple
from services.risk.value_at_risk import Levels, fitted_student_loss
from services.sizing.buffers import NoBuffer
from services.sizing.methods.value_at_risk import ValueAtRiskBudget
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import forecast_series
from tests.support.books import OPEN, inputs, inverse, row

MOVE = 0.4 / 365.0**0.5
END = datetime(2026, 11, 20, tzinfo=UTC)
SPY = Path("../shared/data/ohlcv_spy_daily_1998_2021.csv.gz")
NORMAL = ValueAtRiskBudget(value_at_risk=0.02, distribution="normal")


def decided(*rows: Any, method: ValueAtRiskBudget = NORMAL, **changes: Any) -> Evaluation:
    return evaluate(inputs(*rows, policy=Policy(sizing=method, limits=OPEN, buffer=NoBuffer()), **changes))


def size(result: Evaluation) -> float:
    return float(result.targets[0].target or 0)


def long(direction: float = 1.0, **changes: Any) -> Any:
    return row(signal=Signal(direction), **changes)


def history(bars: int = 500, seed: int = 1, skew: float = 0.0) -> SeriesInput:
    rng = np.random.default_rng(seed)
    moves = 0.02 * (rng.standard_t(4, bars) + skew * (1.0 - rng.exponential(size=bars)))
    closes = np.exp(np.cumsum(moves - moves.mean()))
    return SeriesInput(closes=100.0 * closes / closes[-1], end=END, bar_seconds=86_400, calendar=Calendar())


def posted(method: ValueAtRiskBudget, item: SeriesInput, direction: float = 1.0) -> Evaluation:
    return decided(long(direction), method=method, series={"A": item}, states={})


def test_two_percent_over_the_normal_quantile() -> None:
    expected = 100.0 * 0.02 / (stats.norm.ppf(0.99) * MOVE)
    assert size(decided(long())) == pytest.approx(expected, abs=0.01)
    assert size(decided(long(-0.5))) == pytest.approx(-expected / 2.0, abs=0.01)
    assert size(decided(long(), volatility=0.8)) == pytest.approx(expected / 2.0, abs=0.01)
    assert size(decided(long(instrument=inverse(multiplier=1.0)))) == pytest.approx(100.0 * expected, abs=1.0)


def test_the_budget_that_allows_less_binds() -> None:
    quantile, mean = (
        quantile_multiple("student_t", 0.99, 4.0),
        expected_shortfall_multiple("student_t", 0.975, 4.0),
    )
    for at_risk, shortfall in ((0.02, 0.1), (0.1, 0.02), (0.02, 0.02)):
        method = ValueAtRiskBudget(value_at_risk=at_risk, expected_shortfall=shortfall, degrees_of_freedom=4.0)
        expected = 100.0 * min(at_risk / quantile, shortfall / mean) / MOVE
        assert size(decided(long(), method=method)) == pytest.approx(expected, abs=0.01)
    only = ValueAtRiskBudget(expected_shortfall=0.02, degrees_of_freedom=4.0)
    assert size(decided(long(), method=only)) == pytest.approx(2.0 / mean / MOVE, abs=0.01)


def test_four_days_are_half_the_size() -> None:
    four = ValueAtRiskBudget(value_at_risk=0.02, distribution="normal", horizon_days=4.0)
    assert size(decided(long(), method=four)) == pytest.approx(size(decided(long())) / 2.0, abs=0.01)
    held = posted(ValueAtRiskBudget(value_at_risk=0.02, distribution="historical"), history())
    longer = posted(ValueAtRiskBudget(value_at_risk=0.02, distribution="historical", horizon_days=4.0), history())
    assert size(longer) == pytest.approx(size(held) / 2.0, abs=0.01)


def test_the_fitted_law_is_that_of_the_standardised_returns() -> None:
    item = history()
    result = posted(ValueAtRiskBudget(value_at_risk=0.02), item)
    freedom = fitted_freedom(result.market.standardized["A"])
    move = result.market.readouts["A"].volatility / 365.0**0.5
    expected = 2.0 / (quantile_multiple("student_t", 0.99, freedom) * move)
    assert size(result) == pytest.approx(expected, abs=0.01)
    assert f"Student t with {freedom:.3g} degrees of freedom, fitted" in result.targets[0].detail


def test_history_is_played_back() -> None:
    """Of 499 days the fifth worst is the first that no more than one in a hundred exceed."""
    item = history()
    returns = np.sort(item.closes[1:] / item.closes[:-1] - 1.0)
    result = posted(ValueAtRiskBudget(value_at_risk=0.02, distribution="historical"), item)
    assert size(result) == pytest.approx(2.0 / -returns[4], abs=0.01)
    short = posted(ValueAtRiskBudget(value_at_risk=0.02, distribution="historical"), item, -1.0)
    assert size(short) == pytest.approx(-2.0 / returns[-5], abs=0.01)


@pytest.mark.parametrize("law", ["historical", "filtered_historical", "cornish_fisher"])
def test_a_falling_tail_is_paid_for_by_longs(law: Any) -> None:
    method, item = ValueAtRiskBudget(value_at_risk=0.02, distribution=law), history(skew=3.0)
    assert 0.0 < size(posted(method, item)) < -size(posted(method, item, -1.0))


def test_where_the_expansion_does_not_hold_history_speaks_and_says_so() -> None:
    """A crash of 30 % in a calm history."""
    item = history()
    closes = item.closes.copy()
    closes[:-100] /= 0.7
    crashed = SeriesInput(closes=closes, end=END, bar_seconds=86_400, calendar=Calendar())
    found = posted(ValueAtRiskBudget(value_at_risk=0.02, distribution="cornish_fisher"), crashed)
    filtered = posted(ValueAtRiskBudget(value_at_risk=0.02, distribution="filtered_historical"), crashed)
    assert found.targets[0].target == filtered.targets[0].target
    assert "because Cornish-Fisher does not hold at skewness" in found.targets[0].detail


@pytest.mark.parametrize("law", ["historical", "filtered_historical", "cornish_fisher", "student_t"])
def test_laws_of_a_sample_need_one(law: Any) -> None:
    method = ValueAtRiskBudget(value_at_risk=0.02, distribution=law)
    target = decided(long(quantity="3"), method=method).targets[0]
    assert (target.status, target.reason, target.target) == (Status.REFUSED, Reason.DATA_REQUIRED, None)
    target = posted(method, history(200)).targets[0]
    assert (target.status, target.reason, target.target) == (Status.REFUSED, Reason.UNUSABLE_DATA, None)
    assert "at least 250" in target.detail
    assert decided(long(0.0, quantity="3"), method=method).targets[0].target == Decimal(0)


def test_both_figures_are_in_the_answer() -> None:
    detail = decided(long()).targets[0].detail
    at_risk, shortfall = (multiple * MOVE for multiple in (stats.norm.ppf(0.99), 2.3378027922014))
    assert f"value at risk {at_risk:.4g} and expected shortfall {shortfall:.4g} of notional" in detail
    assert "by the square root of time" in detail


def test_a_book_without_signals_is_judged_on_the_sides_that_are_held() -> None:
    item = history(skew=3.0)
    method = ValueAtRiskBudget(value_at_risk=0.02, distribution="historical")
    held = decided(row(quantity="-1"), method=method, series={"A": item}, states={})
    assert size(held) == size(posted(method, item, -1.0))


def test_capacity_without_a_side_is_that_of_the_worse_one() -> None:
    item = history(skew=3.0)
    method = ValueAtRiskBudget(value_at_risk=0.02, distribution="historical")
    flat = decided(long(0.0), method=method, series={"A": item}, states={})
    assert flat.capacity is not None
    assert float(flat.capacity.long[0] or 0) == size(posted(method, item))


@pytest.mark.parametrize("fields", [{}, {"value_at_risk": 0.02, "distribution": "normal", "degrees_of_freedom": 4.0}])
def test_contradicting_parameters_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        ValueAtRiskBudget(**fields)


@pytest.mark.skipif(not SPY.exists(), reason="daily prices of SPY lie beside the repository")
def test_losses_on_real_days_exceed_a_fitted_value_at_risk_as_often_as_it_says() -> None:
    """SPY, every tenth day of 20 years, both sides: 1 % within sampling error; beyond the normal law, more often."""
    with gzip.open(SPY, "rt") as lines:
        closes = np.array([float(line["close"]) for line in csv.DictReader(lines)])
    missed = {"student": 0, "normal": 0}
    days = range(700, closes.size - 1, 10)
    for day in days:
        forecast = forecast_series(
            closes[day - 700 : day], end=END, bar_seconds=86_400, calendar=Calendar("XNYS"), estimator=Ewma()
        )
        sample = forecast.standardized[np.isfinite(forecast.standardized)]
        move = forecast.readout.volatility / 252.0**0.5
        fitted = fitted_student_loss(sample, Levels(0.99, 0.975))[0].value_at_risk * move
        change = abs(closes[day] / closes[day - 1] - 1.0)
        missed["student"] += change > fitted
        missed["normal"] += change > stats.norm.ppf(0.99) * move
    share = missed["student"] / (2 * len(days))
    assert share == pytest.approx(0.01, abs=3.0 * (0.01 * 0.99 / (2 * len(days))) ** 0.5)
    assert missed["normal"] > missed["student"]
