"""The rows and columns of a hedge as a linear program, scaled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from services.core.explain import Floats
from services.hedging.hedge_arrays import HedgeArrays
from services.hedging.trade_pieces import Chords, Pieces


class Program(NamedTuple):
    """A linear program ``min c'z, rows_equal z = right_equal, rows z <= right, lower <= z <= upper``, all scaled."""

    cost: Floats
    rows_equal: Floats
    right_equal: Floats
    rows: Floats
    right: Floats
    lower: Floats
    upper: Floats
    unit: Floats
    row_scale: Floats
    money: float


class _Row(NamedTuple):
    """One row ``trades z − breach <= right`` in its own units, what they are divided by, and the cost of a breach."""

    trades: Floats
    right: float
    scale: float
    breach: float


def build_program(
    arrays: HedgeArrays, pieces: Pieces, chords: list[Chords], scale: float, money: float, unit: Floats | None = None
) -> Program:
    """Columns: pieces of trades, pieces of each risk factor, breaches above and below of soft bounds.

    Rows: ``R g t − y = origin − u₀`` for each factor; bounds that are finite, upper before lower; margin; cash.

    Parameters
    ----------
    arrays, pieces, chords
        The problem, its trades in pieces, and one set of chords per risk factor.
    scale, money : float
        Units of risk factors and of the objective [quote].
    unit : array, optional
        Contracts of one unit of each piece; by default as many as move the risk by its scale.
    """
    unit = _units(arrays, pieces, scale) if unit is None else unit
    signed, count = pieces.sign * unit, pieces.row.size
    rows = [*_bound_rows(arrays, pieces, signed), *_budget_rows(arrays, pieces, unit)]
    breaches = np.array([row.breach * row.scale for row in rows if np.isfinite(row.breach)])
    slopes = np.concatenate([np.zeros(0), *(chord.slope * scale for chord in chords)])
    cost = np.concatenate([pieces.cost * unit, slopes, breaches])

    rows_equal, at = np.zeros((len(chords), cost.size)), count
    rows_equal[:, :count] = (arrays.loadings[pieces.row] * signed[:, None]).T / scale
    for factor, chord in enumerate(chords):
        rows_equal[factor, at : at + chord.slope.size] = -1.0
        at += chord.slope.size
    unequal = np.zeros((len(rows), cost.size))
    for place, row in enumerate(rows):
        unequal[place, :count] = row.trades / row.scale
        if np.isfinite(row.breach):
            unequal[place, at] = -1.0
            at += 1
    below = [chord.lower / scale for chord in chords]
    above = [chord.upper / scale for chord in chords]
    return Program(
        cost=cost / money,
        rows_equal=rows_equal,
        right_equal=(np.array([chord.origin for chord in chords]) - arrays.factors) / scale,
        rows=unequal,
        right=np.array([row.right / row.scale for row in rows]),
        lower=np.concatenate([np.zeros(count), *below, np.zeros(breaches.size)]),
        upper=np.concatenate([pieces.width / unit, *above, np.full(breaches.size, np.inf)]),
        unit=unit,
        row_scale=np.array([row.scale for row in rows]),
        money=money,
    )


def _bound_rows(arrays: HedgeArrays, pieces: Pieces, signed: Floats) -> Iterator[_Row]:
    """Rows of the finite upper bounds, then of the lower ones."""
    content = arrays.greeks[pieces.row][:, arrays.bounded] * signed[:, None]
    reach = np.maximum(arrays.bound_scale(), np.abs(content).max(axis=0, initial=0.0))
    reach = np.where(reach > 0.0, reach, 1.0)
    value = arrays.exposure[arrays.bounded]
    for sign, edge in ((1.0, arrays.upper), (-1.0, arrays.lower)):
        for at in np.flatnonzero(np.isfinite(edge)).tolist():
            room = float(sign * (edge[at] - value[at]))
            yield _Row(sign * content[:, at], room, float(reach[at]), float(arrays.breach[at]))


def _budget_rows(arrays: HedgeArrays, pieces: Pieces, unit: Floats) -> Iterator[_Row]:
    """Rows of margin and cash, where they are limited."""
    for taken, room in (
        (pieces.margin, arrays.margin_budget - arrays.margin_used),
        (pieces.cash, arrays.cash_budget),
    ):
        if np.isfinite(room):
            row = taken * unit
            yield _Row(row, room, max(float(np.abs(row).max(initial=0.0)), room) or 1.0, np.inf)


def _units(arrays: HedgeArrays, pieces: Pieces, scale: float) -> Floats:
    """Contracts that move the risk by its scale, or the width of the piece if that is less."""
    strength = np.linalg.norm(arrays.loadings, axis=1)[pieces.row]
    strong = strength * pieces.width > scale
    return np.asarray(np.where(strong, scale / np.where(strong, strength, 1.0), pieces.width))
