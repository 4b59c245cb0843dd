"""The total volatility over a margin horizon, which every margin model starts from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.errors import InvalidInput
from services.core.explain import Floats

DAYS_PER_YEAR = SECONDS_PER_YEAR / SECONDS_PER_DAY
MAX_HORIZON_VOLATILITY = 3.0
"""σ√h above which a margin model is not to be trusted: it is clamped, and the answer says so."""


def horizon_volatility(volatility: ArrayLike, horizon_days: float) -> Floats:
    """``s = min(σ sqrt(horizon_days / 365), 3)``.

    Parameters
    ----------
    volatility : array
        σ [annual fraction], > 0; NaN (unknown) stays NaN.
    horizon_days : float
        [days].

    Raises
    ------
    InvalidInput
        If a volatility is zero, negative or infinite.

    Examples
    --------
    >>> float(horizon_volatility(0.73, 3.65)), float(horizon_volatility(80.0, 1.0))
    (0.073, 3.0)
    """
    sigma = np.asarray(volatility, dtype=np.float64)
    wrong = (sigma <= 0.0) | np.isinf(sigma)
    if wrong.any():
        raise InvalidInput("volatility", "must be > 0 and finite", float(np.atleast_1d(sigma)[np.atleast_1d(wrong)][0]))
    total: Floats = sigma * np.sqrt(horizon_days / DAYS_PER_YEAR)
    return np.minimum(total, MAX_HORIZON_VOLATILITY)
