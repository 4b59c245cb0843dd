"""Tickets: what a page of a browser shows the stream in the place of a key, once, within half a minute.

A page must not hold a key longer than it has to, and a browser sends no header with a WebSocket. The store knows only
the digest of a ticket: who reads it can open nothing.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson

from app.authentication import admit, check_scope, key_for_check, keys_required
from app.caller import LOCAL, Caller, Scope
from app.container import Container
from app.problems import RequestProblem
from app.translate.answer import time_text

TICKET_SECONDS = 30
PREFIX = "ttk_"


async def issue_ticket(container: Container, caller: Caller, wanted: Collection[Scope] | None) -> dict[str, Any]:
    """A ticket of a caller, with all of its scopes or some.

    Raises
    ------
    RequestProblem
        403 `forbidden_scope` for a scope that the caller does not have.
    """
    scopes = caller.scopes if wanted is None else frozenset(wanted)
    for scope in sorted(scopes):
        check_scope(caller, scope)
    ticket = PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    named = sorted(scope.value for scope in scopes)
    content = {"tenant": caller.tenant_id, "key_id": caller.key_id, "scopes": named}
    await container.doors.keep(_name(ticket), orjson.dumps(content), seconds=TICKET_SECONDS)
    until = container.clock.now() + timedelta(seconds=TICKET_SECONDS)
    return {"ticket": ticket, "expires_at": time_text(until), "tenant": caller.tenant_id, "scopes": named}


async def redeem_ticket(container: Container, ticket: str, address: str | None) -> Caller:
    """Caller of a ticket, which is used up.

    Raises
    ------
    RequestProblem
        401 where it is none, was used, or is too old, and where its key opens nothing any more.
    """
    content = await container.doors.redeem(_name(ticket))
    if content is None:
        raise _no_ticket()
    said = orjson.loads(content)
    scopes = frozenset(Scope(name) for name in said["scopes"])
    if said["key_id"] is None:
        if keys_required(container):
            raise _no_ticket()
        return replace(LOCAL, scopes=scopes)
    now = container.clock.now()
    key = await key_for_check(container, said["key_id"], address, now)
    if key is None:
        raise _no_ticket()
    caller = admit(container, key, address, now)
    return replace(caller, scopes=caller.scopes & scopes)


def _no_ticket() -> RequestProblem:
    return RequestProblem("unauthorized", "the ticket is not valid: each serves once, within 30 s")


def _name(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
