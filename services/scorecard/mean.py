"""Means over pairs of statement and outcome, with standard errors that know of overlapping horizons."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from services.core.explain import Floats

LEAST_MOMENTS = 20
"""Moments below which a mean is not stated: its standard error would be a guess."""


class Estimate(NamedTuple):
    """A figure and how well it is known.

    Parameters
    ----------
    n : int
        Pairs.
    moments : int
        Different times among them.
    value, standard_error : float or None
        None where there are too few moments.
    lags : int
        Of the standard error [moments].
    """

    n: int
    moments: int
    value: float | None = None
    standard_error: float | None = None
    lags: int = 0


def hac_mean(values: Floats, times: Floats, horizon: float = 0.0) -> Estimate:
    """Mean of `values` and its Newey–West standard error; see `hac_ratio`."""
    return hac_ratio(values, np.ones(values.size), times, horizon)


def hac_ratio(above: Floats, below: Floats, times: Floats, horizon: float = 0.0) -> Estimate:
    r"""Ratio of sums ``ρ = Σ a / Σ b`` and its Newey–West standard error.

    With ``u_t`` the sum of ``a − ρ b`` at moment t: ``se² = Σ_l w_l γ_l / (Σ b)²``, ``γ_l = Σ_t u_t u_(t−l)``, Bartlett
    weights ``w_l = 1 − |l| / (L + 1)``.

    Parameters
    ----------
    above, below : (n,) array
        a and b; b = 1 gives the mean of a.
    times : (n,) array
        When each pair was stated [s]; pairs of one moment, such as those of several markets, count as one observation
        of it, since they depend on one another.
    horizon : float
        Longest time over which an outcome runs [s]: L reaches over all moments within it.

    Returns
    -------
    Estimate
        Without value below 20 moments, or where Σ b is 0.

    Notes
    -----
    ``L = max(moments within the horizon, ⌊4 (T/100)^(2/9)⌋)``, at most T − 1. No correction for small samples. With
    weights 1 and different times it is the standard error of a constant in OLS with HAC covariance. Cost O(T L).

    References
    ----------
    Newey and West (1987), Econometrica 55; (1994), Review of Economic Studies 61 (the number of lags).

    Examples
    --------
    >>> found = hac_mean(np.tile([1.0, 3.0], 20), np.arange(40.0))
    >>> found.value, found.moments, found.lags
    (2.0, 40, 3)
    """
    moments, place = np.unique(times, return_inverse=True)
    if moments.size < LEAST_MOMENTS or not (total := float(below.sum())):
        return Estimate(int(above.size), int(moments.size))
    value = float(above.sum()) / total
    scores: Floats = np.bincount(place, weights=above - value * below).astype(float)
    lags = lags_of(moments, horizon)
    return Estimate(above.size, moments.size, value, math.sqrt(long_run_sum(scores, lags)) / abs(total), lags)


def lags_of(moments: Floats, horizon: float) -> int:
    """L: moments within the horizon after any of them, at least what the length of the sample asks for."""
    within = np.searchsorted(moments, moments + horizon, side="left") - np.arange(moments.size) - 1
    usual = math.floor(4.0 * float(moments.size / 100.0) ** (2.0 / 9.0))
    return int(min(max(int(within.max()), usual), moments.size - 1))


def long_run_sum(scores: Floats, lags: int) -> float:
    """``Σ_l w_l γ_l`` of one column of scores: never negative with Bartlett's weights, rounding apart."""
    return max(float(long_run_matrix(scores[:, None], lags)[0, 0]), 0.0)


def long_run_matrix(scores: Floats, lags: int) -> Floats:
    """``Γ_0 + Σ w_l (Γ_l + Γ_l')`` of the columns of (t, k) scores."""
    found: Floats = scores.T @ scores
    for lag in range(1, lags + 1):
        cross = scores[lag:].T @ scores[:-lag]
        found = found + (1.0 - lag / (lags + 1.0)) * (cross + cross.T)
    return found
