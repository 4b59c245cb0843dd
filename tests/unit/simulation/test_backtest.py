"""Back-tests: what is decided, what it earns and costs, against plain loops; and that no decision sees the future."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.errors import InvalidInput
from services.core.instrument import Instrument, Kind
from services.engine import Evaluation, EvaluationInputs, Policy, SeriesInput, evaluate
from services.liquidity.costs import Costs
from services.simulation.backtest import BacktestMarket, BacktestPath, SignalFigures, Trading, backtest, profit
from services.simulation.baselines import baselines
from services.simulation.performance import max_drawdown, performance, rolling_volatility, simple_returns
from services.sizing.buffers import IntervalBuffer, NoBuffer
from services.sizing.capital import HalfCompounding
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.fixed_risk import FixedRisk
from services.sizing.methods.volatility_target import VolatilityTarget
from services.volatility.estimators.ewma import Ewma
from services.volatility.readout import VolatilityReadout
from tests.support.books import OPEN

END = datetime(2026, 11, 20, tzinfo=UTC)
FREE = Costs(fee=0.0, half_spread=0.0, impact_coefficient=0.0)
TARGET = Policy(
    sizing=VolatilityTarget(target_volatility=0.3), estimator=Ewma(), limits=OPEN, buffer=NoBuffer(), costs=FREE
)


def walk_of(seed: int, bars: int = 200, volatility: float = 0.6) -> np.ndarray:
    moves = np.random.default_rng(seed).normal(0.0, volatility / 365.0**0.5, bars)
    return np.round(100.0 * np.exp(np.cumsum(moves)), 4)


def market(closes: np.ndarray, symbol: str = "A", **changes: Any) -> BacktestMarket:
    fields: dict[str, Any] = {
        "instrument": Instrument(symbol=symbol, lot=Decimal("0.000001")),
        "series": SeriesInput(closes, END, 86_400, Calendar()),
        "direction": np.ones(closes.size),
        "funding_rate": np.zeros(closes.size),
    }
    return BacktestMarket(**{**fields, **changes})


def run(*markets: BacktestMarket, policy: Policy = TARGET, **changes: Any) -> BacktestPath:
    trading = Trading(**{"warm_up_bars": 30, **changes})
    return backtest(markets, policy, equity=100_000.0, trading=trading)


def test_no_decision_sees_the_future() -> None:
    """Everything after bar 120 replaced, crash included: the path up to there is the same, bit for bit."""
    closes = walk_of(1)
    other = closes.copy()
    other[121:] = 3.0 * other[121:] / np.arange(1, other.size - 120)
    first, second = run(market(closes)), run(market(other))
    for name in ("equity", "weights", "volatility", "traded"):
        assert np.array_equal(getattr(first, name)[:121], getattr(second, name)[:121], equal_nan=True)
    assert not np.array_equal(first.equity, second.equity)


def test_what_a_decision_is_given_ends_at_its_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of the engine, looked at: history, states and prices are those of the bars up to its `as_of`."""
    closes, seen = walk_of(2, 80), list[EvaluationInputs]()

    def recorded(inputs: EvaluationInputs) -> Evaluation:
        seen.append(inputs)
        return evaluate(inputs)

    monkeypatch.setattr("services.simulation.backtest.evaluate", recorded)
    run(market(closes))
    assert len(seen) == 80 - 30 - 1
    for bar, inputs in enumerate(seen, start=30):
        known = inputs.history["A"]
        assert known.closes.tolist() == closes[: bar + 1].tolist() and known.end == inputs.as_of
        state = inputs.states["A"].readout
        assert isinstance(state, VolatilityReadout) and state.last_close_at == inputs.as_of
        price = inputs.rows[0].price
        assert price is not None and price.value == closes[bar]


def test_a_held_weight_earns_its_return_from_the_next_bar_on() -> None:
    """Without costs and lots: equity multiplies by 1 + w_t r_{t+1}, w_t = τ/σ_t of the state at t."""
    closes = walk_of(3)
    path = run(market(closes))
    returns = closes[1:] / closes[:-1] - 1.0
    grown = path.equity[:-1] * (1.0 + path.weights[:-1, 0] * returns)
    assert path.equity[1:] == pytest.approx(grown, rel=1e-9)
    decided = path.weights[30:-1, 0]
    assert decided == pytest.approx(0.3 / path.volatility[30:-1, 0], rel=1e-5)


