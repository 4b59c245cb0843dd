"""The frontier: points counted by hand, what is efficient, what holds of every frontier."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.margin.backtest import BacktestRules, backtest_margin
from services.margin.frontier import FrontierPoint, margin_frontier, rate
from services.margin.methods.filtered_historical import FilteredHistorical

ALPHAS, MULTIPLES = [0.9, 0.95, 0.99], [0.5, 0.8, 1.5, 60.0]
MODEL = FilteredHistorical(window=250)


@pytest.fixture(scope="module")
def returns() -> Floats:
    rng = np.random.default_rng(11)
    volatility = 0.02 * np.exp(0.4 * np.sin(np.arange(1_500) / 90.0))
    return np.asarray(volatility * rng.standard_t(4.0, 1_500) / np.sqrt(2.0))


@pytest.fixture(scope="module")
def frontier(returns: Floats) -> list[FrontierPoint]:
    return margin_frontier(
        returns, MODEL, periods_per_year=365.0, confidences=ALPHAS, multipliers=MULTIPLES, how=BacktestRules()
    )


def test_points_are_the_model_confidences_and_multiples(frontier: list[FrontierPoint]) -> None:
    assert [(one.varied, one.alpha, one.multiplier) for one in frontier] == [
        ("own", 0.975, 1.0),
        *(("confidence", alpha, 1.0) for alpha in ALPHAS),
        *(("multiplier", 0.975, multiple) for multiple in MULTIPLES),
    ]


def test_a_confidence_is_the_backtest_of_the_model_at_it(frontier: list[FrontierPoint], returns: Floats) -> None:
    model = FilteredHistorical(window=250, alpha=0.99)
    walk = backtest_margin(returns, model, periods_per_year=365.0, comparisons=False)["model"]
    (point,) = [one for one in frontier if one.alpha == 0.99]
    for side, found in ((point.long, walk.long), (point.short, walk.short)):
        assert side.breaches.count == found.coverage.breaches
        assert side.mean_margin == pytest.approx(found.margin[found.at].mean())
        assert side.mean_excess == pytest.approx(found.mean_excess)
    assert point.observations == 2 * walk.long.at.size


def test_breaches_and_liquidations_by_following_each_account(frontier: list[FrontierPoint], returns: Floats) -> None:
    """An account with one unit at 1 that holds 0.8 of the margin, its equity and maintenance at the next close."""
    walk = backtest_margin(returns, MODEL, periods_per_year=365.0, comparisons=False)["model"]
    (point,) = [one for one in frontier if one.multiplier == 0.8]
    for side, sign, found in ((point.long, 1.0, walk.long), (point.short, -1.0, walk.short)):
        breached = liquidated = 0
        for at in found.at.tolist():
            held, price = 0.8 * found.margin[at], np.exp(returns[at])
            equity = held + sign * (price - 1.0)
            breached += equity < 0.0
            liquidated += equity <= 0.6 * held * price
        assert (side.breaches.count, side.liquidations.count) == (breached, liquidated)


def test_more_margin_is_breached_less_and_a_long_never_holds_more_than_its_notional(
    frontier: list[FrontierPoint],
) -> None:
    for varied in ("confidence", "multiplier"):
        rows = [one for one in frontier if one.varied == varied]
        assert [one.mean_margin for one in rows] == sorted(one.mean_margin for one in rows)
        assert [one.breaches.count for one in rows] == sorted((one.breaches.count for one in rows), reverse=True)
        assert [one.liquidations.count for one in rows] == sorted(
            (one.liquidations.count for one in rows), reverse=True
        )
    assert frontier[-1].long.mean_margin == 1.0 < frontier[-1].short.mean_margin
    assert all(one.breaches.count <= one.liquidations.count for one in frontier)


def test_efficient_are_those_that_no_other_beats(frontier: list[FrontierPoint]) -> None:
    for one in frontier:
        beaten = [
            other
            for other in frontier
            if (other.mean_margin < one.mean_margin and other.breaches.share <= one.breaches.share)
            or (other.mean_margin <= one.mean_margin and other.breaches.share < one.breaches.share)
        ]
        assert one.efficient is (not beaten)
    cheapest = min(frontier, key=lambda one: one.mean_margin)
    assert cheapest.efficient
    # Without a breach more margin is only dearer.
    assert frontier[-1].breaches.count == 0


@pytest.mark.parametrize(("count", "observations"), [(0, 50), (3, 250), (250, 250), (1, 2)])
def test_intervals_are_exact(count: int, observations: int) -> None:
    expected = binomtest(count, observations).proportion_ci(0.95, method="exact")
    found = rate(count, observations)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_broken_rules_are_named(returns: Floats) -> None:
    for changes in ({"multipliers": [0.0]}, {"maintenance_fraction": 0.0}):
        given = {"confidences": [], "multipliers": [], **changes}
        with pytest.raises(InvalidInput, match=next(iter(changes))):
            margin_frontier(returns, MODEL, periods_per_year=365.0, how=BacktestRules(), **given)  # type: ignore[arg-type]
    how = BacktestRules(warm_up_bars=1_499)
    with pytest.raises(InvalidInput, match="returns"):
        margin_frontier(returns, MODEL, periods_per_year=365.0, confidences=[], multipliers=[], how=how)
