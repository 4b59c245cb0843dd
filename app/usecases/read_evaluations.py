"""Reading the history: stored answers, lists, replay, audit entries."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from app.container import Container
from app.deadline import in_thread
from app.ports import EventKind, StoredEntry
from app.translate.answer import time_text
from app.translate.difference import changed_values
from app.translate.state_record import ForeignRecord, decode_state
from app.usecases.aggregate_oracles import oracles_response
from app.usecases.call import Answer, Door
from app.usecases.decide import Gathered, decide, render
from app.usecases.evaluate_portfolio import REQUEST_MODELS, splice
from app.usecases.governance_step import decode_step, step
from app.usecases.manage_collateral import PLANS, plan_answer
from app.usecases.plan_execution import TOOLS, MarketRead, plan_response
from app.usecases.read_scalar import scalar_response
from app.version import versions_record
from models.api.oracle import OraclesRequest
from models.api.policy import RECORDED_DEFAULTS

DOORS = {door.kind: door for door in Door}
REPLAYABLE = frozenset(DOORS) | {EventKind.SCALAR, EventKind.ORACLE, EventKind.GOVERNANCE, *PLANS, *TOOLS}
MAX_DIFFERENCES = 20


class UnknownEntry(Exception):
    """No such entry for this tenant."""


class NotReplayable(Exception):
    """The entry records a fact and not a decision, or a state in the form of another build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryQuery:
    """Page of the history."""

    after: int | None = None
    limit: int = 100
    kind: str | None = None
    portfolio_id: str | None = None
    client_reference: str | None = None


async def read_evaluation(container: Container, evaluation_id: str) -> Answer:
    """Stored answer, exact bytes."""
    entry = await find_entry(container, evaluation_id)
    return Answer(entry.status, splice(entry.response, entry.index), (("ETag", f'"{entry.event_id}"'),), {})


async def list_evaluations(container: Container, query: EntryQuery) -> Answer:
    """Page of evaluations, oldest first; `next` is the cursor of the following page."""
    return await _page(container, query, kind=EventKind(query.kind) if query.kind else EventKind.EVALUATION)


async def list_audit_entries(container: Container, query: EntryQuery) -> Answer:
    """Page of the audit log, oldest first."""
    return await _page(container, query, kind=EventKind(query.kind) if query.kind else None)


async def _page(container: Container, query: EntryQuery, *, kind: EventKind | None) -> Answer:
    entries = await container.audit.entries(
        container.tenant_id,
        after=query.after,
        limit=query.limit,
        kind=kind,
        portfolio_id=query.portfolio_id,
        client_reference=query.client_reference,
    )
    items = [
        {
            "index": entry.index,
            "evaluation_id" if entry.kind in REPLAYABLE else "event_id": entry.event_id,
            "kind": entry.kind,
            "recorded_at": time_text(entry.recorded_at),
            "portfolio_id": entry.portfolio_id,
            "client_reference": entry.client_reference,
            "status": entry.status,
            "body_sha256": entry.body_sha256,
            "body_length": entry.body_length,
            "stored_bytes": entry.stored_bytes,
        }
        for entry in entries
    ]
    following = str(entries[-1].index) if len(entries) == query.limit else None
    return Answer(200, orjson.dumps({"items": items, "next": following}), (), {})


async def replay_evaluation(container: Container, evaluation_id: str) -> Answer:
    """Recompute a stored answer from its record and compare, byte for byte.

    Id, clocks and audit position are taken from the record; everything else is computed again.
    """
    entry = await find_entry(container, evaluation_id)
    if entry.kind not in REPLAYABLE:
        raise NotReplayable(entry.kind)
    recomputed = await in_thread(recompute, entry)
    body = {
        "evaluation_id": entry.event_id,
        "match": recomputed == entry.response,
        "differences": differences(orjson.loads(entry.response), orjson.loads(recomputed))[:MAX_DIFFERENCES],
        "versions": {"recorded": orjson.loads(entry.versions), "running": orjson.loads(versions_record())},
    }
    return Answer(200, orjson.dumps(body), (), {})


def recompute(entry: StoredEntry) -> bytes:
    """Answer bytes of a recorded request on the recorded state.

    Raises
    ------
    NotReplayable
        If the state is recorded in the form of another build.
    """
    if entry.kind == EventKind.ORACLE:
        sent = OraclesRequest.model_validate(orjson.loads(entry.request))
        return oracles_response(sent, entry.event_id, entry.recorded_at)
    if entry.kind in PLANS:
        asked = PLANS[entry.kind].model.model_validate(orjson.loads(entry.request))
        return plan_answer(entry.kind, asked, entry.event_id, entry.recorded_at)
    if entry.kind == EventKind.GOVERNANCE:
        taken = decode_step(entry.state, entry.request, entry.event_id, entry.recorded_at)
        if taken is None:
            raise NotReplayable(entry.kind)
        return step(taken).body
    try:
        recorded = decode_state(entry.state)
    except ForeignRecord as error:
        raise NotReplayable(entry.kind) from error
    stored = orjson.loads(entry.response)
    if entry.kind == EventKind.SCALAR:
        return scalar_response(
            entry.request.decode(), recorded.states, entry.event_id, entry.recorded_at, recorded.switches
        )
    if entry.kind in TOOLS:
        posted = TOOLS[entry.kind].model.model_validate(orjson.loads(entry.request))
        read = MarketRead(recorded.registered, recorded.states, recorded.switches)
        return plan_response(entry.kind, posted, read, entry.event_id, entry.recorded_at)
    door, version = DOORS[entry.kind], stored["inputs"]["defaults_version"]
    # A policy that was not sent is read like one without fields: with the defaults of its time.
    fields = {"policy": {}, **orjson.loads(entry.request)}
    request = REQUEST_MODELS[door].model_validate(fields, context={RECORDED_DEFAULTS: version})
    received_at = datetime.fromisoformat(stored["received_at"])
    gathered = Gathered(
        recorded.registered,
        recorded.states,
        recorded.correlation,
        policy=recorded.policy,
        switches=recorded.switches,
    )
    decision = decide(
        door,
        request,
        entry.request,
        gathered,
        evaluation_id=entry.event_id,
        received_at=received_at,
        defaults_version=version,
    )
    return render(decision, datetime.fromisoformat(stored["computed_at"]))


def differences(before: Any, after: Any) -> list[dict[str, Any]]:
    """JSON pointers at which two answers differ."""
    return [
        {"pointer": pointer, "recorded": old, "recomputed": new} for pointer, old, new in changed_values(before, after)
    ]


def body_of(entry: StoredEntry) -> dict[str, Any]:
    """Recorded bytes of an entry, as base64: exact, whatever they hold."""
    return {
        name: base64.b64encode(getattr(entry, name)).decode() for name in ("request", "response", "state", "versions")
    }


async def read_audit_body(container: Container, event_id: str) -> Answer:
    """Exact recorded bytes of one entry."""
    return Answer(200, orjson.dumps(body_of(await find_entry(container, event_id))), (), {})


async def find_entry(container: Container, event_id: str) -> StoredEntry:
    """Entry of the audit log.

    Raises
    ------
    UnknownEntry
        If there is none for this tenant.
    """
    entry = await container.audit.get(container.tenant_id, event_id)
    if entry is None:
        raise UnknownEntry(event_id)
    return entry
