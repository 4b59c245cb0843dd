"""What a decision remembers: read before it, written after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.core.book import Row
from services.core.control import Control, RowMemory, RowName
from services.core.explain import Floats
from services.engine.columns import BookColumns
from services.engine.costs import half_spreads
from services.engine.inputs import EvaluationInputs
from services.engine.margin_rates import margins_after
from services.engine.outputs import Breaking, Hedge, Target
from services.margin.smoothing import SmoothedRates
from services.sizing.abilities import KeepsFloor
from services.sizing.buffers import Standing


def row_name(row: Row) -> RowName:
    """Identity of a row."""
    return row.symbol, row.venue, row.account_id, row.position_side


def control_after(
    inputs: EvaluationInputs,
    columns: BookColumns,
    targets: tuple[Target, ...],
    hedges: tuple[Hedge, ...] = (),
    breaking: Breaking | None = None,
    smoothed: tuple[SmoothedRates, SmoothedRates] | None = None,
) -> Control:
    """State that the next decision should be given: marks at the present equity, which rows and hedges trade now,
    what the circuit breakers have come to, what margin rates are asked.
    """
    before = inputs.control or Control()
    known = columns.sizing.control if columns.sizing is not None else before
    if columns.sizing is not None and isinstance(inputs.policy.sizing, KeepsFloor):
        known = replace(known, floor=inputs.policy.sizing.next_floor(columns.sizing))
    if breaking is not None:
        known = replace(known, breakers=breaking.states, breaker_tier=breaking.tier)
    if columns.tightening is not None:
        known = replace(known, contagion=columns.tightening.states(inputs.as_of, before.contagion))
    traded = {
        row_name(row): RowMemory(inputs.as_of)
        for row, target in zip(inputs.rows, targets, strict=True)
        if target.legs and not inputs.historical
    }
    kept = {name: memory for name, memory in before.rows.items() if name in set(map(row_name, inputs.rows))}
    hedged = {hedge.underlying: hedge.memory for hedge in hedges if hedge.memory is not None}
    return replace(
        known,
        as_of=inputs.as_of,
        rows=kept | traded,
        hedges=before.hedges | hedged,
        margins=margins_after(inputs, smoothed),
    )


def standing_of(inputs: EvaluationInputs, columns: BookColumns, optimal: Floats) -> Standing:
    """What the no-trade band of every row is judged by."""
    assert columns.sizing is not None
    remembered = columns.sizing.control.rows
    names = map(row_name, inputs.rows)
    return Standing(
        columns=columns.sizing,
        optimal=optimal,
        expected=columns.expected,
        as_of=inputs.as_of,
        traded_at=tuple(remembered[name].traded_at if name in remembered else None for name in names),
        cost=cost_rates(inputs, columns, optimal),
    )


def cost_rates(inputs: EvaluationInputs, columns: BookColumns, optimal: Floats) -> Floats:
    """Cost of the trade to the optimal size over its notional, impact left out; NaN where nothing would be traded."""
    assert columns.sizing is not None
    notional = np.abs(optimal - columns.expected) * columns.sizing.unit_value
    rates = np.full(optimal.shape, np.nan)
    moving = notional > 0.0
    known = half_spreads(inputs)
    spread = np.where(np.isnan(known), inputs.policy.costs.half_spread, known)
    rates[moving] = inputs.policy.costs.per_notional(notional[moving], half_spread=spread[moving])
    return rates
