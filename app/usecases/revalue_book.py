"""`POST /v1/options:price-ladder`: Greeks, ladders and explained profit of a book; nothing is stored or recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from app.deadline import in_thread
from app.translate.answer import number, time_text
from app.translate.notes import Notes
from app.translate.option_book import (
    UNITS,
    Book,
    book_of,
    explain_block,
    grid_of,
    left_out,
    prices_of,
    risk_blocks,
    without_figures,
)
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from models.api.option_book import LinearPositionIn, OptionPositionIn, PositionIn, PriceLadderRequest, UnderlyingIn
from services.core.annualization import SECONDS_PER_YEAR
from services.core.errors import InvalidInput, Refusal
from services.core.outcome import Reason
from services.engine.option_book import BookRisk, ExplainedBook, book_risk, explain_book
from services.options.ladder import DEFAULT_SPOT_SHOCKS, DEFAULT_VOLATILITY_SHOCKS

INLINE_ROWS, INLINE_CELLS = 50, 5_000
"""Positions and underlyings, now and before, and cells of all ladders, up to which a book is revalued on the event
loop: about 0.1 ms a row and a microsecond a cell.
"""
EXPLAINED_ROWS = 8
"""What explaining the profit of one position takes, in rows."""


async def revalue_book(call: Call) -> Answer:
    """Greeks and ladders of a book."""
    request = await validated(PriceLadderRequest, call)
    if _takes_long(request):
        return Answer(200, await in_thread(revalued, request, call.received_at))
    return Answer(200, revalued(request, call.received_at))


def _takes_long(request: PriceLadderRequest) -> bool:
    before = request.previous
    named = {item.underlying for item in (*request.positions, *request.underlyings)}
    rows = len(request.positions) + len(named)
    if before is not None:
        rows += EXPLAINED_ROWS * len(before.positions) + len(before.underlyings)
    scenarios = len(request.spot_shocks or DEFAULT_SPOT_SHOCKS) * len(
        request.volatility_shocks or DEFAULT_VOLATILITY_SHOCKS
    )
    return rows > INLINE_ROWS or 2 * len(named) * scenarios > INLINE_CELLS


def revalued(request: PriceLadderRequest, received_at: datetime) -> bytes:
    """Answer bytes."""
    as_of, notes = request.as_of or received_at, Notes()
    if request.as_of is None:
        notes.assume("/as_of", time_text(as_of), "times to expiry are counted from it")
    elif as_of > received_at + CLOCK_SKEW:
        rule = f"must not lie in the future (server time {time_text(received_at)})"
        raise InvalidInput("as_of", rule, time_text(as_of), "check your clock against GET /v1/time")
    grid = grid_of(request, notes)
    book = book_of(request.positions, request.underlyings, as_of)
    _check_prices(request.underlyings, [prices_of(book)], "underlyings")
    hidden = {symbol: item.underlying for symbol, item in book.blind.items()}
    risk = book_risk(book.positions, book.underlyings, grid, hidden)
    missing = left_out("everything", without_figures(book, as_of)) + left_out("ladder", risk.refused)
    _remark(request, risk, notes)
    body: dict[str, Any] = {
        "as_of": time_text(as_of),
        "currency": request.currency,
        "status": "ok",
        "units": UNITS,
        "spot_shocks": [number(shock) for shock in grid.spot_shocks.tolist()],
        "volatility_shocks": [number(shock) for shock in grid.volatility_shocks.tolist()],
        "stickiness": number(grid.stickiness),
        "days_forward": number(grid.days_forward),
        **risk_blocks(risk),
        "explain": None,
    }
    if request.previous is not None:
        found = _explained(request, book, as_of, notes)
        body["explain"] = explain_block(found, request.previous.as_of)
        missing += left_out("explain", found.refused)
    body["status"] = "incomplete" if any(item["reason"] != Reason.EXPIRED for item in missing) else "ok"
    return orjson.dumps({**body, "left_out": missing, "assumptions": notes.assumptions, "warnings": notes.warnings})


def _explained(request: PriceLadderRequest, book: Book, as_of: datetime, notes: Notes) -> ExplainedBook:
    assert request.previous is not None
    since = request.previous.as_of
    before = book_of(request.previous.positions, request.previous.underlyings, since)
    then, now = prices_of(before), prices_of(book)
    _check_prices(request.previous.underlyings, [then, now], "previous.underlyings")
    found = explain_book(
        [*before.positions, *before.expired],
        [*book.positions, *book.expired],
        years=(as_of - since).total_seconds() / SECONDS_PER_YEAR,
        collateral={
            name: known.collateral * (now[name] - then[name])
            for name, known in before.underlyings.items()
            if known.collateral
        },
    )
    for place, item in enumerate(request.positions):
        if item.symbol in found.assumed_trades:
            effect = "its change of quantity is taken as traded at the price of now: no profit from trades"
            notes.assume(f"/positions/{place}/trades", "none", effect)
    text = "implied_volatility is missing in one of the snapshots"
    blind = {symbol: Refusal(Reason.GREEKS_UNAVAILABLE, text) for symbol in {**before.blind, **book.blind}}
    return replace(found, refused={**found.refused, **blind})


def _check_prices(underlyings: Sequence[UnderlyingIn], prices: Sequence[Mapping[str, float]], where: str) -> None:
    """Coin that is held as collateral needs a price in every snapshot that values it."""
    for place, item in enumerate(underlyings):
        if item.collateral and any(item.underlying not in known for known in prices):
            rule = f"must be given: no position has a price of {item.underlying}, whose coin is collateral"
            raise InvalidInput(f"{where}.{place}.price", rule, None)


def _remark(request: PriceLadderRequest, risk: BookRisk, notes: Notes) -> None:
    found = {item.underlying: item for item in risk.underlyings}
    for place, known in enumerate(request.underlyings):
        item = found[known.underlying]
        if item.collateral and known.price is None:
            effect = f"the price of its coin collateral, from the book ({item.price_source})"
            notes.assume(f"/underlyings/{place}/price", f"{item.price:.12g}", effect)
    first = next((place for place, item in enumerate(request.positions) if _size_left_open(item)), None)
    if first is not None:
        unit = "quote" if request.positions[first].kind == "inverse" else "base"
        notes.assume(f"/positions/{first}/multiplier", "1", f"one contract is one unit of {unit}")
    for symbol in risk.expanded:
        text = "no ladder of its own: its Greeks are expanded to second order, which large moves exceed"
        notes.warn("greeks_expanded", text, symbol)
    if risk.beta is not None and risk.beta.missing:
        notes.warn("beta_missing", f"beta_weighted leaves out {', '.join(risk.beta.missing)}")


def _size_left_open(item: PositionIn) -> bool:
    """Whether what one contract stands for is a guess; a unit of spot is itself."""
    sized = isinstance(item, OptionPositionIn) or (isinstance(item, LinearPositionIn) and item.kind != "spot")
    return sized and "multiplier" not in item.model_fields_set
