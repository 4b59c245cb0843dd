"""`POST /v1/margin:max-position`: the largest long and short of one market; nothing is recorded."""

from __future__ import annotations

from datetime import datetime

import orjson

from app.container import Container
from app.translate.answer import time_text
from app.translate.one_market import head, one_market
from app.translate.position_limits import max_position_body
from app.usecases.call import Answer, Call
from app.usecases.decide import AssumptionsRefused
from app.usecases.effort import validated
from app.usecases.plan_execution import MarketRead, read_market
from models.api.position_limits import MaxPositionRequest


async def limit_position(container: Container, call: Call) -> Answer:
    """Largest positions under every cap."""
    request = await validated(MaxPositionRequest, call)
    return Answer(200, limits(request, await read_market(container, request, wanted=True), call.received_at))


def limits(request: MaxPositionRequest, read: MarketRead, received_at: datetime) -> bytes:
    """Answer bytes.

    Raises
    ------
    InvalidInput
        What no default can mend.
    AssumptionsRefused
        Under `options.strict`.
    """
    market = one_market(request, read.registered, read.states, received_at, wanted=True)
    found = max_position_body(request, market)
    if request.options.strict and market.notes.assumptions:
        raise AssumptionsRefused(market.notes.assumptions)
    return orjson.dumps(
        {
            "symbol": request.symbol,
            **({"venue": request.venue} if request.venue else {}),
            "as_of": time_text(market.as_of),
            **found,
            **head(market),
            "assumptions": market.notes.assumptions,
            "warnings": market.notes.warnings,
        }
    )
