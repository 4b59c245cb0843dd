r"""The variance risk premium: what options ask for variance over what variance turns out, or is expected, to be.

Ex ante ``σ_IV² − E[RV]``, with a forecast as a number; ex post ``σ_IV,t² − RV_{t,t+h}`` over a history. Windows of a
history overlap: thirty-day variance seen every six hours is the same thirty days 120 times over, so that a year of
them is twelve observations, whatever the length of the array.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from services.core.annualization import SECONDS_PER_DAY, SECONDS_PER_YEAR
from services.core.errors import InvalidInput, Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.options.checks import finite, positive

THIRTY_DAYS = 30.0 * SECONDS_PER_DAY
LEAST_WINDOWS = 2
"""Independent windows from which a mean has a standard error, and an interval that means something."""
MOST_GAP = 0.25
"""Of the horizon: the longest step between prices of a window whose variance is still believed."""


@dataclass(frozen=True, slots=True)
class VariancePremium:
    """Premium of one moment.

    Parameters
    ----------
    variance : float
        ``σ_IV² − E[RV]`` [annual variance].
    volatility : float
        ``σ_IV − √E[RV]`` [annual fraction]: 0.01 is one volatility point.
    standard_error, z_score : float, optional
        Of `variance`, from the error of the forecast; None where none is given.
    """

    variance: float
    volatility: float
    standard_error: float | None
    z_score: float | None


@dataclass(frozen=True, slots=True)
class PremiumHistory:
    """Mean premium of a history.

    Parameters
    ----------
    variance, volatility : float
        Means of ``IV² − RV`` [annual variance] and of ``IV − √RV`` [annual fraction].
    variance_error, volatility_error : float, optional
        Newey-West standard errors of the means; None with fewer than two independent windows.
    variance_interval, volatility_interval : pair of float, optional
        Two-sided 95 %, Student's t with one degree of freedom less than there are independent windows.
    share_positive : float
        Of the observations.
    observations, independent_windows : int
        Moments t, and horizons that fit side by side between the first and the end of the last window.
    overlapping : bool
        Whether windows share prices.
    lag : int
        Of the Newey-West sum, in observations.
    """

    variance: float
    volatility: float
    variance_error: float | None
    volatility_error: float | None
    variance_interval: tuple[float, float] | None
    volatility_interval: tuple[float, float] | None
    share_positive: float
    observations: int
    independent_windows: int
    overlapping: bool
    lag: int


def variance_premium(
    implied_volatility: float, expected_volatility: float, *, expected_variance_error: float | None = None
) -> VariancePremium:
    """Premium ex ante, from a forecast of the variance over the option's life.

    Parameters
    ----------
    implied_volatility : float
        Of the horizon: at the money, or better the root of the model-free variance [annual fraction].
    expected_volatility : float
        ``√E[RV]``: the root of the expected variance, not the expected volatility [annual fraction].
    expected_variance_error : float, optional
        Standard error of E[RV] [annual variance].

    Raises
    ------
    InvalidInput
        Numbers out of range.

    References
    ----------
    Carr & Wu (2009), Variance risk premiums, Rev. Financial Studies 22.

    Examples
    --------
    >>> premium = variance_premium(0.60, 0.50, expected_variance_error=0.05)
    >>> round(premium.variance, 6), round(premium.volatility, 6), round(premium.z_score, 6)
    (0.11, 0.1, 2.2)
    """
    implied = float(positive("implied_volatility", implied_volatility))
    expected = float(positive("expected_volatility", expected_volatility))
    variance, error = implied**2 - expected**2, expected_variance_error
    if error is not None:
        positive("expected_variance_error", error)
    return VariancePremium(variance, implied - expected, error, None if error is None else variance / error)


def forward_realized_variance(seconds: ArrayLike, prices: ArrayLike, *, horizon_seconds: float = THIRTY_DAYS) -> Floats:
    r"""Variance realised after each moment, ``Σ (ln P_{i+1}/P_i)² · year / elapsed`` over the next horizon.

    Parameters
    ----------
    seconds, prices : (n,) arrays
        Ascending times [s], and prices at them [quote].
    horizon_seconds : float

    Returns
    -------
    (n,) array
        [annual variance]; NaN where the series ends before the window, or the window has a hole of more than a quarter
        of the horizon. A window ends at the last price within it.

    Raises
    ------
    InvalidInput
        Fewer than two prices, times not ascending, numbers out of range.

    Notes
    -----
    Not centred: the mean of returns is taken as zero, as variance swaps do. Cost O(n log n).

    Examples
    --------
    >>> day = 86_400.0
    >>> prices = [100.0, 101.0, 100.0, 101.0, 100.0, 101.0]
    >>> forward_realized_variance(day * np.arange(6), prices, horizon_seconds=4 * day).round(6).tolist()
    [0.036138, 0.036138, nan, nan, nan, nan]
    """
    time, price = _history(seconds, prices, "prices")
    horizon = float(positive("horizon_seconds", horizon_seconds))
    squares = np.concatenate([[0.0], np.cumsum(np.diff(np.log(price)) ** 2)])
    last = np.searchsorted(time, time + horizon * (1.0 + 1e-12), side="right") - 1
    elapsed = time[last] - time
    # Whole only if prices go on: the last one in the window is near its end, and no step in it is long.
    long = np.concatenate([[0], np.cumsum(np.diff(time) > MOST_GAP * horizon)])
    usable = (elapsed >= (1.0 - MOST_GAP) * horizon) & (time[-1] >= (time + horizon) * (1.0 - 1e-12))
    usable &= long[last] == long
    variance = (squares[last] - squares) * SECONDS_PER_YEAR / np.where(usable, elapsed, 1.0)
    return np.where(usable, variance, np.nan)


def premium_history(
    seconds: ArrayLike,
    implied_volatility: ArrayLike,
    realized_variance: ArrayLike,
    *,
    horizon_seconds: float = THIRTY_DAYS,
) -> PremiumHistory:
    r"""Premium ex post over a history.

    Parameters
    ----------
    seconds : (n,) array
        Ascending moments t at which volatility was read [s].
    implied_volatility : (n,) array
        σ_IV,t of the horizon [annual fraction].
    realized_variance : (n,) array
        RV of the window that **begins** at t [annual variance], from `forward_realized_variance`; NaN where it is not
        known yet: that moment is left out.
    horizon_seconds : float

    Returns
    -------
    PremiumHistory

    Raises
    ------
    InvalidInput
        Lengths that differ, times not ascending, numbers out of range.
    Refusal
        `insufficient_history`: no moment whose window is complete.

    Notes
    -----
    The sum of autocovariances is Newey and West's with weights ``1 − l/(L + 1)`` up to twice the observations that one
    horizon holds: a lag of one horizon would lose a third of the variance that the overlap itself makes. It is of
    observations, so moments should be evenly spaced.

    References
    ----------
    Newey & West (1987), Econometrica 55; Carr & Wu (2009); Bollerslev, Tauchen & Zhou (2009), Rev. Fin. Studies 22.

    Examples
    --------
    >>> day, months = 86_400.0, np.arange(4.0)
    >>> found = premium_history(months * 30 * day, [0.6, 0.5, 0.6, 0.5], [0.25, 0.25, 0.25, 0.25])
    >>> round(found.variance, 6), found.independent_windows, found.overlapping, found.share_positive
    (0.055, 4, False, 0.5)
    """
    time, implied = _history(seconds, implied_volatility, "implied_volatility", least=1)
    realized = np.asarray(realized_variance, dtype=float)
    if realized.shape != time.shape:
        raise InvalidInput("realized_variance", "must be one for each moment", realized.size)
    known = ~np.isnan(realized)
    if np.any(~(realized[known] >= 0.0)) or np.isinf(realized[known]).any():
        raise InvalidInput("realized_variance", "must be finite and >= 0", realized[known].min())
    if not known.any():
        raise Refusal(Reason.INSUFFICIENT_HISTORY, "no window has ended: the history is shorter than the horizon")
    horizon = float(positive("horizon_seconds", horizon_seconds))
    return _summary(time[known], implied[known], realized[known], horizon)


def _summary(time: Floats, implied: Floats, realized: Floats, horizon: float) -> PremiumHistory:
    variance, volatility = implied**2 - realized, implied - np.sqrt(realized)
    windows = 1 + int((time[-1] - time[0]) / horizon * (1.0 + 1e-12))
    within = _within(time, horizon)
    lag = min(2 * within, time.size - 1)
    (mean, error, interval), (points, points_error, points_interval) = (
        _mean(column, lag, windows) for column in (variance, volatility)
    )
    return PremiumHistory(
        variance=mean,
        volatility=points,
        variance_error=error,
        volatility_error=points_error,
        variance_interval=interval,
        volatility_interval=points_interval,
        share_positive=float(np.mean(variance > 0.0)),
        observations=time.size,
        independent_windows=windows,
        overlapping=within > 0,
        lag=lag,
    )


def _mean(values: Floats, lag: int, windows: int) -> tuple[float, float | None, tuple[float, float] | None]:
    """Mean, its error and its interval; no more than the mean from too few independent windows."""
    mean = float(values.mean())
    if windows < LEAST_WINDOWS:
        return mean, None, None
    error = mean_error(values, lag)
    width = float(student.ppf(0.975, windows - 1)) * error
    return mean, error, (mean - width, mean + width)


def mean_error(values: Floats, lag: int) -> float:
    """Newey-West standard error of a mean.

    Examples
    --------
    >>> round(mean_error(np.array([1.0, -1.0, 2.0, -2.0]), 0), 6)
    0.790569
    """
    centred = values - values.mean()
    total = float(centred @ centred)
    for shift in range(1, lag + 1):
        total += 2.0 * (1.0 - shift / (lag + 1.0)) * float(centred[shift:] @ centred[:-shift])
    return float(np.sqrt(max(total, 0.0))) / values.size


def _within(time: Floats, horizon: float) -> int:
    """Most moments after one that fall inside its window."""
    return int(np.max(np.searchsorted(time, time + horizon * (1.0 - 1e-12), side="left") - np.arange(time.size) - 1))


def _history(seconds: ArrayLike, values: ArrayLike, name: str, *, least: int = 2) -> tuple[Floats, Floats]:
    time, value = finite("seconds", seconds), positive(name, values)
    if time.ndim != 1 or time.size < least or np.any(np.diff(time) <= 0.0):
        raise InvalidInput("seconds", f"must be at least {least}, ascending", time.size)
    if value.shape != time.shape:
        raise InvalidInput(name, "must be one for each moment", value.size)
    return time, value
