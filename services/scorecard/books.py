"""Whole books: breaches of a value at risk, size of an expected shortfall, volatility over a target, hedges."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from services.core.explain import Bools, Floats
from services.margin.coverage import Coverage, judge
from services.risk.tails import quantile_multiple
from services.scorecard.mean import LEAST_MOMENTS, Estimate, hac_mean, hac_ratio

VALUE_AT_RISK_LEVEL, SHORTFALL_LEVEL, TAIL_FREEDOM = 0.99, 0.975, 4.0
"""Of the figures that answers state: Student's t with 4 degrees of freedom."""


class Tails(NamedTuple):
    """Losses of books against what was stated of them.

    Parameters
    ----------
    breaches : Estimate
        Share of losses beyond the value at risk; 0.01 where it is right. Without standard error if there are none.
    coverage : Coverage or None
        Tests of Kupiec and Christoffersen, and the verdict; None below 20 moments.
    shortfall : Estimate
        Losses beyond the 97.5 % quantile over their expected sum, less 1: 0 where the expected shortfall is right,
        positive where it is too small.
    """

    breaches: Estimate
    coverage: Coverage | None
    shortfall: Estimate


def judge_tails(losses: Floats, value_at_risk: Floats, expected_shortfall: Floats, times: Floats) -> Tails:
    r"""Coverage of one-day losses whose days do not overlap.

    The expected shortfall is judged by ``Z = 1/n Σ L 1{L > q} / ((1 − α) ES) − 1``, q the 97.5 % quantile of the same
    law: the value at risk times ``t₄(.975) / t₄(.99)``.

    Parameters
    ----------
    losses, value_at_risk, expected_shortfall : (n,) array
        In one currency each; the last two > 0. In order of time.
    times : (n,) array
        [s]

    Notes
    -----
    The tests take days to be independent but for clustering; books of one day are counted as observations of their
    own, which makes p-values of several portfolios together too small.

    References
    ----------
    Acerbi and Székely (2014), Back-testing expected shortfall, Risk (their Z₂, with the sign turned).
    """
    hits = losses > value_at_risk
    quantile = value_at_risk * (
        quantile_multiple("student_t", SHORTFALL_LEVEL, TAIL_FREEDOM)
        / quantile_multiple("student_t", VALUE_AT_RISK_LEVEL, TAIL_FREEDOM)
    )
    excess = np.where(losses > quantile, losses / expected_shortfall, 0.0) / (1.0 - SHORTFALL_LEVEL) - 1.0
    breaches = hac_mean(hits.astype(float), times)
    if not hits.any():  # a spread of nothing is no measure of how well a rate is known
        breaches = breaches._replace(standard_error=None)
    coverage = judge(hits, 1.0 - VALUE_AT_RISK_LEVEL) if breaches.moments >= LEAST_MOMENTS else None
    return Tails(breaches, coverage, hac_mean(excess, times))


def volatility_ratio(returns: Floats, volatility: Floats, times: Floats) -> Estimate:
    r"""Realised over stated volatility, ``√(mean (R/σ)²)``: 1 where it is right.

    Parameters
    ----------
    returns, volatility : (n,) array
        R and σ > 0 over the same bar.

    Notes
    -----
    The mean return is taken as 0. Standard error of the mean square by Newey–West, of its root by the delta method:
    ``se / (2 √mean)``.
    """
    found = hac_mean((returns / volatility) ** 2, times)
    if found.value is None or found.standard_error is None or found.value <= 0.0:
        return Estimate(found.n, found.moments)
    root = math.sqrt(found.value)
    return found._replace(value=root, standard_error=found.standard_error / (2.0 * root))


class HedgeError(NamedTuple):
    """What hedges left.

    Parameters
    ----------
    variance : Estimate
        Σ (delta after × move)² over Σ (delta before × move)²: 0 for a perfect hedge of delta, 1 for none.
    delta : Estimate
        Σ |delta after| over Σ |delta before|, by value.
    """

    variance: Estimate
    delta: Estimate


def hedge_error(before: Floats, after: Floats, moves: Floats, times: Floats, horizon: float) -> HedgeError:
    """Residual of hedges: deltas as values [quote currency], moves as simple returns to the next price."""
    return HedgeError(
        hac_ratio((after * moves) ** 2, (before * moves) ** 2, times, horizon),
        hac_ratio(np.abs(after), np.abs(before), times, horizon),
    )


def disjoint(times: Floats, groups: list[str], length: float, slack: float) -> Bools:
    """Which of the pairs, in order of time, begin after the last kept one of their group has ended.

    Examples
    --------
    >>> disjoint(np.array([0.0, 5.0, 10.0]), ["a", "a", "a"], 10.0, 0.0).tolist()
    [True, False, True]
    """
    ends: dict[str, float] = {}
    kept = np.zeros(times.size, dtype=bool)
    for place, (time, group) in enumerate(zip(times.tolist(), groups, strict=True)):
        if time >= ends.get(group, -math.inf):
            kept[place], ends[group] = True, time + length - slack
    return kept
