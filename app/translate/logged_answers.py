"""Entries of the log as the facts of a scorecard: what answers stated, and the bars and prices told beside them.

Read from the recorded JSON as it is, not through the models: an entry of another version must not become unreadable
because a rule changed since, and validation would cost ten times as much as reading. Only index, kind, time and bytes
of an entry are read, so that an entry from a file serves as well as one from the database.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import orjson

from app.ports import EventKind, StoredEntry
from app.translate.snapshot import DEFAULT_INTERVAL
from services.core.annualization import parse_interval
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.scorecard.history import Bar, Price
from services.scorecard.score import Book, Facts, Forecast, Hedge, HeldRow, Order, Touch
from services.volatility.outcome import PointOutcome

DECISIONS = frozenset({EventKind.EVALUATION, EventKind.TARGETS, EventKind.MARGIN, EventKind.HEDGES, EventKind.LIVE})
READ = DECISIONS | {EventKind.OBSERVATION, EventKind.EXECUTIONS}
"""Kinds that a scorecard reads."""
PLAIN_KINDS = frozenset({"spot", "linear"})
"""Instruments whose profit is notional times return."""
CONTINUOUS_CALENDARS = frozenset({None, "24/7"})
_TOLD = frozenset(outcome.value for outcome in PointOutcome if outcome.stored) - {PointOutcome.REVISED.value}


@dataclass(slots=True)
class Reader:
    """Facts of one tenant's entries, taken in the order of the log.

    Parameters
    ----------
    portfolio_id, symbol : str, optional
        Only statements of this portfolio, or on this market; outcomes are taken from every entry.
    """

    portfolio_id: str | None = None
    symbol: str | None = None
    facts: Facts = field(default_factory=Facts)
    entries: int = 0
    answers: int = 0
    historical: int = 0
    first: StoredEntry | None = None
    last: StoredEntry | None = None
    _known: set[tuple[object, ...]] = field(default_factory=set)
    _orders: dict[tuple[str, str], _Ordered] = field(default_factory=dict)
    _trades: set[tuple[str, str, str]] = field(default_factory=set)
    _executing: set[str] = field(default_factory=set)

    def take(self, entry: StoredEntry) -> None:
        """One entry; what cannot be read is counted."""
        self.entries += 1
        self.first, self.last = self.first or entry, entry
        if entry.kind not in READ or entry.request.startswith(b"reset?"):
            return
        try:
            request, response = orjson.loads(entry.request), orjson.loads(entry.response)
            if entry.kind == EventKind.OBSERVATION:
                self._observed(entry.index, request, response)
            elif entry.kind == EventKind.EXECUTIONS:
                self._executed(response["portfolio_id"], request, response)
            else:
                self._decided(entry, request, response)
        except (KeyError, TypeError, ValueError, AttributeError, InvalidInput):
            self.facts.unread[entry.kind.value] += 1

    def finish(self) -> Facts:
        """All facts: an order without a fill is one that was not executed, where its portfolio reports executions."""
        now = self.last.recorded_at.timestamp() if self.last is not None else -math.inf
        for (portfolio_id, _), order in self._orders.items():
            if portfolio_id in self._executing and order.expires_at <= now and order.quantity > 0.0:
                share = min(order.filled / order.quantity, 1.0)
                self.facts.orders.append(Order(portfolio_id, order.expires_at, share))
        return self.facts

    def _observed(self, index: int, request: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        for point, outcome in zip(request["observations"], response["outcomes"], strict=True):
            if outcome not in _TOLD:
                continue
            key = (point.get("venue") or "", point["symbol"], parse_interval(point["interval"]))
            low, high = _figure(point.get("low")), _figure(point.get("high"))
            close, time = float(point["close"]), _seconds(point["close_time"])
            split = point.get("split")
            log = self.facts.log_of(key)
            known = math.nan
            if split is not None and log.last in log.bars and log.last < time:
                known = math.log(close * float(split) / log.bars[log.last].close)
            log.observe(Bar(time, index, close, known, low, high))

    def _executed(self, portfolio_id: str, request: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        if self.portfolio_id not in (None, portfolio_id):
            return
        self._executing.add(portfolio_id)
        for fill, row in zip(request["fills"], response["fills"], strict=True):
            trade = (portfolio_id, row.get("venue") or "", row["trade_id"])
            order = self._orders.get((portfolio_id, fill["client_order_id"]))
            if row["outcome"] != "matched" or trade in self._trades or order is None or fill["side"] != order.side:
                continue
            self._trades.add(trade)
            order.filled += float(fill["quantity"])

    def _decided(self, entry: StoredEntry, request: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        snapshot = _Snapshot(entry, request, response)
        for item in request.get("series") or ():
            self._posted(entry.index, item, snapshot.as_of)
        self._marked(snapshot)
        if self.portfolio_id not in (None, snapshot.group):
            return
        self.answers += 1
        self.historical += response.get("mode") == "historical"
        stated = {}
        for target in response.get("targets") or ():
            stated[id(target)] = forecast = snapshot.forecast(target)
            if forecast is not None and self._wanted(target["symbol"], forecast.key[1]):
                self._state(forecast)
        if self.symbol is None and response.get("targets") is not None:
            self.facts.books.append(snapshot.book([(row, stated[id(row)]) for row in response["targets"]]))
        self._margined(snapshot)
        self._hedged(snapshot)
        if entry.kind == EventKind.LIVE and self.symbol is None:
            self._ordered(snapshot)

    def _wanted(self, *names: str) -> bool:
        return self.symbol is None or self.symbol in names

    def _state(self, forecast: Forecast) -> None:
        """A forecast that was stated before on the same bar is no new one."""
        name = (forecast.key, forecast.method, forecast.closed_at)
        if name in self._known:
            self.facts.repeated += 1
            return
        self._known.add(name)
        self.facts.forecasts.append(forecast)

    def _posted(self, index: int, item: Mapping[str, Any], as_of: float) -> None:
        seconds = parse_interval(item["interval"])
        log = self.facts.log_of(("", item["symbol"], seconds))
        rows = item.get("ohlcv")
        if rows is not None:
            table = np.array([row[:5] for row in rows], dtype=float)
            table = table[table[:, 0] / 1000.0 + seconds <= as_of]
            if len(table):
                closed = table[:, 0] / 1000.0 + seconds
                log.post(index, closed, float(closed[-1]), table[:, 4], (table[:, 3], table[:, 2]))
            return
        closes, end = np.array([float(value) for value in item["close"]]), _seconds(item["end"])
        blank = np.full(closes.size, np.nan)
        ranges = _column(item.get("low"), blank), _column(item.get("high"), blank)
        times: Floats | None = None
        if item.get("calendar") not in CONTINUOUS_CALENDARS:
            # Closed hours lie between its bars: only the last one has a time, and only the return before it is known.
            times = np.full(closes.size, -math.inf)
            times[-1] = end
        log.post(index, times, end, closes, ranges)

    def _marked(self, snapshot: _Snapshot) -> None:
        """Prices that a request brought: marks of positions and of symbols."""
        for row in snapshot.request.get("positions") or ():
            if row.get("mark_price") is not None:
                self._price(snapshot, row.get("venue") or "", row["symbol"], row["mark_price"], None)
        for row in snapshot.request.get("marks") or ():
            self._price(snapshot, "", row["symbol"], row["price"], row.get("as_of"))

    def _price(self, snapshot: _Snapshot, venue: str, symbol: str, price: Any, as_of: str | None) -> None:
        time, value = _seconds(as_of) if as_of else snapshot.taken_at, float(price)
        self.facts.price(venue, symbol, Price(time, time, value, value, value, snapshot.entry.index))

    def _margined(self, snapshot: _Snapshot) -> None:
        current = (snapshot.response.get("margin") or {}).get("current") or {}
        for row in current.get("per_position") or ():
            found = row.get("liquidation") or {}
            probability = found.get("touch_probability")
            if probability is None or not self._wanted(row["symbol"]) or not 0.0 < probability < 1.0:
                continue
            level, venue = float(found["price"]), row.get("venue") or ""
            self.facts.touches.append(
                Touch(
                    snapshot.entry.index,
                    snapshot.group,
                    venue,
                    row["symbol"],
                    snapshot.as_of,
                    level,
                    float(probability),
                )
            )

    def _hedged(self, snapshot: _Snapshot) -> None:
        for row in snapshot.response.get("hedges") or ():
            before, after = row.get("delta_before"), row.get("delta_after")
            if before is None or after is None or not self._wanted(row["symbol"], row["underlying"]):
                continue
            self.facts.hedges.append(
                Hedge(
                    snapshot.entry.index,
                    snapshot.group,
                    row.get("venue") or snapshot.venue_of(row["symbol"]),
                    row["symbol"],
                    snapshot.as_of,
                    float(before),
                    float(after),
                )
            )

    def _ordered(self, snapshot: _Snapshot) -> None:
        """Orders of a live decision; decisions on one snapshot share the id of an increase, and the first counts."""
        for row in snapshot.response.get("orders") or ():
            name = (snapshot.group, row["client_order_id"])
            expires_at, quantity = _seconds(row["valid_until"]), float(row["quantity"])
            self._orders.setdefault(name, _Ordered(row["side"], expires_at, quantity))


@dataclass(slots=True)
class _Ordered:
    side: str
    expires_at: float
    quantity: float
    filled: float = 0.0


class _Snapshot:
    """One recorded decision."""

    def __init__(self, entry: StoredEntry, request: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        self.entry, self.request, self.response = entry, request, response
        self.group = response.get("portfolio_id") or ""
        self.as_of = _seconds(response["as_of"])
        taken = request.get("snapshot_as_of")
        self.taken_at = _seconds(taken) if taken else self.as_of
        self.series = {item["symbol"]: parse_interval(item["interval"]) for item in request.get("series") or ()}
        self.interval = parse_interval(request.get("interval") or DEFAULT_INTERVAL)
        self.instruments = _instruments(entry, request)

    def venue_of(self, symbol: str) -> str:
        """Venue of the first position or instrument of this symbol; empty if none has one."""
        rows = [*(self.request.get("positions") or ()), *(self.request.get("instruments") or ())]
        return next((row["venue"] for row in rows if row["symbol"] == symbol and row.get("venue")), "")

    def instrument(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        venue, symbol = row.get("venue") or "", row["symbol"]
        found = self.instruments.get((venue, symbol)) or self.instruments.get(("", symbol))
        return found or {}

    def forecast(self, row: Mapping[str, Any]) -> Forecast | None:
        """Forecast that a target states: of its underlying, calibrated, before the floor of sizing."""
        said = row.get("volatility")
        if not said:
            return None
        symbol = self.instrument(row).get("underlying") or row["symbol"]
        posted = self.series.get(symbol)
        key = ("", symbol, posted) if posted is not None else (row.get("venue") or "", symbol, self.interval)
        volatility, periods = said["forecast"] * said["calibration"], float(said["periods_per_year"])
        if not volatility > 0.0:
            return None
        closed_at = _seconds(said["data_as_of"])
        return Forecast(self.entry.index, key, said["method"], closed_at, volatility**2 / periods, periods)

    def book(self, rows: list[tuple[Mapping[str, Any], Forecast | None]]) -> Book:
        """Target book of the answer."""
        stated, equity = self.response.get("portfolio") or {}, float(self.request["account"]["equity"])
        held, unusable = [], None
        if equity <= 0.0:
            unusable = "no_equity"
        elif self.request["account"].get("collateral"):
            unusable = "coin_collateral"
        elif any(float(row.get("quantity") or 0.0) for row in self.response.get("hedges") or ()):
            unusable = "hedged"  # the book is then not that of the targets alone
        for row, forecast in rows:
            if row.get("target_quantity") is None:
                unusable = unusable or ("refused_row" if float(row["current_quantity"]) else None)
                continue
            if not float(row["target_quantity"]):
                continue
            notional, price = row.get("target_notional"), row.get("price_used")
            if self.instrument(row).get("kind", "linear") not in PLAIN_KINDS:
                unusable = unusable or "not_linear"
            elif notional is None or price is None:
                unusable = unusable or "compact_or_unpriced"
            else:
                held.append(
                    HeldRow(row.get("venue") or "", row["symbol"], float(notional), float(price["value"]), forecast)
                )
        return Book(
            self.entry.index,
            self.group,
            self.as_of,
            equity,
            tuple(held),
            _optional(stated.get("value_at_risk")),
            _optional(stated.get("expected_shortfall")),
            _optional(stated.get("target_volatility")),
            _optional(stated.get("forecast_volatility")),
            unusable,
        )


def _instruments(entry: StoredEntry, request: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Contracts of the request and those that were read from the register."""
    read = orjson.loads(entry.state.partition(b"\n")[0]).get("instruments", ()) if entry.state else ()
    return {(row.get("venue") or "", row["symbol"]): row for row in (*read, *(request.get("instruments") or ()))}


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _figure(value: Any) -> float:
    return math.nan if value is None else float(value)


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


def _column(values: Any, blank: Floats) -> Floats:
    return blank if values is None else np.array([_figure(value) for value in values])
