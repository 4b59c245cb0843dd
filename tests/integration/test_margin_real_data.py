"""Margins on twenty years of the S&P 500 and Nasdaq (`arch`): the default covers, a normal law does not."""

from __future__ import annotations

import pytest

from services.margin.backtest import BacktestRules, MarginWalk, backtest_margin
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.procyclicality import AntiProcyclicality
from tests.evaluation.series import Series, arch_series

HOW = BacktestRules(warm_up_bars=500)


@pytest.fixture(scope="module", params=["sp500 1d", "nasdaq 1d"])
def item(request: pytest.FixtureRequest) -> Series:
    """One index."""
    return next(series for series in arch_series() if series.name == request.param)


@pytest.fixture(scope="module")
def walks(item: Series) -> dict[str, MarginWalk]:
    """The default and what it stands beside."""
    return backtest_margin(item.log_returns, FilteredHistorical(), periods_per_year=item.periods, how=HOW)


@pytest.mark.parametrize("side", ["long", "short"])
def test_the_default_is_breached_about_once_in_a_hundred_days(walks: dict[str, MarginWalk], side: str) -> None:
    found = {name: walk.sides[side].coverage for name, walk in walks.items()}  # type: ignore[index]
    assert 0.005 <= found["model"].rate <= 0.0125
    assert found["model"].verdict != "under_coverage"
    assert found["normal_ewma"].rate > found["model"].rate


def test_a_normal_law_is_blamed_for_its_longs(walks: dict[str, MarginWalk]) -> None:
    assert walks["normal_ewma"].long.coverage.verdict == "under_coverage"
    assert walks["normal_ewma"].long.coverage.traffic_light == "red"


def test_half_scaling_swings_less_than_full(item: Series, walks: dict[str, MarginWalk]) -> None:
    full = backtest_margin(
        item.log_returns,
        FilteredHistorical(profile="reactive"),
        periods_per_year=item.periods,
        how=HOW,
        comparisons=False,
    )["model"]
    for half, whole in ((walks["model"].long, full.long), (walks["model"].short, full.short)):
        assert half.movement is not None
        assert whole.movement is not None
        assert half.movement.peak_to_trough < whole.movement.peak_to_trough
        assert half.movement.max_rise_1 < whole.movement.max_rise_1


def test_stress_weight_and_buffer_buy_calm_with_margin(item: Series, walks: dict[str, MarginWalk]) -> None:
    rules = AntiProcyclicality(stress_weight=0.25, buffer=0.25)
    ruled = backtest_margin(
        item.log_returns,
        FilteredHistorical(),
        periods_per_year=item.periods,
        how=BacktestRules(warm_up_bars=500, rules=rules),
        comparisons=False,
    )["model"].long
    plain = walks["model"].long
    assert ruled.movement is not None
    assert plain.movement is not None
    assert ruled.coverage.breaches < plain.coverage.breaches
    assert ruled.movement.max_rise_1 < plain.movement.max_rise_1
    assert ruled.movement.mean > plain.movement.mean
