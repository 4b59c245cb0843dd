"""Prices of many sources made into one."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import container_of, read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import aggregate_oracles as oracles
from models.api.query import NoParameters


async def aggregate_oracles(request: Request) -> Response:
    """One price a symbol."""
    read_query(request, NoParameters)
    return reply(request, await oracles.aggregate_oracles(container_of(request), await read_call(request)))


ROUTES = (route("POST", "/v1/oracles:aggregate", aggregate_oracles, Scope.EVALUATE),)
"""Guards."""
