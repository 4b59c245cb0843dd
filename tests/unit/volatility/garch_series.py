"""Returns that a GJR-GARCH makes, bar by bar: slow, clear, and the truth that fits should find."""

from __future__ import annotations

import math

import numpy as np

from services.core.explain import Floats


def garch_returns(
    seed: int,
    bars: int,
    *,
    daily: float = 0.02,
    alpha: float = 0.04,
    gamma: float = 0.08,
    beta: float = 0.9,
    freedom: float = 6.0,
) -> Floats:
    """Returns with Student-t innovations; `daily` is the long-run standard deviation."""
    rng = np.random.default_rng(seed)
    omega = daily**2 * (1.0 - alpha - gamma / 2.0 - beta)
    variance, values = daily**2, []
    for innovation in rng.standard_t(freedom, bars) * math.sqrt((freedom - 2.0) / freedom):
        value = math.sqrt(variance) * innovation
        values.append(value)
        variance = omega + (alpha + gamma * (value < 0.0)) * value**2 + beta * variance
    return np.array(values)
