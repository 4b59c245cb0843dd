"""Measure what exogenous drivers and scheduled events are worth: `python -m tests.evaluation.drivers`.

Protocol and hold-out: drivers_README.md, written before the first run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from services.core.explain import Bools, Floats
from services.volatility.drivers import RATIO_CAP, Driver, DriverPool
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.moves import Move
from tests.evaluation.driver_data import DAY, HOUR, Bars, Series

ALARM, SPIKE = 1.2, 4.0
CLOCK_GAIN, CLOCK_CAP = 0.005, 8.0


@dataclass(frozen=True, slots=True)
class Base:
    """Squared return of each bar beside the forecast made before it, (n,) arrays; NaN before there is one."""

    square: Floats
    variance: Floats
    next_variance: Floats


def base_forecast(series: Series) -> Base:
    """Adaptive forecaster, one bar at a time; with an hour-of-day factor where bars are shorter than a day.

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
        scale = 1.0 / math.sqrt(factor)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRegression(DriverPool):
    """The other way to learn b: recursive least squares of ln(r²/h) − E ln χ²₁ on f."""

    def _taught(self, driver: Driver, ratio: float, factor: float) -> Driver:
        decay, feature = 2.0 ** (-1.0 / self.slope_half_life), driver.feature
        information = decay * driver.information + feature * feature
        residual = math.log(max(ratio, 1e-8)) + 1.2704 - driver.slope * feature
        residual = min(max(residual, -4.0), 4.0)
        pull = feature * residual - (1.0 - decay) * self.prior_observations * driver.slope
        return driver._replace(
            slope=driver.slope + pull / (self.prior_observations + information), information=information
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What a pool did before each bar, (n,) arrays: its multiplier, that of its first driver, and whether it had a value."""

    pooled: Floats
    own: Floats
    known: Bools
    slope: float
    weight: float


def run(base: Base, values: Floats, pool: DriverPool) -> Run:
    """Multipliers made before each bar from (n, drivers) values known at the end of the bar before."""
    count = len(base.square)
    pooled, own, known = np.ones(count + 1), np.ones(count + 1), np.zeros(count + 1, dtype=bool)
    memory = pool.start()
    rows = zip(base.square.tolist(), base.variance.tolist(), values.tolist(), strict=True)
    for place, (square, variance, row) in enumerate(rows):
        memory = pool.advance(memory, square=square, variance=variance, values=row)
        pooled[place + 1], first = pool.multiplier(memory), pool.experts(memory)[0]
        own[place + 1] = pool.factor(first)
        known[place + 1] = any(map(math.isfinite, row)) and first.seen > 20
    last = pool.experts(memory)[0]
    return Run(pooled[:-1], own[:-1], known[:-1], last.slope, last.weight)


def driver_values(series: Series, base: Base, name: str) -> Floats:
    """Values of a driver; an implied variance against the base forecast of the next bar."""
    values = series.drivers[name]
    return values - np.log(base.next_variance) if name in series.implied else values


def qlike(square: Floats, variance: Floats) -> Floats:
    """ln h + r²/h."""
    return np.log(variance) + square / variance


def diebold_mariano(gains: Floats) -> float:
    """t of the mean of loss differences, Newey–West with n^(1/3) lags."""
    count = len(gains)
    centred, lags = gains - gains.mean(), int(count ** (1.0 / 3.0))
    spread = centred @ centred
    for lag in range(1, lags + 1):
        spread += 2.0 * (1.0 - lag / (lags + 1.0)) * (centred[lag:] @ centred[:-lag])
    return float(gains.sum() / math.sqrt(spread)) if spread > 0.0 else 0.0


def burn_in(count: int) -> int:
    """Bars that are run and not scored."""
    return count // 4 if count < 2000 else 500 if count < 6000 else 1000
