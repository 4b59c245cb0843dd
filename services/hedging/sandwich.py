"""Swaps in public: the most that an attacker can take by trading before and after one, and the swaps that are safe."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Polynomial
from scipy.optimize import brentq

from services.core.errors import InvalidInput
from services.liquidity.concentrated import ConcentratedPool
from services.liquidity.constant_product import ConstantProductPool
from services.liquidity.depth import Side, fraction, not_negative, positive

_MOST_OF_RESERVE = 1e6
"""Swap over the reserve paid into beyond which prices have no meaning."""


class Attack(NamedTuple):
    """`profit` of the best sandwich and its `front_run`, both in the token that the swap pays in."""

    profit: float
    front_run: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSide:
    r"""A pool as one side of trade sees it: x of the token paid in, y of the token bought, ``x y = k``.

    Parameters
    ----------
    paid_in, bought : float
        x, y > 0; for concentrated liquidity L at the root price p they are virtual, ``L p`` and ``L / p``.
    fee : float
        φ of what is paid in [fraction]; below γ = 1 − φ.
    fee_stays : bool
        Whether fees stay in the reserves (Uniswap v2) or are set aside (v3).
    reach : float
        Largest amount after the fee that the pool takes in before its liquidity changes; infinite for v2.

    Notes
    -----
    The attacker swaps f, then the victim v, then the attacker swaps back all it got. With y cancelling, the profit is
    a quotient of polynomials in f (fees in the reserves, ``u = x + γ v``)

    ``π(f) = f (P + R f) / (x² + (x + γ² u) f + γ² f²)``, ``P = γ² (x + v) u − x²``, ``R = γ² (x + v) − x``,

    and with fees set aside, in ``F = γ f`` and ``U = x + γ v``,

    ``π = F (γ² U² − x² + (2 γ² U − x − γ U) F + γ (γ − 1) F²) / (γ (x² + (x + γ U) F + γ F²))``.

    The victim's swap still goes through while it gets at least 1 − s of what the pool had quoted, which is a quadratic
    in f. The largest profit is at that edge, at the capital, or where π' = 0: all closed forms or roots of polynomials.
    Gas, other trades in the block and prices elsewhere are not here; the attacker is alone and orders the block.

    References
    ----------
    Zhou, Qin, Torres, Le, Gervais (2021), High-frequency trading on decentralized on-chain exchanges, IEEE S&P, §IV
    (the three steps, and that slippage and fee bound the profit); Heimbach & Wattenhofer (2022), Eliminating sandwich
    attacks with the help of game theory, ASIA CCS (the tolerance at which the attack does not pay). The quotients are
    derived here and compared with a search over swaps of the pools.
    """

    paid_in: float
    bought: float
    fee: float
    fee_stays: bool = True
    reach: float = math.inf

    def __post_init__(self) -> None:
        positive("paid_in", self.paid_in)
        positive("bought", self.bought)
        fraction("fee", self.fee)

    @classmethod
    def of(cls, pool: ConstantProductPool | ConcentratedPool, side: Side) -> PoolSide:
        """A buy pays quote in and takes base; a sale pays base in.

        Raises
        ------
        InvalidInput
            For a concentrated pool without liquidity on that side.
        """
        if isinstance(pool, ConstantProductPool):
            pair = (pool.quote_reserve, pool.base_reserve)
            paid, bought = pair if side is Side.BUY else pair[::-1]
            return cls(paid_in=paid, bought=bought, fee=pool.fee)
        return _in_range(pool, side)

    def quoted(self, amount: float) -> float:
        """What an amount paid in gets, with nobody in between."""
        net = (1.0 - self.fee) * not_negative("amount", amount)
        return self.bought * net / (self.paid_in + net)

    def needed(self, output: float) -> float:
        """Amount to pay in for an output; infinite where the pool does not hold it."""
        left = self.bought - not_negative("output", output)
        return self.paid_in * output / (left * (1.0 - self.fee)) if left > 0.0 else math.inf

    def attack(self, amount: float, slippage_limit: float, capital: float = math.inf) -> Attack | None:
        r"""The best sandwich of a swap.

        Parameters
        ----------
        amount : float
            v, what the swap pays in.
        slippage_limit : float
            s in [0, 1): the swap gets at least 1 − s of what the pool quotes before, or fails.
        capital : float
            Most that the attacker swaps first; in one transaction it can be lent, hence infinite.

        Returns
        -------
        Attack or None
            Profit 0 where none pays; None where the swaps leave the range of a concentrated pool, in which the form
            does not hold.

        Examples
        --------
        >>> side = PoolSide(paid_in=2_000_000.0, bought=1_000.0, fee=0.003)
        >>> found = side.attack(100_000.0, 0.01)
        >>> round(found.profit, 2), round(found.front_run, 2)
        (981.55, 10336.55)
        >>> side.attack(5_000.0, 0.5).profit  # smaller than what two fees cost
        0.0
        """
        share = positive("amount", amount) / self.paid_in
        edge = min(self._edge(share, slippage_limit), not_negative("capital", min(capital, 1e300)) / self.paid_in)
        if not self._holds(share + edge):
            return None
        gain, cost = self._profit(share)
        candidates = [0.0, edge, *_roots(gain.deriv() * cost - gain * cost.deriv(), edge)]
        profit, front_run = max((float(gain(f) / cost(f)), f) for f in candidates)
        return Attack(profit * self.paid_in, front_run * self.paid_in) if profit > 0.0 else Attack(0.0, 0.0)

    def safe_slippage(self, amount: float, attacker_cost: float) -> float | None:
        """Largest slippage limit at which no sandwich earns more than it costs [fraction]; 1 where none ever does.

        Parameters
        ----------
        attacker_cost : float
            Fixed cost of the attack, such as the gas of two swaps [token paid in].

        Returns
        -------
        float or None
            None where the answer depends on what lies beyond the range of a concentrated pool.

        Notes
        -----
        The attacker's profit never falls with the limit: the limit bounds f, and below the best f the profit rises.
        So the first f at which it reaches the cost gives the limit, ``1 − s = x u / ((x + γ f)(u + f))``; v3 has γ f
        in both.

        Examples
        --------
        >>> side = PoolSide(paid_in=2_000_000.0, bought=1_000.0, fee=0.003)
        >>> limit = side.safe_slippage(100_000.0, 200.0)
        >>> round(side.attack(100_000.0, limit).profit, 6)
        200.0
        """
        share = positive("amount", amount) / self.paid_in
        gain, cost = self._profit(share)
        if not self._holds(share):
            return None
        if not_negative("attacker_cost", attacker_cost) == 0.0:
            # f = 0 is a root of its own; whether the profit rises from there says all
            return 0.0 if gain.coef[1] > 0.0 else 1.0
        reached = _roots(gain - attacker_cost / self.paid_in * cost, math.inf)
        if not reached:
            return 1.0
        return self._limit_at(share, min(reached)) if self._holds(share + min(reached)) else None

    def largest_safe(self, slippage_limit: float, attacker_cost: float, most: float | None = None) -> float | None:
        """Largest swap that no sandwich within this limit takes more from than it costs [token paid in].

        Parameters
        ----------
        most : float, optional
            Swaps beyond it are not looked at; by default a million times the reserve, or the range.

        Returns
        -------
        float or None
            None where the range of a concentrated pool ends before that is known.

        Notes
        -----
        The profit rises with the swap. Without a cost it is positive exactly where ``γ² (x + v)(x + γ v) > x²`` (v3:
        ``γ (x + γ v) > x``), and a limit of 0 leaves nothing to take. A few dozen evaluations.
        """
        fraction("slippage_limit", slippage_limit)
        not_negative("attacker_cost", attacker_cost)
        end = self.paid_in * _MOST_OF_RESERVE if most is None else positive("most", most)
        end = min(end, self.reach / (1.0 - self.fee))
        never = self._never_attacked() * self.paid_in + 0.0
        if slippage_limit == 0.0:
            return end
        if attacker_cost == 0.0 or never >= end:
            safe = min(never, end)
            return safe if not safe or self.attack(safe, slippage_limit) is not None else None

        def excess(amount: float) -> float:
            if amount <= never:
                return -attacker_cost
            found = self.attack(amount, slippage_limit)
            return math.nan if found is None else found.profit - attacker_cost

        low, high = 0.0, min(max(never * 2.0, self.paid_in * 1e-12), end)
        while (value := excess(high)) <= 0.0 and high < end:
            low, high = high, min(high * 2.0, end)
        if math.isnan(value):
            value, low, high = _first_above(excess, low, high)
            if math.isnan(value):
                return None
        if value <= 0.0:
            return end
        # a hair below the root, since the last bit must not be unsafe
        return max(float(brentq(excess, low, high, xtol=high * 1e-13)) * (1.0 - 1e-9), never)

    def _holds(self, share: float) -> bool:
        """Whether so much paid in, over x, stays where the form holds."""
        return (1.0 - self.fee) * share * self.paid_in <= self.reach

    def _never_attacked(self) -> float:
        """Swap over x up to which no front-run pays, whatever the limit: the profit's slope at f = 0 is 0 there."""
        kept = 1.0 - self.fee
        if not self.fee_stays:
            return (1.0 / kept - 1.0) / kept
        line, rest = kept**2 * (1.0 + kept), kept**2 - 1.0
        # of γ³ u² + γ² (1 + γ) u + γ² − 1 = 0 in u = v / x, the form that subtracts nothing
        return -2.0 * rest / (line + math.sqrt(line * line - 4.0 * kept**3 * rest))

    def _edge(self, share: float, slippage_limit: float) -> float:
        """Largest front-run over x after which the swap still goes through."""
        kept, after = 1.0 - self.fee, 1.0 + (1.0 - self.fee) * share
        allowed = after * fraction("slippage_limit", slippage_limit) / (1.0 - slippage_limit)
        line, square = (1.0 + kept * after, kept) if self.fee_stays else ((1.0 + after) * kept, kept * kept)
        return 2.0 * allowed / (line + math.sqrt(line * line + 4.0 * square * allowed))

    def _limit_at(self, share: float, front_run: float) -> float:
        """Slippage limit whose edge this front-run over x is: the share of its output that the swap loses to it."""
        kept = 1.0 - self.fee
        after, entered = 1.0 + kept * share, front_run if self.fee_stays else kept * front_run
        lost = entered + kept * front_run * (after + entered)
        return lost / (after + lost)

    def _profit(self, share: float) -> tuple[Polynomial, Polynomial]:
        """Numerator and denominator of π, over x as is its argument f."""
        kept = 1.0 - self.fee
        after = 1.0 + kept * share
        # differences of what is nearly 1 are written out: γ² − 1 = −φ (2 − φ)
        two_fees = -self.fee * (2.0 - self.fee)
        if self.fee_stays:
            slope = two_fees + kept**2 * share * (1.0 + kept * (1.0 + share))
            gain = Polynomial([0.0, slope, two_fees + kept**2 * share])
            return gain, Polynomial([1.0, 1.0 + kept**2 * after, kept**2])
        slope = two_fees + kept**3 * share * (2.0 + kept * share)
        line = kept**2 * share * (2.0 * kept - 1.0) - self.fee * (1.0 + 2.0 * kept)
        gain = Polynomial([0.0, slope, line * kept, -(kept**3) * self.fee])
        return gain, Polynomial([1.0, (1.0 + kept * after) * kept, kept**3])


