"""How a book has tracked its target volatility, and the small correction that follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.core.explain import Floats
from services.volatility.calibration import advance_portfolio, portfolio_factor, start_portfolio


@dataclass(frozen=True, slots=True)
class Tracking:
    """Recorded returns of a book.

    Parameters
    ----------
    returns : (n,) array
        Simple return of each bar on the equity at its beginning, deposits and withdrawals left out; oldest first.
    periods_per_year : float
        Bars a year.
    """

    returns: Floats
    periods_per_year: float


@dataclass(frozen=True, slots=True)
class TrackingFigures:
    """What the record of a book says.

    Parameters
    ----------
    realized_volatility : float
        ``sqrt(mean r² · periods)``, around zero [annual].
    bars : int
        Recorded bars.
    error : float
        Realised over target volatility, minus 1.
    factor : float
        Every position is divided by it, in [0.97, 1.03]; 1 below 126 bars.
    """

    realized_volatility: float
    bars: int
    error: float
    factor: float


def tracking_figures(tracking: Tracking, target_volatility: float) -> TrackingFigures:
    """Tracking of a book against one target.

    Notes
    -----
    Buffers, lags, lots and correlations move the realised volatility of what is held by a few percent against the
    forecast of what was wanted; `services.volatility.calibration.portfolio_factor` takes that back, slowly. A target
    that was another one in the past makes the record meaningless: send returns since the last change.

    Examples
    --------
    >>> figures = tracking_figures(Tracking(np.full(200, 0.011), 400.0), 0.20)
    >>> round(figures.realized_volatility, 6), round(figures.error, 6), figures.factor
    (0.22, 0.1, 1.03)
    """
    expected = target_volatility / tracking.periods_per_year**0.5
    memory = start_portfolio()
    for value in (tracking.returns / expected).tolist():
        memory = advance_portfolio(memory, value)
    realized = float(np.sqrt(np.mean(tracking.returns * tracking.returns) * tracking.periods_per_year))
    error = realized / target_volatility - 1.0
    return TrackingFigures(realized, int(tracking.returns.size), error, portfolio_factor(memory))
