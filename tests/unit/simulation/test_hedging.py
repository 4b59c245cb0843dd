"""Simulated hedges: against a slow walk of single books, against known limits, and what costs do to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.hedging.registry import AnyOf
from services.hedging.triggers.adaptive import AdaptiveRule
from services.hedging.triggers.interval import IntervalRule
from services.hedging.triggers.price_move import PriceMoveRule
from services.hedging.triggers.threshold import ThresholdRule
from services.hedging.view import HedgeView, LastHedge, Rule, decide
from services.options.black import black_greeks, black_price
from services.simulation.hedging import (
    HedgeRun,
    OptionPosition,
    OrderCosts,
    PriceModel,
    certainty_equivalent_loss,
    simulate_hedges,
)

HOUR, DAYS = 3_600.0, 8
COSTS = OrderCosts(0.0005, 0.002)
RULES: tuple[Rule, ...] = (
    AdaptiveRule(risk_aversion=1.0),
    ThresholdRule(max_delta=0.05, rebalance_to="edge"),
    ThresholdRule(max_move=0.02, max_gamma_drift=0.005),
    PriceMoveRule(move_daily_sigmas=0.7),
    IntervalRule(interval_seconds=4.0 * HOUR, min_move_bps=20.0),
    AnyOf(
        instrument="X",
        triggers=(AdaptiveRule(risk_aversion=1.0), PriceMoveRule(move=0.03)),
        cooldown_seconds=3.0 * HOUR,
        hard_limit=0.2,
    ),
)


def month(quantity: float = -1.0, right: int = 1, strike: float = 100.0) -> OptionPosition:
    return OptionPosition(quantity, right, strike, DAYS * 24 * HOUR, 0.6)


def hourly(count: int, seed: int = 1, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    model = PriceModel(volatility=0.6, **changes)
    steps = DAYS * 24
    prices = model.paths(np.random.default_rng(seed), count=count, steps=steps, step_seconds=HOUR, spot=100.0)
    return prices, HOUR * np.arange(steps + 1)


def walked(prices: np.ndarray, times: np.ndarray, book: list[OptionPosition], rule: Rule) -> tuple[float, float, int]:
    """P&L, cost and orders of one path, one book at a time."""
    held = gains = cost = 0.0
    orders, last = 0, None

    def value(spot: float, now: float) -> float:
        return sum(
            item.quantity
            * float(black_price(spot, item.strike, (item.expiry_seconds - now) / SECONDS_PER_YEAR, 0.6, item.right))
            for item in book
        )

    for step in range(len(times) - 1):
        spot, now = float(prices[step]), float(times[step])
        units = [
            black_greeks(spot, item.strike, (item.expiry_seconds - now) / SECONDS_PER_YEAR, 0.6, item.right)
            for item in book
        ]
        delta, gamma, vega = (
            sum(item.quantity * float(getattr(unit, name)) for item, unit in zip(book, units, strict=True))
            for name in ("delta", "gamma", "vega")
        )
        known = {"gamma_1pct": gamma * spot / 100.0, "vega_per_point": vega / 100.0}
        view = HedgeView(
            net_delta=delta + held,
            spot=spot,
            volatility=0.6,
            cost_rate=COSTS.rate,
            fixed_cost=COSTS.fixed,
            last=None if last is None else LastHedge(seconds_ago=now - last[0], price=last[1], **last[2]),
            **known,
        )
        trade = decide(rule, view).delta_to_trade
        if trade:
            held, orders, last = held + trade, orders + 1, (now, spot, known)
            cost += COSTS.rate * abs(trade) * spot + COSTS.fixed
        gains += held * float(prices[step + 1] - prices[step])
    cost += COSTS.rate * abs(held) * float(prices[-1]) + COSTS.fixed * (held != 0.0)
    options = value(float(prices[-1]), float(times[-1])) - value(float(prices[0]), 0.0)
    return gains + options - cost, cost, orders + (held != 0.0)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.method)
def test_every_path_is_that_of_a_slow_walk(rule: Rule) -> None:
    prices, times = hourly(2)
    book = [month(), month(quantity=-0.5, right=-1, strike=95.0)]
    (outcome,) = simulate_hedges(prices, times, book, [HedgeRun(rule=rule, costs=COSTS)])
    for path in range(2):
        pnl, cost, orders = walked(prices[path], times, book, rule)
        assert (outcome.pnl[path], outcome.cost[path]) == pytest.approx((pnl, cost), abs=1e-9)
        assert outcome.orders[path] == orders > 2


def test_without_costs_a_hedge_earns_nothing_on_average() -> None:
    """Prices are a martingale, and the option is traded at its value."""
    prices, times = hourly(1_500)
    outcomes = simulate_hedges(prices, times, [month()], [HedgeRun(rule=rule) for rule in RULES[1:5]])
    for outcome in outcomes:
        assert abs(outcome.pnl.mean()) < 4.0 * outcome.pnl.std() / np.sqrt(1_500)
        assert not outcome.cost.any()


def test_the_error_of_hourly_hedges_is_that_of_derman_and_kamal() -> None:
    """``√(π/4) · vega · σ / √N`` for an at-the-money option, hedged N times (Derman & Kamal 1999)."""
    prices, times = hourly(1_500)
    (outcome,) = simulate_hedges(prices, times, [month()], [HedgeRun(rule=IntervalRule(interval_seconds=1.0))])
    vega = float(black_greeks(100.0, 100.0, DAYS / 365.0, 0.6, 1).vega)
    assert outcome.pnl.std() == pytest.approx(np.sqrt(np.pi / 4.0) * vega * 0.6 / np.sqrt(DAYS * 24), rel=0.1)


def test_costs_are_paid_and_do_not_move_the_orders_of_a_clock() -> None:
    prices, times = hourly(50)
    rule = IntervalRule(interval_seconds=24.0 * HOUR)
    runs = [
        HedgeRun(rule=rule),
        HedgeRun(rule=rule, costs=OrderCosts(0.001)),
        HedgeRun(rule=rule, costs=OrderCosts(0.0, 0.5)),
    ]
    free, rate, fixed = simulate_hedges(prices, times, [month()], runs)
    assert (free.orders == rate.orders).all() and (free.orders == fixed.orders).all()
    assert rate.pnl == pytest.approx(free.pnl - rate.cost)
    assert fixed.cost == pytest.approx(0.5 * fixed.orders)
    # Eight by the clock; a hedge that is nothing at expiry need not be closed.
    assert set(fixed.orders.tolist()) <= {8, 9}


def test_a_rule_may_be_told_other_costs_than_are_paid() -> None:
    prices, times = hourly(40)
    rule = AdaptiveRule(risk_aversion=1.0)
    honest, deceived = simulate_hedges(
        prices,
        times,
        [month()],
        [HedgeRun(rule=rule, costs=COSTS), HedgeRun(rule=rule, costs=COSTS, told=OrderCosts(COSTS.rate))],
    )
    assert deceived.orders.mean() > 2.0 * honest.orders.mean()
    assert deceived.cost.mean() > honest.cost.mean()


def test_a_long_book_is_the_mirror_of_a_short_one() -> None:
    prices, times = hourly(20)
    run = HedgeRun(rule=RULES[0], costs=COSTS)
    (short,) = simulate_hedges(prices, times, [month()], [run])
    (long,) = simulate_hedges(prices, times, [month(quantity=1.0)], [run])
    assert (short.orders == long.orders).all()
    assert short.pnl + short.cost == pytest.approx(-(long.pnl + long.cost))


def test_one_row_of_quoted_prices_is_a_path() -> None:
    """Constant price: nothing but the first order and the last, and the premium is earned."""
    times = HOUR * np.arange(DAYS * 24 + 1)
    prices = np.full((1, times.size), 80.0)
    (outcome,) = simulate_hedges(
        prices, times, [month()], [HedgeRun(rule=PriceMoveRule(move=0.01), costs=OrderCosts(0.0, 1.0))]
    )
    premium = float(black_price(80.0, 100.0, DAYS / 365.0, 0.6, 1))
    assert (outcome.orders.tolist(), outcome.pnl.tolist()) == ([2], pytest.approx([premium - 2.0]))


def test_the_certainty_equivalent_of_a_normal_outcome() -> None:
    """``−μ + g σ² / 2``; and no overflow where outcomes are large."""
    sample = np.random.default_rng(5).normal(-0.3, 0.5, 400_000)
    assert certainty_equivalent_loss(sample, 2.0) == pytest.approx(0.3 + 0.25, abs=0.01)
    assert certainty_equivalent_loss(np.array([-1e4, -1e4]), 1.0) == 1e4


@pytest.mark.parametrize(
    ("changes", "variance"),
    [
        ({}, 0.36),
        ({"jumps_per_year": 50.0, "jump_mean": -0.02, "jump_volatility": 0.05}, 0.36 + 50.0 * (0.05**2 + 0.02**2)),
        ({"volatility_of_volatility": 2.0, "reversion": 8.0, "correlation": -0.5}, 0.36 * np.exp(0.25)),
    ],
    ids=["geometric", "jumps", "stochastic volatility"],
)
def test_prices_are_martingales_of_the_variance_that_is_asked_for(changes: dict[str, float], variance: float) -> None:
    prices, _ = hourly(4_000, seed=2, **changes)
    years = DAYS / 365.0
    last = prices[:, -1] / 100.0
    assert abs(last.mean() - 1.0) < 4.0 * last.std() / np.sqrt(4_000)
    squares = np.diff(np.log(prices), axis=1) ** 2
    assert squares.sum(axis=1).mean() / years == pytest.approx(variance, rel=0.05)


def test_jumps_have_fat_tails_and_volatility_clusters() -> None:
    def moves(**changes: float) -> np.ndarray:
        prices, _ = hourly(200, seed=3, **changes)
        found: np.ndarray = np.diff(np.log(prices), axis=1)
        return found

    def kurtosis(sample: np.ndarray) -> float:
        return float((sample**4).mean() / (sample**2).mean() ** 2)

    plain, jumpy = moves(), moves(jumps_per_year=50.0, jump_volatility=0.05)
    assert kurtosis(plain) == pytest.approx(3.0, abs=0.1)
    assert kurtosis(jumpy) > 10.0
    rough = np.abs(moves(volatility_of_volatility=2.0, reversion=8.0))
    assert np.corrcoef(rough[:, :-24].ravel(), rough[:, 24:].ravel())[0, 1] > 0.1


@pytest.mark.parametrize(
    ("prices", "times", "positions", "rule"),
    [
        ([[1.0, 2.0]], [0.0, 1.0, 2.0], [month()], "prices must be"),
        ([[1.0]], [0.0], [month()], "prices must be"),
        ([[1.0, -1.0]], [0.0, 1.0], [month()], "prices must be > 0"),
        ([[1.0, float("nan")]], [0.0, 1.0], [month()], "prices must be > 0"),
        ([[1.0, float("inf")]], [0.0, 1.0], [month()], "prices must be > 0"),
        ([[1.0, 2.0]], [1.0, 1.0], [month()], "times must increase"),
        ([[1.0, 2.0]], [0.0, 1.0], [], "positions must hold an option"),
        ([[1.0, 2.0]], [0.0, 1e9], [month()], "must not lie before the end"),
    ],
)
def test_what_is_no_path_is_refused(
    prices: list[list[float]], times: list[float], positions: list[OptionPosition], rule: str
) -> None:
    with pytest.raises(InvalidInput, match=rule):
        simulate_hedges(prices, times, positions, [HedgeRun(rule=RULES[0])])
