"""The recursions run over whole rows of returns at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.core.explain import Bools, Floats
from services.volatility.bars import MAX_MISSING_BARS, BarClock, Integers, flat_runs
from services.volatility.calibration import calibration_path
from services.volatility.long_run import long_run_path
from services.volatility.registry import Estimator


@dataclass(frozen=True, slots=True)
class Filtered:
    """Figures after each used return; every array is (m, k), m markets on one clock.

    Parameters
    ----------
    log_returns : array
        What was filtered.
    variance, long_run : arrays
        [variance per bar]
    calibration : array
        k, whether it will be applied or not.
    standardized : array
        z = r / σ of the forecast before the bar; NaN where that is undefined.
    elapsed : (k,) array
        Bars that the estimates stand for.
    """

    log_returns: Floats
    variance: Floats
    long_run: Floats
    calibration: Floats
    standardized: Floats
    elapsed: Integers


def filter_returns(log_returns: Floats, spans: Integers | None, estimator: Estimator) -> Filtered:
    """Run estimator, long-run variance and calibration over rows of used returns.

    Parameters
    ----------
    log_returns : (m, k) array
        Oldest first, k >= 1.
    spans : (k,) array, optional
        Bars that each return stands for; None: one each. With spans m is 1.

    Notes
    -----
    A return over s bars is s bars of squared return r²/s: ``E ← λ^s E + (1 − λ^s) r²/s`` exactly. So a bridged gap is
    expanded and the plain recursions serve every case.
    """
    squares, scaled, elapsed = log_returns * log_returns, log_returns, np.arange(1, log_returns.shape[-1] + 1)
    if spans is None:
        variance, long_run = estimator.variance_path(squares), long_run_path(squares)
    else:
        elapsed, scaled = np.cumsum(spans), log_returns / np.sqrt(spans)
        expanded = np.repeat(squares / spans, spans, axis=-1)
        variance, long_run = (path(expanded)[:, elapsed - 1] for path in (estimator.variance_path, long_run_path))
    standardized = np.full(log_returns.shape, np.nan)
    before = variance[:, :-1]
    np.divide(scaled[:, 1:], np.sqrt(before), out=standardized[:, 1:], where=before > 0.0)
    return Filtered(log_returns, variance, long_run, calibration_path(standardized), standardized, elapsed)


@dataclass(frozen=True, slots=True)
class BarHistory:
    """Returns of one market, told apart into used and not used.

    Parameters
    ----------
    log_returns, flat : (n - 1,) arrays
        Return of each bar after the first, and unchanged closes in a row up to it.
    slots : (n - 1,) array
        Bars of time since the close before.
    used, reset : (n - 1,) bool arrays
        Returns that feed the recursions; returns over a gap that is too long to bridge.
    last_close, last_close_at : float
        Last close [quote currency] and its time [s since 1970].
    """

    log_returns: Floats
    flat: Integers
    slots: Integers
    used: Bools
    reset: Bools
    last_close: float
    last_close_at: float


def bar_history(closes: Floats, last_close_at: float, slots: Integers, clock: BarClock) -> BarHistory:
    """Tell used returns from stale bars (frozen, no zeros are fed) and from long gaps (their return is not used)."""
    log_returns = np.log(closes[1:] / closes[:-1])
    flat = flat_runs(log_returns)
    stale = flat >= clock.stale_after
    reset = ~stale & (slots - 1 > MAX_MISSING_BARS) if clock.continuous else np.zeros(flat.shape, dtype=bool)
    return BarHistory(log_returns, flat, slots, ~stale & ~reset, reset, float(closes[-1]), last_close_at)


def filter_history(history: BarHistory, clock: BarClock, estimator: Estimator) -> Filtered | None:
    """`filter_returns` over the used returns of one market; None when there are none."""
    if not history.used.any():
        return None
    spans = history.slots[history.used] if clock.continuous else np.ones(int(history.used.sum()), dtype=np.int64)
    return filter_returns(history.log_returns[history.used][None, :], spans, estimator)