def _in_range(pool: ConcentratedPool, side: Side) -> PoolSide:
    """The range at the price, as if it had no end, and how much it takes before it ends."""
    root, liquidity, roots = pool.root_price, pool.liquidity, pool.tick_roots
    buys = side is Side.BUY
    beyond = roots[roots > root] if buys else roots[roots <= root][::-1]
    if not liquidity > 0.0 or not beyond.size:
        raise InvalidInput("pool", "must have liquidity at its price, on the side of the order", liquidity)
    end, quote, base = float(beyond[0]), liquidity * root, liquidity / root
    reach = liquidity * (end - root) if buys else liquidity * (1.0 / end - 1.0 / root)
    paid, bought = (quote, base) if buys else (base, quote)
    return PoolSide(paid_in=paid, bought=bought, fee=pool.fee, fee_stays=False, reach=reach)


def _first_above(excess: Callable[[float], float], low: float, high: float) -> tuple[float, float, float]:
    """(excess, low, high) with a known excess > 0 at `high`, by halving away from where it is not known; else NaN."""
    for _ in range(60):
        middle = (low + high) / 2.0
        value = excess(middle)
        if value > 0.0:
            return value, low, middle
        low, high = (low, middle) if math.isnan(value) else (middle, high)
    return math.nan, low, high


def _roots(polynomial: Polynomial, most: float) -> list[float]:
    """Real roots in (0, most]."""
    found = np.asarray(polynomial.trim().roots(), dtype=np.complex128)
    real = found.real[np.abs(found.imag) <= 1e-9 * np.maximum(np.abs(found.real), 1e-300)]
    return [float(root) for root in real if 0.0 < root <= most]
