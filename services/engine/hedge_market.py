"""What the hedge optimiser is given of a book: exposure, instruments with costs and depth, the margin that is left."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from services.core.book import Row
from services.core.instrument import Kind, Right
from services.core.outcome import Reason
from services.engine.columns import BookColumns, max_age_seconds
from services.engine.costs import daily_volatility, daily_volumes, half_spreads
from services.engine.hedge_gates import gate_decision
from services.engine.hedge_limits import allowed_contracts
from services.engine.hedge_view import names_of
from services.engine.hedged_book import HedgedBook
from services.engine.inputs import EvaluationInputs
from services.engine.margin_rates import margin_rates
from services.engine.margins import margin_figures
from services.engine.option_legs import option_leg
from services.engine.outputs import LeftOut, Offered
from services.engine.targets import minimum_order
from services.hedging.delta_neutral import HEDGING_KINDS
from services.hedging.exposures import Exposure
from services.hedging.hedge_problem import HedgeInstrument
from services.hedging.optimizers.greek_bounds import GreekBounds
from services.liquidity.depth import DepthState, Side
from services.liquidity.impact import square_root_impact
from services.liquidity.markets import of_market
from services.options.portfolio_greeks import LegGreeks, leg_greeks

DepthSource = Literal["book", "assumed", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One contract of a row, held long [account currency].

    `notional` is what rates of `policy.costs` are of; `value` what the half spread of its own book is of.
    """

    greeks: Exposure
    notional: float
    value: float
    base: float
    margin_long: float
    margin_short: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """Instruments that may be traded, what is said of each, and the others."""

    instruments: tuple[HedgeInstrument, ...]
    offered: tuple[Offered, ...]
    left_out: tuple[LeftOut, ...]


def hedge_offers(book: HedgedBook, optimizer: GreekBounds) -> Offers:
    """Instruments that the policy names, as far as they can be described, belong to the underlying and are let through
    by the gate.
    """
    instruments, offered, left_out = [], [], []
    inputs, columns, places = book.inputs, book.columns, book.inputs.hedge_rows
    for symbol in optimizer.instruments:
        found = _contract(inputs, columns, places.get(symbol), book.place, symbol)
        if isinstance(found, LeftOut):
            left_out.append(found)
            continue
        index = places[symbol]
        instrument, source, known = _instrument(book, index, found, optimizer)
        instrument, held_back = _gated(book, index, instrument)
        left_out += held_back
        instruments.append(instrument)
        offered.append(Offered(symbol, instrument.buy_depth, instrument.sell_depth, source, known))
    return Offers(instruments=tuple(instruments), offered=tuple(offered), left_out=tuple(left_out))


def book_exposure(inputs: EvaluationInputs, columns: BookColumns, members: list[int], delta: float) -> Exposure | None:
    """Greeks of the book, open orders of rows that hedges trade counted, money in the account currency; None where one
    of them is unknown.
    """
    known = [(leg, inputs.rows[i].fx) for i in members if (leg := columns.states[i].greeks) is not None]
    if any(fx is None and _has_money(leg) for leg, fx in known):
        return None
    sums = np.array([(0.0, 0.0, 0.0, 0.0), *(_curvature(leg, fx or 0.0) for leg, fx in known)]).sum(axis=0)
    return Exposure.of(np.array([delta, *sums, 0.0])) if np.isfinite(sums).all() else None


def margin_elsewhere(inputs: EvaluationInputs, columns: BookColumns, symbols: frozenset[str]) -> tuple[float, str]:
    """Initial margin of positions in other instruments than those of a plan [account currency], and the symbol of a
    position whose margin is unknown, if there is one: an option sold short whose margin was not sent.
    """
    figures = margin_figures(inputs, columns, columns.contracts, open_orders=True, liquidation=False)
    planned = {index for symbol, index in inputs.hedge_rows.items() if symbol in symbols}
    used = 0.0
    for index, (row, state) in enumerate(zip(inputs.rows, columns.states, strict=True)):
        if not (state.contracts or state.expected) or row.problem is Reason.EXPIRED:
            continue
        initial = float(figures.initial[index])
        if math.isnan(initial):
            if row.instrument.kind is not Kind.OPTION or min(state.contracts, state.expected) < 0:
                return used, row.symbol
            continue  # a long option is paid for
        used += initial if index not in planned else 0.0
    return used, ""


