"""Greeks of an evaluated book per underlying: what hedges are decided on, before any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from services.core.explain import Floats
from services.core.instrument import Kind
from services.core.outcome import Reason
from services.engine.columns import BookColumns
from services.engine.hedge_view import collateral_delta, delta_unknown, names_of, position_delta
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import UnderlyingGreeks
from services.options.exposures import MONEY_FIELDS, Exposure, exposure_rows, summed
from services.options.portfolio_greeks import LegGreeks

_IS_MONEY = np.array([field.name in MONEY_FIELDS for field in fields(Exposure)])


def underlying_greeks(inputs: EvaluationInputs, columns: BookColumns, final: Floats) -> tuple[UnderlyingGreeks, ...]:
    """Greeks of each underlying at `final` [contracts], for a book that holds what a linear view does not show.

    Notes
    -----
    That is options, positions with Greeks of their own, and coin-settled contracts; else there are none. Rows belong to
    one underlying where they share a name, directly or through others. Instruments of hedges count with their open
    orders, and collateral is in its base currency, as in the hedge. Money is in the account currency, NaN where a price
    or conversion is missing.
    """
    if not any(_curved(inputs, columns, index) for index in range(len(inputs.rows))):
        return ()
    hedge = inputs.policy.hedging.instrument if inputs.policy.hedging is not None else None
    place = next((i for i, row in enumerate(inputs.rows) if row.symbol == hedge), -1)
    return tuple(_one(inputs, columns, members, place, final) for members in related(inputs))


def related(inputs: EvaluationInputs) -> list[list[int]]:
    """Rows by underlying: the connected parts of the graph whose edges are shared names."""
    groups: list[tuple[set[str], list[int]]] = []
    for index, row in enumerate(inputs.rows):
        names, members = set(names_of(row)), [index]
        for group in [group for group in groups if group[0] & names]:
            groups.remove(group)
            names |= group[0]
            members = sorted(group[1] + members)
        groups.append((names, members))
    return sorted(members for _, members in groups)


def _curved(inputs: EvaluationInputs, columns: BookColumns, index: int) -> bool:
    row = inputs.rows[index]
    curved = row.instrument.kind is Kind.OPTION or row.instrument.coin_settled
    return row.own_greeks is not None or (curved and bool(columns.states[index].contracts))


def _one(
    inputs: EvaluationInputs, columns: BookColumns, members: Sequence[int], place: int, final: Floats
) -> UnderlyingGreeks:
    rows = inputs.rows
    named = rows[place if place in members else members[0]]
    # A row of nothing adds nothing, whatever is unknown of it.
    held = [i for i in members if _holds(inputs, columns, i, final)]
    known = [i for i in held if not delta_unknown(rows[i], columns, i)]
    exposures = exposure_rows([_greeks(inputs, columns, i, final) for i in known], [_price(inputs, i) for i in known])
    rates = np.array([rows[i].fx or np.nan for i in known])[:, None]
    exposure = summed(np.where(_IS_MONEY, exposures * rates, exposures))
    collateral = collateral_delta(inputs, members)
    return UnderlyingGreeks(
        underlying=named.instrument.underlying or named.instrument.base_currency or named.symbol,
        exposure=exposure,
        collateral=collateral,
        net_delta_usd_view=exposure.delta_coin + collateral,
        unknown=tuple(rows[i].symbol for i in held if i not in known),
    )


def _holds(inputs: EvaluationInputs, columns: BookColumns, index: int, final: Floats) -> bool:
    row, state = inputs.rows[index], columns.states[index]
    held = state.expected if index in inputs.hedge_rows.values() else final[index]
    return row.problem is not Reason.EXPIRED and (row.own_greeks is not None or bool(state.contracts) or held != 0.0)


def _greeks(inputs: EvaluationInputs, columns: BookColumns, index: int, final: Floats) -> LegGreeks:
    found = columns.states[index].greeks
    if found is not None:
        return found if inputs.rows[index].own_greeks is None else replace(found, delta_black=found.delta)
    delta = position_delta(inputs, columns, index, final)
    row = inputs.rows[index]
    value = delta * row.price.value if row.instrument.kind is Kind.SPOT and row.price is not None else 0.0
    return LegGreeks(delta=delta, delta_black=delta, value=value)


def _price(inputs: EvaluationInputs, index: int) -> float:
    row = inputs.rows[index]
    mark = row.price.value if row.price is not None else float("nan")
    own = row.instrument.kind is Kind.OPTION or row.own_greeks is not None
    return (row.forward or mark) if own else mark
