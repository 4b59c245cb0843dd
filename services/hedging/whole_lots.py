"""From fractions of lots to whole ones: a mixed-integer program on the instruments that matter, then a local search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from services.core.decimals import SNAP
from services.core.explain import Bools, Floats
from services.hedging.hedge_arrays import BUY, SELL, HedgeArrays
from services.hedging.hedge_program import build_program
from services.hedging.relaxation import Relaxed
from services.hedging.trade_pieces import risk_chords, trade_pieces

SUPPORT = 0.25
"""Part of a lot above which an instrument of the relaxed optimum may be traded."""
_NEARLY = 3
"""Instruments that the relaxed optimum does not trade, the nearest to it, that whole lots may."""
_FINE = 1e-3
"""Share of the risk below which one lot is fine enough to be chosen after the program."""
_REACH = 4.0
"""Lots beyond the relaxed optimum within which the program searches."""
_NEAR_OPTIMUM = np.array([0.5, 0.9, 1.0, 1.1, 2.0])
_SWEEPS = 40
_GRID = 48


def whole_lots(
    arrays: HedgeArrays, relaxed: Relaxed, gap: float, time_limit: float, node_limit: int
) -> tuple[Floats, bool]:
    """Trades in whole lots near the relaxed optimum, shape (n,) [contracts], and whether the search was finished.

    (1) The support: what the optimum trades by more than a quarter of a lot, the cheapest linear instrument, and the
    three next to being traded. (2) Rounded toward zero; linear instruments close what is left to their lots; steps and
    swaps of single lots are made while the exact objective falls. (3) If that is not within `gap` of the proven lower
    bound: HiGHS' mixed-integer program, with chords of the risk around the optimum and least orders by binaries, then
    (2) from where it ends.

    Notes
    -----
    Doing nothing is a candidate, so the value never rises. The search stops at `node_limit` branches, whatever the
    machine; only the time limit can make two runs differ.
    """
    rows = support(arrays, relaxed)
    free = arrays.take(rows)
    enough = relaxed.lower_bound / (1.0 - gap) if gap < 1.0 else np.inf
    best, value = _improved(free, _rounded(free, relaxed.trades[rows]), enough)
    finished = value <= enough
    if not finished:
        part = _one_sided(free, relaxed.slope[:, rows], relaxed.trades[rows])
        found = _program(part, replace(relaxed, trades=relaxed.trades[rows]), gap, time_limit, node_limit)
        if found is not None:
            finished = found[1]
            best, value = min((best, value), _improved(free, found[0], enough), key=lambda pair: pair[1])
    trades = np.zeros(arrays.lot.size)
    trades[rows] = best
    return trades, finished


def _improved(arrays: HedgeArrays, start: Floats, enough: float) -> tuple[Floats, float]:
    """What a local search makes of a start, or nothing if that is as good, and its value."""
    trades = local_search(arrays, close_linear(arrays, start), enough)
    nothing = np.zeros_like(trades)
    value, idle = float(arrays.value(trades)), float(arrays.value(nothing))
    return (trades, value) if value < idle else (nothing, idle)


def support(arrays: HedgeArrays, relaxed: Relaxed) -> NDArray[np.int64]:
    """Instruments that whole lots are chosen of, in the order of symbols."""
    traded = np.abs(relaxed.trades) > SUPPORT * arrays.lot
    tradable = (arrays.depth > 0.0).any(axis=0)
    weight = np.linalg.norm(arrays.loadings, axis=1)
    weight = np.where(weight > 0.0, weight, 1.0)
    distance = np.where(arrays.depth > 0.0, relaxed.slope, np.inf).min(axis=0) / weight
    distance[traded | ~tradable] = np.inf
    nearest = np.argsort(distance, kind="stable")[:_NEARLY]
    traded[nearest[np.isfinite(distance[nearest])]] = True
    linear = linear_by_cost(arrays)
    traded[linear[:1]] = True
    return np.flatnonzero(traded)


def linear_by_cost(arrays: HedgeArrays) -> NDArray[np.int64]:
    """Tradable linear instruments, the cheapest per unit of delta first."""
    linear = np.array([row.linear for row in arrays.instruments], dtype=bool) & (arrays.depth > 0.0).any(axis=0)
    rows = np.flatnonzero(linear)
    cost = arrays.cost[:, rows].max(axis=0) / np.abs(arrays.greeks[rows, 0])
    return np.asarray(rows[np.argsort(cost, kind="stable")])


def close_linear(arrays: HedgeArrays, trades: Floats) -> Floats:
    """Each linear instrument in turn, the cheapest first, at its own best whole lot given all others."""
    for row in linear_by_cost(arrays).tolist():
        trades = _best_response(arrays, trades, row)
    return trades


def local_search(arrays: HedgeArrays, trades: Floats, enough: float = -np.inf) -> Floats:
    """Steps of one lot and to nothing while the exact value falls; of two instruments at once until it is `enough`."""
    singles, value = np.concatenate([np.diag(arrays.lot), -np.diag(arrays.lot)]), float(arrays.value(trades))
    pairs = (singles[:, None, :] + singles[None, :, :]).reshape(-1, arrays.lot.size)
    for _ in range(_SWEEPS):
        zeros = np.where(np.eye(trades.size, dtype=bool), 0.0, trades)
        step = _best_of(arrays, np.concatenate([trades + singles, zeros]))
        if not step[1] < value * (1.0 - 1e-12) and value > enough:
            step = _best_of(arrays, trades + pairs)
        if not step[1] < value * (1.0 - 1e-12):
            break
        trades, value = step
    return trades


def _best_of(arrays: HedgeArrays, tried: Floats) -> tuple[Floats, float]:
    """Legal row of least value, on whole lots, and that value; infinite if there is none."""
    tried = np.rint(tried / arrays.lot) * arrays.lot
    values = np.where(legal(arrays, tried), arrays.value(tried), np.inf)
    best = int(np.argmin(values))
    return tried[best], float(values[best])


def legal(arrays: HedgeArrays, trades: Floats) -> Bools:
    """Whether every size is within depth and no order below its least, one per row of trades."""
    size = np.abs(trades)
    depth = np.where(trades > 0.0, arrays.depth[BUY], arrays.depth[SELL])
    within = size <= depth + SNAP * arrays.lot
    large = (size == 0.0) | (size >= arrays.minimum - SNAP * arrays.lot)
    return np.asarray((within & large).all(axis=-1))


def _rounded(arrays: HedgeArrays, trades: Floats) -> Floats:
    """Toward zero; nothing below the least order."""
    size = np.floor(np.abs(trades) / arrays.lot + SNAP) * arrays.lot
    return np.asarray(np.where(size < arrays.minimum, 0.0, np.copysign(size, trades)))


def _best_response(arrays: HedgeArrays, trades: Floats, row: int) -> Floats:
    """Least value over the whole lots of one instrument: the value is convex in it, so a shrinking grid finds it."""
    lot, best = arrays.lot[row], trades
    for side, sign in ((BUY, 1.0), (SELL, -1.0)):
        low, high = np.ceil(arrays.minimum[row] / lot - SNAP), np.rint(arrays.depth[side, row] / lot)
        while high >= low:
            counts = np.unique(np.rint(np.linspace(low, high, _GRID)))
            tried = np.repeat(trades[None, :], counts.size + 1, axis=0)
            tried[:-1, row] = sign * counts * lot
            tried[-1] = best
            values = arrays.value(tried)
            at = int(np.argmin(values[:-1]))
            # Strictly better, so that of equal sizes the one that trades least stays.
            if values[at] < values[-1]:
                best = tried[at]
            if high - low < _GRID or not np.isfinite(values[at]):
                break
            low, high = counts[max(at - 1, 0)], counts[min(at + 1, counts.size - 1)]
    nothing = np.where(np.arange(trades.size) == row, 0.0, trades)
    return nothing if float(arrays.value(nothing)) <= float(arrays.value(best)) else best


def _one_sided(arrays: HedgeArrays, slope: Floats, trades: Floats) -> HedgeArrays:
    """The side that the relaxed optimum trades, or that is nearer to a trade; the other is shut."""
    buys = np.where(trades != 0.0, trades > 0.0, np.where(arrays.depth > 0.0, slope, np.inf).argmin(axis=0) == BUY)
    return replace(arrays, depth=arrays.depth * np.stack([buys, ~buys]))


def _program(
    arrays: HedgeArrays, relaxed: Relaxed, gap: float, time_limit: float, node_limit: int
) -> tuple[Floats, bool] | None:
    """Trades of the mixed-integer program and whether it was finished, or None if it found none.

    Columns are those of the linear program, in lots, then the lots and the binaries. Lots are searched for within four
    of the relaxed optimum, where depth and least order allow.
    """
    count = arrays.lot.size
    pieces = trade_pieces(arrays, np.maximum(np.abs(relaxed.trades), arrays.lot), _NEAR_OPTIMUM)
    centre = arrays.factors + relaxed.trades @ arrays.loadings
    strength = np.linalg.norm(arrays.loadings, axis=1) * arrays.lot
    radius = float(np.clip(2.0 * strength.max(initial=0.0), 1e-4 * relaxed.scale, relaxed.scale))
    chords = [risk_chords(point, radius, relaxed.scale, arrays.aversion) for point in centre.tolist()]
    money = max(relaxed.value, 1e-12)
    program = build_program(arrays, pieces, chords, relaxed.scale, money, unit=arrays.lot[pieces.row])
    width = program.cost.size
    # One integer for the lots of each instrument, and one binary for whether it is traded at all.
    integer, binary = np.eye(count), np.eye(count)
    link = np.zeros((count, width + 2 * count))
    link[pieces.row, np.arange(pieces.row.size)] = 1.0
    link[:, width : width + count] = -integer
    least = np.ceil(arrays.minimum / arrays.lot - SNAP)
    near = np.abs(relaxed.trades) / arrays.lot
    most = np.minimum(np.rint(arrays.depth.max(axis=0) / arrays.lot), np.maximum(np.ceil(near), least) + _REACH)
    fewest = np.where(np.floor(near) - _REACH > least, np.floor(near) - _REACH, 0.0)
    bites = np.flatnonzero(least > 1.0)
    floor, ceiling = np.zeros((2, bites.size, width + 2 * count))
    floor[:, width : width + count], floor[:, width + count :] = integer[bites], -(binary * least)[bites]
    ceiling[:, width : width + count], ceiling[:, width + count :] = integer[bites], -(binary * most)[bites]

    def padded(matrix: Floats) -> Floats:
        return np.hstack([matrix, np.zeros((matrix.shape[0], 2 * count))])

    rows = np.vstack([padded(program.rows_equal), padded(program.rows), link, floor, ceiling])
    endless, none = np.full(program.right.size, -np.inf), np.zeros(bites.size)
    low = np.concatenate([program.right_equal, endless, np.zeros(count), none, np.full(bites.size, -np.inf)])
    high = np.concatenate([program.right_equal, program.right, np.zeros(count), np.full(bites.size, np.inf), none])
    hard = bool(np.isinf(arrays.breach).any())
    coarse = (strength > _FINE * relaxed.scale) | (least > 1.0) | hard
    chosen = np.concatenate([np.zeros(width), coarse.astype(float), (least > 1.0).astype(float)])
    answer = milp(
        np.concatenate([program.cost, np.zeros(2 * count)]),
        constraints=LinearConstraint(rows, low, high),
        bounds=Bounds(
            np.concatenate([program.lower, fewest, np.zeros(count)]),
            np.concatenate([program.upper, most, np.ones(count)]),
        ),
        integrality=chosen,
        options={"mip_rel_gap": gap, "time_limit": time_limit, "node_limit": node_limit},
    )
    if answer.x is None:
        return None
    sign = np.where(arrays.depth[BUY] > 0.0, 1.0, -1.0)
    lots = answer.x[width : width + count]
    lots = np.where(coarse, np.rint(lots), np.floor(lots + SNAP))
    return np.asarray(sign * lots * arrays.lot), answer.status == 0
