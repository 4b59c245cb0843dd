"""The coefficient of the square-root law that one's own orders show, with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.core.explain import Floats
from services.liquidity.shortfall import Execution

LEAST_ORDERS = 30
"""Orders below which no coefficient is told: each order is one observation, however many fills it had."""
PRIOR_DEVIATION = 0.5
"""Standard deviation of the coefficient around the policy's before anything is seen: published ones lie near 1."""
HUBER = 1.345
"""Residuals beyond so many deviations weigh less: 95 % of the efficiency of least squares under a normal law."""
MAD_TO_DEVIATION = 1.4826
LARGEST, SMALLEST = 10.0, 0.01
"""Bounds of a coefficient, as of policies."""
_ITERATIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactFit:
    """Fitted coefficient Y of ``I = Y σ √(Q / V)``.

    Parameters
    ----------
    orders : int
        Observations.
    estimate, standard_error : float
        Of the regression alone.
    coefficient, deviation : float
        Shrunk towards the prior, within 0.01 and 10; and the standard deviation behind the interval.
    interval : (float, float)
        ``coefficient ± 1.96 deviation``, 95 %.
    """

    orders: int
    estimate: float
    standard_error: float
    coefficient: float
    deviation: float
    interval: tuple[float, float]


def fit_impact(executions: Sequence[Execution], *, prior: float) -> ImpactFit | None:
    r"""Robust regression through the origin of own price moves on the impact scale; None below 30 usable orders.

    Both sides are divided by the volatility of a day, so that noise of all markets has one scale: with
    ``z_i = y_i / σ_i`` and ``u_i = √(Q_i / V_i)``::

        Ŷ = argmin Σ ρ((z_i − Y u_i) / s),   ρ Huber's, s = 1.4826 median |z_i − Ŷ u_i|
        v = s² Σ u_i² ψ_i² / (Σ u_i² ψ'_i)² · n / (n − 1)
        Y = (Ŷ / v + Y₀ / v₀) / (1 / v + 1 / v₀),   v₀ = 0.5²

    Parameters
    ----------
    executions : sequence of Execution
        Orders of one venue. Used: those with fills, `impact_scale` and `daily_volatility`.
    prior : float
        Y₀, the coefficient of the policy.

    Notes
    -----
    Unbiased where noise is symmetric and independent of the size. It is not where orders chase their own signal: moves
    that would have come anyway count as impact, which is the safe side; `arrival_price` takes the part before arrival
    out. An order filled in part counts with what was filled. Orders with a standard error of 0 (no noise at all)
    leave the prior no weight. Cost: O(orders).

    References
    ----------
    Huber (1964), Robust estimation of a location parameter, Annals of Mathematical Statistics 35; Huber, Ronchetti
    (2009), Robust Statistics, §7.6 (standard errors); Tóth et al. (2011), Anomalous price impact, eq. 1.
    """
    usable = [point for item in executions if (point := _point(item)) is not None]
    if len(usable) < LEAST_ORDERS:
        return None
    z, u = np.array(usable).T
    estimate, variance = _huber(z, u)
    coefficient, deviation = _shrunk(estimate, variance, prior)
    bounded = min(max(coefficient, SMALLEST), LARGEST)
    return ImpactFit(
        orders=len(usable),
        estimate=estimate,
        standard_error=math.sqrt(variance),
        coefficient=bounded,
        deviation=deviation,
        interval=(bounded - 1.96 * deviation, bounded + 1.96 * deviation),
    )


def _point(item: Execution) -> tuple[float, float] | None:
    """Move and square root of the share of volume, in volatilities of a day; None where one is not known."""
    move, scale, volatility = item.own_move, item.impact_scale, item.daily_volatility
    if move is None or not scale or not volatility or item.filled <= 0.0:
        return None
    return move / volatility, scale / volatility


def _huber(z: Floats, u: Floats) -> tuple[float, float]:
    """Slope through the origin and its variance, by reweighting from the weighted median of the ratios."""
    slope = _weighted_median(z / u, u)
    scale = _scale(z - slope * u)
    for _ in range(_ITERATIONS):
        if scale == 0.0:
            return slope, 0.0
        weights = np.minimum(1.0, HUBER * scale / np.maximum(np.abs(z - slope * u), 1e-300))
        before, slope = slope, float((weights * z * u).sum() / (weights * u * u).sum())
        scale = _scale(z - slope * u)
        if abs(slope - before) <= 1e-12 * max(1.0, abs(slope)):
            break
    return slope, _variance((z - slope * u) / scale, u, scale) if scale > 0.0 else 0.0


def _variance(residuals: Floats, u: Floats, scale: float) -> float:
    psi, inside = np.clip(residuals, -HUBER, HUBER), np.abs(residuals) <= HUBER
    spread, slope = float((u * u * psi * psi).sum()), float((u * u * inside).sum())
    if slope == 0.0:
        return math.inf
    return scale * scale * spread / slope**2 * u.size / (u.size - 1)


def _scale(residuals: Floats) -> float:
    return MAD_TO_DEVIATION * float(np.median(np.abs(residuals)))


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][int(np.searchsorted(reached, 0.5 * reached[-1]))])


def _shrunk(estimate: float, variance: float, prior: float) -> tuple[float, float]:
    """Mean and deviation of the normal posterior."""
    if variance == 0.0:
        return estimate, 0.0
    known, before = 1.0 / variance, 1.0 / PRIOR_DEVIATION**2
    return (estimate * known + prior * before) / (known + before), math.sqrt(1.0 / (known + before))
