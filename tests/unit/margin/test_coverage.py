"""Tests of breaches against log-likelihoods of scipy, and the zones of Basel's table."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from services.core.errors import InvalidInput
from services.margin.coverage import christoffersen_independence, conditional_coverage, judge, kupiec, traffic_light


@pytest.mark.parametrize(("breaches", "observations", "rate"), [(0, 250, 0.01), (3, 250, 0.01), (9, 500, 0.025)])
def test_kupiec_is_a_ratio_of_binomial_likelihoods(breaches: int, observations: int, rate: float) -> None:
    free, own = stats.binom.logpmf(breaches, observations, [breaches / observations, rate])
    found = kupiec(breaches, observations, rate)
    assert found.statistic == pytest.approx(2.0 * (free - own), rel=1e-9)
    assert found.p_value == pytest.approx(stats.chi2.sf(2.0 * (free - own), 1), rel=1e-9)


def test_kupiec_is_not_doubled() -> None:
    """A calculator on the web shows 0.189 for 3 breaches of 250 at 1 %."""
    assert kupiec(3, 250, 0.01).statistic == pytest.approx(0.0949401, abs=1e-7)


def test_kupiec_at_its_ends() -> None:
    assert kupiec(0, 100, 0.01).statistic == pytest.approx(-200.0 * math.log(0.99))
    assert kupiec(100, 100, 0.01).statistic == pytest.approx(-200.0 * math.log(0.01))
    assert kupiec(1, 100, 0.01) == (0.0, 1.0)
    assert [x for x in range(30) if kupiec(x, 250, 0.01).p_value < 0.05] == [0, *range(7, 30)]


def markov_likelihood(hits: list[bool], after_calm: float, after_breach: float) -> float:
    """log-likelihood of a path after its first step, one step at a time."""
    total = 0.0
    for before, now in itertools.pairwise(hits):
        chance = after_breach if before else after_calm
        total += math.log(chance if now else 1.0 - chance)
    return total


def test_independence_is_a_ratio_of_markov_likelihoods() -> None:
    rng = np.random.default_rng(4)
    hits = [bool(flag) for flag in rng.random(400) < 0.15]
    pairs = list(itertools.pairwise(hits))
    calm, breach = [b for a, b in pairs if not a], [b for a, b in pairs if a]
    assert any(breach)
    both = sum(b for _, b in pairs) / len(pairs)
    chain = markov_likelihood(hits, sum(calm) / len(calm), sum(breach) / len(breach))
    expected = 2.0 * (chain - markov_likelihood(hits, both, both))
    found = christoffersen_independence(np.array(hits))
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    assert found.p_value == pytest.approx(stats.chi2.sf(expected, 1), rel=1e-9)


def test_clustered_breaches_are_found_and_lone_ones_are_not() -> None:
    clustered, spread = np.zeros(500, dtype=bool), np.zeros(500, dtype=bool)
    clustered[100:110], spread[::50] = True, True
    assert christoffersen_independence(clustered).p_value < 1e-6
    assert christoffersen_independence(spread).p_value > 0.4
    assert judge(clustered, 0.02).verdict == judge(spread, 0.02).verdict == "covered"
    assert judge(clustered, 0.02).conditional.p_value < 1e-6


@pytest.mark.parametrize("hits", [[], [True], [False, False], [True, True, True]])
def test_without_two_kinds_of_days_nothing_is_told(hits: list[bool]) -> None:
    assert christoffersen_independence(np.array(hits, dtype=bool)) == (0.0, 1.0)


def test_conditional_coverage_adds_up() -> None:
    hits = np.random.default_rng(8).random(1000) < 0.03
    found = judge(hits, 0.01)
    total = found.unconditional.statistic + found.independence.statistic
    assert found.conditional == conditional_coverage(found.unconditional, found.independence)
    assert found.conditional.p_value == pytest.approx(math.exp(-total / 2.0))


def test_zones_follow_the_binomial_law() -> None:
    for observations, rate in ((250, 0.01), (500, 0.01), (250, 0.025)):
        for breaches in range(25):
            reached = stats.binom.cdf(breaches, observations, rate)
            zone = "green" if reached < 0.95 else "yellow" if reached < 0.9999 else "red"
            assert traffic_light(breaches, observations, rate) == zone


def test_the_verdict_blames_too_many_and_names_too_few() -> None:
    def found(breaches: int) -> str:
        return judge(np.arange(1000) < breaches, 0.01).verdict

    many = [x for x in range(30) if stats.binom.sf(x - 1, 1000, 0.01) < 0.05]
    few = [x for x in range(30) if stats.binom.cdf(x, 1000, 0.01) < 0.05]
    assert [x for x in range(30) if found(x) == "under_coverage"] == many
    assert [x for x in range(30) if found(x) == "over_coverage"] == few
    assert judge(np.zeros(1000, dtype=bool), 0.01).under_coverage_p == 1.0


def test_of_right_margins_few_are_blamed() -> None:
    """The size of the verdict: at most 5 % of a thousand series whose rate is right."""
    rng = np.random.default_rng(12)
    blamed = [judge(rng.random(1000) < 0.01, 0.01).verdict == "under_coverage" for _ in range(1000)]
    assert 0.01 < np.mean(blamed) < 0.06


@pytest.mark.parametrize(
    ("breaches", "observations", "rate"), [(-1, 10, 0.1), (11, 10, 0.1), (0, 0, 0.1), (1, 10, 1.0)]
)
def test_impossible_counts_are_refused(breaches: int, observations: int, rate: float) -> None:
    with pytest.raises(InvalidInput, match=r"breaches|rate"):
        kupiec(breaches, observations, rate)
