"""Quantiles and tail means of standardised laws, against scipy and numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from services.core.errors import InvalidInput
from services.risk.tails import (
    cornish_fisher_holds,
    cornish_fisher_quantile,
    cornish_fisher_shortfall,
    expected_shortfall_multiple,
    fitted_freedom,
    quantile_multiple,
    shape_of,
)

SHAPES = [(0.0, 0.0), (-0.5, 3.0), (0.5, 3.0), (-0.3, 1.0), (0.2, 7.0), (0.0, -0.5)]


@pytest.mark.parametrize("alpha", [0.9, 0.975, 0.99, 0.999])
@pytest.mark.parametrize("nu", [2.1, 3.0, 4.0, 30.0])
def test_quantiles_are_those_of_scipy_at_unit_variance(alpha: float, nu: float) -> None:
    expected = stats.t.ppf(alpha, nu, scale=np.sqrt((nu - 2.0) / nu))
    assert quantile_multiple("student_t", alpha, nu) == pytest.approx(expected, rel=1e-9)
    assert quantile_multiple("normal", alpha) == pytest.approx(stats.norm.ppf(alpha), rel=1e-12)


@pytest.mark.parametrize("distribution", ["normal", "student_t"])
def test_shortfall_lies_beyond_the_quantile(distribution: str) -> None:
    for alpha in (0.5, 0.9, 0.99, 0.9999):
        assert expected_shortfall_multiple(distribution, alpha) > quantile_multiple(distribution, alpha)  # type: ignore[arg-type]


@pytest.mark.parametrize(("alpha", "nu"), [(0.49, 4.0), (1.0, 4.0), (0.99, 2.0), (0.99, float("nan"))])
def test_what_has_no_quantile_is_refused(alpha: float, nu: float) -> None:
    with pytest.raises(InvalidInput):
        quantile_multiple("student_t", alpha, nu)


@pytest.mark.parametrize(("nu", "seed"), [(4.0, 1), (6.0, 2), (3.5, 3), (12.0, 4)])
@pytest.mark.parametrize("scale", [1.0, 0.01, 40.0])
def test_degrees_of_freedom_are_those_of_scipys_fit(nu: float, seed: int, scale: float) -> None:
    sample = scale * stats.t.rvs(nu, size=800, random_state=seed)
    expected, _, _ = stats.t.fit(sample, floc=0.0)
    assert fitted_freedom(sample) == pytest.approx(np.clip(expected, 3.0, 100.0), rel=5e-3)


def test_fits_stay_within_their_bounds() -> None:
    assert fitted_freedom(stats.cauchy.rvs(size=500, random_state=1)) == pytest.approx(3.0)
    assert fitted_freedom(np.random.default_rng(1).uniform(-1.0, 1.0, 500)) == pytest.approx(100.0)


def test_shape_is_that_of_scipy() -> None:
    sample = stats.gamma.rvs(3.0, size=300, random_state=1)
    assert shape_of(sample) == pytest.approx((stats.skew(sample), stats.kurtosis(sample)))


@pytest.mark.parametrize(("skewness", "kurtosis"), SHAPES)
@pytest.mark.parametrize("alpha", [0.9, 0.975, 0.99])
def test_cornish_fisher_shortfall_is_the_mean_of_its_quantiles(skewness: float, kurtosis: float, alpha: float) -> None:
    total, _ = integrate.quad(lambda level: cornish_fisher_quantile(level, skewness, kurtosis), alpha, 1.0)
    assert cornish_fisher_shortfall(alpha, skewness, kurtosis) == pytest.approx(total / (1.0 - alpha), rel=1e-6)


def test_cornish_fisher_of_a_gamma_law_is_near_its_quantile() -> None:
    """A gamma law of shape 64: S = 2/8 = 0.25, K = 6/64; the expansion is made for shapes like this."""
    exact = (stats.gamma.ppf(0.01, 64.0) - 64.0) / 8.0
    assert -cornish_fisher_quantile(0.99, 0.25, 6.0 / 64.0) == pytest.approx(exact, rel=2e-3)


@given(st.floats(-1.5, 1.5), st.floats(-2.0, 10.0))
def test_the_expansion_holds_where_its_quantiles_rise(skewness: float, kurtosis: float) -> None:
    z = np.linspace(-6.0, 6.0, 4_001)
    s, k = skewness, kurtosis
    w = z + (z**2 - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s**2 / 36
    rises = bool((np.diff(w) > 0.0).all())
    if abs(skewness) > 1.0 or kurtosis > 8.0:
        assert not cornish_fisher_holds(skewness, kurtosis)
    elif cornish_fisher_holds(skewness, kurtosis):
        assert rises
    else:
        # Between two points of the grid a slope may touch zero.
        slope = 1 + z * s / 3 + (3 * z**2 - 3) * k / 24 - (6 * z**2 - 5) * s**2 / 36
        assert slope.min() < 1e-4
