"""A hedge problem as arrays, and the exact value of any trades in it; every solver is checked against these sums."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.core.decimals import SNAP
from services.core.explain import Bools, Floats
from services.hedging.exposures import GREEKS, greek_matrix
from services.hedging.hedge_problem import HedgeInstrument, HedgeProblem

BUY, SELL = 0, 1
TOLERANCE = 1e-6
"""Share of a bound or budget by which sums of floats may miss it."""


@dataclass(frozen=True, slots=True)
class HedgeArrays:
    """Instruments in the order of their symbols, n of them; pairs of rows are buying and selling.

    Parameters
    ----------
    instruments : tuple of HedgeInstrument
    greeks : array, shape (n, 6)
    loadings : array, shape (n, k)
        Risk factors of one contract, ``R g`` [quote]: the variance of a book is the squared length of its factors.
    cost, depth, closing, margin : arrays, shape (2, n)
        [quote per contract], [contracts], contracts that only undo the position, margin of what goes beyond.
    impact, price, lot, minimum, position : arrays, shape (n,)
    exposure, root, factors : arrays, shape (6,), (k, 6), (k,)
        Greeks of the book without trades; R; its risk factors, R e.
    aversion : float
        a [1/quote].
    bounded, lower, upper, breach : arrays, shape (b,)
        Index of the bounded Greek, its interval, cost of a unit outside (infinite: hard).
    margin_used, margin_budget, cash_budget : float
        [quote].
    """

    instruments: tuple[HedgeInstrument, ...]
    greeks: Floats
    loadings: Floats
    cost: Floats
    depth: Floats
    closing: Floats
    margin: Floats
    impact: Floats
    price: Floats
    lot: Floats
    minimum: Floats
    position: Floats
    exposure: Floats
    root: Floats
    factors: Floats
    aversion: float
    bounded: NDArray[np.int64]
    lower: Floats
    upper: Floats
    breach: Floats
    margin_used: float
    margin_budget: float
    cash_budget: float

    def take(self, rows: NDArray[np.int64]) -> HedgeArrays:
        """The same problem with some of the instruments."""
        return replace(
            self,
            instruments=tuple(self.instruments[row] for row in rows.tolist()),
            **{name: getattr(self, name)[rows] for name in ("greeks", "loadings", *_ROWS)},
            **{name: getattr(self, name)[:, rows] for name in _PAIRS},
        )

    def exposure_after(self, trades: Floats) -> Floats:
        """Greeks of the book with the trades, shape (..., 6)."""
        return np.asarray(self.exposure + trades @ self.greeks)

    def variance(self, trades: Floats) -> Floats:
        """Variance of profit and loss over the horizon [quote²], one per row of trades."""
        factors = self.factors + trades @ self.loadings
        return np.asarray((factors * factors).sum(axis=-1))

    def trading_cost(self, trades: Floats) -> Floats:
        """``Σ q (cost + impact q)`` [quote]."""
        size = np.abs(trades)
        side = np.where(trades > 0.0, self.cost[BUY], self.cost[SELL])
        return np.asarray((size * (side + self.impact * size)).sum(axis=-1))

    def margin_after(self, trades: Floats) -> Floats:
        """Margin of all positions in the instruments [quote]; rows that were dropped by `take` keep theirs."""
        held, then = self._margin_of(self.position), self._margin_of(self.position + trades)
        return np.asarray(self.margin_used + (then - held).sum(axis=-1))

    def cash(self, trades: Floats) -> Floats:
        """Cash that the trades take: price of what is bought, and all costs [quote]."""
        return np.asarray((np.maximum(trades, 0.0) * self.price).sum(axis=-1) + self.trading_cost(trades))

    def excess(self, trades: Floats) -> Floats:
        """How far each bounded Greek lies outside its bounds, shape (..., b); misses below the tolerance are 0."""
        value = self.exposure_after(trades)[..., self.bounded]
        outside = np.maximum(np.maximum(value - self.upper, self.lower - value), 0.0)
        return np.asarray(np.where(outside > TOLERANCE * self.bound_scale(), outside, 0.0))

    def bound_scale(self) -> Floats:
        """Size of each bounded Greek, shape (b,)."""
        edges = [np.where(np.isfinite(edge), np.abs(edge), 0.0) for edge in (self.lower, self.upper)]
        return np.asarray(np.maximum(np.maximum(*edges), np.abs(self.exposure[self.bounded])))

    def penalty(self, trades: Floats) -> Floats:
        """Cost of breached bounds [quote], infinite for a hard one."""
        excess = self.excess(trades)
        return np.asarray(np.where(excess > 0.0, excess * np.where(excess > 0.0, self.breach, 0.0), 0.0).sum(axis=-1))

    def risk_cost(self, trades: Floats) -> Floats:
        """``½ a`` times the variance [quote]."""
        return np.asarray(0.5 * self.aversion * self.variance(trades))

    def value(self, trades: Floats) -> Floats:
        """The objective [quote], one per row of trades; infinite where a budget or a hard bound is broken."""
        total = self.trading_cost(trades) + self.risk_cost(trades) + self.penalty(trades)
        return np.asarray(np.where(self.affordable(trades), total, np.inf))

    def affordable(self, trades: Floats) -> Bools:
        """Whether margin and cash suffice, one per row of trades."""
        enough = np.ones(np.shape(trades)[:-1], dtype=bool)
        if np.isfinite(self.margin_budget):
            enough &= self.margin_after(trades) <= self.margin_budget * (1.0 + TOLERANCE)
        if np.isfinite(self.cash_budget):
            enough &= self.cash(trades) <= self.cash_budget * (1.0 + TOLERANCE)
        return enough

    def _margin_of(self, position: Floats) -> Floats:
        return np.asarray(np.abs(position) * np.where(position > 0.0, self.margin[BUY], self.margin[SELL]))


_ROWS = ("impact", "price", "lot", "minimum", "position")
_PAIRS = ("cost", "depth", "closing", "margin")


def hedge_arrays(problem: HedgeProblem) -> HedgeArrays:
    """Arrays of a problem: instruments sorted by symbol, depth in whole lots, sides that may not be traded at 0.

    Notes
    -----
    Sorting makes answers independent of the order in which instruments came. A margin already above its budget may
    stay, and not grow: doing nothing is always possible.
    """
    rows = tuple(sorted(problem.instruments, key=lambda instrument: instrument.symbol))
    greeks = greek_matrix([row.greeks for row in rows])
    root, book = problem.risk.root(), np.array(problem.exposure.values())
    columns = {name: np.array([float(getattr(row, name)) for row in rows]) for name in _ROWS}
    margin = np.array([[row.margin_long for row in rows], [row.margin_short for row in rows]]).reshape(2, -1)
    position = columns["position"]
    closing = np.stack([np.maximum(-position, 0.0), np.maximum(position, 0.0)])
    used = float((np.abs(position) * np.where(position > 0.0, margin[BUY], margin[SELL])).sum())
    bounds = sorted(problem.bounds, key=lambda bound: GREEKS.index(bound.greek))
    return HedgeArrays(
        instruments=rows,
        greeks=greeks,
        loadings=greeks @ root.T,
        cost=np.array([[row.buy_cost for row in rows], [row.sell_cost for row in rows]]).reshape(2, -1),
        depth=_whole_depth(rows, closing, columns["lot"], columns["minimum"]),
        closing=closing,
        margin=margin,
        exposure=book,
        root=root,
        factors=root @ book,
        aversion=problem.risk_aversion,
        bounded=np.array([GREEKS.index(bound.greek) for bound in bounds], dtype=np.int64),
        lower=np.array([bound.lower for bound in bounds]),
        upper=np.array([bound.upper for bound in bounds]),
        breach=np.array([np.inf if bound.breach_cost is None else bound.breach_cost for bound in bounds]),
        margin_used=used,
        margin_budget=np.inf if problem.margin_budget is None else max(problem.margin_budget, used),
        cash_budget=np.inf if problem.cash_budget is None else problem.cash_budget,
        **columns,
    )


def _whole_depth(rows: tuple[HedgeInstrument, ...], closing: Floats, lot: Floats, minimum: Floats) -> Floats:
    depth = np.array([[row.buy_depth for row in rows], [row.sell_depth for row in rows]]).reshape(2, -1)
    reduce_only = np.array([row.reduce_only for row in rows], dtype=bool)
    depth = np.floor(np.where(reduce_only, np.minimum(depth, closing), depth) / lot + SNAP) * lot
    return np.asarray(np.where(depth < minimum, 0.0, depth))
