"""Conditions of the markets around the rows of one evaluation."""

from __future__ import annotations

import numpy as np

from services.engine.columns import BookColumns
from services.engine.inputs import EvaluationInputs
from services.sizing.conditions import Conditions


def conditions_of(inputs: EvaluationInputs, columns: BookColumns) -> Conditions:
    """Conditions per row, in row order."""
    readouts = [state.readout for state in columns.states]
    ages = [row.price.age_seconds if row.price and row.price.age_seconds is not None else 0.0 for row in inputs.rows]
    return Conditions(
        as_of=inputs.as_of,
        bar_seconds=np.array([readout.bar_seconds if readout else np.nan for readout in readouts], dtype=float),
        data_age_seconds=np.array(ages, dtype=float),
    )
