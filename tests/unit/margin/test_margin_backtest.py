"""Margin back-test: nothing looks ahead, nothing is counted twice, and figures agree with a plain loop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.margin.backtest import BacktestRules, backtest_margin, expected_rate, long_run_path, stressed_path
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.methods.lognormal_expected_shortfall import LognormalExpectedShortfall
from services.margin.methods.sigma_multiple import SigmaMultiple
from services.margin.procyclicality import AntiProcyclicality
from services.margin.registry import MarginModel
from services.margin.view import MarginView
from tests.unit.margin.test_filtered_historical import DAILY, heavy

ALL_RULES = AntiProcyclicality(stress_weight=0.25, long_run_floor=True, buffer=0.25, release=0.03)


def walked(returns: Floats, model: MarginModel | None = None, **how: Any) -> dict[str, Any]:
    volatility = np.full(returns.size + 1, 0.5)
    return backtest_margin(
        returns,
        model or FilteredHistorical(profile="lean"),
        periods_per_year=DAILY,
        volatility=volatility,
        how=BacktestRules(**how),
    )


@pytest.mark.parametrize("rules", [AntiProcyclicality(), ALL_RULES])
@pytest.mark.parametrize("bars", [1, 3])
def test_a_margin_does_not_change_with_what_comes_later(rules: AntiProcyclicality, bars: int) -> None:
    returns = heavy(900)
    changed = np.concatenate([returns[:600], -2.0 * returns[600:]])
    before, after = (walked(path, rules=rules, horizon_bars=bars) for path in (returns, changed))
    shorter = walked(returns[:600], rules=rules, horizon_bars=bars)
    for name, found in before.items():
        for side in ("long", "short"):
            margin = found.sides[side].margin
            assert np.array_equal(margin[:601], after[name].sides[side].margin[:601], equal_nan=True)
            np.testing.assert_allclose(margin[:601], shorter[name].sides[side].margin, rtol=1e-12)
    changed_late = after["model"].long.margin[601:] != before["model"].long.margin[601:]
    assert changed_late.all()


@pytest.mark.parametrize("bars", [1, 4])
def test_losses_and_breaches_against_a_loop(bars: int) -> None:
    returns = heavy(800)
    found = walked(returns, horizon_bars=bars)["model"]
    model = FilteredHistorical(profile="lean", horizon_days=float(bars))
    long_losses, hits, time = [], [], 250
    while time + bars <= returns.size:
        view = MarginView(np.full(1, np.nan), (returns[:time],), np.full(1, DAILY))
        rate = model.rates(view)[0][0]
        loss = 1.0 - math.exp(sum(returns[time : time + bars]))
        long_losses.append(loss)
        hits.append(bool(loss > rate))
        time += bars
    assert found.long.losses == pytest.approx(long_losses, rel=1e-9)
    assert found.long.hits.tolist() == hits
    assert np.diff(found.long.at).tolist() == [bars] * (len(hits) - 1)
    assert found.short.losses == pytest.approx([-loss for loss in long_losses], rel=1e-9)


def test_of_independent_returns_a_right_margin_is_breached_as_often_as_expected() -> None:
    """Normal returns of constant volatility, its true value known: the rate beyond the shortfall is N's own."""
    rng = np.random.default_rng(11)
    returns = rng.normal(0.0, 0.02, 40_000)
    found = backtest_margin(
        returns,
        SigmaMultiple(distribution="normal"),
        periods_per_year=DAILY,
        volatility=np.full(returns.size + 1, 0.02 * DAILY**0.5),
        how=BacktestRules(expected_rate=float(stats.norm.sf(stats.norm.pdf(stats.norm.ppf(0.975)) / 0.025))),
        comparisons=False,
    )["model"]
    for side in (found.long, found.short):
        assert side.coverage.verdict == "covered"
        assert side.coverage.rate == pytest.approx(0.0097, abs=4 * (0.0097 / 40_000) ** 0.5)
        assert side.movement.peak_to_trough == pytest.approx(1.0)


