"""Attenuation by volatility: the multiplier path of a volatility path."""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np
from scipy.signal import lfilter

from services.core.explain import Floats

MIN_PATH = 100
"""Bars below which a rank among one's own past says little."""


def attenuation_multiplier(quantile: Floats) -> Floats:
    """``2 − 1.5 Q``; 1 where Q is NaN.

    Examples
    --------
    >>> attenuation_multiplier(np.array([0.0, 1.0, np.nan])).tolist()
    [2.0, 0.5, 1.0]
    """
    return np.where(np.isnan(quantile), 1.0, 2.0 - 1.5 * quantile)


def expanding_quantile(values: Floats) -> Floats:
    """Share of the past below each value: (values before it that are smaller) / (values up to and with it).

    NaN where the value is NaN; such values take no place. Cost O(n log n) comparisons.

    Examples
    --------
    >>> expanding_quantile(np.array([2.0, 3.0, 1.0, np.nan, 4.0])).tolist()
    [0.0, 0.5, 0.0, nan, 0.75]
    """
    seen: list[float] = []
    found = np.full(values.shape, np.nan)
    for index in np.flatnonzero(~np.isnan(values)).tolist():
        value = float(values[index])
        found[index] = bisect_left(seen, value) / (len(seen) + 1)
        insort(seen, value)
    return found


def exponential_mean(values: Floats, span: float) -> Floats:
    """Mean with weights ``(1 − 2/(span + 1))^age``, normalised, after each value.

    Examples
    --------
    >>> exponential_mean(np.array([1.0, 4.0]), 3.0).tolist()
    [1.0, 3.0]
    """
    decay = 1.0 - 2.0 / (span + 1.0)
    sums = lfilter([1.0], [1.0, -decay], np.vstack([values, np.ones(values.size)]), axis=1)
    return np.asarray(sums[0] / sums[1])


def attenuation_path(volatility: Floats, span: float) -> Floats:
    """Multiplier after each bar, uncapped, in [0.5, 2].

    Parameters
    ----------
    volatility : (n,) array
        After each bar, no more than ten years, so that the mean up to each bar is that of at most ten years.
    span : float
        Of the moving average [bars].
    """
    mean = np.cumsum(volatility) / np.arange(1, volatility.size + 1)
    return exponential_mean(attenuation_multiplier(expanding_quantile(volatility / mean)), span)