def _curvature(leg: LegGreeks, fx: float) -> tuple[float, float, float, float]:
    return leg.gamma_1pct, leg.vega_per_point * fx, leg.vanna_per_point, leg.volga_per_point * fx


def _has_money(leg: LegGreeks) -> bool:
    return leg.vega_per_point != 0.0 or leg.volga_per_point != 0.0


def _contract(
    inputs: EvaluationInputs, columns: BookColumns, index: int | None, place: int, symbol: str
) -> Contract | LeftOut:
    """One contract of a row, or why it may not be traded."""
    if index is None:
        return LeftOut(symbol, Reason.INSTRUMENT_REQUIRED, "not in the request: send it in positions[], quantity 0")
    row = inputs.rows[index]
    if row.problem is not None:
        return LeftOut(symbol, row.problem, row.detail)
    if not names_of(row) & names_of(inputs.rows[place]):
        return LeftOut(symbol, Reason.INSTRUMENT_REQUIRED, f"shares no name with {inputs.rows[place].symbol}")
    if row.price is None:
        return LeftOut(symbol, Reason.PRICE_REQUIRED, "send positions[].mark_price or marks[]")
    if row.fx is None:
        return LeftOut(symbol, Reason.FX_REQUIRED, "its quote currency has no rate in fx[]")
    readout, bars = columns.states[index].readout, inputs.policy.limits.max_data_age_bars
    if readout and row.price.age_seconds is not None and row.price.age_seconds > max_age_seconds(readout, bars):
        return LeftOut(symbol, Reason.STALE_PRICE, f"its price is {row.price.age_seconds:.0f} s old")
    if row.instrument.kind is Kind.OPTION:
        return _option(inputs, row, float(columns.states[index].contracts), row.fx)
    if row.instrument.kind not in HEDGING_KINDS:
        return LeftOut(symbol, Reason.INSTRUMENT_REQUIRED, f"{row.instrument.kind} does not hedge")
    return _linear(inputs, columns, index, row)


def _linear(inputs: EvaluationInputs, columns: BookColumns, index: int, row: Row) -> Contract:
    assert row.price is not None
    notional, rates = float(columns.unit_value[index]), margin_rates(inputs, columns)
    spot = row.instrument.kind is Kind.SPOT
    base = row.instrument.base_per_contract(row.price.value)
    return Contract(
        greeks=Exposure(delta=base),
        notional=notional,
        value=notional,
        base=base,
        margin_long=0.0 if spot else notional * float(rates.long[index]),
        margin_short=notional * float(rates.short[index]),
        price=notional if spot else 0.0,
    )


def _option(inputs: EvaluationInputs, row: Row, held: float, fx: float) -> Contract | LeftOut:
    """A contract of an option: its margin is the premium where long; where short what the venue asks of the position
    that is held, else its premium and all of the underlying (call) or of the strike (put).
    """
    leg = option_leg(row, 1.0, inputs.as_of)
    if leg is None:
        return LeftOut(row.symbol, Reason.GREEKS_UNAVAILABLE, "send implied_volatility and forward_price")
    greeks = leg_greeks(leg)
    base, premium = row.instrument.contract_multiplier, greeks.value * fx
    covered = leg.forward if row.instrument.right is Right.CALL else leg.strike
    short = premium + base * covered * fx
    if held < 0.0 and row.initial_margin is not None:
        short = row.initial_margin / -held
    return Contract(
        greeks=Exposure.of(np.array([greeks.delta, *_curvature(greeks, fx), 0.0])),
        notional=base * leg.forward * fx,
        value=premium,
        base=base,
        margin_long=premium,
        margin_short=short,
        price=premium,
    )


def _gated(book: HedgedBook, index: int, instrument: HedgeInstrument) -> tuple[HedgeInstrument, list[LeftOut]]:
    """The instrument with its depths cut to what the gate lets through, and why it was cut."""
    gate = book.inputs.policy.hedge_gate
    if gate is None:
        return instrument, []
    depths, said = {}, dict[Reason, str]()
    for name, sign in (("buy_depth", 1.0), ("sell_depth", -1.0)):
        depth = getattr(instrument, name)
        if depth > 0.0:
            decision = gate_decision(gate, book, index, sign * depth)
            depths[name] = min(depth, float(decision.max_contracts))
            if decision.reason is not Reason.NONE:
                said[decision.reason] = decision.detail
    return replace(instrument, **depths), [LeftOut(instrument.symbol, *item) for item in said.items()]


