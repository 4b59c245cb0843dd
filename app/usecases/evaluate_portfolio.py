"""The core call and its narrow doors: gather, decide, write to the audit log, answer."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.container import Container
from app.deadline import in_thread
from app.ids import new_id
from app.ports import Appended, AuditRecord, EventKind, IdempotencyKey, IdempotencyMismatch, StoredEntry
from app.usecases.call import Answer, Call, Door
from app.usecases.decide import AnyRequest, Decision, Gathered, decide, policy_of, render, state_record
from app.usecases.effort import takes_a_while, validated
from app.usecases.gather import gather
from app.usecases.permits import ORDERING, with_permits
from app.usecases.receipts import with_receipt
from app.version import versions_record
from models.api.evaluation import EvaluationRequest, HedgesRequest, MarginRequest, OptionsIn
from models.api.portfolio import LiveRequest
from services.core.errors import InvalidInput

REQUEST_MODELS: dict[Door, type[EvaluationRequest] | type[MarginRequest] | type[HedgesRequest]] = {
    Door.EVALUATIONS: EvaluationRequest,
    Door.TARGETS: EvaluationRequest,
    Door.MARGIN: MarginRequest,
    Door.HEDGES: HedgesRequest,
    Door.LIVE: LiveRequest,
}


async def evaluate_portfolio(container: Container, call: Call, door: Door) -> Answer:
    """One answered and audited decision.

    The answer is durable in the audit log before it is returned. With an idempotency key that was seen before, the
    stored answer is returned, byte for byte.

    Raises
    ------
    InvalidInput
        If a receipt or permits are asked for and nobody signs the log, or permits where there are no orders.
    """
    request = await validated(REQUEST_MODELS[door], call)
    _check_signed(container, request.options, door)
    key = idempotency_key(call, door.value)
    if (known := await known_answer(container, key)) is not None:
        return await _signed(container, request.options, known, None)
    recorded = await decide_and_record(container, call, door, request, key)
    answer = stored_answer(recorded.appended, recorded.body, recorded.timings)
    return await _signed(container, request.options, answer, recorded.appended)


def _check_signed(container: Container, options: OptionsIn, door: Door) -> None:
    remedy = "TRIMTAB_LOG_KEY_FILE names a key"
    for name, wanted in (("receipt", options.receipt == "proof"), ("permits", options.permits)):
        if wanted and container.signer is None:
            raise InvalidInput(f"options.{name}", "needs a log that is signed", getattr(options, name), remedy)
    if options.permits and door not in ORDERING:
        raise InvalidInput("options.permits", "goes with an answer that has orders", True)


async def _signed(container: Container, options: OptionsIn, answer: Answer, appended: Appended | None) -> Answer:
    """The answer with what its options want signed: added after the write, the same bytes whenever it is made."""
    if options.receipt == "proof":
        answer = await with_receipt(container, answer, appended)
    return await with_permits(container, answer) if options.permits else answer


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision after the write: `body` is its answer without the audit block."""

    decision: Decision
    gathered: Gathered
    appended: Appended
    body: bytes
    timings: dict[str, float]


async def decide_and_record(
    container: Container, call: Call, door: Door, request: AnyRequest, key: IdempotencyKey | None
) -> Recorded:
    """Gather, decide, write; with a key that another writer was faster to use, that writer's entry is in `appended`."""
    evaluation_id = new_id("ev", call.received_at)
    gathered = await gather(container, request, call.received_at)
    started = time.perf_counter()
    decided = partial(
        decide, door, request, call.body, gathered, evaluation_id=evaluation_id, received_at=call.received_at
    )
    long = takes_a_while(request) or policy_of(request, gathered.policy).hedge_optimizer is not None
    decision = await in_thread(decided) if long else decided()
    body = render(decision, container.clock.now())
    computed = time.perf_counter()
    record = audit_record(container.tenant_id, decision, gathered, call, body, key)
    appended = await container.audit.append(record, timeout=call.timeout_seconds)
    timings = {"compute": computed - started, "audit": time.perf_counter() - computed}
    return Recorded(decision, gathered, appended, body, timings)


def idempotency_key(call: Call, route: str) -> IdempotencyKey | None:
    """Key of a call: scope (tenant, route), fingerprint of the exact body."""
    if call.idempotency_key is None:
        return None
    return IdempotencyKey(
        route=route, key=call.idempotency_key, fingerprint=hashlib.sha256(call.body + b"\0application/json").digest()
    )


def audit_record(
    tenant_id: str, decision: Decision, gathered: Gathered, call: Call, body: bytes, key: IdempotencyKey | None
) -> AuditRecord:
    """Everything that is needed to recompute the answer."""
    return AuditRecord(
        event_id=decision.inputs.evaluation_id,
        kind=decision.door.kind,
        recorded_at=call.received_at,
        tenant_id=tenant_id,
        portfolio_id=decision.request.portfolio_id,
        client_reference=decision.request.client_reference,
        status=200,
        request=call.body,
        response=body,
        state=state_record(decision, gathered),
        versions=versions_record(),
        idempotency=key,
        proof=decision.request.options.receipt == "proof",
    )


def event_record(
    container: Container,
    kind: EventKind,
    event_id: str,
    call: Call,
    body: bytes,
    key: IdempotencyKey | None,
    **known: Any,
) -> AuditRecord:
    """Record of a call that is no decision on a portfolio; `known` are further fields, such as the state read."""
    fields: dict[str, Any] = {"portfolio_id": None, "client_reference": None, "state": b"", **known}
    return AuditRecord(
        event_id=event_id,
        kind=kind,
        recorded_at=call.received_at,
        tenant_id=container.tenant_id,
        status=200,
        request=call.body,
        response=body,
        versions=versions_record(),
        idempotency=key,
        **fields,
    )


def splice(body: bytes, index: int) -> bytes:
    """Answer with its audit block: the index is known only after the write, so it is appended, not stored twice."""
    return b'%b,"audit":{"index":%d,"durable":true}}' % (body[:-1], index)


def stored_answer(appended: Appended, body: bytes, timings: dict[str, float]) -> Answer:
    """Answer after the write; where another writer stored the same key first, that writer's answer."""
    if appended.replayed and appended.entry is not None:
        return replayed(appended.entry)
    return Answer(200, splice(body, appended.index), (), timings)


def replayed(entry: StoredEntry) -> Answer:
    """Stored answer of a known key, byte for byte."""
    return Answer(entry.status, splice(entry.response, entry.index), (("Idempotency-Replayed", "true"),), {})


async def known_answer(container: Container, key: IdempotencyKey | None) -> Answer | None:
    """Stored answer under this key, if any.

    Raises
    ------
    IdempotencyMismatch
        If the key was used with another body.
    """
    if key is None:
        return None
    stored = await container.audit.find_idempotent(container.tenant_id, key.route, key.key)
    if stored is None:
        return None
    if stored.fingerprint != key.fingerprint:
        raise IdempotencyMismatch(key.key)
    return replayed(stored.entry)
