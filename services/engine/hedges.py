"""Delta hedges of one underlying: what the book is exposed to, and the order that brings it within bounds."""

from __future__ import annotations

from decimal import Decimal

from services.core.book import Row
from services.core.explain import Floats
from services.core.instrument import Kind
from services.core.outcome import Reason, Status
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Hedge
from services.hedging.delta_neutral import decide_hedge
from services.sizing.rounding import Leg, change_in_lots


def hedge_book(inputs: EvaluationInputs, columns: BookColumns, final: Floats) -> tuple[Hedge, ...]:
    """Hedge of the underlying of `policy.hedging.instrument`, on the book as it will be after the targets.

    Coin collateral counts once. An option without Greeks makes the exposure unknown: the hedge is refused, never
    guessed.
    """
    trigger = inputs.policy.hedging
    if trigger is None:
        return ()
    place = next((i for i, row in enumerate(inputs.rows) if row.symbol == trigger.instrument), None)
    if place is None:
        return ()
    row, state = inputs.rows[place], columns.states[place]
    underlying = row.market_key

    def outcome(
        status: Status,
        reason: Reason,
        detail: str = "",
        before: float | None = None,
        after: float | None = None,
        contracts: Decimal | None = None,
        legs: tuple[Leg, ...] = (),
    ) -> Hedge:
        return Hedge(
            place,
            underlying,
            status,
            reason,
            detail,
            trigger.method,
            trigger.max_delta,
            before,
            after,
            contracts,
            legs,
            *greeks,
        )

    greeks: tuple[float | None, float | None, float | None] = (None, None, None)
    if row.problem is not None or row.price is None:
        return (outcome(Status.REFUSED, row.problem or Reason.PRICE_REQUIRED, row.detail),)
    members = [i for i, other in enumerate(inputs.rows) if other.market_key == underlying]
    unknown = [
        inputs.rows[i] for i in members if columns.states[i].contracts and _delta_unknown(inputs.rows[i], columns, i)
    ]
    if unknown:
        reason = unknown[0].problem or Reason.GREEKS_UNAVAILABLE
        return (outcome(Status.REFUSED, reason, f"the delta of {unknown[0].symbol} is unknown"),)
    legs = [greek for i in members if (greek := columns.states[i].greeks) is not None]
    if legs:
        greeks = (
            sum(leg.gamma_1pct for leg in legs),
            sum(leg.vega_per_point for leg in legs),
            sum(leg.theta_per_day for leg in legs),
        )
    before = sum(_delta(inputs, columns, i, final) for i in members) + _collateral_delta(inputs, row)
    decision = decide_hedge(before, trigger, row.instrument, row.price.value)
    change = change_in_lots(
        state.expected,
        float(state.expected + decision.contracts),
        lot=row.instrument.lot,
        minimum=row.instrument.min_quantity,
    )
    if not change.legs:
        reason = decision.reason if decision.reason is not Reason.NONE else change.reason or Reason.BELOW_LOT
        return (outcome(Status.HELD, reason, "", before, before, Decimal(0)),)
    after = before + float(change.order) * row.instrument.base_per_contract(row.price.value)
    return (outcome(Status.OK, Reason.NONE, "", before, after, change.order, change.legs),)


def _delta_unknown(row: Row, columns: BookColumns, index: int) -> bool:
    if row.own_greeks is not None:
        return False
    if row.instrument.kind is Kind.OPTION:
        return columns.states[index].greeks is None
    return row.problem is not None or row.price is None


def _delta(inputs: EvaluationInputs, columns: BookColumns, index: int, final: Floats) -> float:
    row, state = inputs.rows[index], columns.states[index]
    if state.greeks is not None:
        return state.greeks.delta
    if row.price is None:
        return 0.0
    contracts = (
        float(state.expected)
        if inputs.policy.hedging and row.symbol == inputs.policy.hedging.instrument
        else float(final[index])
    )
    return contracts * row.instrument.base_per_contract(row.price.value)


def _collateral_delta(inputs: EvaluationInputs, row: Row) -> float:
    base = row.instrument.base_currency
    return sum(
        balance.amount
        for balance in inputs.account.collateral
        if balance.asset == base and base != inputs.account.currency
    )
