"""Largest positions and checked orders as the wire shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from app.translate.answer import money, stat
from app.translate.liquidity import book_depth
from app.translate.margin_notes import tell_unknown_size, tell_without_memory
from app.translate.one_market import OneMarket
from app.translate.switches import stopped
from models.api.position_limits import MarginAccountIn, OrderCheckRequest, PositionRequest
from services.core.decimals import plain
from services.core.errors import InvalidInput, Refusal
from services.core.instrument import Kind, QuantityUnit
from services.core.outcome import Reason
from services.guards.switches import ActiveSwitch, SwitchMode
from services.liquidity.book import OrderBook
from services.liquidity.depth import Side
from services.margin.max_position import margin_budget
from services.margin.position_limits import (
    AccountRoom,
    PositionCaps,
    PositionTerms,
    SideLimit,
    Verdict,
    adds_risk,
    check_order,
    side_limit,
)
from services.margin.registry import MarginPolicy
from services.margin.size_addons import MarketSize

KINDS = (Kind.LINEAR, Kind.INVERSE)
STATUS = {Verdict.ACCEPT: "ok", Verdict.RESIZE: "limited", Verdict.REJECT: "refused"}


class Limits(NamedTuple):
    """What bounds a position, in terms of the core."""

    terms: dict[int, PositionTerms]
    room: AccountRoom
    caps: PositionCaps
    method: str


def wants_volatility(request: PositionRequest) -> bool:
    """A margin is never asked without one."""
    return True


def max_position_body(request: PositionRequest, market: OneMarket) -> dict[str, Any]:
    """Largest long and short.

    Raises
    ------
    InvalidInput
        For an instrument that is not margined, and caps that name what is not there.
    """
    refusal = market.problem or market.missing
    if refusal is not None:
        unknown = dict.fromkeys(("long", "short", "margin_budget", "other_initial_margin", "other_maintenance_margin"))
        return _outcome("refused", refusal) | unknown | {"reduce_only": True, "method_used": None}
    found, held = _limits(request, market), market.contracts(request.position)
    sides = {sign: _side_limit(found, market, sign) for sign in (1, -1)}
    room, lot = found.room, market.instrument.lot
    largest = {sign: (sides[sign].largest or 0) * lot for sign in sides}
    held_side = 1 if held > 0 else -1
    return _outcome("ok", None) | {
        "long": _largest(sides[1], found.terms[1], market, held),
        "short": _largest(sides[-1], found.terms[-1], market, held),
        "reduce_only": not any(largest.values()) or abs(held) > largest[held_side],
        "margin_budget": money(margin_budget(room.equity, room.other_initial, found.caps.max_utilisation)),
        "other_initial_margin": money(room.other_initial),
        "other_maintenance_margin": money(room.other_maintenance),
        "method_used": found.method,
    }


def order_check_body(request: OrderCheckRequest, market: OneMarket) -> dict[str, Any]:
    """Verdict on an order, and the account once it is filled.

    Raises
    ------
    InvalidInput
        As `max_position_body`, and for an order of nothing.
    """
    _must_trade(request)
    # In the client's own unit: whether an order shrinks a position needs neither a price nor a contract.
    reduces = not adds_risk(request.position, request.quantity)
    refusal = market.problem or market.missing
    if refusal is not None or market.instrument.kind not in KINDS:
        if reduces:
            return _unmargined(request, market, refusal)
        if refusal is None:
            _must_be_margined(market)
            raise AssertionError  # pragma: no cover - the line above has raised
        return _refused(request, refusal, reduces=False)
    found = _limits(request, market)
    sign, held, order = (1 if request.quantity > 0 else -1), market.contracts(request.position), request.quantity
    limit = _side_limit(found, market, sign)
    if reduces:
        verdict, size, reason, binding = Verdict.ACCEPT, market.contracts(order), Reason.NONE, tuple[str, ...]()
    else:
        minimum = _minimum(market)
        verdict, size, reason, binding = check_order(
            held, _snapped(market.contracts(order), market), limit, market.instrument.lot, minimum
        )
    whole = verdict is Verdict.ACCEPT
    return _outcome(STATUS[verdict], None if whole else Refusal(reason, _cut(verdict, reason, binding))) | {
        "verdict": verdict.value,
        "side": "buy" if sign > 0 else "sell",
        "quantity": plain(order) if whole else market.quantity(size),
        "contracts": plain(size),
        "reduces": reduces,
        "binding": list(binding),
        "caps": _caps(limit, market),
        "after": _after(request, market, found, held, size, whole=whole),
        "method_used": found.method,
    }


def stopped_body(request: OrderCheckRequest, market: OneMarket, switch: ActiveSwitch) -> dict[str, Any] | None:
    """Under a switch an order is rejected, unless it only shrinks the position and nothing is halted."""
    _must_trade(request)
    reduces = not adds_risk(request.position, request.quantity)
    may = reduces and switch.mode is not SwitchMode.HALT
    return None if may else _refused(request, stopped(switch), reduces=reduces)


def _must_trade(request: OrderCheckRequest) -> None:
    if not request.quantity:
        raise InvalidInput("quantity", "must not be 0", "0", "negative sells, positive buys")


def _limits(request: PositionRequest, market: OneMarket) -> Limits:
    _must_be_margined(market)
    account, instrument, policy = request.account, market.instrument, request.margin
    inverse = instrument.kind is Kind.INVERSE
    collateral = account.collateral or ("base" if inverse else "quote")
    if account.collateral is None:
        market.notes.assume("/account/collateral", collateral, "whether the equity moves with the price")
    value, floor = instrument.notional_per_contract(float(market.mark)), 1.0 / (instrument.max_leverage or np.inf)
    assert market.volatility is not None
    rates = policy.rates(np.array([market.volatility]), venue_floor=floor)
    if rates.method_used[0] != policy.model.method:
        text = f"{policy.model.method} reads returns, of which a request has none: {rates.method_used[0]} stands in"
        market.notes.warn("margin_method", text, request.symbol)
    tell_without_memory(policy, market.notes)
    others = other_margins(account, policy)
    size = _market_size(request, market, value)
    tell_unknown_size(policy.size_addon, [request.symbol], size, market.notes, "/flow")
    unsized = [item.symbol for item in account.positions if item.initial_margin is None]
    tell_unknown_size(policy.size_addon, unsized, MarketSize(), market.notes, "/account/positions")
    by_side = {1: float(rates.long[0]), -1: float(rates.short[0])}
    return Limits(
        terms={
            sign: PositionTerms.under(
                policy, sign, rate, value, tiers=instrument.margin_tiers, inverse=inverse, market=size
            )
            for sign, rate in by_side.items()
        },
        room=AccountRoom(
            equity=float(account.equity),
            other_initial=float(account.other_initial_margin) + others[0],
            other_maintenance=float(account.other_maintenance_margin) + others[1],
            in_coin=collateral == "base",
        ),
        caps=_position_caps(request, market),
        method=rates.method_used[0],
    )


def _market_size(request: PositionRequest, market: OneMarket, value: float) -> MarketSize:
    """Open interest and volume of the market [contracts]; NaN where they were not sent."""
    flow = request.flow
    if flow is None:
        return MarketSize(value=value)
    unit, price = QuantityUnit(flow.quantity_unit or market.unit), float(market.mark)
    interest, volume = (
        np.nan if item is None else market.instrument.contracts(float(item), unit, price)
        for item in (flow.open_interest, flow.average_daily_volume)
    )
    return MarketSize(interest, volume, value)


def other_margins(account: MarginAccountIn, policy: MarginPolicy) -> tuple[float, float]:
    """Initial and maintenance margin of the other positions [currency of the account]."""
    stated = [item for item in account.positions if item.initial_margin is not None]
    modelled = [item for item in account.positions if item.initial_margin is None]
    initial = sum(float(item.initial_margin or 0) for item in stated)
    maintenance = sum(float(item.maintenance_margin or 0) for item in stated)
    if not modelled:
        return initial, maintenance
    columns = np.array(
        [
            (
                item.quantity,
                item.contract_multiplier * (1 if item.kind == "inverse" else item.mark_price or 0),
                item.volatility,
                item.open_buys,
                item.open_sells,
            )
            for item in modelled
        ],
        dtype=np.float64,
    ).T
    asked = policy.requirement(
        columns[0], columns[1], policy.rates(columns[2]), open_buys=columns[3], open_sells=columns[4]
    )
    return initial + float(asked.initial.sum()), maintenance + float(asked.maintenance.sum())


def _position_caps(request: PositionRequest, market: OneMarket) -> PositionCaps:
    caps = request.caps
    long, short = _liquidity(request, market)
    if caps.max_tier is not None and not market.instrument.margin_tiers:
        raise InvalidInput("caps.max_tier", "goes with instrument.margin_tiers", caps.max_tier)
    return PositionCaps(
        max_utilisation=caps.max_utilisation,
        min_distance_sigma=caps.min_distance_sigma,
        horizon_days=caps.horizon_days,
        max_tier=caps.max_tier,
        liquidity_long=long,
        liquidity_short=short,
        venue=market.instrument.max_quantity,
        user=None if caps.max_quantity is None else market.contracts(caps.max_quantity),
    )


def _liquidity(request: PositionRequest, market: OneMarket) -> tuple[float | None, float | None]:
    """What the book takes back of a long, which is sold into the bids, and of a short."""
    if request.book is None or request.caps.max_slippage is None:
        return None, None
    book, mark = book_depth(request.book, market.instrument), float(market.mark)
    assert isinstance(book, OrderBook)
    long, short = (
        book.largest_within_slippage(side, request.caps.max_slippage, reference=mark) for side in (Side.SELL, Side.BUY)
    )
    return long, short


def _side_limit(found: Limits, market: OneMarket, sign: int) -> SideLimit:
    try:
        return side_limit(found.terms[sign], found.room, found.caps, market.instrument.lot, market.volatility)
    except InvalidInput as error:
        if error.parameter != "max_tier":
            raise
        raise InvalidInput("caps.max_tier", error.rule, found.caps.max_tier) from None


def _largest(limit: SideLimit, terms: PositionTerms, market: OneMarket, held: Decimal) -> dict[str, Any]:
    contracts = (limit.largest or 0) * market.instrument.lot
    size = float(contracts)
    return {
        "quantity": market.quantity(contracts),
        "contracts": plain(contracts),
        "notional": money(size * terms.notional_per_contract),
        "initial_margin": money(float(terms.initial(size))),
        "maintenance_margin": money(float(terms.maintenance(size))),
        "binding": list(limit.binding),
        "caps": _caps(limit, market),
        "headroom": market.quantity(contracts - limit.side * held),
    }


def _caps(limit: SideLimit, market: OneMarket) -> list[dict[str, Any]]:
    rows = []
    for name, lots in limit.lots.items():
        contracts = None if lots is None else lots * market.instrument.lot
        rows.append(
            {
                "cap": name,
                "quantity": None if contracts is None else market.quantity(contracts),
                "contracts": None if contracts is None else plain(contracts),
            }
        )
    return rows


def _after(
    request: OrderCheckRequest, market: OneMarket, found: Limits, held: Decimal, size: Decimal, *, whole: bool
) -> dict[str, Any]:
    """Account after the fill."""
    position, room = held + size, found.room
    terms = found.terms[1 if position >= 0 else -1]
    initial = room.other_initial + float(terms.initial(abs(float(position))))
    maintenance = room.other_maintenance + float(terms.maintenance(abs(float(position))))
    solvent = room.equity > 0.0
    return {
        "position": plain(request.position + request.quantity) if whole else market.quantity(position),
        "initial_margin": money(initial),
        "maintenance_margin": money(maintenance),
        "utilisation": stat(initial / room.equity) if solvent else None,
        "margin_ratio": stat(maintenance / room.equity) if solvent else None,
    }


def _unmargined(request: OrderCheckRequest, market: OneMarket, refusal: Refusal | None) -> dict[str, Any]:
    """A reduction whose margin cannot be computed: accepted all the same."""
    why = refusal.detail if refusal else f"no margin is modelled for {market.instrument.kind.value}"
    market.notes.warn("margin_unknown", f"accepted as a reduction, without figures: {why}", request.symbol)
    return (
        _outcome("ok", None)
        | _order(request, Verdict.ACCEPT, reduces=True)
        | {
            "quantity": plain(request.quantity),
            "contracts": plain(market.contracts(request.quantity)),
            "after": _nothing_known(request.position + request.quantity),
        }
    )


def _refused(request: OrderCheckRequest, refusal: Refusal, *, reduces: bool) -> dict[str, Any]:
    return (
        _outcome("refused", refusal)
        | _order(request, Verdict.REJECT, reduces=reduces)
        | {
            "quantity": "0",
            "contracts": "0",
            "after": _nothing_known(request.position),
        }
    )


def _order(request: OrderCheckRequest, verdict: Verdict, *, reduces: bool) -> dict[str, Any]:
    side = "buy" if request.quantity > 0 else "sell"
    return {
        "verdict": verdict.value,
        "side": side,
        "reduces": reduces,
        "binding": [],
        "caps": [],
        "method_used": None,
    }


def _nothing_known(position: Decimal) -> dict[str, Any]:
    unknown = dict.fromkeys(("initial_margin", "maintenance_margin", "utilisation", "margin_ratio"))
    return {"position": plain(position), **unknown}


def _must_be_margined(market: OneMarket) -> None:
    if market.instrument.kind not in KINDS:
        raise InvalidInput("symbol", "must be linear or inverse", market.instrument.kind.value)


def _minimum(market: OneMarket) -> Decimal:
    """Smallest order that opens [contracts]."""
    instrument = market.instrument
    value = instrument.notional_per_contract(float(market.mark))
    return max(instrument.min_quantity, Decimal(repr(instrument.min_notional / value)))


def _snapped(contracts: Decimal, market: OneMarket) -> Decimal:
    """Size whose division missed a whole lot by a hair, as that lot."""
    lot = market.instrument.lot
    near = round(contracts / lot) * lot
    return near if abs(near - contracts) <= lot * Decimal("1e-9") else contracts


def _outcome(status: str, refusal: Refusal | None) -> dict[str, Any]:
    reason = refusal.reason if refusal else Reason.NONE
    return {"status": status, "reason": reason, "detail": refusal.detail if refusal else None}


def _cut(verdict: Verdict, reason: Reason, binding: tuple[str, ...]) -> str:
    if reason is Reason.BELOW_LOT:
        return "whole lots only"
    what = "no part of the order" if verdict is Verdict.REJECT else "only a part of the order"
    rest = ", and what it leaves is below the minimum of the instrument" if reason is Reason.BELOW_MINIMUM else ""
    return f"{what} fits below the cap: {', '.join(binding)}{rest}" if binding else f"{what}: below the minimum"
