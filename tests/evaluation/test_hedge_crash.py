"""What the measurement on quoted prices computes, on paths, samples and chains that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.core.annualization import SECONDS_PER_YEAR
from services.core.explain import Floats
from services.hedging.bands import two_band
from services.hedging.triggers.adaptive import AdaptiveRule
from services.hedging.triggers.interval import IntervalRule
from services.hedging.triggers.price_move import PriceMoveRule
from services.hedging.triggers.threshold import ThresholdRule
from services.hedging.view import Rule
from services.options.black import black_greeks
from services.simulation.hedging import (
    HedgeRun,
    OptionPosition,
    OrderCosts,
    PriceModel,
    certainty_equivalent_loss,
    simulate_hedges,
)
from tests.evaluation import hedge_crash
from tests.evaluation.driver_data import Bars
from tests.evaluation.hedge_paths import (
    SPOT,
    Book,
    Difference,
    Market,
    Sensitivities,
    Variant,
    Windows,
    difference,
    flow,
    forecast_to_expiry,
    hedged,
    short_calls,
    short_greeks,
    sides,
    trailing_volatility,
    windows_of,
)

HOUR = 3_600.0
COSTS = OrderCosts(0.0005, 0.01)
RULES: tuple[Rule, ...] = (
    AdaptiveRule(risk_aversion=0.1),
    ThresholdRule(max_delta=0.1),
    ThresholdRule(max_delta=0.05, rebalance_to="edge"),
    PriceMoveRule(move=0.02),
    IntervalRule(interval_seconds=4.0 * HOUR),
)


def simulated(count: int = 20, steps: int = 72) -> Windows:
    model = PriceModel(volatility=0.8)
    price = model.paths(np.random.default_rng(3), count=count, steps=steps, step_seconds=HOUR, spot=SPOT)
    seconds = np.tile(HOUR * np.arange(steps + 1.0), (count, 1))
    return Windows(seconds, price, {}, np.arange(count))


def test_at_one_volatility_it_is_the_simulation_of_the_service() -> None:
    windows = simulated()
    book = short_calls(windows, np.full(windows.price.shape, 0.8))
    call = OptionPosition(-1.0, 1, SPOT, float(windows.seconds[0, -1]), 0.8)
    runs = [HedgeRun(rule=rule, costs=COSTS) for rule in RULES]
    for rule, expected in zip(RULES, simulate_hedges(windows.price, windows.seconds[0], [call], runs), strict=True):
        found = hedged(book, Variant(rule, COSTS))
        assert found.pnl == pytest.approx(expected.pnl, rel=1e-12, abs=1e-12)
        assert found.cost == pytest.approx(expected.cost, rel=1e-12)
        assert found.orders.tolist() == expected.orders.tolist()
    assert found.orders.sum() > 100


def test_options_that_are_bought_have_the_same_orders_reversed() -> None:
    windows = simulated()
    book = short_calls(windows, np.full(windows.price.shape, 0.6))
    greeks = Sensitivities(-book.greeks.delta, -book.greeks.gamma)
    bought = replace(book, gain=-book.gain, greeks=greeks)
    for rule in RULES:
        expected = hedged(bought, Variant(rule, COSTS))
        assert hedged(book, Variant(rule, COSTS)).other_side.pnl == pytest.approx(expected.pnl, abs=1e-11)


def test_a_hedge_that_aims_at_a_delta_holds_it() -> None:
    """A jump of 10 right after a hedge of −(−0.4) + 0.15: the net delta of 0.15 earns 1.5 beside the option."""
    zeros = np.zeros((1, 1))
    greeks = Sensitivities(np.array([[-0.4]]), zeros)
    book = Book(np.array([[0.0, 1.0]]), np.array([[100.0, 110.0]]), np.array([-4.0]), greeks, np.array([0]))
    rule = ThresholdRule(max_delta=0.01)
    found = hedged(book, Variant(rule, OrderCosts(), aim=np.array([[0.15]])))
    assert float(found.pnl[0]) == pytest.approx(-4.0 + 0.55 * 10.0)
    # The band sees the gamma that it is given: with none at all, it is closed, and everything is traded.
    wide = hedged(book, Variant(AdaptiveRule(risk_aversion=0.1), COSTS, gamma=np.array([[0.5]])))
    closed = hedged(book, Variant(AdaptiveRule(risk_aversion=0.1), COSTS, gamma=zeros))
    assert (wide.orders.tolist(), closed.orders.tolist()) == ([0], [2])


def test_greeks_are_of_the_volatility_known_at_each_time() -> None:
    windows = simulated(count=2, steps=3)
    volatility = np.array([[0.5, 0.6, 0.7, 9.9], [0.9, 0.8, 0.4, 9.9]])
    found = short_greeks(windows, volatility)
    left = (3.0 - 2.0) * HOUR / SECONDS_PER_YEAR
    unit = black_greeks(float(windows.price[1, 2]), SPOT, left, 0.4, 1)
    assert (found.delta[1, 2], found.gamma[1, 2]) == pytest.approx((-float(unit.delta), -float(unit.gamma)))
    assert found.delta.shape == (2, 3)


def market(name: str, price: Floats, known: Floats) -> Market:
    return Market(name, HOUR * np.arange(price.size), price, {"volatility": known})


def test_windows_start_at_100_and_share_their_blocks() -> None:
    price, known = np.arange(1.0, 21.0), np.full(20, 0.5)
    known[13] = np.nan
    found = windows_of([market("A", price, np.full(20, 0.5)), market("B", 2.0 * price, known)], steps=4, every=2)
    # Starts at 0, 2, ... 14; B has lost those that meet the close of which nothing is known.
    assert found.block.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1, 2, 3]
    assert (found.price[:, 0] == SPOT).all()
    assert found.price[1] == pytest.approx(SPOT * np.array([3.0, 4.0, 5.0, 6.0, 7.0]) / 3.0)
    assert found.price[9] == pytest.approx(found.price[1])
    assert found.seconds[5].tolist() == [0.0, HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR]
    later = windows_of([market("A", price, known * 0.0 + 0.5)], steps=4, every=2, skipped=3)
    assert not np.isnan(later.known["volatility"]).any()


def test_trailing_volatility_looks_back_only() -> None:
    price = 100.0 * np.exp(0.01 * (np.arange(40) % 2))
    found = trailing_volatility(price, 10, 8_760.0)
    assert np.isnan(found[:10]).all()
    assert found[10:] == pytest.approx(0.01 * np.sqrt(8_760.0))
    changed = price.copy()
    changed[30] *= 2.0
    assert trailing_volatility(changed, 10, 8_760.0)[:30] == pytest.approx(found[:30], nan_ok=True)


def test_the_forecast_fades_into_the_long_run() -> None:
    year, hour = np.array([1.0, 1e-9]), HOUR
    same = forecast_to_expiry(np.full(2, 0.7), np.full(2, 0.7), year, hour)
    assert same == pytest.approx([0.7, 0.7])
    far, near = forecast_to_expiry(np.full(2, 2.0), np.full(2, 0.5), year, hour)
    assert near == pytest.approx(2.0)
    assert 0.5 < far < 1.0


def candles(signs: Floats) -> Bars:
    ones = np.ones(signs.size)
    close = 100.0 + signs
    return Bars(
        HOUR * np.arange(signs.size), 100.0 * ones, np.maximum(close, 100.0), np.minimum(close, 100.0), close, ones
    )


def test_flow_is_the_sign_of_candles_and_looks_back_only() -> None:
    rising, both = candles(np.ones(200)), candles(np.where(np.arange(200) % 2, 1.0, -1.0))
    assert flow(rising, 6.0) == pytest.approx(1.0)
    assert np.abs(flow(both, 24.0)[100:]).max() < 1.5
    assert abs(flow(both, 24.0)[100:].mean()) < 0.3
    turned = candles(np.where(np.arange(200) < 150, 1.0, -1.0))
    assert flow(turned, 6.0)[:150] == pytest.approx(flow(rising, 6.0)[:150])
    assert flow(turned, 6.0)[-1] < -0.5


def test_a_shift_is_found_exactly_and_both_sides_cancel_luck() -> None:
    rng = np.random.default_rng(8)
    base, block = rng.normal(size=300), np.repeat(np.arange(30), 10)
    found = difference([(base - 0.2, base)], block)
    assert found == pytest.approx((0.2, 0.2, 0.2))
    # What one side gains, the other loses; both pay 0.05.
    luck = rng.normal(size=300)
    pairs = [(1e-3 * luck - 0.05, np.zeros(300)), (-1e-3 * luck - 0.05, np.zeros(300))]
    mean = difference(pairs, block)
    assert mean.value == pytest.approx(0.05, abs=1e-6)
    assert mean.high - mean.low < 1e-6


def test_intervals_are_of_blocks_not_of_windows() -> None:
    """Ten equal windows in each of 40 blocks say no more than one: ±1.96 deviations of a mean of 40."""
    shift = np.random.default_rng(5).normal(0.0, 0.1, 40)
    found = difference([(np.repeat(shift, 10), np.zeros(400))], np.repeat(np.arange(40), 10))
    assert found.high - found.low == pytest.approx(2.0 * 1.96 * shift.std() / np.sqrt(40.0), rel=0.1)
    assert found.value == pytest.approx(certainty_equivalent_loss(shift, 0.1))
    assert found.low < found.value < found.high


def quote(strike: float, mark: float, forward: float, snapshot: str) -> dict[str, str]:
    return {
        "snapshot": snapshot,
        "expiry": "2026-02-13T08:00:00Z",
        "strike": str(strike),
        "cp": "P",
        "futures_price": str(forward),
        "mark": str(mark),
        "mark_iv": "0.6",
        "delta": "-0.5",
        "bid": "0.01",
    }


def test_an_option_of_a_chain_is_sold_at_its_mark_and_bought_back() -> None:
    """Marks are in coin: 0.05 of 80,000 against 0.10 of 70,000, a loss of 3,000 or 3.75 per 100."""
    snapshots = ["2026-02-05T04:00:00Z", "2026-02-05T10:00:00Z"]
    lines = [quote(80_000.0, 0.05, 80_000.0, snapshots[0]), quote(80_000.0, 0.10, 70_000.0, snapshots[1])]
    times = np.array([hedge_crash.moment(text) for text in snapshots])
    book = hedge_crash.chain_book([lines], times, 7)
    assert book.price.tolist() == [[100.0, 87.5]]
    assert book.gain == pytest.approx([-3.75])
    years = (8.0 * 24.0 + 4.0) * HOUR / SECONDS_PER_YEAR
    unit = black_greeks(100.0, 100.0, years, 0.6, -1)
    assert book.greeks.delta[0] == pytest.approx([-float(unit.delta)])
    assert (book.seconds.tolist(), book.block.tolist()) == ([[0.0, 6.0 * HOUR]], [7])


def test_options_are_taken_that_are_near_the_money_and_quoted_to_the_end() -> None:
    line = quote(80_000.0, 0.05, 80_000.0, "2026-02-05T04:00:00Z")
    assert hedge_crash._held([line, line])
    for spoilt in ({"bid": ""}, {"delta": "-0.9"}, {"delta": "0.1"}, {"expiry": "2026-02-07T08:00:00Z"}):
        assert not hedge_crash._held([{**line, **spoilt}, line])
    assert not hedge_crash._held([line, None])


def test_rules_fit_the_closes_and_the_costs() -> None:
    fixed, free = hedge_crash.COSTS[1], hedge_crash.COSTS[0]
    assert set(hedge_crash.rules_of(HOUR, fixed)) - set(hedge_crash.rules_of(HOUR, free)) == {hedge_crash.EDGE}
    assert "every 4 hours" not in hedge_crash.rules_of(6.0 * HOUR, free)
    assert hedge_crash.rules_of(6.0 * HOUR, free)["every close"] == IntervalRule(interval_seconds=3.0 * HOUR)


def test_a_day_is_24_closes_of_an_hour() -> None:
    windows = simulated(count=1, steps=72)
    book = short_calls(windows, np.full(windows.price.shape, 0.8))
    for name, orders in (("every close", 72), ("every 4 hours", 18), ("every day", 3)):
        found = hedged(book, Variant(hedge_crash.rules_of(HOUR, OrderCosts())[name], OrderCosts()))
        # And the one that closes the hedge.
        assert found.orders.tolist() == [orders + 1]


def test_the_page_has_every_rule_and_judges_both_sides() -> None:
    windows = simulated(count=30)
    setting = hedge_crash.Setting("simulated", short_calls(windows, np.full(windows.price.shape, 0.8)), HOUR)
    found = hedge_crash.rows_of(setting, COSTS)
    best = found[0]
    assert (best.rule, best.both) == (hedge_crash.BEST, Difference(0.0, 0.0, 0.0))
    hourly = next(row for row in found if row.rule == "every close")
    # 72 orders of at least 0.01 each against a handful: worse on both sides beyond chance.
    assert min(hourly.short.low, hourly.long.low, hourly.both.low) > 0.0
    assert hourly.both.value == pytest.approx(0.5 * (hourly.short.value + hourly.long.value))
    assert hourly.orders > 4.0 * best.orders
    text = hedge_crash.document(found, hedge_crash.gates_of(found))
    assert all(f"| {row.rule} |" in text for row in found)
    assert "| every close | 1 | 1 | 0 | 0 |" in text
    assert "simulated: 5 basis points and 0.01 an order (30 windows, 30 blocks)" in text


def test_a_gate_is_of_the_best_peer() -> None:
    windows = simulated(count=4, steps=6)
    setting = hedge_crash.Setting("simulated", short_calls(windows, np.full(windows.price.shape, 0.8)), HOUR)
    none = Difference(0.0, 0.0, 0.0)
    row = hedge_crash.Row(setting, COSTS, hedge_crash.BEST, 1.0, 1.0, 1.0, 1.0, none, none, none)
    better, worse = (
        replace(row, rule=name, both=Difference(v, v - 0.1, v + 0.1)) for name, v in (("x", -0.3), ("y", 0.3))
    )
    assert [gate.held for gate in hedge_crash.gates_of([row, worse])] == [True]
    (gate,) = hedge_crash.gates_of([row, better, worse])
    assert (gate.held, gate.value) == (False, pytest.approx(-0.2))


def test_sides_are_of_sold_and_bought() -> None:
    windows = simulated(count=3, steps=10)
    book = short_calls(windows, np.full(windows.price.shape, 0.8))
    outcome, base = (hedged(book, Variant(rule, COSTS)) for rule in RULES[:2])
    short, long = sides(outcome, base)
    assert short[0] is outcome.pnl
    assert long[1] == pytest.approx(-base.pnl - 2.0 * base.cost)


def test_a_gamma_to_the_power_of_three_halves_scales_the_width() -> None:
    terms = {"spot": 100.0, "cost_rate": 0.002, "fixed_cost": 0.0, "risk_aversion": 0.1}
    plain, scaled = (float(two_band(gamma, **terms).outer) for gamma in (0.03, 0.03 * 1.3**1.5))
    assert scaled == pytest.approx(1.3 * plain)
