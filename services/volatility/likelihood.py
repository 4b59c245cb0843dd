r"""Log-likelihood of the GARCH family, and its exact gradient.

``ℓ = Σ ln f(e_t / √h_t) − ½ ln h_t`` with ``e_t = y_t − μ`` and f the standard normal or the Student-t density of
variance one. The gradient costs as much as the value: one pass of the recursion backward (the adjoint) carries
``∂ℓ/∂h_t``, the effect of a variance on all later ones included, and every parameter is then one inner product with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter
from scipy.special import digamma, gammaln

from services.core.explain import Floats
from services.volatility.garch import LOG_VARIANCE_LIMIT, MEAN_SIZE

BACKCAST_BARS, BACKCAST_DECAY = 75, 0.94


class Parameters(NamedTuple):
    """One point of the likelihood; also the shape of its gradient.

    `rise` and `fall` are the reactions to positive and negative residuals (GARCH: equal; GJR: α and α + γ). For EGARCH
    they hold α and γ. `degrees_of_freedom` is infinite for the normal density.
    """

    mean: float
    omega: float
    rise: float
    fall: float
    beta: float
    degrees_of_freedom: float = math.inf


class Slope(NamedTuple):
    """Value of the likelihood, its gradient, and the variances that it was computed from."""

    value: float
    gradient: Parameters
    variance: Floats


Likelihood = Callable[[Floats, Parameters, float], Slope]
"""Returns, parameters and the variance before the first return to `Slope`."""


def backcast(residuals: Floats) -> float:
    """Variance before the first return: mean of the first 75 squares with weights 0.94^i, newest weight last.

    Notes
    -----
    The choice of `arch`, kept so that estimates agree. It looks ahead into the first rows of the window, which a fit
    may and a forecast must not: no filter starts from it.
    """
    head = residuals[:BACKCAST_BARS]
    weights = BACKCAST_DECAY ** np.arange(head.size, dtype=float)
    return float(weights @ (head * head) / weights.sum())


def garch_likelihood(returns: Floats, at: Parameters, before: float) -> Slope:
    """Likelihood of GARCH and GJR: ``h_t = ω + (a·1{e≥0} + c·1{e<0}) e² + β h``, all of bar t − 1.

    Parameters
    ----------
    returns : (n,) array
        Oldest first; scaled to about unit variance where the numbers go to an optimiser.
    at : Parameters
        `rise` is a, `fall` is c.
    before : float
        Variance and mean square before the first return: ``h_0 = ω + ((a + c)/2 + β) before``.
    """
    residuals = returns - at.mean
    squares, falls = residuals * residuals, residuals < 0.0
    reaction = np.where(falls, at.fall, at.rise)
    shocks = np.empty_like(squares)
    shocks[0] = at.omega + (0.5 * (at.rise + at.fall) + at.beta) * before
    shocks[1:] = at.omega + (reaction * squares)[:-1]
    variance = lfilter([1.0], [1.0, -at.beta], shocks)
    value, by_variance, by_residual, by_freedom = _density(squares, variance, residuals, at.degrees_of_freedom)
    adjoint = lfilter([1.0], [1.0, -at.beta], by_variance[::-1])[::-1]
    later, first = adjoint[1:], float(adjoint[0])
    carried = later * squares[:-1]
    fall = float(carried @ falls[:-1])
    rise = float(carried.sum()) - fall
    mean = -float(by_residual.sum()) - 2.0 * float((later * reaction[:-1]) @ residuals[:-1])
    beta = float(later @ variance[:-1]) + first * before
    half = 0.5 * first * before
    return Slope(value, Parameters(mean, float(adjoint.sum()), rise + half, fall + half, beta, by_freedom), variance)


def egarch_likelihood(returns: Floats, at: Parameters, before: float) -> Slope:
    """Likelihood of EGARCH: ``ln h_t = ω + α(|z| − √(2/π)) + γ z + β ln h``, all of bar t − 1; `rise` is α, `fall` γ.

    ``ln h_0 = ω + β ln before``; ln h is kept within ± 30, beyond which no optimum lies.
    """
    residuals = returns - at.mean
    logs = np.array(_log_variances(residuals.tolist(), at, math.log(before)))
    variance = np.exp(logs)
    z = residuals / np.sqrt(variance)
    value, by_variance, by_residual, by_freedom = _density(
        residuals * residuals, variance, residuals, at.degrees_of_freedom
    )
    free = np.abs(logs) < LOG_VARIANCE_LIMIT
    kept = (at.beta - 0.5 * (at.rise * np.abs(z) + at.fall * z))[:-1] * free[1:]
    adjoint = np.array(_backward((by_variance * variance).tolist(), kept.tolist())) * free
    later, size = adjoint[1:], np.abs(z[:-1])
    slope_of_z = (at.rise * np.sign(z) + at.fall)[:-1] / np.sqrt(variance[:-1])
    gradient = Parameters(
        mean=-float(by_residual.sum()) - float(later @ slope_of_z),
        omega=float(adjoint.sum()),
        rise=float(later @ (size - MEAN_SIZE)),
        fall=float(later @ z[:-1]),
        beta=float(later @ logs[:-1]) + float(adjoint[0]) * math.log(before),
        degrees_of_freedom=by_freedom,
    )
    return Slope(value, gradient, variance)


def _log_variances(residuals: list[float], at: Parameters, before: float) -> list[float]:
    limit, path, exp = LOG_VARIANCE_LIMIT, [], math.exp
    level = min(max(at.omega + at.beta * before, -limit), limit)
    base, up, down, beta = at.omega - at.rise * MEAN_SIZE, at.fall + at.rise, at.fall - at.rise, at.beta
    for value in residuals:
        path.append(level)
        level = base + (up if value > 0.0 else down) * value * exp(-0.5 * level) + beta * level
        if not -limit < level < limit:
            level = min(max(level, -limit), limit)
    return path


def _backward(own: list[float], kept: list[float]) -> list[float]:
    """``a_t = own_t + kept_t a_{t+1}``, from the last bar to the first."""
    total = own[-1]
    path = [total]
    for value, share in zip(reversed(own[:-1]), reversed(kept), strict=True):
        total = value + share * total
        path.append(total)
    path.reverse()
    return path


def _density(
    squares: Floats, variance: Floats, residuals: Floats, freedom: float
) -> tuple[float, Floats, Floats, float]:
    """ℓ and its derivatives by h_t, by e_t (h held) and by the degrees of freedom."""
    ratio, log_variance = squares / variance, float(np.log(variance).sum())
    if math.isinf(freedom):
        value = -0.5 * (ratio.size * math.log(2.0 * math.pi) + log_variance + float(ratio.sum()))
        return value, 0.5 * (ratio - 1.0) / variance, -residuals / variance, 0.0
    left = freedom - 2.0
    weight = (freedom + 1.0) / (left + ratio)
    weighted, tail = weight * ratio, float(np.log1p(ratio / left).sum())
    constant = gammaln(0.5 * (freedom + 1.0)) - gammaln(0.5 * freedom) - 0.5 * math.log(math.pi * left)
    value = ratio.size * float(constant) - 0.5 * log_variance - 0.5 * (freedom + 1.0) * tail
    slope = digamma(0.5 * (freedom + 1.0)) - digamma(0.5 * freedom) - 1.0 / left
    by_freedom = 0.5 * (ratio.size * float(slope) - tail + float(weighted.sum()) / left)
    return value, 0.5 * (weighted - 1.0) / variance, -weight * residuals / variance, by_freedom
