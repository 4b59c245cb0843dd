"""Storing policies under a name, so that evaluations can name one instead of sending it."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import orjson

from app.container import Container
from app.deadline import lift
from app.ids import new_id
from app.ports import EventKind, PolicyDraft, StoredPolicy
from app.translate.answer import time_text
from app.translate.policy import policy_sha256, resolved_json
from app.usecases.call import Answer, Call
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, stored_answer
from app.usecases.find_policy import find_policy
from models.api.stored_policy import StorePolicyRequest
from services.engine.policy import DEFAULTS_VERSION

ROUTE = "POST /v1/policies"
VERSIONS_LISTED = 100


async def store_policy(container: Container, call: Call) -> Answer:
    """Store a policy as the next version of its id; the newest version, where that holds the same content.

    The policy is stored before it is in the audit log. A call that failed in between may be repeated: it finds the
    version that it made, and records it.
    """
    request = StorePolicyRequest.model_validate(call.parsed)
    key = idempotency_key(call, ROUTE)
    if (known := await known_answer(container, key)) is not None:
        return known
    lift()
    stored, created = await container.policies.add(container.tenant_id, draft_of(request, call))
    event_id = new_id("ev", call.received_at)
    body = orjson.dumps({**version_fields(stored), "created": created, "event_id": event_id})
    record = event_record(container, EventKind.POLICY, event_id, call, body, key)
    return stored_answer(await container.audit.append(record, timeout=call.timeout_seconds), body, {})


def draft_of(request: StorePolicyRequest, call: Call) -> PolicyDraft:
    """What is to be stored of a call."""
    policy = request.policy.resolved()
    sent = call.parsed["policy"] if isinstance(call.parsed, dict) else {}
    return PolicyDraft(
        policy_id=request.policy_id or made_up_id(call),
        sha256=policy_sha256(policy),
        defaults_version=DEFAULTS_VERSION,
        sent=orjson.dumps(sent),
        resolved=resolved_json(policy),
        comment=request.comment,
        created_at=call.received_at,
    )


def made_up_id(call: Call) -> str:
    """Id for a policy without one; the same for calls with the same key and body, so that a repeat stores nothing."""
    if call.idempotency_key is None:
        return new_id("pol", call.received_at)
    return f"pol_{hashlib.sha256(call.idempotency_key.encode() + bytes(1) + call.body).hexdigest()[:32]}"


async def read_policy(container: Container, policy_id: str) -> Answer:
    """Newest version of a policy, and a list of the others.

    Raises
    ------
    UnknownPolicy
        If there is none.
    """
    newest = await find_policy(container.policies, container.tenant_id, policy_id, None)
    listed = await container.policies.versions(container.tenant_id, policy_id, limit=VERSIONS_LISTED)
    # Another version may have come between the two reads: each is whole, and the older one counts.
    versions = [summary_fields(item) for item in listed if item.version <= newest.version]
    body = orjson.dumps({**version_fields(newest), "versions": versions})
    return Answer(200, body, (("ETag", f'"{newest.version}-{newest.sha256}"'),), {})


async def read_version(container: Container, policy_id: str, version: int) -> Answer:
    """One version of a policy.

    Raises
    ------
    UnknownPolicy
        If there is none.
    """
    found = await find_policy(container.policies, container.tenant_id, policy_id, version)
    return Answer(200, orjson.dumps(version_fields(found)), (("ETag", f'"{found.sha256}"'),), {})


async def list_policies(container: Container, after: str | None, limit: int) -> Answer:
    """Page of policies by id, each in its newest version.

    Raises
    ------
    ValueError
        If `after` is no cursor of ours.
    """
    page = await container.policies.list(
        container.tenant_id, after=_decode_cursor(after) if after else None, limit=limit
    )
    following = _encode_cursor(page[-1].policy_id) if len(page) == limit else None
    return Answer(200, orjson.dumps({"items": [summary_fields(item) for item in page], "next": following}), (), {})


def summary_fields(stored: StoredPolicy) -> dict[str, Any]:
    """A version without its content."""
    return {
        "policy_id": stored.policy_id,
        "version": stored.version,
        "sha256": stored.sha256,
        "defaults_version": stored.defaults_version,
        "comment": stored.comment,
        "created_at": time_text(stored.created_at),
    }


def version_fields(stored: StoredPolicy) -> dict[str, Any]:
    """A version with its content."""
    content = {"policy": orjson.Fragment(stored.sent), "policy_resolved": orjson.Fragment(stored.resolved)}
    return {**summary_fields(stored), **content}


def _encode_cursor(policy_id: str) -> str:
    return base64.urlsafe_b64encode(policy_id.encode()).decode()


def _decode_cursor(cursor: str) -> str:
    return base64.urlsafe_b64decode(cursor).decode("ascii")
