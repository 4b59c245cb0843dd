"""What a venue sells or buys at which cost: a book, or a form of two or three parameters, as one kind of curve.

The cost of a unit is measured against the mark, as a fraction of its notional, fee included: with side ς = ±1, price P,
fee f and mark S it is ``ς (P (1 + ς f) / S − 1)``, and ``ς (1 − S (1 − ς f) / P)`` for inverse contracts, which are
paid in coins. Every curve rises in the quantity, so that splitting an order over curves is a convex problem.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.liquidity.book import OrderBook, walk_levels
from services.liquidity.depth import Side, not_negative, positive

MOST_COST = 0.5
"""Cost beyond which a form of two parameters says nothing [fraction of the mark]."""


class Terms(NamedTuple):
    """Side, mark [quote], and whether contracts are inverse: what the costs of all venues are measured by."""

    side: Side
    mark: float
    inverse: bool = False

    def cost(self, price: Floats, fee: float) -> Floats:
        """Cost of units at these prices, fee included [fraction of the mark]."""
        if self.inverse:
            return np.asarray(self.side * (1.0 - self.mark * (1.0 - self.side * fee) / price))
        return np.asarray(self.side * (price * (1.0 + self.side * fee) / self.mark - 1.0))

    def price(self, distance: float) -> float:
        """Price whose cost without a fee is `distance` [quote]; the mean of costs gives the mean of prices."""
        shift = 1.0 + self.side * distance
        return self.mark / (1.0 - self.side * distance) if self.inverse else self.mark * shift


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearDepth:
    """Depth that is even in the price: ``q = D (μ − a)⁺``, a = half the spread and the fee.

    Parameters
    ----------
    per_fraction : float
        D > 0: what one unit of relative price costs [contracts per fraction]; 2,000 means 20 contracts per 1 %.
    half_spread : float
        [fraction of the mark], >= 0.
    largest : float
        Where the depth is known to end [contracts]; infinite by default.
    """

    per_fraction: float
    half_spread: float = 0.0
    largest: float = math.inf

    def __post_init__(self) -> None:
        positive("per_fraction", self.per_fraction)
        not_negative("half_spread", self.half_spread)
        if not self.largest >= 0.0:
            raise InvalidInput("largest", "must be >= 0", self.largest)


@dataclass(frozen=True, slots=True, kw_only=True)
class SquareRootDepth:
    r"""Square-root impact: q costs ``q (a + Y σ √(q / V))``, so that ``q = V ((μ − a) / (1.5 Y σ))²`` at a margin of μ.

    Parameters
    ----------
    average_daily_volume : float
        V > 0 of the venue [contracts a day].
    daily_volatility : float
        σ > 0 of one day [fraction].
    half_spread : float
        [fraction of the mark], >= 0.
    coefficient : float
        Y > 0, of order one; not measured for any venue here.

    References
    ----------
    Tóth et al. (2011), Anomalous price impact and the critical nature of liquidity in financial markets, eq. 1.
    """

    average_daily_volume: float
    daily_volatility: float
    half_spread: float = 0.0
    coefficient: float = 1.0

    def __post_init__(self) -> None:
        for name in ("average_daily_volume", "daily_volatility", "coefficient"):
            positive(name, getattr(self, name))
        not_negative("half_spread", self.half_spread)


Supply = OrderBook | LinearDepth | SquareRootDepth
"""What is known of a venue's depth."""


class Curve(Protocol):
    """Marginal cost of a venue, rising in the quantity [contracts]."""

    @property
    def available(self) -> float:
        """All there is [contracts]."""
        ...

    def within(self, cost: float, *, strictly: bool = False) -> float:
        """What costs at most `cost` a unit, or less than it [contracts]."""
        ...

    def spent(self, quantity: float) -> float:
        """Cost of so much [fraction of the mark times contracts]."""
        ...

    def marginal(self, quantity: float) -> float:
        """Cost of the last unit of it."""
        ...

    def breaks(self) -> Floats:
        """Costs at which `within` jumps or bends, the first one too."""
        ...

    def growth(self, cost: float) -> tuple[float, float]:
        """(A, B) of ``within(cost + t) − within(cost) = A t² + B t`` up to the next break."""
        ...

    def prices(self, quantity: float) -> tuple[float, float]:
        """(average, worst) price without the fee [quote]."""
        ...

    def at_price(self, worst: float) -> float:
        """What is offered at prices no worse than that [contracts]."""
        ...


