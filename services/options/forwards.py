"""Forward and discount factor of an expiry from put-call parity, for chains without a listed future."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from services.core.explain import Floats

_ENOUGH_PAIRS, _MOST_PAIRS = 5, 120
"""Pairs from which the discount factor is inferred too, and how many of them, nearest to the money, are used."""


class Parity(NamedTuple):
    """F [quote], df, and the number of strikes with both options."""

    forward: float
    discount: float
    pairs: int


def parity(strike: Floats, call: Floats, put: Floats, *, in_base: bool, discount: float | None) -> Parity | None:
    r"""``C − P = df (F − K)``, or in base ``C − P = df (1 − K/F)``: a line through the strikes, robust to bad quotes.

    Parameters
    ----------
    strike, call, put : (n,) arrays
        Strikes with both options, and their prices.
    in_base : bool
        Whether prices are amounts of base.
    discount : float, optional
        df, where it is known; else inferred from 5 strikes on, and 1 below and for prices in base.

    Returns
    -------
    Parity or None
        None without a strike, or where the line has no positive root.

    Notes
    -----
    The slope is the median of the slopes of all pairs of strikes (Theil-Sen: up to 29 % of them may be arbitrary), the
    forward the median of ``K + (C − P)/df``. Only the 120 strikes at which call and put differ least are used: further
    out both spreads and the value of early exercise grow.

    References
    ----------
    Sen (1968), Estimates of the regression coefficient based on Kendall's tau, JASA 63.

    Examples
    --------
    >>> k = np.array([90.0, 95.0, 100.0, 105.0, 110.0])
    >>> found = parity(k, 0.98 * (101.0 - k) + 7.0, np.full(5, 7.0), in_base=False, discount=None)
    >>> round(found.forward, 9), round(found.discount, 9)
    (101.0, 0.98)
    """
    if strike.size == 0:
        return None
    near = np.argsort(np.abs(call - put), kind="stable")[:_MOST_PAIRS]
    k, difference = strike[near], (call - put)[near]
    slope = None
    if discount is None and k.size >= _ENOUGH_PAIRS:
        first, second = np.triu_indices(k.size, 1)
        slope = float(np.median((difference[second] - difference[first]) / (k[second] - k[first])))
    if in_base:
        factor = 1.0 if discount is None else discount
        forward = float(np.median(k / np.maximum(1.0 - difference / factor, 1e-12)))
        return Parity(forward, factor, strike.size) if 0.0 < forward < np.inf else None
    factor = min(max(-slope, 0.2), 2.0) if slope is not None else 1.0 if discount is None else discount
    forward = float(np.median(k + difference / factor))
    return Parity(forward, factor, strike.size) if forward > 0.0 else None
