"""Constant-product pools (Uniswap v2): closed forms of trades, and of the largest trade within a slippage limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from services.liquidity.depth import DepthState, Fill, Side, fraction, not_negative, positive, quantities

_LARGEST_BUY, _LARGEST_SALE = 0.999999, 1e6
"""Over the base reserve: beyond them prices have no meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantProductPool:
    r"""Reserves x of base and y of quote; a trade leaves ``(x + γ Δin)(y − Δout) = x y`` with γ = 1 − fee.

    With the price P = y/x, buying Q of base costs ``y Q / (γ (x − Q))`` and selling it gives ``y γ Q / (x + γ Q)``, so
    that the average prices are ``P x / (γ (x − Q))`` and ``P γ x / (x + γ Q)``. Solved for the size at a slippage L:

    ``Q_buy = x (1 − 1 / (γ (1 + L)))`` and ``Q_sell = x (1 / (1 − L) − 1 / γ)``, at least 0.

    Parameters
    ----------
    base_reserve : float
        x [contracts of the row; base units for multiplier 1]. The formulas are homogeneous: for contracts of M base
        units give x/M and y/M.
    quote_reserve : float
        y [quote, over M as well].
    fee : float
        Share of the amount paid in that the pool keeps [fraction], in [0, 1).

    Raises
    ------
    InvalidInput
        For a reserve that is not finite and > 0, or a fee outside [0, 1).

    Notes
    -----
    The fee stays in the reserves, so that x·y never falls. Gas, other trades of the same block and front-running are
    not here: a pool quotes what it would pay if it were touched by nobody else.

    References
    ----------
    Adams, Zinsmeister, Robinson (2020), Uniswap v2 Core, eq. 10–11 (fee in the invariant); Angeris, Kao, Chiang, Noyes,
    Chitra (2019), An Analysis of Uniswap Markets, §2.1.

    Examples
    --------
    >>> pool = ConstantProductPool(base_reserve=1000.0, quote_reserve=2_000_000.0, fee=0.003)
    >>> round(pool.output(Side.SELL, 10.0), 4)
    19743.1607
    >>> size = pool.largest_within_slippage(Side.BUY, 0.01)
    >>> round(float(pool.walk(Side.BUY, size).slippage), 12)
    0.01
    """

    base_reserve: float
    quote_reserve: float
    fee: float = 0.003

    def __post_init__(self) -> None:
        positive("base_reserve", self.base_reserve)
        positive("quote_reserve", self.quote_reserve)
        fraction("fee", self.fee)

    @property
    def state(self) -> DepthState:
        """A constant-product pool never runs out on either side."""
        return DepthState.TWO_SIDED

    @property
    def mid(self) -> float:
        """Marginal price without the fee, P = y/x [quote]."""
        return self.quote_reserve / self.base_reserve

    @property
    def half_spread(self) -> float:
        """Slippage of the first unit of a sale [fraction]: the fee; a buy pays fee / (1 − fee)."""
        return self.fee

    def standing(self, minimum_age_seconds: float) -> ConstantProductPool:
        """Itself: liquidity of a pool is seen as it is at a block, and has no age of its own."""
        not_negative("minimum_age_seconds", minimum_age_seconds)
        return self

    def output(self, side: Side, amount: float) -> float:
        """What an amount paid in gives: a buy pays quote and gets base, a sale pays base and gets quote."""
        paid = not_negative("amount", amount) * (1.0 - self.fee)
        paid_into, taken_from = self.base_reserve, self.quote_reserve
        if side is Side.BUY:
            paid_into, taken_from = taken_from, paid_into
        return taken_from * paid / (paid_into + paid)

    def after(self, side: Side, quantity: float) -> ConstantProductPool:
        """Pool after a trade of `quantity` of base; a buy must leave base in it, else `InvalidInput`."""
        quote = float(self.walk(side, quantity).average_price) * quantity
        return ConstantProductPool(
            base_reserve=self.base_reserve - side * quantity,
            quote_reserve=self.quote_reserve + side * quote,
            fee=self.fee,
        )

    def walk(self, side: Side, quantity: ArrayLike, *, reference: float | None = None) -> Fill:
        """What trades of these sizes would get, each on the pool as it is; `worst_price` is the price left behind.

        Notes
        -----
        A buy fills no more than 99.9999 % of the reserve, a sale no more than 10⁶ times it: beyond, prices are nothing.
        """
        x, kept = self.base_reserve, 1.0 - self.fee
        filled = np.minimum(quantities(quantity), x * (_LARGEST_BUY if side is Side.BUY else _LARGEST_SALE))
        ratio = x / (kept * (x - filled)) if side is Side.BUY else kept * x / (x + kept * filled)
        average = self.mid * ratio
        left = (self.quote_reserve + side * average * filled) / (x - side * filled)
        against = self.mid if reference is None else positive("reference", reference)
        return Fill(
            side=side, reference=against, filled=filled, average_price=np.asarray(average), worst_price=np.asarray(left)
        )

    def largest_within_slippage(self, side: Side, limit: float, *, reference: float | None = None) -> float:
        """Largest quantity whose average price, fee included, is within `limit` of the mid [contracts]."""
        not_negative("limit", limit)
        against = self.mid if reference is None else positive("reference", reference)
        x, kept, worst = self.base_reserve, 1.0 - self.fee, against * (1.0 + side * limit)
        if side is Side.BUY:
            return x * min(max(1.0 - self.mid / (kept * worst), 0.0), _LARGEST_BUY)
        if worst <= self.mid / _LARGEST_SALE:
            return x * _LARGEST_SALE
        return x * min(max(self.mid / worst - 1.0 / kept, 0.0), _LARGEST_SALE)

    def depth_within(self, side: Side, distance: float, *, reference: float | None = None) -> float:
        """Base between the price and ``reference · (1 ± distance)``, fees aside: ``x (√(P / P') − 1)``, at least 0."""
        not_negative("distance", distance)
        against = self.mid if reference is None else positive("reference", reference)
        end = against * (1.0 + side * distance)
        if end <= self.mid / _LARGEST_SALE**2:
            return self.base_reserve * _LARGEST_SALE
        moved = side * (1.0 - math.sqrt(self.mid / end))
        return self.base_reserve * max(moved, 0.0)
