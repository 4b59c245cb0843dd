"""Moves that liquidate an account: closed forms of linear accounts, brute force for options, the moved book itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import fsolve

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.margin.moved_book import moved_book
from services.margin.reverse_stress import Crossing, NearestMove, ReverseStress, StressRules, reverse_stress
from services.margin.scenario_book import (
    Collateral,
    ExpiryFeed,
    LinearColumns,
    OptionColumns,
    ScenarioBook,
    UnderlyingBook,
)
from services.margin.scenario_margin import scenario_margin, valued
from services.margin.scenario_preset import Contingencies, Scenario, ScenarioPreset
from services.margin.scenario_presets import DERIVE_PMRM2

RATE = 0.8 * 0.18 + 0.03
"""Maintenance of a perpetual under the preset: worst scenario and contingency."""
DAY = np.sqrt(1.0 / 365.0)


def perpetual(name: str, base: float, price: float = 100.0) -> UnderlyingBook:
    return UnderlyingBook(name=name, spot=price, linear=LinearColumns.perpetual(base, price))


def straddle(name: str, quantity: float, days: float = 20.0, price: float = 100.0) -> UnderlyingBook:
    seconds = days * 86_400.0
    options = OptionColumns(
        seconds=np.full(2, seconds),
        strike=np.full(2, price),
        right=np.array([1.0, -1.0]),
        quantity=np.full(2, quantity),
        volatility=np.full(2, 0.7),
    )
    return UnderlyingBook(
        name=name, spot=price, expiries=(ExpiryFeed(seconds=seconds, forward=price),), options=options
    )


def stressed(
    books: list[UnderlyingBook],
    cash: float,
    *,
    shift: float = 0.0,
    preset: ScenarioPreset = DERIVE_PMRM2,
    **rules: object,
) -> ReverseStress:
    given = {"volatilities": (0.7,) * len(books), **rules}
    account = ScenarioBook(underlyings=tuple(books), cash=cash)
    return reverse_stress(account, preset, StressRules(**given), volatility_shift=shift)  # type: ignore[arg-type]


def reached(side: Crossing | None) -> Crossing:
    assert side is not None
    return side


def nearest(found: ReverseStress) -> tuple[NearestMove, Crossing]:
    assert found.nearest is not None
    return found.nearest, reached(found.nearest.crossing)


def excess(books: list[UnderlyingBook], cash: float, moves: Floats, preset: ScenarioPreset = DERIVE_PMRM2) -> float:
    """By moving every book and margining the whole account anew."""
    moved = tuple(
        moved_book(one, 1.0 + move, settlement_seconds=preset.settlement_seconds)
        for one, move in zip(books, moves.tolist(), strict=True)
    )
    return scenario_margin(ScenarioBook(underlyings=moved, cash=cash), preset).net_maintenance


@pytest.mark.parametrize(("base", "side", "sign"), [(2.0, 0, -1.0), (-2.0, 1, 1.0)])
def test_a_perpetual_by_its_closed_form(base: float, side: int, sign: float) -> None:
    """``cash + q (P − P₀) = |q| m P``."""
    found = stressed([perpetual("X", base)], 60.0)
    price = (base * 100.0 - 60.0) / (base - abs(base) * RATE)
    crossing = reached(found.alone[0][side])
    assert crossing.moves[0] == pytest.approx(price / 100.0 - 1.0, rel=1e-12)
    assert crossing.sigmas == pytest.approx(sign * np.log(price / 100.0) / (0.7 * DAY), rel=1e-12)
    assert crossing.equity == pytest.approx(crossing.maintenance, abs=1e-9 * 200.0)
    assert found.alone[0][1 - side] is None
    assert found.together == found.alone
    assert nearest(found)[1].sigmas == pytest.approx(crossing.sigmas, rel=1e-9)


def lagrange(weights: Floats, needed: float, covariance: Floats) -> Floats:
    """Least ``x' Σ⁻¹ x`` with ``Σ w (e^x − 1) = −needed``: first-order conditions, solved."""

    def conditions(unknown: Floats) -> Floats:
        x, multiplier = unknown[:-1], unknown[-1]
        stationary = x - multiplier * covariance @ (weights * np.exp(x))
        return np.append(stationary, weights @ np.expm1(x) + needed)

    guess = -needed * covariance @ weights / (weights @ covariance @ weights)
    found = fsolve(conditions, np.append(guess, -1.0 / (weights @ covariance @ weights)), xtol=1e-13)
    return np.asarray(found[:-1])


