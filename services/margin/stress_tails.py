"""Margins of bad times, from the same returns as that of today: of the worst window, and at the long-run volatility."""

from __future__ import annotations

import math

import numpy as np

from services.core.explain import Floats
from services.margin.filtered_returns import FIRST_RETURNS, Measure, ewma_variances, scenario_returns, side_losses
from services.margin.procyclicality import STRESS_BARS, stress_windows

LONG_RUN_YEARS = 10.0


def stressed_tail(worst: Floats, bars: float, alpha: float, measure: Measure) -> tuple[Floats, Floats]:
    """Tail of a long and of a short over returns as they were, times the root of the horizon [fraction of notional].

    Parameters
    ----------
    worst : (k,) array
        Log returns a bar of the stressed window.
    bars : float
        Horizon [bars].
    """
    return side_losses(worst * math.sqrt(bars), alpha, measure)


def long_run_tail(
    past: Floats, volatilities: Floats, long_run: Floats, bars: float, alpha: float, measure: Measure
) -> tuple[Floats, Floats]:
    """Tail of a long and of a short over returns that are scaled in full to the long-run volatility.

    Parameters
    ----------
    past, volatilities : (k,) or (m, k) arrays
        Log returns a bar, and the volatility that was forecast for each.
    long_run : scalar or (m,) array
        Volatility that they are scaled to [a bar].
    bars : float
        Horizon [bars].
    """
    return side_losses(scenario_returns(past, volatilities, long_run, "full") * math.sqrt(bars), alpha, measure)


def worst_returns(returns: Floats) -> Floats:
    """The 250 consecutive returns with the largest sum of squares; all of them while there are fewer."""
    end = int(stress_windows(returns)[-1])
    return returns[max(end - STRESS_BARS, 0) : end]


def long_run_volatility(returns: Floats, bars: int) -> Floats:
    """Root mean square of the last `bars` returns at each close, of all while there are fewer [per bar].

    Examples
    --------
    >>> long_run_volatility(np.array([0.3, 0.4, 0.0]), 2).round(6).tolist()
    [0.0, 0.3, 0.353553, 0.282843]
    """
    sums = np.concatenate([[0.0], np.cumsum(returns**2)])
    first = np.maximum(np.arange(sums.size) - bars, 0)
    # Differences of running sums may fall below zero by a rounding error.
    found: Floats = np.sqrt(np.maximum(sums - sums[first], 0.0) / np.maximum(np.arange(sums.size) - first, 1))
    return found


def usable(returns: Floats | None) -> bool:
    """Whether a tail may be read off these returns: at least 60, all finite, one of them not 0."""
    return returns is not None and returns.size >= FIRST_RETURNS and bool(np.isfinite(returns).all() and returns.any())


def last_stressed(returns: Floats | None, bars: float, alpha: float, measure: Measure) -> tuple[float, float]:
    """`stressed_tail` of the worst window of a series up to its end; NaN where there are too few returns."""
    if returns is None or not usable(returns):
        return math.nan, math.nan
    long, short = stressed_tail(worst_returns(returns), bars, alpha, measure)
    return float(long), float(short)


def last_long_run(
    returns: Floats | None,
    bars: float,
    alpha: float,
    measure: Measure,
    *,
    decay: float,
    lookback: int,
    periods_per_year: float,
) -> tuple[float, float]:
    """`long_run_tail` of a series at its end, at the volatility of up to ten years; NaN for too few returns."""
    if returns is None or not usable(returns):
        return math.nan, math.nan
    volatilities = np.sqrt(ewma_variances(returns, decay))[:-1]
    long_run = np.sqrt(np.mean(returns[-round(LONG_RUN_YEARS * periods_per_year) :] ** 2))
    long, short = long_run_tail(returns[-lookback:], volatilities[-lookback:], long_run, bars, alpha, measure)
    return float(long), float(short)