def test_a_longer_lag_trades_one_close_later() -> None:
    """Lag 2: the contracts of a close are those that lag 1 wants one bar before, at that bar's equity."""
    closes = walk_of(4)
    flat = replace(TARGET, sizing=ConstantLeverage(), buffer=IntervalBuffer(interval_seconds=3e7))
    soon, late = run(market(closes), policy=flat), run(market(closes), policy=flat, lag_bars=2)
    assert np.flatnonzero(soon.traded)[0] + 1 == np.flatnonzero(late.traded)[0]
    assert late.weights[30, 0] == 0.0 and late.weights[31, 0] > 0.9


def test_costs_are_what_the_cost_model_says() -> None:
    closes = walk_of(5)
    costs = Costs(fee=0.001, half_spread=0.0005, impact_coefficient=0.0, gas=2.0)
    path = run(market(closes), policy=replace(TARGET, costs=costs))
    notional = path.traded * (path.equity + path.costs)
    assert path.costs == pytest.approx(0.0015 * notional + 2.0 * (path.traded > 0.0), rel=1e-9)
    free = run(market(closes))
    assert path.equity[-1] < free.equity[-1]


def test_longs_pay_funding_and_shorts_receive_it() -> None:
    closes, rate = walk_of(6), np.full(200, 0.0001)
    long = run(market(closes, funding_rate=rate))
    short = run(market(closes, funding_rate=rate, direction=-np.ones(200)))
    held = long.weights[:-1, 0] * long.equity[:-1]
    assert long.carry[1:] == pytest.approx(0.0001 * held)
    assert (short.carry[32:] < 0.0).all()


def test_borrowed_cash_and_short_assets_cost_interest() -> None:
    """Spot at leverage 2: one equity of cash is borrowed; a perpetual borrows none."""
    closes = np.full(200, 100.0) * (1.0 + 0.001 * (np.arange(200) % 2))
    policy = replace(TARGET, sizing=ConstantLeverage(leverage=2.0))
    asset = Instrument(symbol="A", kind=Kind.SPOT, lot=Decimal("0.000001"), max_leverage=5.0)
    spot = run(market(closes, instrument=asset), policy=policy, borrow_rate=0.1)
    assert spot.carry[100] == pytest.approx(0.1 / 365.0 * spot.equity[99], rel=0.01)
    assert run(market(closes), policy=policy, borrow_rate=0.1).carry.sum() == 0.0


def test_an_inverse_contract_earns_what_its_definition_says() -> None:
    """1,000 contracts of 1 USD from 100 to 125: 1,000 (1/100 − 1/125) coins of 125 USD."""
    inverse = Instrument(symbol="A", kind=Kind.INVERSE, contract_multiplier=1.0)
    assert profit(market(walk_of(1), instrument=inverse), 1_000.0, 100.0, 125.0) == pytest.approx(250.0)


def test_lots_are_whole_and_control_state_travels() -> None:
    """Half compounding: profits are not reinvested, so the size never exceeds that of the start capital."""
    closes = 100.0 * 1.02 ** np.arange(120) * (1.0 + 0.01 * (np.arange(120) % 2))
    policy = replace(TARGET, sizing=ConstantLeverage(), capital=HalfCompounding())
    path = run(market(closes, instrument=Instrument(symbol="A", lot=Decimal(1))), policy=policy)
    contracts = path.weights[:, 0] * path.equity / closes
    assert contracts == pytest.approx(np.round(contracts), abs=1e-6)
    assert (contracts[31:-1] * closes[31:-1] <= 100_000.0 * (1 + 1e-9)).all()
    assert path.equity[-1] > 200_000.0


def test_a_ruin_ends_the_trading() -> None:
    """Leverage 10 and a fall of a third: nothing is traded afterwards, and the figures say −100 %."""
    closes = np.concatenate([walk_of(7, 60), [60.0], np.full(40, 61.0)])
    closes[60] = closes[59] * 0.6
    closes[61:] = closes[60] * (1 + 0.001 * (np.arange(40) % 2))
    path = run(market(closes), policy=replace(TARGET, sizing=ConstantLeverage(leverage=10.0)))
    assert path.ruined_at == 60
    assert (path.traded[61:] == 0.0).all()
    found = performance(
        path.equity[30:], periods_per_year=365.0, traded=path.traded, costs=path.costs, carry=path.carry
    )
    assert found.total_return == -1.0 and found.max_drawdown == 1.0 and found.worst_bar == -1.0


