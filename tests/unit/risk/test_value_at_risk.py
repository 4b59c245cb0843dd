"""Value at risk and expected shortfall of samples: definitions of others, brute force, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from services.core.errors import Refusal
from services.core.outcome import Reason
from services.risk.value_at_risk import (
    Levels,
    cornish_fisher_loss,
    filtered_loss,
    fitted_student_loss,
    historical_loss,
    normal_loss,
    sample_expected_shortfall,
    sample_value_at_risk,
    student_loss,
)

LEVELS = Levels(0.99, 0.975)


def skfolio(returns: np.ndarray, beta: float) -> tuple[float, float]:
    """Its definitions of value at risk and CVaR, one step after the other."""
    ordered = sorted(value for value in returns.tolist() if value == value)
    k = (1 - beta) * len(ordered)
    rank = max(0, int(np.ceil(k)) - 1)
    return -ordered[rank], -sum(ordered[:rank]) / k + ordered[rank] * (rank / k - 1)


@given(st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=60), st.sampled_from([0.5, 0.77, 0.9, 0.951, 0.99]))
def test_samples_are_measured_as_skfolio_does(values: list[float], beta: float) -> None:
    returns = np.array([*values, np.nan])
    found = sample_value_at_risk(returns, beta), sample_expected_shortfall(returns, beta)
    tail = (1 - beta) * len(values)
    if abs(tail - round(tail)) > 1e-6:
        assert found == pytest.approx(skfolio(returns, beta), abs=1e-12)
    else:
        assert found[1] == pytest.approx(skfolio(returns, beta)[1], abs=1e-12)


@pytest.mark.parametrize("alpha", [0.9, 0.93, 0.975])
def test_shortfall_solves_the_problem_of_rockafellar_and_uryasev(alpha: float) -> None:
    """The least of ``v + E[(−r − v)⁺] / (1 − α)``, reached at the value at risk."""
    returns = np.random.default_rng(3).standard_t(4, 150)

    def objective(v: float) -> float:
        return v + float(np.maximum(-returns - v, 0.0).mean()) / (1.0 - alpha)

    least = min(objective(-value) for value in returns.tolist())
    assert sample_expected_shortfall(returns, alpha) == pytest.approx(least)
    assert objective(sample_value_at_risk(returns, alpha)) == pytest.approx(least)
    assert optimize.minimize_scalar(objective, bounds=(-5.0, 5.0), method="bounded").fun >= least - 1e-9


def test_ties_of_float_arithmetic_do_not_move_the_rank() -> None:
    """(1 − 0.95) · 20 is 1.0000000000000009: the worst of twenty is exceeded by none, the second by one in twenty."""
    returns = -np.arange(1.0, 21.0)
    assert sample_value_at_risk(returns, 0.95) == 20.0
    assert sample_expected_shortfall(returns, 0.95) == pytest.approx(20.0)


def test_large_samples_approach_their_law() -> None:
    nu, size = 5.0, 400_000
    draws = stats.t.rvs(nu, scale=np.sqrt((nu - 2) / nu), size=size, random_state=7)
    exact = student_loss(LEVELS, nu)
    assert historical_loss(draws, LEVELS)[0] == pytest.approx(exact, rel=0.015)
    assert filtered_loss(3.0 * draws, LEVELS)[0] == pytest.approx(exact, rel=0.015)
    assert fitted_student_loss(draws[:5_000], LEVELS)[0] == pytest.approx(exact, rel=0.05)
    normal = np.random.default_rng(8).normal(size=size)
    assert cornish_fisher_loss(normal, LEVELS)[0] == pytest.approx(normal_loss(LEVELS), rel=0.01)


def test_where_the_expansion_does_not_hold_the_sample_does() -> None:
    wild = stats.t.rvs(2.2, size=500, random_state=5)
    loss, basis = cornish_fisher_loss(wild, LEVELS)
    assert loss == filtered_loss(wild, LEVELS)[0]
    assert "500 standardised returns, because Cornish-Fisher does not hold at skewness" in basis


def test_the_tail_of_the_other_side_is_another() -> None:
    sample = stats.skewnorm.rvs(-6.0, size=2_000, random_state=1)
    sample = sample - sample.mean()
    for law in (cornish_fisher_loss, filtered_loss):
        assert law(sample, LEVELS)[0].value_at_risk > 1.3 * law(-sample, LEVELS)[0].value_at_risk


@pytest.mark.parametrize(
    ("sample", "levels", "said"),
    [
        (np.random.default_rng(1).normal(size=249), LEVELS, "249 returns: at least 250"),
        (np.zeros(300), LEVELS, "never move"),
        (np.random.default_rng(1).normal(size=300), Levels(0.999, 0.975), "level 0.999 lies beyond 300 returns"),
        (np.random.default_rng(1).uniform(0.1, 0.2, 300), LEVELS, "no loss at these levels"),
    ],
)
def test_thin_samples_are_refused(sample: np.ndarray, levels: Levels, said: str) -> None:
    for law in (historical_loss, filtered_loss):
        with pytest.raises(Refusal, match=said) as caught:
            law(sample, levels)
        assert caught.value.reason is Reason.UNUSABLE_DATA
