"""Risk budgeting against closed forms, a general optimiser, coordinate descent, and its own definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.risk.covariance import portfolio_volatility, risk_contributions
from services.risk.parity import LARGEST_GROSS, TOLERANCE, coordinate_descent, newton, risk_parity, risk_parity_weights


def equicorrelated(size: int, rho: float) -> Floats:
    matrix = np.full((size, size), rho)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def factor_model(size: int, factors: int = 5, seed: int = 0, least: float = 0.1) -> Floats:
    generator = np.random.default_rng(seed)
    loadings = generator.normal(size=(size, factors))
    covariance = loadings @ loadings.T + np.diag(generator.uniform(least, 2.0, size))
    deviation = np.sqrt(np.diag(covariance))
    return covariance / np.outer(deviation, deviation)


def one_factor(size: int, seed: int = 0) -> Floats:
    loadings = np.random.default_rng(seed).uniform(0.3, 0.99, size)
    matrix = np.outer(loadings, loadings)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def few_bars(size: int) -> Floats:
    """Singular: a quarter as many bars as markets, which all follow one of them."""
    generator = np.random.default_rng(7)
    bars = size // 4
    return np.corrcoef((generator.normal(size=(bars, size)) + 2.0 * generator.normal(size=(bars, 1))).T)


MATRICES = {
    "equal 0.99": lambda size: equicorrelated(size, 0.99),
    "equal 0.999999": lambda size: equicorrelated(size, 0.999999),
    "equal, near the least possible": lambda size: equicorrelated(size, -0.99 / (size - 1)),
    "one": lambda size: np.ones((size, size)),
    "five factors": factor_model,
    "two factors, little noise": lambda size: factor_model(size, 2, seed=1, least=0.01),
    "one factor": one_factor,
    "fewer bars than markets": few_bars,
    "identity": np.eye,
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("size", [12, 100, 500])
@pytest.mark.parametrize("equal", [True, False])
def test_every_row_makes_its_budget(name: str, size: int, equal: bool) -> None:
    matrix = MATRICES[name](size)
    budgets = np.full(size, 1.0 / size) if equal else np.random.default_rng(size).dirichlet(np.ones(size))
    found = risk_parity(matrix, None if equal else budgets)
    assert found.solved and not found.repaired
    assert (found.exposures > 0.0).all()
    residual = np.abs(found.exposures * (matrix @ found.exposures) - budgets).max()
    assert residual <= TOLERANCE
    assert found.residual == pytest.approx(residual, abs=1e-15)


@pytest.mark.parametrize("size", [5, 100, 500])
@pytest.mark.parametrize("name", ["equal 0.99", "five factors", "one factor"])
def test_signed_books_of_any_size_are_solved(name: str, size: int) -> None:
    matrix = MATRICES[name](size)
    sides = np.where(np.random.default_rng(3).random(size) < 0.5, -1.0, 1.0)
    found = risk_parity(matrix, sides=sides)
    held = sides * found.exposures
    assert found.solved
    assert np.abs(held * (matrix @ held) - 1.0 / size).max() <= TOLERANCE


def test_a_budget_of_its_own_on_uncorrelated_markets() -> None:
    """R = I: x² = b, so that w ∝ sqrt(b)/σ."""
    budgets, volatility = np.array([0.64, 0.36]), np.array([0.2, 0.1])
    weights = risk_parity_weights(volatility, np.eye(2), budgets)
    assert weights == pytest.approx(np.array([0.8 / 0.2, 0.6 / 0.1]) / 10.0, rel=1e-12)


def test_two_markets_are_inverse_volatility_whatever_their_correlation() -> None:
    for rho in (-0.999, -0.3, 0.0, 0.7, 1.0):
        weights = risk_parity_weights(np.array([0.1, 0.3]), equicorrelated(2, rho))
        assert weights == pytest.approx([0.75, 0.25], rel=1e-9)


def test_perfect_correlation_has_one_solution_and_needs_no_ridge() -> None:
    """x_i Σx = b_i: the exposures are the budgets themselves."""
    budgets = np.array([0.5, 0.3, 0.2])
    assert risk_parity(np.ones((3, 3)), budgets).exposures == pytest.approx(budgets, rel=1e-11)


def test_one_row_is_all_of_it() -> None:
    assert risk_parity_weights(np.array([0.3]), np.ones((1, 1)), sides=np.array([-1.0])).tolist() == [-1.0]


def test_a_budget_of_zero_drops_its_row() -> None:
    matrix = factor_model(4)
    dropped = risk_parity(matrix, np.array([0.5, 0.0, 0.3, 0.2])).exposures
    kept = [0, 2, 3]
    alone = risk_parity(matrix[np.ix_(kept, kept)], np.array([0.5, 0.3, 0.2])).exposures
    assert dropped[1] == 0.0
    assert dropped[kept] == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_equals_a_general_optimiser(seed: int) -> None:
    """The minimum of ½ x'Rx − b'log x in y = log x, by BFGS."""
    matrix, budgets = factor_model(6, 2, seed), np.random.default_rng(seed).dirichlet(np.full(6, 2.0))

    def objective(logs: Floats) -> tuple[float, Floats]:
        x = np.exp(logs)
        return 0.5 * x @ matrix @ x - budgets @ logs, x * (matrix @ x) - budgets

    reference = np.exp(minimize(objective, np.zeros(6), jac=True, method="BFGS", options={"gtol": 1e-10}).x)
    assert risk_parity(matrix, budgets).exposures == pytest.approx(reference, rel=1e-7)


@pytest.mark.parametrize("name", ["equal 0.99", "five factors", "one factor", "fewer bars than markets"])
def test_newton_and_coordinate_descent_agree(name: str) -> None:
    matrix, budgets = MATRICES[name](12), np.random.default_rng(5).dirichlet(np.ones(12))
    fast, slow = newton(matrix, budgets), coordinate_descent(matrix, budgets)
    assert fast[1] <= TOLERANCE and slow[1] <= TOLERANCE
    assert fast[0] == pytest.approx(slow[0], rel=1e-8)


def test_a_matrix_that_contradicts_itself_is_repaired_and_said_so() -> None:
    broken = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    found = risk_parity(broken)
    assert found.repaired and found.solved and np.isfinite(found.exposures).all()
    assert not risk_parity(np.ones((3, 3))).repaired


@pytest.mark.parametrize("size", [2, 5])
def test_sides_that_offset_one_another_are_named(size: int) -> None:
    """A long and a short of one market beside others: no finite exposure of the two makes a part of the risk."""
    matrix = factor_model(size + 2)
    matrix[-1, :], matrix[:, -1] = matrix[-2, :], matrix[:, -2]
    matrix[-1, -1] = 1.0
    sides = np.ones(size + 2)
    sides[-1] = -1.0
    found = risk_parity(matrix, sides=sides)
    assert not found.solved
    assert np.flatnonzero(found.offsetting).tolist() == [size, size + 1]
    assert np.isfinite(found.exposures).all()
    with pytest.raises(InvalidInput, match="sides"):
        risk_parity_weights(np.full(size + 2, 0.2), matrix, sides=sides)


def test_near_offsets_are_solved_up_to_their_limit() -> None:
    """ρ = −1 + ε: x = 1/sqrt(2ε) each, in units of the risk; a gross of 10,000 is ε = 2e-8."""
    for epsilon in (1e-2, 1e-4, 1e-6):
        found = risk_parity(equicorrelated(2, -1.0 + epsilon))
        assert found.solved
        assert found.exposures == pytest.approx(np.full(2, np.sqrt(0.5 / epsilon)), rel=1e-9)
    beyond = risk_parity(equicorrelated(2, -1.0 + 0.5 * (2.0 / LARGEST_GROSS**2)))
    assert not beyond.solved


@given(st.integers(0, 10_000), st.integers(2, 25), st.floats(-9.0, -1.0), st.floats(-12.0, -1.0))
@settings(max_examples=100)
def test_hard_books_are_solved_to_the_rounding_of_floats(seed: int, size: int, noise: float, least: float) -> None:
    """Sides at random, own variance down to 1e-9 of the common one, budgets down to 1e-12 of the largest."""
    generator = np.random.default_rng(seed)
    loadings = generator.normal(size=(size, 3))
    covariance = loadings @ loadings.T + np.diag(10.0 ** generator.uniform(noise, 0.5, size))
    deviation = np.sqrt(np.diag(covariance))
    budgets = 10.0 ** generator.uniform(least, 0.0, size)
    sides = generator.choice([-1.0, 1.0], size)
    found = risk_parity(covariance / np.outer(deviation, deviation), budgets, sides)
    assert np.isfinite(found.exposures).all() and (found.exposures > 0.0).all()
    gross = found.exposures.sum()
    assert not found.solved or found.residual <= max(TOLERANCE, 1e-15 * gross**2)
    assert found.solved or gross > LARGEST_GROSS


@pytest.mark.parametrize("budgets", [[0.5, -0.1], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_budgets_that_mean_nothing_are_refused(budgets: list[float]) -> None:
    with pytest.raises(InvalidInput, match="budgets"):
        risk_parity(np.eye(2), np.array(budgets))


@pytest.mark.parametrize("volatility", [[0.2, 0.0], [0.2, -0.1], [0.2, np.nan]])
def test_unknown_volatility_is_refused_and_never_a_weight(volatility: list[float]) -> None:
    with pytest.raises(InvalidInput, match="volatility"):
        risk_parity_weights(np.array(volatility), np.eye(2))


@st.composite
def markets(draw: st.DrawFn) -> tuple[Floats, Floats, Floats, Floats]:
    """Volatility, correlation, budgets and sides of 1 to 8 markets with noise of their own."""
    size = draw(st.integers(1, 8))
    matrix = factor_model(size, draw(st.integers(1, 3)), draw(st.integers(0, 10_000)))
    volatility = np.array(draw(st.lists(st.floats(0.01, 3.0), min_size=size, max_size=size)))
    budgets = np.array(draw(st.lists(st.floats(0.01, 1.0), min_size=size, max_size=size)))
    sides = np.array(draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=size, max_size=size)))
    return volatility, matrix, budgets / budgets.sum(), sides


@given(markets())
@settings(max_examples=60)
def test_contributions_are_the_budgets_and_add_up(market: tuple[Floats, Floats, Floats, Floats]) -> None:
    volatility, matrix, budgets, sides = market
    weights = risk_parity_weights(volatility, matrix, budgets, sides)
    assert np.abs(weights).sum() == pytest.approx(1.0, rel=1e-12)
    assert (np.sign(weights) == sides).all()
    parts, total = risk_contributions(weights, volatility, matrix), portfolio_volatility(weights, volatility, matrix)
    assert parts.sum() == pytest.approx(total, rel=1e-9)
    assert parts / total == pytest.approx(budgets, rel=1e-7, abs=1e-9)


@given(markets(), st.floats(0.01, 100.0))
@settings(max_examples=30)
def test_the_scale_of_volatility_does_not_matter(market: tuple[Floats, Floats, Floats, Floats], factor: float) -> None:
    volatility, matrix, budgets, sides = market
    scaled = risk_parity_weights(volatility * factor, matrix, budgets, sides)
    assert scaled == pytest.approx(risk_parity_weights(volatility, matrix, budgets, sides), rel=1e-9)


@given(markets(), st.integers(0, 99))
@settings(max_examples=30)
def test_order_does_not_matter(market: tuple[Floats, Floats, Floats, Floats], seed: int) -> None:
    volatility, matrix, budgets, sides = market
    order = np.random.default_rng(seed).permutation(volatility.size)
    moved = risk_parity_weights(volatility[order], matrix[np.ix_(order, order)], budgets[order], sides[order])
    assert moved == pytest.approx(risk_parity_weights(volatility, matrix, budgets, sides)[order], rel=1e-7)


@given(markets())
@settings(max_examples=30)
def test_a_short_is_a_long_of_the_mirrored_market(market: tuple[Floats, Floats, Floats, Floats]) -> None:
    volatility, matrix, budgets, sides = market
    mirrored = risk_parity_weights(volatility, matrix * np.outer(sides, sides), budgets)
    assert risk_parity_weights(volatility, matrix, budgets, sides) == pytest.approx(sides * mirrored, rel=1e-12)


@given(markets())
@settings(max_examples=30)
def test_twice_the_volatility_is_half_the_weight_against_the_others(
    market: tuple[Floats, Floats, Floats, Floats],
) -> None:
    volatility, matrix, budgets, _ = market
    wilder = volatility.copy()
    wilder[0] *= 2.0
    before, after = (risk_parity_weights(sigma, matrix, budgets) for sigma in (volatility, wilder))
    assert after[0] / after[-1] == pytest.approx(before[0] / before[-1] * (0.5 if before.size > 1 else 1.0), rel=1e-9)
