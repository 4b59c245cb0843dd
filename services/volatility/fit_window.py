"""Returns that a fit sees: those that a filter would be fed."""

from __future__ import annotations

import numpy as np

from services.core.errors import Refusal
from services.core.explain import Floats
from services.volatility.history import history_of
from services.volatility.series import SeriesInput


def fit_returns(series: SeriesInput) -> Floats | Refusal:
    """One-bar log returns of a series, or the refusal that names its first bad bar.

    Returns
    -------
    (k,) array
        A return over s bars is s returns of r/√s; stale bars and returns over long gaps are left out. May be empty.

    Notes
    -----
    A spike that the next bar takes back stays in: only the bar-by-bar feed can tell, and it needs a volatility to do
    so. Clean the series, or fit with the Student-t density, which it moves less.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from services.core.annualization import Calendar
    >>> closes, end = np.array([100.0, 101.0, 101.0, 101.0, 101.0, 99.0]), datetime(2026, 1, 1, tzinfo=UTC)
    >>> fit_returns(SeriesInput(closes, end, 86_400, Calendar())).round(4).tolist()
    [0.01, 0.0, 0.0, -0.02]
    """
    history = history_of(series)
    if isinstance(history, Refusal):
        return history
    return np.repeat(history.returns / np.sqrt(history.spans), history.spans)
