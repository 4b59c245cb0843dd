"""Hedges in fractions of lots: linear programs whose pieces of the squared risk close in on the optimum."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import linprog

from services.core.explain import Bools, Floats
from services.hedging.hedge_arrays import TOLERANCE, HedgeArrays
from services.hedging.hedge_program import Program, build_program
from services.hedging.trade_pieces import COARSE, FINE, chord_width, risk_chords, trade_pieces

GOOD_ENOUGH = 1e-4
"""Share of the objective by which the relaxed optimum may lie above its proven lower bound."""
MOST_PASSES = 8
_FIRST_RADIUS = 0.15
"""Share of the risk around zero in which the first chords are short: where good hedges end."""
_KEPT = 24
"""Sides of instruments without a trade, the nearest to having one, that later passes keep."""

Failure = Literal["infeasible", "failed"]


class Prices(NamedTuple):
    """Multipliers of the risk factors (k,), of upper and lower bounds (b,), margin and cash; these four are >= 0."""

    factors: Floats
    upper: Floats
    lower: Floats
    margin: float
    cash: float


@dataclass(frozen=True, slots=True)
class Relaxed:
    """Optimum in fractions of lots.

    Parameters
    ----------
    trades : array, shape (n,)
        [contracts].
    value, lower_bound : float
        Exact objective of `trades`, and what no trades can be below [quote].
    spent : float
        The part of `value` that is cost and risk; the rest is the price of breached bounds [quote].
    prices : Prices
    slope : array, shape (2, n)
        What a first contract bought or sold would add to the objective, at these prices [quote per contract].
    scale : float
        Size of risk factors that break points are measured by [quote].
    passes : int
        Linear programs solved.
    """

    trades: Floats
    value: float
    lower_bound: float
    spent: float
    prices: Prices
    slope: Floats
    scale: float
    passes: int

    @property
    def gap(self) -> float:
        """Share of cost and risk by which the value may lie above the optimum."""
        return share_above(self.value, self.lower_bound, self.spent)


def share_above(value: float, lower_bound: float, spent: float) -> float:
    """How far a value may lie above the optimum, as a share of what it spends on cost and risk.

    Not of the value: breaches that nothing can mend cost so much that any hedge would seem good beside them.
    """
    above = max(value - lower_bound, 0.0)
    return above / spent if spent > 0.0 else 0.0 if above == 0.0 else math.inf


def relax(arrays: HedgeArrays, time_limit: float) -> Relaxed | Failure:
    r"""Least cost plus risk over trades in fractions of lots.

    Each pass replaces ``½ a u²`` of every risk factor by chords, shortest around the optimum of the pass before, and
    solves a linear program with HiGHS. Its prices p, λ, μ, ν give a proven lower bound of the quadratic problem,

    ``−|p|²/(2a) + p'u₀ + λ'(e − b) − μ·room − ν·cash + Σ_i min_{0≤q≤d_i} (s_i q + impact q²)``,

    with s the slope of a trade at these prices; passes end when value and bound agree to 1e-4 of cost and risk.

    Parameters
    ----------
    arrays : HedgeArrays
        At least one instrument.
    time_limit : float
        Of one linear program [s].

    Returns
    -------
    Relaxed, or "infeasible" (hard bounds), or "failed" (time or numbers)

    Notes
    -----
    A pass is O(n) columns and at most fourteen rows; from the second on it keeps traded sides and the 24 whose slope is
    nearest to a trade. If the bound then shows that one was missed, all return.
    """
    best: Relaxed | None = None
    scale = risk_scale(arrays)
    everything = arrays.depth > 0.0
    open_sides, around = everything, _first_sizes(arrays, scale)
    centre, radius = np.zeros(arrays.factors.size), np.full(arrays.factors.size, _FIRST_RADIUS * scale)
    for passes in range(1, MOST_PASSES + 1):
        rows = np.flatnonzero(open_sides.any(axis=0))
        part = replace(arrays.take(rows), depth=(arrays.depth * open_sides)[:, rows])
        steps = COARSE if best is None else FINE
        found = _solve(part, centre, radius, around[rows], steps, scale, _money(arrays, best), time_limit)
        if isinstance(found, str):
            return found if best is None else best
        trades = np.zeros(arrays.lot.size)
        trades[rows], prices = found
        lower, slope = lower_bound(arrays, prices)
        spent, value = _soft_value(arrays, trades)
        if best is None:
            best = Relaxed(trades, value, lower, spent, prices, slope, scale, passes)
        # Trades and prices each from the pass that did them best: the gap between them is what is proven.
        if value <= best.value:
            best = replace(best, trades=trades, value=value, spent=spent)
        if lower >= best.lower_bound:
            best = replace(best, lower_bound=lower, prices=prices, slope=slope)
        best = replace(best, passes=passes)
        if best.gap <= GOOD_ENOUGH:
            return best
        missed = open_sides is not everything and lower < best.lower_bound - GOOD_ENOUGH * best.spent
        factors = arrays.factors + best.trades @ arrays.loadings
        radius = np.array(
            [
                2.0 * chord_width(middle, reach, scale, new)
                for middle, reach, new in zip(centre.tolist(), radius.tolist(), factors.tolist(), strict=True)
            ]
        ).clip(1e-7 * scale, scale)
        centre = factors
        around = np.maximum(np.abs(best.trades), around / 64.0)
        open_sides = everything if missed else _nearest(arrays, best)
    return best if best is not None else "failed"


def risk_scale(arrays: HedgeArrays) -> float:
    """Size that risk factors may take [quote]: 1.5 times that of the book, or of what lies outside its bounds."""
    nothing = np.zeros(arrays.lot.size)
    outside = np.zeros(arrays.exposure.size)
    outside[arrays.bounded] = arrays.excess(nothing)
    size = max(float(np.linalg.norm(arrays.factors)), float(np.linalg.norm(arrays.root @ outside)))
    return 1.5 * size if size > 0.0 else 1.0


def lower_bound(arrays: HedgeArrays, prices: Prices) -> tuple[float, Floats]:
    """Proven lower bound of the quadratic problem at given prices, and the slopes of first contracts, shape (2, n)."""
    risk = prices.factors
    dual = float(risk @ arrays.factors) - (float(risk @ risk) / (2.0 * arrays.aversion) if arrays.aversion else 0.0)
    value = arrays.exposure[arrays.bounded]
    for price, distance in ((prices.upper, value - arrays.upper), (prices.lower, arrays.lower - value)):
        dual += float(price[price > 0.0] @ distance[price > 0.0])
    if prices.margin > 0.0:
        dual -= prices.margin * (arrays.margin_budget - arrays.margin_used)
    if prices.cash > 0.0:
        dual -= prices.cash * arrays.cash_budget
    push = arrays.loadings @ risk + arrays.greeks[:, arrays.bounded] @ (prices.upper - prices.lower)
    paid = (1.0 + prices.cash) * arrays.cost + prices.cash * np.stack([arrays.price, np.zeros_like(arrays.price)])
    slope = paid + np.stack([push, -push])
    closing, opening = slope - prices.margin * arrays.margin[::-1], slope + prices.margin * arrays.margin
    impact, edge = (1.0 + prices.cash) * arrays.impact, np.minimum(arrays.closing, arrays.depth)
    near = _cheapest(closing, impact, np.zeros_like(edge), edge)
    far = _cheapest(opening, impact, edge, arrays.depth)
    least = np.minimum(closing * near + impact * near**2, closing * edge + opening * (far - edge) + impact * far**2)
    return dual + float(np.minimum(least, 0.0).sum()), np.where(edge > 0.0, closing, opening)


def _cheapest(slope: Floats, impact: Floats, low: Floats, high: Floats) -> Floats:
    """Size within [low, high] that minimises ``slope q + impact q²``."""
    steep = np.broadcast_to(impact > 0.0, slope.shape)
    vertex = np.where(steep, -slope / np.where(steep, 2.0 * impact, 1.0), np.where(slope < 0.0, np.inf, -np.inf))
    return np.asarray(np.clip(vertex, low, high))


def _soft_value(arrays: HedgeArrays, trades: Floats) -> tuple[float, float]:
    """Cost and risk, and those with the price of breaches; hard bounds and budgets have been kept by the program."""
    excess = np.where(np.isfinite(arrays.breach), arrays.excess(trades), 0.0)
    breach = np.where(np.isfinite(arrays.breach), arrays.breach, 0.0)
    spent = float(arrays.trading_cost(trades) + arrays.risk_cost(trades))
    return spent, spent + float(excess @ breach)


def _money(arrays: HedgeArrays, best: Relaxed | None) -> float:
    """Unit of the objective, so that the solver's tolerance of 1e-7 is small beside the value."""
    nothing = np.zeros(arrays.lot.size)
    before = float(arrays.risk_cost(nothing)) or _soft_value(arrays, nothing)[1] or 1.0
    return before if best is None else max(min(best.spent, before), 1e-6 * before)


