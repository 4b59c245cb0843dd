"""Risk budgeting: exposures whose parts in the risk of the book are what was budgeted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dposv, dpotrf

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.risk.matrices import ROUNDING, repair

TOLERANCE = 1e-12
"""Largest |x_i (R x)_i − b_i| of a solution; budgets add up to 1."""
FLOOR = 1e-6
"""Residual below which a full step that does not halve it has met the rounding of floats."""
LARGEST_GROSS = 1e4
"""Σx for one unit of risk beyond which the sides of a book offset one another: all risk but 1/10,000 cancels."""
OFFSETTING_SHARE = 1e-3
"""Part of the largest exposure from which a row belongs to those that offset one another."""
STARTING_SWEEPS, SHRINKING_SWEEPS, NEWTON_STEPS, SEARCH_STEPS, DESCENT_SWEEPS = 8, 4, 100, 20, 500
FULL_STEP = 0.25
"""Relative step up to which Newton's own length is taken without a search."""


class RiskParity(NamedTuple):
    """Solution of a risk budget.

    Parameters
    ----------
    exposures : (n,) array
        x >= 0 [risk: weight times volatility], for one unit of risk of the book; 0 where the budget is 0.
    residual : float
        max |x_i (R x)_i − b_i|.
    iterations : int
        Newton steps, or sweeps of coordinate descent.
    repaired : bool
        Whether the matrix was not positive semidefinite and its eigenvalues were lifted.
    offsetting : (n,) bool array
        Rows whose risks cancel, so that no finite exposure makes up their budgets; none for a proper solution.
    """

    exposures: Floats
    residual: float
    iterations: int
    repaired: bool
    offsetting: Bools

    @property
    def solved(self) -> bool:
        """Whether the exposures make up the budgets."""
        return not self.offsetting.any()


def risk_parity(correlation: Floats, budgets: Floats | None = None, sides: Floats | None = None) -> RiskParity:
    r"""Exposures x with ``x_i (R x)_i = b_i``: each row makes its budgeted part of the risk.

    The minimum of ``½ x'Rx − Σ b_i log x_i``, which is strictly convex: the solution is unique, also where R is
    singular. Newton's method in relative steps d, ``(X R X + diag(b)) d = b − x ∘ Rx``, whose matrix is positive
    definite for every semidefinite R; a step that is not small is cut by a search along it. With sides s the matrix is
    ``s s' ∘ R`` and the signed exposures are s ∘ x.

    Parameters
    ----------
    correlation : (n, n) array
        R. Where it is not positive semidefinite, eigenvalues are lifted and `repaired` says so.
    budgets : (n,) array, optional
        b >= 0, of any sum > 0: parts of the risk; equal by default. A budget of 0 drops its row.
    sides : (n,) array, optional
        ±1; long by default.

    Returns
    -------
    RiskParity
        Weights follow as ``x / σ`` over their sum: see `risk_parity_weights`.

    Raises
    ------
    InvalidInput
        If a budget is negative or not finite, or all are 0.

    Notes
    -----
    No solution exists where sides offset one another exactly (x >= 0, x != 0, s s' ∘ R x = 0), such as a long and
    a short of one market: gross exposure then grows without bound. The search stops at a gross of 1e4 for one
    unit of risk, and `offsetting` names the rows. Up to there the residual is below 1e-12, or for a gross beyond 30 at
    the rounding of floats, below 1e-15 × gross². Perfect correlation on one side is no such case: x = b.

    A budget near 0 is not a budget of 0: a row that hedges the others then holds as much as brings its part of the risk
    down to that.

    Cost: O(n³) a step; two or three steps where all correlations are positive, up to ten where they are not, and more
    only for budgets that lie many orders of magnitude apart.

    References
    ----------
    Maillard, Roncalli and Teïletche (2010), The Properties of Equally Weighted Risk Contribution Portfolios, JPM 36(4).
    Spinu (2013), An Algorithm for Computing Risk Parity Weights: the convex problem and Newton's method. Choi and Chen
    (2022), Improved Iterative Methods for Solving Risk Parity Portfolio, JDSM 18: correlation instead of covariance.

    Examples
    --------
    >>> R = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> found = risk_parity(R)
    >>> (found.exposures * (R @ found.exposures)).round(12).tolist()
    [0.333333333333, 0.333333333333, 0.333333333333]
    >>> risk_parity(np.ones((2, 2)), sides=np.array([1.0, -1.0])).offsetting.tolist()
    [True, True]
    """
    parts = _checked_budgets(budgets, len(correlation))
    kept = parts > 0.0
    matrix = correlation if sides is None else correlation * np.outer(sides, sides)
    matrix = np.ascontiguousarray(matrix if kept.all() else matrix[np.ix_(kept, kept)])
    repaired = False
    if not _is_semidefinite(matrix):
        matrix, repaired = repair(matrix)
    budget = parts[kept]
    exposures, residual, iterations = newton(matrix, budget)
    if residual > FLOOR and exposures.sum() <= LARGEST_GROSS:
        exposures, residual, iterations = coordinate_descent(matrix, budget)
    excess = exposures.sum() > LARGEST_GROSS or residual > FLOOR
    offsetting = np.zeros(parts.shape, dtype=bool)
    offsetting[kept] = excess & (exposures > OFFSETTING_SHARE * exposures.max())
    every = np.zeros(parts.shape)
    every[kept] = exposures
    return RiskParity(every, residual, iterations, repaired, offsetting)


