"""Tail losses of books against a loop over accounts and days."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import default_rng

from services.core.errors import InvalidInput
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.portfolio_shortfall import ACCOUNTS_AT_ONCE, joint_scenarios, portfolio_shortfalls
from services.margin.view import MarginView
from services.risk.value_at_risk import sample_expected_shortfall, sample_value_at_risk


def days(assets: int, count: int = 400) -> np.ndarray:
    rng = default_rng(9)
    common = rng.standard_t(4.0, count)
    found: np.ndarray = 0.02 * (0.7 * common + 0.7 * rng.standard_normal((assets, count)))
    return found


def test_books_are_revalued_day_by_day() -> None:
    scenarios = joint_scenarios(days(4))
    exposures = default_rng(1).normal(0.0, 1e4, (ACCOUNTS_AT_ONCE + 3, 4))
    found = portfolio_shortfalls(exposures, scenarios)
    quantile = portfolio_shortfalls(exposures, scenarios, alpha=0.99, measure="value_at_risk")
    for account in (0, 1, ACCOUNTS_AT_ONCE - 1, ACCOUNTS_AT_ONCE, ACCOUNTS_AT_ONCE + 2):
        profits = np.array([sum(exposures[account] * day) for day in scenarios.T])
        assert found[account] == pytest.approx(sample_expected_shortfall(profits, 0.975), rel=1e-10)
        assert quantile[account] == pytest.approx(sample_value_at_risk(profits, 0.99), rel=1e-10)


def test_one_position_is_the_margin_of_its_row() -> None:
    returns = days(2)
    long, short = FilteredHistorical(horizon_days=4.0).rates(
        MarginView(np.full(2, np.nan), tuple(returns), np.full(2, 365.0))
    )
    scenarios = joint_scenarios(returns, horizon_bars=4.0)
    books = [[100.0, 0.0], [0.0, 100.0], [-100.0, 0.0]]
    expected = [100.0 * long[0], 100.0 * long[1], 100.0 * short[0]]
    assert portfolio_shortfalls(books, scenarios) == pytest.approx(expected, rel=1e-10)


def test_shortfall_of_a_book_is_at_most_the_sum_of_its_parts() -> None:
    scenarios, exposures = joint_scenarios(days(5), bars=2), default_rng(2).normal(0.0, 1.0, (200, 5))
    parts = sum(portfolio_shortfalls(np.where(np.arange(5) == asset, exposures, 0.0), scenarios) for asset in range(5))
    assert (portfolio_shortfalls(exposures, scenarios) <= parts + 1e-12).all()
    assert portfolio_shortfalls(3.0 * exposures, scenarios) == pytest.approx(
        3.0 * portfolio_shortfalls(exposures, scenarios)
    )


def test_nothing_held_loses_nothing() -> None:
    assert portfolio_shortfalls([[0.0, 0.0]], joint_scenarios(days(2))).tolist() == [0.0]


@pytest.mark.parametrize("exposures", [[[1.0]], [1.0, 2.0], [[1.0, np.nan]], [[np.inf, 0.0]]])
def test_what_does_not_fit_is_refused(exposures: list[float]) -> None:
    with pytest.raises(InvalidInput, match="exposures"):
        portfolio_shortfalls(exposures, joint_scenarios(days(2)))


def test_scenarios_need_every_return() -> None:
    with pytest.raises(InvalidInput, match="returns must be finite"):
        joint_scenarios([[0.1, np.nan]])
    with pytest.raises(InvalidInput, match="bars must lie within 1 and"):
        joint_scenarios([[0.1, 0.2]], bars=3)
