"""Margin models: by scenarios, and on the past."""

from __future__ import annotations

from fastapi import Request, Response

from app.deps import read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases.backtest_margin import run_margin_backtest
from app.usecases.scenario_margin import margin_by_scenarios
from models.api.query import NoParameters


async def margin_scenario(request: Request) -> Response:
    """Portfolio margin of an account."""
    read_query(request, NoParameters)
    return reply(request, await margin_by_scenarios(await read_call(request)))


async def backtest_margin(request: Request) -> Response:
    """Judge a margin model on posted bars."""
    read_query(request, NoParameters)
    return reply(request, await run_margin_backtest(await read_call(request)))


ROUTES = (
    route("POST", "/v1/margin:scenario", margin_scenario),
    route("POST", "/v1/margin:backtest", backtest_margin),
)
