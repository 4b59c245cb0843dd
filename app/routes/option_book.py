"""Books of options: Greeks, ladders, explained profit."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases.revalue_book import revalue_book
from models.api.query import NoParameters


async def price_ladder(request: Request) -> Response:
    """Revalue a book over shocks."""
    read_query(request, NoParameters)
    return reply(request, await revalue_book(await read_call(request)))


ROUTES = (route("POST", "/v1/options:price-ladder", price_ladder, Scope.EVALUATE),)
