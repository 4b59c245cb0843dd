r"""What one bar says about its variance: kernels over logs of open, high, low and close.

``o = ln(O/C_prev)``, ``u = ln(H/O)``, ``d = ln(L/O)``, ``c = ln(C/O)``: `overnight`, `high`, `low`, `body`. Every
kernel takes single numbers or arrays of any broadcastable shape and gives [variance per bar], never negative when
u >= max(c, 0) and d <= min(c, 0), which the feed sees to.

Notes
-----
All of them assume a Brownian motion that is watched without pause. Watched in steps they are too low (mean over truth
at 24 / 78 / 288 / 1440 steps a bar: Parkinson .76/.86/.92/.96, Garman–Klass and Rogers–Satchell .67/.81/.90/.94), and a
jump inside a bar counts in part only (of a jump of 3 deviations .59, .43 and .34 of the variance). Hence
`services.volatility.close_match`.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from services.core.explain import Floats

Number = TypeVar("Number", float, Floats)

PARKINSON_EFFICIENCY, GARMAN_KLASS_EFFICIENCY = 5.2, 7.4
"""Variance of c² over that of the estimator, for a bar without drift (Garman & Klass 1980)."""
MEAN_RANGE = math.sqrt(8.0 / math.pi)
"""E(u − d) / σ = 1.5958 (Feller 1951)."""
_SQUARED_RANGE = 4.0 * math.log(2.0)
_BODY = 2.0 * math.log(2.0) - 1.0


def parkinson(high: Number, low: Number) -> Number:
    """``(u − d)² / (4 ln 2)``.

    Notes
    -----
    5.2 times as efficient as c². Drift of one deviation a bar: 1.29 times too high (c²: 2.00).

    References
    ----------
    Parkinson (1980), The extreme value method for estimating the variance of the rate of return, J. Business 53.

    Examples
    --------
    >>> round(parkinson(0.02, -0.01), 9)
    0.000324606
    """
    spread = high - low
    return spread * spread / _SQUARED_RANGE


def garman_klass(high: Number, low: Number, body: Number) -> Number:
    """``(u − d)²/2 − (2 ln 2 − 1) c²``: the practical form, without drift and without what o says.

    Notes
    -----
    7.4 times as efficient as c²; drift of one deviation a bar: 1.02 times too high.

    References
    ----------
    Garman & Klass (1980), On the estimation of security price volatilities from historical data, J. Business 53, σ̂₅².
    """
    spread = high - low
    return 0.5 * (spread * spread) - _BODY * (body * body)


def garman_klass_exact(high: Number, low: Number, body: Number) -> Number:
    """``.511 (u − d)² − .019 (c (u + d) − 2 u d) − .383 c²``: least variance among the analytic scale-invariant forms.

    Notes
    -----
    Its variance is hardly below that of `garman_klass`, which the estimator uses.

    References
    ----------
    Garman & Klass (1980), σ̂₄².
    """
    spread = high - low
    cross = body * (high + low) - 2.0 * (high * low)
    return 0.511 * (spread * spread) - 0.019 * cross - 0.383 * (body * body)


def rogers_satchell(high: Number, low: Number, body: Number) -> Number:
    """``u (u − c) + d (d − c)``: free of the drift of the bar.

    Notes
    -----
    6 times as efficient as c². Blind to a bar that only rises or only falls: zero when u = c and d = 0.

    References
    ----------
    Rogers & Satchell (1991), Estimating variance from high, low and closing prices, Ann. Appl. Prob. 1.
    """
    return high * (high - body) + low * (low - body)


def yang_zhang_weight(bars: int) -> float:
    """Weight k of the open-to-close variance that gives the Yang–Zhang estimator its least variance over n >= 2 bars.

    ``k = .34 / (1.34 + (n + 1)/(n − 1))``

    References
    ----------
    Yang & Zhang (2000), Drift-independent volatility estimation based on high, low, open, and close prices, J.
    Business 73, with α = 1.34.

    Examples
    --------
    >>> round(yang_zhang_weight(10), 6)
    0.132697
    """
    return 0.34 / (1.34 + (bars + 1.0) / (bars - 1.0))


def overnight_weight(efficiency: float) -> float:
    """Weight of the overnight move in the best mixture with an intraday estimator: ``1 / (1 + efficiency)``.

    Parameters
    ----------
    efficiency : float
        Of the intraday estimator against c².

    Notes
    -----
    Two unbiased and independent estimates are best weighted by the inverse of their variances, here 1 and 1/efficiency.

    Examples
    --------
    Garman and Klass print 0.12 and 0.17; QuantLib's ``GarmanKlassSigma6`` has 0.012 by mistake.

    >>> [round(overnight_weight(value), 3) for value in (GARMAN_KLASS_EFFICIENCY, PARKINSON_EFFICIENCY)]
    [0.119, 0.161]
    """
    return 1.0 / (1.0 + efficiency)


def weighted_overnight(overnight: Number, intraday: Number, *, closed: float, efficiency: float) -> Number:
    r"""Variance of a bar from its overnight move and an estimate of the open hours, weighted by how sure each is.

    ``a o² / f + (1 − a) V / (1 − f)``

    Parameters
    ----------
    overnight, intraday : float or array
        o; V [variance of the open part of the bar].
    closed : float
        f, share of the variance of a bar that falls into the closed hours, in (0, 1).
    efficiency : float
        Of V.

    Notes
    -----
    Right when f is known and constant; the plain sum o² + V needs no f, and is what the estimators use.

    References
    ----------
    Garman & Klass (1980), σ̂₃² (with Parkinson) and σ̂₆² (with σ̂₄²).
    """
    weight = overnight_weight(efficiency)
    return (weight / closed) * (overnight * overnight) + ((1.0 - weight) / (1.0 - closed)) * intraday


def true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """``max(H, C_prev) − min(L, C_prev)`` of prices; NaN for the first bar, which has no close before it.

    Parameters
    ----------
    high, low, close : (..., n) arrays
        Oldest first [quote currency].

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems.
    """
    ranges = np.full(close.shape, np.nan)
    before = close[..., :-1]
    ranges[..., 1:] = np.maximum(high[..., 1:], before) - np.minimum(low[..., 1:], before)
    return ranges
