"""Correlation matrices from standardised returns with holes: products of pairs, shrinkage, repair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.core.explain import Floats
from services.volatility.bars import Integers

LEAST_EIGENVALUE = 1e-8
"""To which `repair` lifts smaller ones."""
ROUNDING = 1e-10
"""Negative eigenvalues up to this size are rounding: they are left alone."""

Weights = Callable[[int], Floats]
"""Weights of a number of bars, oldest first; only their ratios matter."""


def weighted_correlation(values: Floats, weights: Floats) -> Floats:
    """``Z' diag(w) Z`` with unit diagonal; a market that never moves has no correlation with others.

    Parameters
    ----------
    values : (t, m) array
        Without NaN.
    weights : (t,) array
        Positive.

    Examples
    --------
    >>> weighted_correlation(np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([1.0, 3.0])).tolist()
    [[1.0, -0.5], [-0.5, 1.0]]
    """
    return unit_diagonal((values * weights[:, None]).T @ values)


def unit_diagonal(moments: Floats) -> Floats:
    """Correlation matrix of a matrix of second moments; rows without variance have no correlation with others."""
    deviation = np.sqrt(np.diag(moments))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0.0)
    correlation = np.clip(moments * scale * scale[:, None], -1.0, 1.0)
    correlation = 0.5 * (correlation + correlation.T)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def pairwise_correlation(values: Floats, weigh: Weights) -> Floats:
    r"""Correlation of each pair over the bars that both have, ``Σ w z_i z_j / sqrt(Σ w z_i² Σ w z_j²)``.

    Parameters
    ----------
    values : (t, m) array
        Oldest first; NaN where a market has no value.
    weigh : Weights
        Called with the number of bars since both markets of a pair have begun. A bar that one of them lacks is in none
        of the three sums: it is not filled with zeros, which would bias toward no correlation.

    Returns
    -------
    (m, m) array
        Symmetric, unit diagonal, within ±1 (Cauchy–Schwarz, pair by pair). With holes it need not be positive
        semidefinite: see `repair`. A pair without common bars has 0.

    Notes
    -----
    Cost: O(t m²); one product for each moment at which a market begins.

    Examples
    --------
    >>> nan = np.nan
    >>> values = np.array([[1.0, nan], [1.0, 2.0], [-1.0, -2.0], [1.0, 3.0]])
    >>> pairwise_correlation(values, np.ones).round(4).tolist()
    [[1.0, 0.9802], [0.9802, 1.0]]
    """
    there = ~np.isnan(values)
    if there.all():
        return weighted_correlation(values, weigh(len(values)))
    begun, known = there.argmax(axis=0), there.astype(float)
    filled = np.where(there, values, 0.0)
    squares, matrix = filled * filled, np.eye(values.shape[1])
    for start in np.unique(begun):
        weights = weigh(len(values) - int(start))[:, None]
        young, old, since = begun == start, begun <= start, np.s_[start:]
        product = (filled[since, young] * weights).T @ filled[since, old]
        sizes = (squares[since, young] * weights).T @ known[since, old]
        sizes *= (known[since, young] * weights).T @ squares[since, old]
        matrix[np.ix_(young, old)] = block = within_one(product, sizes)
        matrix[np.ix_(old, young)] = block.T
    matrix = 0.5 * (matrix + matrix.T)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def within_one(product: Floats, squares: Floats) -> Floats:
    """``product / sqrt(squares)``, 0 where there is nothing."""
    size = np.sqrt(squares)
    inside: Floats = np.divide(product, size, out=np.zeros_like(product), where=size > 0.0)
    np.minimum(inside, 1.0, out=inside)
    return np.maximum(inside, -1.0, out=inside)


def common_bars(values: Floats) -> Integers:
    """Bars that each pair shares, (m, m); on the diagonal those of the market itself."""
    there = (~np.isnan(values)).astype(float)
    counts: Integers = (there.T @ there).astype(np.int64)
    return counts


def complete_bars(values: Floats) -> Floats:
    """Bars that every market has."""
    there = ~np.isnan(values)
    return values if there.all() else values[there.all(axis=1)]


def constant_correlation(matrix: Floats) -> Floats:
    """Matrix in which every pair has the mean correlation of all pairs."""
    size = len(matrix)
    target = np.full((size, size), mean_correlation(matrix))
    np.fill_diagonal(target, 1.0)
    return target


def mean_correlation(matrix: Floats) -> float:
    """Mean over the pairs; 0 for a single market.

    Examples
    --------
    >>> mean_correlation(np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.25], [0.0, 0.25, 1.0]]))
    0.25
    """
    size = len(matrix)
    return float((matrix.sum() - np.trace(matrix)) / (size * (size - 1))) if size > 1 else 0.0


def shrink_short_history(matrix: Floats, bars: int) -> Floats:
    """Shrink to constant correlation by N/(N + n) when n < 2N bars of N markets; unchanged otherwise.

    Parameters
    ----------
    matrix : (m, m) array
        Of N = m markets.
    bars : int
        n, of the longest history among them.

    Notes
    -----
    A correlation matrix of N markets from n bars has sampling noise of size N/n in its eigenvalues (Marchenko–Pastur),
    so that below 2N bars its small ones mean nothing. The weight falls from 1 toward 1/3 and is 0 from 2N bars on.
    """
    size = len(matrix)
    if bars >= 2 * size:
        return matrix
    intensity = size / (size + bars)
    shrunk: Floats = (1.0 - intensity) * matrix + intensity * constant_correlation(matrix)
    return shrunk


def repair(matrix: Floats) -> tuple[Floats, bool]:
    """Correlation matrix near a symmetric one: eigenvalues lifted to 1e-8, unit diagonal restored.

    Parameters
    ----------
    matrix : (m, m) array
        Symmetric, unit diagonal.

    Returns
    -------
    (m, m) array
        The matrix itself where it is positive semidefinite to rounding.
    bool
        Whether it was changed.

    Notes
    -----
    Lifting adds a positive semidefinite matrix, so that the diagonal only grows and dividing by it is safe; what is
    left has no eigenvalue below 1e-8 over the largest element of that diagonal. It is not the nearest correlation
    matrix (Higham, 2002), which takes an iteration to find. Cost: O(m³).

    References
    ----------
    Rebonato and Jäckel (1999), The Most General Methodology to Create a Valid Correlation Matrix, §3 (spectral
    decomposition).

    Examples
    --------
    >>> broken = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    >>> mended, changed = repair(broken)
    >>> changed, bool(np.linalg.eigvalsh(mended)[0] > 0.0), mended.round(3).tolist()[0]
    (True, True, [1.0, 0.5, -0.5])
    """
    eigenvalues, vectors = np.linalg.eigh(matrix)
    if eigenvalues[0] >= -ROUNDING:
        return matrix, False
    return unit_diagonal((vectors * np.maximum(eigenvalues, LEAST_EIGENVALUE)) @ vectors.T), True
