"""Does a margin cover as often as it should? Tests of breaches, and a verdict that blames only too many."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import bdtr, bdtrc, chdtrc, xlogy

from services.core.errors import InvalidInput
from services.core.explain import Bools

Light = Literal["green", "yellow", "red"]
Verdict = Literal["covered", "under_coverage", "over_coverage"]
YELLOW, RED = 0.95, 0.9999
"""Cumulative probabilities from which the light is yellow, and red."""


class LikelihoodRatio(NamedTuple):
    """A likelihood-ratio statistic and the probability of one at least as large if the margin is right."""

    statistic: float
    p_value: float


class Coverage(NamedTuple):
    """Breaches of a margin, judged.

    Parameters
    ----------
    observations, breaches : int
    expected_rate, rate : float
        Breaches an observation, as they should be and as they were.
    unconditional : LikelihoodRatio
        Kupiec: the number of breaches, too many or too few.
    independence, conditional : LikelihoodRatio
        Christoffersen: whether breaches follow breaches, and both together.
    traffic_light : str
        Basel's zones: from which number of breaches on a model is doubted.
    under_coverage_p : float
        Probability of at least so many breaches if the rate is right.
    verdict : str
        ``under_coverage`` where that is below the significance; ``over_coverage`` where so few are as improbable, which
        costs capital and not safety; ``covered`` otherwise.
    """

    observations: int
    breaches: int
    expected_rate: float
    rate: float
    unconditional: LikelihoodRatio
    independence: LikelihoodRatio
    conditional: LikelihoodRatio
    traffic_light: Light
    under_coverage_p: float
    verdict: Verdict


def kupiec(breaches: int, observations: int, rate: float) -> LikelihoodRatio:
    r"""Proportion-of-failures test: ``−2 [(n−x) ln((1−p)/(1−x/n)) + x ln(p/(x/n))]``, χ² with one degree of freedom.

    Parameters
    ----------
    breaches, observations : int
        0 <= x <= n, n >= 1.
    rate : float
        p in (0, 1).

    Raises
    ------
    InvalidInput
        If the counts or the rate are out of range.

    Notes
    -----
    Two-sided: it rejects a margin that is breached too seldom as well. Of little power in short samples: of 250
    observations at 1 % it rejects from 7 breaches on, and none at all. (One calculator on the web
    gives twice this statistic.)

    References
    ----------
    Kupiec (1995), Techniques for verifying the accuracy of risk measurement models, J. Derivatives 3.

    Examples
    --------
    >>> round(kupiec(3, 250, 0.01).statistic, 4)
    0.0949
    """
    _check(breaches, observations, rate)
    quiet = observations - breaches
    expected = float(xlogy(quiet, 1.0 - rate) + xlogy(breaches, rate))
    return _ratio(expected, _log_likelihood(quiet, breaches), 1)


def christoffersen_independence(hits: Bools) -> LikelihoodRatio:
    r"""Whether a breach makes the next one more likely: a Markov chain of breaches against a constant rate, χ²(1).

    Parameters
    ----------
    hits : (n,) bool array
        Breaches in order of time; those of horizons that overlap depend on one another by construction.

    Notes
    -----
    ``0 ln 0 = 0``: without any two breaches in a row, or without any at all, little or nothing can be told.

    References
    ----------
    Christoffersen (1998), Evaluating interval forecasts, International Economic Review 39, eqs. 8–12.

    Examples
    --------
    >>> christoffersen_independence(np.array([False, False, False]))
    LikelihoodRatio(statistic=0.0, p_value=1.0)
    """
    flags = np.asarray(hits, dtype=bool)
    before, after = flags[:-1], flags[1:]
    calm_calm, calm_breach = _count(~before & ~after), _count(~before & after)
    breach_calm, breach_breach = _count(before & ~after), _count(before & after)
    chain = _log_likelihood(calm_calm, calm_breach) + _log_likelihood(breach_calm, breach_breach)
    return _ratio(_log_likelihood(calm_calm + breach_calm, calm_breach + breach_breach), chain, 1)


def conditional_coverage(unconditional: LikelihoodRatio, independence: LikelihoodRatio) -> LikelihoodRatio:
    """Number and independence of breaches together: the sum of both statistics, χ² with two degrees of freedom.

    References
    ----------
    Christoffersen (1998), International Economic Review 39, eq. 13.
    """
    return _upper_tail(unconditional.statistic + independence.statistic, 2)


def traffic_light(breaches: int, observations: int, rate: float) -> Light:
    """Zone of a number of breaches: below 95 % of the binomial law green, from 99.99 % on red.

    References
    ----------
    Basel Committee (1996), Supervisory framework for the use of backtesting: 0–4, 5–9 and 10 or more of 250 at 1 %.

    Examples
    --------
    >>> [traffic_light(breaches, 250, 0.01) for breaches in (4, 5, 9, 10)]
    ['green', 'yellow', 'yellow', 'red']
    """
    _check(breaches, observations, rate)
    reached = float(bdtr(breaches, observations, rate))
    return "green" if reached < YELLOW else "yellow" if reached < RED else "red"


def judge(hits: Bools, rate: float, significance: float = 0.05) -> Coverage:
    """All tests of a series of breaches.

    Parameters
    ----------
    hits : (n,) bool array
        Whether each loss exceeded its margin, in order of time, n >= 1.
    rate : float
        Breaches an observation as they should be.
    significance : float
        Of the verdict, one-sided.

    Examples
    --------
    >>> found = judge(np.arange(500) % 100 == 0, 0.01)
    >>> found.breaches, found.verdict, found.traffic_light
    (5, 'covered', 'green')
    """
    observations, breaches = int(hits.size), _count(hits)
    unconditional, independence = kupiec(breaches, observations, rate), christoffersen_independence(hits)
    too_many = 1.0 if breaches == 0 else float(bdtrc(breaches - 1, observations, rate))
    too_few = float(bdtr(breaches, observations, rate))
    return Coverage(
        observations=observations,
        breaches=breaches,
        expected_rate=rate,
        rate=breaches / observations,
        unconditional=unconditional,
        independence=independence,
        conditional=conditional_coverage(unconditional, independence),
        traffic_light=traffic_light(breaches, observations, rate),
        under_coverage_p=too_many,
        verdict=_verdict(too_many, too_few, significance),
    )


def _verdict(too_many: float, too_few: float, significance: float) -> Verdict:
    if too_many < significance:
        return "under_coverage"
    return "over_coverage" if too_few < significance else "covered"


def _count(flags: Bools) -> int:
    return int(np.count_nonzero(flags))


def _log_likelihood(quiet: int, breaches: int) -> float:
    """Of a constant rate, at the rate that was observed."""
    total = max(quiet + breaches, 1)
    return float(xlogy(quiet, quiet / total) + xlogy(breaches, breaches / total))


def _ratio(restricted: float, free: float, degrees: int) -> LikelihoodRatio:
    # Equal likelihoods may differ by a rounding error of either sign.
    return _upper_tail(max(2.0 * (free - restricted), 0.0), degrees)


def _upper_tail(statistic: float, degrees: int) -> LikelihoodRatio:
    return LikelihoodRatio(statistic, float(chdtrc(degrees, statistic)))


def _check(breaches: int, observations: int, rate: float) -> None:
    if not (0 <= breaches <= observations and observations >= 1):
        raise InvalidInput("breaches", f"must lie within 0 and the observations ({observations})", breaches)
    if not (0.0 < rate < 1.0) or math.isnan(rate):
        raise InvalidInput("rate", "must lie in (0, 1)", rate)
