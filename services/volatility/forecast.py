"""Forecasts from whole series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Bools, Floats
from services.core.outcome import Reason
from services.volatility.bars import BarClock, Integers, flat_runs, usable_prices
from services.volatility.readout import Figures, VolatilityReadout, no_figures, read_figures
from services.volatility.recursion import BarHistory, Filtered, bar_history, filter_history, filter_returns
from services.volatility.registry import Estimator

RING_BARS = 512
"""Standardised returns kept of each market."""


@dataclass(frozen=True, slots=True)
class SeriesForecast:
    """Forecast after the last bar of a series.

    Parameters
    ----------
    standardized : (k,) array
        The last k <= 512 values z_i = r_i / σ_{i|i−1}, the last one being that of the last bar; NaN where undefined.
    consecutive : bool
        True when a place in `standardized` is a bar of a session and not of the clock: closed hours take no place, and
        only series of the same bars line up.
    """

    readout: VolatilityReadout
    standardized: Floats
    consecutive: bool = False


def forecast_series(
    closes: Floats, *, end: datetime, bar_seconds: int, calendar: Calendar, estimator: Estimator
) -> SeriesForecast:
    """Volatility forecast for the bar after the last one of a series without missing bars.

    Parameters
    ----------
    closes : (n,) array
        Oldest first [quote currency].
    end : datetime
        Close time of the last bar.
    bar_seconds : int
        Length of a bar [s].
    calendar : Calendar
        Annualisation; where the market closes, consecutive closes are consecutive bars.
    estimator : Estimator
        Method and parameters.

    Raises
    ------
    Refusal
        `invalid_price` (names the index), `insufficient_history`, `stale_price` or `zero_volatility`.

    Notes
    -----
    Equal, to rounding, to the state fed with the same bars one by one. Cost: O(n).

    Examples
    --------
    A price that swings by 1 % a day has a volatility of 1 % · sqrt(365) a year:

    >>> from datetime import UTC
    >>> from services.volatility.estimators.ewma import Ewma
    >>> swing = 100.0 * np.exp(0.01 * (np.arange(300) % 2))
    >>> end = datetime(2026, 1, 1, tzinfo=UTC)
    >>> result = forecast_series(swing, end=end, bar_seconds=86_400, calendar=Calendar(), estimator=Ewma())
    >>> round(result.readout.volatility, 6), round(0.01 * 365**0.5, 6)
    (0.19105, 0.19105)
    """
    rows = np.asarray(closes, dtype=float)[None, :]
    found = forecast_panel(rows, ends=[end], bar_seconds=bar_seconds, calendar=calendar, estimator=estimator)[0]
    if isinstance(found, Refusal):
        raise found
    return found


def forecast_panel(
    closes: Floats, *, ends: Sequence[datetime], bar_seconds: int, calendar: Calendar, estimator: Estimator
) -> list[SeriesForecast | Refusal]:
    """`forecast_series` of many markets at once; a refusal takes the place of the forecast that it stands for.

    Parameters
    ----------
    closes : (m, n) array
        One market a row, oldest first, n >= 1.
    ends : sequence of datetime
        Close time of the last bar of each row.

    Notes
    -----
    Bit for bit equal to `forecast_series` row by row: the recursions run along rows and never across them.
    """
    clock, closes = BarClock(bar_seconds, calendar), np.ascontiguousarray(closes, dtype=float)
    usable = usable_prices(closes)
    moving = usable.all(axis=-1) & (closes.shape[-1] > 1)
    prices = closes if moving.all() else closes[moving]
    log_returns = np.log(prices[:, 1:] / prices[:, :-1])
    flat = flat_runs(log_returns)
    fluent = (flat < clock.stale_after).all(axis=-1)
    moving[moving] = fluent
    found: dict[int, SeriesForecast | Refusal] = {}
    if fluent.any():
        runs = flat[fluent, -1]
        filtered = filter_returns(log_returns if fluent.all() else log_returns[fluent], None, estimator)
        changes = np.count_nonzero(filtered.log_returns, axis=-1)
        for place, index in enumerate(np.flatnonzero(moving).tolist()):
            close, close_at = float(closes[index, -1]), ends[index].timestamp()
            figures = _figures(filtered, place, int(changes[place]), int(runs[place]), None, close, close_at)
            found[index] = _forecast(
                figures, filtered.standardized[place, -RING_BARS:], clock, estimator, consecutive=True
            )
    for index in np.flatnonzero(~moving).tolist():
        found[index] = _forecast_row(closes[index], usable[index], ends[index].timestamp(), clock, estimator)
    return [found[index] for index in range(len(closes))]


def forecast_bars(
    closes: Floats, close_times: Floats, *, bar_seconds: int, calendar: Calendar, estimator: Estimator
) -> SeriesForecast | Refusal:
    """Forecast from bars of which some may be missing.

    Parameters
    ----------
    closes, close_times : (n,) arrays
        Close and close time [s since 1970] of each bar that is there, oldest first.

    Returns
    -------
    SeriesForecast or Refusal
        `standardized` holds one place per bar of time: NaN for missing bars and closed hours.

    Notes
    -----
    On a clock that never closes up to 5 missing bars are bridged by decay in time; the return over a longer gap is not
    used, and the volatility does not fall below its long-run value until 20 bars later.
    """
    clock = BarClock(bar_seconds, calendar)
    history = timed_history(closes, close_times, clock)
    return history if isinstance(history, Refusal) else _forecast_history(history, clock, estimator, consecutive=False)


def timed_history(closes: Floats, close_times: Floats, clock: BarClock) -> BarHistory | Refusal:
    """Returns between closes at given times, or the refusal that names the first bad one."""
    closes, close_times = np.ascontiguousarray(closes, dtype=float), np.asarray(close_times, dtype=float)
    usable = usable_prices(closes)
    if not usable.all():
        return invalid_price(closes, usable)
    slots, on_clock = clock.slots_between(close_times)
    if not on_clock.all():
        index = int(np.argmin(on_clock)) + 1
        gap, rule = (
            close_times[index] - close_times[index - 1],
            "a whole number of bars" if clock.continuous else "later",
        )
        return Refusal(
            Reason.INVALID_PRICE, f"the bar at index {index} closes {gap:g} s after the one before: not {rule}"
        )
    return bar_history(closes, float(close_times[-1]), slots, clock)


def plain_history(closes: Floats, last_close_at: float, clock: BarClock) -> BarHistory | Refusal:
    """Returns between closes without missing bars."""
    closes = np.ascontiguousarray(closes, dtype=float)
    usable = usable_prices(closes)
    if not usable.all():
        return invalid_price(closes, usable)
    return bar_history(closes, last_close_at, np.ones(closes.size - 1, dtype=np.int64), clock)


def invalid_price(closes: Floats, usable: Bools) -> Refusal:
    """Refusal that names the first unusable close."""
    index = int(np.argmin(usable))
    return Refusal(
        Reason.INVALID_PRICE, f"the close at index {index} is {closes[index]}: must be finite and within 1e-18 and 1e20"
    )


def _forecast_row(
    closes: Floats, usable: Bools, end: float, clock: BarClock, estimator: Estimator
) -> SeriesForecast | Refusal:
    if not usable.all():
        return invalid_price(closes, usable)
    history = bar_history(closes, end, np.ones(closes.size - 1, dtype=np.int64), clock)
    return _forecast_history(history, clock, estimator, consecutive=True)


def _forecast_history(
    history: BarHistory, clock: BarClock, estimator: Estimator, *, consecutive: bool
) -> SeriesForecast | Refusal:
    filtered = filter_history(history, clock, estimator)
    flat = int(history.flat[-1]) if history.flat.size else 0
    close, close_at = history.last_close, history.last_close_at
    if filtered is None:
        figures = no_figures(flat, close, close_at)
        return _forecast(figures, np.empty(0), clock, estimator, consecutive=consecutive)
    changes = int(np.count_nonzero(filtered.log_returns))
    figures = _figures(filtered, 0, changes, flat, _since_gap(history), close, close_at)
    return _forecast(figures, _place(history, filtered.standardized[0]), clock, estimator, consecutive=consecutive)


def _forecast(
    figures: Figures, ring: Floats, clock: BarClock, estimator: Estimator, *, consecutive: bool
) -> SeriesForecast | Refusal:
    readout = read_figures(figures, clock=clock, estimator=estimator, source="series")
    if isinstance(readout, Refusal):
        return readout
    return SeriesForecast(readout, ring, consecutive and not clock.continuous)


def _figures(
    filtered: Filtered, row: int, changes: int, flat: int, since_gap: int | None, close: float, close_at: float
) -> Figures:
    return Figures(
        variance=float(filtered.variance[row, -1]),
        long_run=float(filtered.long_run[row, -1]),
        calibration=float(filtered.calibration[row, -1]),
        elapsed=int(filtered.elapsed[-1]),
        observations=filtered.log_returns.shape[-1],
        changes=changes,
        flat=flat,
        since_gap=since_gap,
        last_close=close,
        last_close_at=close_at,
    )


def _since_gap(history: BarHistory) -> int | None:
    gaps = np.flatnonzero(history.reset)
    return int(history.used[gaps[-1] :].sum()) if gaps.size else None


def _place(history: BarHistory, standardized: Floats) -> Floats:
    """The z's of the last 512 bars of time, each in its place."""
    back: Integers = np.cumsum(history.slots[::-1])[::-1] - history.slots
    ring = np.full(int(min(back[0] + 1, RING_BARS)), np.nan)
    kept = history.used & (back < ring.size)
    ring[ring.size - 1 - back[kept]] = standardized[kept[history.used]]
    return ring
