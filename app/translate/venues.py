"""Venues of a schedule: from the wire to curves of cost, and every slice split over them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.translate.answer import money, stat
from app.translate.liquidity import book_depth
from app.translate.one_market import OneMarket
from app.translate.snapshot import CLOCK_SKEW
from models.api.liquidity import BookIn
from models.api.placement import LinearDepthIn, SquareRootDepthIn, VenueIn
from models.api.schedule import ScheduleRequest
from services.core.decimals import plain, to_tick
from services.core.errors import InvalidInput
from services.core.instrument import Kind
from services.hedging.supply import LinearDepth, SquareRootDepth, Supply
from services.hedging.venues import EXCLUSION_TEXT, Allocation, Exclusion, Split, SplitRules, Venue, split_order
from services.liquidity.depth import Side
from services.liquidity.summary import DepthSummary

BASIS_POINTS = 1e4
MOST_PARTS = 2_000
"""Slices times venues: with books of 5,000 levels a second of work."""


def splits(
    request: ScheduleRequest,
    market: OneMarket,
    side: Side,
    lots: Sequence[int],
    worst: Sequence[Decimal | None],
    least: int,
) -> list[Split] | None:
    """Each slice over the venues: books as they are now, margin used up from one to the next; None without venues.

    Parameters
    ----------
    worst : sequence of Decimal
        Worst price of each slice.
    least : int
        Smallest order of the instrument [lots].

    Raises
    ------
    InvalidInput
        Naming the venue.
    """
    if request.venues is None:
        return None
    if len(lots) * len(request.venues) > MOST_PARTS:
        rule = f"must be at most {MOST_PARTS} parts: venues times slices"
        raise InvalidInput("venues", rule, len(lots) * len(request.venues))
    rules = request.split_rules or SplitRules()
    if request.split_rules is None:
        effect = "all depth that is shown is counted on, up to 30 s old"
        market.notes.assume("/split_rules", "depth_reserve 0, max_age_seconds 30", effect)
    if len(lots) > 1:
        text = "each slice is split on the depth of now, as if it refilled: split again when a slice is due"
        market.notes.warn("depth_of_now", text)
    venues = [_venue(place, item, market, least) for place, item in enumerate(request.venues)]
    headroom = [_headroom(place, item, market) for place, item in enumerate(request.venues)]
    return list(_in_turn(venues, headroom, market, side, lots, worst, rules))


def _in_turn(
    venues: Sequence[Venue],
    headroom: list[float],
    market: OneMarket,
    side: Side,
    lots: Sequence[int],
    worst: Sequence[Decimal | None],
    rules: SplitRules,
) -> Iterator[Split]:
    lot, inverse = float(market.instrument.lot), market.instrument.kind is Kind.INVERSE
    known: dict[tuple[Any, ...], Split] = {}
    for size, limit in zip(lots, worst, strict=True):
        key = (size, limit, *headroom)
        if key not in known:
            here = [_at_most(venue, room) for venue, room in zip(venues, headroom, strict=True)]
            known[key] = split_order(
                size,
                side,
                here,
                mark=float(market.mark),
                lot=lot,
                inverse=inverse,
                rules=rules,
                worst_price=None if limit is None else float(limit),
            )
        found = known[key]
        for place, part in enumerate(found.allocations):
            headroom[place] -= part.lots * lot
        yield found


def _at_most(venue: Venue, room: float) -> Venue:
    if math.isinf(room):
        return venue
    room = max(room, 0.0)
    return replace(venue, largest=room if venue.largest is None else min(venue.largest, room))


def _venue(place: int, item: VenueIn, market: OneMarket, least: int) -> Venue:
    supply, age = _supply(place, item, market)
    lot, largest = market.instrument.lot, market.instrument.max_quantity
    if item.max_quantity is not None:
        largest = market.contracts(item.max_quantity)
    if item.min_quantity is not None:
        least = max(1, math.ceil(market.contracts(item.min_quantity) / lot - Decimal("1e-9")))
    return Venue(
        name=item.venue,
        supply=supply,
        fee=item.fee_rate,
        age_seconds=age,
        trusted=item.trusted,
        largest=None if largest is None else float(largest),
        minimum=least,
    )


def _supply(place: int, item: VenueIn, market: OneMarket) -> tuple[Supply, float]:
    """What a venue offers, and how old that is."""
    pointer = f"venues.{place}"
    if item.book is not None:
        return _of_book(f"{pointer}.book", item.book, market), _age(f"{pointer}.book", item.book, market)
    if item.age_seconds is None:
        market.notes.assume(f"/venues/{place}/age_seconds", "0", "the form of the depth is taken as of now")
    if isinstance(item.depth, LinearDepthIn):
        depth = float(market.contracts(item.depth.depth)) / item.depth.distance
        return LinearDepth(per_fraction=depth, half_spread=item.depth.half_spread), item.age_seconds or 0.0
    assert item.depth is not None
    return _square_root(place, item.depth, market), item.age_seconds or 0.0


def _of_book(pointer: str, book: BookIn, market: OneMarket) -> Supply:
    try:
        found = book_depth(book, market.instrument)
    except InvalidInput as error:
        error.parameter = f"{pointer}.{error.parameter}"
        raise
    return _even(found, market) if isinstance(found, DepthSummary) else found


def _even(summary: DepthSummary, market: OneMarket) -> Supply:
    """A summary as even depth between its half spread and its distance, on the side where there is any."""
    request = market.request
    assert isinstance(request, ScheduleRequest)
    depth = summary.depth_ask if request.quantity > 0 else summary.depth_bid
    width = summary.distance - summary.half_spread
    if not depth:
        return LinearDepth(per_fraction=1.0, largest=0.0)
    shift = abs(summary.mid / float(market.mark) - 1.0)
    # a mid that is not the mark is taken as dearer, whichever way it lies
    first = summary.half_spread + shift
    return LinearDepth(per_fraction=depth / max(width, 1e-9), half_spread=first, largest=depth)


def _square_root(place: int, depth: SquareRootDepthIn, market: OneMarket) -> SquareRootDepth:
    if market.volatility is None:
        raise InvalidInput("volatility", f"is needed by venues.{place}.depth of kind square_root", None)
    if depth.coefficient is None:
        effect = "Y of the square-root law is of order one, and measured for no venue here"
        market.notes.assume(f"/venues/{place}/depth/coefficient", "1", effect)
    mark, instrument = float(market.mark), market.instrument
    return SquareRootDepth(
        average_daily_volume=depth.average_daily_volume / instrument.base_per_contract(mark),
        daily_volatility=market.volatility / math.sqrt(365.0),
        half_spread=depth.half_spread,
        coefficient=1.0 if depth.coefficient is None else depth.coefficient,
    )


def _age(pointer: str, book: BookIn, market: OneMarket) -> float:
    if book.as_of > market.as_of + CLOCK_SKEW:
        rule = f"must not lie after {market.as_of.isoformat()}"
        raise InvalidInput(f"{pointer}.as_of", rule, book.as_of.isoformat())
    return max((market.as_of - book.as_of).total_seconds(), 0.0)


def _headroom(place: int, item: VenueIn, market: OneMarket) -> float:
    """Contracts that the margin on a venue bears, at the mark."""
    if item.margin_headroom is None:
        return math.inf
    if item.initial_margin_rate is None:
        effect = "the venue's margin is taken to be the whole notional"
        market.notes.assume(f"/venues/{place}/initial_margin_rate", "1", effect)
    margin = (item.initial_margin_rate or 1.0) * market.instrument.notional_per_contract(float(market.mark))
    return float(item.margin_headroom) / margin


def slice_rows(split: Split, market: OneMarket, side: Side) -> list[dict[str, Any]]:
    """Parts of a slice, on venues that get one."""
    lot = market.instrument.lot
    rows = []
    for part in split.allocations:
        if part.lots:
            rows.append(
                {
                    "venue": part.name,
                    "quantity": market.quantity(part.lots * lot),
                    "contracts": plain(part.lots * lot),
                    "expected_price": money(part.average_price),
                    "worst_price": _to_tick(part, market, side),
                    "cost_bps": stat((part.cost or 0.0) * BASIS_POINTS),
                }
            )
    return rows


def venue_rows(found: Sequence[Split], market: OneMarket, side: Side) -> list[dict[str, Any]]:
    """Every venue over all slices, with the reason where it gets nothing."""
    return [_venue_row(parts, market, side) for parts in zip(*(split.allocations for split in found), strict=True)]


def _venue_row(parts: Sequence[Allocation], market: OneMarket, side: Side) -> dict[str, Any]:
    used = [part for part in parts if part.lots]
    lots = sum(part.lots for part in used)
    contracts = lots * market.instrument.lot
    reason = Exclusion.NONE if used else parts[0].exclusion
    return {
        "venue": parts[0].name,
        "reason": reason,
        "detail": EXCLUSION_TEXT[reason],
        "quantity": market.quantity(contracts),
        "contracts": plain(contracts),
        "expected_price": money(_average(used, lots, inverse=market.instrument.kind is Kind.INVERSE)),
        "worst_price": _to_tick(max(used, key=lambda part: side * (part.worst_price or 0.0)), market, side)
        if used
        else None,
        "cost_bps": stat(sum(part.lots * (part.cost or 0.0) for part in used) / lots * BASIS_POINTS) if used else None,
    }


def _average(used: Sequence[Allocation], lots: int, *, inverse: bool) -> float | None:
    if not used:
        return None
    prices = [(part.lots, part.average_price or 0.0) for part in used]
    if inverse:
        return lots / sum(size / price for size, price in prices)
    return sum(size * price for size, price in prices) / lots


def _to_tick(part: Allocation, market: OneMarket, side: Side) -> str:
    """Worst price, to the tick that still fills the last unit."""
    price = part.worst_price or 0.0
    return plain(to_tick(price, market.instrument.tick, up=side is Side.BUY))
