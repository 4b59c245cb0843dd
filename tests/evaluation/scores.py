"""How good a forecast was, and how near a target the realised volatility came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.core.explain import Floats
from tests.evaluation.models import burn_in
from tests.evaluation.series import Series

UNSCORED = 270
"""Returns at the start of a series that a target is not judged by."""


@dataclass(frozen=True, slots=True)
class Score:
    """Of one forecast over one series.

    Parameters
    ----------
    qlike : float
        Mean of ``ln h + r²/h``, returns in percent; lower is better.
    residual_rms : float
        Root mean square of r/√h; 1 where the level is right.
    largest_share : float
        Share of the largest (r/√h)² in their sum.
    bars : int
        Returns scored.
    """

    qlike: float
    residual_rms: float
    largest_share: float
    bars: int


def first_scored(series: Series) -> int:
    """Place of the first return that is scored."""
    return max(burn_in(series.close.size - 1), series.scored_from)


def score(series: Series, variance: Floats) -> Score:
    """Score of the forecasts `variance`, (n − 1,) after each return, for the return that follows each."""
    first = first_scored(series)
    forecast, square = 1e4 * variance[first - 1 : -1], 1e4 * series.log_returns[first:] ** 2
    ratios = square / forecast
    return Score(
        qlike=float(np.mean(np.log(forecast) + ratios)),
        residual_rms=float(np.sqrt(np.mean(ratios))),
        largest_share=float(ratios.max() / ratios.sum()),
        bars=ratios.size,
    )


@dataclass(frozen=True, slots=True)
class Hit:
    """How a target was met.

    Parameters
    ----------
    miss : float
        Realised volatility over target, less one.
    yearly_error : float
        Root mean square of the same over rolling years; NaN for series below three years.
    largest_share : float
        Share of the largest bar in the sum of squares.
    turnover : float
        Traded notional over equity [per year].
    """

    miss: float
    yearly_error: float
    largest_share: float
    turnover: float = float("nan")


def hit(series: Series, held: Floats, turnover: float = float("nan")) -> Hit:
    """Score of what was held: `held` is the return of each bar over the target volatility of a bar, (n − 1,)."""
    scored = held[UNSCORED:]
    squares = scored**2
    yearly = float("nan")
    if series.years >= 3.0:
        spread = rolling_deviation(scored, round(series.periods))
        yearly = float(np.sqrt(np.mean((spread - 1.0) ** 2)))
    return Hit(float(np.std(scored)) - 1.0, yearly, float(squares.max() / squares.sum()), turnover)


def rolling_deviation(values: Floats, window: int) -> Floats:
    """Standard deviation over each window of so many values."""
    sums, squares = (np.concatenate(([0.0], np.cumsum(part))) for part in (values, values * values))
    mean, square = ((part[window:] - part[:-window]) / window for part in (sums, squares))
    return np.sqrt(square - mean * mean)
