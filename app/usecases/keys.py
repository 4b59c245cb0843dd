"""Making, reading and revoking API keys. A secret passes through here once, and is on no record."""

from __future__ import annotations

import base64
import dataclasses
from datetime import datetime
from ipaddress import ip_network
from typing import Any

import orjson

from app.api_key import KeyText, new_key, new_name
from app.authentication import keys_required, plan_of_key
from app.caller import Caller, Scope
from app.container import Container
from app.deadline import lift
from app.ids import new_id
from app.key_port import ApiKey, Signing
from app.ports import AuditUnavailable, EventKind, Outcome
from app.problems import RequestProblem
from app.quota import plan_of
from app.translate.answer import time_text
from app.usecases.call import Answer, Call
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, splice, stored_answer
from models.api.key import CreateKeyRequest
from services.core.errors import InvalidInput

CREATE, REVOKE = "POST /v1/keys", "DELETE /v1/keys"
SHOWN = "keep it: it is stored nowhere, and no other answer will have it"
NOT_SHOWN = "the secret was in the first answer to this call only: if it is lost, revoke this key and make another"


async def create_key(container: Container, call: Call, caller: Caller | None, environment: str = "live") -> Answer:
    """Make a key for the tenant of the container; `caller` is who asks, None for the operator.

    It is on record before it opens anything, so that no key opens that the log does not know.

    Raises
    ------
    InvalidInput
        For an end that is past, or a rate above that of who asks.
    """
    request = CreateKeyRequest.model_validate(call.parsed)
    known = idempotency_key(call, CREATE)
    if (answered := await known_answer(container, known)) is not None:
        return answered
    if request.expires_at is not None and request.expires_at <= call.received_at:
        raise InvalidInput("expires_at", "must lie in the future", time_text(request.expires_at))
    text = new_key(environment) if request.signing == "bearer" else None
    key = _key(container, request, text, call.received_at)
    _check_rate(container, key, caller)
    event_id = new_id("ev", call.received_at)
    said = {
        **key_fields(key),
        "by": caller.key_id if caller is not None else None,
        "event_id": event_id,
        "key": None,
        "signing_secret": None,
        "note": NOT_SHOWN,
    }
    body = orjson.dumps(said)
    record = event_record(container, EventKind.KEY, event_id, call, body, known)
    appended = await container.audit.append(record, timeout=call.timeout_seconds)
    if appended.replayed:
        return stored_answer(appended, body, {})
    try:
        await container.keys.add(key)
    except AuditUnavailable as error:
        detail = f"{key.key_id} is on record, but not surely stored: {error.detail}"
        raise AuditUnavailable(detail, Outcome.UNKNOWN) from None
    shown = said | _secrets(container, key, text) | {"note": SHOWN if key.signing is not Signing.ED25519 else ""}
    return Answer(200, splice(orjson.dumps(shown), appended.index))


def _key(container: Container, request: CreateKeyRequest, text: KeyText | None, now: datetime) -> ApiKey:
    if container.pepper is None:
        raise RequestProblem("keys_unavailable", "this process has no pepper: TRIMTAB_KEY_PEPPER_FILE names its file")
    return ApiKey(
        key_id=f"key_{new_name()}" if text is None else text.key_id,
        tenant_id=container.tenant_id,
        scopes=frozenset(map(Scope, request.scopes)),
        label=request.label,
        created_at=now,
        expires_at=request.expires_at,
        networks=tuple(map(ip_network, request.networks)),
        signing=Signing(request.signing),
        public_key=base64.b64decode(request.public_key) if request.public_key else None,
        digest=None if text is None else container.pepper.digest(text.text),
        units_per_second=request.units_per_second,
        burst_units=request.burst_units,
    )


def _check_rate(container: Container, key: ApiKey, caller: Caller | None) -> None:
    """A key gives no rate that its maker does not have: who may make keys must not lift the limit of the operator."""
    most = plan_of(caller, container.settings) if caller is not None and caller.key_id is not None else None
    own = plan_of_key(key, container.settings)
    if most is None or own is None:
        return
    if own.milliunits_per_second > most.milliunits_per_second:
        limit = most.milliunits_per_second / 1000.0
        raise InvalidInput(
            "units_per_second", f"must be at most {limit:g}, that of the key that asks", key.units_per_second
        )
    if own.burst > most.burst:
        raise InvalidInput("burst_units", f"must be at most {most.burst}, that of the key that asks", own.burst)


def _secrets(container: Container, key: ApiKey, text: KeyText | None) -> dict[str, str]:
    if text is not None:
        return {"key": text.text}
    if key.signing is Signing.HMAC and container.pepper is not None:
        return {"signing_secret": base64.b64encode(container.pepper.signing_secret(key.key_id)).decode()}
    return {}


async def revoke_key(container: Container, call: Call, key_id: str, by: str | None) -> Answer:
    """End a key of the tenant. It opens nothing before that is on record, and stays so if the record fails.

    Raises
    ------
    RequestProblem
        404 where the tenant has no such key.
    """
    known = idempotency_key(call, f"{REVOKE}/{key_id}")
    if (answered := await known_answer(container, known)) is not None:
        return answered
    lift()
    key = await container.keys.revoke(container.tenant_id, key_id, call.received_at)
    if key is None:
        raise RequestProblem("not_found", "there is no key with this id")
    event_id = new_id("ev", call.received_at)
    body = orjson.dumps({**key_fields(key), "by": by, "event_id": event_id})
    record = event_record(container, EventKind.KEY, event_id, call, body, known)
    try:
        appended = await container.audit.append(record, timeout=call.timeout_seconds)
    except AuditUnavailable as error:
        raise AuditUnavailable(
            f"{key_id} is revoked, but that is not surely on record: {error.detail}", error.outcome
        ) from None
    return stored_answer(appended, body, {})


async def list_keys(container: Container, after: str | None, limit: int) -> Answer:
    """Page of the tenant's keys by id."""
    page = await container.keys.list(container.tenant_id, after=after, limit=limit)
    body = {
        "items": [key_fields(key) for key in page],
        "next": page[-1].key_id if len(page) == limit else None,
        "staleness_seconds": container.keys.staleness_seconds,
    }
    return Answer(200, orjson.dumps(body))


async def read_current(container: Container, caller: Caller) -> Answer:
    """Who calls."""
    key = None if caller.key_id is None else await container.keys.find(caller.key_id)
    shown = {} if key is None else key_fields(key)
    body = {
        "tenant_id": caller.tenant_id,
        "key_id": caller.key_id,
        "label": shown.get("label"),
        "scopes": sorted(caller.scopes),
        "expires_at": shown.get("expires_at"),
        "networks": shown.get("networks", []),
        "keys_required": keys_required(container),
    }
    return Answer(200, orjson.dumps(body))


def key_fields(key: ApiKey) -> dict[str, Any]:
    """A key in the form of the wire."""
    moments = {"created_at": key.created_at, "expires_at": key.expires_at, "revoked_at": key.revoked_at}
    fields = {item.name: getattr(key, item.name) for item in dataclasses.fields(key) if item.name != "digest"}
    return fields | {
        "scopes": sorted(key.scopes),
        "networks": [str(network) for network in key.networks],
        "public_key": None if key.public_key is None else base64.b64encode(key.public_key).decode(),
        **{name: None if moment is None else time_text(moment) for name, moment in moments.items()},
    }
