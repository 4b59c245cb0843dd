"""What a bar is: a usable price, a place on the clock, and whether the price still moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR, Calendar
from services.core.explain import Bools, Floats

Integers = NDArray[np.int64]

SMALLEST_PRICE, LARGEST_PRICE = 1e-18, 1e20
"""Range of a usable price; ratios of such prices can neither overflow nor underflow."""
MAX_MISSING_BARS = 5
"""Longest gap that is bridged by decay in time; the return over a longer one is not used."""
BARS_AFTER_GAP = 20
"""New bars after such a gap until the forecast is trusted again."""
CLOCK_TOLERANCE = 0.1
"""Part of a bar by which a close may be off its clock: exchanges label closes 23:59:59.999 or 00:00:00."""
WEEK_TOLERANCE_SECONDS = 2.5 * SECONDS_PER_DAY
"""The same for bars of weeks where the market closes: before holidays one ends up to two days and some hours early."""
_EARLY = 0.5 + CLOCK_TOLERANCE
"""Part of a bar by which a close may be early for its place: half past the hour is not on the edge of two."""
REFUSED_AFTER = 5
"""Multiple of `stale_after` unchanged bars from which a market is refused instead of sized carefully."""
MIN_PRICE_CHANGES = 10
"""Changes of price without which a history of 20 bars or more is not a market (pysystemtrade eligibility)."""


class Bar(NamedTuple):
    """One complete bar as it was observed; NaN for what was not.

    Parameters
    ----------
    close_at : float
        When it closed [s since 1970].
    close, open, high, low : float
        Prices [quote currency].
    volume : float
        In any unit, the same for all bars of a market.
    realized_variance : float
        Of log returns within the bar.
    implied_volatility : float
        At its close [annual, fraction].
    split : float
        New units for one old since the bar before (2 for a 2:1 split); 1 says that there was none, whatever it looks
        like.
    drivers : tuple of float
        What is known at its close of the drivers that the estimator names, in its order; empty: nothing is known.
    """

    close_at: float
    close: float
    open: float = math.nan
    high: float = math.nan
    low: float = math.nan
    volume: float = math.nan
    realized_variance: float = math.nan
    implied_volatility: float = math.nan
    split: float = math.nan
    drivers: tuple[float, ...] = ()


FIGURES = Bar._fields[:-1]
"""Fields of a bar that are one number."""


@dataclass(frozen=True, slots=True)
class BarClock:
    """Bars of one market in time.

    Parameters
    ----------
    bar_seconds : int
        Length of a bar.
    calendar : Calendar
        Where the market closes, closed hours are not missing bars: consecutive closes are consecutive bars.
    """

    bar_seconds: int
    calendar: Calendar

    @property
    def periods_per_year(self) -> float:
        """Bars a year."""
        return self.calendar.periods(self.bar_seconds)

    @property
    def continuous(self) -> bool:
        """Whether the bars fill the year, so that an absent one is a missing one."""
        return self.periods_per_year * self.bar_seconds >= 0.95 * SECONDS_PER_YEAR

    @property
    def rhythmic(self) -> bool:
        """Whether the hour of the day matters: bars shorter than a day in a market that never closes."""
        return self.continuous and self.bar_seconds < SECONDS_PER_DAY

    @property
    def sessions(self) -> bool:
        """Whether the market closes; bars of weeks cover its closed hours too, and are absent only when missing."""
        if self._weekly and self.calendar.periods_per_year is None:
            return not self.calendar.continuous
        return not self.continuous

    @property
    def tolerance(self) -> float:
        """Part of a bar by which the time between closes may differ from whole bars."""
        exact = self.calendar.continuous or not self._weekly
        return CLOCK_TOLERANCE if exact else WEEK_TOLERANCE_SECONDS / self.bar_seconds

    @property
    def _weekly(self) -> bool:
        return self.bar_seconds % (7 * SECONDS_PER_DAY) == 0

    @property
    def absolute_floor(self) -> float:
        """Least volatility that is ever sized with [annual]."""
        return 0.005 if self.sessions else 0.01

    @property
    def standstill(self) -> float:
        """Log return up to which a close counts as unchanged: a hundredth of the least volatility ever sized with."""
        return 0.01 * self.absolute_floor / math.sqrt(self.periods_per_year)

    @property
    def stale_after(self) -> int:
        """Unchanged closes from which the price counts as stale: daily 3, hourly 6, below an hour 15."""
        if self.bar_seconds >= SECONDS_PER_DAY:
            return 3
        return 6 if self.bar_seconds >= 3_600 else 15

    def slots(self, seconds: float) -> int | None:
        """Bars of time that `seconds` since the last close span; None when the close is not on the clock.

        On a clock that never closes that is a whole number of bars; elsewhere at least 1: bars of a session need not be
        equally long.
        """
        bars = seconds / self.bar_seconds
        whole = math.floor(bars + 0.5)
        if self.continuous:
            return whole if whole >= 1 and abs(bars - whole) <= self.tolerance else None
        return max(whole, 1) if bars > CLOCK_TOLERANCE else None

    def slots_between(self, close_times: Floats) -> tuple[Integers, Bools]:
        """`slots` between closes in a row [s since 1970], and which closes after the first are on the clock."""
        bars = np.diff(close_times) / self.bar_seconds
        whole = np.floor(bars + 0.5)
        on_clock = (
            (whole >= 1) & (np.abs(bars - whole) <= self.tolerance) if self.continuous else bars > CLOCK_TOLERANCE
        )
        return np.clip(whole, 1, 2**40).astype(np.int64), on_clock

    def place(self, close_at: float) -> int:
        """Number of the bar on the clock that all markets share; a close up to 0.6 of a bar early belongs to the next.

        Examples
        --------
        >>> hourly = BarClock(3_600, Calendar("XNYS"))
        >>> [hourly.place(3_600 * hour) for hour in (15.0, 15.3, 15.5, 16.0)]
        [15, 15, 16, 16]
        """
        return math.floor(close_at / self.bar_seconds + _EARLY)

    def step(self, slots: int, seconds: float, ring_at: float, close_at: float) -> int:
        """Places from the newest of a ring to a bar; 0 for a bar that takes none.

        Parameters
        ----------
        slots : int
            `slots` since the last close.
        seconds : float
            Since the last close.
        ring_at : float
            Close of the bar that took the newest place [s since 1970]; NaN before any.

        Notes
        -----
        Where the market closes, sessions are not whole bars: places are those of `place`, so that they do not drift
        from those of other markets however many bars lie in between. The short last bar of a session closes at no
        moment that others share and takes no place, nor does a bar that closes within the place of another. After a
        pause that is not whole bars (lunch) the later ones are up to 0.6 of a bar off their place, in all markets that
        pause so alike: that is not told.
        """
        if self.continuous or math.isnan(ring_at):
            return slots
        return 0 if seconds < self._whole else max(self.place(close_at) - self.place(ring_at), 0)

    def places(self, close_times: Floats, slots: Integers) -> tuple[Integers, Bools]:
        """Place of each bar of a series, and which bars take it: `step`, all at once."""
        if self.continuous:
            return np.concatenate([[0], np.cumsum(slots)]), np.ones(close_times.size, dtype=bool)
        found = np.floor(close_times / self.bar_seconds + _EARLY).astype(np.int64)
        whole = np.concatenate([[True], np.diff(close_times) >= self._whole])
        first = np.concatenate([[True], np.diff(found[whole]) > 0])
        takes = np.zeros(close_times.size, dtype=bool)
        takes[np.flatnonzero(whole)[first]] = True
        return found, takes

    @property
    def _whole(self) -> float:
        """Time since the last close from which a bar of a session is not cut short; days may close as early as ever."""
        return (1.0 - CLOCK_TOLERANCE) * self.bar_seconds if self.bar_seconds < SECONDS_PER_DAY else 0.0

    def next_close(self, last_close_at: float, now: float) -> float:
        """Close of the bar after the last one, or of the one that is under way at `now` if that is later.

        Of markets that close it is known that they do so at weekends, and nothing of hours and holidays.

        Examples
        --------
        >>> BarClock(3_600, Calendar()).next_close(7_200.0, now=7_300.0)
        10800.0
        >>> BarClock(3_600, Calendar()).next_close(7_200.0, now=14_500.0)
        18000.0
        >>> friday = 86_400.0  # 2 January 1970
        >>> BarClock(86_400, Calendar("XNYS")).next_close(friday + 75_600.0, now=0.0) == friday + 75_600.0 + 3 * 86_400
        True
        """
        end = last_close_at + max(math.floor((now - last_close_at) / self.bar_seconds) + 1, 1) * self.bar_seconds
        while not self.continuous and _weekday(end) >= _SATURDAY:
            end += SECONDS_PER_DAY
        return end

    def same_bar(self, seconds: float) -> bool:
        """Whether two closes this far apart are one bar."""
        return abs(seconds) <= CLOCK_TOLERANCE * self.bar_seconds


_SATURDAY = 5


def _weekday(end: float) -> int:
    """Day of the week, Monday 0, of the moment before a close; 1 January 1970 was a Thursday."""
    return (math.ceil(end / SECONDS_PER_DAY) + 2) % 7


def usable_price(price: float) -> bool:
    """Whether a number can be a price: finite and positive, within 1e-18 and 1e20; false for NaN."""
    return SMALLEST_PRICE <= price < LARGEST_PRICE


def usable_prices(prices: Floats) -> Bools:
    """`usable_price` of each element."""
    return (prices >= SMALLEST_PRICE) & (prices < LARGEST_PRICE)


def flat_runs(log_returns: Floats, standstill: float = 0.0) -> Integers:
    """Number of unchanged closes in a row up to each bar; moves up to `standstill` are none.

    Examples
    --------
    >>> flat_runs(np.array([[0.1, 0.0, 0.0, -0.1, 0.0]])).tolist()
    [[0, 1, 2, 0, 1]]
    """
    place = np.arange(1, log_returns.shape[-1] + 1)
    moved = np.maximum.accumulate(np.where(np.abs(log_returns) > standstill, place, 0), axis=-1)
    return place - moved
