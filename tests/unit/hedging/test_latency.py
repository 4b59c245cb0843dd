"""Latency: the drift of a delta and the buffers, against simulated prices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.hedging.latency import SECONDS_PER_YEAR, LatencyBuffer, delta_drift

GAMMA, PRICE, VOLATILITY = -2e-5, 100_000.0, 0.6
PATHS = 400_000


def moves(seconds: float, seed: int) -> np.ndarray:
    """Changes of a geometric Brownian price over a latency."""
    scale = VOLATILITY * math.sqrt(seconds / SECONDS_PER_YEAR)
    draws = np.random.default_rng(seed).standard_normal(PATHS)
    return np.asarray(PRICE * np.expm1(scale * draws - 0.5 * scale**2))


@pytest.mark.parametrize("seconds", [0.5, 60.0, 3600.0])
def test_drift_and_buffer_are_those_of_simulated_prices(seconds: float) -> None:
    drift = delta_drift(GAMMA, PRICE, VOLATILITY, seconds)
    delta = GAMMA * moves(seconds, 1)
    assert drift == pytest.approx(float(delta.std()), rel=0.01)
    cost = LatencyBuffer().of(GAMMA, PRICE, VOLATILITY, seconds)
    assert float(np.mean(delta > cost.delta)) == pytest.approx(0.0099, abs=0.002)


@pytest.mark.parametrize("seconds", [2.0, 3600.0])
def test_the_margin_buffer_holds_the_loss_of_one_latency_and_of_two(seconds: float) -> None:
    cost = LatencyBuffer().of(GAMMA, PRICE, VOLATILITY, seconds)
    one, two = moves(seconds, 2), moves(seconds, 3)
    within = 0.5 * abs(GAMMA) * one**2
    # of one latency it is a move of z √2 to either side: 2 (1 − Φ(3.295))
    assert float(np.mean(within > cost.quote)) == pytest.approx(0.00098, abs=0.0003)
    late = -GAMMA * one * two
    assert float(np.mean(late > cost.quote)) < 0.01


def test_limits() -> None:
    assert LatencyBuffer().of(GAMMA, PRICE, VOLATILITY, 0.0) == (0.0, 0.0, 0.0)
    assert LatencyBuffer().of(GAMMA, PRICE, 0.0, 9.0) == (0.0, 0.0, 0.0)
    assert LatencyBuffer().of(0.0, PRICE, VOLATILITY, 9.0) == (0.0, 0.0, 0.0)
    assert LatencyBuffer().of(-GAMMA, PRICE, VOLATILITY, 9.0) == LatencyBuffer().of(GAMMA, PRICE, VOLATILITY, 9.0)


def test_mistakes_are_named() -> None:
    with pytest.raises(InvalidInput, match="gamma"):
        delta_drift(math.inf, PRICE, VOLATILITY, 1.0)
    with pytest.raises(InvalidInput, match="latency_seconds"):
        delta_drift(GAMMA, PRICE, VOLATILITY, -1.0)
    with pytest.raises(InvalidInput, match="confidence_factor"):
        LatencyBuffer(confidence_factor=0.0)
