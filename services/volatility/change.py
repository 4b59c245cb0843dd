r"""Change of the level of risk: the forecast has been wrong in one direction for too long.

Two sums of ``x = min(z², 9) − 1``, z being the return over the forecast made before it (Page's CUSUM):
``up ← max(0, up + x − 0.5)`` and ``down ← max(0, down − x − 0.5)``. Above 16 resp. 8 the alarm is raised and the sum
begins again at zero. A label for policies; no forecast uses it.

Notes
-----
The cap of 9 keeps one jump from being an alarm: at least three bars beyond 3 σ are needed (jumps have their own label).
It also leaves fat-tailed z's with a mean of x below zero, −0.14 for a t with four degrees of freedom and −0.27 with
three, which the allowance of 0.5 has to bear.

Measured by simulation, right forecasts: bars from one false alarm to the next; then bars until a wrong one is found.

| z                    | false, up | false, down | σ is twice the forecast | σ is half of it |
|----------------------|-----------|-------------|-------------------------|-----------------|
| normal               | 2,900     | > 100,000   | 11                      | 32              |
| t, 4 degrees         | 1,400     | 2,050       | 17                      | 30              |
| t, 3 degrees         | 2,300     | 350         | 25                      | 27              |

On hourly Bitcoin (Bitstamp 2018–22, Binance perpetual 2020–23; z of the adaptive forecast of closes) it is raised 11
and 12 times a year upward, 26 and 28 downward. The next 24 hours have more than twice the long-run variance after 45
and 36 % of the alarms up, 5 and 2 % of those down, against 11 % of all hours. It was up 21 hours before the largest
hour of 12 March 2020 and 12 before that of 8 November 2022; on 19 May 2021 it was silent: the forecast had followed.

References
----------
Page (1954), Biometrika 41, 100–115.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.core.explain import Floats
from services.volatility.estimators.interface import Memory
from services.volatility.gaps import hold, newest

SQUARE_CAP = 9.0
ALLOWANCE = 0.5
UP_THRESHOLD, DOWN_THRESHOLD = 16.0, 8.0
START: Memory = (0.0, 0.0, 0.0, math.inf)
"""Sum up, sum down, direction of the last alarm (1, −1; 0: none), bars since it."""

Direction = Literal["up", "down", "none"]


@dataclass(frozen=True, slots=True)
class Change:
    """The last alarm of a market, and how near the next one is.

    Parameters
    ----------
    direction : str
        ``up``: returns were larger than forecast for long; ``down``: smaller; ``none``: no alarm yet.
    bars_since : float
        0: the newest bar raised it; inf: none was raised.
    up, down : float
        The sums over their thresholds, 0 to 1.
    """

    direction: Direction
    bars_since: float
    up: float
    down: float


def advance(memory: Memory, z: float) -> Memory:
    """Memory after one more standardised return ``z = r / σ``; NaN tells nothing.

    Examples
    --------
    >>> memory = START
    >>> for z in (3.0, -3.0, 4.0):
    ...     memory = advance(memory, z)
    >>> memory
    (0.0, 0.0, 1.0, 0.0)
    """
    if z != z:
        return memory
    up, down, direction, since = memory
    excess = min(z * z, SQUARE_CAP) - 1.0
    up, down, since = max(0.0, up + (excess - ALLOWANCE)), max(0.0, down + (-excess - ALLOWANCE)), since + 1.0
    if up > UP_THRESHOLD:
        return (0.0, down, 1.0, 0.0)
    if down > DOWN_THRESHOLD:
        return (up, 0.0, -1.0, 0.0)
    return (up, down, direction, since)


def read(memory: Memory) -> Change:
    """Last alarm of a memory, and how near the next one is."""
    up, down, direction, since = memory
    name: Direction = "up" if direction > 0.0 else "down" if direction < 0.0 else "none"
    return Change(name, since, up / UP_THRESHOLD, down / DOWN_THRESHOLD)


def path(standardized: Floats) -> Floats:
    """Memories after each bar, (m, n, 4), from z's (m, n): `advance` over whole panels."""
    return hold(standardized, _run, START)


def last(standardized: Floats) -> Floats:
    """Memories after the last bar, (m, 4)."""
    return path(standardized)[:, -1]


def _run(standardized: Floats) -> Floats:
    excess = np.minimum(standardized * standardized, SQUARE_CAP) - 1.0
    steps = np.stack([excess - ALLOWANCE, -excess - ALLOWANCE]).transpose(2, 0, 1).copy()
    thresholds = np.array([[UP_THRESHOLD], [DOWN_THRESHOLD]])
    sums, alarms = np.zeros(steps.shape[1:]), np.empty(steps.shape, dtype=bool)
    for bar, step in enumerate(steps):
        sums = np.maximum(sums + step, 0.0)
        np.greater(sums, thresholds, out=alarms[bar])
        sums[alarms[bar]] = 0.0
        steps[bar] = sums
    up, down = alarms.transpose(1, 2, 0)
    position, since = newest(up | down)
    direction = np.take_along_axis(up.astype(float) - down, position, axis=-1)
    return np.stack([*steps.transpose(1, 2, 0), direction, since])
