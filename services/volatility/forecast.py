"""Forecasts from whole series."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.volatility.bars import BarClock
from services.volatility.calibration import WARM_UP_RETURNS
from services.volatility.history import History, history_of
from services.volatility.outcome import PointOutcome
from services.volatility.readout import Figures, VolatilityReadout, no_figures, read_figures
from services.volatility.recursion import Filtered, filter_histories, needs_feed
from services.volatility.registry import Estimator
from services.volatility.series import SeriesInput
from services.volatility.state import RING_BARS, empty_state, update
from services.volatility.state import readout as state_readout

SHORTEST_SHARE = 0.5
"""Histories are run side by side with others at least this long in proportion, so that padding stays cheap."""


@dataclass(frozen=True, slots=True)
class SeriesForecast:
    """Forecast after the last bar of a series.

    Parameters
    ----------
    standardized : (k,) array
        The last k <= 512 values z_i = r_i / σ_{i|i−1}, each in its place on the clock; NaN where undefined and where
        the forecast rested on less than 20 bars: such z's have no second moment to speak of.
    ring_at : datetime
        Close of the bar of the last value: the last one, or where the market closes the one before a short bar.
    consecutive : bool
        True when a place in `standardized` is a bar of a session and not of the clock: closed hours take no place, and
        only series of the same bars line up.
    unusual : mapping
        Bars that were held back or undone, counted by outcome.
    """

    readout: VolatilityReadout
    standardized: Floats
    ring_at: datetime
    consecutive: bool = False
    unusual: Mapping[PointOutcome, int] = field(default_factory=dict)


def forecast_series(
    closes: Floats,
    *,
    end: datetime,
    bar_seconds: int,
    calendar: Calendar,
    estimator: Estimator,
    close_times: Floats | None = None,
) -> SeriesForecast:
    """Volatility forecast for the bar after the last one of a series of closes.

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
    close_times : (n,) array, optional
        [s since 1970], where bars may be missing.

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
    >>> round(result.readout.forecast, 6), round(0.01 * 365**0.5, 6)
    (0.19105, 0.19105)
    """
    item = SeriesInput(np.asarray(closes, dtype=float), end, bar_seconds, calendar, close_times)
    (found,) = forecast_markets([item], estimator)
    if isinstance(found, Refusal):
        raise found
    return found


def forecast_markets(
    series: Sequence[SeriesInput], estimator: Estimator, *, diagnose: bool = False
) -> list[SeriesForecast | Refusal]:
    """Forecast of each market; a refusal takes the place of the forecast that it stands for.

    Parameters
    ----------
    series : sequence of SeriesInput
        Of any lengths, clocks and columns.
    diagnose : bool
        Fill in `VolatilityReadout.context`; it costs about as much again.

    Notes
    -----
    Histories of about one length are filtered side by side, with the same numbers as each alone. A series in which a
    bar may have to be held back or undone is fed bar by bar.
    """
    found: dict[int, SeriesForecast | Refusal] = {}
    histories: dict[int, History] = {}
    for index, item in enumerate(series):
        history = history_of(item)
        if isinstance(history, Refusal):
            found[index] = history
        elif not history.used.any():
            flat = int(history.flat[-1]) if history.flat.size else 0
            figures = no_figures(flat, history.last_close, history.last_close_at)
            found[index] = _forecast(figures, (np.empty(0), item.end), item, estimator)
        else:
            histories[index] = history
    clocks = {index: series[index].clock for index in histories}
    for group in groups(histories, clocks):
        members = [histories[index] for index in group]
        filtered = filter_histories(members, clocks[group[0]], estimator, diagnose=diagnose)
        for index, figures_of in zip(group, filtered, strict=True):
            found[index] = _finish(series[index], histories[index], figures_of, estimator)
    return [found[index] for index in range(len(series))]


def groups(histories: Mapping[int, History], clocks: Mapping[int, BarClock]) -> list[list[int]]:
    """Indices to filter side by side: one clock, first bars that hold the same (it settles what the adaptive pool is
    made of), lengths within a factor of two.
    """
    kinds: dict[tuple[object, ...], list[int]] = {}
    for index, history in histories.items():
        kinds.setdefault((clocks[index], *history.opening), []).append(index)
    found: list[list[int]] = []
    for members in kinds.values():
        longest = 0
        for index in sorted(members, key=lambda index: -int(histories[index].spans.sum())):
            bars = int(histories[index].spans.sum())
            if bars < SHORTEST_SHARE * longest or not longest:
                found.append([])
                longest = bars
            found[-1].append(index)
    return found


def _finish(item: SeriesInput, history: History, filtered: Filtered, estimator: Estimator) -> SeriesForecast | Refusal:
    if needs_feed(history, filtered):
        return _fed(item, estimator)
    return _forecast(figures_after(history, filtered), _place(item, history, filtered.standardized), item, estimator)


def _fed(item: SeriesInput, estimator: Estimator) -> SeriesForecast | Refusal:
    """Forecast of a series that is fed bar by bar."""
    fresh = empty_state(estimator, bar_seconds=item.bar_seconds, calendar=item.calendar)
    state, outcomes = update(fresh, list(item.bars()), estimator=estimator)
    readout = state_readout(state, estimator=estimator)
    if isinstance(readout, Refusal):
        return readout
    held = (PointOutcome.CORPORATE_ACTION, PointOutcome.SPIKE_REVERTED)
    unusual = Counter(outcome for outcome in outcomes if outcome in held)
    ring = state.ring[np.argmax(~np.isnan(state.ring)) :]
    ring_at = datetime.fromtimestamp(state.ring_at, UTC)
    return SeriesForecast(replace(readout, source="series"), ring, ring_at, _consecutive(item), unusual)


def _forecast(
    figures: Figures, ring: tuple[Floats, datetime], item: SeriesInput, estimator: Estimator
) -> SeriesForecast | Refusal:
    readout = read_figures(figures, clock=item.clock, estimator=estimator, source="series")
    if isinstance(readout, Refusal):
        return readout
    return SeriesForecast(readout, *ring, _consecutive(item))


def _consecutive(item: SeriesInput) -> bool:
    return item.close_times is None and not item.clock.continuous


def figures_after(history: History, filtered: Filtered) -> Figures:
    """Figures after the last bar."""
    return Figures(
        variance=float(filtered.variance[-1]),
        long_run=float(filtered.long_run[-1]),
        calibration=float(filtered.calibration[-1]),
        half_life=float(filtered.half_life[-1]),
        elapsed=int(filtered.elapsed[-1]),
        observations=history.spans.size,
        changes=int(np.count_nonzero(history.moved & history.used)),
        flat=int(history.flat[-1]),
        since_gap=history.since_gap,
        gap_variance=float(history.gap_variance[-1]),
        held_at=math.nan,
        last_close=history.last_close,
        last_close_at=history.last_close_at,
        diagnosis=filtered.diagnosis,
        drivers=filtered.drivers,
    )


def _place(item: SeriesInput, history: History, standardized: Floats) -> tuple[Floats, datetime]:
    """The z's of the last 512 bars of time, each in its place, none from forecasts that rest on less than 20 bars; and
    the close of the bar in the last place.
    """
    places, takes = item.clock.places(item.times, history.slots)
    newest = int(np.flatnonzero(takes)[-1])
    back = places[newest] - places[1:]
    ring = np.full(int(np.clip(back[0] + 1, 1, RING_BARS)), np.nan)
    kept = history.used & takes[1:] & (back < ring.size)
    seasoned = np.where(np.arange(standardized.size) < WARM_UP_RETURNS, np.nan, standardized)
    ring[ring.size - 1 - back[kept]] = seasoned[kept[history.used]]
    return ring, datetime.fromtimestamp(float(item.times[newest]), UTC)
