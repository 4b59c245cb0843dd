"""A method of correlation applied to a panel: late closes, holes, repair, stress."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.core.explain import Floats
from services.risk.clock import MIN_COMMON_BARS, Uncorrelated, thinnest_pair
from services.risk.matrices import complete_bars, repair
from services.risk.regime import CorrelationRegime, RegimeReading, read_regime
from services.risk.registry import CorrelationEstimator


@dataclass(frozen=True, slots=True)
class CorrelationEstimate:
    """Correlation forecast for the next bar.

    Parameters
    ----------
    matrix : (m, m) array
        Symmetric, unit diagonal, positive semidefinite; not stressed.
    repaired : bool
        Whether eigenvalues had to be lifted.
    regime : RegimeReading, optional
        The monitor, where it was asked for.
    stress : float
        Weight of `stress_correlation` that is due now; 0 where none is.
    """

    matrix: Floats
    repaired: bool
    regime: RegimeReading | None
    stress: float


def estimate_correlation(
    standardized: Floats, method: CorrelationEstimator, *, monitor: bool = False
) -> CorrelationEstimate | Uncorrelated:
    """Correlation of a panel by a method, with what its options ask for.

    Parameters
    ----------
    standardized : (t, m) array
        Of `common_clock`: oldest first, NaN where a market has no value.
    monitor : bool
        Read the regime even if stress does not depend on it.

    Returns
    -------
    CorrelationEstimate or Uncorrelated
        The latter where a pair, or a method that needs bars of all markets, has fewer than 60; returns over two bars
        need both.

    Notes
    -----
    Without holes a weighted product is positive semidefinite by construction and is left alone, bit for bit; with holes
    or with `lead_lag` its eigenvalues are looked at. Stress is told and not applied: it depends on the sides of the
    positions.
    """
    used = standardized if method.asynchronous == "none" else over_two_bars(standardized)
    whole, thin = complete_bars(used), thinnest_pair(used)
    if thin is not None:
        return thin
    if not method.skips_holes and len(whole) < MIN_COMMON_BARS:
        detail = f"{method.method} needs {MIN_COMMON_BARS} bars that every market has, these have {len(whole)}"
        return Uncorrelated(detail)
    matrix, repaired = between_closes(standardized, method), False
    if len(whole) < len(used) or method.asynchronous == "lead_lag":
        matrix, repaired = repair(matrix)
    several = standardized.shape[1] > 1
    regime = read_regime(standardized) if several and (monitor or method.stress == "shifted") else None
    shifted = regime is not None and regime.label is CorrelationRegime.SHIFTED
    due = method.stress == "always" or (method.stress == "shifted" and shifted)
    return CorrelationEstimate(matrix, repaired, regime, method.stress_weight if due else 0.0)


def between_closes(standardized: Floats, method: CorrelationEstimator) -> Floats:
    r"""Correlation of markets that may close at different moments.

    ``overlapping`` correlates ``y_t = (z_t + z_{t−1}) / √2``: ``c(0) + (c(1) + c(−1))/2``, a matrix like any other.
    ``lead_lag`` is ``2 R(y) − R(z) = c(0) + c(1) + c(−1)``, which makes up for closes up to a bar apart in full, at
    √3 times the noise; it need not be positive semidefinite.

    Notes
    -----
    Closes φ of a bar apart leave ``c(0) = (1 − φ) ρ`` and move ``φ ρ`` to one of the lags, so that lead_lag finds ρ
    and overlapping ``(1 − φ/2) ρ``. Both take z to be unpredictable by itself: own lags are not divided out, as
    Scholes and Williams do with those of the market, since bid–ask bounce would turn that against small samples.

    References
    ----------
    Scholes and Williams (1977), Estimating Betas from Nonsynchronous Data, J. of Financial Economics 5(3), eq. 18.
    """
    if method.asynchronous == "none":
        return method.matrix(standardized)
    longer = method.matrix(over_two_bars(standardized))
    if method.asynchronous == "overlapping":
        return longer
    return np.clip(2.0 * longer - method.matrix(standardized[1:]), -1.0, 1.0)


def over_two_bars(standardized: Floats) -> Floats:
    """``(z_t + z_{t−1}) / √2`` of every two bars that follow one another; NaN where one is missing."""
    longer: Floats = (standardized[1:] + standardized[:-1]) / np.sqrt(2.0)
    return longer