class Steps:
    """Levels of a book, each counted for `share` of its size."""

    def __init__(self, levels: Floats, terms: Terms, fee: float, share: float) -> None:
        self._terms, self._levels = terms, levels * (1.0, share)
        self._cost = terms.cost(levels[:, 0], fee)
        self._ends = np.cumsum(self._levels[:, 1])
        self._paid = np.cumsum(self._levels[:, 1] * self._cost)

    @property
    def available(self) -> float:
        """Size of all levels."""
        return float(self._ends[-1])

    def within(self, cost: float, *, strictly: bool = False) -> float:
        """Size of the levels that cost no more."""
        count = int(np.searchsorted(self._cost, cost, side="left" if strictly else "right"))
        return float(self._ends[count - 1]) if count else 0.0

    def spent(self, quantity: float) -> float:
        """Cost of walking through the levels."""
        place = self._place(quantity)
        before = float(self._ends[place - 1]) if place else 0.0
        return (float(self._paid[place - 1]) if place else 0.0) + (quantity - before) * float(self._cost[place])

    def marginal(self, quantity: float) -> float:
        """Cost at the level that is reached."""
        return float(self._cost[self._place(quantity)])

    def breaks(self) -> Floats:
        """Cost of each level."""
        return self._cost

    def growth(self, cost: float) -> tuple[float, float]:
        """Nothing between levels."""
        return 0.0, 0.0

    def prices(self, quantity: float) -> tuple[float, float]:
        """Of the walk."""
        _, average, _ = walk_levels(self._levels, np.array([quantity]), inverse=self._terms.inverse)
        best, worst = self._levels[0, 0], self._levels[self._place(quantity), 0]
        # A quantity that ends with a level by its lots must not reach into the next one by a rounding.
        return float(np.clip(average[0], min(best, worst), max(best, worst))), float(worst)

    def at_price(self, worst: float) -> float:
        """Size of the levels at that price or better."""
        near = self._terms.side * (self._levels[:, 0] - worst) <= 0.0
        return float(self._levels[near, 1].sum())

    def _place(self, quantity: float) -> int:
        return min(int(np.searchsorted(self._ends, quantity * (1.0 - 1e-12), side="left")), len(self._ends) - 1)


class Ramp:
    """``q = W (μ − a)^p`` above the first cost a, with p = 1 (even depth) or 2 (square-root impact)."""

    def __init__(self, weight: float, first: float, power: int, most: float, terms: Terms, fee: float) -> None:
        self._weight, self._first, self._power, self._terms, self._fee = weight, first, power, terms, fee
        self._most = min(most, weight * max(MOST_COST - first, 0.0) ** power)

    @property
    def available(self) -> float:
        """What is offered before the cost is beyond meaning."""
        return self._most

    def within(self, cost: float, *, strictly: bool = False) -> float:
        """``W (μ − a)^p``; where nothing jumps, less than and at most are the same."""
        return min(self._weight * max(cost - self._first, 0.0) ** self._power, self._most)

    def spent(self, quantity: float) -> float:
        """``q (a + d p / (p + 1))`` with d the rise up to q."""
        return quantity * (self._first + self._rise(quantity) * self._power / (self._power + 1))

    def marginal(self, quantity: float) -> float:
        """``a + (q / W)^(1/p)``."""
        return self._first + self._rise(quantity)

    def breaks(self) -> Floats:
        """Where it begins and where it ends."""
        return np.array([self._first, self.marginal(self._most)])

    def growth(self, cost: float) -> tuple[float, float]:
        """Of the power, while there is more."""
        if cost < self._first or self.within(cost) >= self._most:
            return 0.0, 0.0
        if self._power == 1:
            return 0.0, self._weight
        return self._weight, 2.0 * self._weight * (cost - self._first)

    def prices(self, quantity: float) -> tuple[float, float]:
        """Of the mean and of the last cost, less the fee."""
        mean = self.spent(quantity) / quantity if quantity > 0.0 else self._first
        return self._terms.price(mean - self._fee), self._terms.price(self.marginal(quantity) - self._fee)

    def at_price(self, worst: float) -> float:
        """What costs no more than that price and the fee."""
        return self.within(float(self._terms.cost(np.array([worst]), 0.0)[0]) + self._fee)

    def _rise(self, quantity: float) -> float:
        return float((quantity / self._weight) ** (1.0 / self._power))


