"""The forecast that drivers are measured on: the adaptive forecaster with wick guard and hour-of-day factor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from services.core.explain import Floats
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.moves import Move
from tests.evaluation.driver_data import DAY, HOUR, Bars, Series

CLOCK_GAIN, CLOCK_CAP = 0.005, 8.0


@dataclass(frozen=True, slots=True)
class Base:
    """Squared return of each bar beside the forecast made before it, (n,) arrays; NaN before there is one."""

    square: Floats
    variance: Floats
    next_variance: Floats


def base_forecast(series: Series, discounts: dict[int, float] | None = None) -> Base:
    """Adaptive forecaster, one bar at a time; with an hour-of-day factor where bars are shorter than a day.

    Parameters
    ----------
    discounts : dict
        What the squares of a bar, by its place, are multiplied with before the forecaster learns from them.

    Notes
    -----
    ``f ← f + .005 (min(r²/h, 8) − f)`` per hour, h before the factor; the forecaster sees r / √f and its forecast is
    multiplied with f of the next bar's hour (over the mean f).
    """
    bars, estimator = series.bars, Adaptive()
    clock, intraday = [1.0] * 24, series.bar_seconds < 6.0 * HOUR
    memory, wick = estimator.start(), WickGuard()
    factor, forecast = 1.0, math.nan
    square, variance = np.full(len(bars.close), np.nan), np.full(len(bars.close) + 1, np.nan)
    for place in range(1, len(bars.close)):
        raw = wick.guarded(bars, place)
        square[place] = raw[0] ** 2
        if intraday and forecast > 0.0:
            hour = _hour(bars.end[place] - series.bar_seconds)
            clock[hour] += CLOCK_GAIN * (min(square[place] / forecast, CLOCK_CAP) - clock[hour])
        scale = math.sqrt((discounts or {}).get(place, 1.0) / factor)
        log_return, *logs = (scale * value for value in raw)
        memory = estimator.advance(memory, Move(log_return, bars.close[place], bars.end[place], *logs))
        forecast = estimator.variance(memory)
        factor = clock[_hour(bars.end[place])] * 24.0 / sum(clock) if intraday else 1.0
        variance[place + 1] = forecast * factor
    return Base(square, variance[:-1], variance[1:])


def _hour(time: float) -> int:
    return int(time % DAY // HOUR)


class WickGuard:
    """Log moves of bars with wicks capped at four usual ranges (rule of the specification, §1 and §3)."""

    def __init__(self) -> None:
        self.seen, self.usual = 0, 0.0

    def guarded(self, bars: Bars, place: int) -> tuple[float, ...]:
        """(r, overnight, high, low, body) of a bar; NaN where it has no range."""
        log_return = math.log(bars.close[place] / bars.close[place - 1])
        if not bars.ranged:
            return (log_return, math.nan, math.nan, math.nan, math.nan)
        opened, closed = bars.open[place], bars.close[place]
        top, bottom = max(opened, closed), min(opened, closed)
        cap = 4.0 * math.exp(self.usual) if self.seen >= 10 else math.inf
        above = min(max(math.log(bars.high[place] / top), 0.0), cap)
        below = min(max(math.log(bottom / bars.low[place]), 0.0), cap)
        width = above + below + math.log(top / bottom)
        self.usual += max(1.0 / 32.0, 1.0 / (self.seen + 1.0)) * (math.log(max(width, 1e-5)) - self.usual)
        self.seen += 1
        high, low = math.log(top / opened) + above, math.log(bottom / opened) - below
        return (log_return, math.log(opened / bars.close[place - 1]), high, low, math.log(closed / opened))
