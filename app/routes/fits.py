"""Fits of volatility models, outside the request path."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import container_of, read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import fit_volatility as fits
from models.api.query import NoParameters


async def submit_fit(request: Request) -> Response:
    """Queue a fit."""
    read_query(request, NoParameters)
    return reply(request, await fits.submit_fit(container_of(request), await read_call(request)))


async def read_fit(request: Request) -> Response:
    """What became of a fit."""
    read_query(request, NoParameters)
    return reply(request, await fits.read_fit(container_of(request), request.path_params["fit_id"]))


ROUTES = (
    route("POST", "/v1/volatility:fit", submit_fit, Scope.EVALUATE),
    route("GET", "/v1/volatility/fits/{fit_id}", read_fit, Scope.EVALUATE),
)
