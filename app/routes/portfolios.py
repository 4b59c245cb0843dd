"""Live portfolios."""

from __future__ import annotations

import re

from fastapi import Request, Response

from app.caller import Scope
from app.deps import container_of, cursor_errors, expected_version, known_tags, read_call, read_empty_call, read_query
from app.problems import BrokenRule, RequestProblem
from app.routes.reply import conditional, reply
from app.routes.routing import route
from app.usecases import executions, portfolios
from models.api.base import NAME_PATTERN
from models.api.query import NoParameters, PageParameters, TargetsParameters

_NAME = re.compile(NAME_PATTERN[:-1] + r"\Z", re.ASCII)


def _id(request: Request) -> str:
    portfolio_id: str = request.path_params["portfolio_id"]
    if not _NAME.match(portfolio_id):
        rule = "must be 1 to 64 letters, digits, dots, underscores or hyphens, beginning with a letter or digit"
        broken = BrokenRule("path:portfolio_id", "bad_format", rule)
        raise RequestProblem("invalid_request", f"portfolio_id {rule}", [broken])
    return portfolio_id


async def register_portfolio(request: Request) -> Response:
    """Register or replace."""
    read_query(request, NoParameters)
    name, expected = _id(request), expected_version(request)
    return reply(request, await portfolios.register(container_of(request), await read_call(request), name, expected))


async def list_portfolios(request: Request) -> Response:
    """Page of portfolios."""
    page = read_query(request, PageParameters)
    with cursor_errors():
        return reply(request, await portfolios.list_portfolios(container_of(request), page.after, page.limit))


async def read_portfolio(request: Request) -> Response:
    """One portfolio."""
    read_query(request, NoParameters)
    return conditional(request, await portfolios.read_portfolio(container_of(request), _id(request)))


async def delete_portfolio(request: Request) -> Response:
    """Forget."""
    read_query(request, NoParameters)
    name, expected = _id(request), expected_version(request)
    call = read_empty_call(request)
    return reply(request, await portfolios.delete_portfolio(container_of(request), call, name, expected))


async def take_snapshot(request: Request) -> Response:
    """Store a snapshot."""
    read_query(request, NoParameters)
    name = _id(request)
    return reply(request, await portfolios.take_snapshot(container_of(request), await read_call(request), name))


async def read_targets(request: Request) -> Response:
    """Newest published targets."""
    wait = read_query(request, TargetsParameters).wait_seconds or 0
    known = known_tags(request)
    return conditional(request, await portfolios.read_targets(container_of(request), _id(request), known, wait))


async def take_executions(request: Request) -> Response:
    """Match and record fills."""
    read_query(request, NoParameters)
    name = _id(request)
    return reply(request, await executions.take_executions(container_of(request), await read_call(request), name))


async def read_executions(request: Request) -> Response:
    """Adherence, shortfall and fitted impact."""
    read_query(request, NoParameters)
    return reply(request, await executions.read_executions(container_of(request), _id(request)))


ROUTES = (
    route("GET", "/v1/portfolios", list_portfolios, Scope.READ),
    route("PUT", "/v1/portfolios/{portfolio_id}", register_portfolio, Scope.PORTFOLIO_WRITE),
    route("GET", "/v1/portfolios/{portfolio_id}", read_portfolio, Scope.READ),
    route("DELETE", "/v1/portfolios/{portfolio_id}", delete_portfolio, Scope.PORTFOLIO_WRITE),
    route("POST", "/v1/portfolios/{portfolio_id}/snapshots", take_snapshot, Scope.OBSERVE),
    route("GET", "/v1/portfolios/{portfolio_id}/targets", read_targets, Scope.READ),
    route("POST", "/v1/portfolios/{portfolio_id}/executions", take_executions, Scope.OBSERVE),
    route("GET", "/v1/portfolios/{portfolio_id}/executions", read_executions, Scope.READ),
)
