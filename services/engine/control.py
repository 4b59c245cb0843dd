"""Control state after a decision."""

from __future__ import annotations

from dataclasses import replace

from services.core.book import Row
from services.core.control import Control, RowMemory, RowName
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.engine.outputs import Target


def row_name(row: Row) -> RowName:
    """Identity of a row."""
    return row.symbol, row.venue, row.account_id, row.position_side


def control_after(inputs: EvaluationInputs, columns: BookColumns, targets: tuple[Target, ...]) -> Control:
    """State that the next decision should be given: marks at the present equity, and which rows trade now."""
    before = inputs.control or Control()
    known = columns.sizing.control if columns.sizing is not None else before
    traded = {
        row_name(row): RowMemory(inputs.as_of)
        for row, target in zip(inputs.rows, targets, strict=True)
        if target.legs and not inputs.historical
    }
    kept = {name: memory for name, memory in before.rows.items() if name in set(map(row_name, inputs.rows))}
    return replace(known, as_of=inputs.as_of, rows=kept | traded)
