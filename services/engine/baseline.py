"""Constant leverage beside every other size: the same book, limits and lots, with no method at all."""

from __future__ import annotations

from decimal import Decimal

from services.core.decimals import lots_toward_zero
from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.pipeline import RowLimits, size_rows

BASELINE = ConstantLeverage()
"""Gross leverage 1: what an investor without a method holds."""


def baseline_targets(
    inputs: EvaluationInputs, columns: BookColumns, limits: RowLimits | None, scope: str | None
) -> tuple[Decimal | None, ...] | None:
    """Constant-leverage size of every row under the same caps, in whole lots; None where a row cannot be sized."""
    if columns.sizing is None or limits is None or scope is None:
        return None
    wanted = size_rows(columns.sizing, BASELINE, inputs.policy.limits, limits, scope=scope).trail.value
    return tuple(
        lots_toward_zero(size, row.instrument.lot) if can else None
        for size, row, can in zip(wanted.tolist(), inputs.rows, columns.sizing.sizable.tolist(), strict=True)
    )