def test_a_margin_of_half_the_volatility_is_blamed() -> None:
    returns = np.random.default_rng(2).normal(0.0, 0.02, 2000)
    found = backtest_margin(
        returns, SigmaMultiple(), periods_per_year=DAILY, volatility=np.full(2001, 0.01 * DAILY**0.5)
    )["model"]
    assert found.long.coverage.verdict == found.short.coverage.verdict == "under_coverage"
    assert found.long.coverage.traffic_light == "red"
    assert found.long.mean_excess > 0.0


def test_the_horizon_is_that_of_the_back_test() -> None:
    returns = heavy(600)
    one, other = (
        walked(returns, LognormalExpectedShortfall(horizon_days=days), horizon_bars=2)["model"].long.margin
        for days in (1.0, 30.0)
    )
    expected, _ = LognormalExpectedShortfall(horizon_days=2.0).rates(MarginView.of(0.5))
    assert np.array_equal(one, other)
    assert one == pytest.approx(float(expected))


def test_what_stands_beside_the_model() -> None:
    found = walked(heavy(600), rules=ALL_RULES)
    assert list(found) == ["model", "model_without_rules", "normal_ewma", "plain_historical"]
    assert found["model"].long.margin[400] > found["model_without_rules"].long.margin[400]
    plain = FilteredHistorical(profile="lean", scaling="none", horizon_days=1.0).rates_path(heavy(600), DAILY)
    assert np.array_equal(found["plain_historical"].short.margin, plain[1], equal_nan=True)


def test_the_normal_figure_is_of_the_same_kind() -> None:
    """A value at risk stands beside one."""
    returns = heavy(600)
    model = FilteredHistorical(measure="value_at_risk", alpha=0.99, profile="lean")
    normal = walked(returns, model)["normal_ewma"].long.margin
    variance = (returns[:60] ** 2).mean()
    for value in returns:
        variance = 0.97 * variance + 0.03 * value**2
    assert normal[-1] == pytest.approx(1.0 - math.exp(-stats.norm.ppf(0.99) * math.sqrt(variance)), rel=1e-9)


def test_stress_and_floor_are_taken_from_the_past() -> None:
    returns, model = heavy(500), FilteredHistorical(profile="lean", alpha=0.9)
    long, _ = stressed_path(returns, model, 1)
    sums = [(float((returns[end - 250 : end] ** 2).sum()), end) for end in range(250, 481)]
    worst = max(sums)[1]
    tail = np.sort(1.0 - np.exp(returns[worst - 250 : worst]))[-25:]
    assert long[480] == pytest.approx(tail.mean(), rel=1e-12)
    floors, _ = long_run_path(np.tile([0.01, -0.01], 200), model, 1, DAILY)
    assert floors[300] == pytest.approx(1.0 - math.exp(-0.01), rel=1e-9)
    assert np.isnan(floors[:60]).all()


def test_expected_rates() -> None:
    assert expected_rate(FilteredHistorical()) == expected_rate(SigmaMultiple()) == 0.01
    assert expected_rate(FilteredHistorical(measure="value_at_risk", alpha=0.99)) == 0.01
    assert walked(heavy(600), expected_rate=0.02)["model"].long.coverage.expected_rate == 0.02


def test_parts_are_told() -> None:
    told: list[int] = []
    backtest_margin(heavy(400), FilteredHistorical(), periods_per_year=DAILY, advance=told.append)
    assert told == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("returns", "model", "text"),
    [
        (heavy(251), FilteredHistorical(), "at least 2 margins"),
        (np.zeros(400), FilteredHistorical(), "at least 2 margins"),
        (np.append(heavy(400), np.nan), FilteredHistorical(), "finite"),
        (heavy(400), SigmaMultiple(), "one forecast for each close"),
    ],
)
def test_what_cannot_be_judged_is_refused(returns: Floats, model: MarginModel, text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        backtest_margin(returns, model, periods_per_year=DAILY)


@pytest.mark.parametrize("how", [{"horizon_bars": 0}, {"warm_up_bars": 59}])
def test_rules_have_bounds(how: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match="must be >="):
        BacktestRules(**how)
