"""Volatility of a book and who makes it."""

from __future__ import annotations

import numpy as np

from services.core.explain import Floats


def portfolio_volatility(weights: Floats, volatility: Floats, correlation: Floats | None) -> float:
    r"""Volatility of a book, ``sqrt((wσ)' R (wσ))``; Σ|w|σ without a correlation matrix.

    Parameters
    ----------
    weights : (m,) array
        Signed notional over equity.
    volatility : (m,) array
        [annual]
    correlation : (m, m) array, optional
        None: no diversification is assumed, neither between longs nor between a long and a short.

    Examples
    --------
    >>> both = np.array([0.5, -0.5]), np.array([0.4, 0.4])
    >>> round(portfolio_volatility(*both, np.array([[1.0, 0.5], [0.5, 1.0]])), 3), portfolio_volatility(*both, None)
    (0.2, 0.4)
    """
    risk = weights * volatility
    if correlation is None:
        return float(np.abs(risk).sum())
    return float(np.sqrt(max(float(risk @ correlation @ risk), 0.0)))


def risk_contributions(weights: Floats, volatility: Floats, correlation: Floats | None) -> Floats:
    r"""Part of each position in the volatility of the book, ``w_i σ_i (R wσ)_i / σ_book`` [annual].

    They add up to `portfolio_volatility` (Euler: it is homogeneous of degree one in the weights); a hedge contributes
    less than nothing. All zero for a book without risk.

    References
    ----------
    Litterman (1996), Hot Spots and Hedges.

    Examples
    --------
    >>> risk_contributions(np.array([0.5, 0.5]), np.array([0.2, 0.2]), np.eye(2)).round(6).tolist()
    [0.070711, 0.070711]
    """
    risk = weights * volatility
    if correlation is None:
        return np.abs(risk)
    total = portfolio_volatility(weights, volatility, correlation)
    contributions: Floats = risk * (correlation @ risk) / total if total > 0.0 else np.zeros_like(risk)
    return contributions
