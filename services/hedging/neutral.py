"""Exact neutralisation: as many instruments as Greeks, and every Greek at zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats

WORST_CONDITION = 1e10
"""Condition number of the scaled system beyond which instruments count as copies of one another."""


def neutral_trades(exposure: ArrayLike, greeks: ArrayLike) -> Floats:
    r"""Trades x that bring every Greek to zero: ``G x = −e``.

    With two options and the underlying: the options solve gamma and vega, the underlying closes the delta that is left.

    Parameters
    ----------
    exposure : array, shape (k,)
        e: the Greeks of the book [unit of each Greek].
    greeks : array, shape (k, k)
        G: row g, column i the Greek g of one contract of instrument i [unit of the Greek per contract].

    Returns
    -------
    array, shape (k,)
        [contracts], fractional: rounding to lots, costs, depth and margin are the optimiser's part.

    Raises
    ------
    InvalidInput
        If the system is not square, not finite, or singular: two instruments with the same mix of Greeks, or a Greek
        that none of them has.

    Notes
    -----
    Rows and columns are scaled before the solve, as a unit of vega and one of gamma may differ by 1e9. Cost O(k³).

    References
    ----------
    Hull, Options, Futures, and Other Derivatives, chapter on the Greek letters.

    Examples
    --------
    Gamma -3000; one option of delta 0.62 and gamma 1.5, and the underlying:

    >>> neutral_trades([0.0, -3000.0], [[0.62, 1.0], [1.5, 0.0]]).round(6).tolist()
    [2000.0, -1240.0]
    """
    book, matrix = np.asarray(exposure, dtype=np.float64), np.asarray(greeks, dtype=np.float64)
    if book.ndim != 1 or matrix.shape != (book.size, book.size):
        raise InvalidInput("greeks", "must have one row and one column per Greek of exposure", matrix.shape)
    if not (np.isfinite(book).all() and np.isfinite(matrix).all()):
        raise InvalidInput("greeks", "and exposure must be finite", "a number that is not")
    rows = np.abs(matrix).max(axis=1, keepdims=True, initial=0.0)
    columns = np.abs(matrix / np.where(rows > 0.0, rows, 1.0)).max(axis=0, initial=0.0)
    if (rows == 0.0).any() or (columns == 0.0).any():
        raise InvalidInput("greeks", "must have no row and no column of zeros", matrix.tolist())
    scaled = matrix / rows / columns
    if np.linalg.cond(scaled) > WORST_CONDITION:
        remedy = "take instruments whose Greeks differ more, or the optimiser, which bounds them instead"
        raise InvalidInput("greeks", "must be of instruments that are not copies of one another", "singular", remedy)
    return np.asarray(np.linalg.solve(scaled, -book / rows[:, 0]) / columns)
