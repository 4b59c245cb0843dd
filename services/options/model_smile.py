"""Implied Black volatilities of stochastic-volatility models."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput, Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.options.black import black_greeks
from services.options.checks import finite, positive
from services.options.cosine import model_prices
from services.options.heston import StochasticVolatility

HIGHEST = 20.0
"""Of a model's implied volatility."""
_ROUNDS = 60
_NOTHING = 1e-11
"""Price over the forward below which the COS method has too few digits for a volatility."""


def model_volatilities(model: StochasticVolatility, log_moneyness: ArrayLike, time_to_expiry: ArrayLike) -> Floats:
    """Implied Black volatilities of a model.

    Parameters
    ----------
    log_moneyness, time_to_expiry : array
        ln(K/F) and T [years].

    Returns
    -------
    array
        [annual fraction]; NaN where the option out of the money is worth less than 1e-11 of its forward.

    Notes
    -----
    By bisection and Newton's steps on the price out of the money, which is increasing in volatility.

    Examples
    --------
    >>> from services.options.heston import Heston
    >>> calm = Heston(
    ...     initial_variance=0.09, mean_reversion=2.0, long_run_variance=0.09,
    ...     volatility_of_variance=1e-4, correlation=0.0,
    ... )
    >>> model_volatilities(calm, [-0.1, 0.0, 0.1], 0.5).round(6).tolist()
    [0.3, 0.3, 0.3]
    """
    k, time = np.broadcast_arrays(finite("log_moneyness", log_moneyness), positive("time_to_expiry", time_to_expiry))
    right = np.where(k < 0.0, -1.0, 1.0)
    price = model_prices(model, 1.0, np.exp(k), time, right)
    seen = price > _NOTHING
    found = np.full(k.shape, np.nan)
    if seen.any():
        found[seen] = volatility_of_price(price[seen], k[seen], time[seen])
    return found


def fitted_volatilities(model: StochasticVolatility, log_moneyness: Floats, time_to_expiry: Floats) -> Floats:
    """`model_volatilities` of a model that a fit has found: one too wild to price is a refusal, not the caller's error.

    Raises
    ------
    Refusal
        `unusable_data`.
    """
    try:
        return model_volatilities(model, log_moneyness, time_to_expiry)
    except InvalidInput as problem:
        raise Refusal(Reason.UNUSABLE_DATA, f"the fitted model cannot be priced: {problem}") from problem


def volatility_of_price(price: Floats, log_moneyness: Floats, time_to_expiry: Floats) -> Floats:
    """Black volatility of undiscounted prices over their forward, of options out of the money; all of one shape.

    Prices must lie above 1e-11 and below 1 for calls, K/F for puts.
    """
    k, time, strike = log_moneyness, time_to_expiry, np.exp(log_moneyness)
    right = np.where(k < 0.0, -1.0, 1.0)
    low, high = np.zeros(price.shape), np.full(price.shape, HIGHEST)
    # The inflection of the price in volatility: from there Newton's steps never leave the bracket for long.
    sigma = np.sqrt(2.0 * np.maximum(np.abs(k), 1e-4) / time).clip(1e-3, HIGHEST)
    for _ in range(_ROUNDS):
        greeks = black_greeks(1.0, strike, time, sigma, right)
        miss = greeks.price - price
        low, high = np.where(miss < 0.0, sigma, low), np.where(miss > 0.0, sigma, high)
        step = sigma - miss / np.maximum(greeks.vega, 1e-300)
        following = np.where((step > low) & (step < high), step, 0.5 * (low + high))
        following = np.where(miss == 0.0, sigma, following)
        if np.all(np.abs(following - sigma) <= 1e-14 * sigma):
            return following
        sigma = following
    return sigma
