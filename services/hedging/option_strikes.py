"""Strike of a delta, and the volatility that a price implies."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from services.core.decimals import to_tick
from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats

MAX_VOLATILITY = 10.0
_HALVINGS = 60
"""Of the interval (0, 10): to the precision of a double."""


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


def implied_volatility_of(
    prices: Floats, forward: Floats, strike: Floats, time_to_expiry: Floats, right: Floats
) -> tuple[Floats, Bools]:
    """Volatility at which Black-76, undiscounted, gives these prices, by halving an interval that holds it.

    Parameters
    ----------
    prices, forward, strike : array
        [quote per base].
    time_to_expiry : array
        [years of 365 days].
    right : array
        +1 call, -1 put.

    Returns
    -------
    volatility : array
        [annual fraction]; 0 where there is none.
    found : bool array
        False for a price at or below the intrinsic value, at or above the cap (forward or strike), one that would take
        more than 1000 %, and an option that has expired.

    Notes
    -----
    Sixty halvings, whatever the moneyness: for the few quotes of one request, not for a surface. Accurate to about
    ``1e-16 F / vega``, which is poor far in the money.

    Examples
    --------
    >>> week = (np.array([50_000.0]), np.array([50_000.0]), np.array([7 / 365]), np.array([1.0]))
    >>> volatility, found = implied_volatility_of(np.array([1656.9484177577]), *week)
    >>> round(float(volatility[0]), 9), bool(found[0])
    (0.6, True)
    """
    root = np.sqrt(np.maximum(time_to_expiry, 1e-12))
    moneyness = np.log(forward / strike)
    low, high = np.full_like(prices, 1e-9), MAX_VOLATILITY * root
    alive = (time_to_expiry > 0.0) & (prices > np.maximum(right * (forward - strike), 0.0))
    alive = alive & (_value(high, moneyness, forward, strike, right) > prices)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = _value(middle, moneyness, forward, strike, right) < prices
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(alive, 0.5 * (low + high) / root, 0.0), alive


def _value(total: Floats, moneyness: Floats, forward: Floats, strike: Floats, right: Floats) -> Floats:
    ratio = moneyness / total
    near, far = ndtr(right * (ratio + 0.5 * total)), ndtr(right * (ratio - 0.5 * total))
    return np.asarray(right * (forward * near - strike * far))
