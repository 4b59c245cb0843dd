"""The readout after every bar of a series, as columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from services.core.errors import Refusal
from services.core.explain import Bools, Floats
from services.volatility.bars import BARS_AFTER_GAP, MIN_PRICE_CHANGES, REFUSED_AFTER, BarClock
from services.volatility.history import History, history_of
from services.volatility.readout import LONG_RUN_FLOOR, VolatilityReadout, long_run_with_prior, read_figures, with_prior
from services.volatility.recursion import Filtered, filter_histories, needs_feed
from services.volatility.registry import Estimator
from services.volatility.series import SeriesInput
from services.volatility.state import Feed, empty_state, figures_of


@dataclass(frozen=True, slots=True)
class VolatilityPath:
    """Readout after each close; NaN where the history up to there would be refused.

    Volatilities are annual; `effective_half_life` is in bars.
    """

    volatility: Floats
    forecast: Floats
    calibration: Floats
    long_run: Floats
    effective_half_life: Floats


def forecast_path(series: SeriesInput, estimator: Estimator) -> VolatilityPath:
    """Readout after every close, each from the bars up to its own only.

    Raises
    ------
    Refusal
        `invalid_price`. A history that is too short or stale gives NaN in its place.

    Notes
    -----
    The last values are those of `forecast_markets`.
    """
    history = history_of(series)
    if isinstance(history, Refusal):
        raise history
    if not history.used.any():
        return VolatilityPath(*(np.full(history.used.size + 1, np.nan) for _ in range(5)))
    (filtered,) = filter_histories([history], series.clock, estimator, diagnose=False)
    if needs_feed(history, filtered):
        return _fed(series, estimator)
    return _columns(history, filtered, series.clock, estimator)


def _fed(series: SeriesInput, estimator: Estimator) -> VolatilityPath:
    """Bar by bar, where a bar may have to be held back or undone."""
    feed = Feed(empty_state(estimator, bar_seconds=series.bar_seconds, calendar=series.calendar), estimator)
    rows = []
    for bar in series.bars():
        feed.take(bar)
        figures = figures_of(feed, None, estimator=estimator)
        rows.append(_row(read_figures(figures, clock=feed.clock, estimator=estimator, source="series")))
    return VolatilityPath(*np.array(rows).T)


def _row(found: VolatilityReadout | Refusal) -> tuple[float, ...]:
    if isinstance(found, Refusal):
        return (math.nan,) * 5
    return (found.volatility, found.forecast, found.calibration, found.long_run, found.effective_half_life)


def _columns(history: History, filtered: Filtered, clock: BarClock, estimator: Estimator) -> VolatilityPath:
    seen = np.concatenate([[0], np.cumsum(history.used)])
    last, periods = np.maximum(seen - 1, 0), clock.periods_per_year
    variance, long_run, elapsed = filtered.variance[last], filtered.long_run[last], filtered.elapsed[last]
    if estimator.prior_volatility is not None:
        imagined = estimator.prior_volatility**2 / periods
        variance, long_run = with_prior(variance, elapsed, imagined), long_run_with_prior(long_run, elapsed, imagined)
    refused, guarded, in_gap = _rules(history, seen, clock, estimator)
    refused |= ~(variance > 0.0)
    forecast, anchor = np.sqrt(np.where(refused, np.nan, variance) * periods), np.sqrt(long_run * periods)
    factor = filtered.calibration[last] if estimator.calibrate else np.ones(seen.size)
    floor = np.maximum(np.where(guarded, 1.0, LONG_RUN_FLOOR) * anchor, clock.absolute_floor)
    gap_variance = np.where(in_gap, np.concatenate([[0.0], history.gap_variance]), 0.0)
    floor = np.maximum(floor, np.sqrt(gap_variance * periods))
    columns = (np.maximum(factor * forecast, floor), forecast, factor, anchor, filtered.half_life[last])
    return VolatilityPath(*(np.where(refused, np.nan, column) for column in columns))


def _rules(history: History, seen: Floats, clock: BarClock, estimator: Estimator) -> tuple[Bools, Bools, Bools]:
    """`refusal_of` and `guard_of` of `services.volatility.readout` after each close."""
    changes = np.concatenate([[0], np.cumsum(history.used & history.moved)])
    flat = np.concatenate([[0], history.flat])
    reset = np.concatenate([[False], history.reset])
    stale, short = flat >= clock.stale_after, seen < 19
    needed = 1 if estimator.prior_volatility is not None else 19
    refused = (flat >= clock.stale_after * REFUSED_AFTER) | (stale & (changes == 0)) | (seen < needed)
    refused |= ~short & (changes < MIN_PRICE_CHANGES)
    since_gap = seen - np.maximum.accumulate(np.where(reset, seen, -BARS_AFTER_GAP))
    in_gap = since_gap < BARS_AFTER_GAP
    return refused, stale | in_gap, in_gap
