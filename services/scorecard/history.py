"""Bars and prices of a market as a log tells them: each with the first entry that told it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from services.core.explain import Floats
from services.scorecard.forecasts import ewma_path

CLOCK = 1e-3
"""Differences of times that are none [share of a bar]."""
LONGEST_CLOSURE = 5 * 86_400.0
"""Most that lies between two bars of a session that follow each other [s]."""
SAME_TIME = 0.05
"""How far from the end of a horizon its price may lie [share of the horizon]."""
DENSE = 3_600.0
"""Longest stretch without a price in a path that counts as watched [s]."""


class Bar(NamedTuple):
    """One bar: `previous` is the close time of the bar before it in the same series, NaN where that is whatever came
    before; `log_return` is NaN where it is made of the two closes.
    """

    time: float
    entry: int
    close: float
    log_return: float
    low: float
    high: float


@dataclass(slots=True)
class BarLog:
    """Bars of one market and bar length, in the order in which the log tells them.

    Parameters
    ----------
    seconds : int
        Length of a bar.
    warm_up : tuple of float
        Log returns before the first bar, of a first series whose earlier bars have no times.
    """

    seconds: int
    bars: dict[float, Bar] = field(default_factory=dict)
    warm_up: tuple[float, ...] = ()
    last: float = -math.inf

    def observe(self, bar: Bar) -> None:
        """One bar that was fed; of two for one time the first counts."""
        if self.bars.setdefault(bar.time, bar) is bar:
            self.last = max(self.last, bar.time)

    def post(self, entry: int, times: Floats | None, end: float, closes: Floats, ranges: tuple[Floats, Floats]) -> None:
        """A series that was posted with a request: its bars after the last one that is known.

        Parameters
        ----------
        times : (n,) array, optional
            Close times, −∞ where unknown; without them bars follow one another without a gap.
        end : float
            Close time of the last bar [s].
        ranges : two (n,) arrays
            Lows and highs, NaN where there are none.
        """
        if closes.size < 2 or end <= self.last or not np.all(closes > 0.0):
            return
        returns = np.diff(np.log(closes))
        if not self.bars:
            new = returns.size if times is None else int(np.isfinite(times[1:]).sum())
            self.warm_up = tuple(returns[: returns.size - new].tolist())
        elif times is not None:
            new = int(closes.size - np.searchsorted(times, self.last + CLOCK * self.seconds, side="right"))
        else:
            new = max(round((end - self.last) / self.seconds), 1)
        new = min(new, returns.size)
        low, high = ranges
        for back in range(new, 0, -1):
            time = end - (back - 1) * self.seconds if times is None else float(times[-back])
            bar = Bar(time, entry, float(closes[-back]), float(returns[-back]), float(low[-back]), float(high[-back]))
            self.bars.setdefault(time, bar)
        self.last = end

    def history(self) -> BarHistory:
        """The bars in order of time."""
        return BarHistory(self.seconds, sorted(self.bars.values()), self.warm_up)


class Realized(NamedTuple):
    """Outcome of the bar after a close: its log return, and the entry that told it."""

    log_return: float
    time: float
    entry: int


@dataclass(frozen=True)
class BarHistory:
    """Bars of one market and bar length in order of time."""

    seconds: int
    bars: Sequence[Bar]
    warm_up: tuple[float, ...]

    @cached_property
    def times(self) -> list[float]:
        """Close times."""
        return [bar.time for bar in self.bars]

    @cached_property
    def returns(self) -> list[float]:
        """Log return of each bar: as its series says, else from the close before it; NaN for the first."""
        found = []
        for place, bar in enumerate(self.bars):
            before = self.bars[place - 1].close if place else math.nan
            found.append(bar.log_return if not math.isnan(bar.log_return) else math.log(bar.close / before))
        return found

    @cached_property
    def benchmark(self) -> Floats:
        """Variance of a plain EWMA after each bar; NaN where it has seen too little."""
        own = np.array(self.returns)
        own = own[1:] if own.size and math.isnan(own[0]) else own
        path = ewma_path(np.concatenate((self.warm_up, own)))
        tail = path[len(self.warm_up) :]
        return np.concatenate((np.full(len(self.bars) - tail.size, np.nan), tail))

    def place(self, time: float) -> int | None:
        """Place of the bar that closed at a time."""
        near = bisect_left(self.times, time - CLOCK * self.seconds)
        found = near < len(self.bars) and abs(self.times[near] - time) <= CLOCK * self.seconds
        return near if found else None

    def following(self, time: float, *, continuous: bool) -> Realized | None:
        """Bar after the close at `time`; None where it is not on record, or others are missing between.

        Parameters
        ----------
        continuous : bool
            Whether the market trades around the clock: the next bar then ends one length later.
        """
        place = bisect_right(self.times, time + CLOCK * self.seconds)
        if place >= len(self.bars):
            return None
        bar, longest = self.bars[place], self.seconds + (0.0 if continuous else LONGEST_CLOSURE)
        value = self.returns[place]
        if bar.time - time > longest * (1.0 + CLOCK) or math.isnan(value):
            return None
        if math.isnan(bar.log_return) and self.place(time) is None:
            return None
        return Realized(value, bar.time, bar.entry)


class Price(NamedTuple):
    """A price, or the range of a bar that ends at `time` and began at `start`; `entry` is the one that told it."""

    time: float
    start: float
    price: float
    low: float
    high: float
    entry: int


class PricePath:
    """Prices of a market in order of time."""

    def __init__(self, prices: Sequence[Price]) -> None:
        self.prices = sorted(prices)
        self.times = [price.time for price in self.prices]

    def at(self, time: float, slack: float, after_entry: int) -> Price | None:
        """Price nearest to a time, told by a later entry; None where there is none within `slack` [s]."""
        first, last = bisect_left(self.times, time - slack), bisect_right(self.times, time + slack)
        if self._foretold(time - slack, time + slack, after_entry):
            return None
        return min(self.prices[first:last], key=lambda price: abs(price.time - time), default=None)

    def _foretold(self, start: float, end: float, entry: int) -> bool:
        """Whether an entry up to this one told a price of the time after it: a test on known data proves nothing."""
        first, last = bisect_right(self.times, start), bisect_right(self.times, end)
        return any(price.entry <= entry for price in self.prices[first:last])

    def before(self, time: float, longest: float, entry: int) -> Price | None:
        """Last price up to a time and no older than `longest` [s] that the entry or one before it told."""
        place = bisect_right(self.times, time)
        while place and self.times[place - 1] >= time - longest:
            place -= 1
            if self.prices[place].entry <= entry:
                return self.prices[place]
        return None

    def next(self, time: float, longest: float, after_entry: int) -> Price | None:
        """First price after a time, told by a later entry, no more than `longest` [s] later."""
        place = bisect_right(self.times, time)
        while place < len(self.prices) and self.times[place] <= time + longest:
            found = self.prices[place]
            if found.entry > after_entry:
                return None if self._foretold(time + DENSE, found.time, after_entry) else found
            place += 1
        return None

    def touched(self, start: float, end: float, level: float, *, down: bool, after_entry: int) -> bool | None:
        """Whether the price reached a level after `start` and until `end`; None where nobody watched all the while.

        A bar with a range watches its whole length, a price its moment; an hour may pass between two of them. Bars that
        reach more than an hour over either end are left out, and so is a path with a hole, whether it touches or not:
        leaving out only those that do not would make touches too frequent.
        """
        told = self.prices[bisect_right(self.times, start) : bisect_right(self.times, end + DENSE)]
        seen = [price for price in told if price.entry > after_entry and price.start >= start - DENSE]
        if self._foretold(start + DENSE, end + DENSE, after_entry):
            return None
        watched = start
        for price in sorted(seen, key=lambda price: price.start):
            if price.start > watched + DENSE:
                return None
            watched = max(watched, price.time)
        if watched < end - DENSE:
            return None
        return any(price.low <= level if down else price.high >= level for price in seen)
