"""Heston's prices against published ones, QuantLib, and their own limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import QuantLib

from services.core.errors import InvalidInput
from services.options.black import black_price
from services.options.cosine import model_prices
from services.options.heston import Heston

TYPICAL = Heston(
    initial_variance=0.04, mean_reversion=1.5, long_run_variance=0.06, volatility_of_variance=0.7, correlation=-0.6
)


def quantlib(model: Heston, strike: float, days: int) -> float:
    """Call of QuantLib's adaptive integration on a forward of 100, no rates."""
    today, count = QuantLib.Date(1, 1, 2026), QuantLib.Actual365Fixed()
    QuantLib.Settings.instance().evaluationDate = today
    flat = QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, 0.0, count))
    process = QuantLib.HestonProcess(
        flat, flat, QuantLib.QuoteHandle(QuantLib.SimpleQuote(100.0)), model.initial_variance, model.mean_reversion,
        model.long_run_variance, model.volatility_of_variance, model.correlation,
    )  # fmt: skip
    option = QuantLib.VanillaOption(
        QuantLib.PlainVanillaPayoff(QuantLib.Option.Call, strike), QuantLib.EuropeanExercise(today + days)
    )
    option.setPricingEngine(QuantLib.AnalyticHestonEngine(QuantLib.HestonModel(process), 1e-12, 1_000_000))
    return float(option.NPV())


@pytest.mark.parametrize("days", [7, 91, 1_825])
@pytest.mark.parametrize("strike", [60.0, 95.0, 100.0, 130.0])
@pytest.mark.parametrize(("volatility_of_variance", "correlation"), [(0.2, 0.5), (0.7, -0.6), (2.5, -0.95)])
def test_quantlib(days: int, strike: float, volatility_of_variance: float, correlation: float) -> None:
    model = Heston(
        initial_variance=0.05, mean_reversion=2.0, long_run_variance=0.09,
        volatility_of_variance=volatility_of_variance, correlation=correlation,
    )  # fmt: skip
    found = float(model_prices(model, 100.0, strike, days / 365.0, 1))
    assert found == pytest.approx(quantlib(model, strike, days), abs=1e-10)


@pytest.mark.parametrize("sigma", [1e-2, 1e-4, 1e-6])
def test_without_volatility_of_variance_it_is_black(sigma: float) -> None:
    """The skew fades with σ, to first order; nothing cancels on the way."""
    strikes = np.array([70.0, 100.0, 140.0])
    model = Heston(
        initial_variance=0.04,
        mean_reversion=2.0,
        long_run_variance=0.09,
        volatility_of_variance=sigma,
        correlation=-0.5,
    )
    expected = black_price(100.0, strikes, 0.75, math.sqrt(model.expected_variance(0.75)), 1)
    assert model_prices(model, 100.0, strikes, 0.75, 1) == pytest.approx(expected, abs=2.0 * sigma)


def test_expected_variance_is_the_slope_of_the_characteristic_function() -> None:
    """E ln(S_T/F) = −½ ∫ E v dt, from φ'(0) by a central difference."""
    step, time = 1e-5, 0.8
    ahead, behind = TYPICAL.characteristic(np.array([step, -step]), time)
    mean = ((ahead - behind) / (2j * step)).real
    assert -2.0 * mean / time == pytest.approx(TYPICAL.expected_variance(time), rel=1e-7)


def test_martingale_and_moments() -> None:
    assert TYPICAL.characteristic([0.0, -1j], 2.0) == pytest.approx([1.0, 1.0], abs=1e-12)


def test_parity_bounds_and_shape() -> None:
    strikes = np.linspace(10.0, 500.0, 50)
    call = model_prices(TYPICAL, 100.0, strikes, 0.5, 1, discount=0.97)
    put = model_prices(TYPICAL, 100.0, strikes, 0.5, -1, discount=0.97)
    assert call - put == pytest.approx(0.97 * (100.0 - strikes), abs=1e-10)
    assert (call >= 0.97 * np.maximum(100.0 - strikes, 0.0)).all() and (put >= 0.0).all()
    assert (np.diff(call) <= 1e-10).all()
    assert model_prices(TYPICAL, 100.0, 100.0, 0.5, [[1], [-1]]).shape == (2, 1)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mean_reversion", 0.0, "mean_reversion must be > 0, found 0.0"),
        ("volatility_of_variance", -1.0, "volatility_of_variance must be > 0"),
        ("initial_variance", -0.1, "initial_variance must be >= 0"),
        ("correlation", 1.0, "correlation must lie in"),
        ("correlation", math.nan, "correlation must lie in"),
    ],
)
def test_parameters_out_of_range(field: str, value: float, message: str) -> None:
    parameters = {
        "initial_variance": 0.04, "mean_reversion": 1.5, "long_run_variance": 0.06, "volatility_of_variance": 0.7,
        "correlation": -0.6,
    }  # fmt: skip
    with pytest.raises(InvalidInput, match=message):
        Heston(**{**parameters, field: value})


def test_arguments_out_of_range() -> None:
    with pytest.raises(InvalidInput, match="strike must be > 0"):
        model_prices(TYPICAL, 100.0, 0.0, 1.0, 1)
    with pytest.raises(InvalidInput, match="right must be"):
        model_prices(TYPICAL, 100.0, 100.0, 1.0, 0)
    with pytest.raises(InvalidInput, match="initial_variance must be > 0 when long_run_variance is 0"):
        Heston(
            initial_variance=0.0, mean_reversion=1.0, long_run_variance=0.0, volatility_of_variance=1.0, correlation=0.0
        )
    slow = Heston(
        initial_variance=1e-7, mean_reversion=1.0, long_run_variance=1e-7, volatility_of_variance=30.0, correlation=0.0
    )
    with pytest.raises(InvalidInput, match="terms do not describe"):
        model_prices(slow, 100.0, 100.0, 1e-4, 1)
