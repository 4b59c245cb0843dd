"""How routes are made, and who may pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from starlette.requests import HTTPConnection
from starlette.routing import Route
from starlette.types import Receive, Send

from app.authentication import authenticate, check_scope
from app.caller import CALLER_KEY, NOBODY, PUBLIC, Caller, Needs, Scope
from app.container import Container
from app.log_lines import current_key_id
from app.problems import RequestProblem


class RawRoute(Route):
    """Route of one method whose endpoint takes the raw request.

    Starlette's own, not FastAPI's: parsing, dependencies, exit stacks would cost 30 µs a call and have nothing to do.
    """

    needs: Needs

    async def handle(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve who may pass, and leave the route in the scope for the metrics."""
        scope["route"] = self
        if scope["method"] in (self.methods or ()):  # else 405, which is no secret
            await let_in(HTTPConnection(scope), self.needs)
        await super().handle(scope, receive, send)


def route(method: str, path: str, endpoint: Callable[[Request], Awaitable[Response]], needs: Needs) -> RawRoute:
    """Route of `method` alone (Starlette would add HEAD to GET), for those who have what it `needs`."""
    found = RawRoute(path, endpoint, methods=[method])
    found.methods, found.needs = {method}, needs
    return found


async def let_in(connection: HTTPConnection, needs: Needs) -> None:
    """Put the caller into the scope of a request or a handshake.

    Raises
    ------
    RequestProblem
        If it may not pass.
    """
    if needs is PUBLIC:
        connection.scope[CALLER_KEY] = NOBODY
        return
    caller = await identify(connection)
    if isinstance(needs, Scope):
        check_scope(caller, needs)
    connection.scope[CALLER_KEY] = caller


async def identify(connection: HTTPConnection) -> Caller:
    """Who calls.

    Raises
    ------
    RequestProblem
        If that is not proven.
    """
    container: Container = connection.app.state.container
    address = connection.client.host if connection.client else None
    caller = await authenticate(container, connection.scope["headers"], address, container.clock)
    current_key_id.set(caller.key_id)
    return caller


async def identified(connection: HTTPConnection, scope: Scope) -> bool:
    """Whether a caller of an open route has a scope, so that it may be told more."""
    try:
        return scope in (await identify(connection)).scopes
    except RequestProblem:
        return False
