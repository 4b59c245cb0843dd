"""The COS method beside quadrature and QuantLib, and fits.

Hypothesis: the cost of COS grows with expiries times strikes and hardly with how short an expiry is; the trapezoid rule
on Lewis's integral, at the same accuracy, pays for every short expiry with its own thousands of nodes. A fit of ten
expiries with thirty strikes each takes well below a second. Input: chains of 20 x 1 and 30 x 10 strikes and expiries.
Run alone: `pytest -m benchmark tests/benchmark/test_option_models.py -s`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import QuantLib

from services.options.calibration import calibrate_bates, calibrate_heston
from services.options.cosine import model_prices
from services.options.heston import Heston
from services.options.model_smile import model_volatilities
from tests.support.heston_reference import integral_price
from tests.support.stochastic_volatility import with_jumps

pytestmark = pytest.mark.benchmark

MODEL = Heston(
    initial_variance=0.25, mean_reversion=2.0, long_run_variance=0.35, volatility_of_variance=1.2, correlation=-0.4
)
TIMES = np.array([1.0, 2.0, 7.0, 14.0, 30.0, 60.0, 90.0, 180.0, 270.0, 365.0]) / 365.0


def least(work: Callable[[], object], repeats: int = 15) -> float:
    """Shortest of some runs [ms]."""
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return 1e3 * min(found)


def quantlib_options(strikes: np.ndarray, days: int) -> list[QuantLib.VanillaOption]:
    today, count = QuantLib.Date(1, 1, 2026), QuantLib.Actual365Fixed()
    QuantLib.Settings.instance().evaluationDate = today
    flat = QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, 0.0, count))
    process = QuantLib.HestonProcess(
        flat, flat, QuantLib.QuoteHandle(QuantLib.SimpleQuote(100.0)), MODEL.initial_variance, MODEL.mean_reversion,
        MODEL.long_run_variance, MODEL.volatility_of_variance, MODEL.correlation,
    )  # fmt: skip
    engine, options = QuantLib.AnalyticHestonEngine(QuantLib.HestonModel(process)), []
    for strike in strikes.tolist():
        payoff = QuantLib.PlainVanillaPayoff(QuantLib.Option.Put, strike)
        options.append(QuantLib.VanillaOption(payoff, QuantLib.EuropeanExercise(today + days)))
        options[-1].setPricingEngine(engine)
    return options


def test_one_expiry() -> None:
    strikes = np.linspace(70.0, 140.0, 20)
    options = quantlib_options(strikes, 91)
    ours = least(lambda: model_prices(MODEL, 100.0, strikes, 91 / 365, -1))
    integral = least(lambda: integral_price(MODEL, 100.0, strikes, 91 / 365, -1))
    peer = least(lambda: [option.recalculate() for option in options])
    print(f"\n20 strikes, 3 months: COS {ours:.2f} ms, trapezoid {integral:.2f} ms, QuantLib analytic {peer:.2f} ms")
    expected = np.array([option.NPV() for option in options])
    assert model_prices(MODEL, 100.0, strikes, 91 / 365, -1) == pytest.approx(expected, abs=1e-7)


def test_a_chain() -> None:
    strikes = 100.0 * np.exp(np.linspace(-2.0, 2.0, 30) * np.sqrt(0.25 * TIMES)[:, None])
    times = np.broadcast_to(TIMES[:, None], strikes.shape)
    ours = least(lambda: model_prices(MODEL, 100.0, strikes, times, -1))
    rows = list(zip(strikes, TIMES.tolist(), strict=True))
    integral = least(lambda: [integral_price(MODEL, 100.0, row, each, -1) for row, each in rows], 5)
    print(f"\n30 strikes, 10 expiries: COS {ours:.2f} ms, trapezoid {integral:.2f} ms")
    expected = np.array([integral_price(MODEL, 100.0, row, each, -1) for row, each in rows])
    assert model_prices(MODEL, 100.0, strikes, times, -1) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("jumps", [False, True])
def test_a_fit(jumps: bool) -> None:
    true = with_jumps(MODEL, 3.0, -0.08, 0.1) if jumps else MODEL
    moneyness = (np.linspace(-2.0, 2.0, 30) * np.sqrt(0.25 * TIMES)[:, None]).ravel()
    times = np.repeat(TIMES, 30)
    noise = 0.005 * np.random.default_rng(1).standard_normal(times.size)
    volatility = model_volatilities(true, moneyness, times) + noise
    fit = calibrate_bates if jumps else calibrate_heston
    took = least(lambda: fit(moneyness, times, volatility, 0.005), 5)
    found = fit(moneyness, times, volatility, 0.005)
    print(f"\n{true.method}, 300 quotes of 10 expiries: {took:.0f} ms, {found.evaluations} evaluations")
    assert found.reduced_chi_square < 1.5
