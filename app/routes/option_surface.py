"""Volatility surfaces of options."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases.fit_option_surface import fit_option_surface
from models.api.query import NoParameters


async def fit_surface(request: Request) -> Response:
    """Surface of posted quotes."""
    read_query(request, NoParameters)
    return reply(request, await fit_option_surface(await read_call(request)))


ROUTES = (route("POST", "/v1/options:surface", fit_surface, Scope.EVALUATE),)
