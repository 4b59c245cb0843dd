"""Filters of the GARCH family: the recursion written out, batch and stream, start rules, horizons, hostile returns."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility import garch
from services.volatility.estimators.egarch import Egarch
from services.volatility.estimators.garch import Garch
from services.volatility.estimators.gjr_garch import GjrGarch
from services.volatility.moves import Moves
from tests.unit.volatility.garch_series import garch_returns

GARCH = Garch(omega=2e-6, alpha=0.08, beta=0.9)
GJR = GjrGarch(omega=2e-6, alpha=0.03, gamma=0.1, beta=0.9)
EGARCH = Egarch(omega=-0.25, alpha=0.15, gamma=-0.08, beta=0.97)
MODELS = (GARCH, GJR, EGARCH)
Model = Garch | GjrGarch | Egarch


def moves(rows: Floats) -> Moves:
    """Moves that hold returns only, which is all that the family looks at."""
    rows = np.atleast_2d(rows)
    return Moves(rows, np.full(rows.shape, np.nan), np.full(rows.shape, np.nan))


def stream(model: Model, returns: Floats, memory: tuple[float, ...] | None = None) -> list[tuple[float, ...]]:
    """Memory after each return."""
    memory, seen = model.start() if memory is None else memory, []
    for move in moves(returns).row(0):
        memory = model.advance(memory, move)
        seen.append(memory)
    return seen


def written_out(model: Model, returns: Floats) -> list[float]:
    """The formulas of the docstrings, one bar at a time, from the start rule."""
    if isinstance(model, Egarch):
        level = model.omega / (1 - model.beta) if model.start_variance is None else math.log(model.start_variance)
        path = []
        for value in returns:
            z = value / math.sqrt(math.exp(level))
            level = model.omega + model.alpha * (abs(z) - math.sqrt(2 / math.pi)) + model.gamma * z + model.beta * level
            path.append(math.exp(level))
        return path
    gamma = model.gamma if isinstance(model, GjrGarch) else 0.0
    variance = model.start_variance or model.omega / (1 - model.alpha - gamma / 2 - model.beta)
    path = []
    for value in returns:
        variance = model.omega + (model.alpha + gamma * (value < 0)) * value**2 + model.beta * variance
        path.append(variance)
    return path


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.method)
@pytest.mark.parametrize("start", [None, 9e-4])
def test_path_and_stream_are_the_formula(model: Model, start: float | None) -> None:
    model, returns = replace(model, start_variance=start), garch_returns(3, 700)
    expected = written_out(model, returns)
    assert model.variance_path(moves(returns))[0] == pytest.approx(expected, rel=1e-12)
    assert [model.variance(memory) for memory in stream(model, returns)] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.method)
def test_many_markets_are_each_market(model: Model) -> None:
    """Above 24 markets EGARCH changes its loop."""
    rows = np.stack([garch_returns(seed, 120) for seed in range(garch.COLUMNS_FROM + 1)])
    together = model.variance_path(moves(rows))
    apart = np.concatenate([model.variance_path(moves(row)) for row in rows])
    assert together == pytest.approx(apart, rel=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.method)
def test_resuming_from_stored_memory_changes_no_bit(model: Model) -> None:
    returns = garch_returns(5, 400)
    whole = stream(model, returns)
    stored = tuple(json.loads(json.dumps(whole[199])))
    assert stream(model, returns[200:], stored) == whole[200:]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.method)
def test_the_future_changes_no_past_forecast(model: Model) -> None:
    returns = garch_returns(6, 300)
    other = np.concatenate([returns[:150], returns[:149:-1]])
    assert np.array_equal(model.variance_path(moves(returns))[:, :150], model.variance_path(moves(other))[:, :150])


def test_the_start_is_the_long_run_variance_or_what_is_given() -> None:
    assert GARCH.variance(GARCH.start()) == pytest.approx(2e-6 / (1 - 0.98), rel=1e-12)
    assert GJR.variance(GJR.start()) == pytest.approx(2e-6 / (1 - 0.98), rel=1e-12)
    assert EGARCH.variance(EGARCH.start()) == pytest.approx(math.exp(-0.25 / 0.03), rel=1e-12)
    for model in MODELS:
        given_start = replace(model, start_variance=4e-4)
        assert given_start.variance(given_start.start()) == pytest.approx(4e-4, rel=1e-14)


def test_an_integrated_recursion_needs_a_start_and_is_flat() -> None:
    for persistence in (0.9999, 1.0):
        with pytest.raises(InvalidInput, match="start_variance"):
            Garch(omega=1e-6, alpha=0.1, beta=persistence - 0.1)
        with pytest.raises(InvalidInput, match="start_variance"):
            GjrGarch(omega=1e-6, alpha=0.05, gamma=0.1, beta=persistence - 0.1)
    model = Garch(omega=1e-6, alpha=0.1, beta=0.9, start_variance=4e-4)
    assert math.isinf(model.long_run_variance)
    assert model.multi_step(model.start(), 5).tolist() == [4e-4] * 5


def test_explosive_and_negative_recursions_are_refused() -> None:
    for alpha, gamma, beta, rule in ((0.2, 0.0, 0.81, "<= 1"), (0.1, 0.3, 0.76, "<= 1"), (0.1, -0.11, 0.8, ">= 0")):
        with pytest.raises(InvalidInput, match=rule):
            GjrGarch(omega=1e-6, alpha=alpha, gamma=gamma, beta=beta, start_variance=1e-4)
    with pytest.raises(InvalidInput, match="<= 1"):
        Garch(omega=1e-6, alpha=0.2, beta=0.81, start_variance=1e-4)
    # γ counts half: α + γ + β may exceed one.
    assert GjrGarch(omega=1e-6, alpha=0.05, gamma=0.2, beta=0.8).persistence == pytest.approx(0.95)


@pytest.mark.parametrize("model", [GARCH, GJR], ids=lambda model: model.method)
def test_horizon_is_the_expected_recursion(model: Garch | GjrGarch) -> None:
    """Feeding h itself as the squared return, rises and falls in equal parts, is taking the expectation."""
    memory = (9e-4, 100.0)
    gamma = model.gamma if isinstance(model, GjrGarch) else 0.0
    variance, expected = memory[0], []
    for _ in range(50):
        expected.append(variance)
        variance = model.omega + (model.alpha + gamma / 2 + model.beta) * variance
    assert model.multi_step(memory, 50) == pytest.approx(expected, rel=1e-12)
    assert model.multi_step(memory, 5_000)[-1] == pytest.approx(model.long_run_variance, rel=1e-9)


def test_horizon_of_egarch_is_the_mean_over_normal_shocks() -> None:
    """Two bars ahead against the integral over z; three bars ahead against the same integral of two bars ahead."""

    def mean_after(level: float, bars: int) -> float:
        def integrand(z: float) -> float:
            after = garch.next_log_variance(level, z * math.exp(level / 2), -0.25, 0.15, -0.08, 0.97)
            ahead = garch.multi_step_log(after, -0.25, 0.15, -0.08, 0.97, bars)[-1]
            return float(ahead) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

        return quad(integrand, -12, 0)[0] + quad(integrand, 0, 12)[0]

    level = math.log(6e-4)
    ahead = EGARCH.multi_step((level, 10.0), 3)
    assert ahead[0] == pytest.approx(6e-4, rel=1e-14)
    assert ahead[1] == pytest.approx(mean_after(level, 1), rel=1e-7)
    assert ahead[2] == pytest.approx(mean_after(level, 2), rel=1e-7)


def test_gamma_zero_is_plain_garch() -> None:
    returns = garch_returns(8, 300)
    model = GjrGarch(omega=GARCH.omega, alpha=GARCH.alpha, gamma=0.0, beta=GARCH.beta)
    assert np.array_equal(model.variance_path(moves(returns)), GARCH.variance_path(moves(returns)))


def test_falls_weigh_more_than_rises() -> None:
    for model in (GJR, EGARCH):
        fall, rise = (stream(model, np.array([value]))[0] for value in (-0.03, 0.03))
        assert model.variance(fall) > 1.2 * model.variance(rise)


def test_percent_parameters_convert_as_the_docstrings_say() -> None:
    """The same path from parameters of percent returns, omega / 10,000 and omega − (1 − β) ln 10,000."""
    returns = garch_returns(9, 300)
    percent = Garch(omega=0.02, alpha=0.08, beta=0.9).variance_path(moves(100 * returns))
    assert Garch(omega=0.02 / 1e4, alpha=0.08, beta=0.9).variance_path(moves(returns)) == pytest.approx(percent / 1e4)
    percent = Egarch(omega=0.02, alpha=0.15, gamma=-0.08, beta=0.97).variance_path(moves(100 * returns))
    omega = 0.02 - (1 - 0.97) * math.log(1e4)
    pasted = Egarch(omega=omega, alpha=0.15, gamma=-0.08, beta=0.97).variance_path(moves(returns))
    assert pasted == pytest.approx(percent / 1e4, rel=1e-10)


@given(st.lists(st.sampled_from([0.0, 1.5, -1.5, 1e-9, -0.02, 0.03, 80.0, -80.0]), min_size=1, max_size=60))
def test_hostile_returns_leave_a_finite_positive_variance(values: list[float]) -> None:
    """Zeros, days of +350 %, and the largest ratio of two usable prices."""
    for model in MODELS:
        path = model.variance_path(moves(np.array(values)))[0]
        last = stream(model, np.array(values))[-1]
        assert np.isfinite(path).all() and (path > 0.0).all()
        assert model.variance(last) == pytest.approx(path[-1], rel=1e-10)
        assert np.isfinite(model.multi_step(last, 30)).all()


def test_a_flat_market_does_not_bring_the_variance_to_zero() -> None:
    zeros = np.zeros(5_000)
    assert GARCH.variance_path(moves(zeros))[0, -1] == pytest.approx(GARCH.omega / (1 - GARCH.beta), rel=1e-9)
    assert EGARCH.variance_path(moves(zeros))[0, -1] > 1e-8


def test_weight_of_the_data() -> None:
    """Kish size and half-life of weights β^age, from the weights."""
    beta, weights = GARCH.beta, GARCH.beta ** np.arange(40.0)
    memory = stream(GARCH, np.zeros(40))[-1]
    assert GARCH.effective_observations(memory) == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert beta ** GARCH.effective_half_life(memory) == pytest.approx(0.5)
    assert GARCH.effective_observations(GARCH.start()) == 0.0
