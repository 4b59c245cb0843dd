"""What the service says about itself."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import PUBLIC
from app.catalog import catalog
from app.deps import container_of, now, read_query
from app.routes.reply import reply_json
from app.routes.routing import route
from app.translate.answer import time_text
from app.usecases.discover import error_catalogue, published_limits
from models.api.query import NoParameters


async def read_catalog(request: Request) -> Response:
    """Every method."""
    read_query(request, NoParameters)
    return reply_json(catalog())


async def read_limits(request: Request) -> Response:
    """What a request may hold."""
    read_query(request, NoParameters)
    return reply_json(published_limits(container_of(request)))


async def read_time(request: Request) -> Response:
    """The service's clock."""
    read_query(request, NoParameters)
    moment = now(request)
    return reply_json({"server_time": time_text(moment), "unix_ms": int(moment.timestamp() * 1000)})


async def read_errors(request: Request) -> Response:
    """Every stable code."""
    read_query(request, NoParameters)
    return reply_json(error_catalogue())


ROUTES = (
    route("GET", "/v1/catalog", read_catalog, PUBLIC),
    route("GET", "/v1/limits", read_limits, PUBLIC),
    route("GET", "/v1/time", read_time, PUBLIC),
    route("GET", "/v1/errors", read_errors, PUBLIC),
)
