"""The core call and its narrow doors."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.deps import container_of, now, read_call, read_query, timeout_seconds
from app.routes.reply import reply
from app.usecases import read_scalar as scalar
from app.usecases.call import Door
from app.usecases.evaluate_portfolio import evaluate_portfolio
from models.api.query import NoParameters, ScalarParameters

router = APIRouter()


async def _through(request: Request, door: Door) -> Response:
    read_query(request, NoParameters)
    return reply(request, await evaluate_portfolio(container_of(request), await read_call(request), door))


@router.post("/v1/evaluations")
async def evaluate(request: Request) -> Response:
    """Targets, margin and hedges."""
    return await _through(request, Door.EVALUATIONS)


@router.post("/v1/targets")
async def compute_targets(request: Request) -> Response:
    """Targets and orders."""
    return await _through(request, Door.TARGETS)


@router.post("/v1/margin")
async def compute_margin(request: Request) -> Response:
    """Margin of the book as it is."""
    return await _through(request, Door.MARGIN)


@router.post("/v1/hedges")
async def compute_hedges(request: Request) -> Response:
    """Hedge orders."""
    return await _through(request, Door.HEDGES)


@router.get("/v1/scalar")
async def read_scalar(request: Request) -> Response:
    """Scalar of a cached state."""
    parameters, seconds = read_query(request, ScalarParameters), timeout_seconds(request)
    query = scalar.ScalarQuery(**parameters.model_dump())
    return reply(request, await scalar.read_scalar(container_of(request), query, now(request), seconds))
