"""Deterministic closes and bar times."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from services.core.explain import Floats

END = datetime(2026, 11, 20, tzinfo=UTC)
DAY = 86_400


def walk(seed: int, bars: int, *, deviation: float = 0.02) -> Floats:
    """Closes of a random walk."""
    return 100.0 * np.exp(np.cumsum(deviation * np.random.default_rng(seed).standard_normal(bars)))


def times(bars: int, bar_seconds: int = DAY) -> Floats:
    """Close times of bars without gaps, the last one at `END`."""
    return END.timestamp() - bar_seconds * np.arange(bars - 1, -1, -1.0)
