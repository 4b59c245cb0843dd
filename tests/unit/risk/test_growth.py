"""Growth-optimal and risk-constrained bets against closed forms, other optimisers and simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize

from services.core.explain import Floats
from services.risk.growth import (
    drawdown_exponent,
    excess_risk,
    growth_rate,
    growth_risks,
    probability_bound,
    probability_ever_below,
    quadratic_share,
    risk_constrained_bets,
    solvent,
    within_risk,
)


def random_correlation(n: int, rng: np.random.Generator) -> Floats:
    loading = rng.normal(size=(n, n + 2))
    covariance = loading @ loading.T
    scale = np.sqrt(np.diag(covariance))
    found: Floats = covariance / np.outer(scale, scale)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_growth_risks_satisfy_the_conditions_of_their_optimum(seed: int) -> None:
    """s − R u is 0 where u > 0 and at most 0 where u = 0."""
    rng = np.random.default_rng(seed)
    correlation, sharpe = random_correlation(6, rng), rng.uniform(0.0, 1.0, 6)
    risks = growth_risks(sharpe, correlation)
    slope = sharpe - correlation @ risks
    assert (risks >= 0.0).all()
    assert (slope <= 1e-9).all()
    assert np.abs(slope * risks).max() <= 1e-9


def test_perfectly_correlated_rows_are_finite() -> None:
    risks = growth_risks(np.array([0.5, 0.4]), np.ones((2, 2)))
    assert risks == pytest.approx([0.5, 0.0], abs=1e-6)


def test_the_quadratic_constraint_is_the_ruin_of_fractional_kelly() -> None:
    """c = 2/(1 + λ) puts x^(2/c − 1) exactly on β."""
    for level, probability in product((0.5, 0.7, 0.9), (0.01, 0.1, 0.4)):
        share = quadratic_share(drawdown_exponent(level, probability))
        if share < 1.0:
            assert level ** (2.0 / share - 1.0) == pytest.approx(probability)
            assert probability_ever_below(level, share, share**2) == pytest.approx(probability)


def test_the_quadratic_solution_against_an_optimiser() -> None:
    """max b'μ − b'Σb/2 subject to λ(λ+1)/2 b'Σb <= λ b'μ, three assets."""
    covariance = np.array([[0.09, 0.02, 0.0], [0.02, 0.16, 0.03], [0.0, 0.03, 0.25]])
    mean, exponent = np.array([0.1, 0.15, 0.12]), 4.0
    constraint = {
        "type": "ineq",
        "fun": lambda b: exponent * b @ mean - exponent * (exponent + 1) / 2 * b @ covariance @ b,
    }
    found = minimize(
        lambda b: -(b @ mean - b @ covariance @ b / 2), np.full(3, 0.1), constraints=constraint, options={"ftol": 1e-14}
    )
    ours = quadratic_share(exponent) * np.linalg.solve(covariance, mean)
    assert found.x == pytest.approx(ours, rel=1e-4)


def test_a_single_bet_by_bisection() -> None:
    """p = .6 at even odds, λ = ln .1/ln .7: the root of .6 (1 + f)^−λ + .4 (1 − f)^−λ = 1, by bisection."""
    exponent = drawdown_exponent(0.7, 0.1)
    low, high = 1e-6, 0.2
    for _ in range(200):
        middle = (low + high) / 2
        risk = 0.6 * (1 + middle) ** -exponent + 0.4 * (1 - middle) ** -exponent
        low, high = (middle, high) if risk <= 1.0 else (low, middle)
    outcomes = np.array([[1.0]] * 6 + [[-1.0]] * 4)
    assert risk_constrained_bets(outcomes, exponent)[0] == pytest.approx(low, rel=1e-6)
    assert probability_bound(0.7, np.array([low]), outcomes) == pytest.approx(0.1, rel=1e-6)


def test_a_loose_constraint_leaves_kelly() -> None:
    outcomes = np.array([[1.0]] * 6 + [[-1.0]] * 4)
    assert risk_constrained_bets(outcomes, drawdown_exponent(0.2, 0.9))[0] == pytest.approx(0.2, rel=1e-6)


def test_no_edge_no_bet() -> None:
    outcomes = np.array([[1.0]] * 4 + [[-1.0]] * 6)
    assert risk_constrained_bets(outcomes, 3.0)[0] == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_several_bets_against_an_interior_point_optimiser(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mix = np.array([[1.0, 0.4, 0.0], [0.0, 1.0, 0.3], [0.2, 0.0, 1.0]])
    outcomes = rng.standard_t(6, (300, 3)) @ mix * 0.03 + rng.uniform(0.002, 0.004, 3)
    exponent = drawdown_exponent(0.8, 0.1)
    bets = risk_constrained_bets(outcomes, exponent)
    assert excess_risk(bets, outcomes, exponent) <= 0.0
    other = minimize(
        lambda b: -growth_rate(b, outcomes) if (1 + outcomes @ b).min() > 0 else 1e3,
        np.full(3, 0.05),
        method="COBYLA",
        constraints=[
            {"type": "ineq", "fun": lambda b: -excess_risk(b, outcomes, exponent) * 100},
            LinearConstraint(np.eye(3), lb=0.0),
        ],
        options={"maxiter": 20_000, "tol": 1e-10},
    )
    assert growth_rate(bets, outcomes) == pytest.approx(-other.fun, rel=1e-4)


def test_a_drawdown_is_as_improbable_as_was_asked_for() -> None:
    """40,000 gamblers, 3,000 bets each: the share that ever falls below .7 is at most β, and not far below it."""
    level, probability = 0.7, 0.1
    outcomes = np.array([[1.0]] * 6 + [[-1.0]] * 4)
    bet = float(risk_constrained_bets(outcomes, drawdown_exponent(level, probability))[0])
    rng = np.random.default_rng(3)
    wealth, lowest = np.zeros(40_000), np.zeros(40_000)
    for _ in range(3_000):
        wealth += np.where(rng.random(40_000) < 0.6, np.log1p(bet), np.log1p(-bet))
        np.minimum(lowest, wealth, out=lowest)
    share = float((lowest < np.log(level)).mean())
    assert share <= probability + 3 * (probability / 40_000) ** 0.5
    assert share >= 0.6 * probability


def test_probability_of_ever_falling_against_simulation() -> None:
    """A Brownian bridge between the points makes the continuous minimum exact: 20,000 paths of 60 years."""
    level, drift, variance = 0.6, 0.3, 0.16
    rng = np.random.default_rng(5)
    steps, years = 600, 60.0
    step = years / steps
    moves = rng.normal((drift - variance / 2) * step, (variance * step) ** 0.5, (20_000, steps))
    paths = np.concatenate([np.zeros((20_000, 1)), np.cumsum(moves, axis=1)], axis=1)
    start, end, floor = paths[:, :-1], paths[:, 1:], np.log(level)
    above = (start > floor) & (end > floor)
    crossing = np.where(
        above, np.exp(np.where(above, -2 * (start - floor) * (end - floor), 0.0) / (variance * step)), 1.0
    )
    ever = 1.0 - np.prod(1.0 - crossing, axis=1)
    found = probability_ever_below(level, drift, variance)
    assert ever.mean() == pytest.approx(found, abs=4 * (found * (1 - found) / 20_000) ** 0.5)


def test_limits_of_the_probability() -> None:
    assert probability_ever_below(0.5, 0.0, 0.04) == 1.0
    assert probability_ever_below(0.5, 0.0, 0.0) == 0.0
    assert probability_bound(0.5, np.array([0.1]), np.array([[0.1], [0.2]])) == 0.0
    assert probability_bound(0.5, np.array([0.1]), np.array([[-0.1], [0.05]])) == 1.0
    assert growth_rate(np.array([2.0]), np.array([[-0.5], [2.0]])) == -np.inf


def test_no_outcome_may_take_everything() -> None:
    """A loose exponent forgives a rare ruin on paper; the bet that is ruined is not made."""
    outcomes = np.array([[0.05]] * 999 + [[-0.9]])
    bets = np.array([1.5])
    assert solvent(bets, outcomes) == pytest.approx(0.99 / 1.35)
    assert within_risk(bets, outcomes, 0.01) <= 0.99 / 1.35
    for exponent in (None, 0.01, 1.0):
        assert (1.0 + outcomes @ risk_constrained_bets(outcomes, exponent)).min() >= 0.009