def test_two_longs_by_the_conditions_of_the_minimum() -> None:
    books, matrix = [perpetual("A", 1.0), perpetual("B", 0.5, 300.0)], np.array([[1.0, 0.6], [0.6, 1.0]])
    sigmas = np.array([0.7, 1.1])
    found, crossing = nearest(stressed(books, 70.0, volatilities=tuple(sigmas), correlation=matrix))
    covariance = np.outer(sigmas, sigmas) * matrix / 365.0
    weights = np.array([100.0, 150.0]) * (1.0 - RATE)
    x = lagrange(weights, 70.0 - RATE * 250.0, covariance)
    assert crossing.sigmas == pytest.approx(np.sqrt(x @ np.linalg.solve(covariance, x)), rel=1e-6)
    np.testing.assert_allclose(np.log1p(crossing.moves), x, rtol=1e-3)
    assert found.settled
    # 2 N(−d), the reflection principle for the tangent half-space.
    assert crossing.touch_probability is not None
    assert 0.0 < crossing.touch_probability < 0.1


def test_a_thin_linear_account_is_as_far_as_its_half_space() -> None:
    """``E / √(b' Σ b)``: the first order is all there is where the move is small."""
    books, matrix = [perpetual("A", 1.0), perpetual("B", -0.5, 300.0)], np.array([[1.0, -0.3], [-0.3, 1.0]])
    # Maintenance by contingency alone: no scenario switches between the sides.
    flat = ScenarioPreset(name="flat", scenarios=(Scenario(),), contingencies=Contingencies(perpetual_maintenance=0.05))
    cash = 0.05 * 250.0 + 1e-3
    found, crossing = nearest(stressed(books, cash, correlation=matrix, preset=flat))
    b = np.array([100.0 * (1.0 - 0.05), -150.0 * (1.0 + 0.05)])
    expected = 1e-3 / (0.7 * DAY * np.sqrt(b @ matrix @ b))
    assert found.first_order == pytest.approx(expected, rel=1e-5)
    assert crossing.sigmas == pytest.approx(expected, rel=1e-4)
    direction = -matrix @ b
    np.testing.assert_allclose(
        crossing.moves / np.linalg.norm(crossing.moves), direction / np.linalg.norm(direction), atol=1e-3
    )


@pytest.mark.parametrize("correlation", [0.8, -0.5])
def test_the_nearest_move_of_options_is_that_of_a_search_of_all_directions(correlation: float) -> None:
    books = [straddle("A", -1.0), replace(straddle("B", -2.0, 45.0), linear=LinearColumns.perpetual(-0.7, 100.0))]
    matrix, cash = np.array([[1.0, correlation], [correlation, 1.0]]), 130.0
    found, crossing = nearest(stressed(books, cash, correlation=matrix))
    root = np.linalg.cholesky(matrix) * 0.7 * DAY
    angles = np.linspace(0.0, 2.0 * np.pi, 61)[:-1]
    lengths = np.linspace(0.1, 10.0, 100)
    shortest = np.inf
    for angle in angles.tolist():
        direction = root @ np.array([np.cos(angle), np.sin(angle)])
        for length in lengths[lengths < shortest].tolist():
            if excess(books, cash, np.expm1(direction * length)) <= 0.0:
                shortest = length
                break
    assert shortest - 0.12 <= crossing.sigmas <= shortest + 1e-9
    assert excess(books, cash, crossing.moves) == pytest.approx(0.0, abs=1e-6)
    assert found.rounds > 0


def test_conditional_moves_have_the_distance_that_is_told() -> None:
    matrix = np.array([[1.0, 0.7, 0.2], [0.7, 1.0, 0.4], [0.2, 0.4, 1.0]])
    sigmas = (0.5, 0.8, 1.2)
    books = [perpetual("A", 1.0), perpetual("B", 1.0), straddle("C", -1.0)]
    found = stressed(books, 90.0, volatilities=sigmas, correlation=matrix)
    covariance = np.outer(sigmas, sigmas) * matrix / 365.0
    assert found.together is not None
    for place, sides in enumerate(found.together):
        for side in filter(None, sides):
            x = np.log1p(side.moves)
            assert np.sqrt(x @ np.linalg.solve(covariance, x)) == pytest.approx(side.sigmas, rel=1e-9)
            np.testing.assert_allclose(x, covariance[:, place] / covariance[place, place] * x[place], rtol=1e-9)
    distances = [side.sigmas for sides in (*found.together, *found.alone) for side in sides if side is not None]
    assert nearest(found)[1].sigmas <= min(distances) * (1.0 + 1e-9)


