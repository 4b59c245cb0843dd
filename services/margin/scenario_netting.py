"""What underlyings, and expiries of one underlying, may set off against one another."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.options.checks import finite


def netted_rows(pnl: ArrayLike, offsets: ArrayLike) -> Floats:
    """Profit and loss by scenario over underlyings: losses count in full, profits times the offset of their underlying.

    Parameters
    ----------
    pnl : (u, s) array
        By underlying and scenario [quote].
    offsets : (u,) array
        Within [0, 1]: 0 gives no credit across underlyings, 1 nets in full.

    Returns
    -------
    (s,) array

    Raises
    ------
    InvalidInput
        If an offset lies outside [0, 1].

    Notes
    -----
    A row moves all underlyings the same way: a long against a short in another underlying is charged the larger loss of
    one of them, not the sum.

    References
    ----------
    Deribit, Cross Portfolio Margin: ``pnl_offset``.

    Examples
    --------
    >>> netted_rows([[-10.0, 5.0, 20.0], [30.0, -8.0, -2.0]], [0.0, 0.6]).tolist()
    [8.0, -8.0, -2.0]
    """
    rows, share = finite("pnl", pnl), finite("offsets", offsets)
    if np.any((share < 0.0) | (share > 1.0)):
        raise InvalidInput("offsets", "must lie in [0, 1]", share.tolist())
    return np.asarray(np.where(rows > 0.0, rows * share[:, None], rows).sum(axis=0))


def roll_shock(positions: ArrayLike, years: ArrayLike, *, least: float, risk: float) -> float:
    """Charge for expiries that move against one another: ``Σ |position| · max(least, risk · T)``.

    Parameters
    ----------
    positions : (n,) array
        Delta of each expiry, in the unit of the answer.
    years : (n,) array
        T, >= 0; 0 for a perpetual.
    least, risk : float
        Least move [fraction]; annualised move per year [fraction per year].

    References
    ----------
    Deribit, Portfolio Margin: ``min_annualised_move``, ``annualised_move_risk``.

    Examples
    --------
    >>> round(roll_shock([5.0, -3.0], [7 / 365, 90 / 365], least=0.01, risk=0.075), 10)
    0.1054794521
    """
    size, time = np.abs(finite("positions", positions)), finite("years", years)
    return float((size * np.maximum(least, risk * time)).sum())
