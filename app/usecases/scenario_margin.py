"""`POST /v1/margin:scenario`: portfolio margin of an account by scenarios; nothing is stored or recorded."""

from __future__ import annotations

import asyncio
from datetime import datetime

import orjson

from app.translate.answer import time_text
from app.translate.notes import Notes
from app.translate.scenario_margin import UNITS, answer_blocks, book_of, overridden, preset_of
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from models.api.scenario_margin import MarginOptionIn, ScenarioMarginRequest
from services.core.errors import InvalidInput
from services.margin.scenario_margin import scenario_margin
from services.margin.scenario_preset import ScenarioPreset

INLINE_ROWS = 500
"""Positions and underlyings up to which a margin may be computed on the event loop: some 10 µs each, 0.4 ms a book."""
UNDERLYING_ROWS = 40
"""An underlying takes as long as so many positions."""


async def margin_by_scenarios(call: Call) -> Answer:
    """Scenario margin of an account."""
    request = await validated(ScenarioMarginRequest, call)
    if len(request.positions) + UNDERLYING_ROWS * len(request.underlyings) > INLINE_ROWS:
        return Answer(200, await asyncio.to_thread(margined, request, call.received_at))
    return Answer(200, margined(request, call.received_at))


def margined(request: ScenarioMarginRequest, received_at: datetime) -> bytes:
    """Answer bytes."""
    as_of, notes = request.as_of or received_at, Notes()
    if request.as_of is not None and as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(as_of), "check your clock against GET /v1/time")
    preset = preset_of(request)
    _check_volatilities(request, preset)
    book = book_of(request, as_of, notes)
    _assume(request, preset, as_of, notes)
    found = scenario_margin(book, preset)
    return orjson.dumps(
        {
            "as_of": time_text(as_of),
            "currency": request.currency,
            "preset": request.preset,
            "overridden": overridden(request),
            "units": UNITS,
            **answer_blocks(found, request.worst_count),
            "assumptions": notes.assumptions,
            "warnings": notes.warnings,
        }
    )


def _check_volatilities(request: ScenarioMarginRequest, preset: ScenarioPreset) -> None:
    """A price range that follows volatility is not made up where none was sent."""
    if preset.regime is None:
        return
    for place, item in enumerate(request.underlyings):
        if item.volatility is None:
            rule = "must be given: the price range follows it"
            raise InvalidInput(f"underlyings.{place}.volatility", rule, None)


def _assume(request: ScenarioMarginRequest, preset: ScenarioPreset, as_of: datetime, notes: Notes) -> None:
    """What was left open and changes the figures."""
    told = request.model_fields_set
    if request.as_of is None:
        notes.assume("/as_of", time_text(as_of), "times to expiry are counted from it")
    if "preset" not in told:
        notes.assume("/preset", request.preset, "whose rules the requirement follows")
    if "stable_price" not in told:
        notes.assume("/stable_price", "1", "no surcharge for a stablecoin off its peg, collateral at full price")
    if "cash" not in told:
        notes.assume("/cash", "0", "equity is the value of positions and collateral alone")
    for place, item in enumerate(request.underlyings):
        where = f"/underlyings/{place}"
        if len(request.underlyings) > 1 and "netting_offset" not in item.model_fields_set:
            notes.assume(f"{where}/netting_offset", "0", "its profits pay for no losses of other underlyings")
        if preset.contingencies.confidence_rate and "spot_confidence" not in item.model_fields_set:
            notes.assume(f"{where}/spot_confidence", "1", "no charge for low confidence of its spot price")
    _assume_of_positions(request, preset, notes)


def _assume_of_positions(request: ScenarioMarginRequest, preset: ScenarioPreset, notes: Notes) -> None:
    options = [item for item in request.positions if isinstance(item, MarginOptionIn)]
    rated = {(item.underlying, row.expiry) for item in request.underlyings for row in item.expiries if row.discount}
    if any(
        "discount" not in item.terms.model_fields_set and (item.underlying, item.terms.expiry) not in rated
        for item in options
    ):
        notes.assume("/positions", "discount 1", "options without a discount are not discounted: a rate of 0")
    if any(item.terms.discount > 1.0 for item in options):
        notes.assume("/positions", "discount 1", "a discount above 1 counts as 1: negative rates are taken as 0")
    if any(item.terms.settlement == "inverse" for item in options):
        effect = "coin-settled options count in money at the shocked price: list the coin that backs them as collateral"
        notes.assume("/positions", "settlement in money", effect)
    if any(item.kind == "spot" for item in request.positions):
        notes.assume("/positions", "haircut 0", "spot counts at its mark: list it as collateral to give it a haircut")
    if options and preset.settlement_seconds:
        effect = "the delivery price is an average: its part that is fixed already stands still"
        notes.assume("/preset", f"settlement over {preset.settlement_seconds:g} s", effect)