def test_no_correlations_no_joint_moves_and_singular_ones_do() -> None:
    books = [perpetual("A", 1.0), perpetual("B", 1.0)]
    without = stressed(books, 60.0)
    assert (without.together, without.nearest) == (None, None)
    assert reached(without.alone[0][0]).sigmas > 0.0
    one = nearest(stressed(books, 60.0, correlation=np.ones((2, 2))))[1]
    # Perfectly correlated equals are one position of twice the size.
    twice = reached(stressed([perpetual("A", 2.0)], 60.0).alone[0][0])
    assert one.sigmas == pytest.approx(twice.sigmas, rel=1e-9)


def test_a_shift_of_volatility_comes_with_every_move() -> None:
    short, long = [straddle("A", -1.0)], [replace(straddle("A", 1.0), linear=LinearColumns.perpetual(3.0, 100.0))]
    up, down = (stressed(short, 60.0, shift=shift).alone[0][1] for shift in (0.5, -0.3))
    assert reached(up).sigmas < reached(down).sigmas
    assert reached(up).touch_probability is None
    up, down = (stressed(long, 40.0, shift=shift).alone[0][0] for shift in (0.5, -0.3))
    assert reached(up).sigmas > reached(down).sigmas
    # The shift alone is too much.
    gone = stressed(short, 36.0, shift=4.0)
    assert gone.liquidated
    assert reached(gone.alone[0][0]).sigmas == reached(gone.alone[0][1]).sigmas == nearest(gone)[1].sigmas == 0.0


def test_what_nothing_moves_is_never_liquidated() -> None:
    found = stressed([perpetual("A", 0.0)], 10.0)
    assert found.alone[0] == (None, None)
    assert found.nearest is not None
    assert (found.nearest.crossing, found.nearest.first_order) == (None, np.inf)


@pytest.mark.parametrize("ratio", [0.6, 0.97, 1.25])
def test_the_moved_book_is_worth_what_the_scenario_says(ratio: float) -> None:
    """An undamped scenario without a discount is the change of value of everything that it moves."""
    hour = 3_600.0
    linear = LinearColumns(
        base=np.array([1.5, -2.0, 0.4, 0.7]),
        price=np.array([101.0, 99.0, 100.0, 100.5]),
        seconds=np.array([np.inf, 600.0, np.inf, np.inf]),
        spot=np.array([False, False, True, False]),
        unrealized=3.0,
        inverse=np.array([False, False, False, True]),
    )
    options = OptionColumns(
        seconds=np.array([0.3 * hour, 500.0 * hour, -5.0]),
        strike=np.array([95.0, 120.0, 90.0]),
        right=np.array([-1.0, 1.0, 1.0]),
        quantity=np.array([-2.0, 1.0, 3.0]),
        volatility=np.array([0.6, 0.8, 0.0]),
    )
    book = UnderlyingBook(
        name="X",
        spot=100.0,
        expiries=tuple(ExpiryFeed(seconds=seconds, forward=100.3) for seconds in options.seconds.tolist()),
        options=options,
        linear=linear,
        collateral=(Collateral(amount=0.5, price=100.0, risk_cancelling=True),),
    )
    preset = ScenarioPreset(name="one", scenarios=(Scenario(move=ratio - 1.0),))
    (before, _), moved = valued(book, preset, 1.0), moved_book(book, ratio, settlement_seconds=1_800.0)
    (after, _) = valued(moved, preset, 1.0)
    assert after.value - before.value == pytest.approx(float(before.pnl[0]), abs=1e-9)
    # A contract of fixed quote value keeps it.
    assert float(moved.linear.base[3] * moved.linear.price[3]) == pytest.approx(0.7 * 100.5)


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"volatilities": (0.0,)}, "volatilities"),
        ({"volatilities": (0.5, 0.5)}, "volatilities"),
        ({"horizon_days": 0.0}, "horizon_days"),
        ({"correlation": np.ones((2, 2))}, "correlation"),
        ({"shift": -1.0}, "volatility_shift"),
    ],
)
def test_broken_rules_are_named(changes: dict[str, object], parameter: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        stressed([perpetual("A", 1.0)], 30.0, **changes)  # type: ignore[arg-type]
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    "matrix",
    [
        [[1.0, 0.5], [0.4, 1.0]],
        [[1.0, 1.5], [1.5, 1.0]],
        [[0.9, 0.5], [0.5, 1.0]],
        [[1.0, np.nan], [np.nan, 1.0]],
    ],
)
def test_what_is_no_correlation_matrix_is_refused(matrix: list[list[float]]) -> None:
    with pytest.raises(InvalidInput, match="correlation"):
        StressRules(volatilities=(0.5, 0.5), correlation=np.array(matrix))
    indefinite = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    with pytest.raises(InvalidInput, match="semidefinite"):
        StressRules(volatilities=(0.5, 0.5, 0.5), correlation=indefinite)
