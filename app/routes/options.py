"""Options: Greeks and implied volatilities."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import price_options as options
from models.api.query import NoParameters


async def price_options(request: Request) -> Response:
    """Greeks of posted options."""
    read_query(request, NoParameters)
    return reply(request, await options.price_options(await read_call(request)))


async def invert_prices(request: Request) -> Response:
    """Volatilities of posted prices."""
    read_query(request, NoParameters)
    return reply(request, await options.invert_prices(await read_call(request)))


ROUTES = (
    route("POST", "/v1/options:greeks", price_options, Scope.EVALUATE),
    route("POST", "/v1/options:implied-volatility", invert_prices, Scope.EVALUATE),
)
