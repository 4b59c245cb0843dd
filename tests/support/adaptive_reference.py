"""The adaptive pool written down as its specification says it, expert by expert: slow, and without any layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Observation(NamedTuple):
    """One bar: log return, Garman–Klass and Parkinson variance with the overnight move, implied variance."""

    log_return: float
    wide: float
    simple: float
    implied: float = math.nan


CLOSE = {"r4": 4, "r16": 16, "r64": 64, "r256": 256, "LR": 1024, "a4": 4, "a16": 16}
RANGE = {"v1": 1, "v4": 4, "v16": 16, "v64": 64, "va1": 1, "va4": 4}
FIRST = np.array([-0.3, 0.25, 0.30, 0.25, 0.15])


class Average:
    """Exponential average that is a plain mean at first."""

    def __init__(self, half_life: float) -> None:
        self.gain, self.seen, self.value = 1.0 - 2.0 ** (-1.0 / half_life), 0, 0.0

    def take(self, value: float) -> None:
        self.value += max(self.gain, 1.0 / (self.seen + 1)) * (value - self.value)
        self.seen += 1


class LogHar:
    """Recursive least squares of ln p on its own averages."""

    def __init__(self) -> None:
        self.averages = [Average(half_life) for half_life in (4, 16, 64)]
        self.coefficients, self.uncertainty, self.spread = FIRST.copy(), 0.1 * np.eye(5), 0.3
        self.first: list[float] = []
        self.seen, self.reference, self.x = 0, math.nan, np.full(5, math.nan)

    def take(self, simple: float) -> None:
        if self.seen >= 20:
            direction = self.uncertainty @ self.x
            gain = direction / (0.9995 + self.x @ direction)
            error = math.log(simple) - self.reference - float(self.coefficients @ self.x)
            error = max(-4.0, min(4.0, error))
            self.coefficients = self.coefficients + gain * error
            self.uncertainty = (self.uncertainty - np.outer(gain, direction)) / 0.9995
            self.spread += max(1.0 / 250.0, 1.0 / (self.seen + 30)) * (error**2 - self.spread)
        else:
            self.first.append(simple)
        for average in self.averages:
            average.take(simple)
        self.seen += 1
        if self.seen == 20:
            self.reference = math.log(sum(self.first) / 20.0)
        if self.seen >= 20:
            logs = [math.log(simple), *(math.log(average.value) for average in self.averages)]
            self.x = np.array([1.0, *(value - self.reference for value in logs)])

    def forecast(self) -> float:
        return math.exp(float(self.coefficients @ self.x) + self.reference + self.spread / 2.0)


class Pool:
    """`services.volatility.estimators.adaptive` of one market."""

    def __init__(self, *, ranges: bool, log_har: bool, implied: bool) -> None:
        self.ranges, self.log_har, self.implied = ranges, log_har and ranges, implied
        self.experts = {name: Average(half_life) for name, half_life in (CLOSE | (RANGE if ranges else {})).items()}
        prior = dict.fromkeys(self.experts, 1.0) | ({"lh": 4.0} if self.log_har else {})
        prior |= {"iv": 1.0} if implied else {}
        self.prior = {name: value / sum(prior.values()) for name, value in prior.items()}
        self.weights, self.forecasts, self.variance = dict(self.prior), dict[str, float](), math.nan
        self.har, self.seen = LogHar(), 0
        self.close, self.wide, self.simple = 0.0, 0.0, 0.0
        self.quotes: list[float] = []
        self.squares: list[float] = []

    def take(self, bar: Observation) -> float:
        """Forecast after one more bar."""
        square = bar.log_return**2
        if self.seen >= 20:
            self._learn(square)
        wide, simple = bar.wide, bar.simple
        if self.seen >= 20 and self.ranges:
            cap = max(25.0 * self.experts["v16"].value, 2.0 * square)
            wide, simple = min(wide, cap), min(simple, cap)
        tilt = 1.75 if bar.log_return < 0.0 else 0.25
        for name, expert in self.experts.items():
            value = wide if name.startswith("v") else square
            expert.take(value * tilt if "a" in name else value)
        self._calibrate(square, wide, simple)
        if self.log_har:
            self.har.take(simple)
        self.quotes.append(bar.implied)
        self.squares.append(square)
        self.seen += 1
        self.forecasts = self._forecasts()
        self.variance = sum(self.weights[name] * value for name, value in self.forecasts.items())
        return self.variance

    def _learn(self, square: float) -> None:
        surprise = min(square / self.variance, 15.0) - 1.0
        raised = {}
        for name, value in self.forecasts.items():
            step = 0.01 * surprise * (value / self.variance - 1.0)
            raised[name] = self.weights[name] * math.exp(max(-1.0, min(1.0, step)))
        total = sum(raised.values())
        self.weights = {
            name: (1.0 - 0.0005) * value / total + 0.0005 * self.prior[name] for name, value in raised.items()
        }

    def _calibrate(self, square: float, wide: float, simple: float) -> None:
        if not self.seen:
            self.close, self.wide, self.simple = square, wide, simple
            return
        gain = max(1.0 - 2.0 ** (-1.0 / 250.0), 1.0 / (self.seen + 1))
        cap, other_cap = 8.0 * max(self.close, self.wide), 8.0 * max(self.close, self.simple)
        self.close += gain * (min(square, cap) - self.close)
        self.wide += gain * (min(wide, cap) - self.wide)
        self.simple += gain * (min(simple, other_cap) - self.simple)

    def _forecasts(self) -> dict[str, float]:
        ratio = min(max(self.close / self.wide, 0.5), 2.5)
        found = {name: expert.value * (ratio if name.startswith("v") else 1.0) for name, expert in self.experts.items()}
        if self.log_har:
            lift = min(max(self.close / self.simple, 0.5), 2.5)
            found["lh"] = lift * self.har.forecast() if self.seen >= 20 else self.close
        if self.implied:
            found["iv"] = self._implied()
        return found

    def _implied(self) -> float:
        """The quote of this bar or of the five before, times the ratio of pairs (quote, next r²) that fade with age."""
        held = [self._quote_after(bar) for bar in range(self.seen)]
        if math.isnan(held[-1]):
            return self.close
        above, below = 20.0 * 0.7 * self.close, 20.0 * self.close
        for bar in range(1, self.seen):
            if not math.isnan(held[bar - 1]):
                weight = 2.0 ** (-(self.seen - 1 - bar) / 250.0)
                above, below = above + weight * self.squares[bar], below + weight * held[bar - 1]
        return held[-1] * above / below

    def _quote_after(self, bar: int) -> float:
        known = [quote for quote in self.quotes[max(bar - 5, 0) : bar + 1] if not math.isnan(quote)]
        return known[-1] if known else math.nan


def path(bars: Sequence[Observation], *, ranges: bool, log_har: bool, implied: bool) -> tuple[list[float], Pool]:
    """Forecast after each bar, and the pool at the end."""
    pool = Pool(ranges=ranges, log_har=log_har, implied=implied)
    return [pool.take(bar) for bar in bars], pool
