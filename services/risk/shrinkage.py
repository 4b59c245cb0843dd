"""Covariance matrices shrunk toward a simple target, with the intensity estimated from the same data."""

from __future__ import annotations

import numpy as np

from services.core.explain import Floats
from services.risk.matrices import constant_correlation, unit_diagonal


def second_moments(values: Floats) -> Floats:
    """``X'X / n`` of (n, m) values around zero."""
    moments: Floats = values.T @ values / len(values)
    return moments


def ledoit_wolf(values: Floats) -> tuple[Floats, float]:
    r"""Shrink to a multiple of the identity, ``(1 − δ) S + δ μ I`` with ``μ = tr(S)/m``.

    ``δ = min(β, d) / d``, ``d = ‖S − μI‖²/m``, ``β = (1/(m n)) Σ_ij [ (1/n) Σ_t x_ti² x_tj² − s_ij² ]``.

    Parameters
    ----------
    values : (n, m) array
        Around zero: no mean is taken.

    Returns
    -------
    (m, m) array
        Covariance matrix.
    float
        Intensity δ in [0, 1]; 0 where S is a multiple of the identity already.

    References
    ----------
    Ledoit and Wolf (2004), A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices, JMVA 88(2), §3.

    Examples
    --------
    >>> covariance, intensity = ledoit_wolf(np.array([[2.0, 1.0], [-1.0, 0.5], [1.0, 0.0]]))
    >>> covariance.round(4).tolist(), round(intensity, 4)
    ([[1.3207, 0.071], [0.071, 1.096]], 0.8581)
    """
    bars, size = values.shape
    moments = second_moments(values)
    level, squared = np.trace(moments) / size, float(np.sum(moments * moments))
    distance = squared / size - level * level
    noise = (float(np.sum(np.sum(values * values, axis=1) ** 2)) / bars - squared) / (size * bars)
    intensity = _ratio(noise, distance)
    return _toward(moments, level * np.eye(size), intensity), intensity


def oracle_approximating(values: Floats) -> tuple[Floats, float]:
    r"""Shrink to a multiple of the identity by the intensity that is best under normal returns.

    ``δ = (α + μ²) / ((n + 1)(α − μ²/m))`` with α the mean square of the elements of S, ``μ = tr(S)/m``; at most 1.

    Parameters
    ----------
    values : (n, m) array
        Around zero.

    Notes
    -----
    As scikit-learn has it: the terms 2/m of eq. 23 are left out there and here.

    References
    ----------
    Chen, Wiesel, Eldar and Hero (2010), Shrinkage Algorithms for MMSE Covariance Estimation, IEEE TSP 58(10), eq. 23.
    """
    bars, size = values.shape
    moments = second_moments(values)
    level, square = np.trace(moments) / size, float(np.mean(moments * moments))
    intensity = _ratio(square + level * level, (bars + 1) * (square - level * level / size))
    return _toward(moments, level * np.eye(size), intensity), intensity


def constant_correlation_shrinkage(values: Floats) -> tuple[Floats, float]:
    r"""Shrink to the matrix of equal correlations, keeping the variances.

    ``F_ij = r̄ sqrt(s_ii s_jj)`` and ``δ = max(0, min(1, (π − ρ) / (n γ)))`` with ``π = Σ_ij π_ij``,
    ``π_ij = (1/n) Σ_t (x_ti x_tj − s_ij)²``, ``γ = ‖F − S‖²`` and
    ``ρ = Σ_i π_ii + Σ_{i≠j} r̄ sqrt(s_jj/s_ii) ϑ_ij``, ``ϑ_ij = (1/n) Σ_t (x_ti² − s_ii)(x_ti x_tj − s_ij)``.

    Parameters
    ----------
    values : (n, m) array
        Around zero.

    Notes
    -----
    The two halves of ρ in the paper are each other's mirror image: the double sum holds both. With one or two markets
    the target is S itself and the intensity says nothing.

    References
    ----------
    Ledoit and Wolf (2004), Honey, I Shrunk the Sample Covariance Matrix, J. of Portfolio Management 30(4), appendix
    (the intensity of Ledoit and Wolf, 2003, J. of Empirical Finance 10(5)).
    """
    bars, size = values.shape
    moments = second_moments(values)
    variance = np.diag(moments)
    deviation = np.sqrt(variance)
    inverse = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0.0)
    equal = constant_correlation(unit_diagonal(moments))
    target = equal * np.outer(deviation, deviation)
    squares = values * values
    spread = squares.T @ squares / bars - moments * moments
    theta = (squares * values).T @ values / bars - variance[:, None] * moments
    off = (equal * np.outer(inverse, deviation) * theta)[~np.eye(size, dtype=bool)]
    shared = float(np.trace(spread)) + float(off.sum())
    gap = float(np.sum((target - moments) ** 2))
    intensity = _ratio(max(float(spread.sum()) - shared, 0.0) / bars, gap)
    return _toward(moments, target, intensity), intensity


def _ratio(noise: float, distance: float) -> float:
    """noise / distance within [0, 1]; 0 where there is nothing to shrink."""
    if noise <= 0.0 or distance <= 0.0:
        return 0.0 if noise <= 0.0 else 1.0
    return float(min(noise / distance, 1.0))


def _toward(moments: Floats, target: Floats, intensity: float) -> Floats:
    shrunk: Floats = (1.0 - intensity) * moments + intensity * target
    return shrunk
