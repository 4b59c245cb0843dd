"""Deterministic closes, bars and series."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from services.core.annualization import Calendar
from services.core.explain import Floats
from services.volatility.bars import Bar
from services.volatility.series import SeriesInput

END = datetime(2026, 11, 20, tzinfo=UTC)
DAY = 86_400


def walk(seed: int, bars: int, *, deviation: float = 0.02) -> Floats:
    """Closes of a random walk."""
    return 100.0 * np.exp(np.cumsum(deviation * np.random.default_rng(seed).standard_normal(bars)))


def times(bars: int, bar_seconds: int = DAY) -> Floats:
    """Close times of bars without gaps, the last one at `END`."""
    return END.timestamp() - bar_seconds * np.arange(bars - 1, -1, -1.0)


def bars_of(closes: Floats, close_times: Floats | None = None) -> list[Bar]:
    """Bars of nothing but closes; without times, the last one closes at `END`."""
    stamps = times(closes.size) if close_times is None else close_times
    return list(map(Bar, stamps.tolist(), closes.tolist()))


def series(
    closes: Floats, *, close_times: Floats | None = None, bar_seconds: int = DAY, calendar: Calendar | None = None,
    **columns: Floats,
) -> SeriesInput:  # fmt: skip
    """Posted series that ends at `END`, or with the last of its close times."""
    end = END if close_times is None else datetime.fromtimestamp(close_times[-1], UTC)
    return SeriesInput(closes, end, bar_seconds, calendar or Calendar(), close_times, **columns)


def candle_columns(closes: Floats, seed: int, *, width: float = 0.005) -> dict[str, Floats]:
    """Open, high and low around closes that no rule of bad data objects to."""
    rng = np.random.default_rng(seed)
    opened = np.concatenate([closes[:1], closes[:-1]]) * np.exp(0.1 * width * rng.standard_normal(closes.size))
    up, down = np.exp(width * rng.uniform(0.5, 1.5, (2, closes.size)))
    return {"open": opened, "high": np.maximum(opened, closes) * up, "low": np.minimum(opened, closes) / down}


def candle_bars(closes: Floats, seed: int, *, bar_seconds: int = DAY) -> list[Bar]:
    """Bars with the columns of `candle_columns`."""
    item = series(closes, bar_seconds=bar_seconds, **candle_columns(closes, seed))
    return list(item.bars())
