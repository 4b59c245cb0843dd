"""Operator's switches. A scope may hold any character of a symbol, so it takes the rest of the path."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import container_of, cursor_errors, matching_tags, now, read_call, read_path, read_query
from app.routes.reply import conditional, reply
from app.routes.routing import route
from app.usecases import switches
from models.api.query import NoParameters, PageParameters
from models.api.switch import SwitchPath


def _scope(request: Request) -> str:
    return read_path(request, SwitchPath).scope


async def list_switches(request: Request) -> Response:
    """Page of switches."""
    page = read_query(request, PageParameters)
    with cursor_errors():
        found = await switches.list_switches(container_of(request), page.after, page.limit, now(request))
    return reply(request, found)


async def read_switch(request: Request) -> Response:
    """One switch."""
    read_query(request, NoParameters)
    return conditional(request, await switches.read_switch(container_of(request), _scope(request), now(request)))


async def set_switch(request: Request) -> Response:
    """Stop, or let go on."""
    read_query(request, NoParameters)
    scope, tags = _scope(request), matching_tags(request)
    return reply(request, await switches.set_switch(container_of(request), await read_call(request), scope, tags))


ROUTES = (
    route("GET", "/v1/breakers", list_switches, Scope.READ),
    route("GET", "/v1/breakers/{scope:path}", read_switch, Scope.READ),
    route("PUT", "/v1/breakers/{scope:path}", set_switch, Scope.BREAKER_WRITE),
)
