"""A size for a horizon that is longer than the one its volatility is for."""

from __future__ import annotations

import numpy as np

from services.core.explain import Floats


def widened_multiplier(delay: Floats, horizon: Floats | float) -> Floats:
    """``σ / σ_eff = 1 / sqrt(1 + delay / horizon)``: the size that has over both what the whole has over the horizon.

    Parameters
    ----------
    delay : (n,) array
        >= 0 [s]; NaN stays NaN.
    horizon : (n,) array or float
        > 0 [s].

    Examples
    --------
    >>> widened_multiplier(np.array([0.0, 300.0]), 100.0).tolist()
    [1.0, 0.5]
    """
    return np.asarray(1.0 / np.sqrt(1.0 + delay / horizon))
