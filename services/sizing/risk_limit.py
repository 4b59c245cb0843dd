"""Risk of the book as wanted against a multiple of its target: what the risk overlays share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from services.core.explain import Floats
from services.sizing.overlay import Effect, View, whole_book


def risk_multiplier(risk: float, target: float, limit: float) -> float:
    """``min(1, limit · target / risk)``; 1 without risk.

    Examples
    --------
    >>> risk_multiplier(0.5, 0.2, 2.0)
    0.8
    """
    return min(1.0, limit * target / risk) if risk > 0.0 else 1.0


def limit_risk(
    view: View,
    measure: Callable[[Floats], float],
    *,
    limit: float,
    target: float | None,
    unknown: str = "",
    name: str = "volatility of the book",
) -> Effect:
    """One multiplier for the book, on its wanted weights as `measure` sees them.

    Parameters
    ----------
    measure : callable
        Weights over equity to risk [annual volatility]; risk that is not known counts as none.
    unknown : str
        What of the risk is not known, where something is not: then what is known still limits, and nothing may be
        increased.
    """
    target = target or view.target_volatility
    if target is None:
        return whole_book(view, 1.0, "", lacking="no target volatility: neither the overlay nor the policy has one")
    if not unknown and not view.columns.risk_complete:
        unknown = "a held position has no known risk"
    risk = measure(np.asarray(view.weights))
    return whole_book(view, risk_multiplier(risk, target, limit), f"{name} {risk:.4g}", lacking=unknown)
