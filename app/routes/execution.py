"""Execution-aware tools: grids, schedules and vaults."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import container_of, read_call, read_query
from app.ports import EventKind
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases.plan_execution import plan_execution
from models.api.query import NoParameters


async def _through(request: Request, kind: EventKind) -> Response:
    read_query(request, NoParameters)
    return reply(request, await plan_execution(container_of(request), await read_call(request), kind))


async def plan_grid(request: Request) -> Response:
    """Levels of a grid within a budget."""
    return await _through(request, EventKind.GRID)


async def plan_schedule(request: Request) -> Response:
    """Slices of an order."""
    return await _through(request, EventKind.SCHEDULE)


async def plan_vault(request: Request) -> Response:
    """Options sold against collateral, or bought to protect a holding."""
    return await _through(request, EventKind.VAULT)


ROUTES = (
    route("POST", "/v1/grids", plan_grid, Scope.EVALUATE),
    route("POST", "/v1/schedules", plan_schedule, Scope.EVALUATE),
    route("POST", "/v1/vaults", plan_vault, Scope.EVALUATE),
)
