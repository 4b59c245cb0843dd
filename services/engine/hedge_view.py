"""The book of one underlying as a hedge trigger sees it: exposure, Greeks, costs, the last hedge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from services.core.book import Row
from services.core.control import HedgeMemory
from services.core.explain import Floats
from services.core.instrument import Kind
from services.core.outcome import Reason
from services.engine.columns import BookColumns
from services.engine.costs import daily_volatility, daily_volumes, half_spreads
from services.engine.inputs import EvaluationInputs
from services.hedging.view import HedgeView, LastHedge

CLOCK_SKEW = timedelta(seconds=5)
"""How far in the future a memory may lie: clocks differ, and a cooldown is not forgotten for that."""


@dataclass(frozen=True, slots=True)
class BookGreeks:
    """Sums over the positions of an underlying that have Greeks; None where none has, or one of them is unknown."""

    gamma_1pct: float | None = None
    vega_per_point: float | None = None
    theta_per_day: float | None = None


def names_of(row: Row) -> frozenset[str]:
    """Names under which a row's underlying is known."""
    names = (row.symbol, row.instrument.underlying, row.instrument.base_currency)
    return frozenset(name for name in names if name)


def underlying_of(row: Row) -> str:
    """Name of the book that a hedge instrument hedges."""
    return row.instrument.underlying or row.instrument.base_currency or row.symbol


def hedge_view(
    inputs: EvaluationInputs, columns: BookColumns, place: int, members: list[int], final: Floats
) -> HedgeView:
    """View of the book of `members`, hedged with the row at `place`, which has a price.

    Notes
    -----
    Pending orders of rows that hedges trade count as done, so that a hedge is not sent twice; the other rows are as
    they will be after the targets, their Greeks of the positions as they are. A memory of the future is no memory.
    """
    row, greeks = inputs.rows[place], book_greeks(columns, members)
    assert row.price is not None
    delta = sum(position_delta(inputs, columns, i, final) for i in members) + collateral_delta(inputs, members)
    readout = columns.states[place].readout
    per_contract = row.instrument.base_per_contract(row.price.value)
    rate, known = cost_rate(inputs, columns, place, abs(delta) / per_contract)
    return HedgeView(
        net_delta=delta,
        spot=row.price.value,
        conversion=row.fx,
        # Without any option there is no gamma: that is known.
        gamma_1pct=greeks.gamma_1pct if has_options(inputs, columns, members) else 0.0,
        vega_per_point=greeks.vega_per_point,
        volatility=readout.volatility if readout else None,
        cost_rate=rate,
        impact_known=known,
        fixed_cost=inputs.policy.costs.gas,
        equity=inputs.account.equity,
        least=max(0.5 * float(row.instrument.lot) * per_contract, row.instrument.min_notional / row.price.value),
        last=last_hedge(inputs, underlying_of(row)),
        has_options=has_options(inputs, columns, members),
    )


def book_greeks(columns: BookColumns, members: list[int]) -> BookGreeks:
    """Sums of the Greeks of the positions that have any."""
    legs = [greek for i in members if (greek := columns.states[i].greeks) is not None]
    if not legs:
        return BookGreeks()
    sums = (
        sum(leg.gamma_1pct for leg in legs),
        sum(leg.vega_per_point for leg in legs),
        sum(leg.theta_per_day for leg in legs),
    )
    return BookGreeks(*(value if np.isfinite(value) else None for value in sums))


def has_options(inputs: EvaluationInputs, columns: BookColumns, members: list[int]) -> bool:
    """Whether any position held has Greeks of its own, or of the model."""
    held = [i for i in members if columns.states[i].contracts or inputs.rows[i].own_greeks is not None]
    return any(columns.states[i].greeks is not None for i in held)


def cost_rate(inputs: EvaluationInputs, columns: BookColumns, place: int, contracts: float) -> tuple[float, bool]:
    """Fee, half spread and impact of a trade of `contracts` over its notional; and whether the impact is known, which
    takes the volume and a volatility.
    """
    costs, row = inputs.policy.costs, inputs.rows[place]
    assert row.price is not None
    spread = half_spreads(inputs)[place]
    own = costs.half_spread if np.isnan(spread) else float(spread)
    if contracts == 0.0:
        return costs.fee + own, True
    daily = daily_volatility(columns.states[place].readout)
    found = costs.of_trades(
        [contracts],
        unit_value=np.ones(1),
        average_daily_volume=daily_volumes(inputs)[[place]],
        daily_volatility=np.array([np.nan if daily is None else daily]),
        half_spread=np.array([own]),
    )
    return float(found.total[0] - found.gas[0]) / contracts, bool(found.impact_known[0])


def last_hedge(inputs: EvaluationInputs, underlying: str) -> LastHedge | None:
    """What the control state remembers of the last hedge of an underlying, if that does not lie in the future."""
    memory = memory_of(inputs, underlying)
    if memory is None:
        return None
    return LastHedge(
        seconds_ago=max((inputs.as_of - memory.hedged_at).total_seconds(), 0.0),
        price=memory.price,
        gamma_1pct=memory.gamma_1pct,
        vega_per_point=memory.vega_per_point,
    )


def memory_of(inputs: EvaluationInputs, underlying: str) -> HedgeMemory | None:
    """Memory of the last hedge of an underlying, if that does not lie further in the future than clocks differ."""
    memory = inputs.control.hedges.get(underlying) if inputs.control is not None else None
    return memory if memory is not None and memory.hedged_at <= inputs.as_of + CLOCK_SKEW else None


def position_delta(inputs: EvaluationInputs, columns: BookColumns, index: int, final: Floats) -> float:
    """Delta of a whole position [base units]: Greeks where there are any; rows that hedges trade with their orders."""
    row, state = inputs.rows[index], columns.states[index]
    if state.greeks is not None:
        return state.greeks.delta
    if row.price is None or row.problem is Reason.EXPIRED:
        return 0.0
    hedges = index in inputs.hedge_rows.values()
    contracts = float(state.expected) if hedges else float(final[index])
    return contracts * row.instrument.base_per_contract(row.price.value)


def collateral_delta(inputs: EvaluationInputs, members: Iterable[int]) -> float:
    """Coin of an underlying that is held as collateral, pledged or owed [base units]: the base of any of its rows, each
    balance once.
    """
    bases = {inputs.rows[i].instrument.base_currency for i in members} - {None, inputs.account.currency}
    return sum(balance.amount for balance in inputs.account.balances if balance.asset in bases)


def delta_unknown(row: Row, columns: BookColumns, index: int) -> bool:
    """Whether the delta of a position cannot be told."""
    if row.own_greeks is not None:
        return False
    if row.instrument.kind in (Kind.OPTION, Kind.QUANTO):
        return columns.states[index].greeks is None
    return row.problem is not None or row.price is None
