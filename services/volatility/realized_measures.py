r"""Variance of a stretch of time from the returns inside it, with and without jumps.

With n returns of equal steps: ``RV = Σ r²`` counts jumps; bipower, minimum and median variation converge to the part
without them, because a single large return meets a small neighbour. All are scaled for the terms that the first returns
lack.
"""

from __future__ import annotations

import math
from typing import overload

import numpy as np

from services.core.explain import Bools, Floats

BIPOWER_FACTOR = math.pi / 2.0
MINIMUM_FACTOR = math.pi / (math.pi - 2.0)
MEDIAN_FACTOR = math.pi / (6.0 - 4.0 * math.sqrt(3.0) + math.pi)


LEAST_OF_SQUARE = 0.01
"""A realised variance below this part of r² is not that of the bar."""


@overload
def credible(variance: float, square: float) -> bool: ...
@overload
def credible(variance: Floats, square: Floats) -> Bools: ...
def credible(variance: float | Floats, square: float | Floats) -> bool | Bools:
    """Whether a realised variance can be that of a bar: known, and no less than 0.01 r².

    Parameters
    ----------
    variance, square : float or array
        Realised variance, with the overnight move where that is known, and r² [variance per bar].

    Notes
    -----
    A feed that broke sends zeros, or old values: believed, they would lower a volatility while the price moves.
    ``r² <= n RV`` for n returns inside a bar: a true value is so low only for n > 100 and hardly a return against
    the move of the bar.

    Examples
    --------
    >>> credible(3e-4, 4e-4), credible(0.0, 4e-4), credible(0.0, 0.0), credible(math.nan, 4e-4)
    (True, False, True, False)
    """
    return variance >= LEAST_OF_SQUARE * square


def realized_variance(returns: Floats) -> Floats:
    """``Σ r²`` over the last axis, (..., n) log returns."""
    return np.asarray((returns * returns).sum(axis=-1), dtype=float)


def bipower_variance(returns: Floats) -> Floats:
    """``(π/2) · n/(n − 1) · Σ |r_i| |r_{i−1}|`` over the last axis, n >= 2.

    References
    ----------
    Barndorff-Nielsen & Shephard (2004), Power and bipower variation with stochastic volatility and jumps, J. Fin.
    Econometrics 2.
    """
    size, count = np.abs(returns), returns.shape[-1]
    total = (size[..., 1:] * size[..., :-1]).sum(axis=-1)
    return np.asarray(BIPOWER_FACTOR * count / (count - 1) * total, dtype=float)


def minimum_variance(returns: Floats) -> Floats:
    """``π/(π − 2) · n/(n − 1) · Σ min(|r_i|, |r_{i−1}|)²`` over the last axis, n >= 2: MinRV.

    References
    ----------
    Andersen, Dobrev & Schaumburg (2012), Jump-robust volatility estimation using nearest neighbor truncation, J.
    Econometrics 169.
    """
    size, count = np.abs(returns), returns.shape[-1]
    least = np.minimum(size[..., 1:], size[..., :-1])
    return np.asarray(MINIMUM_FACTOR * count / (count - 1) * (least * least).sum(axis=-1), dtype=float)


def median_variance(returns: Floats) -> Floats:
    """``π/(6 − 4√3 + π) · n/(n − 2) · Σ med(|r_i|, |r_{i−1}|, |r_{i−2}|)²`` over the last axis, n >= 3: MedRV.

    Notes
    -----
    R's highfrequency counts a return of zero at the start of each day, and is off by up to 5 % for it.

    References
    ----------
    Andersen, Dobrev & Schaumburg (2012).
    """
    size, count = np.abs(returns), returns.shape[-1]
    middle = median_of_three(size[..., 2:], size[..., 1:-1], size[..., :-2])
    return np.asarray(MEDIAN_FACTOR * count / (count - 2) * (middle * middle).sum(axis=-1), dtype=float)


def median_of_three(one: Floats, two: Floats, three: Floats) -> Floats:
    """Element by element."""
    return np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), three))


def jump_share(returns: Floats) -> Floats:
    """Share of the variance that came in jumps, ``max(RV − BV, 0) / RV``; 0 where nothing moved.

    Parameters
    ----------
    returns : (..., n) array
        Log returns of one day each, n >= 2.

    Notes
    -----
    Without jumps it is noise cut off at zero: 0.06 on average for n = 24, 0.02 for n = 288.

    Examples
    --------
    >>> calm = np.array([0.01, -0.01, 0.01, -0.01])
    >>> float(jump_share(calm)), round(float(jump_share(calm + [0.0, 0.0, 0.05, 0.0])), 3)
    (0.0, 0.302)
    """
    total, smooth = realized_variance(returns), bipower_variance(returns)
    share = np.zeros(total.shape)
    np.divide(np.maximum(total - smooth, 0.0), total, out=share, where=total > 0.0)
    return share
