"""Many small bounded least-squares problems at once: Levenberg-Marquardt with projection, over a leading axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from services.core.explain import Floats

Evaluate = Callable[[Floats], tuple[Floats, Floats]]
"""Parameters (s, n) to residuals (s, m) and their Jacobian (s, m, n)."""
_LEAST_DAMPING, _MOST_DAMPING = 1e-12, 1e12


class Minimum(NamedTuple):
    """Parameters (s, n), half the sums of squares (s,), and rounds of evaluation."""

    parameters: Floats
    cost: Floats
    rounds: int


def minimise(
    evaluate: Evaluate, start: Floats, lower: Floats, upper: Floats, *, rounds: int = 60, tolerance: float = 1e-8
) -> Minimum:
    r"""Minimise ``½ Σ r_i(x)²`` within a box, for s problems side by side.

    A step solves ``(JᵀJ + μ diag(JᵀJ)) δ = −Jᵀr`` over the parameters that are not held by a bound, and is cut to the
    box; μ falls by 10 after a success and rises by 4 after a failure.

    Parameters
    ----------
    evaluate : callable
        From (s, n) to residuals (s, m) and Jacobian (s, m, n).
    start, lower, upper : (s, n) arrays
        Start is cut to the box.
    rounds : int
        Most evaluations.
    tolerance : float
        A problem is done once a step lowers its cost by less than this part of it, or is that short in every parameter.

    Returns
    -------
    Minimum

    Notes
    -----
    Scaling by the diagonal makes the path invariant to the units of each parameter. Finds a local minimum. A loop over
    problems, or a general optimiser, would spend its time between the arrays: here one round costs about the same for
    one expiry and for twenty.

    References
    ----------
    Marquardt (1963), SIAM Journal 11; Kanzow, Yamashita & Fukushima (2004), Journal of Computational and Applied
    Mathematics 172 (projected version).

    Examples
    --------
    >>> def line(x):
    ...     return x - np.array([[3.0, -1.0]]), np.eye(2)[None]
    >>> minimise(line, np.zeros((1, 2)), np.full((1, 2), -5.0), np.full((1, 2), 2.0)).parameters.round(6).tolist()
    [[2.0, -1.0]]
    """
    x = np.clip(start, lower, upper)
    residual, jacobian = evaluate(x)
    cost = 0.5 * np.einsum("sm,sm->s", residual, residual)
    damping, done = np.full(cost.shape, 1e-3), np.zeros(cost.shape, dtype=bool)
    used = 1
    while used < rounds and not done.all():
        step = _step(x, residual, jacobian, damping, lower, upper)
        tried = np.clip(x + step, lower, upper)
        new_residual, new_jacobian = evaluate(tried)
        new_cost = 0.5 * np.einsum("sm,sm->s", new_residual, new_residual)
        better = (new_cost < cost) & ~done
        small = np.all(np.abs(tried - x) <= tolerance * (np.abs(x) + tolerance), axis=1)
        done |= small | (better & (cost - new_cost <= tolerance * cost))
        x, cost = np.where(better[:, None], tried, x), np.where(better, new_cost, cost)
        residual = np.where(better[:, None], new_residual, residual)
        jacobian = np.where(better[:, None, None], new_jacobian, jacobian)
        damping = np.clip(np.where(better, damping / 10.0, damping * 4.0), _LEAST_DAMPING, _MOST_DAMPING)
        done |= damping >= _MOST_DAMPING
        used += 1
    return Minimum(x, cost, used)


def _step(x: Floats, residual: Floats, jacobian: Floats, damping: Floats, lower: Floats, upper: Floats) -> Floats:
    transposed = jacobian.transpose(0, 2, 1)
    gradient = (transposed @ residual[..., None])[..., 0]
    normal = transposed @ jacobian
    held = ((x <= lower) & (gradient > 0.0)) | ((x >= upper) & (gradient < 0.0))
    gradient = np.where(held, 0.0, gradient)
    normal = np.where(held[:, :, None] | held[:, None, :], 0.0, normal)
    places = np.arange(x.shape[1])
    diagonal = normal[:, places, places]
    # A parameter that moves nothing, or is held, gets a step of zero instead of a singular matrix.
    normal[:, places, places] = np.where(diagonal > 0.0, diagonal * (1.0 + damping[:, None]), 1.0)
    return np.asarray(np.linalg.solve(normal, -gradient[..., None])[..., 0], dtype=float)
