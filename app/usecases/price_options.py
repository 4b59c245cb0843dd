"""`POST /v1/options:greeks` and `:implied-volatility`: computed from the request alone, not recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from app.deadline import in_thread
from app.translate.answer import time_text
from app.translate.notes import Notes
from app.translate.options import GREEKS_UNITS, VOLATILITY_UNITS, greeks_rows, moment, volatility_rows
from app.usecases.call import Answer, Call
from app.usecases.decide import AssumptionsRefused
from app.usecases.effort import INLINE_SECONDS, validated
from models.api.implied_volatility import ImpliedVolatilityRequest
from models.api.option_greeks import GreeksRequest

OptionsRequest = GreeksRequest | ImpliedVolatilityRequest
Body = Callable[[datetime, Notes], dict[str, Any]]
SECONDS_PER_CONTRACT = 40e-6
"""Measured: a contract of either call, with its share of the answer."""


async def price_options(call: Call) -> Answer:
    """Prices and Greeks of options whose volatility is known."""
    request = await validated(GreeksRequest, call)
    return await _answered(request, call.received_at, partial(greeks_answer, request))


async def invert_prices(call: Call) -> Answer:
    """Volatilities of options whose price is known."""
    request = await validated(ImpliedVolatilityRequest, call)
    return await _answered(request, call.received_at, partial(volatility_answer, request))


def greeks_answer(request: GreeksRequest, as_of: datetime, notes: Notes) -> dict[str, Any]:
    """Body without head and remarks."""
    rows = greeks_rows(request, as_of, notes)
    return {"delta_convention": request.delta_convention, "contracts": rows, "units": GREEKS_UNITS}


def volatility_answer(request: ImpliedVolatilityRequest, as_of: datetime, notes: Notes) -> dict[str, Any]:
    """Body without head and remarks."""
    return {"contracts": volatility_rows(request, as_of, notes), "units": VOLATILITY_UNITS}


async def _answered(request: OptionsRequest, received_at: datetime, body: Body) -> Answer:
    if len(request.contracts) * SECONDS_PER_CONTRACT > INLINE_SECONDS:
        return Answer(200, await in_thread(rendered, request, received_at, body))
    return Answer(200, rendered(request, received_at, body))


def rendered(request: OptionsRequest, received_at: datetime, body: Body) -> bytes:
    """Answer bytes.

    Raises
    ------
    InvalidInput
        If `as_of` lies in the future.
    AssumptionsRefused
        Under `options.strict`.
    """
    notes = Notes()
    as_of = moment(request.as_of, received_at, notes)
    found = body(as_of, notes)
    if request.options.strict and notes.assumptions:
        raise AssumptionsRefused(notes.assumptions)
    head = {"as_of": time_text(as_of)}
    return orjson.dumps({**head, **found, "assumptions": notes.assumptions, "warnings": notes.warnings})
