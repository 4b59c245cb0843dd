"""Averages over bars, of whole rows at once and one bar at a time; the two agree to rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter

from services.core.explain import Floats


def gain_of(half_life: float) -> float:
    """Weight of the newest bar, ``1 − 2^(−1/half_life)``."""
    return -math.expm1(-math.log(2.0) / half_life)


def ewma_path(values: Floats, gain: float) -> Floats:
    """Plain mean while 1/t exceeds `gain`, then the exponentially weighted average.

    ``E ← E + max(gain, 1/t) (x − E)``, t values having been seen with x.

    Parameters
    ----------
    values : (..., n) array
        Oldest first.
    gain : float
        In (0, 1].

    Notes
    -----
    No start value has to be invented, no value looks ahead, and values times k give averages times k.
    """
    head = values[..., : int(1.0 / gain)]
    mean = np.cumsum(head, axis=-1) / np.arange(1, head.shape[-1] + 1)
    tail = values[..., head.shape[-1] :]
    if not tail.shape[-1]:
        return mean
    average, _ = lfilter([gain], [1.0, gain - 1.0], tail, axis=-1, zi=(1.0 - gain) * mean[..., -1:])
    return np.concatenate([mean, average], axis=-1)


def advance_ewma(average: float, value: float, seen: float, gain: float) -> float:
    """`ewma_path` after one more value, `seen` values having been seen before."""
    return average + max(gain, 1.0 / (seen + 1.0)) * (value - average)


def recent_mean(values: Floats, window: int) -> Floats:
    """Mean of the last `window` values, or of as many as there are.

    Notes
    -----
    Summed anew for every bar, from the newest to the oldest: nothing drifts, whatever came before. Cost: O(n · window).
    """
    total = np.zeros(values.shape)
    for lag in range(min(window, values.shape[-1])):
        total[..., lag:] += values[..., : values.shape[-1] - lag]
    return np.asarray(total / np.minimum(np.arange(1.0, values.shape[-1] + 1.0), window), dtype=float)


def rolling_mean(values: Floats, window: int) -> Floats:
    """`recent_mean`, NaN until there are `window` values."""
    path = recent_mean(values, window)
    path[..., : window - 1] = np.nan
    return path


def rolling_variance(values: Floats, window: int) -> Floats:
    """Variance of the last `window` >= 2 values around their mean, divided by window − 1; NaN until there are as many.

    Notes
    -----
    In two passes: E(x²) − E(x)² would lose all digits of a small variance around a large mean.
    """
    mean, total = rolling_mean(values, window), np.zeros(values.shape)
    for lag in range(min(window, values.shape[-1])):
        difference = values[..., : values.shape[-1] - lag] - mean[..., lag:]
        total[..., lag:] += difference * difference
    return np.asarray(total / (window - 1.0), dtype=float)


def mean_of(values: Sequence[float]) -> float:
    """Plain mean, correctly rounded."""
    return math.fsum(values) / len(values)


def sample_variance(values: Sequence[float]) -> float:
    """Variance around the mean in two passes, divided by n − 1."""
    center = mean_of(values)
    return math.fsum((value - center) ** 2 for value in values) / (len(values) - 1)


def effective_size(gains: Sequence[float], weights: Sequence[float], seen: float) -> float:
    r"""Kish size of a mixture of `ewma_path` averages after `seen` values: how many equally weighted ones know as much.

    ``1 / Σ_j a_j²`` with a_j the weight of the j-th value in ``Σ_k w_k E_k``, Σ w = 1.

    Notes
    -----
    Exact. Two averages overlap by ``q = Σ_j a_kj a_lj``. While one of them is a plain mean q = 1/t, whatever the other
    is; once both decay, ``q − q∞`` shrinks by ``(1 − g_k)(1 − g_l)`` a bar to ``q∞ = g_k g_l / (g_k + g_l − g_k g_l)``.

    Examples
    --------
    >>> [round(effective_size([0.1], [1.0], bars), 6) for bars in (1, 5, 10, 10_000)]
    [1.0, 5.0, 10.0, 19.0]
    """
    gain, weight = np.asarray(gains), np.asarray(weights)
    one, other = gain[:, None], gain[None, :]
    plain = np.floor(1.0 / np.minimum(one, other))
    limit = one * other / (one + other - one * other)
    decayed = limit + (1.0 / plain - limit) * ((1.0 - one) * (1.0 - other)) ** np.maximum(seen - plain, 0.0)
    overlap = np.where(seen <= plain, 1.0 / max(seen, 1.0), decayed)
    return float(1.0 / (weight @ overlap @ weight))
