"""Delta hedges of one underlying: what the book is exposed to, and the order that brings it within bounds.

Three questions, one after the other: may there be a hedge at all (`hedge_problem`), is one due and how far does it go
(the trigger, on a `HedgeView`), and what of it can be traded in which instrument (`order_of`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np

from services.core.control import HedgeMemory
from services.core.explain import Floats
from services.core.instrument import Kind
from services.core.outcome import Reason, Status
from services.engine.columns import MIN_AGE_SECONDS, BookColumns, max_age_seconds
from services.engine.hedge_feedback import feedback_of, latency_of, widened
from services.engine.hedge_gates import most_lots, permitted
from services.engine.hedge_limits import allowed_contracts
from services.engine.hedge_plans import adds_exposure, exposure_after, plan_hedges, planned_hedge, raises_risk
from services.engine.hedge_slices import slicing_of
from services.engine.hedge_view import (
    book_greeks,
    delta_unknown,
    hedge_view,
    memory_of,
    names_of,
    underlying_of,
)
from services.engine.hedged_book import HedgedBook, gross_delta
from services.engine.inputs import EvaluationInputs
from services.engine.netting import netting_of
from services.engine.outputs import Breaking, Hedge
from services.engine.targets import minimum_order
from services.guards.breakers import Level
from services.hedging.delta_neutral import HEDGING_KINDS, HedgeDecision, decide_hedge
from services.hedging.exposures import Exposure
from services.hedging.registry import AnyOf, HedgeTrigger, Threshold
from services.hedging.view import HedgeView
from services.sizing.rounding import LotChange, change_in_lots

DAY_SECONDS = 86_400
HOLDS = frozenset({Reason.NONE, Reason.WITHIN_BUFFER, Reason.COOLDOWN, Reason.BELOW_LOT})
"""Outcomes of a trigger that had all it needs; any other refuses the hedge."""


def hedge_book(
    inputs: EvaluationInputs, columns: BookColumns, final: Floats, breaking: Breaking | None = None
) -> tuple[Hedge, ...]:
    """Hedge of the underlying of `policy.hedging.instrument`, on the book as it will be after the targets.

    Notes
    -----
    The book of an underlying is every row that shares a name with the hedge: underlying, base currency or symbol.
    Coin collateral counts once. An exposure that is not known (an option without Greeks, an instrument that is not
    described) refuses the hedge: it is never guessed, and never read as nothing to do. A hedge that opens is bound by
    the instrument's size, the leverage limit and the margin use of the policy; one that reduces is always allowed.
    Where a breaker of a row that hedges only lets exposures fall, a hedge of the delta passes, as it always brings it
    nearer to 0; a plan that leaves more of any Greek does not, and the delta alone is hedged instead.
    """
    trigger = inputs.policy.hedging
    place = next((i for i, row in enumerate(inputs.rows) if trigger and row.symbol == trigger.instrument), None)
    if trigger is None or place is None:
        return ()
    row = inputs.rows[place]
    refused = Hedge(
        row=place,
        underlying=underlying_of(row),
        status=Status.REFUSED,
        reason=Reason.NONE,
        trigger=trigger.method,
        max_delta=trigger.max_delta if isinstance(trigger, Threshold) else None,
    )
    members = [i for i, other in enumerate(inputs.rows) if names_of(other) & names_of(row)]
    reason, detail = hedge_problem(inputs, columns, place, members)
    if reason is not None or row.price is None:
        return (replace(refused, reason=reason or Reason.PRICE_REQUIRED, detail=detail),)
    view = hedge_view(inputs, columns, place, members, final)
    feedback, latency = feedback_of(inputs, columns, place, view), latency_of(inputs, view)
    decision = decide_hedge(view, widened(trigger, feedback), row.instrument)
    greeks = book_greeks(columns, members)
    told = replace(
        refused,
        decision=decision.trigger,
        delta_before=decision.delta_before,
        impact_known=view.impact_known,
        gamma_1pct=greeks.gamma_1pct,
        vega_per_point=greeks.vega_per_point,
        theta_per_day=greeks.theta_per_day,
        feedback=feedback,
        latency=latency,
        netting=netting_of(inputs, columns, members, final),
    )
    if decision.reason not in HOLDS:
        return (replace(told, reason=decision.reason, detail=decision.trigger.detail),)
    book = HedgedBook(
        inputs=inputs,
        columns=columns,
        place=place,
        members=members,
        view=view,
        gross_delta=gross_delta(inputs, columns, members, final),
        feedback=feedback,
        latency=latency,
        close_only=_closes_only(inputs, place, breaking),
    )
    hedges, left = made_hedges(book, decision, told)
    sliced = [replace(hedge, slicing=slicing_of(book, hedge)) for hedge in hedges]
    return tuple(remembering(inputs, trigger, view, hedge, left) for hedge in sliced)


def _closes_only(inputs: EvaluationInputs, place: int, breaking: Breaking | None) -> bool:
    """Whether a breaker holds any row that may hedge at close only or above."""
    rows = {place, *inputs.hedge_rows.values()}
    return breaking is not None and max(int(breaking.levels[row]) for row in rows) >= Level.CLOSE_ONLY


def made_hedges(book: HedgedBook, decision: HedgeDecision, told: Hedge) -> tuple[list[Hedge], Exposure | None]:
    """Hedges by the optimiser where there is one and it has an answer, else of the delta in the trigger's instrument;
    with the Greeks that a plan leaves.
    """
    alone, inputs = [order_of(book, decision, told)], book.inputs
    if inputs.policy.hedge_optimizer is None or decision.trigger.delta_to_trade is None:
        return alone, None
    planned = planned_hedge(book, told)
    if planned.used and planned.plan is not None:
        hedges = plan_hedges(book, planned, told)
        after = exposure_after(planned.plan, hedges, inputs)
        barred = book.close_only and adds_exposure(planned.plan.before, after)
        if not barred and not raises_risk(book, planned, hedges, told):
            first = replace(hedges[0], plan=planned)
            return [first, *hedges[1:]], after
        detail = (
            "a circuit breaker lets no exposure grow, and the plan would leave more of one"
            if barred
            else "the orders that may be sent of the plan would raise the risk"
        )
        planned = replace(planned, reason=Reason.RISK_NOT_REDUCED, detail=detail)
    return [replace(alone[0], plan=replace(planned, used=False))], None


def order_of(book: HedgedBook, decision: HedgeDecision, hedge: Hedge) -> Hedge:
    """The hedge with what of its decision can be traded in the instrument of its row."""
    row, state = book.row(hedge.row), book.state(hedge.row)
    assert row.price is not None
    before = decision.delta_before
    wanted = float(state.expected + decision.contracts)
    most = allowed_contracts(book.inputs, book.columns, hedge.row, book.reserve)
    # What is held may be kept or closed whatever its size; what would be opened on the other side may not.
    held = float(state.expected)
    bounded = float(np.clip(wanted, min(-most, held), max(most, held)))
    change = change_to(book, hedge.row, bounded)
    permit = permitted(book, hedge.row, float(change.order), linear_only=True)
    limit = Reason.LIMIT if bounded != wanted else None
    if permit.most < abs(float(change.order)):
        change, limit = (
            change_to(book, hedge.row, float(state.expected + most_lots(permit, change.order))),
            permit.reason,
        )
    hedge = replace(hedge, gate=permit.gate, detail=permit.detail if limit is permit.reason else "")
    if not change.legs:
        broke = book.inputs.account.equity <= 0.0
        barred = Reason.EQUITY_NOT_POSITIVE if broke else limit
        reason = decision.reason if decision.reason is not Reason.NONE else barred or change.reason or Reason.BELOW_LOT
        return replace(hedge, status=Status.HELD, reason=reason, delta_after=before, contracts=Decimal(0))
    status, reason = (Status.LIMITED, limit) if limit is not None else (Status.OK, Reason.NONE)
    after = before + float(change.order) * row.instrument.base_per_contract(row.price.value)
    return replace(hedge, status=status, reason=reason, delta_after=after, contracts=change.order, legs=change.legs)


def change_to(book: HedgedBook, index: int, wanted: float) -> LotChange:
    """Change of the position of a row; without equity what reduces it only."""
    row, state = book.row(index), book.state(index)
    change = change_in_lots(state.expected, wanted, lot=row.instrument.lot, minimum=minimum_order(row))
    if book.inputs.account.equity > 0.0:
        return change
    return change._replace(legs=tuple(leg for leg in change.legs if leg.reduce_only))


def remembering(
    inputs: EvaluationInputs, trigger: HedgeTrigger, view: HedgeView, hedge: Hedge, left: Exposure | None = None
) -> Hedge:
    """The hedge with what the next decision should know of it, and with the end of the cooldown; `left` are the Greeks
    that a plan leaves.

    Greeks of options that are gone are kept until the book has options again: a hedge that goes flat in several orders
    waits for none of them.
    """
    made = bool(hedge.legs) and not inputs.historical
    cooldown = trigger.cooldown_seconds if isinstance(trigger, AnyOf) else 0.0
    wait = cooldown if made else hedge.decision.wait_seconds if hedge.decision is not None else 0.0
    until = inputs.as_of + timedelta(seconds=wait) if wait > 0.0 else None
    if not made:
        return replace(hedge, cooldown_until=until)
    gamma, vega = hedge.gamma_1pct, hedge.vega_per_point
    before = memory_of(inputs, hedge.underlying)
    if not view.has_options:
        gamma, vega = (before.gamma_1pct, before.vega_per_point) if before is not None else (None, None)
    if left is not None and (view.has_options or left.gamma_1pct):
        gamma, vega = left.gamma_1pct, left.vega_per_point / (view.conversion or 1.0)
    memory = HedgeMemory(inputs.as_of, float(view.spot), gamma, vega)
    return replace(hedge, cooldown_until=until, memory=memory)


def hedge_problem(
    inputs: EvaluationInputs, columns: BookColumns, place: int, members: list[int]
) -> tuple[Reason | None, str]:
    """Why there can be no hedge: of the instrument itself, then of the book."""
    row, readout = inputs.rows[place], columns.states[place].readout
    if row.problem is not None:
        return row.problem, row.detail
    if row.instrument.kind not in HEDGING_KINDS:
        return Reason.INSTRUMENT_REQUIRED, f"{row.symbol} is {row.instrument.kind}: hedge with spot, linear or inverse"
    bars = inputs.policy.limits.max_data_age_bars
    limit = max_age_seconds(readout, bars) if readout else max(bars * DAY_SECONDS, MIN_AGE_SECONDS)
    if row.price is not None and row.price.age_seconds is not None and row.price.age_seconds > limit:
        return Reason.STALE_PRICE, f"the price of {row.symbol} is {row.price.age_seconds:.0f} s old"
    held = [
        i for i, state in enumerate(columns.states) if state.contracts and inputs.rows[i].problem is not Reason.EXPIRED
    ]
    vague = next((i for i in held if inputs.rows[i].problem is Reason.INSTRUMENT_REQUIRED), None)
    if vague is not None:
        return Reason.INSTRUMENT_REQUIRED, f"{inputs.rows[vague].symbol} is not described: its delta is unknown"
    blind = next((i for i in members if i in held and delta_unknown(inputs.rows[i], columns, i)), None)
    if blind is not None:
        return inputs.rows[
            blind
        ].problem or Reason.GREEKS_UNAVAILABLE, f"the delta of {inputs.rows[blind].symbol} is unknown"
    options = [i for i in held if inputs.rows[i].instrument.kind is Kind.OPTION]
    if options and not any(i in held for i in members if i != place):
        return (
            Reason.INSTRUMENT_REQUIRED,
            f"no held position shares a name with {row.symbol}: give its underlying in instruments[]",
        )
    return None, ""
