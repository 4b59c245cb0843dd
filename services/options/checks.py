"""Checks of array inputs: the error names the parameter and the first value that breaks the rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats


def finite(name: str, value: ArrayLike) -> Floats:
    """Array of doubles, all finite, or `InvalidInput`."""
    array = np.asarray(value, dtype=np.float64)
    if not np.isfinite(array).all():
        raise InvalidInput(name, "must be finite", first(array, ~np.isfinite(array)))
    return array


def positive(name: str, value: ArrayLike) -> Floats:
    """Array of doubles, all finite and above zero, or `InvalidInput`."""
    array = finite(name, value)
    if np.any(array <= 0.0):
        raise InvalidInput(name, "must be > 0", first(array, array <= 0.0))
    return array


def first(array: Floats, mask: Bools) -> float:
    """First value of `array` where `mask` holds."""
    return float(array[mask][0]) if array.ndim else float(array)
