"""Raw SVI: derivatives and density against differences, jump wings, repair."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.options.black import black_price
from services.options.svi import (
    JumpWings,
    RawSvi,
    butterfly_free,
    durrleman,
    flat,
    from_jump_wings,
    jump_wings,
    largest_psi,
    repaired_wings,
    shape,
    ssvi,
    total_variance,
)

VOGT = RawSvi(-0.041, 0.1331, 0.306, 0.3586, 0.4153)
SMILE = RawSvi(0.01, 0.12, -0.3, 0.03, 0.15)
K = np.linspace(-1.2, 1.2, 25)


def test_slope_and_curvature_are_those_of_differences() -> None:
    step, found = 1e-4, shape(SMILE, K)
    up, down = total_variance(SMILE, K + step), total_variance(SMILE, K - step)
    assert found.slope == pytest.approx((up - down) / (2 * step), abs=1e-8)
    assert found.curvature == pytest.approx((up - 2 * found.variance + down) / step**2, abs=1e-6)


@pytest.mark.parametrize("raw", [SMILE, VOGT, RawSvi(0.02, 0.0, 0.0, 0.0, 1.0)])
def test_density_is_that_of_black_prices(raw: RawSvi) -> None:
    """Second difference of calls in the strike (Breeden and Litzenberger) over g's own definition."""
    strikes, step = np.exp(np.linspace(-0.6, 0.9, 31)), 2e-4

    def calls(strike: np.ndarray) -> np.ndarray:
        return black_price(1.0, strike, 1.0, np.sqrt(total_variance(raw, np.log(strike))), 1)

    density = (calls(strikes + step) - 2 * calls(strikes) + calls(strikes - step)) / step**2
    k = np.log(strikes)
    root = np.sqrt(total_variance(raw, k))
    second = -k / root - root / 2
    implied = durrleman(raw, k) * np.exp(-(second**2) / 2) / (strikes * root * math.sqrt(2 * math.pi))
    assert implied == pytest.approx(density, abs=2e-6)


def test_several_smiles_at_once() -> None:
    both = total_variance(np.array([SMILE, VOGT]), K)
    assert both.shape == (2, K.size)
    assert both[1] == pytest.approx(total_variance(VOGT, K))


def test_jump_wings_of_the_paper() -> None:
    """Gatheral and Jacquier (2014), section 5.1: Vogt's smile and its repair."""
    wings = jump_wings(VOGT, 1.0)
    assert wings == pytest.approx((0.01742625, -0.1752111, 0.6997381, 1.316798, 0.0116249), abs=1e-6)
    assert repaired_wings(wings).call_slope == pytest.approx(0.3493158, abs=1e-6)
    assert repaired_wings(wings).least_variance == pytest.approx(0.01548182, abs=1e-6)


def test_a_repaired_smile_has_no_butterfly_and_keeps_level_skew_and_left_wing() -> None:
    before, after = jump_wings(VOGT, 1.0), jump_wings(butterfly_free(VOGT), 1.0)
    assert durrleman(VOGT, K).min() < 0.0 < durrleman(butterfly_free(VOGT), np.linspace(-8, 8, 4001)).min()
    assert after[:3] == pytest.approx(before[:3], rel=1e-12)


def test_a_skew_too_steep_for_ssvi_is_cut() -> None:
    steep = RawSvi(0.0, 0.9, -0.95, -0.4, 0.02)
    with pytest.raises(InvalidInput, match="atm_skew"):
        repaired_wings(JumpWings(0.04, -0.5, 0.9, 0.1, 0.01))
    assert durrleman(butterfly_free(steep), np.linspace(-8, 8, 4001)).min() >= 0.0


def test_slopes_do_not_depend_on_time_if_variance_scales_with_it() -> None:
    longer = RawSvi(4 * SMILE.a, 2 * SMILE.b, SMILE.rho, 2 * SMILE.m, 2 * SMILE.sigma)
    assert jump_wings(longer, 4.0) == pytest.approx(jump_wings(SMILE, 1.0))


@pytest.mark.parametrize(
    ("wings", "name"),
    [
        (JumpWings(0.04, -0.1, -0.1, 0.5, 0.03), "put_slope"),
        (JumpWings(0.04, 0.0, 0.0, 0.0, 0.03), "put_slope"),
        (JumpWings(0.04, 0.5, 0.4, 0.5, 0.03), "atm_skew"),
        (JumpWings(0.04, -0.1, 0.4, 0.5, 0.04), "least_variance"),
        (JumpWings(0.04, 0.025, 0.4, 0.45, 0.05), "least_variance"),
        (JumpWings(-0.04, -0.1, 0.4, 0.5, 0.03), "atm_variance"),
    ],
)
def test_wings_that_are_no_smile_are_refused(wings: JumpWings, name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        from_jump_wings(wings, 0.5)


def test_ssvi_is_its_own_formula() -> None:
    theta, rho, psi = 0.03, -0.4, 0.12
    phi = psi / theta
    expected = theta / 2 * (1 + rho * phi * K + np.sqrt((phi * K + rho) ** 2 + 1 - rho**2))
    assert total_variance(ssvi(theta, rho, psi), K) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rho", [-0.9, -0.3, 0.0, 0.6])
@pytest.mark.parametrize("theta", [1e-4, 0.02, 0.5, 3.0])
def test_the_largest_slope_of_ssvi_excludes_butterflies(theta: float, rho: float) -> None:
    k = np.linspace(-6, 6, 6001) * math.sqrt(theta)
    assert durrleman(ssvi(theta, rho, float(largest_psi(theta, rho))), k).min() >= -1e-9


def test_a_flat_smile_is_flat() -> None:
    assert total_variance(flat(0.09), K) == pytest.approx(0.09)
    assert durrleman(flat(0.09), K) == pytest.approx(1.0)
    assert flat(0.09).minimum == 0.09
