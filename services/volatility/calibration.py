r"""Second-moment calibration: make the standardised returns have variance one.

``k² = (Σ λ^(t−i) min(z_i², 200) + 60) / (Σ λ^(t−i) + 60)``, z_i = r_i / σ_{i|i−1}, half-life 126 z's; k is clipped to
[0.7, 1.6], and never below 1 before 126 z's were seen. A z enters once its forecast rests on 20 bars. The 60 are
pseudo-observations of z² = 1, so that k starts at 1 and moves as evidence comes in; the cap of 200 (14 σ) protects
against one broken bar without cutting real tails.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import lfilter

from services.core.explain import Floats

HALF_LIFE = 126.0
DECAY = float(2.0 ** (-1.0 / HALF_LIFE))
PSEUDO_OBSERVATIONS = 60.0
SQUARE_CAP = 200.0
SMALLEST, LARGEST = 0.7, 1.6
TRUSTED_AFTER = 126
WARM_UP_RETURNS = 19
"""Returns behind the first forecast whose error is counted: 20 bars."""

_Z_CAP = math.sqrt(SQUARE_CAP)


def calibration_path(standardized: Floats) -> Floats:
    """Calibration factor k after each bar.

    Parameters
    ----------
    standardized : (m, n) array
        z of each return, oldest first; NaN where undefined, which counts as a neutral z² = 1.

    Returns
    -------
    (m, n) array
        k in [0.7, 1.6]; 1 during the warm-up.
    """
    factor: Floats = np.ones(standardized.shape)
    counted = standardized[..., WARM_UP_RETURNS:]
    count = counted.shape[-1]
    if count:
        size = np.minimum(np.abs(np.where(np.isnan(counted), 1.0, counted)), _Z_CAP)
        total = lfilter([1.0], [1.0, -DECAY], size * size, axis=-1)
        number = np.arange(1, count + 1)
        weight = -np.expm1(number * math.log(DECAY)) / (1.0 - DECAY)
        ratio = np.sqrt((total + PSEUDO_OBSERVATIONS) / (weight + PSEUDO_OBSERVATIONS))
        factor[..., WARM_UP_RETURNS:] = np.clip(ratio, np.where(number < TRUSTED_AFTER, 1.0, SMALLEST), LARGEST)
    return factor


def advance_calibration(total: float, z: float) -> float:
    """Weighted sum of squares after one more counted z."""
    size = 1.0 if math.isnan(z) else min(abs(z), _Z_CAP)
    return DECAY * total + size * size


def calibration_factor(total: float, count: int) -> float:
    """Calibration factor k from the weighted sum of `count` squares.

    Examples
    --------
    >>> calibration_factor(0.0, 0), calibration_factor(50.0, 100)
    (1.0, 1.0)
    """
    weight = -math.expm1(count * math.log(DECAY)) / (1.0 - DECAY)
    ratio = math.sqrt((total + PSEUDO_OBSERVATIONS) / (weight + PSEUDO_OBSERVATIONS))
    return min(max(ratio, 1.0 if count < TRUSTED_AFTER else SMALLEST), LARGEST)
