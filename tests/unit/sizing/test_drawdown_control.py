"""Grossman–Zhou by hand, and its growth and its floor in a simulation."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from services.core.book import Signal
from services.core.control import Control
from services.core.outcome import Reason, Status
from services.engine import Policy, evaluate
from services.engine.inputs import RecordedCorrelation
from services.sizing.buffers import NoBuffer
from services.sizing.methods.drawdown_control import DrawdownControl
from tests.support.books import OPEN, inputs, row

D = Decimal


def policy(**parameters: float) -> Policy:
    return Policy(sizing=DrawdownControl(**{"max_drawdown": 0.2, **parameters}), limits=OPEN, buffer=NoBuffer())  # type: ignore[arg-type]


def long(symbol: str = "A", expected: float = 0.16, direction: float = 1.0, quantity: str = "0"):  # type: ignore[no-untyped-def]
    return row(symbol, quantity, signal=Signal(direction, expected_return=expected))


def test_log_utility_bets_kelly_on_the_cushion() -> None:
    """μ/σ² = .16/.16 = 1 of a cushion of 2,000: 20 contracts at 100."""
    result = evaluate(inputs(long(), policy=policy(risk_aversion=1.0)))
    assert result.targets[0].target == D(20)
    assert result.portfolio.survival is not None
    assert result.portfolio.survival.growth_share == pytest.approx(0.2)


def test_risk_aversion_is_that_of_the_modified_problem() -> None:
    """A = 3, α = .8: 1 / (3 · .2 + .8) = 1/1.4."""
    found = evaluate(inputs(long(), policy=policy(risk_aversion=3.0))).targets[0].target
    assert float(found or 0) == pytest.approx(20 / 1.4, abs=0.01)


def test_a_drawdown_shrinks_the_bet_and_the_floor_ends_it() -> None:
    """Mark 11,111.11…: 90 % of it is left, the cushion is half as large relative to the mark; at 12,500 none."""
    near = Control(high_water_mark=10_000 / 0.9)
    size = evaluate(inputs(long(), policy=policy(risk_aversion=1.0), control=near)).targets[0].target
    assert float(size or 0) == pytest.approx(100 * (1 - 0.8 / 0.9), abs=0.01)
    result = evaluate(inputs(long(quantity="5"), policy=policy(), control=Control(high_water_mark=12_500.0)))
    assert (result.targets[0].status, result.targets[0].target) == (Status.OK, D(0))
    assert "cash_locked" in result.targets[0].detail


def test_two_assets_are_the_multivariate_optimum() -> None:
    """Σ⁻¹μ for σ .4 and .2, ρ .5, μ .16 and .06, by numpy, on a fifth of the equity."""
    correlation = RecordedCorrelation(("A", "B"), np.array([[1.0, 0.5], [0.5, 1.0]]), "given")
    rows = [long("A"), long("B", 0.06)]
    book = inputs(*rows, volatility={"A": 0.4, "B": 0.2}, correlation=correlation, policy=policy(risk_aversion=1.0))
    found = [float(target.target or 0) for target in evaluate(book).targets]
    expected = np.linalg.solve(np.array([[0.16, 0.04], [0.04, 0.04]]), [0.16, 0.06]) * 0.2 * 100
    assert found == pytest.approx(expected.tolist(), abs=0.011)


def test_without_correlations_each_bets_alone_on_its_part() -> None:
    unknown = RecordedCorrelation(("A", "B"), None, "none")
    book = inputs(long("A"), long("B"), correlation=unknown, policy=policy(risk_aversion=1.0))
    assert [target.target for target in evaluate(book).targets] == [D(10), D(10)]
    survival = evaluate(book).portfolio.survival
    assert survival is not None and survival.probability is None


def test_an_expected_return_against_its_direction_is_refused() -> None:
    target = evaluate(inputs(long(expected=-0.1), policy=policy())).targets[0]
    assert (target.status, target.reason) == (Status.REFUSED, Reason.UNUSABLE_DATA)
    missing = evaluate(inputs(row(direction=1.0), policy=policy())).targets[0]
    assert (missing.status, missing.reason, missing.target) == (Status.REFUSED, Reason.DATA_REQUIRED, None)


def test_directions_are_parts_of_the_bet_and_never_more_than_it() -> None:
    sizes = [
        evaluate(inputs(long(direction=d), policy=policy(risk_aversion=1.0))).targets[0].target for d in (0.5, 1.0, 2.0)
    ]
    assert sizes == [D(10), D(20), D(20)]


def test_an_unknown_position_leaves_survival_unknown() -> None:
    result = evaluate(inputs(long("A"), row("B", quantity="3"), policy=policy()))
    assert result.portfolio.survival is not None
    assert result.portfolio.survival.probability is None
    assert result.portfolio.survival.growth_share is None


@pytest.mark.parametrize("risk_aversion", [1.0, 3.0])
def test_growth_and_floor_in_a_simulation(risk_aversion: float) -> None:
    """μ .15, σ .3, α .7, 400 years in steps of 1/500, 64 paths: mean log growth is (1 − α)(cμ − c²σ²/2), never under α.

    The standard error of 64 paths of 400 years of the cushion's volatility is far below the tolerance.
    """
    mean, volatility, steps, step = 0.15, 0.3, 200_000, 1 / 500
    method = DrawdownControl(max_drawdown=0.3, risk_aversion=risk_aversion)
    exposure = mean / volatility**2 * method.share_of_growth_weights
    rng = np.random.default_rng(23)
    wealth, mark, worst = np.zeros(64), np.zeros(64), 1.0
    for _ in range(steps):
        level = np.exp(wealth - mark)
        weight = exposure * (1.0 - 0.7 / level)
        move = mean * step + volatility * step**0.5 * rng.standard_normal(64)
        wealth = wealth + np.log1p(weight * move)
        mark = np.maximum(mark, wealth)
        worst = min(worst, float(np.exp((wealth - mark).min())))
    expected = 0.3 * (exposure * mean - (exposure * volatility) ** 2 / 2)
    error = 0.3 * exposure * volatility / (64 * 400) ** 0.5
    assert wealth.mean() / 400 == pytest.approx(expected, abs=4 * error + 0.03 * expected)
    assert worst > 0.7
