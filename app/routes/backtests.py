"""Back-tests of one's own policy."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import Scope
from app.deps import read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import run_backtest as backtests
from models.api.query import NoParameters


async def run_backtest(request: Request) -> Response:
    """Walk a policy through posted bars."""
    read_query(request, NoParameters)
    return reply(request, await backtests.run_backtest(await read_call(request)))


ROUTES = (route("POST", "/v1/backtests", run_backtest, Scope.EVALUATE),)
