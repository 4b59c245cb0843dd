"""Filtered historical simulation against a reference that goes one return at a time, and its rungs below."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.random import default_rng

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.margin.filtered_returns import ewma_variances, scenario_returns, sums_over, tail_loss
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.methods.sigma_multiple import SigmaMultiple
from services.margin.registry import MarginPolicy
from services.margin.view import MarginView
from services.risk.value_at_risk import sample_expected_shortfall, sample_value_at_risk

DAILY = 365.0


def heavy(count: int, seed: int = 5) -> Floats:
    """Returns with fat tails and a volatility that wanders."""
    rng = default_rng(seed)
    found: Floats = 0.02 * np.exp(0.5 * np.sin(np.arange(count) / 60.0)) * rng.standard_t(4.0, count)
    return found


def view(*returns: Floats | None, volatility: float = np.nan, periods: float = DAILY) -> MarginView:
    rows = len(returns)
    return MarginView(np.full(rows, volatility), tuple(returns), np.full(rows, periods))


def slow_rates(returns: Floats, model: FilteredHistorical, bars: float) -> tuple[float, float]:
    """The specification in plain Python, for value at risk and expected shortfall over the root of the horizon."""
    values = returns.tolist()
    variance = sum(value**2 for value in values[:60]) / 60
    sigmas = []
    for value in values:
        sigmas.append(math.sqrt(variance))
        variance = model.decay * variance + (1.0 - model.decay) * value**2
    now, kept, sigmas = math.sqrt(variance), values[-model.lookback :], sigmas[-model.lookback :]
    middle = sorted(sigmas)
    half = len(middle) // 2
    median = middle[half] if len(middle) % 2 else (middle[half - 1] + middle[half]) / 2
    least = max(1e-8, 0.1 * median)
    weight = {"none": 0.0, "half": 0.5, "full": 1.0}[model.scales]
    answers = []
    for side in (1, -1):
        losses = []
        for value, sigma in zip(kept, sigmas, strict=True):
            ratio = min(max(now, least) / max(sigma, least), 5.0)
            move = value * (1.0 - weight + weight * ratio) * math.sqrt(bars)
            losses.append(side * (1.0 - math.exp(move)))
        losses.sort(reverse=True)
        tail = len(losses) * (1.0 - model.alpha)
        if model.measure == "value_at_risk":
            answers.append(losses[math.ceil(tail - 1e-9) - 1])
        else:
            # Rockafellar & Uryasev: the minimum of c + E[(L − c)⁺]/(1 − α) lies at one of the losses.
            answers.append(min(c + sum(max(x - c, 0.0) for x in losses) / tail for c in losses[: math.ceil(tail) + 2]))
    return answers[0], answers[1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"profile": "lean"},
        {"profile": "reactive"},
        {"scaling": "none"},
        {"measure": "value_at_risk", "alpha": 0.99},
        {"alpha": 0.9, "decay": 0.94},
        {"window": 311, "horizon_days": 3.5},
    ],
)
@pytest.mark.parametrize("count", [260, 1400])
def test_it_is_what_the_slow_reference_says(changes: dict[str, Any], count: int) -> None:
    model, returns = FilteredHistorical(**{"horizon_days": 1.0, **changes}), heavy(count)
    long, short = model.rates(view(returns))
    assert (long[0], short[0]) == pytest.approx(slow_rates(returns, model, model.horizon_days), rel=1e-11)


@pytest.mark.parametrize("changes", [{}, {"profile": "lean"}, {"aggregation": "overlapping", "horizon_days": 3.0}])
def test_the_path_of_a_series_is_the_rate_of_every_prefix(changes: dict[str, Any]) -> None:
    """Nothing looks ahead, growing and full windows, blocks and their edges."""
    model, returns = FilteredHistorical(**changes), heavy(1310)
    long, short = model.rates_path(returns, DAILY)
    for end in (0, 249, 250, 251, 252, 505, 506, 999, 1000, 1001, 1255, 1256, 1257, 1310):
        one, other = model.rates(view(returns[:end]))
        np.testing.assert_allclose([long[end], short[end]], [one[0], other[0]], rtol=1e-12, err_msg=str(end))


def test_tail_losses_are_those_of_the_risk_package() -> None:
    sample = heavy(1003)
    for alpha in (0.9, 0.975, 0.99, 0.9995):
        table = np.array([-sample, -sample[::-1]])
        shortfalls = tail_loss(table, alpha, "expected_shortfall")
        assert shortfalls == pytest.approx([sample_expected_shortfall(sample, alpha)] * 2, rel=1e-12)
        quantiles = tail_loss(table, alpha, "value_at_risk")
        assert quantiles.tolist() == [sample_value_at_risk(sample, alpha)] * 2


def test_a_tail_of_whole_observations_is_their_mean() -> None:
    """(1 − 0.975) · 1,000 is 25.000000000000021 in floats: 25 losses, not 26."""
    losses = np.arange(1.0, 1001.0)
    assert float(tail_loss(losses, 0.975, "expected_shortfall")) == pytest.approx(losses[-25:].mean(), rel=1e-12)
    assert float(tail_loss(losses, 0.975, "value_at_risk")) == 976.0


def test_below_one_observation_the_tail_is_the_largest_loss() -> None:
    assert tail_loss(np.array([1.0, 3.0, 2.0]), 0.99, "expected_shortfall") == 3.0


def test_half_scaling_lies_half_way() -> None:
    returns, volatility = heavy(300), np.linspace(0.01, 0.03, 300)
    none, half, full = (scenario_returns(returns, volatility, 0.02, name) for name in ("none", "half", "full"))  # type: ignore[arg-type]
    np.testing.assert_allclose(half, (none + full) / 2.0, rtol=1e-12)


def test_guards_bound_what_a_quiet_past_is_magnified_by() -> None:
    """A past volatility of almost nothing counts as a tenth of the median; a return grows fivefold at most."""
    returns, volatility = np.array([0.01, 0.02, 0.03]), np.array([1e-12, 0.02, 0.02])
    assert scenario_returns(returns, volatility, 0.02, "full")[0] == pytest.approx(0.05)
    assert scenario_returns(returns, volatility, 0.006, "full")[0] == pytest.approx(0.01 * 0.006 / 0.002)
    assert scenario_returns(returns, volatility, 0.0, "full")[1] == pytest.approx(0.02 * 0.1)


def test_a_forecast_is_made_of_earlier_returns_only() -> None:
    returns = heavy(300)
    changed = np.concatenate([returns[:200], 10.0 * returns[200:]])
    same = ewma_variances(returns, 0.97)[:201] == ewma_variances(changed, 0.97)[:201]
    assert same.all()
    assert ewma_variances(changed, 0.97)[201] > ewma_variances(returns, 0.97)[201]


def test_overlapping_sums_are_sums_of_scaled_returns() -> None:
    model = FilteredHistorical(aggregation="overlapping", horizon_days=2.0, scaling="none", measure="value_at_risk")
    returns = heavy(1001)
    long, _ = model.rates(view(returns))
    pairs = [returns[index] + returns[index + 1] for index in range(1000)]
    assert long[0] == pytest.approx(1.0 - math.exp(sorted(pairs)[24]))
    assert sums_over(returns, 2) == pytest.approx(pairs)


def test_half_a_bar_is_a_root_and_a_sum_of_one() -> None:
    returns, root = heavy(400), FilteredHistorical(horizon_days=0.5, measure="value_at_risk", scaling="none")
    whole = replace(root, horizon_days=1.0)
    summed = replace(root, aggregation="overlapping")
    assert np.log1p(-root.rates(view(returns))[0]) == pytest.approx(0.5**0.5 * np.log1p(-whole.rates(view(returns))[0]))
    assert summed.rates(view(returns))[0] == whole.rates(view(returns))[0]


def test_what_it_does_not_know_is_unknown() -> None:
    long, short = FilteredHistorical().rates(
        view(None, heavy(249), heavy(250), np.zeros(400), np.append(heavy(400), np.nan))
    )
    assert np.isnan(long).tolist() == np.isnan(short).tolist() == [True, True, False, True, True]
    assert np.isnan(FilteredHistorical().rates(view(heavy(400), periods=np.nan))[0]).all()


def test_a_price_that_exploded_is_cut_and_not_an_overflow() -> None:
    returns = np.append(heavy(400), 700.0)
    long, short = FilteredHistorical(horizon_days=365.0).rates(view(returns))
    assert 0.0 < long[0] < 1.0
    assert short[0] == pytest.approx(math.expm1(10.0), rel=0.99)
    assert MarginPolicy(model=FilteredHistorical(horizon_days=365.0)).rates(view(returns)).short.tolist() == [3.0]


def test_rungs_are_the_model_then_student_then_the_floor() -> None:
    model = FilteredHistorical(alpha=0.99, horizon_days=3.0)
    policy = MarginPolicy(model=model, floor=0.04)
    found = policy.rates(
        MarginView(np.array([0.8, 0.8, np.nan, np.nan]), (heavy(300), None, None, heavy(300)), np.full(4, DAILY))
    )
    stand_in, _ = SigmaMultiple(alpha=0.99, horizon_days=3.0).rates(MarginView.of(0.8))
    own, _ = model.rates(view(heavy(300)))
    assert found.method_used == ("filtered_historical", "sigma_multiple", "floor", "filtered_historical")
    assert found.long.tolist() == pytest.approx([own[0], stand_in, 0.04, own[0]])


def test_volatility_alone_is_enough_for_the_policy() -> None:
    """As a hedge or a client asks that knows no returns."""
    found = MarginPolicy(model=FilteredHistorical()).rates([0.8])
    assert found.method_used == ("sigma_multiple",)
    assert found.long.tolist() == MarginPolicy().rates([0.8]).long.tolist()


def test_a_window_shorter_than_the_least_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"window must be >= min_returns \(250\), found 100"):
        FilteredHistorical(window=100)


def test_more_volatility_now_asks_more() -> None:
    calm = heavy(1000)
    stirred = np.append(calm[:-20], 3.0 * calm[-20:])
    for model in (FilteredHistorical(), FilteredHistorical(profile="reactive")):
        assert model.rates(view(stirred))[0] > model.rates(view(calm))[0]
