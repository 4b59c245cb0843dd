"""The core call and its narrow doors."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import admit, container_of, now, read_call, read_query, read_timeout
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import read_scalar as scalar
from app.usecases.call import Door
from app.usecases.evaluate_portfolio import evaluate_portfolio
from models.api.query import NoParameters, ScalarParameters


async def _through(request: Request, door: Door) -> Response:
    read_query(request, NoParameters)
    return reply(request, await evaluate_portfolio(container_of(request), await read_call(request), door))


async def evaluate(request: Request) -> Response:
    """Targets, margin and hedges."""
    return await _through(request, Door.EVALUATIONS)


async def compute_targets(request: Request) -> Response:
    """Targets and orders."""
    return await _through(request, Door.TARGETS)


async def compute_margin(request: Request) -> Response:
    """Margin of the book as it is."""
    return await _through(request, Door.MARGIN)


async def compute_hedges(request: Request) -> Response:
    """Hedge orders."""
    return await _through(request, Door.HEDGES)


async def read_scalar(request: Request) -> Response:
    """Scalar of a cached state."""
    admit(request)
    parameters, seconds = read_query(request, ScalarParameters), read_timeout(request)
    query = scalar.ScalarQuery(**parameters.model_dump())
    return reply(request, await scalar.read_scalar(container_of(request), query, now(request), seconds))


ROUTES = (
    route("POST", "/v1/evaluations", evaluate, Scope.EVALUATE),
    route("POST", "/v1/targets", compute_targets, Scope.EVALUATE),
    route("POST", "/v1/margin", compute_margin, Scope.EVALUATE),
    route("POST", "/v1/hedges", compute_hedges, Scope.EVALUATE),
    route("GET", "/v1/scalar", read_scalar, Scope.EVALUATE),
)
