"""A minimum of a smooth function of few variables inside a box.

Quasi-Newton with the true curvature to begin with: for six variables that costs six gradients and saves some fifteen
steps. Written out because the general optimisers of scipy spend more on calls, copies and threads than these functions
cost, and half a second on their import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from services.core.explain import Bools, Floats

Slope = Callable[[Floats], tuple[float, Floats]]
"""Value and gradient at a point."""

DIFFERENCE = 1e-4
"""Step of the differences of gradients, in coordinates of size one."""
LONGEST_STEP = 1.0
"""Of any coordinate at once."""
FLATTEST, STEEPEST = 1e-3, 1e3
"""Bounds of the curvature along any direction that is believed at the start."""
HALVINGS = 25
SUFFICIENT = 1e-4
"""Share of the decrease that the slope promises with which a step counts (Armijo)."""


class Minimum(NamedTuple):
    """Where the search ended.

    `slope` is the largest component of the gradient that does not point out of the box.
    """

    point: Floats
    value: float
    slope: float
    steps: int


def minimise(
    function: Slope,
    start: Floats,
    low: Floats,
    high: Floats,
    *,
    tolerance: float,
    most_steps: int,
    on_step: Callable[[int], object] | None = None,
) -> Minimum:
    """Minimum near `start`.

    Parameters
    ----------
    function : callable
        Value and gradient, of size one around the minimum.
    start, low, high : (k,) arrays
        First point, which is moved into the box, and the box.
    tolerance : float
        Slope at which the search ends.
    most_steps : int
        Steps after which it ends in any case.
    on_step : callable, optional
        Told the number of steps so far.

    Notes
    -----
    Coordinates at a face that the gradient presses against stay there for the step; the others move along ``−B⁻¹ g``,
    B being their part of the curvature, and are cut off at the box; where that does not lower the value, along −g. B is
    built from differences of the gradient with its eigenvalues made positive, then kept by BFGS. Each step lowers the
    value; the search also ends where no step does.

    References
    ----------
    Nocedal and Wright (2006), Numerical Optimization, eq. 6.19; Bertsekas (1982), SIAM J. Control Optim. 20, 221–246.

    Examples
    --------
    >>> bowl = lambda x: (float(((x - 2.0) ** 2).sum()), 2.0 * (x - 2.0))
    >>> found = minimise(bowl, np.zeros(2), np.zeros(2), np.array([9.0, 1.5]), tolerance=1e-9, most_steps=50)
    >>> found.point.round(6).tolist()
    [2.0, 1.5]
    """
    point = np.clip(start, low, high)
    value, gradient = function(point)
    curvature = _curvature(function, point, gradient, low, high)
    steps = 0
    while _slope(point, gradient, low, high) > tolerance and steps < most_steps:
        free = ~(((point <= low) & (gradient > 0.0)) | ((point >= high) & (gradient < 0.0)))
        for direction in (_newton(curvature, gradient, free), np.where(free, -gradient, 0.0)):
            found = _search(function, point, value, gradient, _bounded(direction), low, high)
            if found is not None:
                break
        else:
            break
        following, value, slopes = found
        curvature = _updated(curvature, following - point, slopes - gradient)
        point, gradient, steps = following, slopes, steps + 1
        if on_step is not None:
            on_step(steps)
    return Minimum(point, value, _slope(point, gradient, low, high), steps)


def _slope(point: Floats, gradient: Floats, low: Floats, high: Floats) -> float:
    return float(np.abs(point - np.clip(point - gradient, low, high)).max())


def _curvature(function: Slope, point: Floats, gradient: Floats, low: Floats, high: Floats) -> Floats:
    rows = []
    for index in range(point.size):
        moved = point.copy()
        moved[index] += DIFFERENCE if point[index] + DIFFERENCE <= high[index] else -DIFFERENCE
        rows.append((function(moved)[1] - gradient) / (moved[index] - point[index]))
    found = np.array(rows)
    sizes, axes = np.linalg.eigh(0.5 * (found + found.T))
    return np.asarray((axes * np.clip(np.abs(sizes), FLATTEST, STEEPEST)) @ axes.T, dtype=float)


def _newton(curvature: Floats, gradient: Floats, free: Bools) -> Floats:
    step = np.zeros_like(gradient)
    step[free] = -np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
    return step


def _bounded(step: Floats) -> Floats:
    return np.asarray(step * min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-300)), dtype=float)


def _search(
    function: Slope, point: Floats, value: float, gradient: Floats, direction: Floats, low: Floats, high: Floats
) -> tuple[Floats, float, Floats] | None:
    """First of the points at 1, ½, ¼ … of the step that lowers the value enough."""
    size = 1.0
    for _ in range(HALVINGS):
        following = np.clip(point + size * direction, low, high)
        found, slopes = function(following)
        if found <= value + SUFFICIENT * float(gradient @ (following - point)) and found < value:
            return following, found, slopes
        size *= 0.5
    return None


def _updated(curvature: Floats, step: Floats, change: Floats) -> Floats:
    """BFGS update; none where the curvature along the step is not positive."""
    along = float(step @ change)
    if along <= 1e-10 * float(np.sqrt((step @ step) * (change @ change))):
        return curvature
    bent = curvature @ step
    added = np.outer(change, change) / along - np.outer(bent, bent) / float(step @ bent)
    return np.asarray(curvature + added, dtype=float)
