"""Back-tests of the wire and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from app.translate.answer import money, stat, target_rows, time_text
from app.translate.instruments import assumed_instrument, by_key, find
from app.translate.notes import Notes
from app.translate.series import check_columns, series_input
from app.translate.snapshot import fx_text, names
from models.api.backtest import BacktestRequest
from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.core.instrument import Instrument, Kind, must_be_described
from services.engine import Evaluation, EvaluationInputs, Policy, SeriesInput
from services.simulation.backtest import BacktestMarket, BacktestPath
from services.simulation.performance import Performance
from services.volatility.registry import driver_names


def markets_of(request: BacktestRequest, policy: Policy, received_at: datetime, notes: Notes) -> list[BacktestMarket]:
    """Markets of a request.

    Raises
    ------
    InvalidInput
        If a market has no signal, a contract that must be described is not, or a list has another length than its bars.
    """
    symbols = [item.symbol for item in request.series]
    if strangers := sorted({item.symbol for item in request.signals} - set(symbols)):
        raise InvalidInput("signals", "must be for symbols with a series", strangers[0])
    instruments = _instruments(request, symbols, notes)
    found = []
    for index, item in enumerate(request.series):
        series = series_input(item, index, received_at, notes, drivers=driver_names(policy.estimator))
        check_columns(series, index, policy.estimator)
        instrument = instruments[item.symbol]
        found.append(
            BacktestMarket(
                instrument=instrument,
                series=series,
                direction=_directions(request, item.symbol, series.closes.size),
                funding_rate=_funding(request, item.symbol, series),
                fx=_rate(request, instrument),
            )
        )
    return found


def _instruments(request: BacktestRequest, symbols: list[str], notes: Notes) -> dict[str, Instrument]:
    described = by_key(request.instruments)
    known = {symbol: find(described, None, symbol) for symbol in symbols}
    if assumed := [symbol for symbol in symbols if known[symbol] is None]:
        if contracts := [symbol for symbol in assumed if must_be_described(symbol)]:
            raise InvalidInput("instruments", "must describe symbols that read as contracts", contracts[0])
        notes.assume("/instruments", "linear, multiplier 1, lot 0.00000001", f"for {names(assumed)}")
    found = {symbol: known[symbol] or assumed_instrument(symbol) for symbol in symbols}
    if options := [symbol for symbol, item in found.items() if item.kind is Kind.OPTION]:
        raise InvalidInput("instruments", "of a back-test must not be options", options[0])
    paid = {item.symbol for item in request.funding}
    if free := [symbol for symbol, item in found.items() if symbol not in paid and item.kind is not Kind.SPOT]:
        notes.assume("/funding", "0", f"for {names(free)}: no funding is paid or received")
    return found


def _directions(request: BacktestRequest, symbol: str, bars: int) -> Floats:
    view = next((item for item in request.signals if item.symbol == symbol), None)
    if view is None:
        raise InvalidInput("signals", "must hold a direction for every series", symbol)
    if view.directions is None:
        return np.full(bars, view.direction)
    return _for_each(view.directions, bars, "signals", symbol)


def _funding(request: BacktestRequest, symbol: str, series: SeriesInput) -> Floats:
    paid = next((item for item in request.funding if item.symbol == symbol), None)
    if paid is None:
        return np.zeros(series.closes.size)
    if paid.rates is not None:
        return _for_each(paid.rates, series.closes.size, "funding", symbol)
    years = np.diff(series.times, prepend=series.times[0]) / SECONDS_PER_YEAR
    return years * (paid.annual_rate or 0.0)


def _for_each(values: Sequence[float | None], bars: int, field: str, symbol: str) -> Floats:
    if len(values) != bars:
        raise InvalidInput(field, f"of {symbol} must have one value for each of its {bars} bars", len(values))
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _rate(request: BacktestRequest, instrument: Instrument) -> float:
    account = request.account.currency
    currency = instrument.settle_currency if instrument.kind is Kind.QUANTO else instrument.quote_currency
    if currency is None or currency == account:
        return 1.0
    rates = {item.currency: float(item.rate) for item in request.fx}
    if currency not in rates:
        raise InvalidInput("fx", "must hold a rate for every quote currency", currency, fx_text(currency, account))
    return rates[currency]


def strategy_block(name: str, path: BacktestPath, figures: Performance, points: int, start: int) -> dict[str, Any]:
    """One strategy of an answer."""
    chosen = np.unique(np.linspace(start, path.times.size - 1, min(points, path.times.size - start)).astype(int))
    return {
        "strategy": name,
        "performance": {field: stat(getattr(figures, field)) for field in Performance.__dataclass_fields__},
        "decisions": path.decisions,
        "refusals": path.refusals,
        "orders": path.orders,
        "ruined_at": None if path.ruined_at is None else moment(path.times[path.ruined_at]),
        "path": [
            {
                "close_time": moment(path.times[bar]),
                "equity": money(round(float(path.equity[bar]), 2)),
                "weights": [stat(value) for value in path.weights[bar].tolist()],
                "volatility": [stat(value) for value in path.volatility[bar].tolist()],
            }
            for bar in chosen.tolist()
        ],
    }


def moment(seconds: float) -> str:
    """Close time as text."""
    return time_text(datetime.fromtimestamp(float(seconds), UTC))


def last_targets(inputs: EvaluationInputs | None, result: Evaluation | None) -> list[dict[str, Any]]:
    """Targets of the last decision, with their steps."""
    if inputs is None or result is None:
        return []
    return target_rows(inputs, result, full=True, explain=True)
