r"""Recursions of the GARCH family with given parameters, and the forecasts over several bars that follow from them.

GARCH and GJR: ``h' = ω + (α + γ·1{r<0}) r² + β h``. EGARCH: ``ln h' = ω + α(|z| − √(2/π)) + γ z + β ln h``, z = r/√h.
Returns are log returns around zero, variances are per bar and in the square of that unit (not of percent).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr

from services.core.explain import Floats

FLAT_FROM = 0.9999
"""Persistence from which there is no long-run variance to speak of, and forecasts are flat."""
MEAN_SIZE = math.sqrt(2.0 / math.pi)
"""E|z| of a standard normal z."""
LOG_VARIANCE_LIMIT = 30.0
"""EGARCH keeps ln h within ± this: an exponential of one wild return would overflow otherwise."""
COLUMNS_FROM = 24
"""Markets from which EGARCH runs bar by bar over all of them, instead of market by market."""


def persistence(alpha: float, gamma: float, beta: float) -> float:
    """α + γ/2 + β: the share of a deviation from the long-run variance that is left a bar later (symmetric returns)."""
    return alpha + gamma / 2.0 + beta


def long_run_variance(omega: float, alpha: float, gamma: float, beta: float) -> float:
    """ω / (1 − persistence) [variance per bar]; infinite from persistence 0.9999 on.

    Examples
    --------
    >>> round(long_run_variance(0.02, 0.1, 0.0, 0.8), 12)
    0.2
    """
    left = persistence(alpha, gamma, beta)
    return omega / (1.0 - left) if left < FLAT_FROM else math.inf


def next_variance(variance: float, log_return: float, omega: float, alpha: float, gamma: float, beta: float) -> float:
    """Variance after one more return, ``ω + (α + γ·1{r<0}) r² + β h``."""
    reaction = alpha + gamma if log_return < 0.0 else alpha
    return omega + reaction * (log_return * log_return) + beta * variance


def variance_path(
    log_returns: Floats, omega: float, alpha: float, gamma: float, beta: float, start: Floats | float
) -> Floats:
    """`next_variance` along rows of returns.

    Parameters
    ----------
    log_returns : (m, n) array
        Oldest first.
    omega, alpha, gamma, beta : float
        Parameters of the recursion.
    start : float or (m, 1) array
        Variance of the first return [variance per bar].

    Returns
    -------
    (m, n) array
        Forecast for the next bar after each return [variance per bar]. Cost: O(m n), one linear filter.
    """
    shocks = omega + np.where(log_returns < 0.0, alpha + gamma, alpha) * (log_returns * log_returns)
    before = np.broadcast_to(beta * np.asarray(start, dtype=float), (*log_returns.shape[:-1], 1))
    path, _ = lfilter([1.0], [1.0, -beta], shocks, axis=-1, zi=before)
    return np.asarray(path, dtype=float)


def multi_step(variance: float, persistence: float, long_run: float, bars: int) -> Floats:
    r"""Variance forecasts for the next `bars` bars, made now.

    ``h_{t+j} = V + (α + γ/2 + β)^(j−1) (h_{t+1} − V)``, V the long-run variance; flat where there is none.

    Parameters
    ----------
    variance : float
        Forecast for the next bar, h_{t+1} [variance per bar].
    persistence, long_run : float
        α + γ/2 + β, and V [variance per bar].
    bars : int
        Horizon, at least 1.

    Returns
    -------
    (bars,) array
        [variance per bar]; their sum is the variance of the return over the horizon.

    References
    ----------
    Engle and Bollerslev (1986), Econometric Reviews 5; Glosten, Jagannathan and Runkle (1993), J. Finance 48.

    Examples
    --------
    >>> multi_step(4.0, 0.5, 2.0, 3).tolist()
    [4.0, 3.0, 2.5]
    >>> multi_step(4.0, 0.99995, float("inf"), 2).tolist()
    [4.0, 4.0]
    """
    if persistence >= FLAT_FROM:
        return np.full(bars, variance)
    return long_run + persistence ** np.arange(bars, dtype=float) * (variance - long_run)


def next_log_variance(
    log_variance: float, log_return: float, omega: float, alpha: float, gamma: float, beta: float
) -> float:
    """EGARCH: ln h after one more return, kept within ± 30."""
    z = log_return * math.exp(-0.5 * log_variance)
    following = omega + alpha * (abs(z) - MEAN_SIZE) + gamma * z + beta * log_variance
    return min(max(following, -LOG_VARIANCE_LIMIT), LOG_VARIANCE_LIMIT)


def log_variance_path(
    log_returns: Floats, omega: float, alpha: float, gamma: float, beta: float, start: float
) -> Floats:
    """`next_log_variance` along rows of returns, (m, n); `start` is ln h of the first return.

    Notes
    -----
    The recursion is not linear, so that nothing but a loop computes it. Cost: O(m n) steps of about 0.3 µs for few
    markets, O(n) numpy steps for many.
    """
    if log_returns.shape[0] >= COLUMNS_FROM:
        return _over_columns(log_returns, omega, alpha, gamma, beta, start)
    rows = [list(_along(row, omega, alpha, gamma, beta, start)) for row in log_returns.tolist()]
    return np.array(rows, dtype=float).reshape(log_returns.shape)


def _along(
    row: Iterable[float], omega: float, alpha: float, gamma: float, beta: float, log_variance: float
) -> Iterable[float]:
    for value in row:
        log_variance = next_log_variance(log_variance, value, omega, alpha, gamma, beta)
        yield log_variance


def _over_columns(log_returns: Floats, omega: float, alpha: float, gamma: float, beta: float, start: float) -> Floats:
    path, current = np.empty(log_returns.shape), np.full(log_returns.shape[0], start)
    for index in range(log_returns.shape[1]):
        z = log_returns[:, index] * np.exp(-0.5 * current)
        current = omega + alpha * (np.abs(z) - MEAN_SIZE) + gamma * z + beta * current
        path[:, index] = current = np.clip(current, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
    return path


def multi_step_log(log_variance: float, omega: float, alpha: float, gamma: float, beta: float, bars: int) -> Floats:
    r"""EGARCH: expected variance of each of the next `bars` bars, for normal innovations.

    ``E h_{t+j} = h_{t+1}^{b} · Π_{i<j−1} e^{ω β^i} M(β^i)``, b = β^{j−1}, where M(b) is the mean of
    ``exp(b [α(|z| − √(2/π)) + γ z])``:
    ``M(b) = e^{−bα√(2/π)} [e^{b²(γ+α)²/2} Φ(b(γ+α)) + e^{b²(γ−α)²/2} Φ(b(α−γ))]``.

    Parameters
    ----------
    log_variance : float
        ln h_{t+1}.
    omega, alpha, gamma, beta : float
        Parameters of the recursion.
    bars : int
        Horizon, at least 1.

    Returns
    -------
    (bars,) array
        [variance per bar]; flat where β ≥ 0.9999.

    Notes
    -----
    Mean of h, not exp of the mean of ln h, which is smaller. With Student-t innovations the mean does not exist
    (Nelson 1991, p. 352): there this is the forecast as if innovations were normal.

    References
    ----------
    Nelson (1991), Econometrica 59, theorem A1.2.
    """
    if beta >= FLAT_FROM:
        return np.full(bars, math.exp(log_variance))
    powers = beta ** np.arange(bars, dtype=float)
    means = omega * powers + _log_mean_shock(powers, alpha, gamma)
    added = np.concatenate([[0.0], np.cumsum(means)[:-1]])
    log_path = np.clip(powers * log_variance + added, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)
    return np.asarray(np.exp(log_path), dtype=float)


def _log_mean_shock(powers: Floats, alpha: float, gamma: float) -> Floats:
    up, down = powers * (gamma + alpha), powers * (alpha - gamma)
    mean = np.exp(0.5 * up * up) * ndtr(up) + np.exp(0.5 * down * down) * ndtr(down)
    return np.asarray(np.log(mean) - powers * alpha * MEAN_SIZE, dtype=float)


def half_life(beta: float) -> float:
    """Age at which half of the weight of past returns is reached: they weigh as β^age [bars].

    Examples
    --------
    >>> round(half_life(0.94), 1), half_life(0.0)
    (11.2, 0.0)
    """
    return math.log(2.0) / -math.log(beta) if beta > 0.0 else 0.0


def kish_size(beta: float, bars: float) -> float:
    """Number of equally weighted bars that know as much as `bars` bars of weights β^age.

    ``(Σw)²/Σw² = (1+β)/(1−β) · (1−β^n)/(1+β^n)``.

    Examples
    --------
    >>> kish_size(0.0, 7), kish_size(0.5, 1), round(kish_size(0.9, 1e6), 12)
    (1.0, 1.0, 19.0)
    """
    faded = float(beta**bars)
    return (1.0 + beta) / (1.0 - beta) * (1.0 - faded) / (1.0 + faded)
