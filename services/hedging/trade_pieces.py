"""Convex pieces of trades and of squared risk, from which linear programs are built."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.explain import Floats
from services.hedging.hedge_arrays import BUY, HedgeArrays

COARSE = np.array([0.2, 1.0])
FINE = np.array([0.5, 0.8, 0.95, 1.0, 1.05, 1.25, 2.5])
"""Sizes, as shares of an expected one, between which the cost of impact is a chord."""
_NEAR = np.geomspace(0.02, 1.0, 6)
_FAR = np.array([1.0 / 3.0, 2.0 / 3.0, 1.0])
_BEYOND = 3.0
"""The outermost chords reach this multiple of the scale beyond the last edge."""


class Pieces(NamedTuple):
    """Pieces of trades: instrument, side (+1, -1), width [contracts], cost, margin and cash per contract."""

    row: NDArray[np.int64]
    sign: Floats
    width: Floats
    cost: Floats
    margin: Floats
    cash: Floats


class Chords(NamedTuple):
    """Pieces of the square of one risk factor: it is at `origin` where all pieces are 0."""

    origin: float
    slope: Floats
    lower: Floats
    upper: Floats


def trade_pieces(arrays: HedgeArrays, around: Floats, steps: Floats = FINE) -> Pieces:
    """Pieces of every instrument and side that may be traded.

    Parameters
    ----------
    arrays : HedgeArrays
        n instruments.
    around : array, shape (n,)
        Expected size of the trade [contracts].
    steps : array
        `COARSE` or `FINE`.

    Notes
    -----
    Pieces end where a position is closed, as margin is released before and taken beyond, and at steps of size where
    there is impact. Their costs do not fall, so that a solver fills them in order where it matters.
    """
    depth = arrays.depth[:, None, :]
    edges = [np.zeros_like(depth), np.minimum(arrays.closing[:, None, :], depth), depth]
    if arrays.impact.any():
        edges.insert(1, np.minimum(steps[None, :, None] * around, depth) * (arrays.impact > 0.0))
    ends = np.sort(np.concatenate(edges, axis=1), axis=1)
    start, width = ends[:, :-1], np.diff(ends, axis=1)
    closes = start + width <= arrays.closing[:, None, :]
    cost = arrays.cost[:, None, :] + arrays.impact * (2.0 * start + width)
    margin = np.where(closes, -arrays.margin[::-1, None, :], arrays.margin[:, None, :])
    paid = np.stack([arrays.price, np.zeros_like(arrays.price)])[:, None, :]
    # Instrument by instrument, so that the columns of a program follow the order of the symbols.
    side, step, row = np.nonzero(width > 0.0)
    order = np.lexsort((step, side, row))
    side, step, row = side[order], step[order], row[order]
    at = (side, step, row)
    return Pieces(row, np.where(side == BUY, 1.0, -1.0), width[at], cost[at], margin[at], (paid + cost)[at])


def risk_chords(centre: float, radius: float, scale: float, aversion: float) -> Chords:
    """Chords of ``½ a u²``, shortest around `centre`.

    Edges lie geometrically at 2 to 100 % of `radius` on both sides of `centre`, then up to `scale`. Chords lie above
    the square: what they promise is kept.
    """
    steps = np.concatenate([radius * _NEAR, radius * (max(scale / radius, 1.0) + 1e-3) ** _FAR])
    edges = np.concatenate([centre - steps[::-1], [centre], centre + steps])
    low, high = edges[0] - _BEYOND * scale, edges[-1] + _BEYOND * scale
    ends = np.concatenate([[low], edges, [high]])
    width = np.diff(edges)
    return Chords(
        float(edges[0]),
        0.5 * aversion * (ends[:-1] + ends[1:]),
        np.concatenate([[-np.inf], np.zeros(width.size + 1)]),
        np.concatenate([[0.0], width, [np.inf]]),
    )


def chord_width(centre: float, radius: float, scale: float, at: float) -> float:
    """Width of the longer of the chords beside a point: how far from it the optimum may be."""
    chords = risk_chords(centre, radius, scale, 0.0)
    edges = chords.origin + np.concatenate([[0.0], np.cumsum(chords.upper[1:-1])])
    place = int(np.clip(np.searchsorted(edges, at), 1, edges.size - 1))
    return float(np.diff(edges[max(place - 2, 0) : place + 2]).max())
