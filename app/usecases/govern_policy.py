"""Governance of stored policies: rules, proposals, votes, activation. Every step is on record.

A step replaces the document of the policy where it is still the one that was read, and is recorded then; a call that
failed in between may be repeated, and finds its step taken. An activation lets more be done, so it is the other way
round: it is claimed, recorded, and only then in force. Whoever comes next finishes one that was left halfway.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from app.container import Container
from app.deadline import in_thread, lift
from app.governance_port import PolicyGoverned
from app.ids import new_id
from app.ports import AuditUnavailable, EventKind, IdempotencyKey, PolicyDraft, StoredPolicy
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, replayed, stored_answer
from app.usecases.find_policy import find_policy
from app.usecases.governance_step import (
    Action,
    Present,
    Step,
    Taken,
    encode_step,
    find,
    proposal_fields,
    rules_fields,
    rules_of,
    step,
    summary_fields,
)
from app.usecases.policies import version_fields
from models.api.governance import GovernanceIn, ProposalRequest, VoteRequest
from services.audit.governance import Claim, Governance

ATTEMPTS = 20
"""Steps of one policy that may come first, one after the other, before one gives up."""
_STREAM = b"policy:"


class NotGoverned(Exception):
    """The policy has no governance; the text says how it gets one."""


async def govern_policy(container: Container, call: Call, policy_id: str) -> Answer:
    """Put a policy under governance.

    From the moment of storing no version comes but from a proposal; the record follows.

    Raises
    ------
    UnknownPolicy
        If there is no such policy.
    PolicyGoverned
        If it is governed by other rules.
    """
    request = await validated(GovernanceIn, call)
    rules = rules_of(request)
    key = idempotency_key(call, f"PUT /v1/policies/{policy_id}/governance")
    if (known := await known_answer(container, key)) is not None:
        return known
    for _ in range(ATTEMPTS):
        before = await _document(container, policy_id)
        if before is not None and before.rules.digest != rules.digest:
            raise PolicyGoverned(policy_id)
        made = await _call(container, call, "govern", policy_id, None, before)
        taken = step(made)
        if not taken.changed or await _store(container, taken.after):
            return await _record(container, call, made, taken, key)
    raise _crowded(policy_id)


async def propose(container: Container, call: Call, policy_id: str) -> Answer:
    """Ask for a new version of a governed policy, or for new rules; its checks run in a worker thread."""
    await validated(ProposalRequest, call)
    return await _take(container, call, "propose", policy_id, None)


async def approve(container: Container, call: Call, policy_id: str, number: int) -> Answer:
    """Vote for a proposal."""
    await validated(VoteRequest, call)
    return await _take(container, call, "approve", policy_id, number)


async def reject(container: Container, call: Call, policy_id: str, number: int) -> Answer:
    """Vote against a proposal, or take an approval back."""
    await validated(VoteRequest, call)
    return await _take(container, call, "reject", policy_id, number)


async def _take(container: Container, call: Call, action: Action, policy_id: str, number: int | None) -> Answer:
    place = "proposals" if number is None else f"proposals/{number}:{action}"
    key = idempotency_key(call, f"POST /v1/policies/{policy_id}/{place}")
    if (known := await known_answer(container, key)) is not None:
        return known
    for _ in range(ATTEMPTS):
        before = await _settled(container, call, policy_id)
        made = await _call(container, call, action, policy_id, number, before)
        taken = await in_thread(step, made)
        if not taken.changed or await _store(container, taken.after):
            return await _record(container, call, made, taken, key)
    raise _crowded(policy_id)


async def activate(container: Container, call: Call, policy_id: str, number: int) -> Answer:
    """Bring a proposal into force, once; a repeat gives the recorded answer.

    Raises
    ------
    ProposalClosed, ProposalEarly
        If it may not be activated, any more or yet.
    """
    for _ in range(ATTEMPTS):
        before = await _settled(container, call, policy_id)
        proposal = find(before, number)
        if proposal.ended == "activated":
            entry = await container.audit.get(container.tenant_id, proposal.event_id)
            if entry is None:
                raise AuditUnavailable(f"the record of the activation of proposal {number} cannot be read")
            return replayed(entry)
        taken = step(await _call(container, call, "activate", policy_id, number, before))
        if await _store(container, taken.after):
            return await _finish(container, call, taken.after)
    raise _crowded(policy_id)


async def _settled(container: Container, call: Call, policy_id: str) -> Governance:
    """Document of a governed policy, without an activation that was left halfway."""
    for _ in range(ATTEMPTS):
        found = await _governed(container, policy_id)
        if found.claim is None:
            return found
        await _finish(container, call, found)
    raise _crowded(policy_id)


async def _finish(container: Container, call: Call, claimed: Governance) -> Answer:
    """Record a claimed activation, bring it into force, and let the next step come; each as often as it takes."""
    claim = claimed.claim
    assert claim is not None
    proposal = find(claimed, claim.number)
    policy_id, before = claimed.policy_id, claimed.unclaimed()
    own = replace(call, body=activation_path(policy_id, claim.number), received_at=claim.at)
    made = await _call(container, own, "activate", policy_id, claim.number, before, claim, proposal.base_version)
    body = step(made).body
    state = encode_step(made)
    try:
        answer = await _append(container, own, EventKind.GOVERNANCE, claim.event_id, body, state)
        if proposal.kind == "policy":
            draft = _draft(policy_id, proposal.content, orjson.loads(proposal.payload), proposal.comment, claim.at)
            version = proposal.base_version + 1
            lift()
            stored, _ = await container.policies.add(container.tenant_id, draft, decided=version)
            fact = orjson.dumps({**version_fields(stored), "created": True, "event_id": claim.fact_id})
            told = replace(own, body=_stored_request(stored))
            await _append(container, told, EventKind.POLICY, claim.fact_id, fact, b"")
        await _store(container, claimed.activated())
    except AuditUnavailable as error:
        text = f"proposal {claim.number} of {policy_id} is being activated, and that is not finished: activate it again"
        raise AuditUnavailable(f"{text}: {error.detail}", error.outcome) from None
    return answer


async def _append(
    container: Container, call: Call, kind: EventKind, event_id: str, body: bytes, state: bytes
) -> Answer:
    """Record under an id that is decided: once, whoever comes first, and however often."""
    entry = await container.audit.get(container.tenant_id, event_id)
    if entry is not None:
        return replayed(entry)
    fingerprint = hashlib.sha256(call.body + b"\0" + event_id.encode()).digest()
    key = IdempotencyKey(route="policy governance", key=event_id, fingerprint=fingerprint)
    record = event_record(container, kind, event_id, call, body, key, state=state)
    return stored_answer(await container.audit.append(record, timeout=call.timeout_seconds), body, {})


def activation_path(policy_id: str, number: int) -> bytes:
    """What stands on record in the place of the body that an activation does not have."""
    return f"/v1/policies/{policy_id}/proposals/{number}:activate".encode()


def _stored_request(stored: StoredPolicy) -> bytes:
    sent = {"policy_id": stored.policy_id, "policy": orjson.Fragment(stored.sent), "comment": stored.comment}
    return orjson.dumps(sent)


def _draft(policy_id: str, sha256: str, payload: dict[str, Any], comment: str | None, at: datetime) -> PolicyDraft:
    return PolicyDraft(
        policy_id=policy_id,
        sha256=sha256,
        defaults_version=payload["defaults_version"],
        sent=payload["sent"].encode(),
        resolved=payload["resolved"].encode(),
        comment=comment,
        created_at=at,
    )


async def _call(
    container: Container,
    call: Call,
    action: Action,
    policy_id: str,
    number: int | None,
    before: Governance | None,
    claim: Claim | None = None,
    version: int | None = None,
) -> Step:
    """A step with all that it reads; that of a claimed activation has the ids and the version of the claim."""
    newest = await find_policy(container.policies, container.tenant_id, policy_id, version)
    log, stream = (before.log, before.stream) if before is not None else await _names(container, policy_id)
    return Step(
        action=action,
        policy_id=policy_id,
        number=number,
        before=before,
        present=Present(newest.version, newest.sha256, newest.defaults_version, newest.resolved),
        log=log,
        stream=stream,
        request=activation_path(policy_id, number) if action == "activate" and number is not None else call.body,
        event_id=claim.event_id if claim else new_id("ev", call.received_at),
        fact_id=claim.fact_id if claim else new_id("ev", call.received_at),
        at=call.received_at,
    )


async def _names(container: Container, policy_id: str) -> tuple[str, str]:
    """Origin of the log, and the keyed hash of a policy: a statement for one tenant means nothing for another."""
    secrets = await container.tree.stream_secrets()
    if container.tenant_id not in secrets:
        raise AuditUnavailable("nothing of this tenant is on record yet: store the policy again")
    named = hmac.new(secrets[container.tenant_id], _STREAM + policy_id.encode(), hashlib.sha256)
    return (await container.tree.head()).origin, named.hexdigest()


async def _document(container: Container, policy_id: str) -> Governance | None:
    document = await container.governance.get(container.tenant_id, policy_id)
    return None if document is None else Governance.decoded(document)


async def _governed(container: Container, policy_id: str) -> Governance:
    found = await _document(container, policy_id)
    if found is None:
        await find_policy(container.policies, container.tenant_id, policy_id, None)
        raise NotGoverned(f"policy {policy_id} is not under governance: PUT /v1/policies/{policy_id}/governance")
    return found


async def _store(container: Container, after: Governance) -> bool:
    lift()
    return await container.governance.replace(
        container.tenant_id, after.policy_id, after.revision, after.encoded()
    )  # fmt: skip


async def _record(container: Container, call: Call, made: Step, taken: Taken, key: IdempotencyKey | None) -> Answer:
    record = event_record(
        container, EventKind.GOVERNANCE, made.event_id, call, taken.body, key, state=encode_step(made)
    )
    try:
        return stored_answer(await container.audit.append(record, timeout=call.timeout_seconds), taken.body, {})
    except AuditUnavailable as error:
        text = f"the step is taken, and not surely on record: repeat it: {error.detail}"
        raise AuditUnavailable(text, error.outcome) from None


def _crowded(policy_id: str) -> AuditUnavailable:
    return AuditUnavailable(f"{ATTEMPTS} other steps of the governance of {policy_id} came first: repeat")


async def read_governance(container: Container, policy_id: str, now: datetime) -> Answer:
    """Rules of a policy, and its proposals."""

    def fields(found: Governance, version: int) -> dict[str, Any]:
        newest_first = sorted(found.proposals, key=lambda item: -item.number)
        return {
            "policy_id": policy_id,
            "version": version,
            "governance": rules_fields(found.rules),
            "proposals": [summary_fields(found, item, now, version) for item in newest_first],
        }

    return await _shown(container, policy_id, fields)


async def read_proposal(container: Container, policy_id: str, number: int, now: datetime) -> Answer:
    """One proposal."""
    return await _shown(
        container, policy_id, lambda found, version: proposal_fields(found, find(found, number), now, version)
    )


async def _shown(container: Container, policy_id: str, fields: Callable[[Governance, int], dict[str, Any]]) -> Answer:
    found = await _governed(container, policy_id)
    newest = await find_policy(container.policies, container.tenant_id, policy_id, None)
    return Answer(200, orjson.dumps(fields(found, newest.version)))
