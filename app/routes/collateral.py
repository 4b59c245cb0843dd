"""Collateral, liquidations, contagion and liquidation prices."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import container_of, read_call, read_query
from app.ports import EventKind
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import manage_collateral as collateral
from models.api.query import NoParameters


async def allocate_collateral(request: Request) -> Response:
    """Transfers between venues."""
    read_query(request, NoParameters)
    return await _planned(request, EventKind.ALLOCATION)


async def play_waterfall(request: Request) -> Response:
    """A liquidation: slices, fund, deleveraging."""
    read_query(request, NoParameters)
    return await _planned(request, EventKind.WATERFALL)


async def _planned(request: Request, kind: EventKind) -> Response:
    return reply(request, await collateral.make_plan(container_of(request), await read_call(request), kind))


async def value_collateral(request: Request) -> Response:
    """What balances and loans count as margin."""
    read_query(request, NoParameters)
    return reply(request, await collateral.value_collateral(container_of(request), await read_call(request)))


async def propagate_contagion(request: Request) -> Response:
    """Distress of a network."""
    read_query(request, NoParameters)
    return reply(request, await collateral.propagate_contagion(await read_call(request)))


async def find_liquidation_price(request: Request) -> Response:
    """Liquidation prices of a book."""
    read_query(request, NoParameters)
    return reply(request, await collateral.find_liquidation_price(await read_call(request)))


ROUTES = (
    route("POST", "/v1/collateral:allocate", allocate_collateral, Scope.EVALUATE),
    route("POST", "/v1/collateral:value", value_collateral, Scope.EVALUATE),
    route("POST", "/v1/margin:waterfall", play_waterfall, Scope.EVALUATE),
    route("POST", "/v1/contagion:propagate", propagate_contagion, Scope.EVALUATE),
    route("POST", "/v1/margin:liquidation-price", find_liquidation_price, Scope.EVALUATE),
)
