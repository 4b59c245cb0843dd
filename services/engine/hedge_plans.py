"""A hedge by the optimiser: its problem, its plan, and the orders of each of its trades."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np

from services.core.errors import InvalidInput
from services.core.instrument import Kind
from services.core.outcome import Reason, Status
from services.engine.collateral import initial_equity
from services.engine.columns import BookColumns
from services.engine.hedge_gates import most_lots, permitted
from services.engine.hedge_market import Offers, book_exposure, hedge_offers, margin_elsewhere
from services.engine.hedged_book import HedgedBook
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Hedge, LeftOut, PlannedHedge
from services.engine.targets import against_position, minimum_order
from services.hedging.exposures import Exposure
from services.hedging.hedge_plan import HedgePlan, HedgeStatus
from services.hedging.optimizers.greek_bounds import GreekBounds, HedgeMarket
from services.hedging.reflexivity import ReflexivityLevel
from services.hedging.registry import AnyOf, HedgeTrigger
from services.sizing.rounding import Leg, LotChange, whole_lots

USED = (HedgeStatus.OPTIMAL, HedgeStatus.LIMITED)
"""Plans whose trades are made; after any other the delta alone is hedged, in the trigger's instrument."""
_ROUNDING = 1e-9


def planned_hedge(book: HedgedBook, told: Hedge) -> PlannedHedge:
    """What the optimiser answers for a book whose trigger is due.

    Notes
    -----
    Of the delta, the least of `max_delta`, the hard limit of the trigger and, where neither is given, the outer width
    of its band bounds what is left. The margin that may be used is `limits.max_margin_use` of the equity less that of
    all other positions and the reserve for latency; where a margin is unknown, there is no plan.
    """
    inputs, columns, view = book.inputs, book.columns, book.view
    optimizer, equity = inputs.policy.hedge_optimizer, inputs.account.equity
    assert optimizer is not None
    delta = float(view.net_delta)
    if equity <= 0.0:
        return _none(Reason.EQUITY_NOT_POSITIVE, "account.equity is not positive")
    readout = columns.states[told.row].readout
    if readout is None:
        return _none(Reason.VOLATILITY_UNAVAILABLE, "the risk of the book needs a volatility: send series")
    exposure = book_exposure(inputs, columns, book.members, delta)
    if exposure is None:
        return _none(Reason.GREEKS_UNAVAILABLE, "a Greek of the book, or its conversion, is unknown")
    try:
        offers = hedge_offers(book, optimizer)
        used, unknown = margin_elsewhere(inputs, columns, frozenset(item.symbol for item in offers.instruments))
        if unknown:
            detail = f"send initial_margin and maintenance_margin of {unknown}"
            return _none(Reason.MARGIN_UNMODELLED, detail, offers)
        counted = initial_equity(inputs, columns)
        budget = max(inputs.policy.limits.max_margin_use * counted - used - book.reserve, 0.0)
        market = HedgeMarket(
            exposure=exposure,
            instruments=offers.instruments,
            price=float(view.spot) * (view.conversion or 1.0),
            volatility=readout.volatility,
            equity=equity,
            margin_budget=budget,
        )
        bounds = bounded(optimizer, inputs.policy.hedging, told, book)
        plan = bounds.plan(market)
    except InvalidInput as error:
        return _none(Reason.UNUSABLE_DATA, str(error))
    return PlannedHedge(
        used=plan.status in USED and not _leaves_too_much(inputs.policy.hedging, bounds, plan),
        status=plan.status,
        reason=plan.reason,
        detail=plan.detail,
        plan=plan,
        margin_budget=budget,
        offered=offers.offered,
        left_out=offers.left_out,
    )


def bounded(optimizer: GreekBounds, trigger: HedgeTrigger | None, told: Hedge, book: HedgedBook) -> GreekBounds:
    """The optimiser with a bound on the delta that agrees with the trigger; and where hedges feed back so much that
    gamma is to be preferred, with one on the gamma at which they would not.
    """
    hard = trigger.hard_limit if isinstance(trigger, AnyOf) else None
    outer = told.decision.outer if told.decision is not None else None
    given = [bound for bound in (optimizer.max_delta, hard) if bound is not None]
    bounds = replace(optimizer, max_delta=min(given) if given else outer)
    feedback = book.feedback
    if feedback is None or feedback.decision is None or not feedback.impact_slope:
        return bounds
    if feedback.decision.level not in (ReflexivityLevel.PREFER_OPTION, ReflexivityLevel.REFUSE):
        return bounds
    tame = feedback.levels.prefer_option / feedback.impact_slope * float(book.view.spot) / 100.0
    return replace(bounds, max_gamma_1pct=min(tame, bounds.max_gamma_1pct or tame))


def plan_hedges(book: HedgedBook, planned: PlannedHedge, told: Hedge) -> list[Hedge]:
    """One hedge for each trade of a plan, those that only reduce first; one that holds where there is no trade.

    The deltas go on from hedge to hedge: the first starts at that of the book, the last ends at that of the plan.
    """
    plan, inputs, columns = planned.plan, book.inputs, book.columns
    assert plan is not None
    alone = not any(_is_option(book, trade.symbol) for trade in plan.trades)
    made = [(inputs.hedge_rows[trade.symbol], trade.contracts, trade.change.delta) for trade in plan.trades]
    permits = {row: permitted(book, row, float(wanted), linear_only=alone) for row, wanted, _ in made}
    changes = [
        (row, order_legs(inputs, columns, row, most_lots(permits[row], wanted)), wanted, delta)
        for row, wanted, delta in made
    ]
    changes.sort(key=lambda item: not all(leg.reduce_only for leg in item[1].legs))
    found, before = [], plan.before.delta
    for row, change, wanted, delta in changes:
        done, permit = change.order, permits[row]
        after = before + delta * float(done / wanted)
        cut = done != wanted or plan.status is HedgeStatus.LIMITED
        status = Status.HELD if not done else Status.LIMITED if cut else Status.OK
        why = permit.reason if permit.reason is not Reason.NONE else change.reason or Reason.LIMIT
        reason = Reason.NONE if status is Status.OK else why
        hedge = replace(told, row=row, status=status, reason=reason, contracts=done, legs=change.legs)
        hedge = replace(hedge, gate=permit.gate, detail=permit.detail if permit.reason is reason else "")
        found.append(replace(hedge, delta_before=before, delta_after=after))
        before = after
    if not found:
        reason = plan.reason if plan.reason is not Reason.NONE else Reason.WITHIN_BUFFER
        held = replace(told, status=Status.HELD, reason=reason, delta_after=before, contracts=Decimal(0))
        return [replace(held, detail=plan.detail)]
    return found


