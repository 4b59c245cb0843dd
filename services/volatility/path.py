"""The readout after every bar of a series, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Bools, Floats
from services.volatility.bars import BARS_AFTER_GAP, MIN_PRICE_CHANGES, REFUSED_AFTER, BarClock
from services.volatility.estimators.ewma import PRIOR_BARS
from services.volatility.forecast import plain_history, timed_history
from services.volatility.readout import LONG_RUN_FLOOR
from services.volatility.recursion import BarHistory, Filtered, filter_history
from services.volatility.registry import Estimator


@dataclass(frozen=True, slots=True)
class VolatilityPath:
    """Readout after each close; NaN where the history up to there would be refused. All annual but `calibration`."""

    volatility: Floats
    forecast: Floats
    calibration: Floats
    long_run: Floats


def forecast_path(
    closes: Floats, *, bar_seconds: int, calendar: Calendar, estimator: Estimator, close_times: Floats | None = None
) -> VolatilityPath:
    """Readout after every close, each from the closes up to its own only.

    Parameters
    ----------
    closes : (n,) array
        Oldest first.
    close_times : (n,) array, optional
        [s since 1970], where bars may be missing.

    Raises
    ------
    Refusal
        `invalid_price`. A history that is too short or stale gives NaN in its place.

    Notes
    -----
    The last values are those of `forecast_series` or `forecast_bars`.
    """
    clock = BarClock(bar_seconds, calendar)
    history = plain_history(closes, 0.0, clock) if close_times is None else timed_history(closes, close_times, clock)
    if isinstance(history, Refusal):
        raise history
    filtered = filter_history(history, clock, estimator)
    if filtered is None:
        return VolatilityPath(*(np.full(history.used.size + 1, np.nan) for _ in range(4)))
    return _columns(history, filtered, clock, estimator)


def _columns(history: BarHistory, filtered: Filtered, clock: BarClock, estimator: Estimator) -> VolatilityPath:
    seen = np.concatenate([[0], np.cumsum(history.used)])
    last, periods = np.maximum(seen - 1, 0), clock.periods_per_year
    variance, long_run, elapsed = filtered.variance[0][last], filtered.long_run[0][last], filtered.elapsed[last]
    if estimator.prior_volatility is not None:
        imagined = estimator.prior_volatility**2 / periods
        variance = estimator.with_prior(variance, elapsed, imagined)
        long_run = (PRIOR_BARS * imagined + elapsed * long_run) / (PRIOR_BARS + elapsed)
    refused, guarded = _rules(history, seen, clock, estimator)
    forecast, anchor = np.sqrt(variance * periods), np.sqrt(long_run * periods)
    factor = filtered.calibration[0][last] if estimator.calibrate else np.ones(seen.size)
    floor = np.maximum(np.where(guarded, 1.0, LONG_RUN_FLOOR) * anchor, clock.absolute_floor)
    refused |= variance <= 0.0
    columns = (np.maximum(factor * forecast, floor), forecast, factor, anchor)
    return VolatilityPath(*(np.where(refused, np.nan, column) for column in columns))


def _rules(history: BarHistory, seen: Floats, clock: BarClock, estimator: Estimator) -> tuple[Bools, Bools]:
    """`refusal_of` and `guard_of` of `services.volatility.readout` after each close."""
    changes = np.concatenate([[0], np.cumsum(history.used & (history.log_returns != 0.0))])
    flat = np.concatenate([[0], history.flat])
    reset = np.concatenate([[False], history.reset])
    stale, short = flat >= clock.stale_after, seen < 19
    needed = 1 if estimator.prior_volatility is not None else 19
    refused = (flat >= clock.stale_after * REFUSED_AFTER) | (stale & (changes == 0)) | (seen < needed)
    refused |= ~short & (changes < MIN_PRICE_CHANGES)
    since_gap = seen - np.maximum.accumulate(np.where(reset, seen, -BARS_AFTER_GAP))
    return refused, stale | (since_gap < BARS_AFTER_GAP)
