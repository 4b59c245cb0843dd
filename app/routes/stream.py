"""`WS /v1/stream`: one task that receives; what is sent is written where it comes about."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from app.authentication import keys_required
from app.body import read_json
from app.caller import ANY_KEY, Caller, Scope, caller_of
from app.deps import container_of, read_query, read_timeout
from app.errors import problem_of, respond
from app.problems import BrokenRule, RequestProblem
from app.request_signature import is_signed
from app.routes.reply import reply_json
from app.routes.routing import identify, route
from app.stream_protocol import EXTENSION
from app.usecases.hub import MAX_CONNECTIONS, Hub
from app.usecases.stream import BAD_VERSION, Connection
from app.usecases.stream_access import PATH
from app.usecases.tickets import issue_ticket
from models.api.query import NoParameters
from models.api.stream import SUBPROTOCOL
from models.api.ticket import TicketRequest

UNKNOWN_SHARE = 0.8
"""Part of the streams of a process that those may take who have not shown a key yet."""


async def open_stream(websocket: WebSocket) -> None:
    """Serve one client until either side ends."""
    hub: Hub = websocket.app.state.hub
    try:
        check_handshake(websocket, hub)
        caller = await caller_of_handshake(websocket)
    except RequestProblem as problem:
        await websocket.send_denial_response(respond(websocket.scope, problem))
        return
    offered = websocket.scope["subprotocols"]
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    socket = websocket.scope["extensions"][EXTENSION]
    if offered and SUBPROTOCOL not in offered:
        socket.cut(*BAD_VERSION)
        return
    address = websocket.client.host if websocket.client else None
    connection = Connection(
        websocket.app.state.container, hub, lambda error: problem_of(websocket, error), socket, caller, address
    )
    connection.open()
    try:
        await receive_frames(websocket, connection)
    finally:
        connection.close()


async def receive_frames(websocket: WebSocket, connection: Connection) -> None:
    """Act on what comes, one frame after the other, until the client is gone or the connection was closed."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            connection.gone(message.get("code"))
            return
        await connection.receive(message.get("text"))


async def caller_of_handshake(websocket: WebSocket) -> Caller | None:
    """Whom the headers of a handshake prove; None where an ``auth`` frame must come, as from every page.

    Raises
    ------
    RequestProblem
        If they prove nobody.
    """
    headers = websocket.scope["headers"]
    if keys_required(websocket.app.state.container) and not shows_key(headers):
        return None
    return (await identify(websocket))[0]


def shows_key(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a handshake carries a key or a signature, good or not."""
    return is_signed(headers) or any(name == b"authorization" for name, _ in headers)


async def create_ticket(request: Request) -> Response:
    """A ticket for a page."""
    read_query(request, NoParameters)
    body = (await read_json(request))[1]
    read_timeout(request)
    wanted = TicketRequest.model_validate(body).scopes
    scopes = None if wanted is None else [Scope(name) for name in wanted]
    return reply_json(await issue_ticket(container_of(request), caller_of(request.scope), scopes))


def check_handshake(websocket: WebSocket, hub: Hub) -> None:
    """Refuse a handshake before anything is opened.

    Raises
    ------
    RequestProblem
        That says why.
    """
    scope = websocket.scope
    if EXTENSION not in scope["extensions"]:
        raise RequestProblem("stream_unavailable", "this server was started without app.stream_protocol")
    if scope["query_string"]:
        rule = "must be absent: keys and channels do not belong into a URL"
        raise RequestProblem("invalid_request", f"the query {rule}", [BrokenRule("query:", "unknown_field", rule)])
    allowed = websocket.app.state.settings.allowed_origins
    if not is_allowed_origin(scope["headers"], allowed):
        rule = "must be this host, or one of TRIMTAB_ALLOWED_ORIGINS"
        raise RequestProblem("origin_denied", f"Origin {rule}", [BrokenRule("header:Origin", "not_allowed", rule)])
    if hub.draining:
        raise RequestProblem("draining", "the service is about to end")
    most = MAX_CONNECTIONS
    if keys_required(websocket.app.state.container) and not shows_key(scope["headers"]):
        most = int(UNKNOWN_SHARE * MAX_CONNECTIONS)  # the rest is for those who show a key at once
    if len(hub.connections) >= most:
        raise RequestProblem("too_many_connections", f"this process serves {most} connections")


def is_allowed_origin(headers: list[tuple[bytes, bytes]], allowed: tuple[str, ...]) -> bool:
    """Whether a page of the origin may connect. Programs other than browsers send none, and may.

    Browsers let every page on the internet open a WebSocket to any host, and send cookies along; only the origin tells.

    Examples
    --------
    >>> is_allowed_origin([(b"host", b"desk:8000")], ())
    True
    >>> is_allowed_origin([(b"host", b"desk:8000"), (b"origin", b"http://desk:8000")], ())
    True
    >>> is_allowed_origin([(b"host", b"desk:8000"), (b"origin", b"https://evil.example")], ())
    False
    """
    origins = [value.decode("latin-1").lower() for name, value in headers if name == b"origin"]
    if not origins:
        return True
    if len(origins) > 1:
        return False
    if origins[0] in allowed:
        return True
    host = next((value for name, value in headers if name == b"host"), b"").decode("latin-1").lower()
    return origins[0] in (f"http://{host}", f"https://{host}") and bool(urlsplit(origins[0]).hostname)


ROUTES: tuple[Any, ...] = (
    WebSocketRoute(PATH, open_stream, name="open_stream"),
    route("POST", "/v1/stream/tickets", create_ticket, ANY_KEY),
)
