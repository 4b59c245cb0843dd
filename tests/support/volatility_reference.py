"""The forecast written down as sums over the history, one bar at a time: slow, and free of recursions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


def ewma_variance(returns: Sequence[float], half_life: float) -> float:
    """Σ w r² / Σ w, w halving every `half_life` bars."""
    weights = [2.0 ** (-age / half_life) for age in reversed(range(len(returns)))]
    return sum(w * r * r for w, r in zip(weights, returns, strict=True)) / sum(weights)


def long_run_variance(returns: Sequence[float], half_life: float = 1024.0) -> float:
    """Mean of r² while 1/t is above the gain of the half-life, then the moving average that starts from it."""
    gain, value = 1.0 - 2.0 ** (-1.0 / half_life), 0.0
    for count, r in enumerate(returns, start=1):
        value += max(gain, 1.0 / count) * (r * r - value)
    return value


def calibration(returns: Sequence[float], half_life: float, *, warm_up: int = 19) -> float:
    """k after the whole history, from z's of simple returns over forecasts that are sums of their own."""
    gain, correction, k = (1.0 - 2.0 ** (-1.0 / 80.0)) / 2.0, 0.0, 1.0
    for place in range(warm_up, len(returns)):
        square = math.expm1(returns[place]) ** 2 / ewma_variance(returns[:place], half_life)
        correction = min(max(correction + gain * (min(square / k**2, 200.0) - 1.0), -0.3), 1.0)
        k = min(max(1.0 + correction, 1.0 if place - warm_up + 1 < 126 else 0.7), 1.6)
    return k


def log_returns(closes: Sequence[float]) -> list[float]:
    """ln(C_t / C_{t−1})."""
    return [math.log(after / before) for before, after in pairwise(closes)]