def _is_option(book: HedgedBook, symbol: str) -> bool:
    return book.row(book.inputs.hedge_rows[symbol]).instrument.kind is Kind.OPTION


def order_legs(inputs: EvaluationInputs, columns: BookColumns, index: int, trade: Decimal) -> LotChange:
    """Legs of a trade of whole lots: what only undoes the position reduces, the rest opens where the instrument allows
    an order of that size.
    """
    row, state = inputs.rows[index], columns.states[index]
    opposed = bool(state.expected) and (state.expected > 0) != (trade > 0)
    closing = min(whole_lots(abs(state.expected), row.instrument.lot), abs(trade)) if opposed else Decimal(0)
    opening = abs(trade) - closing
    short = opening < minimum_order(row)
    legs = [Leg(closing.copy_sign(trade), True)] if closing else []
    legs += [Leg(opening.copy_sign(trade), False)] if opening and not short else []
    change = LotChange(
        state.expected + sum((leg.quantity for leg in legs), Decimal(0)),
        tuple(legs),
        Reason.BELOW_MINIMUM if opening and short else None,
    )
    return change if state.expected == state.contracts else against_position(change, state)


def exposure_after(plan: HedgePlan, hedges: list[Hedge], inputs: EvaluationInputs) -> Exposure:
    """Greeks of the book with the orders as they are: a part of a trade that is not made adds a part of its Greeks."""
    after = np.array(plan.before.values())
    by_row = {hedge.row: hedge.contracts or Decimal(0) for hedge in hedges}
    for trade in plan.trades:
        done = by_row.get(inputs.hedge_rows[trade.symbol], Decimal(0))
        after = after + np.array(trade.change.values()) * float(done / trade.contracts)
    return Exposure.of(after)


def adds_exposure(before: Exposure, after: Exposure) -> bool:
    """Whether delta, gamma or vega is larger in size than before.

    Examples
    --------
    >>> adds_exposure(Exposure(delta=3.0, gamma_1pct=-1.0), Exposure(delta=-2.0, gamma_1pct=-1.0))
    False
    >>> adds_exposure(Exposure(delta=3.0), Exposure(delta=0.0, vega_per_point=-0.5))
    True
    """
    pairs = [(getattr(one, name) for one in (before, after)) for name in ("delta", "gamma_1pct", "vega_per_point")]
    return any(abs(new) > abs(old) * (1.0 + _ROUNDING) for old, new in pairs)


def raises_risk(book: HedgedBook, planned: PlannedHedge, hedges: list[Hedge], told: Hedge) -> bool:
    """Whether the orders, where they are not the whole plan, leave more risk than none, or a larger delta."""
    inputs, view = book.inputs, book.view
    plan = planned.plan
    assert plan is not None
    after = exposure_after(plan, hedges, inputs)
    if after == plan.after or not any(hedge.legs for hedge in hedges):
        return False
    assert inputs.policy.hedge_optimizer is not None
    market = HedgeMarket(
        exposure=plan.before,
        instruments=(),
        price=float(view.spot) * (view.conversion or 1.0),
        volatility=float(view.volatility or 0.0),
        equity=inputs.account.equity,
    )
    risk = inputs.policy.hedge_optimizer.problem(market).risk
    bounds = bounded(inputs.policy.hedge_optimizer, inputs.policy.hedging, told, book)
    more = risk.deviation(np.array(after.values())) > plan.risk_before * (1.0 + _ROUNDING)
    return more or raises_delta(bounds, plan.before, after)


def _leaves_too_much(trigger: HedgeTrigger | None, bounds: GreekBounds, plan: HedgePlan) -> bool:
    """Whether a plan leaves a delta beyond the hard limit of the trigger, or a larger one out of its bounds, or does
    nothing about one that is.
    """
    hard = trigger.hard_limit if isinstance(trigger, AnyOf) else None
    if hard is not None and abs(plan.after.delta) > hard * (1.0 + _ROUNDING):
        return True
    outside = any(greek == "delta" for greek, _ in plan.breaches)
    return outside and (not plan.trades or raises_delta(bounds, plan.before, plan.after))


def raises_delta(bounds: GreekBounds, before: Exposure, after: Exposure) -> bool:
    """Whether trades leave a delta that is larger than before, and out of its bounds."""
    most = abs(before.delta) if bounds.max_delta is None else max(abs(before.delta), bounds.max_delta)
    return abs(after.delta) > most * (1.0 + _ROUNDING) + _ROUNDING


def _none(reason: Reason, detail: str, offers: Offers | None = None) -> PlannedHedge:
    said: tuple[LeftOut, ...] = () if offers is None else offers.left_out
    return PlannedHedge(used=False, status=HedgeStatus.REFUSED, reason=reason, detail=detail, left_out=said)
