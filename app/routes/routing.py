"""How routes are made, and who may pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from starlette.requests import HTTPConnection
from starlette.routing import Route
from starlette.types import Receive, Send

from app.authentication import authenticate, check_scope, keys_required
from app.body import read_whole
from app.caller import CALLER_KEY, NOBODY, PUBLIC, Caller, Needs, Scope, caller_of
from app.container import Container
from app.costs import Price, price_of
from app.deadline import request_time
from app.log_lines import current_key_id
from app.problems import RequestProblem
from app.quota import computing, in_public, open_tab, under_way
from app.request_signature import STREAM, is_signed, target_of
from app.signed_requests import authenticate_signed, check_signed_head


class RawRoute(Route):
    """Route of one method whose endpoint takes the raw request.

    Starlette's own, not FastAPI's: parsing, dependencies, exit stacks would cost 30 µs a call and have nothing to do.
    """

    needs: Needs
    price: Price

    async def handle(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve who may pass, and leave the route in the scope for the metrics."""
        scope["route"] = self
        if scope["method"] not in (self.methods or ()):  # 405, which is no secret
            await super().handle(scope, receive, send)
            return
        with request_time():
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Any, receive: Receive, send: Send) -> None:
        receive = await let_in(HTTPConnection(scope), self.needs, receive) or receive
        container, caller = scope["app"].state.container, caller_of(scope)
        if self.needs is PUBLIC:
            with in_public(container, self.path):
                await super().handle(scope, receive, send)
            return
        with under_way(container, caller):
            await open_tab(container, caller, self.price, scope)
            with computing(container, caller, self.price):
                await super().handle(scope, receive, send)


def route(method: str, path: str, endpoint: Callable[[Request], Awaitable[Response]], needs: Needs) -> RawRoute:
    """Route of `method` alone (Starlette would add HEAD to GET), for those who have what it `needs`."""
    found = RawRoute(path, endpoint, methods=[method])
    found.methods, found.needs, found.price = {method}, needs, price_of(method, path)
    return found


async def let_in(connection: HTTPConnection, needs: Needs, receive: Receive | None = None) -> Receive | None:
    """Put the caller into the scope of a request or a handshake; what gives its body from now on.

    Raises
    ------
    RequestProblem
        If it may not pass.
    """
    if needs is PUBLIC:
        connection.scope[CALLER_KEY] = NOBODY
        return receive
    caller, receive = await identify(connection, receive)
    if isinstance(needs, Scope):
        check_scope(caller, needs)
    connection.scope[CALLER_KEY] = caller
    return receive


async def identify(connection: HTTPConnection, receive: Receive | None = None) -> tuple[Caller, Receive | None]:
    """Who calls, and what gives the body: of a signed request it was read, before anything else is done with it.

    Raises
    ------
    RequestProblem
        If that is not proven.
    """
    container: Container = connection.app.state.container
    address = connection.client.host if connection.client else None
    headers = connection.scope["headers"]
    if not is_signed(headers) or not keys_required(container):
        caller = await authenticate(container, headers, address, container.clock)
        current_key_id.set(caller.key_id)
        return caller, receive
    head = check_signed_head(container, headers, address)
    given = receive

    async def body() -> bytes:
        nonlocal given
        if given is None:
            return b""
        raw, given = await read_whole(given, container.settings.body_timeout_seconds)
        return raw

    scope = connection.scope
    method = str(scope["method"]) if scope["type"] == "http" else STREAM
    target = target_of(scope["raw_path"], scope["query_string"])
    caller = await authenticate_signed(container, head, method, target, body, address)
    current_key_id.set(caller.key_id)
    return caller, given


async def identified(connection: HTTPConnection, scope: Scope) -> bool:
    """Whether a caller of an open route has a scope, so that it may be told more."""
    try:
        return scope in (await identify(connection))[0].scopes
    except RequestProblem:
        return False
