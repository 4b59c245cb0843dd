"""`POST /v1/margin:batch`: margins of many accounts, and the liquidation queue; nothing is recorded."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import orjson

from app.translate.answer import time_text
from app.translate.margin_notes import tell_unknown_size, tell_without_memory
from app.translate.notes import Notes
from app.translate.snapshot import event_time
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from models.api.margin_batch import MAX_QUEUE, BatchMarketIn, MarginBatchRequest
from services.core.explain import Bools, Floats
from services.core.outcome import Reason
from services.margin.account_batch import AccountStatus, BatchHealth, account_health, batch_margins
from services.margin.scenario_linear import linear_moves, linear_scenario_margins
from services.margin.scenario_presets import PRESETS
from services.margin.size_addons import MarketSize

INLINE_POSITIONS = 2_000
"""Accounts times markets up to which a batch is computed on the event loop."""
UNITS = {"initial_margin": "account currency", "maintenance_margin": "account currency", "ratio": "of equity"}


class Columns(NamedTuple):
    """Accounts as arrays: positions [contracts], values of a contract, and what is missing of each market."""

    equity: Floats
    contracts: Floats
    values: Floats
    missing: list[Reason | None]


async def margin_batch(call: Call) -> Answer:
    """Margins of posted accounts, a large batch in a worker thread."""
    request = await validated(MarginBatchRequest, call)
    work = (request, call.received_at)
    if len(request.accounts) * len(request.markets) > INLINE_POSITIONS:
        return Answer(200, await asyncio.to_thread(batch, *work))
    return Answer(200, batch(*work))


def batch(request: MarginBatchRequest, received_at: datetime) -> bytes:
    """Answer bytes.

    Raises
    ------
    InvalidInput
        For a time in the future.
    """
    notes = Notes()
    as_of = event_time(request, received_at, notes)
    columns = _columns(request)
    touched = _touched(columns)
    initial, maintenance = _scenarios(request, columns) if request.preset else _rates(request, columns, notes)
    unknown = touched.any(axis=1) | np.isnan(columns.contracts).any(axis=1)
    initial, maintenance = (np.where(unknown, np.nan, values) for values in (initial, maintenance))
    health = account_health(columns.equity, initial, maintenance)
    counts = Counter(health.status.tolist())
    if counts[AccountStatus.UNKNOWN]:
        text = f"the margin of {counts[AccountStatus.UNKNOWN]} accounts is not known: they are neither ok nor queued"
        notes.warn("margin_unknown", text)
    body = {
        "as_of": time_text(as_of),
        "currency": request.currency,
        "method": request.preset or request.margin.model.method,
        "units": UNITS,
        "initial_margin": initial,
        "maintenance_margin": maintenance,
        "ratio": np.where(np.isfinite(health.ratio), health.ratio, np.nan),
        "status": health.status.tolist(),
        "counts": {status.value: counts[status] for status in AccountStatus},
        "queue": _queue(request, columns.equity, maintenance, health),
        "unknown": _unknown(request, columns, touched, health),
        "assumptions": notes.assumptions,
        "warnings": notes.warnings,
    }
    # Not a number is null.
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _columns(request: MarginBatchRequest) -> Columns:
    values = [
        float(market.contract_multiplier)
        * (1.0 if market.kind == "inverse" else float(market.mark_price) if market.mark_price else np.nan)
        for market in request.markets
    ]
    return Columns(
        equity=np.array(request.equity, dtype=np.float64),
        contracts=np.array(request.quantities, dtype=np.float64).T,
        values=np.array(values),
        missing=[_missing(market, request.preset) for market in request.markets],
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


def _rates(request: MarginBatchRequest, columns: Columns, notes: Notes) -> tuple[Floats, Floats]:
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


def _scenarios(request: MarginBatchRequest, columns: Columns) -> tuple[Floats, Floats]:
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


def _queue(
    request: MarginBatchRequest, equity: Floats, maintenance: Floats, health: BatchHealth
) -> list[dict[str, Any]]:
    return [
        {
            "account": request.accounts[place],
            "index": place,
            "equity": float(equity[place]),
            "maintenance_margin": float(maintenance[place]),
            "ratio": float(health.ratio[place]) if np.isfinite(health.ratio[place]) else None,
            "shortfall": float(maintenance[place] - equity[place]),
        }
        for place in health.queue[: request.queue_limit].tolist()
    ]


def _unknown(
    request: MarginBatchRequest, columns: Columns, touched: Bools, health: BatchHealth
) -> list[dict[str, Any]]:
    rows = []
    for place in np.flatnonzero(health.status == AccountStatus.UNKNOWN)[:MAX_QUEUE].tolist():
        reason, detail = _why(request, columns, touched, place)
        rows.append({"account": request.accounts[place], "index": place, "reason": reason, "detail": detail})
    return rows


def _why(request: MarginBatchRequest, columns: Columns, touched: Bools, place: int) -> tuple[Reason, str]:
    if np.isnan(columns.equity[place]):
        return Reason.UNUSABLE_DATA, "equity is not a number within 1e15"
    bad = np.flatnonzero(np.isnan(columns.contracts[place]))
    if bad.size:
        return Reason.UNUSABLE_DATA, f"the quantity of {request.markets[bad[0]].symbol} is not a number within 1e15"
    market = int(np.flatnonzero(touched[place])[0])
    reason, symbol = columns.missing[market], request.markets[market].symbol
    assert reason is not None
    return reason, f"{symbol} has no {'mark_price' if reason is Reason.PRICE_REQUIRED else 'volatility'}"
