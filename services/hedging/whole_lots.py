"""From fractions of lots to whole ones: a mixed-integer program on the instruments that matter, then a local search."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from services.core.decimals import SNAP
from services.core.explain import Bools, Floats
from services.hedging.hedge_arrays import BUY, SELL, HedgeArrays
from services.hedging.hedge_program import Program, build_program
from services.hedging.relaxation import Relaxed
from services.hedging.trade_pieces import Pieces, risk_chords, trade_pieces

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
_ALL_COMBINATIONS = 6
_LOG_COMBINATIONS = math.log(8192.0)
_MOST_PAIRED = 32
"""Steps up, and steps down, of which pairs are tried."""
_GRID = 48


def whole_lots(
    arrays: HedgeArrays, relaxed: Relaxed, gap: float, time_limit: float, node_limit: int
) -> tuple[Floats, bool]:
    """Trades in whole lots near the relaxed optimum, shape (n,) [contracts], and whether the search was finished.

    (1) The support: what the optimum trades by more than a quarter of a lot, the cheapest linear instrument, and the
    three next to being traded. (2) Rounded toward zero; linear instruments close what is left to their lots; steps and
    swaps of single lots are made while the exact objective falls. (3) If that is not within `gap` of the proven lower
    bound: all combinations of near lots, if few, or HiGHS' mixed-integer program, with chords of the risk around
    the optimum and least orders by binaries; then (2) from where that ends.

    Notes
    -----
    Doing nothing is a candidate, so the value never rises. The search stops at `node_limit` branches, whatever the
    machine; only the time limit can make two runs differ.
    """
    rows = support(arrays, relaxed)
    free = arrays.take(rows)
    enough = relaxed.lower_bound + gap * relaxed.spent
    best, value = _improved(free, _rounded(free, relaxed.trades[rows]), enough)
    finished = value <= enough
    if not finished:
        found = _program(free, replace(relaxed, trades=relaxed.trades[rows]), gap, time_limit, node_limit)
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
    """Steps of one lot and to nothing while the exact value falls; of several instruments at once until `enough`.

    Up to six instruments in every combination of steps, of more in pairs of the 32 steps up and the 32 steps down that
    alone are best: all pairs of hundreds of instruments take minutes and gigabytes. A step into or out of nothing is
    one of the least order.
    """
    value = float(arrays.value(trades))
    for _ in range(_SWEEPS):
        up, down = _next_size(arrays, trades, 1.0), _next_size(arrays, trades, -1.0)
        step = _best_of(arrays, _one_at_a_time(trades, np.stack([up, down, np.zeros_like(trades)])))
        if not step[1] < value * (1.0 - 1e-12) and value > enough:
            step = _best_of(arrays, _together(arrays, trades, np.stack([trades, up, down])))
        if not step[1] < value * (1.0 - 1e-12):
            break
        trades, value = step
    return trades


def _next_size(arrays: HedgeArrays, trades: Floats, sign: float) -> Floats:
    """Next legal size of each instrument in one direction: between nothing and the least order there is none."""
    size = trades + sign * arrays.lot
    least = np.ceil(arrays.minimum / arrays.lot - SNAP) * arrays.lot
    between = (np.abs(size) > SNAP * arrays.lot) & (np.abs(size) < least - SNAP * arrays.lot)
    return np.asarray(np.where(between, np.where(size * sign > 0.0, sign * least, 0.0), size))


def _one_at_a_time(trades: Floats, sizes: Floats) -> Floats:
    """One row for each instrument and each of its sizes, all else as it is."""
    one = np.eye(trades.size, dtype=bool)
    return np.concatenate([np.where(one, size, trades) for size in sizes])


def _together(arrays: HedgeArrays, trades: Floats, sizes: Floats) -> Floats:
    """Sizes of several instruments at once, of shape (3, n): every combination, or pairs where they are many."""
    count = trades.size
    if count <= _ALL_COMBINATIONS:
        choice = np.indices((3,) * count).reshape(count, -1).T
        return np.asarray(sizes[choice, np.arange(count)])
    steps = [_best_steps(arrays, _one_at_a_time(trades, size[None])) for size in sizes[1:]]
    singles = np.concatenate(steps) - trades
    return np.asarray((trades + singles[:, None, :] + singles[None, :, :]).reshape(-1, count))


def _best_steps(arrays: HedgeArrays, tried: Floats) -> Floats:
    """Rows of least cost and risk, as many as are paired; bounds and budgets may be kept by two that one breaks."""
    if len(tried) <= _MOST_PAIRED:
        return tried
    value = np.where(legal(arrays, tried), arrays.trading_cost(tried) + arrays.risk_cost(tried), np.inf)
    return tried[np.argsort(value, kind="stable")[:_MOST_PAIRED]]


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


def _program(
    arrays: HedgeArrays, relaxed: Relaxed, gap: float, time_limit: float, node_limit: int
) -> tuple[Floats, bool] | None:
    """Trades of the mixed-integer program and whether it was finished, or None if it found none.

    Where the lots within reach make few combinations, all of them are tried instead.

    Columns are those of the linear program, in lots; then the signed lots z of each instrument; then, where the least
    order is more than a lot, whether it is bought and whether it is sold. Lots are searched for within a few of the
    relaxed optimum, where depth and least order allow.
    """
    count, lot = arrays.lot.size, arrays.lot
    pieces = trade_pieces(arrays, np.maximum(np.abs(relaxed.trades), lot), _NEAR_OPTIMUM)
    strength = np.linalg.norm(arrays.loadings, axis=1) * lot
    program = _in_lots(arrays, relaxed, pieces, float(strength.max(initial=0.0)))
    least = np.ceil(arrays.minimum / lot - SNAP)
    low, high = _range_of_lots(arrays, relaxed.trades / lot, least)
    if float(np.log(high - low + 1.0).sum()) <= _LOG_COMBINATIONS:
        return _every_combination(arrays, low, high), True
    bites = np.flatnonzero(least > 1.0)
    width, more = program.cost.size, 2 * bites.size
    # Signed lots are the sum of the pieces.
    link = np.zeros((count, width + count + more))
    link[pieces.row, np.arange(pieces.row.size)] = pieces.sign
    link[:, width : width + count] = -np.eye(count)
    # ``least · bought − most · sold <= z <= most · bought − least · sold``, and at most one of the two.
    eye, part = np.eye(bites.size), np.eye(count)[bites]
    below, above = eye * np.minimum(low[bites], 0.0), eye * np.maximum(high[bites], 0.0)
    least_of = eye * least[bites]
    floor = np.hstack([np.zeros((bites.size, width)), part, -least_of, -below])
    ceiling = np.hstack([np.zeros((bites.size, width)), part, -above, least_of])
    either = np.hstack([np.zeros((bites.size, width + count)), eye, eye])
    endless, none = np.full(bites.size, np.inf), np.zeros(bites.size)

    def padded(matrix: Floats) -> Floats:
        return np.hstack([matrix, np.zeros((matrix.shape[0], count + more))])

    blocks = [
        (padded(program.rows_equal), program.right_equal, program.right_equal),
        (padded(program.rows), np.full(program.right.size, -np.inf), program.right),
        (link, np.zeros(count), np.zeros(count)),
        (floor, none, endless),
        (ceiling, -endless, none),
        (either, none, none + 1.0),
    ]
    hard = bool(np.isinf(arrays.breach).any())
    coarse = (strength > _FINE * relaxed.scale) | (least > 1.0) | hard
    # The solver's gap is a share of all, breaches included; ours is one of cost and risk.
    share = gap * relaxed.spent / relaxed.value if relaxed.value > 0.0 else gap
    answer = milp(
        np.concatenate([program.cost, np.zeros(count + more)]),
        constraints=[LinearConstraint(*block) for block in blocks if block[0].shape[0]],
        bounds=Bounds(
            np.concatenate([program.lower, low, np.zeros(more)]),
            np.concatenate([program.upper, high, np.ones(more)]),
        ),
        integrality=np.concatenate([np.zeros(width), coarse.astype(float), np.ones(more)]),
        options={"mip_rel_gap": share, "time_limit": time_limit, "node_limit": node_limit},
    )
    if answer.x is None:
        return None
    lots = answer.x[width : width + count]
    lots = np.where(coarse, np.rint(lots), np.trunc(lots + np.copysign(SNAP, lots)))
    return np.asarray(lots * lot), answer.status == 0


def _every_combination(arrays: HedgeArrays, low: Floats, high: Floats) -> Floats:
    """Best of all lots within a range that holds few: exact, where chords of a risk would be coarse."""
    shape = (high - low + 1.0).astype(int)
    lots = np.indices(tuple(shape.tolist())).reshape(shape.size, -1).T + low
    return _best_of(arrays, lots * arrays.lot)[0]


def _in_lots(arrays: HedgeArrays, relaxed: Relaxed, pieces: Pieces, coarsest: float) -> Program:
    """The linear program in lots, with chords that are short within the coarsest lot of the relaxed optimum."""
    centre = arrays.factors + relaxed.trades @ arrays.loadings
    radius = float(np.clip(2.0 * coarsest, 1e-4 * relaxed.scale, relaxed.scale))
    chords = [risk_chords(point, radius, relaxed.scale, arrays.aversion) for point in centre.tolist()]
    money = max(relaxed.spent, 1e-12)
    return build_program(arrays, pieces, chords, relaxed.scale, money, unit=arrays.lot[pieces.row])


def _range_of_lots(arrays: HedgeArrays, near: Floats, least: Floats) -> tuple[Floats, Floats]:
    """Signed lots to choose from: around the relaxed optimum, nothing and the least orders where they are near."""
    deepest = np.rint(arrays.depth / arrays.lot)
    reach = np.maximum(least, 1.0) + _REACH
    low, high = np.floor(near - reach), np.ceil(near + reach)
    low = np.where(np.abs(low) < least, np.minimum(low, 0.0), low)
    high = np.where(np.abs(high) < least, np.maximum(high, 0.0), high)
    return np.maximum(low, -deepest[SELL]), np.minimum(high, deepest[BUY])
