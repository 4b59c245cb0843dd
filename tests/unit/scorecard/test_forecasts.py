"""Losses and regressions against statsmodels, and simulated forecasters whose faults are known."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from services.scorecard.forecasts import ewma_path, mincer_zarnowitz, qlike
from services.scorecard.mean import hac_mean

TIMES = np.arange(3000.0)


def market(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True variance of each bar, and the squared return that it gave."""
    rng = np.random.default_rng(seed)
    variance = np.exp(0.8 * np.sin(TIMES / 40.0)) * np.exp(0.3 * rng.standard_normal(TIMES.size))
    return variance, variance * rng.standard_normal(TIMES.size) ** 2


def test_qlike_is_least_at_the_true_variance() -> None:
    variance, realized = market(1)
    own = qlike(realized, variance).mean()
    assert all(qlike(realized, factor * variance).mean() > own for factor in (0.7, 0.9, 1.1, 1.4))


def test_qlike_takes_an_outcome_of_zero() -> None:
    assert qlike(np.array([0.0]), np.array([2.0])).tolist() == pytest.approx([np.log(2.0)])


def test_the_benchmark_is_the_recursion_as_it_is_written() -> None:
    returns = np.random.default_rng(2).standard_normal(60)
    path = ewma_path(returns)
    level = float(np.mean(returns[:20] ** 2))
    assert np.isnan(path[:19]).all() and path[19] == pytest.approx(level)
    for place in range(20, 60):
        level = 0.94 * level + 0.06 * float(returns[place]) ** 2
        assert path[place] == pytest.approx(level, rel=1e-12)
    assert np.isnan(ewma_path(returns[:19])).all()


def test_the_regression_is_that_of_statsmodels() -> None:
    variance, realized = market(3)
    found = mincer_zarnowitz(realized, variance, TIMES)
    design = np.column_stack((1.0 / variance, np.ones(variance.size)))
    model = sm.OLS(realized / variance, design).fit(
        cov_type="HAC", cov_kwds={"maxlags": 8, "use_correction": False}, use_t=False
    )
    assert (found.intercept, found.slope) == pytest.approx(tuple(model.params), rel=1e-9)
    assert (found.intercept_error, found.slope_error) == pytest.approx(tuple(model.bse), rel=1e-8)
    wald = model.wald_test((np.eye(2), np.array([0.0, 1.0])), use_f=False, scalar=True)
    assert found.p_value == pytest.approx(float(wald.pvalue), rel=1e-6)


def test_a_calibrated_forecaster_is_not_blamed() -> None:
    """Under the truth p-values are uniform and the bias lies within its errors as often as it should."""
    p_values, inside = [], 0
    for seed in range(100):
        variance, realized = market(seed)
        found, bias = mincer_zarnowitz(realized, variance, TIMES), hac_mean(realized / variance, TIMES)
        assert found.p_value is not None and bias.value is not None and bias.standard_error is not None
        p_values.append(found.p_value)
        inside += abs(bias.value - 1.0) < 1.96 * bias.standard_error
    assert stats.kstest(p_values, "uniform").pvalue > 0.001
    assert 85 <= inside <= 100


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_wrong_level_is_found(factor: float) -> None:
    variance, realized = market(7)
    bias = hac_mean(realized / (factor * variance), TIMES)
    assert bias.value is not None and bias.standard_error is not None
    assert abs(bias.value - 1.0) > 3.0 * bias.standard_error
    assert bias.value == pytest.approx(1.0 / factor, rel=0.06)


def test_a_forecaster_that_moves_too_much_has_a_slope_below_one() -> None:
    variance, realized = market(9)
    found = mincer_zarnowitz(realized, variance**1.6, TIMES)
    assert found.slope is not None and found.slope < 0.8
    assert found.p_value is not None and found.p_value < 1e-4


def test_a_constant_forecast_has_no_slope() -> None:
    found = mincer_zarnowitz(np.ones(50), np.full(50, 2.0), np.arange(50.0))
    assert (found.n, found.moments, found.slope, found.p_value) == (50, 50, None, None)
