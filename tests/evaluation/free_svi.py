"""The usual way to fit SVI, to measure against: each expiry alone, by SciPy's least squares from two starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import least_squares

from services.core.explain import Floats
from services.options.smiles import Smile, Smiles, smiles_of
from services.options.svi import total_variance


class FreeSvi:
    """Raw SVI of each expiry within Lee's bound and no other; two starts, analytic Jacobian."""

    method = "free"

    def fit(self, smiles: Sequence[Smile], initial: Floats | None = None) -> Floats:
        """Raw parameters (s, 5)."""
        points = smiles_of(smiles)
        return np.array([_alone(points, row) for row in range(len(smiles))])

    def family(self, strikes: int) -> str:
        """As the service names it."""
        return "svi"


def _alone(points: Smiles, row: int) -> Floats:
    real = points.weight[row] > 0.0
    k, variance, weight = (part[row][real] for part in (points.log_moneyness, points.variance, points.weight))
    span, most = float(np.ptp(k)) + 1e-3, float(variance.max())
    lower = [-most, 1e-8, -0.999, k.min() - span, 1e-4]
    upper = [most, 2.0, 0.999, k.max() + span, 2.0]

    def residual(raw: Floats) -> Floats:
        return (total_variance(raw, k) - variance) * weight

    def jacobian(raw: Floats) -> Floats:
        _, b, rho, m, sigma = raw
        y = k - m
        radius = np.sqrt(y * y + sigma * sigma)
        columns = (np.ones_like(y), rho * y + radius, b * y, -b * (rho + y / radius), b * sigma / radius)
        return np.stack(columns, axis=-1) * weight[:, None]

    starts = [[0.5 * variance.min(), 0.1, rho, 0.0, 0.1] for rho in (-0.3, 0.3)]
    found = [
        least_squares(residual, np.clip(start, lower, upper), jac=jacobian, bounds=(lower, upper), x_scale="jac")
        for start in starts
    ]
    best = min(found, key=lambda result: float(result.cost)).x
    # Lee's bound is no box in these parameters.
    best[1] = min(best[1], 2.0 / (1.0 + abs(best[2])))
    return np.asarray(best, dtype=float)
