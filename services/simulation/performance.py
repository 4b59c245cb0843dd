"""What a path of equity amounts to: risk, return, tracking of a target, drawdown, capture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.core.explain import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Figures of a path; None where the path is too short or the figure has no meaning.

    Parameters
    ----------
    total_return : float
        Last over first equity, minus 1.
    volatility : float
        Standard deviation of returns [annual].
    sharpe_ratio : float
        Mean over standard deviation of returns [annual]; cash is taken to earn nothing.
    max_drawdown : float
        Largest fall from a former peak, in [0, 1].
    worst_bar : float
        Smallest return of a bar.
    excess_kurtosis : float
        Fourth standardised moment, minus 3.
    tracking_error : float
        Root mean square of (one-year rolling volatility − target) over the target.
    volatility_of_volatility : float
        Standard deviation of the one-year rolling volatility [annual].
    turnover : float
        Notional traded over equity a year.
    costs, carry : float
        Paid over the start equity.
    upside_capture, downside_capture : float
        Mean return over that of the reference, in the bars in which the reference rose, and fell.
    """

    total_return: float
    volatility: float | None
    sharpe_ratio: float | None
    max_drawdown: float
    worst_bar: float | None
    excess_kurtosis: float | None
    tracking_error: float | None
    volatility_of_volatility: float | None
    turnover: float
    costs: float
    carry: float
    upside_capture: float | None
    downside_capture: float | None


def performance(
    equity: Floats,
    *,
    periods_per_year: float,
    traded: Floats,
    costs: Floats,
    carry: Floats,
    target_volatility: float | None = None,
    reference: Floats | None = None,
) -> Performance:
    """Figures of one path.

    Parameters
    ----------
    equity : (n,) array
        At each close, the first before anything was earned.
    traded, costs, carry : (n,) arrays
        Notional traded over equity; paid at each close [account currency].
    reference : (n − 1,) array, optional
        Returns that captures are measured against.

    Notes
    -----
    From a ruin on, the equity counts as 0: the return of that bar is −1 and there are none after it.

    Examples
    --------
    >>> zero = np.zeros(4)
    >>> found = performance(np.array([100.0, 110.0, 99.0, 99.0]), periods_per_year=365.0,
    ...                     traded=zero, costs=zero, carry=zero)
    >>> round(found.max_drawdown, 6), round(found.total_return, 6), round(found.worst_bar, 6)
    (0.1, -0.01, -0.1)
    """
    returns = simple_returns(equity)
    deviation = float(returns.std(ddof=1)) if returns.size > 1 else 0.0
    annual = deviation * periods_per_year**0.5
    rolling = rolling_volatility(returns, periods_per_year)
    years = max(equity.size - 1, 1) / periods_per_year
    mean = float(returns.mean()) if returns.size else 0.0
    centred = returns - mean
    captures = (None, None) if reference is None else capture(returns, reference[: returns.size])
    return Performance(
        total_return=max(float(equity[-1]), 0.0) / float(equity[0]) - 1.0,
        volatility=annual if returns.size > 1 else None,
        sharpe_ratio=mean / deviation * periods_per_year**0.5 if deviation > 0.0 else None,
        max_drawdown=max_drawdown(equity),
        worst_bar=float(returns.min()) if returns.size else None,
        excess_kurtosis=float((centred**4).mean() / (centred**2).mean() ** 2 - 3.0) if deviation > 0.0 else None,
        tracking_error=float(np.sqrt(np.mean((rolling - target_volatility) ** 2))) / target_volatility
        if target_volatility and rolling.size
        else None,
        volatility_of_volatility=float(rolling.std(ddof=1)) if rolling.size > 1 else None,
        turnover=float(traded.sum()) / years,
        costs=float(costs.sum()) / float(equity[0]),
        carry=float(carry.sum()) / float(equity[0]),
        upside_capture=captures[0],
        downside_capture=captures[1],
    )


def simple_returns(equity: Floats) -> Floats:
    """Return of each bar; the last one is −1 where the equity is gone."""
    alive = np.flatnonzero(equity <= 0.0)
    path = np.maximum(equity[: alive[0] + 1] if alive.size else equity, 0.0)
    found: Floats = path[1:] / path[:-1] - 1.0
    return found


def max_drawdown(equity: Floats) -> float:
    """Largest fall from a former peak, in [0, 1]."""
    path = np.maximum(equity, 0.0)
    peak = np.maximum.accumulate(path)
    return float((1.0 - path / peak).max())


def rolling_volatility(returns: Floats, periods_per_year: float) -> Floats:
    """Standard deviation of the returns of each whole year [annual]; empty below a year.

    Examples
    --------
    >>> rolling_volatility(np.array([0.1, -0.1, 0.1]), 2.0).round(6).tolist()
    [0.2, 0.2]
    """
    window = max(round(periods_per_year), 2)
    if returns.size < window:
        return np.empty(0)
    views = np.lib.stride_tricks.sliding_window_view(returns, window)
    found: Floats = views.std(axis=1, ddof=1) * periods_per_year**0.5
    return found


def capture(returns: Floats, reference: Floats) -> tuple[float | None, float | None]:
    """Mean return over that of the reference where the reference rose, and where it fell.

    Examples
    --------
    >>> capture(np.array([0.01, -0.01]), np.array([0.02, -0.04]))
    (0.5, 0.25)
    """
    found = []
    for chosen in (reference > 0.0, reference < 0.0):
        base = float(reference[chosen].sum())
        found.append(float(returns[chosen].sum()) / base if base else None)
    return found[0], found[1]
