"""Gaps: losses between two rebalances that are larger than a cushion."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr


def gap_probability(
    multiplier: float, volatility: float, step_years: float, *, drift: float = 0.0, side: int = 1
) -> float:
    r"""Probability that one step costs a cushion times `multiplier` more than the cushion, under GBM.

    Long: ``P(S₁/S₀ < 1 − 1/m) = N(−d₂)``, ``d₂ = (ln(m/(m−1)) + (μ − σ²/2) dt) / (σ √dt)``. Short:
    ``P(S₁/S₀ > 1 + 1/m) = N(−(ln(1 + 1/m) − (μ − σ²/2) dt) / (σ √dt))``.

    Parameters
    ----------
    multiplier : float
        m, exposure over cushion.
    volatility : float
        σ [annual], > 0.
    step_years : float
        dt, time between rebalances [years], > 0.
    drift : float
        μ − r [annual].
    side : {1, -1}
        Long or short.

    Returns
    -------
    float
        0 for a long with ``m <= 1``: no price is negative.

    References
    ----------
    Balder, Brandl & Mahayni (2009), Effectiveness of CPPI strategies under discrete-time trading, JEDC 33(1).

    Examples
    --------
    >>> f"{gap_probability(12.0, 0.2, 1 / 252):.6e}"
    '2.599861e-12'
    """
    if side > 0 and multiplier <= 1.0:
        return 0.0
    mean, deviation = (drift - volatility**2 / 2.0) * step_years, volatility * step_years**0.5
    distance = -np.log1p(-1.0 / multiplier) + mean if side > 0 else np.log1p(1.0 / multiplier) - mean
    return float(ndtr(-distance / deviation))


def any_gap_probability(one: float, steps: float) -> float:
    """Probability of at least one gap in `steps` independent steps, ``1 − (1 − p)ⁿ``.

    Examples
    --------
    >>> f"{any_gap_probability(1e-20, 365.0):.3e}"
    '3.650e-18'
    """
    return 1.0 if one >= 1.0 else float(-np.expm1(steps * np.log1p(-one)))
