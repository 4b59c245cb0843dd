"""Who opens a stream, what that caller may do on it, and when it must end because its key did."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.authentication import authenticate_bearer, keys_required
from app.caller import LOCAL, Caller, Scope
from app.container import Container
from app.ports import AuditUnavailable
from app.problems import RequestProblem
from app.request_signature import STREAM, BadSignature, head_of
from app.signed_requests import authenticate_signed, unsigned
from app.usecases.tickets import redeem_ticket
from models.api.stream import AuthFrame
from services.streaming.close import CloseCode
from services.streaming.session import Ended
from services.streaming.update import Channel, Kind

if TYPE_CHECKING:
    from app.usecases.hub import Hub

PATH = "/v1/stream"
AUTH_SECONDS = 5.0
"""Time in which a connection that came without a key must show one."""
WATCH_SECONDS = 1.0
"""How often the keys of open streams are looked at; with the age of what is known of a key, well below five seconds."""


async def caller_of_frame(container: Container, frame: AuthFrame, address: str | None) -> Caller:
    """Caller whom an ``auth`` frame proves; everyone is `LOCAL` where no key is required.

    Raises
    ------
    RequestProblem
        401, 403, 429 or 503, as for a request.
    """
    if frame.ticket is not None:
        return await redeem_ticket(container, frame.ticket, address)
    if not keys_required(container):
        return LOCAL
    if frame.key is not None:
        return await authenticate_bearer(container, frame.key, address, container.clock.now())
    if frame.key_id is None:
        raise RequestProblem("unauthorized", "auth needs a key, a ticket or a signature")
    try:
        head = head_of(frame.key_id, frame.ts or "", frame.nonce or "", frame.sig or "")
    except BadSignature as error:
        raise unsigned(str(error)) from None
    return await authenticate_signed(container, head, STREAM, PATH, _no_body, address)


async def _no_body() -> bytes:
    return b""


def scope_of_channel(channel: Channel) -> Scope:
    """What it takes to read a channel: of entries of the log what their routes take."""
    return Scope.AUDIT_READ if channel.kind is Kind.AUDIT else Scope.READ


async def watch_keys(container: Container, hub: Hub) -> None:
    """End streams whose keys end, for ever."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        await end_streams(container, hub)


async def end_streams(container: Container, hub: Hub) -> None:
    """End every stream whose key was revoked or has expired, and those without one once keys are required."""
    ends: dict[str | None, Ended | None] = {}
    if keys_required(container):
        ends[None] = Ended(CloseCode.UNAUTHENTICATED, "an API key is needed by now")
    for connection in tuple(hub.connections):
        if connection.caller is None:
            continue
        key_id = connection.caller.key_id
        if key_id is not None and key_id not in ends:
            ends[key_id] = await _end_of(container, key_id)
        if (ended := ends.get(key_id)) is not None:
            connection.end(ended)


async def _end_of(container: Container, key_id: str) -> Ended | None:
    """Why streams of a key must end. While nobody can say, they go on: what they are sent holds until it expires."""
    try:
        key = await container.keys.find(key_id)
    except AuditUnavailable:
        return None
    if key is None or key.revoked_at is not None:
        return Ended(CloseCode.KEY_REVOKED, "revoked")
    return Ended(CloseCode.KEY_REVOKED, "expired") if key.expired(container.clock.now()) else None
