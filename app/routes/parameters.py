"""Published parameters. A market may hold any character of a symbol, so it takes the rest of the path."""

from __future__ import annotations

from fastapi import Request, Response
from starlette.convertors import Convertor, register_url_convertor

from app.caller import Scope
from app.deps import container_of, now, read_call, read_path, read_query
from app.routes.reply import conditional, reply
from app.routes.routing import route
from app.usecases import publish_parameters as published
from models.api.parameters import MarketPath, ParametersQuery, VersionsQuery
from models.api.query import NoParameters


def _market(request: Request) -> str:
    return read_path(request, MarketPath).market


class _Market(Convertor[str]):
    # A symbol may hold slashes; what ends in /versions is a path of its own, whatever the method.
    regex = "(?!.*/versions$).+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("market", _Market())


async def read_parameters(request: Request) -> Response:
    """What holds, and what is to come."""
    as_of, market = read_query(request, ParametersQuery).as_of or now(request), _market(request)
    return conditional(request, await published.read_parameters(container_of(request), market, as_of))


async def list_versions(request: Request) -> Response:
    """Page of versions."""
    page, market = read_query(request, VersionsQuery), _market(request)
    return reply(request, await published.list_versions(container_of(request), market, page.after, page.limit))


async def publish_parameters(request: Request) -> Response:
    """Publish a version."""
    read_query(request, NoParameters)
    market = _market(request)
    return reply(request, await published.publish_parameters(container_of(request), await read_call(request), market))


ROUTES = (
    route("GET", "/v1/parameters/{market:path}/versions", list_versions, Scope.READ),
    route("GET", "/v1/parameters/{market:market}", read_parameters, Scope.READ),
    route("PUT", "/v1/parameters/{market:market}", publish_parameters, Scope.POLICY_WRITE),
)
