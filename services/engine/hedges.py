"""Delta hedges of one underlying: what the book is exposed to, and the order that brings it within bounds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np

from services.core.book import Row
from services.core.explain import Floats
from services.core.instrument import Kind
from services.core.outcome import Reason, Status
from services.engine.columns import MIN_AGE_SECONDS, BookColumns, max_age_seconds
from services.engine.inputs import EvaluationInputs
from services.engine.margins import margin_view
from services.engine.outputs import Hedge
from services.engine.targets import minimum_order
from services.hedging.delta_neutral import HEDGING_KINDS, decide_hedge
from services.sizing.rounding import change_in_lots

DAY_SECONDS = 86_400


def hedge_book(inputs: EvaluationInputs, columns: BookColumns, final: Floats) -> tuple[Hedge, ...]:
    """Hedge of the underlying of `policy.hedging.instrument`, on the book as it will be after the targets.

    Notes
    -----
    The book of an underlying is every row that shares a name with the hedge: underlying, base currency or symbol.
    Coin collateral counts once. An exposure that is not known (an option without Greeks, an instrument that is not
    described) refuses the hedge: it is never guessed, and never read as nothing to do. A hedge that opens is bound by
    the instrument's size, the leverage limit and the margin use of the policy; one that reduces is always allowed.
    """
    trigger = inputs.policy.hedging
    place = next((i for i, row in enumerate(inputs.rows) if trigger and row.symbol == trigger.instrument), None)
    if trigger is None or place is None:
        return ()
    row, state = inputs.rows[place], columns.states[place]
    refused = Hedge(
        place,
        row.instrument.underlying or row.instrument.base_currency or row.symbol,
        Status.REFUSED,
        Reason.NONE,
        "",
        trigger.method,
        trigger.max_delta,
        None,
        None,
        None,
    )
    members = [i for i, other in enumerate(inputs.rows) if names_of(other) & names_of(row)]
    reason, detail = hedge_problem(inputs, columns, place, members)
    if reason is not None or row.price is None:
        return (replace(refused, reason=reason or Reason.PRICE_REQUIRED, detail=detail),)
    before = sum(position_delta(inputs, columns, i, place, final) for i in members) + collateral_delta(inputs, row)
    decision = decide_hedge(before, trigger, row.instrument, row.price.value)
    wanted = float(state.expected + decision.contracts)
    allowed = max(allowed_contracts(inputs, columns, place), abs(float(state.expected)))
    bounded = float(np.clip(wanted, -allowed, allowed))
    change = change_in_lots(state.expected, bounded, lot=row.instrument.lot, minimum=minimum_order(row))
    if inputs.account.equity <= 0.0:
        change = change._replace(legs=tuple(leg for leg in change.legs if leg.reduce_only))
    held = replace(refused, status=Status.HELD, delta_before=before, delta_after=before, contracts=Decimal(0))
    held = with_greeks(held, columns, members)
    if not change.legs:
        limit = (
            Reason.EQUITY_NOT_POSITIVE if inputs.account.equity <= 0.0 else Reason.LIMIT if bounded != wanted else None
        )
        reason = decision.reason if decision.reason is not Reason.NONE else limit or change.reason or Reason.BELOW_LOT
        return (replace(held, reason=reason),)
    status, reason = (Status.LIMITED, Reason.LIMIT) if bounded != wanted else (Status.OK, Reason.NONE)
    after = before + float(change.order) * row.instrument.base_per_contract(row.price.value)
    return (replace(held, status=status, reason=reason, delta_after=after, contracts=change.order, legs=change.legs),)


def names_of(row: Row) -> frozenset[str]:
    """Names under which a row's underlying is known."""
    names = (row.symbol, row.instrument.underlying, row.instrument.base_currency)
    return frozenset(name for name in names if name)


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


def allowed_contracts(inputs: EvaluationInputs, columns: BookColumns, place: int) -> float:
    """Largest hedge position: the instrument's size, the leverage limits, the margin use of the policy."""
    row, policy, equity = inputs.rows[place], inputs.policy, inputs.account.equity
    unit_value = float(columns.unit_value[place])
    if equity <= 0.0 or not np.isfinite(unit_value):
        return 0.0
    size = float(row.instrument.max_quantity) if row.instrument.max_quantity is not None else np.inf
    leverage = min(policy.limits.max_leverage, row.instrument.max_leverage or np.inf)
    rates = policy.margin.rates(margin_view(inputs, columns))
    rate = max(float(rates.long[place]), float(rates.short[place]))
    return min(size, leverage * equity / unit_value, policy.limits.max_margin_use * equity / (unit_value * rate))


def delta_unknown(row: Row, columns: BookColumns, index: int) -> bool:
    """Whether the delta of a row cannot be told."""
    if row.own_greeks is not None:
        return False
    if row.instrument.kind in (Kind.OPTION, Kind.QUANTO):
        return columns.states[index].greeks is None
    return row.problem is not None or row.price is None


def position_delta(inputs: EvaluationInputs, columns: BookColumns, index: int, place: int, final: Floats) -> float:
    """Delta of a whole position [base units]: Greeks where there are any; the hedge, at `place`, with its orders."""
    row, state = inputs.rows[index], columns.states[index]
    if state.greeks is not None:
        return state.greeks.delta
    if row.price is None or row.problem is Reason.EXPIRED:
        return 0.0
    contracts = float(state.expected) if index == place else float(final[index])
    return contracts * row.instrument.base_per_contract(row.price.value)


def with_greeks(hedge: Hedge, columns: BookColumns, members: list[int]) -> Hedge:
    """Hedge with the sums of the other Greeks of its book, where any position has them."""
    legs = [greek for i in members if (greek := columns.states[i].greeks) is not None]
    if not legs:
        return hedge
    return replace(
        hedge,
        gamma_1pct=sum(leg.gamma_1pct for leg in legs),
        vega_per_point=sum(leg.vega_per_point for leg in legs),
        theta_per_day=sum(leg.theta_per_day for leg in legs),
    )


def collateral_delta(inputs: EvaluationInputs, row: Row) -> float:
    """Coin of a row's base that is held as collateral [base units]."""
    base = row.instrument.base_currency
    return sum(
        balance.amount
        for balance in inputs.account.collateral
        if balance.asset == base and base != inputs.account.currency
    )
