"""Quoted volatility against models and against what is realised."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import price_with_models as models
from models.api.query import NoParameters


async def find_mispricing(request: Request) -> Response:
    """Quotes against a fitted model."""
    read_query(request, NoParameters)
    return reply(request, await models.find_mispricing(await read_call(request)))


async def measure_variance_premium(request: Request) -> Response:
    """Implied against expected and realised variance."""
    read_query(request, NoParameters)
    return reply(request, await models.measure_variance_premium(await read_call(request)))


ROUTES = (
    route("POST", "/v1/options:mispricing", find_mispricing, Scope.EVALUATE),
    route("POST", "/v1/options:variance-premium", measure_variance_premium, Scope.EVALUATE),
)
