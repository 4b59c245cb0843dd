"""Shares of an order that is built up or taken down in steps."""

from __future__ import annotations

import math

from services.core.errors import InvalidInput

MOST_STEPS = 100


def proportions(steps: int, ratio: float, fractions: tuple[float, ...] | None) -> tuple[float, ...]:
    r"""Shares of the steps: `fractions` if there are any, else geometric, ``f_j ∝ ratio^j``.

    Raises
    ------
    InvalidInput
        As `check_fractions`.

    Examples
    --------
    >>> proportions(3, 2.0, None)
    (0.14285714285714285, 0.2857142857142857, 0.5714285714285714)
    >>> proportions(3, 1.0, (0.5, 0.3, 0.2))
    (0.5, 0.3, 0.2)
    """
    if fractions is not None:
        check_fractions(fractions)
        return fractions
    # Powers of the larger end are at most one, so that no ratio overflows.
    weights = [ratio ** (step if ratio < 1.0 else step - steps + 1) for step in range(steps)]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def check_fractions(fractions: tuple[float, ...] | None) -> None:
    """At least one, at most a hundred, each > 0, together 1.

    Raises
    ------
    InvalidInput
        Naming the rule.
    """
    if fractions is None:
        return
    if not 1 <= len(fractions) <= MOST_STEPS:
        raise InvalidInput("schedule.fractions", f"must hold 1 to {MOST_STEPS} shares", len(fractions))
    if any(not 0.0 < share <= 1.0 for share in fractions):
        bad = next(share for share in fractions if not 0.0 < share <= 1.0)
        raise InvalidInput("schedule.fractions", "must each be > 0 and <= 1", bad)
    if abs(math.fsum(fractions) - 1.0) > 1e-9:
        raise InvalidInput("schedule.fractions", "must sum to 1", math.fsum(fractions))
