"""A posted series told apart into returns that are used and returns that are not, ready for the recursions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.core.errors import Refusal
from services.core.explain import Bools, Floats
from services.core.outcome import Reason
from services.volatility.bars import BARS_AFTER_GAP, MAX_MISSING_BARS, BarClock, Integers, flat_runs, usable_prices
from services.volatility.candles import Candles, candles_of, guarded_candles
from services.volatility.moves import Moves
from services.volatility.series import SeriesInput
from services.volatility.spikes import SMALLEST_SPLIT, looks_like_a_split
from services.volatility.usable import USABLE, flaw_in


@dataclass(frozen=True, slots=True)
class History:
    """Returns of one market; k of the n − 1 are used.

    Parameters
    ----------
    log_returns, flat, slots : (n - 1,) arrays
        Return of each bar after the first, unchanged closes in a row up to it, bars of time since the close before.
    used, reset, moved : (n - 1,) bool arrays
        Returns that feed the recursions; returns over a gap that is too long to bridge; closes that changed.
    spans : (k,) array
        Bars that each used return stands for.
    close, close_at : (k,) arrays
        Close and close time of the used bars.
    candles : Candles, optional
        Of the used bars, wicks capped.
    realized_variance, implied_variance : (k,) arrays, optional
        [variance per bar]
    drivers : (k, K) array, optional
        Known at the close of each used bar.
    last_close, last_close_at : float
        Last close [quote currency] and its time [s since 1970].
    suspicious : bool
        A bar looks like a split: only the bar-by-bar feed can judge it.
    """

    log_returns: Floats
    flat: Integers
    slots: Integers
    used: Bools
    reset: Bools
    moved: Bools
    spans: Integers
    close: Floats
    close_at: Floats
    candles: Candles | None
    realized_variance: Floats | None
    implied_variance: Floats | None
    drivers: Floats | None
    last_close: float
    last_close_at: float
    suspicious: bool

    @property
    def returns(self) -> Floats:
        """Used returns, (k,)."""
        return self.log_returns[self.used]

    @property
    def opening(self) -> tuple[bool, bool]:
        """Whether the first used bar has a range (or a realised variance), and an implied volatility."""
        shapes = (None if self.candles is None else self.candles.high, self.realized_variance)
        ranged = any(column is not None and bool(column[0] == column[0]) for column in shapes)
        return ranged, self.implied_variance is not None and bool(self.implied_variance[0] == self.implied_variance[0])

    @property
    def gap_variance(self) -> Floats:
        """Largest r² a bar over the gaps that are still open, after each bar; 0 where none is [variance per bar]."""
        found, value, before = np.zeros(self.reset.size), 0.0, 0
        for place in np.flatnonzero(self.reset).tolist():
            closed = not self.reset[before] or int(self.used[before:place].sum()) >= BARS_AFTER_GAP
            value = max(float(self.log_returns[place]) ** 2 / int(self.slots[place]), 0.0 if closed else value)
            found[place:], before = value, place
        return found

    @property
    def since_gap(self) -> int | None:
        """Returns used since the last gap that was too long to bridge."""
        gaps = np.flatnonzero(self.reset)
        return int(self.used[gaps[-1] :].sum()) if gaps.size else None


def history_of(series: SeriesInput) -> History | Refusal:
    """Returns between the closes of a series, or the refusal that names the first bad one.

    Stale bars are frozen (no zeros are fed), the return over more than 5 missing bars is not used, and shorter gaps
    span several bars.
    """
    closes, clock = np.ascontiguousarray(series.closes, dtype=float), series.clock
    usable = usable_prices(closes)
    if not usable.all():
        index = int(np.argmin(usable))
        rule = "must be finite and within 1e-18 and 1e20"
        return Refusal(Reason.INVALID_PRICE, f"the close at index {index} is {closes[index]}: {rule}")
    if flaw := _flaw(series):
        return Refusal(Reason.INVALID_PRICE, flaw)
    times = series.times
    slots, refusal = _slots(series, times, clock)
    if refusal is not None:
        return refusal
    log_returns = np.log(closes[1:] / closes[:-1])
    flat = flat_runs(log_returns, clock.standstill)
    stale = flat >= clock.stale_after
    if series.volume is not None:
        stale |= (flat > 0) & (np.asarray(series.volume, dtype=float)[1:] == 0.0)
    reset = ~stale & (slots - 1 > MAX_MISSING_BARS) if clock.continuous else np.zeros(flat.shape, dtype=bool)
    used = ~stale & ~reset
    spans = slots[used] if clock.continuous else np.ones(int(used.sum()), dtype=np.int64)
    single = spans == 1
    return History(
        log_returns,
        flat,
        slots,
        used,
        reset,
        np.abs(log_returns) > clock.standstill,
        spans,
        closes[1:][used],
        times[1:][used],
        _candles(series, closes, used, single),
        _column(series.realized_variance, used, single),
        _implied(series, used, clock),
        None if series.drivers is None else series.drivers[1:][used],
        float(closes[-1]),
        series.end.timestamp(),
        _suspicious(series, log_returns),
    )


def _flaw(series: SeriesInput) -> str:
    """First number besides prices that cannot be used, as `services.volatility.usable` says; empty without one."""
    for name in ("volume", "realized_variance", "implied_volatility"):
        column = getattr(series, name)
        if column is not None:
            low, high = USABLE[name]
            values = np.asarray(column, dtype=float)
            wrong = np.flatnonzero((values < low) | (values > high))
            if wrong.size:
                return f"{flaw_in(name, float(values[wrong[0]]))} at index {wrong[0]}"
    return ""


def _slots(series: SeriesInput, times: Floats, clock: BarClock) -> tuple[Integers, Refusal | None]:
    if series.close_times is None:
        return np.ones(times.size - 1, dtype=np.int64), None
    slots, on_clock = clock.slots_between(times)
    if on_clock.all():
        return slots, None
    index = int(np.argmin(on_clock)) + 1
    rule = "a whole number of bars" if clock.continuous else "later"
    late = times[index] - times[index - 1]
    return slots, Refusal(
        Reason.INVALID_PRICE, f"the bar at index {index} closes {late:g} s after the one before: not {rule}"
    )


def _candles(series: SeriesInput, closes: Floats, used: Bools, single: Bools) -> Candles | None:
    if series.open is None or series.high is None or series.low is None:
        return None
    opens, highs, lows = (
        np.asarray(column, dtype=float)[1:][used] for column in (series.open, series.high, series.low)
    )
    candles = candles_of(opens, highs, lows, closes[1:][used], closes[:-1][used])
    return guarded_candles(Candles(*(np.where(single, column, np.nan) for column in candles)))


def _column(values: Floats | None, used: Bools, known: Bools) -> Floats | None:
    if values is None:
        return None
    return np.where(known, np.asarray(values, dtype=float)[1:][used], np.nan)


def _implied(series: SeriesInput, used: Bools, clock: BarClock) -> Floats | None:
    if series.implied_volatility is None:
        return None
    quoted = np.asarray(series.implied_volatility, dtype=float)[1:][used]
    variance: Floats = quoted * quoted / clock.periods_per_year
    return variance


def _suspicious(series: SeriesInput, log_returns: Floats) -> bool:
    if series.volume is None:
        return False
    volume = np.asarray(series.volume, dtype=float).tolist()
    large = np.flatnonzero(np.abs(log_returns) >= SMALLEST_SPLIT).tolist()
    return any(looks_like_a_split(float(log_returns[bar]), volume[bar + 1], volume[bar]) for bar in large)


def panel_of(histories: Sequence[History]) -> Moves:
    """Moves of many markets side by side, each bridged gap as so many moves; shorter histories are padded at the end.

    The recursions look back only, so that what follows the last move of a market cannot reach it.
    """
    returns = [history.returns / np.sqrt(history.spans) for history in histories]
    bars = max(int(history.spans.sum()) for history in histories)
    shapes = [history.candles or Candles(*[np.full(history.spans.size, np.nan)] * 4) for history in histories]
    columns: list[Floats | None] = [None] * 4
    if any(history.candles is not None for history in histories):
        columns = [_pad(column, histories, bars, math.nan) for column in zip(*shapes, strict=True)]
    overnight, high, low, body = columns
    return Moves(
        _pad(returns, histories, bars, 0.0),
        _pad([history.close for history in histories], histories, bars, math.nan),
        _pad([history.close_at for history in histories], histories, bars, math.nan),
        overnight,
        high,
        low,
        body,
        _pad_optional([history.realized_variance for history in histories], histories, bars),
        _pad_optional([history.implied_variance for history in histories], histories, bars),
        _pad_drivers(histories, bars),
    )


def _pad(columns: Sequence[Floats], histories: Sequence[History], bars: int, filler: float) -> Floats:
    padded = np.full((len(histories), bars), filler)
    for row, values, history in zip(padded, columns, histories, strict=True):
        row[: int(history.spans.sum())] = np.repeat(values, history.spans)
    return padded


def _pad_optional(columns: Sequence[Floats | None], histories: Sequence[History], bars: int) -> Floats | None:
    if all(column is None for column in columns):
        return None
    filled = [
        np.full(history.spans.size, np.nan) if column is None else column
        for column, history in zip(columns, histories, strict=True)
    ]
    return _pad(filled, histories, bars, math.nan)


def _pad_drivers(histories: Sequence[History], bars: int) -> Floats | None:
    """Drivers side by side, (m, n, K); of the moves of a bridged gap the last one has them."""
    known = [history.drivers for history in histories if history.drivers is not None]
    if not known:
        return None
    padded = np.full((len(histories), bars, known[0].shape[1]), math.nan)
    for row, history in zip(padded, histories, strict=True):
        if history.drivers is not None:
            row[np.cumsum(history.spans) - 1] = history.drivers
    return padded
