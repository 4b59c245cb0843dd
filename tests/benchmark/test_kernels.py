"""Throughput of the option and margin kernels, beside QuantLib called option by option.

Hypothesis: 100,000 options with all eleven figures take a few tens of milliseconds, linear in their number and at
least twenty times faster than QuantLib's calculator from Python, because the loop runs in numpy and scipy; the margin
of 200 rows (rates, requirement, liquidation price, distance, touch probability) costs well under a millisecond, and
twenty rows hardly less than that, because the price of a call dominates.

Input: random options of a day to two years within three standard deviations; QuantLib is measured on 2,000 of them and
scaled. `make bench` prints the table; nothing is asserted about time, only that both sides agree.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - as everybody writes it

from services.margin.liquidation import distance_in_sigmas, liquidation_prices_linear, touch_probability
from services.margin.registry import MarginPolicy
from services.options.black import black_greeks, black_price
from services.options.portfolio_greeks import OptionLeg, legs_greeks

pytestmark = pytest.mark.benchmark

OPTIONS = 100_000
SAMPLE = 2_000
LEGS = 200
REPETITIONS = 7


def median_ms(work: Callable[[], Any]) -> float:
    """Median wall-clock milliseconds, after one call to warm up."""
    work()
    samples = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        samples.append((time.perf_counter() - start) * 1e3)
    return statistics.median(samples)


def options(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    years = rng.uniform(1 / 365, 2.0, count)
    volatility = rng.uniform(0.2, 1.5, count)
    forward = rng.uniform(1e3, 1e5, count)
    return {
        "forward": forward,
        "strike": forward * np.exp(rng.uniform(-3.0, 3.0, count) * volatility * np.sqrt(years)),
        "time_to_expiry": years,
        "volatility": volatility,
        "right": rng.choice([-1, 1], count),
        "discount": np.exp(-0.03 * years),
    }


def quantlib_greeks(terms: dict[str, np.ndarray]) -> list[tuple[float, ...]]:
    """Price, delta, gamma, vega and theta, one option at a time."""
    deviation = terms["volatility"] * np.sqrt(terms["time_to_expiry"])
    columns = (terms["forward"], terms["strike"], terms["time_to_expiry"], deviation, terms["right"], terms["discount"])
    answers = []
    for forward, strike, years, total, right, discount in zip(*(column.tolist() for column in columns), strict=True):
        payoff = ql.PlainVanillaPayoff(ql.Option.Call if right > 0 else ql.Option.Put, strike)
        one = ql.BlackCalculator(payoff, forward, total, discount)
        answers.append(
            (one.value(), one.deltaForward(), one.gammaForward(), one.vega(years), one.theta(forward, years))
        )
    return answers


def margin_of(rows: int) -> Callable[[], Any]:
    rng = np.random.default_rng(2)
    policy, sigma, size = MarginPolicy(), rng.uniform(0.2, 1.5, rows), rng.uniform(-50.0, 50.0, rows)
    price = rng.uniform(1.0, 1e5, rows)

    def work() -> Any:
        asked = policy.requirement(size, price, policy.rates(sigma))
        liquidation = liquidation_prices_linear(1e6, size, price, asked.rate_maintenance)
        return distance_in_sigmas(price, liquidation, sigma), touch_probability(price, liquidation, sigma)

    return work


def test_option_kernels_beside_quantlib() -> None:
    terms, sample = options(OPTIONS), options(SAMPLE)
    ours, theirs = black_greeks(**sample), np.array(quantlib_greeks(sample)).T
    for name, column in zip(("price", "delta", "gamma", "vega", "theta"), theirs, strict=True):
        np.testing.assert_allclose(getattr(ours, name), column, rtol=1e-7, atol=1e-9)
    legs = [
        OptionLeg(quantity=1, multiplier=1, right=1, strike=k, forward=1e4, time_to_expiry=0.1, volatility=0.6)
        for k in np.linspace(5e3, 2e4, LEGS).tolist()
    ]
    prices, greeks = median_ms(lambda: black_price(**terms)), median_ms(lambda: black_greeks(**terms))
    loop = median_ms(lambda: quantlib_greeks(sample)) * OPTIONS / SAMPLE
    print(f"\n{'work':<52}{'ms':>10}{'per option, us':>16}")
    for label, took, count in (
        (f"{OPTIONS:,} prices", prices, OPTIONS),
        (f"{OPTIONS:,} options, price and ten figures", greeks, OPTIONS),
        (f"QuantLib, price and four Greeks, scaled from {SAMPLE:,}", loop, OPTIONS),
        (f"Greeks of a book of {LEGS} legs", median_ms(lambda: legs_greeks(legs)), LEGS),
        ("Greeks of one leg", median_ms(lambda: legs_greeks(legs[:1])), 1),
    ):
        print(f"{label:<52}{took:>10.3f}{took * 1e3 / count:>16.3f}")


def test_margin_kernels() -> None:
    print(f"\n{'work':<52}{'us':>10}{'per row, us':>16}")
    for rows in (1, 20, 200, 10_000):
        work = margin_of(rows)
        distance, touch = work()
        assert np.isfinite(distance[np.isfinite(touch)]).all()
        took = median_ms(work) * 1e3
        print(f"{f'margin, liquidation, distance of {rows:,} rows':<52}{took:>10.1f}{took / rows:>16.3f}")