def test_a_refused_row_is_held_and_counted() -> None:
    closes = walk_of(8)
    path = run(market(closes), warm_up_bars=0)
    assert 0 < path.refusals < 30
    assert (path.weights[: path.refusals] == 0.0).all()


def test_markets_must_share_their_closes() -> None:
    one, other = market(walk_of(1)), market(walk_of(2, 199), "B")
    with pytest.raises(InvalidInput, match="same times"):
        run(one, other)
    with pytest.raises(InvalidInput, match="at least 202 bars"):
        run(one, warm_up_bars=200)


def test_two_markets_are_one_book() -> None:
    """Independent markets, correlation measured: the book's realised volatility is near its target."""
    bars = 1_500
    path = run(market(walk_of(11, bars), "A"), market(walk_of(12, bars), "B"), warm_up_bars=100)
    returns = simple_returns(path.equity[100:])
    assert returns.std() * 365.0**0.5 == pytest.approx(0.3, rel=0.1)


def test_baselines_differ_in_when_they_trade_and_in_nothing_else() -> None:
    closes = walk_of(13)
    paths = {name: run(market(closes), policy=policy) for name, policy in baselines(TARGET, 0.5).items()}
    assert set(paths) == {"constant_leverage", "fixed_weights", "calendar"}
    assert np.count_nonzero(paths["fixed_weights"].traded) > 150
    assert np.count_nonzero(paths["calendar"].traded) == 6  # bars 30, 60, …, 180
    assert paths["fixed_weights"].weights[30:-1, 0] == pytest.approx(0.5, rel=1e-5)


def test_figures_by_hand() -> None:
    equity = np.array([100.0, 120.0, 90.0, 99.0])
    found = performance(
        equity,
        periods_per_year=2.0,
        traded=np.array([1.0, 0.0, 0.5, 0.0]),
        costs=np.array([1.0, 0.0, 1.0, 0.0]),
        carry=np.zeros(4),
        target_volatility=0.5,
        reference=np.array([0.1, -0.25, 0.2]),
    )
    returns = np.array([0.2, -0.25, 0.1])
    assert found.volatility == pytest.approx(returns.std(ddof=1) * 2**0.5)
    assert found.max_drawdown == pytest.approx(0.25) == max_drawdown(equity)
    assert (found.turnover, found.costs) == (1.0, 0.02)
    assert (found.upside_capture, found.downside_capture) == (pytest.approx(1.0), 1.0)
    pairs = [np.std(returns[:2], ddof=1) * 2**0.5, np.std(returns[1:], ddof=1) * 2**0.5]
    assert rolling_volatility(returns, 2.0) == pytest.approx(pairs)
    assert found.tracking_error == pytest.approx(np.sqrt(np.mean((np.array(pairs) - 0.5) ** 2)) / 0.5)


def test_figures_of_signals_are_on_the_side_of_the_direction() -> None:
    figures = SignalFigures(stop_distance=0.25, true_range=0.5, expected_return=0.1)
    long, short = figures.signal(1.0, 80.0), figures.signal(-0.5, 80.0)
    assert (long.stop_price, long.average_true_range, long.expected_return) == (60.0, 40.0, 0.1)
    assert (short.stop_price, short.average_true_range, short.expected_return) == (100.0, 40.0, -0.1)
    assert SignalFigures().signal(1.0, 80.0).stop_price is None


def test_a_method_that_asks_for_stops_walks_with_them_and_is_refused_without() -> None:
    """One per cent of the equity over a stop ten per cent away is a tenth of it, at the first decision."""
    policy = replace(TARGET, sizing=FixedRisk(risk_fraction=0.01, fee=0.0))
    closes = walk_of(5)
    path = run(market(closes, figures=SignalFigures(stop_distance=0.1)), policy=policy)
    assert path.weights[30, 0] == pytest.approx(0.1, rel=1e-4)
    assert not run(market(closes), policy=policy).weights.any()
