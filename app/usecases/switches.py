"""Setting and reading operator's switches."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from app.container import Container
from app.deadline import lift
from app.ids import new_id
from app.ports import AuditUnavailable, EventKind
from app.translate.answer import time_text
from app.usecases.call import Answer, Call
from app.usecases.evaluate_portfolio import event_record, idempotency_key, known_answer, stored_answer
from models.api.switch import SwitchRequest
from services.guards.switches import Switch, SwitchMode, check_expiry, loosens

ROUTE = "PUT /v1/breakers"
ATTEMPTS = 20
"""Writers of one scope that may be first, one after the other, before one gives up."""
LATCHED = "breaker_reset in a request of POST /v1/evaluations names scope, actor and reason: docs/margin.md, Breakers"


class PreconditionFailed(Exception):
    """A change that lets more be done was not made from the present version, whose tag is `tag`."""

    def __init__(self, detail: str, tag: str) -> None:
        super().__init__(detail)
        self.detail, self.tag = detail, tag


async def set_switch(container: Container, call: Call, scope: str, tags: frozenset[str]) -> Answer:
    """Set a switch; `tags` are those of `If-Match`.

    What stops more is in force before it is on record, and stays so if the record fails. What lets more be done is on
    record before it is in force: its version is claimed with the former mode, and gets its own once it is recorded.

    Raises
    ------
    PreconditionFailed
        If more may be done after it, and `tags` do not name the present version.
    InvalidInput
        For an end that means nothing.
    """
    request = SwitchRequest.model_validate(call.parsed)
    key = idempotency_key(call, f"{ROUTE}/{scope}")
    if (known := await known_answer(container, key)) is not None:
        await _settle(container, known.body)
        return known
    before, after = await _store(container, request, scope, call.received_at, tags)
    loosened = loosens(before, after, call.received_at)
    event_id = new_id("ev", call.received_at)
    body = orjson.dumps(
        {
            **switch_fields(after, call.received_at),
            "loosened": loosened,
            "before": {
                "mode": before.mode,
                "in_force": before.mode_at(call.received_at),
                "version": before.version,
            },
            "event_id": event_id,
        }
    )
    record = event_record(container, EventKind.BREAKER, event_id, call, body, key)
    try:
        appended = await container.audit.append(record, timeout=call.timeout_seconds)
    except AuditUnavailable as error:
        held = f"{scope} stays as it was" if loosened else f"{scope} is on {after.mode.value}"
        raise AuditUnavailable(f"{held}, but that is not surely on record: {error.detail}", error.outcome) from None
    answer = stored_answer(appended, body, {})
    await _settle(container, answer.body)
    return answer if appended.replayed else replace(answer, headers=(("ETag", tag_of(after, call.received_at)),))


async def _store(
    container: Container, request: SwitchRequest, scope: str, now: datetime, tags: frozenset[str]
) -> tuple[Switch, Switch]:
    """The switch before, and as it is to be; of one that is loosened the version is claimed only."""
    for _ in range(ATTEMPTS):
        before = await _present(container, scope)
        after = Switch(
            scope=scope,
            mode=SwitchMode(request.mode),
            actor=request.actor,
            reason=request.reason,
            version=before.version + 1,
            set_at=now,
            expires_at=request.expires_at,
        )
        check_expiry(after, now)
        loosened = loosens(before, after, now)
        if loosened and (tag := tag_of(before, now)) not in tags:
            raise PreconditionFailed(_too_loose(before, after, now, tag, sent=bool(tags)), tag)
        stored = replace(before, version=after.version) if loosened else after
        lift()
        if await container.switches.replace(container.tenant_id, stored, before.version):
            return before, after
    raise AuditUnavailable(f"{ATTEMPTS} other writers of switch {scope} came first: repeat")


def _too_loose(before: Switch, after: Switch, now: datetime, tag: str, *, sent: bool) -> str:
    text = f"{before.scope} is on {before.mode_at(now).value}, version {before.version}, set by {before.actor}"
    asked = f"{after.mode.value}" + (" with an end" if after.expires_at else "")
    why = "If-Match names another version" if sent else "If-Match is missing"
    return f"{text}: {asked} lets more be done, now or later, and {why}; the present one is {tag}"


async def _settle(container: Container, body: bytes) -> None:
    """Put a loosened switch into force once its answer is on record; nothing where a later change came between."""
    stored = orjson.loads(body)
    if not stored["loosened"]:
        return
    settled = Switch(
        scope=stored["scope"],
        mode=SwitchMode(stored["mode"]),
        actor=stored["actor"],
        reason=stored["reason"],
        version=stored["version"],
        set_at=datetime.fromisoformat(stored["set_at"]),
        expires_at=datetime.fromisoformat(stored["expires_at"]) if stored["expires_at"] else None,
    )
    await container.switches.replace(container.tenant_id, settled, settled.version)


async def _present(container: Container, scope: str) -> Switch:
    return await container.switches.get(container.tenant_id, scope) or Switch(scope=scope)


async def read_switch(container: Container, scope: str, now: datetime) -> Answer:
    """One switch, from the store itself; `normal`, version 0, where it was never set."""
    found = await _present(container, scope)
    return Answer(200, orjson.dumps(switch_fields(found, now)), (("ETag", tag_of(found, now)),))


async def list_switches(container: Container, after: str | None, limit: int, now: datetime) -> Answer:
    """Page of switches by scope.

    Raises
    ------
    ValueError
        If `after` is no cursor of ours.
    """
    page = await container.switches.list(
        container.tenant_id, after=_decode_cursor(after) if after else None, limit=limit
    )
    following = _encode_cursor(page[-1].scope) if len(page) == limit else None
    body = {
        "items": [switch_fields(item, now) for item in page],
        "next": following,
        "staleness_seconds": container.switches.staleness_seconds,
        "latched_levels": LATCHED,
    }
    return Answer(200, orjson.dumps(body))


def switch_fields(switch: Switch, now: datetime) -> dict[str, Any]:
    """A switch in the form of the wire."""
    return {
        "scope": switch.scope,
        "mode": switch.mode,
        "in_force": switch.mode_at(now),
        "actor": switch.actor or None,
        "reason": switch.reason or None,
        "version": switch.version,
        "set_at": time_text(switch.set_at) if switch.set_at else None,
        "expires_at": time_text(switch.expires_at) if switch.expires_at else None,
    }


def tag_of(switch: Switch, now: datetime) -> str:
    """Entity tag: it changes with the version, and once more when the switch expires."""
    return f'"{switch.version}-expired"' if switch.expired(now) else f'"{switch.version}"'


def _encode_cursor(scope: str) -> str:
    return base64.urlsafe_b64encode(scope.encode()).decode()


def _decode_cursor(cursor: str) -> str:
    return base64.urlsafe_b64decode(cursor).decode("ascii")
