"""Margin models against numerical integration of the tails that they describe."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from services.core.errors import InvalidInput
from services.margin.methods.lognormal_expected_shortfall import LognormalExpectedShortfall
from services.margin.methods.sigma_multiple import SigmaMultiple
from services.margin.registry import MarginPolicy
from services.margin.size_addons import LinearAddon
from services.margin.view import MarginView
from services.risk.tails import expected_shortfall_multiple


def tail_mean(quantile: object, alpha: float) -> float:
    """Mean of the quantile function over (alpha, 1), substituting u = 1 − (1 − alpha) e^{−x} to tame its end."""
    mean, _ = integrate.quad(lambda x: quantile((1 - alpha) * np.exp(-x)) * np.exp(-x), 0.0, 60.0, limit=400)  # type: ignore[operator]
    return float(mean)


@pytest.mark.parametrize("alpha", [0.9, 0.975, 0.99, 0.999])
@pytest.mark.parametrize(("volatility", "days"), [(0.3, 1.0), (0.8, 2.0), (2.5, 5.0)])
def test_lognormal_shortfall_is_the_mean_loss_in_the_tail(alpha: float, volatility: float, days: float) -> None:
    s = volatility * np.sqrt(days / 365)
    expected_long = tail_mean(lambda tail: 1.0 - np.exp(-s * s / 2 + s * stats.norm.ppf(tail)), alpha)
    expected_short = tail_mean(lambda tail: np.exp(-s * s / 2 + s * stats.norm.isf(tail)) - 1.0, alpha)
    long, short = LognormalExpectedShortfall(alpha=alpha, horizon_days=days).rates(MarginView.of(volatility))
    assert (float(long), float(short)) == pytest.approx((expected_long, expected_short), rel=1e-7)


def test_lognormal_shortfall_agrees_with_a_simulation() -> None:
    rng = np.random.default_rng(7)
    s = 0.8 * np.sqrt(2 / 365)
    loss = 1.0 - np.exp(-s * s / 2 + s * rng.standard_normal(400_000))
    worst = np.sort(loss)[-10_000:]
    long, _ = LognormalExpectedShortfall(alpha=0.975).rates(MarginView.of(0.8))
    assert float(long) == pytest.approx(worst.mean(), abs=4 * worst.std() / 100)


def test_published_values_of_the_lognormal_model() -> None:
    """Vega Protocol's own test: σ 1.5, one minute, 99 %."""
    long, short = LognormalExpectedShortfall(alpha=0.99, horizon_days=1 / 1440).rates(MarginView.of(1.5))
    assert (float(long), float(short)) == pytest.approx((0.0055011137953, 0.0055276558362), rel=1e-9)


@pytest.mark.parametrize("alpha", [0.95, 0.975, 0.99])
@pytest.mark.parametrize("nu", [2.5, 3.0, 4.0, 6.0, 30.0])
def test_student_multiple_is_the_mean_of_the_unit_variance_tail(alpha: float, nu: float) -> None:
    unit = np.sqrt((nu - 2) / nu)
    expected = tail_mean(lambda tail: unit * stats.t.isf(tail, nu), alpha)
    assert expected_shortfall_multiple("student_t", alpha, nu) == pytest.approx(expected, rel=1e-7)


def test_the_student_multiple_tends_to_the_normal_one() -> None:
    normal = expected_shortfall_multiple("normal", 0.975)
    assert normal == pytest.approx(tail_mean(stats.norm.isf, 0.975), rel=1e-9)
    assert expected_shortfall_multiple("student_t", 0.975, 1e6) == pytest.approx(normal, rel=1e-5)


def test_sigma_multiple_is_a_move_of_k_deviations() -> None:
    k = expected_shortfall_multiple("student_t", 0.975, 4.0)
    long, short = SigmaMultiple(horizon_days=1.0).rates(MarginView.of([0.5, 1.0]))
    move = k * np.array([0.5, 1.0]) / np.sqrt(365)
    np.testing.assert_allclose(np.log1p(-long), -move, rtol=1e-12)
    np.testing.assert_allclose(np.log1p(short), move, rtol=1e-12)


def test_normal_sigma_multiple_ignores_degrees_of_freedom() -> None:
    one, other = (
        SigmaMultiple(distribution="normal", degrees_of_freedom=nu).rates(MarginView.of(0.8)) for nu in (3.0, 9.0)
    )
    assert one == other


@pytest.mark.parametrize("model", [LognormalExpectedShortfall(), SigmaMultiple()])
@pytest.mark.parametrize("volatility", [0.0, -0.1, float("inf")])
def test_models_refuse_what_is_not_a_volatility(model: SigmaMultiple, volatility: float) -> None:
    with pytest.raises(InvalidInput, match="volatility must be > 0 and finite"):
        model.rates(MarginView.of([0.5, volatility]))


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("student_t", 0.975, 2.0), "degrees_of_freedom must be > 2"),
        (("student_t", 1.0, 4.0), "alpha must lie in"),
        (("cauchy", 0.975, 4.0), "distribution must be"),
    ],
)
def test_multiples_refuse_what_has_no_shortfall(arguments: tuple[str, float, float], rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        expected_shortfall_multiple(*arguments)  # type: ignore[arg-type]


def test_a_policy_floors_caps_and_says_what_it_used() -> None:
    policy = MarginPolicy(floor=0.05, cap_short=2.0)
    rates = policy.rates([0.05, 0.8, 60.0, np.nan, 0.0, np.inf])
    assert rates.method_used == ("sigma_multiple",) * 3 + ("floor",) * 3
    assert rates.long[[0, 3, 4, 5]].tolist() == rates.short[[0, 3, 4, 5]].tolist() == [0.05] * 4
    assert rates.long[2] < 1.0
    assert rates.short[2] == 2.0
    assert rates.clamped.tolist() == [False, False, True, False, False, False]


def test_the_largest_floor_wins_and_stress_multiplies_the_model_only() -> None:
    policy, calm = MarginPolicy(), MarginPolicy().rates([0.8, 0.8])
    stressed = policy.rates([0.8, 0.8], venue_floor=[0.0, 0.5], multiplier=1.5)
    assert stressed.long.tolist() == pytest.approx([1.5 * calm.long[0], 0.5])
    assert policy.rates(np.nan, multiplier=3.0).long.tolist() == [0.05]


def test_a_policy_passes_its_parameters_to_the_requirement() -> None:
    policy = MarginPolicy(floor=0.10, maintenance_fraction=0.5, size_addon=LinearAddon(per_contract=0.01))
    answer = policy.requirement([5.0], [100.0], policy.rates([np.nan]))
    assert (answer.initial.tolist(), answer.maintenance.tolist()) == ([75.0], [37.5])
    assert (answer.rate_initial.tolist(), answer.method_used) == (pytest.approx([0.15]), ("floor",))
