"""Returns that a fit may see: the same bars that a filter would be fed."""

from __future__ import annotations

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility.bars import MAX_MISSING_BARS, BarClock, flat_runs, usable_prices


def fit_returns(closes: Floats, close_times: Floats | None, clock: BarClock) -> Floats:
    """One-bar log returns of a series, without stale bars and long gaps.

    Parameters
    ----------
    closes : (n,) array
        Oldest first [quote currency].
    close_times : (n,) array, optional
        [s since 1970], where bars may be missing.
    clock : BarClock
        Length of a bar, and whether an absent one is missing.

    Returns
    -------
    (k,) array
        A return over up to 6 bars of a market that never closes is as many returns of ``r/√bars``; one over more is
        left out, and so are the zeros of a price that stands still. May be empty.

    Raises
    ------
    InvalidInput
        If a close is no price, or bars are not on the clock.
    """
    usable = usable_prices(closes)
    if not usable.all():
        index = int(np.argmin(usable))
        raise InvalidInput(f"series.close.{index}", "must be finite and within 1e-18 and 1e20", float(closes[index]))
    log_returns = np.diff(np.log(closes))
    used = flat_runs(log_returns) < clock.stale_after
    if close_times is None or not clock.continuous:
        return log_returns[used]
    slots, on_clock = clock.slots_between(close_times)
    if not on_clock.all():
        index = int(np.argmin(on_clock)) + 1
        seconds = float(close_times[index] - close_times[index - 1])
        raise InvalidInput(f"series.ohlcv.{index}", "must close a whole number of bars after the one before", seconds)
    used &= slots <= MAX_MISSING_BARS + 1
    spans = slots[used]
    return np.repeat(log_returns[used] / np.sqrt(spans), spans)
