"""How routes are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send


class RawRoute(Route):
    """Route of one method whose endpoint takes the raw request.

    Starlette's own, not FastAPI's: parsing, dependencies, exit stacks would cost 30 µs a call and have nothing to do.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, and leave the route in the scope for the metrics."""
        scope["route"] = self
        await super().handle(scope, receive, send)


def route(method: str, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> RawRoute:
    """Route of `method` alone: Starlette would add HEAD to GET."""
    found = RawRoute(path, endpoint, methods=[method])
    found.methods = {method}
    return found
