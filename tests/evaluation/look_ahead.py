"""Does a forecast look ahead? Scramble what comes after a bar: nothing before may change by a bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from services.core.explain import Floats
from services.volatility.estimators.interface import VarianceModel
from services.volatility.moves import Moves


def scrambled(moves: Moves, after: int, rng: np.random.Generator) -> Moves:
    """The same moves up to bar `after`; those behind it in another order, three times as large."""
    order = after + 1 + rng.permutation(moves.shape[1] - after - 1)
    columns = {}
    for field in fields(moves):
        column = getattr(moves, field.name)
        if column is not None and field.name != "close_at":
            scale = 9.0 if field.name.endswith("variance") else 1.0 if field.name == "close" else 3.0
            column = np.concatenate([column[:, : after + 1], scale * column[:, order]], axis=1)
        columns[field.name] = column
    return Moves(**columns)


def first_difference(before: Floats, after: Floats) -> int | None:
    """Place of the first column in which two paths differ in any bit; None where they agree."""
    differs = (before != after) & ~(np.isnan(before) & np.isnan(after))
    columns = differs.any(axis=0)
    return int(np.argmax(columns)) if columns.any() else None


def looks_ahead(estimator: VarianceModel, moves: Moves, cuts: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Cuts at which a forecast up to the cut changes when the bars after it are scrambled; empty if it is causal.

    Raises
    ------
    ValueError
        If no forecast changes at all: the estimator does not look at the data, and nothing was shown.
    """
    path = estimator.variance_path(moves)
    found, moved = [], False
    for cut in cuts:
        place = first_difference(path, estimator.variance_path(scrambled(moves, cut, rng)))
        moved = moved or place is not None
        if place is not None and place <= cut:
            found.append(cut)
    if not moved:
        raise ValueError(f"{estimator.method}: no forecast depends on the bars after {list(cuts)}")
    return found
