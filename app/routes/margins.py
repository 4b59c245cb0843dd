"""Margin models on the past."""

from __future__ import annotations

from fastapi import Request, Response

from app.deps import read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases.backtest_margin import run_margin_backtest
from models.api.query import NoParameters


async def backtest_margin(request: Request) -> Response:
    """Judge a margin model on posted bars."""
    read_query(request, NoParameters)
    return reply(request, await run_margin_backtest(await read_call(request)))


ROUTES = (route("POST", "/v1/margin:backtest", backtest_margin),)
"""Routes of this module."""
