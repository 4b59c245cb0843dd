"""The COS method against QuantLib, Lewis's integral, Merton's series and its own limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.options.black import black_price
from services.options.cosine import TOLERANCE, model_prices, truncation
from services.options.heston import Heston
from tests.support.heston_reference import integral_price
from tests.support.stochastic_volatility import (
    quantlib_puts,
    random_bates,
    random_heston,
    riccati_log_moment,
    with_jumps,
)

TYPICAL = Heston(
    initial_variance=0.25, mean_reversion=2.0, long_run_variance=0.35, volatility_of_variance=1.2, correlation=-0.4
)
DAYS = (2, 9, 35, 180, 730)


def test_random_hestons_are_those_of_quantlib() -> None:
    """300 models of which nearly half break Feller's condition; QuantLib itself is 1e-9 off at its worst."""
    rng, broken = np.random.default_rng(20260), 0
    for number in range(300):
        model, days = random_heston(rng), DAYS[number % len(DAYS)]
        broken += not model.feller
        spread = math.sqrt(model.expected_variance(days / 365.0) * days / 365.0)
        strikes = 100.0 * np.exp(spread * np.array([-1.5, 0.0, 1.5]))
        expected = quantlib_puts(model, strikes, days)
        assert model_prices(model, 100.0, strikes, days / 365.0, -1) == pytest.approx(expected, abs=3e-9)
    assert broken > 100


def test_random_bates_are_those_of_quantlib() -> None:
    rng = np.random.default_rng(20261)
    for number in range(150):
        model, days = random_bates(rng), DAYS[number % len(DAYS)]
        spread = math.sqrt(model.expected_variance(days / 365.0) * days / 365.0)
        strikes = 100.0 * np.exp(spread * np.array([-1.5, 0.0, 1.5]))
        expected = quantlib_puts(model, strikes, days)
        assert model_prices(model, 100.0, strikes, days / 365.0, -1) == pytest.approx(expected, abs=3e-9)


@pytest.mark.parametrize("random", [random_heston, random_bates])
def test_random_models_are_those_of_the_integral(random: object) -> None:
    """To 1e-13 of the larger of strike and forward, out to where probabilities are 1e-10."""
    rng = np.random.default_rng(20262)
    for number in range(40):
        model, time = random(rng), DAYS[number % len(DAYS)] / 365.0  # type: ignore[operator]
        spread = math.sqrt(model.expected_variance(time) * time)
        strikes = 100.0 * np.exp(spread * np.linspace(-6.0, 6.0, 13))
        expected = integral_price(model, 100.0, strikes, time, -1)
        found = model_prices(model, 100.0, strikes, time, -1)
        assert np.max(np.abs(found - expected) / np.maximum(strikes, 100.0)) < 1e-13


def test_expiries_side_by_side_are_those_one_by_one() -> None:
    strikes, times = np.meshgrid(np.linspace(60.0, 160.0, 9), np.array([0.5, 0.01, 2.0]))
    together = model_prices(TYPICAL, 100.0, strikes, times, -1)
    alone = [model_prices(TYPICAL, 100.0, row, time[0], -1) for row, time in zip(strikes, times, strict=True)]
    assert together.shape == (3, 9)
    assert together == pytest.approx(np.array(alone), abs=1e-13)


def test_each_option_has_its_own_forward_discount_and_right() -> None:
    found = model_prices(TYPICAL, [100.0, 110.0], [90.0, 120.0], [0.1, 0.4], [1, -1], discount=[0.99, 1.01])
    assert found[0] == pytest.approx(float(integral_price(TYPICAL, 100.0, 90.0, 0.1, 1, discount=0.99)), abs=1e-11)
    assert found[1] == pytest.approx(float(integral_price(TYPICAL, 110.0, 120.0, 0.4, -1, discount=1.01)), abs=1e-11)


def test_without_jumps_bates_is_heston_and_without_volatility_of_variance_merton() -> None:
    strikes = np.array([70.0, 100.0, 130.0])
    assert model_prices(with_jumps(TYPICAL, 0.0, -0.2, 0.1), 100.0, strikes, 0.3, 1) == pytest.approx(
        model_prices(TYPICAL, 100.0, strikes, 0.3, 1), abs=1e-12
    )
    flat = Heston(
        initial_variance=0.04, mean_reversion=1.0, long_run_variance=0.04, volatility_of_variance=1e-7, correlation=0.0
    )
    rate, mean, width, time = 2.0, -0.1, 0.15, 0.5
    drift = math.expm1(mean + 0.5 * width**2)
    merton = sum(
        math.exp(-rate * time + count * math.log(rate * time) - math.lgamma(count + 1))
        * black_price(
            100.0 * math.exp(-rate * time * drift + count * (mean + 0.5 * width**2)),
            strikes,
            time,
            math.sqrt(0.04 + count * width**2 / time),
            1,
        )
        for count in range(40)
    )
    assert model_prices(with_jumps(flat, rate, mean, width), 100.0, strikes, time, 1) == pytest.approx(merton, abs=1e-8)


def test_far_strikes_are_intrinsic_and_never_below() -> None:
    strikes = np.array([1e-6, 1.0, 1e4, 1e8])
    assert model_prices(TYPICAL, 100.0, strikes, 0.02, -1).tolist() == [0.0, 0.0, 9_900.0, 1e8 - 100.0]
    assert model_prices(TYPICAL, 100.0, strikes, 0.02, 1).tolist() == [100.0 - 1e-6, 99.0, 0.0, 0.0]


@pytest.mark.parametrize("order", [-60.0, -25.0, -9.0, -3.0, 0.5, 2.0, 6.0, 15.0, 40.0])
@pytest.mark.parametrize("time", [0.05, 0.5, 3.0])
@pytest.mark.parametrize(("sigma", "correlation"), [(0.3, -0.9), (1.2, -0.4), (1.2, 0.7), (3.0, 0.95)])
def test_moments_and_their_explosions_are_those_of_riccati(
    order: float, time: float, sigma: float, correlation: float
) -> None:
    model = Heston(
        initial_variance=0.05, mean_reversion=2.0, long_run_variance=0.09, volatility_of_variance=sigma,
        correlation=correlation,
    )  # fmt: skip
    found = float(model.log_moment(np.array([order]), np.array([time]))[0])
    assert found == pytest.approx(riccati_log_moment(model, order, time), rel=1e-6)


@pytest.mark.parametrize("right", [1, -1])
def test_the_ends_leave_no_more_than_the_tolerance_outside(right: int) -> None:
    """A put struck at a, or a call at b, is worth less than its probability of paying."""
    low, high = truncation(TYPICAL, np.array([0.1]), tolerance=1e-6)
    strike = float(np.exp(high[0] if right > 0 else low[0]))
    price = float(model_prices(TYPICAL, 1.0, strike, 0.1, right))
    assert 0.0 < price < 1e-6
    wider = truncation(TYPICAL, np.array([0.1]), tolerance=TOLERANCE)
    assert wider[0][0] < low[0] and wider[1][0] > high[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strike": [100.0, 0.0]}, "strike must be > 0, found 0.0"),
        ({"forward": math.nan}, "forward must be finite"),
        ({"time_to_expiry": 0.0}, "time_to_expiry must be > 0"),
        ({"right": 2}, "right must be"),
    ],
)
def test_numbers_out_of_range(changes: dict[str, object], message: str) -> None:
    terms = {"forward": 100.0, "strike": 100.0, "time_to_expiry": 1.0, "right": 1, **changes}
    with pytest.raises(InvalidInput, match=message):
        model_prices(TYPICAL, **terms)  # type: ignore[arg-type]
