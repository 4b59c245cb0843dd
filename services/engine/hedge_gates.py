"""How much of a hedge may be traded now: the gate of the policy, hedges that would feed on themselves, and switches."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from services.core.instrument import Kind
from services.core.outcome import Reason
from services.engine.hedged_book import HedgedBook
from services.engine.option_legs import option_leg
from services.engine.switches import switch_of
from services.guards.switches import SwitchMode
from services.hedging.gate import GateDecision, GateView, HedgeGate, shrinking
from services.hedging.reflexivity import ReflexivityLevel
from services.liquidity.depth import DepthState, Side
from services.liquidity.markets import of_market
from services.options.portfolio_greeks import leg_greeks

DEPTH_DISTANCE = 0.005
"""How far beyond the best price a book counts as depth, where no optimiser says [fraction of its mid]."""


class Permit(NamedTuple):
    """Most contracts of a trade, why no more, and what the gate said where there is one."""

    most: float
    reason: Reason = Reason.NONE
    detail: str = ""
    gate: GateDecision | None = None


def permitted(book: HedgedBook, index: int, trade: float, *, linear_only: bool) -> Permit:
    """What of a trade may be sent.

    Parameters
    ----------
    trade : float
        [signed contracts]
    linear_only : bool
        Whether the hedge is of delta alone: refused where it would move the price by more than it hedges, unless it
        reduces a position.
    """
    permit = Permit(abs(trade))
    gate = book.inputs.policy.hedge_gate
    if gate is not None and trade:
        decision = gate_decision(gate, book, index, trade)
        permit = Permit(float(decision.max_contracts), decision.reason, decision.detail, decision)
    decided = book.feedback.decision if book.feedback is not None else None
    if linear_only and decided is not None and decided.level is ReflexivityLevel.REFUSE:
        room = shrinking(_view(book, index, trade, 1.0))
        if room < min(permit.most, abs(trade)):
            detail = f"the gain of the feedback is {decided.gain:.3g}: {decided.consequence}"
            permit = permit._replace(most=room, reason=Reason.REFLEXIVE_HEDGE, detail=detail)
    return _switched(book, index, trade, permit)


def _switched(book: HedgedBook, index: int, trade: float, permit: Permit) -> Permit:
    """What an operator's switch leaves of a permit: nothing where it halts, else what shrinks the position."""
    switch = switch_of(book.row(index), book.inputs)
    if switch is None:
        return permit
    halted = switch.mode is SwitchMode.HALT
    room = 0.0 if halted else shrinking(_view(book, index, trade, 1.0))
    if room >= min(permit.most, abs(trade)):
        return permit
    reason = Reason.HALTED if halted else Reason.REDUCE_ONLY
    return permit._replace(most=room, reason=reason, detail=switch.text)


def gate_decision(gate: HedgeGate, book: HedgedBook, index: int, trade: float) -> GateDecision:
    """Decision of the gate on a trade in a row.

    Notes
    -----
    A price without a time is of the time of the request. Mark and index are compared on the trigger's instrument; the
    index is what price sources agree on, else the mark of its underlying, else that of a spot row of the book. Funding
    is asked of perpetuals only.
    """
    side, row = Side.of(trade), book.row(index)
    posted = of_market(book.inputs.depths, row.symbol, row.venue)
    age = row.price.age_seconds or 0.0 if row.price is not None else None
    if posted is not None and age is not None:
        age = max(age, (book.inputs.as_of - posted.as_of).total_seconds(), 0.0)
    hedge = book.row(book.place)
    return gate.allowed(
        _view(
            book,
            index,
            trade,
            delta_per_contract(book, index),
            depth=_depth(book, index, side),
            funding_rate=_funding(book, index),
            age_seconds=age,
            mark_price=None if hedge.price is None else hedge.price.value,
            index_price=index_price(book),
            gross_option_delta=book.gross_delta,
        )
    )


def index_price(book: HedgedBook) -> float | None:
    """Index of the underlying [quote per base]; None where nothing says it."""
    row, inputs = book.row(book.place), book.inputs
    names = [name for name in (row.instrument.underlying, row.instrument.base_currency, row.symbol) if name]
    agreed = next((found.price for name in names if (found := inputs.oracles.get(name)) and found.price), None)
    if agreed is not None:
        return agreed
    marked = next((inputs.marks[name] for name in names if name != row.symbol and name in inputs.marks), None)
    if marked is not None:
        return marked
    spots = [i for i in book.members if book.row(i).instrument.kind is Kind.SPOT]
    return next((price.value for i in spots if (price := book.row(i).price) is not None), None)


def delta_per_contract(book: HedgedBook, index: int) -> float:
    """Size of the delta of one contract [base units]; of an option at least a millionth of what it is on."""
    row = book.row(index)
    if row.instrument.kind is Kind.OPTION:
        leg, least = option_leg(row, 1.0, book.inputs.as_of), 1e-6 * row.instrument.contract_multiplier
        return row.instrument.contract_multiplier if leg is None else max(abs(leg_greeks(leg).delta), least)
    assert row.price is not None
    return row.instrument.base_per_contract(row.price.value)


def _view(book: HedgedBook, index: int, trade: float, base: float, **known: float | None) -> GateView:
    state = book.state(index)
    unknown = dict.fromkeys(
        ("depth", "funding_rate", "age_seconds", "mark_price", "index_price", "gross_option_delta"), None
    )
    return GateView(
        contracts=trade,
        position=float(state.contracts),
        pending=float(state.expected - state.contracts),
        lot=book.row(index).instrument.lot,
        base_per_contract=base,
        **{**unknown, **known},
    )


def _depth(book: HedgedBook, index: int, side: Side) -> float | None:
    row, optimizer = book.row(index), book.inputs.policy.hedge_optimizer
    posted = of_market(book.inputs.depths, row.symbol, row.venue)
    if posted is None:
        assumed = optimizer.assumed_depth if optimizer is not None else None
        option = row.instrument.kind is Kind.OPTION
        base = row.instrument.contract_multiplier if option else delta_per_contract(book, index)
        return None if assumed is None else assumed / base
    half = posted.depth.half_spread
    if posted.depth.state is not DepthState.TWO_SIDED or half is None:
        return 0.0
    beyond = optimizer.depth_distance if optimizer is not None else DEPTH_DISTANCE
    return posted.depth.depth_within(side, half + beyond)


def _funding(book: HedgedBook, index: int) -> float | None:
    """What longs pay shorts [annual fraction]; 0 for what knows no funding, None where it is not sent."""
    row = book.row(index)
    if row.instrument.kind not in (Kind.LINEAR, Kind.INVERSE) or row.instrument.expiry is not None:
        return 0.0
    flow = of_market(book.inputs.flows, row.symbol, row.venue)
    return None if flow is None else flow.funding_carry


def most_lots(permit: Permit, wanted: Decimal) -> Decimal:
    """A trade cut to what is permitted [signed contracts]."""
    return wanted if permit.most >= abs(float(wanted)) else Decimal(repr(permit.most)).copy_sign(wanted)
