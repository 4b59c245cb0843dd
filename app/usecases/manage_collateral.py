"""Collateral, liquidations, contagion, liquidation prices: plans are recorded, the others are computed only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from app.container import Container
from app.deadline import in_thread
from app.ids import new_id
from app.ports import EventKind
from app.translate.answer import time_text
from app.translate.collateral import allocation_body
from app.translate.collateral_value import states_to_read, value_body, value_inputs
from app.translate.contagion import contagion_body
from app.translate.liquidation import book_of, liquidation_body
from app.translate.notes import Notes
from app.translate.options import moment
from app.translate.snapshot import CLOCK_SKEW, DEFAULT_INTERVAL
from app.translate.waterfall import waterfall_body
from app.usecases.call import Answer, Call
from app.usecases.decide import AssumptionsRefused, known_at
from app.usecases.effort import takes_long, validated
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, stored_answer
from app.usecases.gather import load_states
from models.api.collateral import AllocateRequest
from models.api.collateral_value import CollateralValueRequest
from models.api.contagion import ContagionRequest
from models.api.liquidation import LiquidationPriceRequest
from models.api.waterfall import WaterfallRequest
from services.core.errors import InvalidInput
from services.engine.inputs import StateInput

INLINE_POSITIONS = 20
"""Positions up to which liquidation prices are found on the event loop: 2 ms."""
INLINE_NODES = 20
"""Nodes up to which contagion without regressions is propagated there."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A recorded plan that depends on its request alone: scope of idempotency keys, model, and answer."""

    route: str
    model: type[AllocateRequest | WaterfallRequest]
    body: Callable[[Any, Notes], dict[str, Any]]


PLANS: dict[EventKind, Plan] = {
    EventKind.ALLOCATION: Plan("POST /v1/collateral:allocate", AllocateRequest, allocation_body),
    EventKind.WATERFALL: Plan("POST /v1/margin:waterfall", WaterfallRequest, waterfall_body),
}


async def make_plan(container: Container, call: Call, kind: EventKind) -> Answer:
    """A plan of transfers or of a liquidation, durable in the audit log before it is returned."""
    plan = PLANS[kind]
    request = await validated(plan.model, call)
    key = idempotency_key(call, plan.route)
    if (known := await known_answer(container, key)) is not None:
        return known
    evaluation_id, started = new_id("ev", call.received_at), time.perf_counter()
    body = await in_thread(plan_answer, kind, request, evaluation_id, call.received_at)
    computed = time.perf_counter()
    record = event_record(container, kind, evaluation_id, call, body, key, client_reference=request.client_reference)
    appended = await container.audit.append(record, timeout=call.timeout_seconds)
    return stored_answer(appended, body, {"compute": computed - started, "audit": time.perf_counter() - computed})


def plan_answer(
    kind: EventKind, request: AllocateRequest | WaterfallRequest, evaluation_id: str, received_at: datetime
) -> bytes:
    """Answer bytes: they depend on the request, the id and the time of receipt alone, so that a record can be replayed.

    Raises
    ------
    InvalidInput
        If `as_of` lies in the future, or a figure breaks a rule.
    """
    notes, as_of = Notes(), request.as_of or received_at
    if request.as_of is None:
        notes.assume("/as_of", time_text(as_of), "the figures are taken to be those of the time of receipt")
    elif as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(as_of), "check your clock against GET /v1/time")
    body = PLANS[kind].body(request, notes)
    head = {
        "evaluation_id": evaluation_id,
        **({"client_reference": request.client_reference} if request.client_reference else {}),
        "as_of": time_text(as_of),
        "received_at": time_text(received_at),
    }
    return orjson.dumps({**head, **body, "assumptions": notes.assumptions, "warnings": notes.warnings})


async def value_collateral(container: Container, call: Call) -> Answer:
    """What balances and loans count as margin; reads cached states, stores nothing."""
    request = await validated(CollateralValueRequest, call)
    needs, interval = states_to_read(request), request.interval or DEFAULT_INTERVAL
    states = await load_states(container, needs, interval, request.policy.estimator) if needs else {}
    if takes_long(request.series):
        return Answer(200, await in_thread(value_answer, request, states, call.received_at))
    return Answer(200, value_answer(request, states, call.received_at))


def value_answer(request: CollateralValueRequest, states: Mapping[str, StateInput], received_at: datetime) -> bytes:
    """Answer bytes.

    Raises
    ------
    InvalidInput
        What no default can mend.
    AssumptionsRefused
        Under `options.strict`.
    """
    notes = Notes()
    inputs = value_inputs(request, states, received_at, notes)
    body = value_body(request, replace(inputs, states=known_at(states, inputs.as_of)), notes)
    if request.options.strict and notes.assumptions:
        raise AssumptionsRefused(notes.assumptions)
    return orjson.dumps({**body, "assumptions": notes.assumptions, "warnings": notes.warnings})


async def propagate_contagion(call: Call) -> Answer:
    """Distress of a network."""
    request = await validated(ContagionRequest, call)
    if request.system_returns is not None or len(request.nodes) > INLINE_NODES:
        return Answer(200, await in_thread(contagion_answer, request))
    return Answer(200, contagion_answer(request))


def contagion_answer(request: ContagionRequest) -> bytes:
    """Answer bytes."""
    notes = Notes()
    body = contagion_body(request, notes)
    return orjson.dumps({**body, "assumptions": notes.assumptions, "warnings": notes.warnings})


async def find_liquidation_price(call: Call) -> Answer:
    """Liquidation prices of a book of one underlying."""
    request = await validated(LiquidationPriceRequest, call)
    if len(request.positions) > INLINE_POSITIONS:
        return Answer(200, await in_thread(liquidation_answer, request, call.received_at))
    return Answer(200, liquidation_answer(request, call.received_at))


def liquidation_answer(request: LiquidationPriceRequest, received_at: datetime) -> bytes:
    """Answer bytes.

    Raises
    ------
    InvalidInput
        If `as_of` lies in the future.
    """
    notes = Notes()
    as_of = moment(request.as_of, received_at, notes)
    body = liquidation_body(request, book_of(request, as_of, notes))
    head = {"as_of": time_text(as_of), "underlying": request.underlying, "mark": f"{request.mark:f}"}
    return orjson.dumps({**head, **body, "assumptions": notes.assumptions, "warnings": notes.warnings})
