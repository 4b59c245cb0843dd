"""Newey–West against statsmodels, and against what is known of a process that overlaps."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from services.scorecard.mean import hac_mean, hac_ratio, lags_of


def autocorrelated(count: int, seed: int, rho: float = 0.6) -> np.ndarray:
    rng, path = np.random.default_rng(seed), np.empty(count)
    level = 0.0
    for place in range(count):
        level = rho * level + rng.standard_normal()
        path[place] = level
    return path


@pytest.mark.parametrize("horizon", [0.0, 12.5])
def test_a_mean_has_the_error_of_statsmodels(horizon: float) -> None:
    values, times = autocorrelated(400, 3), np.arange(400.0)
    found = hac_mean(values, times, horizon)
    model = sm.OLS(values, np.ones(400)).fit(cov_type="HAC", cov_kwds={"maxlags": found.lags, "use_correction": False})
    assert found.lags == (12 if horizon else 5)
    assert found.value == pytest.approx(model.params[0], rel=1e-12)
    assert found.standard_error == pytest.approx(model.bse[0], rel=1e-10)


def test_a_ratio_has_the_error_of_a_regression_through_the_origin() -> None:
    """With b = x² and a = x y the ratio is the slope of y on x, and u its score."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal(300)
    y = 0.7 * x + rng.standard_normal(300)
    found = hac_ratio(x * y, x * x, np.arange(300.0))
    model = sm.OLS(y, x).fit(cov_type="HAC", cov_kwds={"maxlags": found.lags, "use_correction": False})
    assert (found.value, found.standard_error) == pytest.approx((model.params[0], model.bse[0]), rel=1e-10)


def test_pairs_of_one_moment_count_once() -> None:
    """Ten markets that always say the same are one market."""
    values, times = autocorrelated(60, 8), np.arange(60.0)
    once, often = hac_mean(values, times), hac_mean(np.repeat(values, 10), np.repeat(times, 10))
    assert (often.n, often.moments) == (600, 60)
    assert often.standard_error == pytest.approx(once.standard_error, rel=1e-12)


def test_overlapping_horizons_widen_the_error_as_they_should() -> None:
    """Sums over 10 steps of white noise: the mean of n of them has a standard error of about √10 · √(10 / n)."""
    errors, values = [], []
    for seed in range(60):
        noise = np.random.default_rng(seed).standard_normal(809)
        sums = np.convolve(noise, np.ones(10), mode="valid")
        found = hac_mean(sums, np.arange(800.0), 10.0)
        assert found.standard_error is not None and found.value is not None
        errors.append(found.standard_error)
        values.append(found.value)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.25)
    assert np.mean(errors) > 2.0 * np.sqrt(10.0 / 800.0)  # as if they did not overlap: √(10 / 800)


def test_too_few_moments_give_no_figure() -> None:
    found = hac_mean(np.ones(1000), np.repeat(np.arange(19.0), [900, *[5] * 17, 15]))
    assert (found.n, found.moments, found.value, found.standard_error) == (1000, 19, None, None)
    assert hac_mean(np.empty(0), np.empty(0)) == (0, 0, None, None, 0)


def test_lags_never_reach_beyond_the_sample() -> None:
    assert lags_of(np.arange(30.0), 1e9) == 29
