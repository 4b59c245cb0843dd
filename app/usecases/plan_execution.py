"""Grids, schedules, vaults and checked orders: gather one market, decide, write to the audit log, answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from app.container import Container
from app.deadline import in_thread
from app.ids import new_id
from app.ports import EventKind
from app.translate import grid, position_limits, schedule, vault
from app.translate.answer import time_text
from app.translate.instruments import InstrumentKey
from app.translate.one_market import OneMarket, described_instrument, head, one_market, state_need
from app.translate.snapshot import DEFAULT_INTERVAL
from app.translate.state_record import encode_state
from app.translate.switches import switch_rows, switch_warnings
from app.usecases.call import Answer, Call
from app.usecases.decide import AssumptionsRefused
from app.usecases.effort import validated
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, stored_answer
from app.usecases.gather import load_states, registered
from app.usecases.read_switches import read_switches
from models.api.execution import MarketRequest
from models.api.grid import GridRequest
from models.api.position_limits import OrderCheckRequest
from models.api.schedule import ScheduleRequest
from models.api.vault import VaultRequest
from services.core.instrument import Instrument
from services.engine.inputs import StateInput
from services.engine.market import Market
from services.engine.policy import Policy
from services.guards.switches import ActiveSwitch, market_scopes, strictest, within

INLINE_LEVELS = 40
"""Levels of a grid up to which it is planned on the event loop: a short budget takes 5 ms for them."""
INLINE_QUOTES = 30
"""Quotes of a vault up to which it is planned on the event loop."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One execution-aware tool: its scope of idempotency keys, what it takes, and how it answers.

    `takes_long` says whether a request is not to be planned on the event loop; `trades_symbol` whether what is traded
    is the symbol of the request, and not its options; `stopped` gives the answer under a switch, None where that lets
    the request pass.
    """

    route: str
    model: type[MarketRequest]
    wants_volatility: Callable[[Any], bool]
    body: Callable[[Any, OneMarket], dict[str, Any]]
    stopped: Callable[[Any, OneMarket, ActiveSwitch], dict[str, Any] | None]
    takes_long: Callable[[Any], bool] = lambda _: False
    trades_symbol: bool = True


@dataclass(frozen=True, slots=True)
class MarketRead:
    """What was read for one request."""

    registered: Mapping[InstrumentKey, Instrument] = field(default_factory=dict)
    states: Mapping[str, StateInput] = field(default_factory=dict)
    switches: tuple[ActiveSwitch, ...] = ()


TOOLS: dict[EventKind, Tool] = {
    EventKind.GRID: Tool(
        "POST /v1/grids",
        GridRequest,
        grid.wants_volatility,
        grid.grid_body,
        grid.stopped_body,
        takes_long=lambda request: request.max_levels > INLINE_LEVELS,
    ),
    EventKind.SCHEDULE: Tool(
        "POST /v1/schedules",
        ScheduleRequest,
        schedule.wants_volatility,
        schedule.schedule_body,
        schedule.stopped_body,
        takes_long=lambda request: request.venues is not None or request.pool is not None,
    ),
    EventKind.VAULT: Tool(
        "POST /v1/vaults",
        VaultRequest,
        vault.wants_volatility,
        vault.vault_body,
        vault.stopped_body,
        takes_long=lambda request: len(request.quotes or ()) > INLINE_QUOTES,
        trades_symbol=False,
    ),
    EventKind.ORDER_CHECK: Tool(
        "POST /v1/orders:check",
        OrderCheckRequest,
        position_limits.wants_volatility,
        position_limits.order_check_body,
        position_limits.stopped_body,
    ),
}


async def plan_execution(container: Container, call: Call, kind: EventKind) -> Answer:
    """One answered and audited plan."""
    tool = TOOLS[kind]
    request = await validated(tool.model, call)
    key = idempotency_key(call, tool.route)
    if (known := await known_answer(container, key)) is not None:
        return known
    evaluation_id = new_id("ev", call.received_at)
    read = await read_market(container, request, wanted=tool.wants_volatility(request))
    switches = await read_switches(container.switches, container.tenant_id, call.received_at)
    read = replace(read, switches=within(switches, market_scopes(request.symbol, request.venue)))
    started = time.perf_counter()
    planned = partial(plan_response, kind, request, read, evaluation_id, call.received_at)
    body = await in_thread(planned) if tool.takes_long(request) else planned()
    computed = time.perf_counter()
    record = event_record(
        container,
        kind,
        evaluation_id,
        call,
        body,
        key,
        client_reference=request.client_reference,
        state=encode_state(read.states, read.registered, Market({}, {}, (), None, "single"), switches=read.switches),
    )
    appended = await container.audit.append(record, timeout=call.timeout_seconds)
    timings = {"compute": computed - started, "audit": time.perf_counter() - computed}
    return stored_answer(appended, body, timings)


async def read_market(container: Container, request: MarketRequest, *, wanted: bool) -> MarketRead:
    """Instrument and volatility state of a request, where it does not bring its own."""
    own = request.instrument is not None
    keys = set() if own else {(request.venue, request.symbol), (None, request.symbol)}
    found = await registered(container, keys) if keys else {}
    if not wanted or request.volatility is not None:
        return MarketRead(found)
    need = state_need(request, described_instrument(request, found))
    interval = request.interval or DEFAULT_INTERVAL
    return MarketRead(found, await load_states(container, [need], interval, Policy().estimator))


def plan_response(
    kind: EventKind, request: MarketRequest, read: MarketRead, evaluation_id: str, received_at: datetime
) -> bytes:
    """Answer bytes without the audit block.

    Raises
    ------
    InvalidInput
        What no default can mend.
    AssumptionsRefused
        Under `options.strict`.
    """
    tool = TOOLS[kind]
    wanted = tool.wants_volatility(request)
    market = one_market(request, read.registered, read.states, received_at, wanted=wanted, traded=tool.trades_symbol)
    switch = strictest(read.switches)
    barred = tool.stopped(request, market, switch) if switch is not None else None
    outcome = tool.body(request, market) if barred is None else barred
    if request.options.strict and market.notes.assumptions:
        raise AssumptionsRefused(market.notes.assumptions)
    return orjson.dumps(
        {
            "evaluation_id": evaluation_id,
            **({"client_reference": request.client_reference} if request.client_reference else {}),
            "mode": "historical" if market.historical else "live",
            "symbol": request.symbol,
            **({"venue": request.venue} if request.venue else {}),
            "as_of": time_text(market.as_of),
            "received_at": time_text(received_at),
            **outcome,
            **head(market),
            "assumptions": market.notes.assumptions,
            "warnings": [*market.notes.warnings, *switch_warnings(read.switches)],
            **({"switches": switch_rows(read.switches)} if read.switches else {}),
        }
    )
