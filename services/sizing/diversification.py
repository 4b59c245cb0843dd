"""Diversification multipliers: what imperfect correlation leaves of the risk of a weighted sum."""

from __future__ import annotations

import numpy as np

from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.sizing.columns import SizingColumns

MAX_DIVERSIFICATION = 2.5
FORECAST_SCALE, FORECAST_CAP = 10.0, 20.0
"""Average |forecast|, and the largest one."""


def diversification_multiplier(columns: SizingColumns, members: Bools, cap: float = MAX_DIVERSIFICATION) -> float:
    r"""IDM = min(cap, 1/sqrt(w'Hw)) for equal weights over the live rows among `members`, correlations floored at 0.

    1 without a correlation matrix: no diversification is assumed where none was measured.
    """
    if columns.correlation is None or not members.any():
        return 1.0
    chosen = np.flatnonzero(members & columns.live & columns.primary)
    if chosen.size < 2:
        return 1.0
    weights = np.full(chosen.size, 1.0 / chosen.size)
    return instrument_diversification(weights, columns.correlation[np.ix_(chosen, chosen)], cap)


def instrument_diversification(weights: Floats, correlation: Floats, cap: float = MAX_DIVERSIFICATION) -> float:
    """``min(cap, 1 / sqrt(w' max(H, 0) w))`` of given weights: of instruments (IDM) as of forecasts (FDM).

    References
    ----------
    Carver, pysystemtrade ``sysquant/estimators/diversification_multipliers.py``.

    Examples
    --------
    >>> instrument_diversification(np.full(4, 0.25), np.eye(4))
    2.0
    """
    variance = float(weights @ np.maximum(correlation, 0.0) @ weights)
    return min(cap, 1.0 / float(np.sqrt(variance)))


def combined_forecast(forecasts: Floats, weights: Floats, multiplier: float = 1.0) -> float:
    """One forecast of several rules: ``clip(FDM · Σ w_i f_i / Σ w_i, ±20)``, each rule capped at ±20 first.

    Parameters
    ----------
    forecasts : (k,) array
        On the scale on which 10 is average strength.
    weights : (k,) array
        >= 0, not all 0.
    multiplier : float
        FDM, the diversification multiplier of the forecasts; 1 assumes that they say the same.

    Raises
    ------
    InvalidInput
        If a weight is negative or all are 0.

    References
    ----------
    Carver (2015), Systematic Trading, ch. 8; pysystemtrade ``systems/forecast_combine.py``.

    Examples
    --------
    >>> combined_forecast(np.array([10.0, 30.0]), np.array([1.0, 1.0]), 1.2)
    18.0
    """
    total = float(weights.sum())
    if (weights < 0.0).any() or not total > 0.0:
        raise InvalidInput("weights", "must be >= 0 and not all 0", weights.tolist())
    mixed = multiplier * float(weights @ np.clip(forecasts, -FORECAST_CAP, FORECAST_CAP)) / total
    return min(max(mixed, -FORECAST_CAP), FORECAST_CAP)