def risk_parity_weights(
    volatility: Floats, correlation: Floats, budgets: Floats | None = None, sides: Floats | None = None
) -> Floats:
    r"""Signed weights of unit gross whose parts in the risk are the budgets, ``w = s ∘ x/σ / Σ(x/σ)``.

    Parameters
    ----------
    volatility : (n,) array
        σ > 0, in any one unit.
    correlation, budgets, sides
        See `risk_parity`.

    Raises
    ------
    InvalidInput
        Also if a volatility is not positive and finite, or the sides offset one another.

    Examples
    --------
    >>> risk_parity_weights(np.array([0.2, 0.4]), np.eye(2), sides=np.array([1.0, -1.0])).round(4).tolist()
    [0.6667, -0.3333]
    """
    if not (np.isfinite(volatility) & (volatility > 0.0)).all():
        raise InvalidInput("volatility", "must be positive and finite", volatility.tolist())
    found = risk_parity(correlation, budgets, sides)
    if not found.solved:
        rows = np.flatnonzero(found.offsetting).tolist()
        raise InvalidInput("sides", "must not offset one another exactly", rows)
    weights = found.exposures / volatility
    signed: Floats = weights / weights.sum() * (1.0 if sides is None else sides)
    return signed


def _checked_budgets(budgets: Floats | None, count: int) -> Floats:
    if budgets is None:
        return np.full(count, 1.0 / count)
    total = float(budgets.sum())
    if not (np.isfinite(total) and (budgets >= 0.0).all() and total > 0.0):
        raise InvalidInput("budgets", "must be >= 0 and finite, and not all 0", budgets.tolist())
    parts: Floats = budgets / total
    return parts


def _is_semidefinite(matrix: Floats) -> bool:
    """Whether a matrix has no eigenvalue below −1e-10: a tenth of the cost of finding them."""
    lifted = matrix.copy()
    lifted.flat[:: len(matrix) + 1] += ROUNDING
    return bool(dpotrf(lifted.T, lower=1, overwrite_a=1)[1] == 0)


