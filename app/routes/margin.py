"""Margin models: by scenarios, on the past, and the sizes that they allow."""

from __future__ import annotations

from fastapi import Request, Response
from starlette.responses import StreamingResponse

from app.body import ARROW, JSON, NDJSON, arrow_installed, check_media, parse_json, read_body, read_lines
from app.caller import Scope
from app.deadline import in_thread
from app.deps import container_of, now, preferred_media, read_call, read_query, read_timeout
from app.limits import BATCH_PATH
from app.ports import EventKind
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases.backtest_margin import run_margin_backtest
from app.usecases.call import Answer
from app.usecases.limit_position import limit_position
from app.usecases.margin_batch import (
    ArrowCall,
    LinesCall,
    as_arrow,
    as_columns,
    as_lines,
    batch_of_arrow,
    batch_of_columns,
    batch_of_lines,
)
from app.usecases.margin_frontier import run_margin_frontier
from app.usecases.plan_execution import plan_execution
from app.usecases.scenario_margin import margin_by_scenarios, moves_that_liquidate
from models.api.query import NoParameters

WITHOUT_ARROW = f"; {ARROW} needs the extra arrow on the server: pip install 'trimtab[arrow]'"


async def margin_scenario(request: Request) -> Response:
    """Portfolio margin of an account."""
    read_query(request, NoParameters)
    return reply(request, await margin_by_scenarios(await read_call(request)))


async def reverse_stress(request: Request) -> Response:
    """Moves that liquidate an account."""
    read_query(request, NoParameters)
    return reply(request, await moves_that_liquidate(await read_call(request)))


async def backtest_margin(request: Request) -> Response:
    """Judge a margin model on posted bars."""
    read_query(request, NoParameters)
    return reply(request, await run_margin_backtest(await read_call(request)))


async def margin_frontier(request: Request) -> Response:
    """What margin costs against how often it fails, on posted bars."""
    read_query(request, NoParameters)
    return reply(request, await run_margin_frontier(await read_call(request)))


async def max_position(request: Request) -> Response:
    """Largest long and short of one market."""
    read_query(request, NoParameters)
    return reply(request, await limit_position(container_of(request), await read_call(request)))


async def check_order(request: Request) -> Response:
    """Accept, resize or reject an order before it is sent."""
    read_query(request, NoParameters)
    return reply(request, await plan_execution(container_of(request), await read_call(request), EventKind.ORDER_CHECK))


async def batch_margin(request: Request) -> Response:
    """Margins of many accounts, and the liquidation queue; as columns, lines or an Arrow stream."""
    read_query(request, NoParameters)
    forms, hint = ((JSON, NDJSON, ARROW), "") if arrow_installed() else ((JSON, NDJSON), WITHOUT_ARROW)
    sent = check_media(request.scope["headers"], forms, hint)
    wanted = preferred_media(request, (sent, *(form for form in forms if form != sent)), hint)
    if sent == JSON:
        found = await batch_of_columns(await read_call(request))
    elif sent == NDJSON:
        read_timeout(request)  # Lines are taken while they come, so the time counts from the first.
        found = await batch_of_lines(LinesCall(read_lines(request), parse_json, now(request)))
    else:
        body = await read_body(request, forms)
        read_timeout(request)
        found = await batch_of_arrow(ArrowCall(body, parse_json, now(request)))
    if wanted == NDJSON:
        return StreamingResponse(as_lines(found), media_type=NDJSON)
    if wanted == ARROW:
        return Response(await in_thread(as_arrow, found), media_type=ARROW)
    return reply(request, Answer(200, await in_thread(as_columns, found)))


ROUTES = (
    route("POST", BATCH_PATH, batch_margin, Scope.EVALUATE),
    route("POST", "/v1/margin:max-position", max_position, Scope.EVALUATE),
    route("POST", "/v1/orders:check", check_order, Scope.EVALUATE),
    route("POST", "/v1/margin:scenario", margin_scenario, Scope.EVALUATE),
    route("POST", "/v1/margin:reverse-stress", reverse_stress, Scope.EVALUATE),
    route("POST", "/v1/margin:backtest", backtest_margin, Scope.EVALUATE),
    route("POST", "/v1/margin:frontier", margin_frontier, Scope.EVALUATE),
)
