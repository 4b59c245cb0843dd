"""Order books: what a trade of a given size would pay, and the largest trade within a slippage limit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.liquidity.depth import DepthState, Fill, Side, not_negative, positive, quantities


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """Visible orders of both sides, best first.

    Parameters
    ----------
    bids, asks : (levels, 2) arrays
        Price [quote] and size [contracts of the row that trades here: base units for spot and multiplier 1]. Bids fall,
        asks rise; equal neighbours are single orders of one price.
    bid_ages, ask_ages : (levels,) arrays, optional
        How long each level has stood [s]; NaN where unknown, None where nothing is known.
    inverse : bool
        Contracts of a fixed quote value. Their average price is the harmonic one, ``Q / Σ(q_i / P_i)``, because coins
        are what is paid; else ``Σ q_i P_i / Q``.

    Raises
    ------
    InvalidInput
        Naming the side: another shape, a price or size that is not finite and > 0, levels out of order, a negative age.

    Notes
    -----
    A side without orders, and bids above asks, are states (`state`), not errors: a market may be so, and then nothing
    is increased. Hidden orders and what would refill a level are not counted. Every method is O(levels).

    Examples
    --------
    >>> book = OrderBook(bids=np.array([[99.9, 5.0]]), asks=np.array([[100.0, 1.0], [100.1, 2.0], [100.3, 5.0]]))
    >>> fill = book.walk(Side.BUY, [4.0])
    >>> fill.average_price.round(6).tolist(), fill.worst_price.tolist()
    ([100.125], [100.3])
    >>> round(book.largest_within_slippage(Side.BUY, 0.0015), 6)
    3.498688
    """

    bids: Floats
    asks: Floats
    bid_ages: Floats | None = None
    ask_ages: Floats | None = None
    inverse: bool = False

    def __post_init__(self) -> None:
        _check_levels("bids", self.bids, self.bid_ages, Side.SELL)
        _check_levels("asks", self.asks, self.ask_ages, Side.BUY)

    @property
    def state(self) -> DepthState:
        """Whether both sides are there, and not crossed; a locked book (bid = ask) is two-sided."""
        if not len(self.bids):
            return DepthState.NO_BIDS if len(self.asks) else DepthState.EMPTY
        if not len(self.asks):
            return DepthState.NO_ASKS
        return DepthState.CROSSED if self.bids[0, 0] > self.asks[0, 0] else DepthState.TWO_SIDED

    @property
    def mid(self) -> float | None:
        """Mean of best bid and best ask [quote]; None unless the state is `TWO_SIDED`."""
        return float(self.bids[0, 0] + self.asks[0, 0]) / 2.0 if self.state is DepthState.TWO_SIDED else None

    @property
    def spread(self) -> float | None:
        """Best ask minus best bid [quote]; None unless the state is `TWO_SIDED`."""
        return float(self.asks[0, 0] - self.bids[0, 0]) if self.state is DepthState.TWO_SIDED else None

    @property
    def half_spread(self) -> float | None:
        """Half the spread [fraction of mid]; None unless the state is `TWO_SIDED`."""
        mid, spread = self.mid, self.spread
        return spread / (2.0 * mid) if mid is not None and spread is not None else None

    def levels(self, side: Side) -> Floats:
        """Orders that a trade of that side meets: a buy meets the asks."""
        return self.asks if side is Side.BUY else self.bids

    def standing(self, minimum_age_seconds: float) -> OrderBook:
        """The book without levels that have stood for less than that long: a flash order is not depth.

        Notes
        -----
        A level of unknown age has not been seen to stand. With 0 every level counts.
        """
        if not_negative("minimum_age_seconds", minimum_age_seconds) == 0.0:
            return self
        bids, bid_ages = _old_enough(self.bids, self.bid_ages, minimum_age_seconds)
        asks, ask_ages = _old_enough(self.asks, self.ask_ages, minimum_age_seconds)
        return replace(self, bids=bids, asks=asks, bid_ages=bid_ages, ask_ages=ask_ages)

    def walk(self, side: Side, quantity: ArrayLike, *, reference: float | None = None) -> Fill | None:
        """What trades of these sizes would pay, each against the whole book.

        Parameters
        ----------
        quantity : array
            Sizes [contracts], >= 0.
        reference : float, optional
            Price that slippage is measured against [quote]; by default the mid.

        Returns
        -------
        Fill or None
            None where there is nothing to walk: no level on that side, or no reference.
        """
        asked = quantities(quantity)
        against = self._reference(reference)
        levels = self.levels(side)
        if against is None or not len(levels):
            return None
        filled, average, worst = walk_levels(levels, asked, inverse=self.inverse)
        return Fill(side=side, reference=against, filled=filled, average_price=average, worst_price=worst)

    def largest_within_slippage(self, side: Side, limit: float, *, reference: float | None = None) -> float:
        """Largest quantity whose average price is within `limit` of the mid [contracts].

        Never more than what is visible; 0 where the best price is beyond the limit already, or there is no mid.

        Parameters
        ----------
        limit : float
            [fraction of the reference], >= 0.
        reference : float, optional
            [quote]; by default the mid.
        """
        not_negative("limit", limit)
        against = self._reference(reference)
        if against is None or not len(self.levels(side)):
            return 0.0
        return largest_at_average(self.levels(side), side, against * (1.0 + side * limit), inverse=self.inverse)

    def depth_within(self, side: Side, distance: float, *, reference: float | None = None) -> float:
        """Size that a trade of that side meets within a relative distance of the mid [contracts]."""
        not_negative("distance", distance)
        against = self._reference(reference)
        if against is None:
            return 0.0
        levels = self.levels(side)
        near = side * (levels[:, 0] - against) <= distance * against
        return float(levels[near, 1].sum())

    def _reference(self, reference: float | None) -> float | None:
        return self.mid if reference is None else positive("reference", reference)


def walk_levels(levels: Floats, quantity: Floats, *, inverse: bool = False) -> tuple[Floats, Floats, Floats]:
    """(filled, average price, worst price) of sizes against levels, best first; cost O(levels + sizes · log levels).

    Parameters
    ----------
    levels : (n, 2) array
        Price [quote] and size [contracts], n >= 1.
    quantity : array
        [contracts], >= 0.
    inverse : bool
        Average harmonically.
    """
    price, size = levels[:, 0], levels[:, 1]
    rate = 1.0 / price if inverse else price
    # sums up to each level, never as a difference: a large level must not blur the small ones above it
    started, paid = (np.concatenate(([0.0], np.cumsum(column))) for column in (size, size * rate))
    ends = started[1:]
    filled = np.minimum(quantity, ends[-1])
    reached = np.minimum(np.searchsorted(ends, filled, side="left"), len(ends) - 1)
    value = paid[reached] + (filled - started[reached]) * rate[reached]
    mean_rate = np.divide(value, filled, out=np.full(filled.shape, rate[0]), where=value > 0.0)
    average = 1.0 / mean_rate if inverse else mean_rate
    worst = price[reached]
    # an average lies between the best and the worst price; rounding must not say otherwise
    return filled, np.clip(average, np.minimum(price[0], worst), np.maximum(price[0], worst)), worst


def largest_at_average(levels: Floats, side: Side, bound: float, *, inverse: bool = False) -> float:
    """Largest size whose average price is no worse than `bound` [contracts].

    With the excess of a level ``e_i = ±(P_i − B)`` (inverse: ``±(1 − B / P_i)``) the average is within the bound B
    while ``Σ q_i e_i <= 0``. Levels get worse, so the sum is convex in the size: it is spent inside the first level
    that makes it positive, at ``q = −(sum before) / e_i``.
    """
    price, size = levels[:, 0], levels[:, 1]
    excess = side * (1.0 - bound / price) if inverse else side * (price - bound)
    used = np.cumsum(size * excess)
    beyond = np.flatnonzero(used > 0.0)
    if not beyond.size:
        return float(size.sum())
    last = int(beyond[0])
    before = float(used[last - 1]) if last else 0.0
    return float(size[:last].sum() + min(-before / float(excess[last]), float(size[last])))


def _old_enough(levels: Floats, ages: Floats | None, minimum: float) -> tuple[Floats, Floats]:
    if ages is None:
        return levels[:0], np.empty(0)
    stood = ages >= minimum
    return levels[stood], ages[stood]


def _check_levels(name: str, levels: Floats, ages: Floats | None, side: Side) -> None:
    if levels.ndim != 2 or levels.shape[1] != 2:
        raise InvalidInput(name, "must have the shape (levels, 2)", levels.shape)
    legal = (np.isfinite(levels) & (levels > 0.0)).all(axis=1)
    if not legal.all():
        place = int(np.argmin(legal))
        raise InvalidInput(
            f"{name}.{place}", "must hold a price and a size, both finite and > 0", levels[place].tolist()
        )
    wrong = np.flatnonzero(side * np.diff(levels[:, 0]) < 0.0)
    if wrong.size:
        rule = "must not lie before the level above it: best first, so that bids fall and asks rise"
        raise InvalidInput(f"{name}.{int(wrong[0]) + 1}", rule, float(levels[wrong[0] + 1, 0]))
    if ages is not None:
        _check_ages(f"{name[:-1]}_ages", ages, len(levels))


def _check_ages(name: str, ages: Floats, levels: int) -> None:
    if ages.shape != (levels,):
        raise InvalidInput(name, f"must have one value for each of the {levels} levels", ages.shape)
    if (ages < 0.0).any():
        raise InvalidInput(name, "must be >= 0", float(ages[ages < 0.0][0]))