def curve_of(supply: Supply, terms: Terms, fee: float, reserve: float) -> Curve | None:
    """Curve of a venue's depth; None where a book has nothing on that side.

    Parameters
    ----------
    reserve : float
        Share of every size that is not counted on [fraction].
    """
    share = 1.0 - reserve
    if isinstance(supply, OrderBook):
        levels = supply.levels(terms.side)
        return Steps(levels, terms, fee, share) if len(levels) else None
    first = supply.half_spread + fee
    if isinstance(supply, LinearDepth):
        return Ramp(supply.per_fraction * share, first, 1, supply.largest * share, terms, fee)
    weight = supply.average_daily_volume * share / (1.5 * supply.coefficient * supply.daily_volatility) ** 2
    return Ramp(weight, first, 2, math.inf, terms, fee)


def optimal_shares(curves: Sequence[Curve], largest: Sequence[float], quantity: float) -> tuple[list[float], float]:
    r"""(quantity of each curve, marginal cost μ) that minimise ``Σ C_v(q_v)`` with ``Σ q_v = Q, 0 ≤ q_v ≤ L_v``.

    Curves rise, so that the optimum has one μ: every venue gives what costs it less than μ. ``Σ q_v(μ)`` is a sum of
    steps, lines and parabolas between sorted breaks; the break interval that holds Q is found by bisection and
    solved in closed form (``A t² + B t = gap``).

    Parameters
    ----------
    curves : sequence of Curve
    largest : sequence of float
        L_v [contracts].
    quantity : float
        Q, less than all that is offered within `largest` [contracts].

    Notes
    -----
    Where several venues offer at μ itself, the first of them is used up first. O(log(breaks) · venues).

    References
    ----------
    Boyd & Vandenberghe (2004), Convex Optimization, example 5.2 (water-filling: the same structure).

    Examples
    --------
    >>> terms = Terms(Side.BUY, 100.0)
    >>> even = [LinearDepth(per_fraction=1e3, half_spread=a) for a in (0.0, 0.001)]
    >>> pair = [curve_of(depth, terms, 0.0, 0.0) for depth in even]
    >>> shares, multiplier = optimal_shares(pair, [50.0, 50.0], 3.0)
    >>> [round(share, 9) for share in shares], round(multiplier, 9)
    ([2.0, 1.0], 0.002)
    """
    ends = [curve.marginal(most) for curve, most in zip(curves, largest, strict=True)]
    breaks = np.unique(np.concatenate([np.asarray(ends), *(curve.breaks() for curve in curves)]))

    def given(cost: float, *, strictly: bool = False) -> list[float]:
        pairs = zip(curves, largest, strict=True)
        return [min(curve.within(cost, strictly=strictly), most) for curve, most in pairs]

    low, high = -1, len(breaks) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if math.fsum(given(float(breaks[middle]))) >= quantity else (middle, high)
    upper = float(breaks[high])
    if low >= 0:
        start = float(breaks[low])
        inside = start + _step(curves, largest, given(start), start, quantity)
        if inside < upper:
            return given(inside), inside
    shares, all_of_it = given(upper, strictly=True), given(upper)
    left = quantity - math.fsum(shares)
    for place, most in enumerate(all_of_it):
        more = min(max(left, 0.0), most - shares[place])
        shares[place] += more
        left -= more
    return shares, upper


def _step(
    curves: Sequence[Curve], largest: Sequence[float], given: Sequence[float], start: float, quantity: float
) -> float:
    """How far above `start` the cost lies at which the open curves give what is missing."""
    rates = [curve.growth(start) for curve, most, now in zip(curves, largest, given, strict=True) if now < most]
    square, line = math.fsum(rate[0] for rate in rates), math.fsum(rate[1] for rate in rates)
    missing = quantity - math.fsum(given)
    divisor = line + math.sqrt(line * line + 4.0 * square * missing)
    return 2.0 * missing / divisor if divisor > 0.0 else math.inf
