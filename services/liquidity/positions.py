"""Liquidity that somebody provides to a pool, as a book to hedge: value, delta, gamma, impermanent loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.liquidity.depth import not_negative, positive


class RangeState(StrEnum):
    """Where the price stands against the range of a position."""

    BELOW = "below_range"
    WITHIN = "in_range"
    ABOVE = "above_range"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidityPosition:
    r"""Liquidity L that is active while the price P lies between `lower` and `upper`.

    With p the price kept within the range, and a, b its bounds, the provider owns

    ``base = L (1/√p − 1/√b)``, ``quote = L (√p − √a)``, worth ``V(P) = P · base + quote``.

    Its delta is the base that it holds, ``dV/dP = base``; its gamma is ``−L / (2 P^{3/2})`` inside the range and 0
    outside it: a position is all base below its range, all quote above it. A constant-product position is one whose
    range is ``(0, ∞)``: ``V = 2 L √P``, with ``L = √(base · quote)``.

    Parameters
    ----------
    liquidity : float
        L [√(base · quote)].
    lower, upper : float
        Range of the price [quote per base]; 0 and infinity for a pool of constant product.

    Raises
    ------
    InvalidInput
        If L is negative or not finite, or the range is empty.

    Notes
    -----
    Fees are not here: they accrue beside the position. What moves the price is taken to leave the pool at P, so that
    the value is that of an arbitraged pool. Negative gamma is what fees are paid for; `loss_versus_rebalancing` prices
    it. Cost O(prices).

    References
    ----------
    Adams et al. (2021), Uniswap v3 Core, eq. 2.2 and 6.29–6.30. Milionis, Moallemi, Roughgarden, Zhang (2022),
    Automated Market Making and Loss-Versus-Rebalancing, eq. 4 and 10.

    Examples
    --------
    >>> position = LiquidityPosition.from_reserves(base=10.0, quote=20_000.0)
    >>> float(position.value(2_000.0)), float(position.delta(2_000.0))
    (40000.0, 10.0)
    >>> narrow = LiquidityPosition(liquidity=1_000.0, lower=1_600.0, upper=2_500.0)
    >>> round(float(narrow.delta(2_025.0)), 9), float(narrow.delta(3_000.0)), str(narrow.state(3_000.0))
    (2.222222222, 0.0, 'above_range')
    """

    liquidity: float
    lower: float = 0.0
    upper: float = math.inf

    def __post_init__(self) -> None:
        not_negative("liquidity", self.liquidity)
        not_negative("lower", self.lower)
        if not self.upper > self.lower:
            raise InvalidInput("upper", f"must lie above lower ({self.lower:.12g})", self.upper)

    @classmethod
    def from_reserves(cls, *, base: float, quote: float) -> LiquidityPosition:
        """Share of a constant-product pool that amounts to `base` and `quote` now: ``L = √(base · quote)``."""
        return cls(liquidity=math.sqrt(positive("base", base) * positive("quote", quote)))

    def base(self, price: ArrayLike) -> Floats:
        """Base that the position holds at these prices [base units]."""
        upper = 1.0 / math.sqrt(self.upper)
        return np.asarray(self.liquidity * (1.0 / np.sqrt(self._within(price)) - upper))

    def quote(self, price: ArrayLike) -> Floats:
        """Quote that the position holds at these prices."""
        return np.asarray(self.liquidity * (np.sqrt(self._within(price)) - math.sqrt(self.lower)))

    def value(self, price: ArrayLike) -> Floats:
        """What the position is worth at these prices [quote]."""
        return np.asarray(_prices(price) * self.base(price) + self.quote(price))

    def delta(self, price: ArrayLike) -> Floats:
        """Derivative of the value by the price, which is the base that it holds [base units]."""
        return self.base(price)

    def gamma(self, price: ArrayLike) -> Floats:
        """Second derivative of the value by the price, <= 0 [base units per unit of price]; 0 out of range."""
        found = _prices(price)
        inside = (found > self.lower) & (found < self.upper)
        return np.where(inside, -0.5 * self.liquidity * found**-1.5, 0.0)

    def state(self, price: float) -> RangeState:
        """Whether the price lies within the range, below or above it."""
        if price <= self.lower:
            return RangeState.BELOW
        return RangeState.ABOVE if price >= self.upper else RangeState.WITHIN

    def impermanent_loss(self, price: ArrayLike, *, entry_price: float) -> Floats:
        r"""Value less that of holding what the position held at `entry_price`, never positive [quote].

        Without a range and with ``r = P / P_0`` it is ``−(√r − 1)² · V(P_0) / 2``; over the value of holding,
        ``2√r / (1 + r) − 1``.
        """
        return np.asarray(np.minimum(self.value(price) - self.held(price, entry_price=entry_price), 0.0))

    def held(self, price: ArrayLike, *, entry_price: float) -> Floats:
        """Value at these prices of the base and quote that the position held at `entry_price` [quote]."""
        entry = positive("entry_price", entry_price)
        return np.asarray(_prices(price) * self.base(entry) + self.quote(entry))

    def loss_versus_rebalancing(self, price: ArrayLike, *, volatility: float) -> Floats:
        r"""What a position loses a year to a portfolio that holds its delta at every moment, ``½ σ² P² |Γ|`` [quote].

        Fees must earn more than it for a hedged position to pay. Without a range it is ``σ² V / 8``.
        """
        sigma = not_negative("volatility", volatility)
        return np.asarray(0.5 * sigma**2 * _prices(price) ** 2 * np.abs(self.gamma(price)))

    def _within(self, price: ArrayLike) -> Floats:
        return np.clip(_prices(price), self.lower, self.upper)


def _prices(price: ArrayLike) -> Floats:
    found = np.asarray(price, dtype=np.float64)
    if not (np.isfinite(found) & (found > 0.0)).all():
        raise InvalidInput("price", "must be finite and > 0", found.min() if found.size else "nothing")
    return found
