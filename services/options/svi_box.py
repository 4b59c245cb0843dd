r"""Raw SVI in parameters whose every bound is a bound of one number.

x = (v, L, R, m, σ): least variance and the slopes of the left and the right wing in place of a, b, ρ. With y = k − m,
``w = v − σ√(LR) + (R − L)/2 y + (L + R)/2 √(y² + σ²)``: variance is positive if v > 0, and Lee's bound is L, R <= 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.core.explain import Floats
from services.options.svi import Shape


class BoxSlopes(NamedTuple):
    """Derivatives of w, w' and w'' by the five parameters, (s, n, 5) each."""

    variance: Floats
    slope: Floats
    curvature: Floats


def raw_of(box: Floats) -> Floats:
    """(v, L, R, m, σ) to (a, b, ρ, m, σ)."""
    v, left, right, m, sigma = np.moveaxis(box, -1, 0)
    columns = (v - sigma * np.sqrt(left * right), (left + right) / 2.0, (right - left) / (left + right), m, sigma)
    return np.stack(columns, axis=-1)


def box_of(raw: Floats) -> Floats:
    """(a, b, ρ, m, σ) to (v, L, R, m, σ)."""
    a, b, rho, m, sigma = np.moveaxis(raw, -1, 0)
    columns = (a + b * sigma * np.sqrt(1.0 - rho * rho), b * (1.0 - rho), b * (1.0 + rho), m, sigma)
    return np.stack(columns, axis=-1)


def hyperbola(box: Floats, k: Floats) -> Shape:
    """w, w' and w'' of s smiles (s, 5) at k, (n,) for all or (s, n) for each."""
    v, left, right, m, sigma = (box[:, place, None] for place in range(5))
    y, tilt, level = k - m, (right - left) / 2.0, (left + right) / 2.0
    radius = np.sqrt(y * y + sigma * sigma)
    variance = v - sigma * np.sqrt(left * right) + tilt * y + level * radius
    return Shape(variance, tilt + level * y / radius, level * sigma * sigma / radius**3)


def slopes_of(box: Floats, k: Floats) -> BoxSlopes:
    """Derivatives of `hyperbola` by v, L, R, m, σ, in this order."""
    _, left, right, m, sigma = (box[:, place, None] for place in range(5))
    y, tilt, level, root = k - m, (right - left) / 2.0, (left + right) / 2.0, np.sqrt(left * right)
    square = y * y + sigma * sigma
    radius = np.sqrt(square)
    z, bend = y / radius, sigma * sigma / (square * radius)
    none, one = np.zeros_like(y), np.ones_like(y)
    half_left, half_right = sigma * root / (2.0 * left), sigma * root / (2.0 * right)
    variance = (
        one, (radius - y) / 2.0 - half_left, (radius + y) / 2.0 - half_right, -tilt - level * z,
        level * sigma / radius - root,
    )  # fmt: skip
    slope = (none, (z - 1.0) / 2.0, (z + 1.0) / 2.0, -level * bend, -level * y * sigma / (square * radius))
    curvature = (
        none, bend / 2.0, bend / 2.0, 3.0 * level * bend * y / square,
        level * (2.0 * sigma / (square * radius) - 3.0 * sigma * bend / square),
    )  # fmt: skip
    return BoxSlopes(*(np.stack(columns, axis=-1) for columns in (variance, slope, curvature)))


def density_slopes(found: Shape, slopes: BoxSlopes, k: Floats) -> Floats:
    """Derivatives of g, see `svi.durrleman`, by the five parameters."""
    w, first, _ = found
    bend = 1.0 - k * first / (2.0 * w)
    by_variance = bend * k * first / w**2 + first**2 / (4.0 * w**2)
    by_slope = -bend * k / w - first / 2.0 * (1.0 / w + 0.25)
    mixed = by_variance[..., None] * slopes.variance + by_slope[..., None] * slopes.slope + 0.5 * slopes.curvature
    return np.asarray(mixed, dtype=float)