def _first_sizes(arrays: HedgeArrays, scale: float) -> Floats:
    """Trade of each instrument that moves the risk by a third of its scale [contracts], its depth where none does."""
    strength = np.linalg.norm(arrays.loadings, axis=1)
    deepest = arrays.depth.max(axis=0)
    size = scale / np.where(strength > 0.0, 3.0 * strength, 1.0)
    return np.asarray(np.where(strength > 0.0, np.minimum(size, deepest), deepest))


def _nearest(arrays: HedgeArrays, best: Relaxed) -> Bools:
    """Sides that are traded, and those whose slope is least for the risk that they move; shape (2, n)."""
    weight = np.abs(arrays.loadings).sum(axis=1) + TOLERANCE
    distance = np.where(arrays.depth > 0.0, best.slope / weight, np.inf)
    traded = np.stack([best.trades > 0.0, best.trades < 0.0])
    distance[traded] = -np.inf
    order = np.argsort(distance, axis=None, kind="stable")[: int(np.count_nonzero(traded)) + _KEPT]
    kept = np.zeros(distance.size, dtype=bool)
    kept[order] = True
    return np.asarray(kept.reshape(distance.shape) & (arrays.depth > 0.0))


def _solve(
    arrays: HedgeArrays,
    centre: Floats,
    radius: Floats,
    around: Floats,
    steps: Floats,
    scale: float,
    money: float,
    time_limit: float,
) -> tuple[Floats, Prices] | Failure:
    pieces = trade_pieces(arrays, around, steps)
    chords = [risk_chords(*near, scale, arrays.aversion) for near in zip(centre.tolist(), radius.tolist(), strict=True)]
    program = build_program(arrays, pieces, chords, scale, money)
    answer = linprog(
        program.cost,
        A_ub=program.rows if program.rows.size else None,
        b_ub=program.right if program.rows.size else None,
        A_eq=program.rows_equal if program.rows_equal.size else None,
        b_eq=program.right_equal if program.rows_equal.size else None,
        bounds=np.column_stack([program.lower, program.upper]),
        method="highs-ds",
        options={"time_limit": time_limit},
    )
    if answer.status == 2:
        return "infeasible"
    if answer.status != 0 or answer.x is None:
        return "failed"
    size = answer.x[: pieces.row.size] * program.unit
    trades = np.bincount(pieces.row, weights=pieces.sign * size, minlength=arrays.lot.size)
    equal = answer.eqlin.marginals if chords else np.zeros(0)
    unequal = answer.ineqlin.marginals if program.rows.size else np.zeros(0)
    return np.asarray(trades, dtype=np.float64), _prices(arrays, program, equal, unequal, scale)


def _prices(arrays: HedgeArrays, program: Program, equal: Floats, unequal: Floats, scale: float) -> Prices:
    """From the marginals of the scaled rows to prices in quote per unit."""
    multiplier = np.maximum(-unequal, 0.0) * program.money / program.row_scale
    finite = [np.isfinite(arrays.upper), np.isfinite(arrays.lower)]
    bound = np.zeros((2, arrays.bounded.size))
    taken = 0
    for side, mask in enumerate(finite):
        bound[side, mask] = multiplier[taken : taken + int(mask.sum())]
        taken += int(mask.sum())
    bound = np.minimum(bound, arrays.breach)
    budgets = iter(multiplier[taken:].tolist())
    margin = next(budgets) if np.isfinite(arrays.margin_budget) else 0.0
    cash = next(budgets) if np.isfinite(arrays.cash_budget) else 0.0
    return Prices(-equal * program.money / scale, bound[0], bound[1], margin, cash)