def newton(matrix: Floats, budgets: Floats) -> tuple[Floats, float, int]:
    """Damped Newton: exposures, residual, steps. It stops early where gross exposure runs away."""
    x, y = _starting_point(matrix, budgets)
    after_full_step = np.inf
    for step in range(NEWTON_STEPS):
        short = budgets - x * y
        residual = float(np.abs(short).max())
        stalled = residual < FLOOR and residual > 0.5 * after_full_step
        if residual < TOLERANCE or stalled or x.sum() > LARGEST_GROSS:
            return x, residual, step
        scaled = matrix * x
        scaled *= x[:, None]
        scaled.flat[:: x.size + 1] += budgets
        _, direction, failed = dposv(scaled.T, short, lower=1, overwrite_a=1)
        if failed:
            return x, residual, step
        full = float(np.abs(direction).max()) <= FULL_STEP
        after_full_step = residual if full else np.inf
        x = x * (1.0 + (1.0 if full else _step_length(direction, budgets, x, y, matrix)) * direction)
        y = matrix @ x
    return x, float(np.abs(budgets - x * y).max()), NEWTON_STEPS


def _starting_point(matrix: Floats, budgets: Floats) -> tuple[Floats, Floats]:
    """``x ∝ sqrt(b)`` of unit risk, and from there by cheap sweeps: x, Rx.

    ``x ← sqrt(x b / Rx)`` as long as every row has a positive marginal risk. Where that is not so from the start, a few
    sweeps half-way (in logarithms) to each row's own equation, but only down: rows of small budgets start too large,
    and Newton, which cannot go below zero, would halve them again and again.
    """
    x = np.sqrt(budgets)
    x /= np.sqrt(max(float(x @ matrix @ x), 1.0 / x.size))
    y = matrix @ x
    if y.min() <= 0.0:
        for _ in range(SHRINKING_SWEEPS):
            others = y - x
            x = np.sqrt(x * np.minimum(x, 0.5 * (np.sqrt(others**2 + 4.0 * budgets) - others)))
            y = matrix @ x
        return x, y
    for _ in range(STARTING_SWEEPS):
        x = np.sqrt(x * budgets / y)
        y = matrix @ x
        if y.min() <= 0.0:
            break
    return x, y


def _step_length(direction: Floats, budgets: Floats, x: Floats, y: Floats, matrix: Floats) -> float:
    """Length of a Newton step that comes near the minimum along it, found by safeguarded Newton."""
    move = x * direction
    slope, curve = float(move @ y), float(move @ matrix @ move)
    lowest = float(direction.min())
    low, high = 0.0, np.inf if lowest >= 0.0 else -1.0 / lowest
    length = min(1.0, 0.9 * high)
    enough = 0.1 * abs(slope - float(budgets @ direction))
    for _ in range(SEARCH_STEPS):
        ratio = direction / (1.0 + length * direction)
        gradient = slope + length * curve - float(budgets @ ratio)
        if abs(gradient) <= enough:
            break
        low, high = (length, high) if gradient < 0.0 else (low, length)
        length -= gradient / (curve + float(budgets @ (ratio * ratio)))
        if not low < length < high:
            length = 0.5 * (low + high) if np.isfinite(high) else 2.0 * low
    return length


def coordinate_descent(matrix: Floats, budgets: Floats) -> tuple[Floats, float, int]:
    """Cyclical coordinate descent: exposures, residual, sweeps; needs no factorisation.

    Each row in turn solves its own equation, ``x_i = (−a + sqrt(a² + 4 b_i)) / 2`` with a the risk of the others along
    it, and each sweep ends by scaling the whole to unit risk.

    References
    ----------
    Griveau-Billion, Richard and Roncalli (2013), A Fast Algorithm for Computing High-Dimensional Risk Parity
    Portfolios. Choi and Chen (2022), eq. 13 and the rescaling of each sweep.
    """
    x = np.sqrt(budgets)
    residual = np.inf
    for sweep in range(1, DESCENT_SWEEPS + 1):
        for row in range(x.size):
            others = float(matrix[row] @ x) - x[row] * matrix[row, row]
            x[row] = 0.5 * (np.sqrt(others**2 + 4.0 * matrix[row, row] * budgets[row]) - others) / matrix[row, row]
        x /= np.sqrt(max(float(x @ matrix @ x), LARGEST_GROSS**-2))
        residual = float(np.abs(budgets - x * (matrix @ x)).max())
        if residual < TOLERANCE or x.sum() > LARGEST_GROSS:
            return x, residual, sweep
    return x, residual, DESCENT_SWEEPS
