"""`POST /v1/oracles:aggregate`: one price a symbol out of many sources, audited with all that was not believed."""

from __future__ import annotations

import time
from datetime import datetime

import orjson

from app.container import Container
from app.deadline import in_thread
from app.ids import new_id
from app.ports import EventKind
from app.translate.answer import time_text
from app.translate.notes import Notes
from app.translate.oracles import aggregated, oracle_row
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.effort import INLINE_SECONDS, validated
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, stored_answer
from models.api.oracle import OraclesRequest
from services.core.errors import InvalidInput

ROUTE = "POST /v1/oracles:aggregate"
SECONDS_PER_SOURCE, SECONDS_PER_SIGNATURE = 40e-6, 90e-6
"""Measured: an observation with its share of the aggregate; an Ed25519 signature."""


async def aggregate_oracles(container: Container, call: Call) -> Answer:
    """Aggregates of a request, durable in the audit log before they are returned; nothing else is stored.

    A symbol without a quorum is an outcome of that symbol, never an error of the call.
    """
    request = await validated(OraclesRequest, call)
    key = idempotency_key(call, ROUTE)
    if (known := await known_answer(container, key)) is not None:
        return known
    evaluation_id, started = new_id("ev", call.received_at), time.perf_counter()
    work = (request, evaluation_id, call.received_at)
    body = await in_thread(oracles_response, *work) if takes_long(request) else oracles_response(*work)
    computed = time.perf_counter()
    record = event_record(container, EventKind.ORACLE, evaluation_id, call, body, key)
    appended = await container.audit.append(record, timeout=call.timeout_seconds)
    return stored_answer(appended, body, {"compute": computed - started, "audit": time.perf_counter() - computed})


def takes_long(request: OraclesRequest) -> bool:
    """Whether the work should not be done on the event loop."""
    rows = [row for item in request.oracles for row in item.observations]
    signed = sum(row.signature is not None for row in rows)
    return len(rows) * SECONDS_PER_SOURCE + signed * SECONDS_PER_SIGNATURE > INLINE_SECONDS


def oracles_response(request: OraclesRequest, evaluation_id: str, received_at: datetime) -> bytes:
    """Answer bytes: they depend on the request, the id and the time of receipt alone, so that a record can be replayed.

    Raises
    ------
    InvalidInput
        If `as_of` lies in the future.
    """
    notes, as_of, policy = Notes(), _as_of(request, received_at), request.policy
    if request.as_of is None:
        notes.assume("/as_of", time_text(as_of), "ages are counted to the time of receipt")
    if any(row.currency is None for item in request.oracles for row in item.observations):
        notes.assume("/oracles", policy.currency, "observations without a currency are quoted in that of the policy")
    found = aggregated(request.oracles, request.rates, request.keys, policy, as_of)
    rows = [oracle_row(symbol, item, policy) for symbol, item in found.items()]
    head = {"evaluation_id": evaluation_id, "as_of": time_text(as_of), "received_at": time_text(received_at)}
    return orjson.dumps({**head, "oracles": rows, "assumptions": notes.assumptions})


def _as_of(request: OraclesRequest, received_at: datetime) -> datetime:
    if request.as_of is not None and request.as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(request.as_of), "check your clock against GET /v1/time")
    return request.as_of or received_at
