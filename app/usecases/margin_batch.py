"""`POST /v1/margin:batch`: margins of many accounts, and the liquidation queue; nothing is recorded.

Accounts come as columns of one JSON object, as lines or as an Arrow stream, and the answer goes out as any of these,
whatever came in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import orjson

from app.deadline import in_thread
from app.problems import BrokenRule, RequestProblem
from app.translate.account_lines import AccountLines
from app.translate.answer import time_text
from app.translate.margin_notes import tell_unknown_size, tell_without_memory
from app.translate.notes import Notes
from app.translate.snapshot import event_time
from app.usecases.call import Call
from app.usecases.effort import validated
from models.api.margin_batch import MAX_QUEUE, BatchHeadIn, BatchMarketIn, MarginBatchRequest
from models.api.problem import MAX_ERRORS
from services.core.explain import Bools, Floats
from services.core.outcome import Reason
from services.margin.account_batch import AccountStatus, BatchHealth, account_health, batch_margins
from services.margin.scenario_linear import linear_moves, linear_scenario_margins
from services.margin.scenario_presets import PRESETS
from services.margin.size_addons import MarketSize

INLINE_POSITIONS = 2_000
"""Accounts times markets up to which a batch is computed on the event loop."""
UNITS = {"initial_margin": "account currency", "maintenance_margin": "account currency", "ratio": "of equity"}


LINES_AT_ONCE = 1_024
"""Lines of an answer that are sent together."""
Markets = Sequence[BatchMarketIn]


class Columns(NamedTuple):
    """Accounts as arrays: names, equity, positions [contracts], values of a contract, what is missing of each market.

    `lines` and `refused` are those of a request in lines.
    """

    names: Sequence[str]
    equity: Floats
    contracts: Floats
    values: Floats
    missing: list[Reason | None]
    lines: Sequence[int] | None = None
    refused: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """What an answer is made of, whatever its form."""

    head: dict[str, Any]
    columns: Columns
    initial: Floats
    maintenance: Floats
    ratio: Floats
    health: BatchHealth
    tail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LinesCall:
    """A request in lines: blocks of complete lines as they arrive, and how a line is parsed."""

    blocks: AsyncIterator[list[bytes]]
    parse: Callable[[bytes], Any]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class ArrowCall:
    """A request as an Arrow stream, and how its head is parsed."""

    body: bytes
    parse: Callable[[bytes], Any]
    received_at: datetime


async def batch_of_columns(call: Call) -> BatchFigures:
    """Margins of accounts as columns, a large batch in a worker thread."""
    request = await validated(MarginBatchRequest, call)
    work = (request, columns_of(request), call.received_at)
    if len(request.accounts) * len(request.markets) > INLINE_POSITIONS:
        return await in_thread(figures, *work)
    return figures(*work)


async def batch_of_lines(call: LinesCall) -> BatchFigures:
    """Margins of accounts as lines, parsed and computed in a worker thread.

    Raises
    ------
    RequestProblem
        If there is no head, or no line is an account.
    """
    read = AccountLines(call.parse)
    async for block in call.blocks:
        await in_thread(read.take, block)
    if read.head is None or not read.names:
        rule = "must hold a head and, below it, at least one account"
        found = [BrokenRule("", one["code"], f"line {one['line']}: {one['detail']}") for one in read.refused]
        told = found[:MAX_ERRORS] or [BrokenRule("", "empty", rule)]
        raise RequestProblem("invalid_request", f"the body {rule}", told)
    return await in_thread(figures, read.head, _read_columns(read, read.head), call.received_at)


async def batch_of_arrow(call: ArrowCall) -> BatchFigures:
    """Margins of accounts in an Arrow stream, read and computed in a worker thread."""
    return await in_thread(_arrow_figures, call)


def _arrow_figures(call: ArrowCall) -> BatchFigures:
    # An optional dependency, and slow to import: by whom it is used, in a worker thread.
    from app.translate.account_stream import read_accounts

    read = read_accounts(call.body, call.parse)
    return figures(read.head, _columns(read.head, read.names, read.equity, read.contracts), call.received_at)


def figures(request: BatchHeadIn, columns: Columns, received_at: datetime) -> BatchFigures:
    """Margins, statuses and the queue.

    Raises
    ------
    InvalidInput
        For a time in the future.
    """
    notes = Notes()
    as_of = event_time(request, received_at, notes)
    touched = _touched(columns)
    initial, maintenance = _scenarios(request, columns) if request.preset else _rates(request, columns, notes)
    unknown = touched.any(axis=1) | np.isnan(columns.contracts).any(axis=1)
    initial, maintenance = (np.where(unknown, np.nan, values) for values in (initial, maintenance))
    health = account_health(columns.equity, initial, maintenance)
    counts = Counter(health.status.tolist())
    if counts[AccountStatus.UNKNOWN]:
        text = f"the margin of {counts[AccountStatus.UNKNOWN]} accounts is not known: they are neither ok nor queued"
        notes.warn("margin_unknown", text)
    if columns.refused:
        text = f"{len(columns.refused)} lines are no accounts, and were left out"
        notes.warn("lines_refused", text)
    return BatchFigures(
        head={
            "as_of": time_text(as_of),
            "currency": request.currency,
            "method": request.preset or request.margin.model.method,
            "units": UNITS,
        },
        columns=columns,
        initial=initial,
        maintenance=maintenance,
        ratio=np.where(np.isfinite(health.ratio), health.ratio, np.nan),
        health=health,
        tail={
            "counts": {status.value: counts[status] for status in AccountStatus},
            "queue": _queue(request.queue_limit, columns, maintenance, health),
            "unknown": _unknown(request.markets, columns, touched, health),
            "assumptions": notes.assumptions,
            "warnings": notes.warnings,
        },
    )


def as_columns(found: BatchFigures) -> bytes:
    """The answer as one JSON object."""
    body = {
        **found.head,
        "initial_margin": found.initial,
        "maintenance_margin": found.maintenance,
        "ratio": found.ratio,
        "status": found.health.status.tolist(),
        **found.tail,
    }
    if found.columns.lines is not None:
        body |= {"accounts": found.columns.names, "refused": found.columns.refused}
    # Not a number is null.
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def as_arrow(found: BatchFigures) -> bytes:
    """The answer as an Arrow stream: a row for each account, all else as JSON in the metadata."""
    from app.translate.account_stream import write_accounts

    refused = {} if found.columns.refused is None else {"refused": found.columns.refused}
    margins = {"initial_margin": found.initial, "maintenance_margin": found.maintenance, "ratio": found.ratio}
    rest = orjson.dumps({**found.head, **found.tail, **refused})
    return write_accounts(found.columns.names, margins, found.health.status.tolist(), rest)


def as_lines(found: BatchFigures) -> Iterator[bytes]:
    """The answer as lines, some at a time: the head, a line for each account and each refused line, the summary."""
    yield orjson.dumps(found.head, option=orjson.OPT_APPEND_NEWLINE)
    rows = _rows(found)
    while block := list(islice(rows, LINES_AT_ONCE)):
        yield b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in block)
    yield orjson.dumps(found.tail, option=orjson.OPT_APPEND_NEWLINE)


def _rows(found: BatchFigures) -> Iterator[dict[str, Any]]:
    """Accounts in their order, and refused lines between them in theirs."""
    columns, refused = found.columns, iter(found.columns.refused or ())
    places = columns.lines if columns.lines is not None else range(len(columns.names))
    waiting, key = next(refused, None), "index" if columns.lines is None else "line"
    # Not a number becomes null.
    margins = (values.tolist() for values in (found.initial, found.maintenance, found.ratio))
    rows = zip(*margins, found.health.status.tolist(), strict=True)
    for place, name, (initial, maintenance, ratio, status) in zip(places, columns.names, rows, strict=True):
        while waiting is not None and waiting["line"] < place:
            yield {**waiting, "status": "refused"}
            waiting = next(refused, None)
        yield {
            key: place,
            "account": name,
            "initial_margin": initial,
            "maintenance_margin": maintenance,
            "ratio": ratio,
            "status": status,
        }
    while waiting is not None:
        yield {**waiting, "status": "refused"}
        waiting = next(refused, None)


def columns_of(request: MarginBatchRequest) -> Columns:
    """Posted columns as arrays."""
    equity, contracts = (np.array(values, dtype=np.float64) for values in (request.equity, request.quantities))
    return _columns(request, request.accounts, equity, contracts.T)


def _read_columns(read: AccountLines, head: BatchHeadIn) -> Columns:
    columns = _columns(head, read.names, np.array(read.equity, dtype=np.float64), read.contracts())
    return columns._replace(lines=read.lines, refused=read.refused)


def _columns(head: BatchHeadIn, names: Sequence[str], equity: Floats, contracts: Floats) -> Columns:
    missing = [_missing(market, head.preset) for market in head.markets]
    return Columns(names, equity, contracts, _values(head.markets), missing)


def _values(markets: Markets) -> Floats:
    return np.array(
        [
            float(market.contract_multiplier)
            * (1.0 if market.kind == "inverse" else float(market.mark_price) if market.mark_price else np.nan)
            for market in markets
        ]
    )


def _missing(market: BatchMarketIn, preset: str | None) -> Reason | None:
    """Why positions of a market cannot be margined."""
    if market.mark_price is None and market.kind == "linear":
        return Reason.PRICE_REQUIRED
    if market.volatility is None and (preset is None or PRESETS[preset].regime is not None):
        return Reason.VOLATILITY_UNAVAILABLE
    return None


def _touched(columns: Columns) -> Bools:
    """Positions in markets that are not known."""
    found: Bools = (columns.contracts != 0.0) & np.array([reason is not None for reason in columns.missing])
    return found


def _rates(request: BatchHeadIn, columns: Columns, notes: Notes) -> tuple[Floats, Floats]:
    policy = request.margin
    volatility = np.array([market.volatility or np.nan for market in request.markets], dtype=np.float64)
    floors = np.array([1.0 / market.max_leverage if market.max_leverage else 0.0 for market in request.markets])
    rates = policy.rates(volatility, venue_floor=floors)
    known = {name for name, reason in zip(rates.method_used, columns.missing, strict=True) if reason is None}
    if others := known - {policy.model.method}:
        text = f"{policy.model.method} reads returns, of which a batch has none: {', '.join(sorted(others))} stands in"
        notes.warn("margin_method", text)
    tell_without_memory(policy, notes)
    interest, volume = (
        np.array([np.nan if item is None else float(item) for item in found], dtype=np.float64)
        for found in (
            [market.open_interest for market in request.markets],
            [market.average_daily_volume for market in request.markets],
        )
    )
    size = MarketSize(interest, volume, columns.values)
    tell_unknown_size(policy.size_addon, [market.symbol for market in request.markets], size, notes, "/markets")
    return batch_margins(columns.contracts, columns.values, rates, policy, size)


def _scenarios(request: BatchHeadIn, columns: Columns) -> tuple[Floats, Floats]:
    assert request.preset is not None
    preset = PRESETS[request.preset]
    usable = np.array([reason is None for reason in columns.missing])
    # What is not known is left out here, and its accounts are marked unknown.
    held = np.where(usable & np.isfinite(columns.contracts), columns.contracts, 0.0)
    notional = held * np.where(usable, columns.values, 0.0)
    steady = replace(preset, regime=None)
    moves = np.stack(
        [
            linear_moves(preset if reason is None else steady, [market.volatility])[:, 0]
            for market, reason in zip(request.markets, columns.missing, strict=True)
        ],
        axis=1,
    )
    offsets = [market.netting_offset for market in request.markets]
    found = linear_scenario_margins(notional, moves, preset, offsets=offsets)
    return found.initial, found.maintenance


def _queue(limit: int, columns: Columns, maintenance: Floats, health: BatchHealth) -> list[dict[str, Any]]:
    equity = columns.equity
    return [
        {
            "account": columns.names[place],
            "index": place,
            "equity": float(equity[place]),
            "maintenance_margin": float(maintenance[place]),
            "ratio": float(health.ratio[place]) if np.isfinite(health.ratio[place]) else None,
            "shortfall": float(maintenance[place] - equity[place]),
        }
        for place in health.queue[:limit].tolist()
    ]


def _unknown(markets: Markets, columns: Columns, touched: Bools, health: BatchHealth) -> list[dict[str, Any]]:
    rows = []
    for place in np.flatnonzero(health.status == AccountStatus.UNKNOWN)[:MAX_QUEUE].tolist():
        reason, detail = _why(markets, columns, touched, place)
        rows.append({"account": columns.names[place], "index": place, "reason": reason, "detail": detail})
    return rows


def _why(markets: Markets, columns: Columns, touched: Bools, place: int) -> tuple[Reason, str]:
    if np.isnan(columns.equity[place]):
        return Reason.UNUSABLE_DATA, "equity is not a number within 1e15"
    bad = np.flatnonzero(np.isnan(columns.contracts[place]))
    if bad.size:
        return Reason.UNUSABLE_DATA, f"the quantity of {markets[bad[0]].symbol} is not a number within 1e15"
    market = int(np.flatnonzero(touched[place])[0])
    reason, symbol = columns.missing[market], markets[market].symbol
    assert reason is not None
    return reason, f"{symbol} has no {'mark_price' if reason is Reason.PRICE_REQUIRED else 'volatility'}"
