"""Correlations as they may become when everything falls together."""

from __future__ import annotations

import numpy as np

from services.core.explain import Floats


def stress_correlation(matrix: Floats, weight: float = 0.3, signs: Floats | None = None) -> Floats:
    r"""Correlation matrix moved toward one in which nothing diversifies, ``(1 − s) R + s d d'``.

    Parameters
    ----------
    matrix : (m, m) array
        R.
    weight : float
        s in [0, 1].
    signs : (m,) array, optional
        d, the side of each position: +1 or −1; 0 counts as +1. Without it all are +1 and all correlations rise, which
        is the view for a book of longs. It makes a hedged book look *safer*: give the signs of the book that the matrix
        is for.

    Returns
    -------
    (m, m) array
        Positive semidefinite with unit diagonal, if R is.

    Notes
    -----
    With the signs of the weights w this is the worst case for that book: the variance becomes
    ``(1 − s) (wσ)'R(wσ) + s (Σ|w|σ)²``, and (Σ|w|σ)² is the largest that any correlation matrix allows.

    Examples
    --------
    >>> stress_correlation(np.array([[1.0, 0.5], [0.5, 1.0]])).round(6).tolist()
    [[1.0, 0.65], [0.65, 1.0]]
    >>> stress_correlation(np.array([[1.0, 0.5], [0.5, 1.0]]), 0.3, np.array([1.0, -1.0])).round(6).tolist()
    [[1.0, 0.05], [0.05, 1.0]]
    """
    side = np.ones(len(matrix)) if signs is None else np.where(signs < 0.0, -1.0, 1.0)
    stressed: Floats = (1.0 - weight) * matrix + weight * np.outer(side, side)
    np.fill_diagonal(stressed, 1.0)
    return stressed
