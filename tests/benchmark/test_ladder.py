"""Revaluation of a book over a ladder, beside QuantLib called price by price.

Hypothesis: 2,000 options in 200 scenarios are 400,000 prices and take less than a tenth of a second, linear in both,
at least ten times faster than QuantLib's calculator from Python; their Greeks and buckets cost little beside.

Input: random options of a day to two years, half of them coin-settled; QuantLib is measured on 20 of them and scaled.
`make bench` prints the table; nothing is asserted about time, only that both sides agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - as everybody writes it

from services.core.explain import Floats
from services.engine.option_book import BookPosition, book_risk
from services.options.ladder import LadderGrid, revalue, volatility_scale
from services.options.portfolio_greeks import OptionLeg
from tests.support.option_books import random_legs

pytestmark = pytest.mark.benchmark

LEGS, SAMPLE, REPETITIONS = 2_000, 20, 7
GRID = LadderGrid(spot_shocks=np.linspace(-0.3, 0.3, 40), volatility_shocks=np.linspace(-0.25, 0.25, 5))


def least_ms(work: Callable[[], Any]) -> float:
    """Least wall-clock milliseconds, after one call to warm up."""
    work()
    samples = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        samples.append((time.perf_counter() - start) * 1e3)
    return min(samples)


def quantlib_ladder(legs: list[OptionLeg]) -> Floats:
    """Value of each leg in each scenario, one price at a time."""
    answers = []
    for leg in legs:
        payoff = ql.PlainVanillaPayoff(ql.Option.Call if leg.right > 0 else ql.Option.Put, leg.strike)
        root = leg.time_to_expiry**0.5
        scale = float(volatility_scale(np.array(leg.time_to_expiry)))
        for move in GRID.spot_shocks.tolist():
            for shock in GRID.volatility_shocks.tolist():
                total = leg.volatility * max(1 + shock * scale, 0.1) * root
                answers.append(ql.BlackCalculator(payoff, leg.forward * (1 + move), total, leg.discount).value())
    return np.array(answers).reshape(len(legs), *GRID.shape)


def test_ladder_beside_quantlib() -> None:
    legs = random_legs(np.random.default_rng(1), LEGS, coin=False)
    sample, theirs = legs[:SAMPLE], quantlib_ladder(legs[:SAMPLE])
    now = np.array([quantlib_now(leg) for leg in sample])[:, None, None]
    size = np.array([leg.quantity * leg.multiplier for leg in sample])[:, None, None]
    np.testing.assert_allclose(revalue(sample, GRID).pnl, size * (theirs - now), atol=1e-6)
    book = [BookPosition(symbol=str(place), underlying="A", leg=leg) for place, leg in enumerate(legs)]
    scenarios = GRID.shape[0] * GRID.shape[1]
    print(f"\n{'work':<64}{'ms':>10}{'per price, us':>16}")
    for label, took in (
        (f"ladder of {LEGS:,} options, {scenarios} scenarios", least_ms(lambda: revalue(legs, GRID))),
        ("the same with Greeks, buckets and totals", least_ms(lambda: book_risk(book, {}, GRID))),
        (f"QuantLib, scaled from {SAMPLE} options", least_ms(lambda: quantlib_ladder(sample)) * LEGS / SAMPLE),
    ):
        print(f"{label:<64}{took:>10.1f}{took * 1e3 / LEGS / scenarios:>16.3f}")


def quantlib_now(leg: OptionLeg) -> float:
    """Value without a shock."""
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if leg.right > 0 else ql.Option.Put, leg.strike)
    return float(
        ql.BlackCalculator(payoff, leg.forward, leg.volatility * leg.time_to_expiry**0.5, leg.discount).value()
    )
