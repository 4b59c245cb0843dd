"""A hedge order in slices of whole lots, with the worst price of each."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

from services.core.decimals import SNAP, to_tick
from services.core.errors import InvalidInput
from services.core.instrument import Kind
from services.core.outcome import Reason
from services.engine.costs import daily_volumes, half_spreads
from services.engine.hedged_book import HedgedBook
from services.engine.outputs import Hedge, HedgeSlice, Slicing
from services.hedging.delta_neutral import HEDGING_KINDS
from services.hedging.execution import Execution, LinearImpact
from services.hedging.hedge_execution import HedgeExecution
from services.hedging.price_collar import slice_impact, worst_price
from services.hedging.registry import HARD_LIMIT
from services.hedging.schedule import Schedule, SliceRules, schedule_order, smallest_slice
from services.hedging.slices import LotSlice
from services.liquidity.depth import Side

NO_WORST_PRICE = "no worst price of some slices: steps at prices, an unknown volatility, or far beyond the volume"


def slicing_of(book: HedgedBook, hedge: Hedge) -> Slicing | None:
    """Slices of a hedge order; None where the policy has no schedule, or nothing is ordered.

    Notes
    -----
    The slices and what is unfilled sum to the order. A hedge beyond the hard limit of its trigger waits for nothing:
    one slice, at once. Options are one slice too: their books do not refill by a schedule.
    """
    execution = book.inputs.policy.hedge_execution
    if execution is None or (execution.schedule is None and execution.collar is None) or not hedge.contracts:
        return None
    order = _execution(book, hedge)
    lot = book.row(hedge.row).instrument.lot
    lots = round(abs(hedge.contracts) / lot)
    urgent = hedge.decision is not None and HARD_LIMIT in hedge.decision.fired
    option = book.row(hedge.row).instrument.kind not in HEDGING_KINDS
    found, reason, detail = Schedule(slices=(LotSlice(lots, 0.0, 0.0),)), Reason.NONE, ""
    if execution.schedule is not None and not urgent and not option:
        try:
            found = _scheduled(book, hedge, execution, order, lots)
        except InvalidInput as error:
            found, reason, detail = Schedule(slices=(), unfilled=lots), Reason.DATA_REQUIRED, str(error)
    slices = tuple(_slice(book, hedge, execution, order, item) for item in found.slices)
    if execution.collar is not None and not option and any(item.worst_price is None for item in slices):
        detail = detail or NO_WORST_PRICE
    unfilled = abs(hedge.contracts) - sum((abs(item.contracts) for item in slices), Decimal(0))
    return Slicing(slices=slices, unfilled=unfilled, reason=reason, detail=detail, cost=found.cost)


def _scheduled(book: HedgedBook, hedge: Hedge, execution: HedgeExecution, order: Execution, lots: int) -> Schedule:
    assert execution.schedule is not None
    instrument = book.row(hedge.row).instrument
    farthest = max(abs(part.offset) for part in execution.schedule.parts(order))
    exempt = order.reduces and instrument.kind is not Kind.SPOT
    least = 1 if exempt else smallest_slice(instrument, order.price * math.exp(-farthest))
    rules = SliceRules(max_participation=execution.max_participation)
    return schedule_order(lots, execution.schedule, order, rules, minimum=least)


def _execution(book: HedgedBook, hedge: Hedge) -> Execution:
    row, readout = book.row(hedge.row), book.state(hedge.row).readout
    assert row.price is not None
    assert hedge.contracts is not None
    price = row.price.value
    base = row.instrument.contract_multiplier
    if row.instrument.kind in HEDGING_KINDS:
        base = row.instrument.base_per_contract(price)
    volume = float(daily_volumes(book.inputs)[hedge.row]) * base
    spread = 2.0 * float(half_spreads(book.inputs)[hedge.row]) * price
    known = volume > 0.0
    return Execution(
        quantity=abs(float(hedge.contracts)) * base,
        price=price,
        reduces=all(leg.reduce_only for leg in hedge.legs),
        volatility=readout.volatility if readout is not None else None,
        impact=LinearImpact.from_spread(spread, volume) if known and spread > 0.0 else None,
        average_daily_volume=volume if known else None,
    )


def _slice(book: HedgedBook, hedge: Hedge, execution: HedgeExecution, order: Execution, item: LotSlice) -> HedgeSlice:
    row, as_of = book.row(hedge.row), book.inputs.as_of
    assert hedge.contracts is not None
    side, lot = Side.of(float(hedge.contracts)), row.instrument.lot
    price = None
    if item.start is None:
        reached = order.price * math.exp(-side * item.offset)
        price = to_tick(reached, row.instrument.tick, up=reached > order.price)
    return HedgeSlice(
        contracts=(item.lots * lot).copy_sign(hedge.contracts),
        start=None if item.start is None else as_of + timedelta(seconds=item.start),
        end=None if item.end is None else as_of + timedelta(seconds=item.end),
        price=price,
        worst_price=_worst(book, hedge, execution, order, item, side),
    )


def _worst(
    book: HedgedBook, hedge: Hedge, execution: HedgeExecution, order: Execution, item: LotSlice, side: Side
) -> Decimal | None:
    """Worst price of a slice in time, for at least the life of an order; None without collar or volatility, for steps
    at prices, and for options, whose orders carry their own.
    """
    row = book.row(hedge.row)
    timed = item.start is not None and item.end is not None
    if execution.collar is None or order.volatility is None or not timed or row.instrument.kind not in HEDGING_KINDS:
        return None
    assert item.start is not None
    assert item.end is not None
    seconds = max(item.end - item.start, book.inputs.policy.orders.valid_for_seconds)
    share = item.lots * float(row.instrument.lot) / max(abs(float(hedge.contracts or 0)), SNAP)
    impact = slice_impact(order, order.quantity * share, seconds) or 0.0
    try:
        width = execution.collar.width(volatility=order.volatility, seconds=seconds, impact=impact)
    except InvalidInput:  # so far beyond the volume that no price is worst
        return None
    return worst_price(Decimal(repr(order.price)), side, width, row.instrument.tick)
