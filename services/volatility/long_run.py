"""Long-run variance: the anchor of the floor."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from services.core.explain import Floats

HALF_LIFE = 1024.0
GAIN = 1.0 - 2.0 ** (-1.0 / HALF_LIFE)


def expanding_average(values: Floats, gain: float) -> Floats:
    """Plain mean while 1/t exceeds `gain`, then the moving average of that gain: ``E ← E + max(gain, 1/t)(x − E)``.

    Parameters
    ----------
    values : (m, n) array
        Oldest first.

    Returns
    -------
    (m, n) array
        After each value. Scale equivariant; no start value has to be invented.

    Examples
    --------
    >>> expanding_average(np.array([[4.0, 2.0, 1.0]]), 0.5).tolist()
    [[4.0, 3.0, 2.0]]
    """
    # 1/t must exceed the gain strictly, by the same comparison that the recursion makes.
    plain = int(1.0 / gain)
    head = values[..., :plain]
    mean: Floats = np.cumsum(head, axis=-1) / np.arange(1, head.shape[-1] + 1)
    tail = values[..., plain:]
    if not tail.shape[-1]:
        return mean
    average, _ = lfilter([gain], [1.0, gain - 1.0], tail, axis=-1, zi=(1.0 - gain) * mean[..., -1:])
    return np.concatenate([mean, average], axis=-1)


def long_run_path(squares: Floats) -> Floats:
    """Long-run variance after each bar [variance per bar], from squared log returns of one bar each, (m, n)."""
    return expanding_average(squares, GAIN)


def advance_long_run(value: float, square: float, elapsed: int) -> float:
    """Long-run variance after a bar of squared return `square`, the `elapsed`-th."""
    gain: float = max(GAIN, 1.0 / elapsed)
    return value + gain * (square - value)
