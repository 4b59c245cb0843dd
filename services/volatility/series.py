"""Bars of one market, as they were posted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat

import numpy as np

from services.core.annualization import Calendar
from services.core.explain import Floats
from services.volatility.bars import Bar, BarClock


@dataclass(frozen=True, slots=True)
class SeriesInput:
    """Bars of one market.

    Parameters
    ----------
    closes : (n,) array
        Oldest first.
    end : datetime
        Close time of the last bar.
    close_times : (n,) array, optional
        Close time of each bar [s since 1970], when bars are missing in between.
    open, high, low, volume : (n,) arrays, optional
        As they were sent, NaN where a bar has none; the feed judges them.
    realized_variance : (n,) array, optional
        [variance per bar]
    implied_volatility : (n,) array, optional
        [annual, fraction]
    drivers : (n, K) array, optional
        What is known at each close of the drivers that the estimator names, in its order; NaN where nothing is.
    """

    closes: Floats
    end: datetime
    bar_seconds: int
    calendar: Calendar
    close_times: Floats | None = None
    open: Floats | None = None
    high: Floats | None = None
    low: Floats | None = None
    volume: Floats | None = None
    realized_variance: Floats | None = None
    implied_volatility: Floats | None = None
    drivers: Floats | None = None

    @property
    def clock(self) -> BarClock:
        """Bars of this series in time."""
        return BarClock(self.bar_seconds, self.calendar)

    @property
    def times(self) -> Floats:
        """Close time of each bar [s since 1970]; closed hours of a session are not modelled without `close_times`."""
        if self.close_times is not None:
            return np.asarray(self.close_times, dtype=float)
        back = np.arange(self.closes.size - 1, -1, -1, dtype=float)
        times: Floats = self.end.timestamp() - back * self.bar_seconds
        return times

    @property
    def ranged(self) -> bool:
        """Whether open, high and low are there."""
        return self.open is not None and self.high is not None and self.low is not None

    def bars(self) -> Iterator[Bar]:
        """Bar by bar."""
        empty = [np.nan] * self.closes.size
        columns = [self.open, self.high, self.low, self.volume, self.realized_variance, self.implied_volatility]
        lists = [empty if column is None else np.asarray(column, dtype=float).tolist() for column in columns]
        splits = repeat(np.nan)
        said = repeat(()) if self.drivers is None else map(tuple, self.drivers.tolist())
        return map(Bar, self.times.tolist(), np.asarray(self.closes, dtype=float).tolist(), *lists, splits, said)
