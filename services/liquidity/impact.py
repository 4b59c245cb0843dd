"""Market impact that grows with the square root of the traded share of volume, and the trades it leaves room for."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.liquidity.depth import not_negative, quantities


def square_root_impact(
    quantity: ArrayLike, *, average_daily_volume: ArrayLike, daily_volatility: ArrayLike, coefficient: float = 1.0
) -> Floats:
    r"""Impact of trades ``I = Y σ √(Q / V)`` [fraction of price].

    Parameters
    ----------
    quantity : array
        Q >= 0 [contracts].
    average_daily_volume : array
        V > 0 [contracts a day].
    daily_volatility : array
        σ >= 0 of one day, the horizon of V [fraction].
    coefficient : float
        Y > 0, of order one.

    Raises
    ------
    InvalidInput
        For a number outside of these ranges.

    Notes
    -----
    I is the price move at the end of the trade; charging it on the whole trade overstates the average by up to a half
    (the mean of a square root is 2/3 of its end), which is the safe side. The law is measured for Q/V between about
    10⁻⁵ and 10⁻¹ and says nothing of trades that take seconds.

    References
    ----------
    Tóth et al. (2011), Anomalous price impact and the critical nature of liquidity in financial markets, eq. 1; Donier,
    Bonart (2015), A million metaorder analysis of market impact on the Bitcoin (Y near 1).

    Examples
    --------
    >>> square_root_impact([100.0], average_daily_volume=10_000.0, daily_volatility=0.04).round(9).tolist()
    [0.004]
    """
    size = quantities(quantity)
    volume, volatility = _positive("average_daily_volume", average_daily_volume), _volatility(daily_volatility)
    return np.asarray(_coefficient(coefficient) * volatility * np.sqrt(size / volume))


def largest_within_impact(
    budget: float, *, average_daily_volume: ArrayLike, daily_volatility: ArrayLike, coefficient: float = 1.0
) -> Floats:
    """Largest trade whose impact is within a budget: ``Q = V (budget / (Y σ))²`` [contracts].

    Parameters
    ----------
    budget : float
        Impact allowed [fraction of price], >= 0.
    average_daily_volume, daily_volatility : arrays
        As for `square_root_impact`, the volatility > 0.

    Examples
    --------
    >>> largest_within_impact(0.004, average_daily_volume=10_000.0, daily_volatility=0.04).round(9).tolist()
    100.0
    """
    volume, volatility = _positive("average_daily_volume", average_daily_volume), _volatility(daily_volatility)
    if (volatility <= 0.0).any():
        raise InvalidInput("daily_volatility", "must be > 0", 0.0)
    return np.asarray(volume * (not_negative("budget", budget) / (_coefficient(coefficient) * volatility)) ** 2)


def largest_within_participation(average_daily_volume: ArrayLike, participation_rate: float) -> Floats:
    """Largest trade as a share of a day's volume: ``Q = p V`` [contracts].

    Examples
    --------
    >>> largest_within_participation(10_000.0, 0.05).tolist()
    500.0
    """
    return np.asarray(not_negative("participation_rate", participation_rate) * quantities(average_daily_volume))


def _positive(name: str, value: ArrayLike) -> Floats:
    array = np.asarray(value, dtype=np.float64)
    legal = np.isfinite(array) & (array > 0.0)
    if not legal.all():
        raise InvalidInput(name, "must be finite and > 0", float(array[~legal].flat[0]))
    return array


def _volatility(value: ArrayLike) -> Floats:
    array = np.asarray(value, dtype=np.float64)
    legal = np.isfinite(array) & (array >= 0.0)
    if not legal.all():
        raise InvalidInput("daily_volatility", "must be finite and >= 0", float(array[~legal].flat[0]))
    return array


def _coefficient(value: float) -> float:
    return float(_positive("coefficient", value))
