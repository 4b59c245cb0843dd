"""Strike of a delta, and the strike of a grid."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from services.core.decimals import to_tick
from services.core.errors import InvalidInput
from services.core.explain import Floats


def strike_at_delta(
    forward: ArrayLike, time_to_expiry: ArrayLike, volatility: ArrayLike, right: ArrayLike, delta: ArrayLike
) -> Floats:
    r"""Strike at which a forward delta has a size: ``K = F exp(−w N⁻¹(δ) σ√T + σ²T/2)``.

    From ``w N(w d1) = w δ``, so ``d1 = w N⁻¹(δ)``, and ``ln(F/K) = d1 σ√T − σ²T/2``.

    Parameters
    ----------
    forward : array
        F [quote per base], > 0.
    time_to_expiry, volatility : array
        T [years of 365 days] and σ [annual fraction], > 0.
    right : array
        w: +1 call, -1 put.
    delta : array
        δ: size of the undiscounted forward delta, within (0, 1).

    Returns
    -------
    array
        [quote per base].

    Raises
    ------
    InvalidInput
        If one of them lies outside of its range.

    Notes
    -----
    The volatility is that of the strike which is found: with a smile, look for it among quotes instead, as the vaults
    do. Not premium-adjusted: venues publish this delta for coin-settled options too.

    References
    ----------
    Reiswig & Wystup (2010), FX volatility smile construction, equation 5. Ribbon Finance: 10-delta weekly calls.

    Examples
    --------
    >>> round(float(strike_at_delta(60_000, 7 / 365, 0.6, 1, 0.1)), 6)
    66972.492941
    """
    f, time, sigma, w, size = (
        np.asarray(value, dtype=np.float64) for value in (forward, time_to_expiry, volatility, right, delta)
    )
    for name, value in (("forward", f), ("time_to_expiry", time), ("volatility", sigma)):
        if not (np.isfinite(value).all() and np.all(value > 0.0)):
            raise InvalidInput(name, "must be finite and > 0", value.tolist())
    if not np.all((size > 0.0) & (size < 1.0)):
        raise InvalidInput("delta", "must lie within 0 and 1", size.tolist())
    total = sigma * np.sqrt(time)
    return np.asarray(f * np.exp(-w * ndtri(size) * total + 0.5 * total * total))


def away_from_spot(strike: float, step: Decimal | None, right: int) -> Decimal:
    """Strike on its grid, a call's rounded up and a put's down: never nearer to the money than was asked.

    Examples
    --------
    >>> away_from_spot(66972.49, Decimal(1000), 1), away_from_spot(66972.49, Decimal(1000), -1)
    (Decimal('67000'), Decimal('66000'))
    """
    found = to_tick(strike, step, up=right > 0)
    return found if step is None else max(found, step)
