"""Concentrated-liquidity pools (Uniswap v3): trades across price ranges, in closed form inside each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.liquidity.depth import DepthState, Fill, Side, fraction, not_negative, positive, quantities

_LOG_TICK = math.log1p(1e-4)
"""Prices of neighbouring ticks differ by 1.0001 (eq. 6.1)."""
_TICK_ROUNDING = 1e-6
_Q96 = 2.0**96
NO_LIQUIDITY = 1e-9
"""Share of the largest liquidity below which a difference of sums is nothing but rounding."""


class Ranges(NamedTuple):
    """Price ranges that a trade crosses, nearest first.

    `liquidity` L of each, root prices `start` and `end`, and the base and quote that the pool has exchanged before each
    of them (one element more, for the end).
    """

    liquidity: Floats
    start: Floats
    end: Floats
    base: Floats
    quote: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcentratedPool:
    r"""Liquidity L between root prices; within a range ``Δquote = L Δ√P`` and ``Δbase = L Δ(1/√P)``.

    Parameters
    ----------
    root_price : float
        √P of the quote per base.
    liquidity : float
        L that is active at that price [√(contracts · quote)]; for contracts of M base units give L/M.
    tick_roots : (n,) array
        √P of the initialised ticks, strictly rising.
    net_liquidity : (n,) array
        What is added to L when the price rises across each tick.
    fee : float
        Share of the amount paid in [fraction], in [0, 1); it is set aside and does not enter L.

    Raises
    ------
    InvalidInput
        For numbers out of range, ticks out of order, or nets that make L negative.

    Notes
    -----
    What lies beyond the outermost tick given is not counted, so that a window of ticks around the price gives a lower
    bound; without ticks on one side there is no liquidity on that side. A pool quotes what it would pay if it were
    touched by nobody else. Cost O(ticks) a call.

    References
    ----------
    Adams, Zinsmeister, Salem, Keefer, Robinson (2021), Uniswap v3 Core: eq. 6.1–6.2 (ticks), 6.3–6.6 (virtual
    reserves), 6.13–6.16 (swap within a range), §6.3.1 (crossing a tick).

    Examples
    --------
    >>> pool = ConcentratedPool(root_price=10.0, liquidity=1000.0, fee=0.0,
    ...     tick_roots=np.array([9.0, 11.0]), net_liquidity=np.array([1000.0, -1000.0]))
    >>> round(pool.output(Side.BUY, 500.0), 9)  # root price 10.5: 1000 (1/10 − 1/10.5)
    4.761904762
    """

    root_price: float
    liquidity: float
    tick_roots: Floats
    net_liquidity: Floats
    fee: float = 0.003

    def __post_init__(self) -> None:
        positive("root_price", self.root_price)
        not_negative("liquidity", self.liquidity)
        fraction("fee", self.fee)
        roots, nets = self.tick_roots, self.net_liquidity
        if roots.ndim != 1 or roots.shape != nets.shape:
            raise InvalidInput("ticks", "must be one root price and one net liquidity each", (roots.shape, nets.shape))
        if not (np.isfinite(roots) & (roots > 0.0) & np.isfinite(nets)).all():
            raise InvalidInput("ticks", "must hold finite root prices > 0 and finite net liquidity", "another number")
        if (np.diff(roots) <= 0.0).any():
            place = int(np.argmax(np.diff(roots) <= 0.0)) + 1
            raise InvalidInput(f"ticks.{place}", "must lie above the tick before it", float(roots[place]))
        for side in Side:
            self._ranges(side)

    @classmethod
    def from_chain(
        cls,
        *,
        sqrt_price_x96: int,
        liquidity: int,
        ticks: Sequence[tuple[int, int]],
        base_is_token0: bool,
        base_decimals: int,
        quote_decimals: int,
        fee: float,
        base_per_contract: float = 1.0,
    ) -> ConcentratedPool:
        r"""Pool as a chain holds it, in raw token units, as one of base and quote.

        ``P_raw = (sqrtPriceX96 / 2⁹⁶)²`` is token1 per token0 in raw units. Where base is token0,
        ``P = P_raw · 10^(d_base − d_quote)``; where it is token1 the price is its inverse, and the direction in which
        ticks are crossed turns round. L in raw units is √(raw0 · raw1), so that it is divided by ``10^((d0 + d1)/2)``.

        Parameters
        ----------
        ticks : sequence of (index, net liquidity)
            Initialised ticks, rising.
        base_decimals, quote_decimals : int
            Decimals of the tokens.
        base_per_contract : float
            Base units of one contract of the row.
        """
        sign = 1.0 if base_is_token0 else -1.0
        scale = 10.0 ** (0.5 * (base_decimals - quote_decimals))
        unit = 10.0 ** (0.5 * (base_decimals + quote_decimals)) * base_per_contract
        raw = positive("sqrt_price_x96", sqrt_price_x96) / _Q96
        root_price = raw**sign * scale
        index = np.array([tick for tick, _ in ticks], dtype=np.float64)
        roots = np.exp(0.5 * sign * index * _LOG_TICK) * scale
        # L already holds every tick up to the current one: rounding must not put one of them on the other side
        below = (index <= math.floor(2.0 * math.log(raw) / _LOG_TICK + _TICK_ROUNDING)) == base_is_token0
        roots = np.where(below, np.minimum(roots, root_price), np.maximum(roots, np.nextafter(root_price, np.inf)))
        order = slice(None, None, 1 if base_is_token0 else -1)
        return cls(
            root_price=root_price,
            liquidity=liquidity / unit,
            tick_roots=roots[order],
            net_liquidity=np.array([float(net) for _, net in ticks])[order] * sign / unit,
            fee=fee,
        )

    @property
    def state(self) -> DepthState:
        """Whether there is liquidity above the price (asks) and below it (bids)."""
        asks, bids = (self._ranges(side).base[-1] > 0.0 for side in (Side.BUY, Side.SELL))
        if not bids:
            return DepthState.NO_BIDS if asks else DepthState.EMPTY
        return DepthState.TWO_SIDED if asks else DepthState.NO_ASKS

    @property
    def mid(self) -> float:
        """Marginal price without the fee, P [quote]."""
        return self.root_price**2

    @property
    def half_spread(self) -> float:
        """Slippage of the first unit of a sale [fraction]: the fee, where there is liquidity at the price."""
        return self.fee

    def standing(self, minimum_age_seconds: float) -> ConcentratedPool:
        """Itself: liquidity of a pool is seen as it is at a block, and has no age of its own."""
        not_negative("minimum_age_seconds", minimum_age_seconds)
        return self

    def output(self, side: Side, amount: float) -> float:
        """What an amount paid in gives: a buy pays quote and gets base, a sale pays base and gets quote.

        What the pool cannot take, because its ticks end, stays with the payer.
        """
        ranges = self._ranges(side)
        paid = np.asarray(not_negative("amount", amount) * (1.0 - self.fee))
        if side is Side.BUY:
            return float(_exchange(ranges, np.minimum(paid, ranges.quote[-1]), ranges.quote)[1])
        return float(_exchange(ranges, np.minimum(paid, ranges.base[-1]), ranges.base)[2])

    def walk(self, side: Side, quantity: ArrayLike, *, reference: float | None = None) -> Fill | None:
        """What trades of these sizes would get, each on the pool as it is; `worst_price` is the price left behind.

        None where there is no liquidity on that side.
        """
        asked, ranges, kept = quantities(quantity), self._ranges(side), 1.0 - self.fee
        against = self.mid if reference is None else positive("reference", reference)
        share = 1.0 if side is Side.BUY else kept
        most = float(ranges.base[-1])
        if most == 0.0:
            return None
        moved = np.minimum(asked * share, most)
        root, _, quote = _exchange(ranges, moved, ranges.base)
        filled = np.where(asked * share > most, most / share, asked)
        first = float(ranges.start[np.argmax(ranges.liquidity > 0.0)])
        bare = np.divide(quote, moved, out=np.full(moved.shape, first**2), where=moved > 0.0)
        average = np.clip(bare, np.minimum(first**2, root**2), np.maximum(first**2, root**2))
        paid = average / kept if side is Side.BUY else average * kept
        return Fill(side=side, reference=against, filled=filled, average_price=np.asarray(paid), worst_price=root**2)

    def largest_within_slippage(self, side: Side, limit: float, *, reference: float | None = None) -> float:
        r"""Largest quantity whose average price, fee included, is within `limit` of the mid [contracts].

        With K the bound on the price net of the fee (``B γ`` for a buy, ``B / γ`` for a sale), the base b and the quote
        c that the pool exchanges, and ς = ±1 the side, the bound holds while ``g = ς (c − K b) <= 0``, which is convex
        in b. Within a range entered at the root price a, moving it by τ exchanges ``L τ`` of quote and
        ``L τ / (a (a + ς τ))`` of base. In the first range at whose end g > 0, with g = E <= 0 at its start, g = 0 is

        ``L τ² + ς (E + L (a − K/a)) τ + E a = 0``, whose one root τ >= 0 is taken.
        """
        not_negative("limit", limit)
        against = self.mid if reference is None else positive("reference", reference)
        ranges, kept = self._ranges(side), 1.0 - self.fee
        bound = max(against * (1.0 + side * limit), 0.0) * kept**side
        share = 1.0 if side is Side.BUY else kept
        return _largest(ranges, side, bound) / share

    def depth_within(self, side: Side, distance: float, *, reference: float | None = None) -> float:
        """Base between the price and ``reference · (1 ± distance)``, fees aside [contracts]."""
        not_negative("distance", distance)
        against = self.mid if reference is None else positive("reference", reference)
        ranges, end = self._ranges(side), math.sqrt(max(against * (1.0 + side * distance), 0.0))
        clip = np.minimum if side is Side.BUY else np.maximum
        ends = clip(ranges.end, end)
        open_ranges = side * (ends - ranges.start) > 0.0
        ends = np.where(open_ranges, ends, ranges.start)
        parts = ranges.liquidity * np.abs(ends - ranges.start) / (ranges.start * ends)
        return float(parts.sum())

    def _ranges(self, side: Side) -> Ranges:
        above = self.tick_roots > self.root_price
        if side is Side.BUY:
            bounds, nets = self.tick_roots[above], self.net_liquidity[above]
        else:
            bounds, nets = self.tick_roots[~above][::-1], -self.net_liquidity[~above][::-1]
        start = np.concatenate(([self.root_price], bounds[:-1]))[: bounds.size]
        active = self.liquidity + np.concatenate(([0.0], np.cumsum(nets)))
        rounding = NO_LIQUIDITY * max(self.liquidity, float(np.abs(nets).sum()))
        if (active < -rounding).any():
            raise InvalidInput("ticks", "must leave the liquidity >= 0 everywhere", float(active.min()))
        liquidity = np.where(active > rounding, active, 0.0)[:-1]  # what lies beyond the last tick is not counted
        base = np.concatenate(([0.0], np.cumsum(liquidity * np.abs(bounds - start) / (start * bounds))))
        quote = np.concatenate(([0.0], np.cumsum(liquidity * np.abs(bounds - start))))
        return Ranges(liquidity, start, bounds, base, quote)


def _exchange(ranges: Ranges, amount: Floats, measure: Floats) -> tuple[Floats, Floats, Floats]:
    """(root price left behind, base, quote) when `amount` of what `measure` counts (base or quote) is exchanged."""
    if not measure[-1]:
        return np.zeros_like(amount), np.zeros_like(amount), np.zeros_like(amount)
    place = np.clip(np.searchsorted(measure, amount, side="left") - 1, 0, ranges.liquidity.size - 1)
    place = np.where(amount > 0.0, place, int(np.argmax(ranges.liquidity > 0.0)))
    liquidity, start = ranges.liquidity[place], ranges.start[place]
    side = 1.0 if ranges.end[0] > ranges.start[0] else -1.0
    step = np.maximum(amount - measure[place], 0.0) / liquidity
    moved = step if measure is ranges.quote else step * start**2 / (1.0 - side * start * step)
    root = start + side * moved
    base = ranges.base[place] + liquidity * moved / (start * root)
    quote = ranges.quote[place] + liquidity * moved
    return root, base, quote


def _largest(ranges: Ranges, side: Side, bound: float) -> float:
    """Base exchanged when the average price, fees aside, reaches `bound`; all there is where it never does."""
    excess = side * (ranges.quote - bound * ranges.base)
    beyond = np.flatnonzero(excess[1:] > 0.0)
    if not beyond.size:
        return float(ranges.base[-1])
    place = int(beyond[0])
    liquidity, start = float(ranges.liquidity[place]), float(ranges.start[place])
    entered = min(float(excess[place]), 0.0)
    half = 0.5 * side * (entered + liquidity * (start - bound / start))
    discriminant = math.sqrt(half * half - liquidity * entered * start)
    # of the two forms of the root, the one that subtracts nothing
    moved = (discriminant - half) / liquidity if half <= 0.0 else -entered * start / (half + discriminant)
    within = liquidity * moved / (start * (start + side * moved))
    return float(min(ranges.base[place] + within, ranges.base[place + 1]))
