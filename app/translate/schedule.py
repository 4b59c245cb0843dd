"""A schedule as the wire shows it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from app.translate.answer import money, stat, time_text
from app.translate.notes import Notes
from app.translate.one_market import OneMarket, amount, lots_in
from app.translate.placement import feedback, feedback_row, latency_row, sandwich_row, worst_prices
from app.translate.switches import stopped
from app.translate.venues import slice_rows, splits, venue_rows
from models.api.schedule import ScheduleRequest
from services.core.annualization import SECONDS_PER_DAY
from services.core.decimals import plain, to_tick
from services.core.errors import InvalidInput, Refusal
from services.core.instrument import Kind
from services.core.outcome import Reason
from services.guards.switches import ActiveSwitch, SwitchMode
from services.hedging.delta_neutral import HEDGING_KINDS
from services.hedging.execution import Execution, ExecutionCost, LinearImpact
from services.hedging.reflexivity import ReflexivityLevel
from services.hedging.schedule import Schedule, SliceRules, schedule_order, smallest_slice
from services.hedging.schedules.almgren_chriss import AlmgrenChriss
from services.hedging.slices import LotSlice
from services.liquidity.depth import Side

ZERO = Decimal(0)
PLACEMENT = ("venues", "sandwich", "reflexivity", "latency")
"""What an answer says besides its slices, where it is asked for."""


class Order(NamedTuple):
    """The order in lots: `sign` +1 buys; `remainder` is less than a lot [contracts]."""

    sign: int
    lots: int
    remainder: Decimal
    start: datetime


def needs_volatility(request: ScheduleRequest) -> bool:
    """Whether the schedule cannot be made without a volatility."""
    return "volatility" in request.schedule.requires


def wants_volatility(request: ScheduleRequest) -> bool:
    """Whether a volatility is of use, if only for the cost."""
    derived = request.spread is not None and request.average_daily_volume is not None
    placed = request.collar is not None or request.net_gamma is not None or request.venues is not None
    return needs_volatility(request) or request.impact is not None or derived or placed


def schedule_body(request: ScheduleRequest, market: OneMarket) -> dict[str, Any]:
    """Outcome and slices.

    Raises
    ------
    InvalidInput
        For what contradicts itself, and where the method needs what was not sent.
    """
    if market.problem is not None:
        return refused(market.problem, request)
    order = _order(request, market)
    if not order.lots:
        text = f"{plain(request.quantity)} is less than one lot of {plain(market.instrument.lot)} contracts"
        return refused(Refusal(Reason.BELOW_LOT, text), request, order.remainder)
    if market.missing is not None and needs_volatility(request):
        return refused(market.missing, request)
    execution = _execution(request, market, order)
    least = _smallest(request, market, execution)
    if order.lots < least and not execution.reduces:
        size = plain(least * market.instrument.lot)
        text = f"the order is smaller than the smallest that the instrument allows: {size} contracts"
        return refused(Refusal(Reason.BELOW_MINIMUM, text), request, order.remainder)
    jitter = request.jitter
    rules = SliceRules(
        max_participation=request.max_participation,
        jitter=jitter.fraction if jitter else 0.0,
        time_jitter=jitter.times if jitter else 0.0,
    )
    generator = np.random.default_rng(jitter.seed) if jitter else None
    found = schedule_order(order.lots, request.schedule, execution, rules, minimum=least, generator=generator)
    _remark(found, execution, market, least)
    return _placed(found, execution, market, order, request, least)


def stopped_body(request: ScheduleRequest, market: OneMarket, switch: ActiveSwitch) -> dict[str, Any] | None:
    """Under a switch an order is scheduled only if it is sent as `reduce_only`, and only where nothing is halted."""
    may = bool(request.reduce_only) and switch.mode is not SwitchMode.HALT
    return None if may else refused(stopped(switch), request)


def refused(refusal: Refusal, request: ScheduleRequest, remainder: Decimal = ZERO) -> dict[str, Any]:
    """A schedule that is not made."""
    return {
        "status": "refused",
        "reason": refusal.reason,
        "detail": refusal.detail,
        "side": "buy" if request.quantity > 0 else "sell",
        "quantity": "0",
        "contracts": "0",
        "remainder": amount(remainder),
        "slices": [],
        "unfilled": None,
        "joined": 0,
        "cost": None,
        **dict.fromkeys(PLACEMENT),
        "characteristic_seconds": None,
    }


def _order(request: ScheduleRequest, market: OneMarket) -> Order:
    if not request.quantity:
        raise InvalidInput("quantity", "must not be 0", "0", "negative sells, positive buys")
    if market.instrument.kind not in HEDGING_KINDS:
        raise InvalidInput("symbol", "must be spot, linear or inverse", market.instrument.kind.value)
    start = request.start or market.as_of
    if start < market.as_of:
        raise InvalidInput("start", f"must not lie before as_of ({time_text(market.as_of)})", time_text(start))
    contracts, lot = market.contracts(request.quantity), market.instrument.lot
    lots = lots_in(contracts, lot)
    remainder = max(abs(contracts) - lots * lot, ZERO)
    return Order(1 if request.quantity > 0 else -1, lots, remainder, start)


def _execution(request: ScheduleRequest, market: OneMarket, order: Order) -> Execution:
    if request.reduce_only is None:
        effect = "lots are rounded and moved as for an order that adds risk: later"
        market.notes.assume("/reduce_only", "false", effect)
    mark = float(market.mark)
    size = float(order.lots * market.instrument.lot)
    return Execution(
        quantity=size * market.instrument.base_per_contract(mark),
        price=mark,
        reduces=bool(request.reduce_only),
        volatility=market.volatility,
        impact=_impact(request, market.notes),
        average_daily_volume=request.average_daily_volume,
        volumes=tuple(request.volumes or ()),
    )


def _impact(request: ScheduleRequest, notes: Notes) -> LinearImpact | None:
    if request.impact is not None or request.spread is None or request.average_daily_volume is None:
        return request.impact
    impact = LinearImpact.from_spread(float(request.spread), request.average_daily_volume)
    text = f"temporary {impact.temporary:.6g}, permanent {impact.permanent:.6g}, fixed {impact.fixed:.6g}"
    effect = "1 % of a day's volume costs a spread, 10 % of it moves the price by one: too little where that is a tick"
    notes.assume("/impact", text, effect)
    return impact


def _smallest(request: ScheduleRequest, market: OneMarket, execution: Execution) -> int:
    """Lots of the smallest slice; venues exempt reduce-only orders, which spot has none of."""
    if execution.reduces and market.instrument.kind is not Kind.SPOT:
        return 1
    farthest = max(abs(part.offset) for part in request.schedule.parts(execution))
    return smallest_slice(market.instrument, execution.price * math.exp(-farthest))


def _remark(found: Schedule, execution: Execution, market: OneMarket, least: int) -> None:
    if execution.impact is not None and execution.volatility is None and market.missing is not None:
        market.notes.warn("cost_unknown", f"no volatility, so no cost: {market.missing.detail}")
    if any(item.lots < least for item in found.slices):
        market.notes.warn(
            "below_minimum", "a slice is below the minimum of the instrument, and nothing is left to join it"
        )
    largest, lot = market.instrument.max_quantity, market.instrument.lot
    if largest is not None and any(item.lots * lot > largest for item in found.slices):
        market.notes.warn(
            "above_maximum", f"a slice is above max_quantity ({plain(largest)}): send it as several orders"
        )


def _placed(
    found: Schedule, execution: Execution, market: OneMarket, order: Order, request: ScheduleRequest, least: int
) -> dict[str, Any]:
    """The schedule with where and how its slices are traded; refused where the hedge feeds on itself."""
    side = Side.BUY if order.sign > 0 else Side.SELL
    lots = [item.lots for item in found.slices]
    _must_be_timed(found, request)
    latency = latency_row(request, market)
    reflexive = feedback(request, market, execution, max(lots, default=order.lots))
    said: dict[str, Any] = {"reflexivity": feedback_row(reflexive) if reflexive else None, "latency": latency}
    if reflexive and reflexive.decision.level is ReflexivityLevel.REFUSE and not execution.reduces:
        text = f"the gain of the feedback is {reflexive.decision.gain:.3g}: {reflexive.decision.consequence}"
        return refused(Refusal(Reason.REFLEXIVE_HEDGE, text), request, order.remainder) | said
    worst = worst_prices(request, market, execution, found.slices, side)
    parts = splits(request, market, side, lots, worst, least)
    said["venues"] = None if parts is None else venue_rows(parts, market, side)
    said["sandwich"] = sandwich_row(request, market, side, max(lots)) if lots else None
    body = _planned(found, execution, market, order, request) | said
    for place, row in enumerate(body["slices"]):
        limit, split = worst[place], None if parts is None else parts[place]
        row["worst_price"] = None if limit is None else plain(limit)
        row["venues"] = None if split is None else slice_rows(split, market, side)
        row["unplaced"] = None if split is None else plain(split.unfilled * market.instrument.lot)
    unplaced = sum(split.unfilled for split in parts or ()) * market.instrument.lot
    return body | _short_of_depth(body, unplaced, market) if unplaced else body


def _must_be_timed(found: Schedule, request: ScheduleRequest) -> None:
    """Depth is that of now, and says nothing of when a price is reached."""
    if any(item.start is None for item in found.slices):
        for name in ("venues", "pool", "collar"):
            if getattr(request, name) is not None:
                raise InvalidInput(name, "goes with a schedule in time, not with steps at prices", "no times")


def _short_of_depth(body: dict[str, Any], unplaced: Decimal, market: OneMarket) -> dict[str, Any]:
    text = f"venues bear all but {plain(unplaced)} contracts of the slices"
    detail = f"{body['detail']}; {text}" if body["detail"] else text
    market.notes.warn("unplaced", f"{text}: unplaced of each slice says how many")
    return {"status": "limited", "reason": Reason.LIMIT, "detail": detail}


def _planned(
    found: Schedule, execution: Execution, market: OneMarket, order: Order, request: ScheduleRequest
) -> dict[str, Any]:
    lot = market.instrument.lot
    planned = (order.lots - found.unfilled) * lot
    short = f"the volume bears {plain(planned)} of {plain(order.lots * lot)} contracts" if found.unfilled else None
    return {
        "status": "limited" if found.unfilled else "ok",
        "reason": Reason.LIMIT if found.unfilled else Reason.NONE,
        "detail": short,
        "side": "buy" if order.sign > 0 else "sell",
        "quantity": market.quantity(planned),
        "contracts": plain(planned),
        "remainder": amount(order.remainder),
        "slices": [_slice(place, item, market, order) for place, item in enumerate(found.slices, start=1)],
        "unfilled": _unfilled(found, market),
        "joined": found.joined,
        "cost": None if found.cost is None else _cost(found.cost, float(planned), market),
        "characteristic_seconds": _characteristic_seconds(request, execution),
    }


def _slice(place: int, item: LotSlice, market: OneMarket, order: Order) -> dict[str, Any]:
    contracts = item.lots * market.instrument.lot
    price = None if item.start is not None else _price(item, market, order)
    one = Decimal(repr(market.instrument.contract_multiplier))
    value = one if market.instrument.kind is Kind.INVERSE else one * (price or market.mark)
    return {
        "sequence": place,
        "quantity": market.quantity(contracts),
        "contracts": plain(contracts),
        "notional": amount(contracts * value),
        "start": _moment(order.start, item.start),
        "end": _moment(order.start, item.end),
        "price": None if price is None else plain(price),
        "condition": _condition(item, price, market, order),
        "participation": stat(item.lots / item.volume) if item.volume else None,
        "at": _moment(order.start, item.at),
    }


def _price(item: LotSlice, market: OneMarket, order: Order) -> Decimal:
    if not item.offset:
        return market.mark
    price, tick = float(market.mark) * math.exp(-order.sign * item.offset), market.instrument.tick
    found = to_tick(price, tick, up=price > float(market.mark))
    # Nothing waits at a price of zero.
    return found if tick is None else max(found, tick)


def _condition(item: LotSlice, price: Decimal | None, market: OneMarket, order: Order) -> str:
    if price is None:
        return f"from {_moment(order.start, item.start)} to {_moment(order.start, item.end)}"
    if price == market.mark:
        return "at once"
    return f"once the price is at or {'below' if price < market.mark else 'above'} {plain(price)}"


def _moment(start: datetime, seconds: float | None) -> str | None:
    return None if seconds is None else time_text(start + timedelta(seconds=seconds))


def _unfilled(found: Schedule, market: OneMarket) -> dict[str, Any] | None:
    if not found.unfilled:
        return None
    contracts = found.unfilled * market.instrument.lot
    seconds = stat(found.required_seconds)
    return {"quantity": market.quantity(contracts), "contracts": plain(contracts), "required_seconds": seconds}


def _cost(cost: ExecutionCost, contracts: float, market: OneMarket) -> dict[str, Any]:
    notional = contracts * market.instrument.notional_per_contract(float(market.mark))
    return {
        "expected": money(cost.expected),
        "expected_fraction": stat(cost.expected / notional),
        "standard_deviation": money(cost.standard_deviation),
        "variance": stat(cost.variance),
    }


def _characteristic_seconds(request: ScheduleRequest, execution: Execution) -> float | None:
    method = request.schedule
    if not isinstance(method, AlmgrenChriss):
        return None
    urgency = method.urgency(execution)
    return stat(SECONDS_PER_DAY / urgency) if urgency > 0.0 else None
