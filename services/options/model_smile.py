"""Implied Black volatilities of stochastic-volatility models."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput, Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.options.checks import finite, positive
from services.options.cosine import model_prices
from services.options.heston import StochasticVolatility
from services.options.implied_volatility import implied_volatility

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
        [annual fraction]; NaN where the option out of the money is worth less than 1e-11 of its forward, and above 10.

    Notes
    -----
    Of the price out of the money, where it holds its digits.

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
    inverted = implied_volatility(price, 1.0, np.exp(k), time, right)
    return np.where(seen & inverted.ok, inverted.volatility, np.nan)


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
