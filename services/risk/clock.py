"""Standardised returns of several markets on one clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.core.explain import Floats
from services.volatility.bars import CLOCK_TOLERANCE

MIN_COMMON_BARS = 60
"""Common bars below which a correlation is not estimated."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Standardised returns of one market, in bars of time.

    Parameters
    ----------
    last_close_at : datetime
        Close time of the bar of the last value.
    bar_seconds : int
        Length of a bar [s].
    standardized : (k,) array
        Oldest first; NaN where there is none.
    consecutive : bool
        True when places are bars of a session and not of the clock (`SeriesForecast.consecutive`).
    """

    last_close_at: datetime
    bar_seconds: int
    standardized: Floats
    consecutive: bool = False


def common_clock(rings: Sequence[Ring]) -> Floats | None:
    """Standardised returns of all markets, bar by bar.

    Parameters
    ----------
    rings : sequence of Ring
        Where one market has already closed a bar more than another, the newer bars have no partner and are left out.

    Returns
    -------
    (t, m) array or None
        Oldest first, only bars that every market has. None for different bar lengths, bars that close at different
        moments, sessions against clocks, or fewer than 60 common bars.
    """
    if len({(ring.bar_seconds, ring.consecutive) for ring in rings}) != 1:
        return None
    behind = _bars_behind(rings)
    if behind is None:
        return None
    newest = max(behind)
    oldest = min(late + ring.standardized.size for late, ring in zip(behind, rings, strict=True))
    if oldest - newest < MIN_COMMON_BARS:
        return None
    spans = [(ring.standardized, ring.standardized.size + late) for late, ring in zip(behind, rings, strict=True)]
    columns = np.stack([values[size - oldest : size - newest] for values, size in spans], axis=-1)
    common = columns[~np.isnan(columns).any(axis=-1)]
    return common if len(common) >= MIN_COMMON_BARS else None


def _bars_behind(rings: Sequence[Ring]) -> list[int] | None:
    """Whole bars by which each market lags the newest; None where that is no whole number, or where a session lags."""
    latest = max(ring.last_close_at for ring in rings)
    bars = [(latest - ring.last_close_at).total_seconds() / ring.bar_seconds for ring in rings]
    whole = [round(lag) for lag in bars]
    off = any(abs(lag - count) > CLOCK_TOLERANCE for lag, count in zip(bars, whole, strict=True))
    return None if off or (rings[0].consecutive and any(whole)) else whole
