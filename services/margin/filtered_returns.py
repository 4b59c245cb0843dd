r"""Past returns as scenarios for the next bar: how they are brought to the volatility of now, and their tail."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import lfilter

from services.core.explain import Floats

Scaling = Literal["none", "half", "full"]
Measure = Literal["expected_shortfall", "value_at_risk"]

FIRST_RETURNS = 60
"""Returns whose mean square starts the average of squares."""
LEAST_VOLATILITY, LEAST_SHARE = 1e-8, 0.1
"""A past volatility counts as at least this much, and as this share of its median: nothing is divided by almost 0."""
LARGEST_RATIO = 5.0
"""A past return is magnified at most so much."""
FARTHEST_MOVE = 10.0
"""Log return to which scenarios are cut: a long has lost all but 5e-5 of its value there, a short 22,000 times it."""
BLOCK = 256
"""Windows that are worked on at once: 2 MB of a thousand returns each."""
_SLACK = 1e-9
"""(1 − 0.975) · 1,000 is 25 + 2e-14 in floats, and 25 observations all the same."""


def ewma_variances(returns: Floats, decay: float, first_variance: float | None = None) -> Floats:
    r"""Variance forecasts ``v_{t+1} = λ v_t + (1 − λ) r_t²``; each is made of the returns before its own bar.

    Parameters
    ----------
    returns : (n,) array
        Finite log returns a bar, oldest first, n >= 1.
    decay : float
        λ in (0, 1).
    first_variance : float, optional
        v_1; the mean square of the first 60 returns where none is given. Only those forecasts look ahead.

    Returns
    -------
    (n + 1,) array
        Forecast for each return, and for the next one.

    References
    ----------
    J.P. Morgan/Reuters (1996), RiskMetrics technical document, §5.2.

    Examples
    --------
    >>> ewma_variances(np.array([0.1, 0.0]), 0.5, 0.02).round(6).tolist()
    [0.02, 0.015, 0.0075]
    """
    squares = returns**2
    first = float(squares[:FIRST_RETURNS].mean()) if first_variance is None else first_variance
    following, _ = lfilter([1.0 - decay], [1.0, -decay], squares, zi=[decay * first])
    return np.concatenate([[first], following])


def scenario_returns(returns: Floats, volatilities: Floats, volatility_now: Floats | float, scaling: Scaling) -> Floats:
    r"""Past returns brought to the volatility of now: ``r``, ``r (1 + σ_T/σ_t)/2`` or ``r σ_T/σ_t``.

    Parameters
    ----------
    returns, volatilities : (..., n) arrays
        Log returns and the volatility that was forecast for each [per bar].
    volatility_now : (...,) array or float
        σ_T, the forecast for the next bar [per bar].
    scaling : {"none", "half", "full"}
        Half reacts half as much to a change of volatility: about half the procyclicality, at no cost in coverage.

    Notes
    -----
    σ_T and σ_t are at least 1e-8 and a tenth of the median of the σ_t; the ratio is at most 5. Full scaling is the
    method of Hull & White; half-way is this program's, for the evidence see `docs/measurements/margin.md`.

    References
    ----------
    Hull & White (1998), Incorporating volatility updating into the historical simulation method for value at risk,
    J. Risk 1(1), eq. 3. Barone-Adesi, Giannopoulos & Vosper (1999), VaR without correlations, J. Futures Markets 19.

    Examples
    --------
    >>> scenario_returns(np.array([0.01, -0.02]), np.array([0.01, 0.02]), 0.02, "full").tolist()
    [0.02, -0.02]
    """
    if scaling == "none":
        return returns
    least = np.maximum(LEAST_VOLATILITY, LEAST_SHARE * np.median(volatilities, axis=-1, keepdims=True))
    now = np.maximum(np.asarray(volatility_now, dtype=np.float64)[..., None], least)
    ratio = np.minimum(now / np.maximum(volatilities, least), LARGEST_RATIO)
    scaled: Floats = returns * ratio if scaling == "full" else returns * (0.5 + 0.5 * ratio)
    return scaled


def sums_over(returns: Floats, bars: int) -> Floats:
    """Sums of each `bars` consecutive returns, overlapping: (..., n) to (..., n − bars + 1).

    Examples
    --------
    >>> sums_over(np.array([1.0, 2.0, 4.0]), 2).tolist()
    [3.0, 6.0]
    """
    return returns if bars == 1 else sliding_window_view(returns, bars, axis=-1).sum(axis=-1)


def tail_loss(losses: Floats, alpha: float, measure: Measure, *, overwrite: bool = False) -> Floats:
    r"""Value at risk or expected shortfall of the last axis of a sample of losses.

    With ``m = n (1 − α)`` and ``k = ⌈m⌉``: value at risk is the k-th largest loss; expected shortfall is the sum of the
    k − 1 largest and ``m − k + 1`` times the k-th, over m.

    Parameters
    ----------
    losses : (..., n) array
        Positive: lost.
    alpha : float
        In (0, 1).
    measure : {"expected_shortfall", "value_at_risk"}
    overwrite : bool
        Whether `losses` may be reordered, which saves a copy.

    Returns
    -------
    (...,) array

    Notes
    -----
    Below one observation in the tail both are the largest loss: nothing lies beyond what was seen. O(n) each.

    References
    ----------
    Rockafellar & Uryasev (2002), Conditional value-at-risk for general loss distributions, J. Banking & Finance 26,
    proposition 8: this is the minimum over c of ``c + E[(L − c)⁺]/(1 − α)``.

    Examples
    --------
    >>> sample = np.array([0.5, 0.3, -0.1, -0.8])
    >>> [round(float(tail_loss(sample, 0.6, name)), 4) for name in ("expected_shortfall", "value_at_risk")]
    [0.425, 0.3]
    """
    count = losses.shape[-1]
    tail = count * (1.0 - alpha)
    rank = max(math.ceil(tail - _SLACK), 1)
    ordered = losses if overwrite else losses.copy()
    ordered.partition(count - rank, axis=-1)
    top = ordered[..., count - rank :]
    at_rank: Floats = top[..., 0]
    if measure == "value_at_risk" or tail <= 1.0:
        return at_rank
    # The slack may have left a rank a little below the tail.
    part = min(tail, float(rank))
    shortfall: Floats = (top.sum(axis=-1) - (rank - part) * at_rank) / part
    return shortfall


def losses_of(scenarios: Floats, side: int) -> Floats:
    """Loss of a long (`side` 1) or a short (−1) for log returns [fraction of notional].

    Examples
    --------
    >>> losses_of(np.array([-0.1]), 1).round(6).tolist(), losses_of(np.array([0.1]), -1).round(6).tolist()
    ([0.095163], [0.105171])
    """
    return -side * np.expm1(np.clip(scenarios, -FARTHEST_MOVE, FARTHEST_MOVE))


def side_losses(scenarios: Floats, alpha: float, measure: Measure) -> tuple[Floats, Floats]:
    """Tail loss of a long and of a short over the last axis of log-return scenarios [fraction of notional]."""
    return tail_loss(losses_of(scenarios, 1), alpha, measure), tail_loss(losses_of(scenarios, -1), alpha, measure)


def windows(
    columns: tuple[Floats, ...], lookback: int, least: int
) -> Iterator[tuple[NDArray[np.intp], tuple[Floats, ...]]]:
    """Last `lookback` values before every time from `least` on, fewer where there are no more yet.

    Parameters
    ----------
    columns : tuple of (n,) arrays

    Yields
    ------
    (m,) array of int, tuple of (m, w) arrays
        Times t, and the window of each column that ends before t: ``column[t − w : t]``. t = n is the next bar.

    Examples
    --------
    >>> [(t.tolist(), w[0].tolist()) for t, w in windows((np.array([1.0, 2.0, 3.0]),), 2, 1)]
    [([1], [[1.0]]), ([2, 3], [[1.0, 2.0], [2.0, 3.0]])]
    """
    count = columns[0].size
    for end in range(least, min(lookback, count + 1)):
        yield np.array([end]), tuple(column[None, :end] for column in columns)
    if count < lookback:
        return
    views = [sliding_window_view(column, lookback) for column in columns]
    for start in range(max(least - lookback, 0), count - lookback + 1, BLOCK):
        stop = min(start + BLOCK, count - lookback + 1)
        yield np.arange(start, stop) + lookback, tuple(view[start:stop] for view in views)
