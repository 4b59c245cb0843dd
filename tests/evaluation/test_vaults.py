"""What the measurement of covered calls computes, on gains and prices that are known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation import vaults

DAY = 86_400.0
needs_data = pytest.mark.skipif(
    not (vaults.DATA / vaults.VOLATILITIES).is_file(), reason="the shared data sets are not beside this repository"
)


def walk(volatility: float, implied: float, days: int = 120, seed: int = 1) -> vaults.Samples:
    """Prices every six hours at a known volatility."""
    generator = np.random.default_rng(seed)
    moves = volatility / np.sqrt(4 * 365.0) * generator.standard_normal(4 * days)
    index = 60_000.0 * np.exp(np.cumsum(moves - 0.5 * volatility**2 / (4 * 365.0)))
    return vaults.Samples("X", 0.25 * DAY * np.arange(4 * days), index, np.full(4 * days, implied))


def sales(weights: list[float], gains: list[float]) -> vaults.Sales:
    count = len(gains)
    zeros = np.zeros(count)
    return vaults.Sales(0.25 * DAY * np.arange(count), np.array(weights), np.array(gains), zeros + 1.0, zeros, zeros)


def test_trailing_volatility_is_that_of_the_walk() -> None:
    item = walk(0.5, 0.6)
    assert np.isnan(vaults.trailing(item, 50, 14.0))
    returns = np.log(item.index[45:101] / item.index[44:100])
    assert vaults.trailing(item, 100, 14.0) == pytest.approx(np.sqrt((returns**2).mean() * 4 * 365.0))


def test_a_hedge_earns_what_the_premium_was_too_dear() -> None:
    """Sold at 80 %, realised at 50 %: the hedged gain is near the difference in value, whatever the price does."""
    gains = [vaults.sales_of(walk(0.5, 0.8, seed=seed), 0.0).hedged.mean() for seed in range(4)]
    fees = 0.0003 * 1e4
    years, strike = 7.0 / 365.0, float(vaults.strike_at_delta(1.0, 7.0 / 365.0, 0.8, 1, 0.1))
    dear, fair = (float(vaults.black_price(1.0, strike, years, sigma, 1)) for sigma in (0.8, 0.5))
    assert np.mean(gains) == pytest.approx(1e4 * (dear - fair) - fees, rel=0.1)


def test_nothing_is_sold_where_volatility_is_cheap() -> None:
    found = vaults.sales_of(walk(0.8, 0.3), 0.0)
    assert found.weights.max() == 0.0
    assert vaults.sales_of(walk(0.3, 0.8), 0.0).weights.min() == 1.0


def test_timing_rewards_good_weights_and_not_small_ones() -> None:
    gains = [10.0, -10.0] * 100
    good, flat = (vaults.interval({"X": sales(w, gains)}, "plain", "timing") for w in ([1.0, 0.0] * 100, [0.1] * 200))
    assert good[0] == pytest.approx(10.0) and good[1] > 0.0
    assert flat == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    assert vaults.interval({"X": sales([0.1] * 200, [5.0] * 200)}, "plain", "multiplier")[0] == pytest.approx(0.5)


@needs_data
def test_the_document_draws_no_conclusion_that_the_data_do_not_bear() -> None:
    grids, words = vaults.tables()
    text = vaults.document(grids, words)
    assert text.count("| timing, hedged |") == 1
    zero = next(row[3] for row in grids[2].rows if row[0] == "timing, hedged")
    assert words.startswith("Too little data") is (zero == "yes")
    assert vaults.DOCUMENT.read_text() == text, "run python -m tests.evaluation.vaults --write"
