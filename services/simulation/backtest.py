"""Back-test of a policy: `evaluate` at every close of a posted history, with costs, carry, lag and lots."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.book import Account, PriceUsed, Row, Signal
from services.core.control import Control
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.core.instrument import Instrument, Kind
from services.core.outcome import Status
from services.engine import Evaluation, EvaluationInputs, Policy, SeriesInput, StateInput, evaluate
from services.engine.states import state_input
from services.volatility.state import Feed, VolatilityState, empty_state

VOLUME_DAYS = 30
"""Days over which the average daily volume is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFigures:
    """What a signal says besides its direction, the same at every close; None: nothing.

    Parameters
    ----------
    stop_distance : float, optional
        Distance of the stop from the close, against the direction [fraction of the close].
    true_range : float, optional
        Average true range [fraction of the close].
    expected_return : float, optional
        On the side of the direction [annual].
    win_probability, win_loss_ratio : float, optional
        Record of closed trades.
    trades : int, optional
        How many they were.
    """

    stop_distance: float | None = None
    true_range: float | None = None
    expected_return: float | None = None
    win_probability: float | None = None
    win_loss_ratio: float | None = None
    trades: int | None = None

    def signal(self, direction: float, close: float) -> Signal:
        """Signal at a close."""
        side = 1.0 if direction >= 0.0 else -1.0
        return Signal(
            direction,
            stop_price=None if self.stop_distance is None else close * (1.0 - side * self.stop_distance),
            average_true_range=None if self.true_range is None else close * self.true_range,
            expected_return=None if self.expected_return is None else side * self.expected_return,
            win_probability=self.win_probability,
            win_loss_ratio=self.win_loss_ratio,
            trades=self.trades,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestMarket:
    """One market of a back-test.

    Parameters
    ----------
    instrument : Instrument
        Contract that is traded; its symbol names the market.
    series : SeriesInput
        Its bars.
    direction : (n,) array
        Signal known at each close, in [-2, 2]; NaN: no signal at that close.
    funding_rate : (n,) array
        What a long position pays over the bar that ends at each close [fraction of notional]; negative: it is paid.
    fx : float
        Account currency per unit of quote currency.
    figures : SignalFigures
        What the signals say besides, for methods that ask for more than a direction.
    """

    instrument: Instrument
    series: SeriesInput
    direction: Floats
    funding_rate: Floats
    fx: float = 1.0
    figures: SignalFigures = SignalFigures()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """How decisions become positions; what trades cost is `costs` of the policy.

    Parameters
    ----------
    borrow_rate : float
        Annual rate on spot assets that are short and on cash that is borrowed for spot assets.
    lag_bars : int
        Bars from decision to earning: 1 trades at the close that was decided on, 2 one bar later.
    warm_up_bars : int
        Bars that are observed before the first decision.
    """

    borrow_rate: float = 0.0
    lag_bars: int = 1
    warm_up_bars: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestPath:
    """What happened, one entry for each close.

    Parameters
    ----------
    times : (n,) array
        Close times [s since 1970].
    equity : (n,) array
        After costs and carry [account currency].
    weights : (n, m) array
        Signed notional over equity, after the trades of that close.
    volatility : (n, m) array
        Volatility that sized [annual]; NaN where there was none.
    traded : (n,) array
        Notional traded over equity.
    costs, carry : (n,) arrays
        Paid at that close [account currency]; negative carry was received.
    decisions, refusals, orders : int
        Row decisions, those that were refused, and orders made.
    ruined_at : int or None
        First close at which the equity was not positive; nothing is traded from there on.
    last, last_inputs : Evaluation, EvaluationInputs or None
        The last decision with its explanation, and what it was made from.
    """

    times: Floats
    equity: Floats
    weights: Floats
    volatility: Floats
    traded: Floats
    costs: Floats
    carry: Floats
    decisions: int
    refusals: int
    orders: int
    ruined_at: int | None
    last: Evaluation | None
    last_inputs: EvaluationInputs | None


def backtest(
    markets: Sequence[BacktestMarket],
    policy: Policy,
    *,
    equity: float,
    currency: str = "USD",
    trading: Trading | None = None,
    advance: Callable[[int], None] = lambda done: None,
) -> BacktestPath:
    """Walk through the bars: observe, earn, decide, trade.

    Parameters
    ----------
    markets : sequence of BacktestMarket
        With the same close times.
    policy : Policy
        As live; its control state travels from close to close.
    equity : float
        Start capital [account currency], > 0.
    advance : callable
        Told after each bar how many are done.

    Raises
    ------
    InvalidInput
        If the markets do not share their close times, or there are no bars after the warm-up.

    Notes
    -----
    No look-ahead by construction: at close t the engine is given volatility states that were fed bars 0 … t, and views
    of the arrays that end at t. Cost: one evaluation a bar.
    """
    trading = trading or Trading()
    walk = _Walk(tuple(markets), policy, equity, currency, trading)
    for bar in range(walk.times.size):
        walk.step(bar)
        advance(bar + 1)
    return walk.path()


class _Walk:
    """State of a walk: positions in exact contracts, equity, memories of the volatility states."""

    def __init__(
        self,
        markets: tuple[BacktestMarket, ...],
        policy: Policy,
        equity: float,
        currency: str,
        trading: Trading,
    ) -> None:
        check_markets(markets, trading)
        self.markets, self.policy, self.currency, self.trading = markets, policy, currency, trading
        self.closes = np.array([market.series.closes for market in markets])
        self.times = markets[0].series.times
        n, m = self.times.size, len(markets)
        self.feeds = [Feed(_empty(market, policy), policy.estimator) for market in markets]
        self.bars = [list(market.series.bars()) for market in markets]
        self.held = [Decimal(0)] * m
        self.waiting: deque[tuple[int, list[Decimal]]] = deque()
        self.account_equity, self.control = equity, Control()
        self.equity, self.traded, self.costs, self.carry = (np.zeros(n) for _ in range(4))
        self.weights, self.volatility = np.zeros((n, m)), np.full((n, m), np.nan)
        self.volume = np.array([_daily_volume(market) for market in markets])
        self.decisions = self.refusals = self.orders = 0
        self.ruined_at: int | None = None
        self.last: Evaluation | None = None
        self.last_inputs: EvaluationInputs | None = None

    def step(self, bar: int) -> None:
        """One close: what was held earns, then the close is known, then it is decided and traded."""
        if bar:
            self._earn(bar)
        for feed, bars in zip(self.feeds, self.bars, strict=True):
            feed.take(bars[bar])
        if self.account_equity <= 0.0 and self.ruined_at is None:
            self.ruined_at = bar
        last = bar == self.times.size - 1
        if self.ruined_at is None and bar >= self.trading.warm_up_bars and not last:
            self._decide(bar)
        while self.waiting and self.waiting[0][0] <= bar:
            self._trade(bar, self.waiting.popleft()[1])
        self.equity[bar] = self.account_equity
        if self.account_equity > 0.0:
            self.weights[bar] = self._notional(bar) / self.account_equity

    def _notional(self, bar: int) -> Floats:
        return np.array(
            [
                float(size) * market.instrument.notional_per_contract(float(close)) * market.fx
                for size, market, close in zip(self.held, self.markets, self.closes[:, bar], strict=True)
            ]
        )

    def _earn(self, bar: int) -> None:
        before, now = self.closes[:, bar - 1], self.closes[:, bar]
        years = (self.times[bar] - self.times[bar - 1]) / SECONDS_PER_YEAR
        notional = self._notional(bar - 1)
        spot = np.array([market.instrument.kind is Kind.SPOT for market in self.markets])
        earned = sum(map(profit, self.markets, map(float, self.held), before.tolist(), now.tolist()))
        rates = np.array([market.funding_rate[bar] for market in self.markets])
        funding = float((np.where(spot, 0.0, notional) * rates).sum())
        short, long = -notional[spot & (notional < 0.0)].sum(), notional[spot & (notional > 0.0)].sum()
        borrowed = short + max(long - max(self.account_equity, 0.0), 0.0)
        self.carry[bar] = funding + self.trading.borrow_rate * years * float(borrowed)
        self.account_equity += earned - float(self.carry[bar])

    def _decide(self, bar: int) -> None:
        inputs = self._inputs(bar)
        result = evaluate(inputs)
        self.last, self.last_inputs, self.control = result, inputs, result.control or self.control
        targets = []
        for column, (target, held) in enumerate(zip(result.targets, self.held, strict=True)):
            targets.append(held if target.target is None else target.target)
            self.refusals += target.status is Status.REFUSED
            readout = result.columns.states[column].readout
            self.volatility[bar, column] = readout.volatility if readout else np.nan
        self.decisions += len(targets)
        self.waiting.append((bar + self.trading.lag_bars - 1, targets))

    def _inputs(self, bar: int) -> EvaluationInputs:
        moment = datetime.fromtimestamp(float(self.times[bar]), UTC)
        history = {market.instrument.symbol: prefix(market.series, bar, moment) for market in self.markets}
        return EvaluationInputs(
            evaluation_id=f"backtest/{bar}",
            as_of=moment,
            account=Account(self.account_equity, self.currency),
            rows=tuple(self._row(column, bar) for column in range(len(self.markets))),
            policy=self.policy,
            signals_present=True,
            states={market.instrument.symbol: self._state(column) for column, market in enumerate(self.markets)},
            history=history,
            control=self.control,
            figures=False,
        )

    def _state(self, column: int) -> StateInput:
        return state_input(self.feeds[column].state(), self.policy.estimator)

    def _row(self, column: int, bar: int) -> Row:
        market, pending = self.markets[column], Decimal(0)
        if self.waiting:
            pending = self.waiting[-1][1][column] - self.held[column]
        direction = float(market.direction[bar])
        return Row(
            symbol=market.instrument.symbol,
            market_key=market.instrument.symbol,
            instrument=market.instrument,
            unit=market.instrument.quantity_unit,
            quantity=self.held[column],
            open_buys=max(pending, Decimal(0)),
            open_sells=max(-pending, Decimal(0)),
            price=PriceUsed(float(self.closes[column, bar]), "close", 0.0),
            fx=market.fx,
            signal=None if np.isnan(direction) else market.figures.signal(direction, float(self.closes[column, bar])),
        )

    def _trade(self, bar: int, targets: list[Decimal]) -> None:
        change = np.array([float(target - held) for target, held in zip(targets, self.held, strict=True)])
        if not change.any():
            return
        unit = np.array(
            [
                market.instrument.notional_per_contract(float(close)) * market.fx
                for market, close in zip(self.markets, self.closes[:, bar], strict=True)
            ]
        )
        volatility = self.volatility[bar] * (SECONDS_PER_DAY / SECONDS_PER_YEAR) ** 0.5
        paid = self.policy.costs.of_trades(
            change, unit_value=unit, average_daily_volume=self.volume[:, bar], daily_volatility=volatility
        ).total
        self.costs[bar] += float(paid.sum())
        self.traded[bar] += float(np.abs(change * unit).sum()) / max(self.account_equity, 1e-300)
        self.orders += int(np.count_nonzero(change))
        self.account_equity -= float(paid.sum())
        self.held = list(targets)

    def path(self) -> BacktestPath:
        """What happened."""
        return BacktestPath(
            times=self.times,
            equity=self.equity,
            weights=self.weights,
            volatility=self.volatility,
            traded=self.traded,
            costs=self.costs,
            carry=self.carry,
            decisions=self.decisions,
            refusals=self.refusals,
            orders=self.orders,
            ruined_at=self.ruined_at,
            last=self.last,
            last_inputs=self.last_inputs,
        )


def check_markets(markets: tuple[BacktestMarket, ...], trading: Trading) -> None:
    """Markets that share their close times, and enough of them.

    Raises
    ------
    InvalidInput
        Otherwise.
    """
    if not markets:
        raise InvalidInput("series", "must hold at least one market", 0)
    times = markets[0].series.times
    for market in markets[1:]:
        if not np.array_equal(market.series.times, times):
            raise InvalidInput("series", "must close at the same times in every market", market.instrument.symbol)
    if times.size < trading.warm_up_bars + 2:
        rule = f"must hold at least {trading.warm_up_bars + 2} bars: warm-up, a decision, and a bar that it earns"
        raise InvalidInput("series", rule, times.size)


def _empty(market: BacktestMarket, policy: Policy) -> VolatilityState:
    return empty_state(policy.estimator, bar_seconds=market.series.bar_seconds, calendar=market.series.calendar)


def _daily_volume(market: BacktestMarket) -> Floats:
    """Average daily volume known at each close [contracts a day]; NaN without volumes."""
    series = market.series
    if series.volume is None:
        return np.full(series.closes.size, np.nan)
    window = max(int(VOLUME_DAYS * SECONDS_PER_DAY / series.bar_seconds), 1)
    total = np.cumsum(np.nan_to_num(series.volume))
    before = np.concatenate([np.zeros(min(window, total.size)), total[:-window]])[: total.size]
    counted = np.minimum(np.arange(1, total.size + 1), window)
    per_day = (total - before) / counted * (SECONDS_PER_DAY / series.bar_seconds)
    return np.where(per_day > 0.0, per_day, np.nan)


def prefix(series: SeriesInput, bar: int, end: datetime) -> SeriesInput:
    """The bars up to `bar`, as views of the same arrays: nothing behind it can be reached."""
    columns = ("open", "high", "low", "volume", "realized_variance", "implied_volatility", "drivers")
    cut = {name: column[: bar + 1] for name in columns if (column := getattr(series, name)) is not None}
    times = series.close_times
    return replace(
        series,
        closes=series.closes[: bar + 1],
        end=end,
        close_times=None if times is None else times[: bar + 1],
        **cut,
    )


def profit(market: BacktestMarket, contracts: float, before: float, now: float) -> float:
    """Profit of a position over one bar [account currency].

    Linear, spot, quanto ``n M (S₁ − S₀) fx``; inverse ``n M (1/S₀ − 1/S₁)`` coins, valued at S₁.

    Examples
    --------
    >>> from services.core.annualization import Calendar
    >>> made = SeriesInput(np.array([100.0, 125.0]), datetime(2026, 1, 1, tzinfo=UTC), 86_400, Calendar())
    >>> inverse = Instrument(symbol="X", kind=Kind.INVERSE, contract_multiplier=100.0)
    >>> market = BacktestMarket(instrument=inverse, series=made, direction=np.ones(2), funding_rate=np.zeros(2))
    >>> profit(market, 2.0, 100.0, 125.0)
    50.0
    """
    multiplier = market.instrument.contract_multiplier
    if market.instrument.kind is Kind.INVERSE:
        return contracts * multiplier * (1.0 / before - 1.0 / now) * now * market.fx
    return contracts * multiplier * (now - before) * market.fx
