"""Covariance of prices that are seen at irregular moments of their own."""

from __future__ import annotations

import numpy as np

from services.core.explain import Floats


def hayashi_yoshida(times: tuple[Floats, Floats], log_prices: tuple[Floats, Floats]) -> float:
    r"""Covariance of two price paths over the time that they were watched, from all pairs of overlapping returns.

    ``Σ_ij Δx_i Δy_j 1{(s_{i−1}, s_i] ∩ (t_{j−1}, t_j] ≠ ∅}``

    Parameters
    ----------
    times : two arrays
        Moments of each market's prices, strictly rising, any unit; two or more of each.
    log_prices : two arrays
        Log price at each of them.

    Returns
    -------
    float
        Integrated covariance; of a path with itself the realised variance Σ Δx².

    Notes
    -----
    No clock is imposed and no price is filled in: unbiased for independent observation times, where a common grid
    pulls the correlation toward zero as it gets finer (Epps, 1979). Noise of the quotes is not treated. The overlapping
    returns of y form one run for each return of x, hence cost O((n + m) log m).

    References
    ----------
    Hayashi and Yoshida (2005), On Covariance Estimation of Non-Synchronously Observed Diffusion Processes, Bernoulli
    11(2), eq. 3.1.

    Examples
    --------
    >>> x = np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.1, 0.3])
    >>> y = np.array([0.5, 1.5]), np.array([1.0, 2.0])
    >>> round(hayashi_yoshida((x[0], y[0]), (x[1], y[1])), 6)
    0.3
    """
    (s, t), (x, y) = times, log_prices
    first = np.clip(np.searchsorted(t, s[:-1], side="right") - 1, 0, t.size - 1)
    last = np.clip(np.searchsorted(t, s[1:], side="left"), 0, t.size - 1)
    return float(np.diff(x) @ (y[last] - y[first]))


def hayashi_yoshida_correlation(times: tuple[Floats, Floats], log_prices: tuple[Floats, Floats]) -> float:
    """Their covariance over the root of their realised variances, within ±1; 0 where one does not move.

    The variances are those of the whole paths: watch both over the same time.
    """
    variances = [float(np.sum(np.diff(path) ** 2)) for path in log_prices]
    scale = (variances[0] * variances[1]) ** 0.5
    return float(np.clip(hayashi_yoshida(times, log_prices) / scale, -1.0, 1.0)) if scale > 0.0 else 0.0
