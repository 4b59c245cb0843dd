"""Registered instruments."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import container_of, cursor_errors, read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import instruments as register
from models.api.query import NoParameters, PageParameters


async def list_instruments(request: Request) -> Response:
    """Page of instruments."""
    page = read_query(request, PageParameters)
    with cursor_errors():
        return reply(request, await register.list_instruments(container_of(request), page.after, page.limit))


async def register_instruments(request: Request) -> Response:
    """Create or replace instruments."""
    read_query(request, NoParameters)
    return reply(request, await register.put_instruments(container_of(request), await read_call(request)))


ROUTES = (
    route("GET", "/v1/instruments", list_instruments, Scope.READ),
    route("PUT", "/v1/instruments", register_instruments, Scope.OBSERVE),
)
