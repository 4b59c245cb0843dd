"""Tails, ratios and hedges of books whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from services.scorecard.books import disjoint, hedge_error, judge_tails, volatility_ratio

LAW = stats.t(4.0)
"""Of unit scale: quantiles and shortfall below are those of this law."""
TIMES = np.arange(4000.0) * 86_400.0
VALUE_AT_RISK = float(LAW.ppf(0.99))
SHORTFALL = float(LAW.expect(lambda x: x, lb=LAW.ppf(0.975), conditional=True))


def losses(seed: int) -> np.ndarray:
    return np.asarray(LAW.rvs(TIMES.size, random_state=np.random.default_rng(seed)))


def test_tails_that_are_right_are_covered() -> None:
    ones, blamed = np.ones(TIMES.size), 0
    for seed in range(20):
        found = judge_tails(losses(seed), VALUE_AT_RISK * ones, SHORTFALL * ones, TIMES)
        assert found.coverage is not None and found.shortfall.value is not None
        assert found.breaches.value == found.coverage.rate
        blamed += found.coverage.verdict == "under_coverage"
        assert abs(found.shortfall.value) < 4.0 * found.shortfall.standard_error  # type: ignore[operator]
    assert blamed <= 4  # 1 of 20 by chance


def test_tails_that_are_too_small_are_found() -> None:
    ones = np.ones(TIMES.size)
    found = judge_tails(losses(3), 0.7 * VALUE_AT_RISK * ones, 0.7 * SHORTFALL * ones, TIMES)
    assert found.coverage is not None and found.coverage.verdict == "under_coverage"
    assert found.coverage.unconditional.p_value < 1e-6
    assert found.shortfall.value > 3.0 * found.shortfall.standard_error  # type: ignore[operator]


def test_a_shortfall_alone_that_is_too_small_is_found() -> None:
    ones = np.ones(TIMES.size)
    found = judge_tails(losses(4), VALUE_AT_RISK * ones, 0.5 * SHORTFALL * ones, TIMES)
    assert found.coverage is not None and found.coverage.verdict == "covered"
    assert found.shortfall.value == pytest.approx(1.0, abs=0.4)


def test_a_few_days_say_nothing() -> None:
    found = judge_tails(np.zeros(19), np.ones(19), np.ones(19), TIMES[:19])
    assert (found.coverage, found.breaches.value, found.shortfall.value) == (None, None, None)
    empty = judge_tails(*(np.empty(0),) * 4)
    assert (empty.coverage, empty.breaches.n) == (None, 0)


def test_the_volatility_of_a_book_over_its_target() -> None:
    rng = np.random.default_rng(5)
    stated = 0.01 * (1.0 + rng.random(3000))
    found = volatility_ratio(1.2 * stated * rng.standard_normal(3000), stated, TIMES[:3000])
    assert found.value == pytest.approx(1.2, abs=0.05)
    # Of n normal squares: the root of their mean has a standard error of 1.2 / √(2 n).
    assert found.standard_error == pytest.approx(1.2 / np.sqrt(6000.0), rel=0.1)


def test_hedges_that_leave_a_tenth_leave_a_hundredth_of_the_variance() -> None:
    rng = np.random.default_rng(6)
    before, moves = rng.standard_normal(200), rng.standard_normal(200)
    found = hedge_error(before, 0.1 * before, moves, TIMES[:200], 0.0)
    assert found.variance.value == pytest.approx(0.01) and found.delta.value == pytest.approx(0.1)
    none = hedge_error(before, before, moves, TIMES[:200], 0.0)
    assert none.variance.value == pytest.approx(1.0) and none.variance.standard_error == pytest.approx(0.0, abs=1e-12)


def test_days_that_overlap_are_dropped_by_portfolio() -> None:
    times, groups = np.array([0.0, 1.0, 5.0, 9.8, 10.0, 19.6]), ["a", "b", "a", "a", "b", "a"]
    assert disjoint(times, groups, 10.0, 0.5).tolist() == [True, True, False, True, False, True]
