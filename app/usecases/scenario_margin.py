"""`POST /v1/margin:scenario` and `:reverse-stress`: portfolio margin of an account, and the moves that liquidate it.

Nothing is stored or recorded.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from app.deadline import in_thread
from app.translate.answer import time_text
from app.translate.notes import Notes
from app.translate.reverse_stress import UNITS as STRESS_UNITS
from app.translate.reverse_stress import rules_of, shifts_of, stress_blocks
from app.translate.scenario_margin import UNITS, answer_blocks, book_of, overridden, preset_of
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from models.api.reverse_stress import ReverseStressRequest
from models.api.scenario_margin import MarginOptionIn, ScenarioAccountIn, ScenarioMarginRequest
from services.core.errors import InvalidInput
from services.margin.reverse_stress import reverse_stress
from services.margin.scenario_book import ScenarioBook
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
        return Answer(200, await in_thread(margined, request, call.received_at))
    return Answer(200, margined(request, call.received_at))


def margined(request: ScenarioMarginRequest, received_at: datetime) -> bytes:
    """Answer bytes."""
    notes = Notes()
    as_of, preset, book = _account(request, received_at, notes)
    found = scenario_margin(book, preset)
    return _answer(request, as_of, UNITS, answer_blocks(found, request.worst_count), notes)


async def moves_that_liquidate(call: Call) -> Answer:
    """Reverse stress test of an account, in a worker thread: it is margined some hundred times."""
    request = await validated(ReverseStressRequest, call)
    return Answer(200, await in_thread(stressed, request, call.received_at))


def stressed(request: ReverseStressRequest, received_at: datetime) -> bytes:
    """Answer bytes."""
    notes = Notes()
    as_of, preset, book = _account(request, received_at, notes)
    rules, shifts = rules_of(request, notes), shifts_of(request, preset, notes)
    if any(item.collateral for item in request.underlyings):
        notes.assume("/underlyings", "collateral moves", "coin is worth its moved price, risk-cancelling or not")
    found = [(shift, reverse_stress(book, preset, rules, volatility_shift=shift)) for shift in shifts]
    return _answer(request, as_of, STRESS_UNITS, stress_blocks(request, found), notes)


def _account(
    request: ScenarioAccountIn, received_at: datetime, notes: Notes
) -> tuple[datetime, ScenarioPreset, ScenarioBook]:
    """Time, preset and book of a request.

    Raises
    ------
    InvalidInput
        If `as_of` lies in the future, the overrides contradict one another, or something that has to be known is not.
    """
    as_of = request.as_of or received_at
    if request.as_of is not None and as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(as_of), "check your clock against GET /v1/time")
    preset = preset_of(request)
    _check_volatilities(request, preset)
    book = book_of(request, as_of, notes)
    _assume(request, preset, as_of, notes)
    return as_of, preset, book


def _answer(
    request: ScenarioAccountIn, as_of: datetime, units: dict[str, str], blocks: dict[str, Any], notes: Notes
) -> bytes:
    return orjson.dumps(
        {
            "as_of": time_text(as_of),
            "currency": request.currency,
            "preset": request.preset,
            "overridden": overridden(request),
            "units": units,
            **blocks,
            "assumptions": notes.assumptions,
            "warnings": notes.warnings,
        }
    )


def _check_volatilities(request: ScenarioAccountIn, preset: ScenarioPreset) -> None:
    """A price range that follows volatility is not made up where none was sent."""
    if preset.regime is None:
        return
    for place, item in enumerate(request.underlyings):
        if item.volatility is None:
            rule = "must be given: the price range follows it"
            raise InvalidInput(f"underlyings.{place}.volatility", rule, None)


def _assume(request: ScenarioAccountIn, preset: ScenarioPreset, as_of: datetime, notes: Notes) -> None:
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


def _assume_of_positions(request: ScenarioAccountIn, preset: ScenarioPreset, notes: Notes) -> None:
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
