"""What a volatility target holds: at once, and with a buffer, a bar of lag and lots."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from services.core.explain import Floats
from services.volatility import calibration
from tests.evaluation.series import Series

TARGET = 0.20
EQUITY = 1_000_000.0
BUFFER = 0.10
LAG = 1
FIRST_TRADE = 20
"""Bars before the first position of the simulation with frictions."""


def calibrated(series: Series, variance: Floats) -> Floats:
    """Volatility k σ after each return, k from simple returns over σ, (n − 1,) [per bar]."""
    volatility = np.sqrt(variance)
    standardized = np.concatenate(([np.nan], series.simple_returns[1:] / volatility[:-1]))
    return volatility * calibration.path(standardized[None])[0]


def held(series: Series, volatility: Floats) -> Floats:
    """Return of each bar over the target of a bar, when the position of the next bar is τ/σ; NaN for the first."""
    return np.concatenate(([np.nan], series.simple_returns[1:] / volatility[:-1]))


def held_with_frictions(series: Series, volatility: Floats) -> tuple[Floats, float]:
    """The same, and turnover a year, with what trading does to it.

    Equity stays 1,000,000 [quote currency] and σ is that of `volatility` [per bar]. At each close the position is moved
    to the edge of a buffer of 10 % around τ E / (σ P k_p), rounded toward zero to a whole number of lots; it is held
    from the next close on. k_p is the factor of the held portfolio, from the returns of the bars so far.
    """
    price, lot = series.close.tolist(), series.lot
    per_bar = TARGET / math.sqrt(series.periods)
    decided, realized = [0.0] * len(price), [0.0] * len(price)
    memory, traded = calibration.start_portfolio(), 0.0
    for bar in range(1, len(price)):
        before = decided[bar - 1 - LAG] if bar > LAG else 0.0
        realized[bar] = before * (price[bar] - price[bar - 1]) / EQUITY / per_bar
        if before:
            memory = calibration.advance_portfolio(memory, realized[bar])
        if bar < FIRST_TRADE:
            continue
        best = per_bar * EQUITY / (volatility[bar - 1] * price[bar] * calibration.portfolio_factor(memory))
        decided[bar] = rebalanced(decided[bar - 1], best, lot)
        traded += abs(decided[bar] - decided[bar - 1]) * price[bar] / EQUITY
    return np.array(realized[1:]), traded / series.years


def rebalanced(position: float, best: float, lot: float) -> float:
    """Long position after trading to the edge of the buffer around the best one, in whole lots."""
    edge = min(max(position, best * (1.0 - BUFFER)), best * (1.0 + BUFFER))
    return position if edge == position else math.floor(edge / lot + 1e-6) * lot


def robust_volatility(returns: Floats) -> Floats:
    """Volatility of pysystemtrade, from its published formula, (n,) [per bar].

    Exponentially weighted standard deviation of span 35 (at least 10 returns), not below 1e-10 and not below the 5 %
    quantile of its own last 500 values (from 100 on).

    References
    ----------
    Carver, pysystemtrade, `robust_vol_calc`; Carver (2015), Systematic Trading, appendix D.
    """
    deviation = pd.Series(returns).ewm(span=35, adjust=True, min_periods=10).std().clip(lower=1e-10)
    floor = deviation.rolling(window=500, min_periods=100).quantile(0.05).fillna(0.0)
    return np.maximum(deviation, floor).to_numpy(dtype=float)
