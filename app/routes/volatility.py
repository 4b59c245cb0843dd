"""Cached volatility states, and estimates on posted series."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import container_of, cursor_errors, now, read_call, read_query, read_timeout
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import estimate_correlation as correlations
from app.usecases import observe_prices as observations
from app.usecases import read_volatility as states
from models.api.query import NoParameters, StateParameters, VolatilityParameters


async def observe_prices(request: Request) -> Response:
    """Feed closes to the cached states."""
    read_query(request, NoParameters)
    return reply(request, await observations.observe_prices(container_of(request), await read_call(request)))


async def read_volatility(request: Request) -> Response:
    """One state, or a page of all."""
    parameters = read_query(request, VolatilityParameters)
    if parameters.symbol is None:
        with cursor_errors():
            return reply(
                request, await states.list_volatility(container_of(request), parameters.after, parameters.limit)
            )
    named = parameters.model_dump(exclude={"after", "limit"}, exclude_none=True)
    return reply(request, await states.read_volatility(container_of(request), states.VolatilityQuery(**named)))


async def reset_volatility(request: Request) -> Response:
    """Forget one state."""
    query = states.VolatilityQuery(**read_query(request, StateParameters).model_dump())
    seconds = read_timeout(request)
    return reply(request, await states.reset_volatility(container_of(request), query, now(request), seconds))


async def estimate_volatility(request: Request) -> Response:
    """Estimate on a posted series."""
    read_query(request, NoParameters)
    return reply(request, await states.estimate_volatility(container_of(request), await read_call(request)))


async def estimate_correlation(request: Request) -> Response:
    """Correlate posted series."""
    read_query(request, NoParameters)
    return reply(request, await correlations.estimate_correlation(await read_call(request)))


ROUTES = (
    route("POST", "/v1/observations", observe_prices, Scope.OBSERVE),
    route("GET", "/v1/volatility", read_volatility, Scope.READ),
    route("DELETE", "/v1/volatility", reset_volatility, Scope.OBSERVE),
    route("POST", "/v1/volatility:estimate", estimate_volatility, Scope.EVALUATE),
    route("POST", "/v1/correlation:estimate", estimate_correlation, Scope.EVALUATE),
)
