"""Long-run variance: the anchor of the floor."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from services.core.explain import Floats

HALF_LIFE = 1024.0
GAIN = 1.0 - 2.0 ** (-1.0 / HALF_LIFE)
_EXPANDING_BARS = int(1.0 / GAIN)
"""Bars over which 1/t, the gain of the plain mean, is above that of the moving average."""


def long_run_path(squares: Floats) -> Floats:
    """Plain mean of squared returns while 1/t exceeds the gain of half-life 1024, then that moving average.

    Parameters
    ----------
    squares : (m, n) array
        Squared log returns of one bar each.

    Returns
    -------
    (m, n) array
        [variance per bar] after each bar.

    Notes
    -----
    ``L ← L + max(1 − λ, 1/t) (r² − L)``. Scale equivariant; no start value has to be invented.
    """
    head = squares[..., :_EXPANDING_BARS]
    mean = np.cumsum(head, axis=-1) / np.arange(1, head.shape[-1] + 1)
    tail = squares[..., _EXPANDING_BARS:]
    if not tail.shape[-1]:
        return mean
    average, _ = lfilter([GAIN], [1.0, GAIN - 1.0], tail, axis=-1, zi=(1.0 - GAIN) * mean[..., -1:])
    return np.concatenate([mean, average], axis=-1)


def advance_long_run(value: float, square: float, bars: int, elapsed: int) -> float:
    """Long-run variance after `bars` bars of squared return `square` each, `elapsed` bars having been seen before."""
    for seen in range(elapsed + 1, elapsed + bars + 1):
        value += max(GAIN, 1.0 / seen) * (square - value)
    return value