def _instrument(
    book: HedgedBook, index: int, one: Contract, optimizer: GreekBounds
) -> tuple[HedgeInstrument, DepthSource, bool]:
    """An instrument of the problem, where its depth came from, and whether its impact is known.

    Rates of `policy.costs` are of the notional, for options of that of the underlying; the half spread of a book is of
    the price of the instrument itself.
    """
    inputs, columns = book.inputs, book.columns
    row, costs, position = inputs.rows[index], inputs.policy.costs, float(columns.states[index].expected)
    spread = float(half_spreads(inputs)[index])
    half = costs.half_spread * one.notional if math.isnan(spread) else spread * one.value
    impact, known = _impact(inputs, columns, index, one, float(book.view.net_delta))
    buy, sell, source = _depth(inputs, row, one.base, optimizer)
    most = _largest(book, index)
    least = -most if row.instrument.kind is not Kind.OPTION or optimizer.sell_options else min(position, 0.0)
    side = row.only_side
    most, least = (
        (min(most, max(position, 0.0)) if side < 0 else most),
        (max(least, min(position, 0.0)) if side > 0 else least),
    )
    if source == "none":
        most, least = max(position, 0.0), min(position, 0.0)
        buy = sell = abs(position)
    instrument = HedgeInstrument(
        symbol=row.symbol,
        greeks=one.greeks,
        buy_cost=costs.fee * one.notional + half,
        sell_cost=costs.fee * one.notional + half,
        impact=impact,
        buy_depth=max(min(buy, most - position), 0.0),
        sell_depth=max(min(sell, position - least), 0.0),
        lot=row.instrument.lot,
        minimum=minimum_order(row),
        margin_long=one.margin_long,
        margin_short=one.margin_short,
        price=one.price,
        position=position,
        reduce_only=source == "none" or inputs.account.equity <= 0.0,
    )
    return instrument, source, known


def _largest(book: HedgedBook, index: int) -> float:
    """Largest position [contracts]: as of any hedge; of an option what the instrument says, margin bounds the rest."""
    row = book.row(index)
    if row.instrument.kind is not Kind.OPTION:
        return allowed_contracts(book.inputs, book.columns, index, book.reserve)
    size = row.instrument.max_quantity
    return math.inf if size is None else float(size)


def _depth(inputs: EvaluationInputs, row: Row, base: float, optimizer: GreekBounds) -> tuple[float, float, DepthSource]:
    """What may be bought and sold [contracts]; a book that is old counts as none, one with one side offers nothing."""
    posted = of_market(inputs.depths, row.symbol, row.venue)
    old = posted is not None and (inputs.as_of - posted.as_of).total_seconds() > optimizer.max_book_age_seconds
    if posted is None or old:
        assumed = optimizer.assumed_depth
        return (0.0, 0.0, "none") if assumed is None else (assumed / base, assumed / base, "assumed")
    half = posted.depth.half_spread
    if posted.depth.state is not DepthState.TWO_SIDED or half is None:
        return 0.0, 0.0, "none"
    distance = half + optimizer.depth_distance
    return posted.depth.depth_within(Side.BUY, distance), posted.depth.depth_within(Side.SELL, distance), "book"


def _impact(
    inputs: EvaluationInputs, columns: BookColumns, index: int, one: Contract, delta: float
) -> tuple[float, bool]:
    """Slope that gives a trade of the size of the delta its square-root impact [account currency per contract²]."""
    volume, coefficient = float(daily_volumes(inputs)[index]), inputs.policy.costs.impact_coefficient
    daily, clip = daily_volatility(columns.states[index].readout), abs(delta) / one.base
    if not (volume > 0.0) or daily is None or coefficient == 0.0 or clip == 0.0:
        return 0.0, coefficient == 0.0
    fraction = square_root_impact(clip, average_daily_volume=volume, daily_volatility=daily, coefficient=coefficient)
    return float(fraction) * one.notional / clip, True
