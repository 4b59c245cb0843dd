"""A walk through history: at every close, observe it, evaluate, hold the target until the next close."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import orjson

from app.demo.markets import DemoMarket
from app.usecases.call import Door
from app.usecases.decide import Decision, Gathered, decide
from models.api.evaluation import EvaluationRequest
from services.core.annualization import Calendar, parse_interval
from services.core.decimals import decimal_text, plain
from services.core.explain import Floats
from services.engine import StateInput
from services.engine.policy import Policy
from services.engine.states import state_input
from services.volatility.bars import Bar
from services.volatility.readout import VolatilityReadout
from services.volatility.state import Feed, empty_state

START_EQUITY = 100_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What was decided at each close, and what it earned until the next one.

    Parameters
    ----------
    times : list of datetime
        Close time of each bar.
    close : (n,) array
        [quote currency]
    forecast, volatility : (n,) arrays
        Raw forecast, and the one that sizes: calibrated and floored. Annual; NaN before there is one.
    exposure : (n,) array
        Target notional over equity at each close.
    held_return : (n,) array
        Return on equity of the bar that ends here, on the position of the close **before**; NaN where nothing was held
        or bars are missing in between.
    market_return : (n,) array
        Simple return of the price over the same bars; NaN in the same places.
    last_request : dict
        Body of the last evaluation.
    last_target : Decimal
        Its target quantity.
    """

    market: DemoMarket
    periods_per_year: float
    times: list[datetime]
    close: Floats
    forecast: Floats
    volatility: Floats
    exposure: Floats
    held_return: Floats
    market_return: Floats
    last_request: dict[str, Any]
    last_target: Decimal

    @property
    def realized_volatility(self) -> float:
        """Of the held position over the whole walk [annual]."""
        return annual(self.held_return, self.periods_per_year)

    @property
    def market_volatility(self) -> float:
        """Of the price over the same bars [annual]."""
        return annual(self.market_return, self.periods_per_year)

    @property
    def tracking_ratio(self) -> float:
        """Realised volatility over target; 1 is perfect."""
        return self.realized_volatility / self.market.target_volatility

    def rolling_volatility(self, window: int) -> Floats:
        """Realised volatility of the held position over `window` returns [annual]; NaN until they are there."""
        return rolling_deviation(self.held_return, window) * math.sqrt(self.periods_per_year)


def annual(returns: Floats, periods_per_year: float) -> float:
    """Standard deviation of the returns that are there, annualised."""
    return float(np.nanstd(returns, ddof=1)) * math.sqrt(periods_per_year)


def rolling_deviation(values: Floats, window: int) -> Floats:
    """Standard deviation of the last `window` values that are there; NaN until there are as many.

    Examples
    --------
    >>> rolling_deviation(np.array([np.nan, 1.0, 3.0, np.nan, 3.0]), 2).round(3).tolist()
    [nan, nan, 1.414, nan, 0.0]
    """
    out, there = np.full(values.shape, np.nan), np.isfinite(values)
    kept = values[there]
    if kept.size >= window:
        views = np.lib.stride_tricks.sliding_window_view(kept, window)
        out[np.flatnonzero(there)[window - 1 :]] = views.std(axis=1, ddof=1)
    return out


def walk(market: DemoMarket, advance: Callable[[int], None] = lambda done: None) -> Walk:
    """Evaluate at every close of a market, with the engine that serves the API.

    The account starts with 100,000 and compounds. A target is held from its close to the next one: nothing that a size
    earns was known when it was decided. Costs and slippage are left out.

    Parameters
    ----------
    advance : callable
        Told after each bar how many bars are done.

    Notes
    -----
    A jump that the next close takes back counts when it comes and is undone after that close, as in the service.
    Cost: one evaluation a bar.
    """
    estimator, calendar = Policy().estimator, Calendar(market.calendar)
    bar_seconds = parse_interval(market.interval)
    feed = Feed(empty_state(estimator, bar_seconds=bar_seconds, calendar=calendar), estimator)
    count = len(market.closes)
    close = np.array([float(item.close) for item in market.closes])
    times = [item.close_time for item in market.closes]
    forecast, volatility, exposure, held_return, market_return = (np.full(count, np.nan) for _ in range(5))
    equity, quantity, request = START_EQUITY, Decimal(0), dict[str, Any]()
    for index, item in enumerate(market.closes):
        feed.take(Bar(item.close_time.timestamp(), close[index]))
        if index and quantity:
            earned = float(quantity) * (close[index] - close[index - 1])
            if not _bars_missing(feed.clock.continuous, times[index - 1], times[index], bar_seconds):
                held_return[index], market_return[index] = earned / equity, close[index] / close[index - 1] - 1.0
            equity += earned
        known = state_input(feed.state(), estimator)
        if isinstance(known.readout, VolatilityReadout):
            forecast[index], volatility[index] = known.readout.forecast, known.readout.volatility
        request = evaluation_request(market, index, equity, quantity)
        quantity = target_of(decision_of(request, {market.symbol: known}, item.close_time), quantity)
        exposure[index] = float(quantity) * close[index] / equity
        advance(index + 1)
    return Walk(
        market=market,
        periods_per_year=calendar.periods(bar_seconds),
        times=times,
        close=close,
        forecast=forecast,
        volatility=volatility,
        exposure=exposure,
        held_return=held_return,
        market_return=market_return,
        last_request=request,
        last_target=quantity,
    )


def _bars_missing(continuous: bool, before: datetime, now: datetime, bar_seconds: int) -> bool:
    return continuous and (now - before).total_seconds() > 1.5 * bar_seconds


def evaluation_request(market: DemoMarket, index: int, equity: float, quantity: Decimal) -> dict[str, Any]:
    """Body of POST /v1/evaluations at one close: always long, volatility from the cached state."""
    item = market.closes[index]
    return {
        "as_of": item.close_time.isoformat().replace("+00:00", "Z"),
        "interval": market.interval,
        "account": {"equity": f"{equity:.2f}", "currency": "USD"},
        "instruments": [{"symbol": market.symbol, "kind": "linear", "quote_currency": "USD", "lot": market.lot}],
        "positions": [
            {"symbol": market.symbol, "quantity": plain(quantity), "mark_price": decimal_text(float(item.close))}
        ],
        "signals": [{"symbol": market.symbol, "direction": 1}],
        "policy": {"sizing": {"method": "volatility_target", "target_volatility": market.target_volatility}},
    }


def decision_of(request: dict[str, Any], states: dict[str, StateInput], moment: datetime) -> Decision:
    """Decision of the engine as of that moment; the compact view has the same targets in half the time."""
    parsed = EvaluationRequest.model_validate(request | {"options": {"view": "compact"}})
    return decide(
        Door.EVALUATIONS,
        parsed,
        orjson.dumps(request),
        Gathered(states=states),
        evaluation_id="ev_demo",
        received_at=moment,
    )


def target_of(decision: Decision, held: Decimal) -> Decimal:
    """Target of the only row; a refusal holds what is held."""
    target = decision.result.targets[0].target
    return held if target is None else target
