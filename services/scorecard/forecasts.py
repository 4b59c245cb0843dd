"""Losses of variance forecasts, the benchmark beside them, and whether level and slope are right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc

from services.core.explain import Floats
from services.scorecard.mean import LEAST_MOMENTS, lags_of, long_run_matrix

EWMA_DECAY, EWMA_WARM_UP = 0.94, 20
"""RiskMetrics' decay for daily data; returns whose mean square the benchmark starts from."""


def qlike(realized: Floats, variance: Floats) -> Floats:
    """``ln h + y/h`` of each forecast h of the variance y; lower is better.

    Notes
    -----
    Its expectation is least at the true variance whatever unbiased proxy y is, a squared return included; an outcome of
    zero is an outcome. Only differences mean something: the level moves with the unit of h.

    References
    ----------
    Patton (2011), Journal of Econometrics 160.

    Examples
    --------
    >>> qlike(np.array([4.0]), np.array([4.0])) < qlike(np.array([4.0]), np.array([3.0]))
    array([ True])
    """
    found: Floats = np.log(variance) + realized / variance
    return found


def ewma_path(returns: Floats) -> Floats:
    """Variance that a plain EWMA says after each return; NaN before the 20th.

    ``h ← 0.94 h + 0.06 r²``, started at the mean square of the first 20 returns.

    References
    ----------
    J.P. Morgan (1996), RiskMetrics technical document, table 5.9.
    """
    squares = returns**2
    path = np.full(returns.size, np.nan)
    if returns.size < EWMA_WARM_UP:
        return path
    level = float(squares[:EWMA_WARM_UP].mean())
    path[EWMA_WARM_UP - 1] = level
    for place, square in enumerate(squares[EWMA_WARM_UP:].tolist(), start=EWMA_WARM_UP):
        level = EWMA_DECAY * level + (1.0 - EWMA_DECAY) * square
        path[place] = level
    return path


class Calibration(NamedTuple):
    """Mincer–Zarnowitz regression of outcomes on forecasts: right where the intercept is 0 and the slope 1.

    Parameters
    ----------
    intercept, slope : float or None
        a [mean forecast of the market] and b; None below 20 moments, or where all forecasts are alike.
    intercept_error, slope_error : float or None
        Newey–West standard errors.
    statistic, p_value : float or None
        Wald test of both together, χ²(2).
    """

    n: int
    moments: int
    intercept: float | None = None
    slope: float | None = None
    intercept_error: float | None = None
    slope_error: float | None = None
    statistic: float | None = None
    p_value: float | None = None


def mincer_zarnowitz(realized: Floats, variance: Floats, times: Floats, horizon: float = 0.0) -> Calibration:
    r"""Regression ``y/h = a/h + b``: that of y on h, weighted so that the noise of y is the same everywhere.

    Parameters
    ----------
    realized, variance : (n,) array
        y and h > 0, both over the mean forecast of their market where there are several.
    times : (n,) array
        When each forecast was made [s]; pairs of one moment enter its score together.
    horizon : float
        Longest horizon [s].

    Notes
    -----
    Squared returns are noisy: expect wide standard errors, and a slope below 1 already from forecasts that move too
    much. Robust to pairs that depend on one another within the horizon.

    References
    ----------
    Mincer and Zarnowitz (1969); Patton and Sheppard (2009), Evaluating volatility and correlation forecasts, §2.1
    (the weighted form).
    """
    moments, place = np.unique(times, return_inverse=True)
    empty = Calibration(realized.size, moments.size)
    design = np.column_stack((1.0 / variance, np.ones(variance.size)))
    if moments.size < LEAST_MOMENTS or np.ptp(variance) <= 1e-9 * float(np.mean(variance)):
        return empty
    gram = design.T @ design
    outcome = realized / variance
    fitted = np.linalg.solve(gram, design.T @ outcome)
    scores = design * (outcome - design @ fitted)[:, None]
    summed: Floats = np.column_stack([np.bincount(place, weights=column) for column in scores.T]).astype(float)
    inverse = np.linalg.inv(gram)
    covariance = inverse @ long_run_matrix(summed, lags_of(moments, horizon)) @ inverse
    if not (np.all(np.isfinite(covariance)) and np.linalg.matrix_rank(covariance) == covariance.shape[0]):
        return empty
    gap = fitted - np.array([0.0, 1.0])
    statistic = float(gap @ np.linalg.solve(covariance, gap))
    errors = np.sqrt(np.diag(covariance))
    return Calibration(
        n=realized.size,
        moments=moments.size,
        intercept=float(fitted[0]),
        slope=float(fitted[1]),
        intercept_error=float(errors[0]),
        slope_error=float(errors[1]),
        statistic=statistic,
        p_value=float(chdtrc(2, max(statistic, 0.0))),
    )
