"""What the measurement of calm markets computes, on a made-up market."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.guards.breakers import Breakers
from tests.evaluation import breaker_costs as costs

DAYS = 4 * 365


def market(fall: float) -> costs.Market:
    """Two quiet years, one with a fall in its middle, one quiet again."""
    rng = np.random.default_rng(2)
    returns = 0.0005 + 0.005 * rng.standard_normal(DAYS)
    returns[2 * 365 + 180 : 2 * 365 + 190] += np.log1p(-fall) / 10.0
    dates = tuple(datetime(2021, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(DAYS))
    return costs.Market("MADE UP", "24/7", dates, 100.0 * np.exp(np.cumsum(returns)))


def test_windows_are_whole_years_after_a_warm_up_and_half_of_them_are_calm() -> None:
    made = market(0.5)
    assert [name for name, _, _ in costs.windows(made)] == ["all", "2022", "2023", "2024"]
    assert costs.calm_years(made) == {"2022", "2024"}
    assert costs.largest_fall(made.close) == pytest.approx(0.5, abs=0.1)


def test_a_walk_without_breakers_is_not_latched_and_one_that_falls_far_ends_flat() -> None:
    made = market(0.5)
    window = next(one for one in costs.windows(made) if one[0] == "2023")
    free, guarded = (costs.walked(made, 0.6, rules, window) for rules in (None, Breakers()))
    assert free.equity[0] == pytest.approx(1.0, abs=0.003), "less the cost of the first trade"
    assert free.equity.size == 365
    assert (free.latched, guarded.latched) == (False, True)
    assert costs.largest_fall(guarded.equity) < costs.largest_fall(free.equity)
    assert np.ptp(guarded.equity[-60:]) == 0.0
    assert guarded.traded > 0.0


def test_figures_are_those_of_all_walks() -> None:
    walk = costs.Walk("a", 2.0, np.array([1.0, 1.1, 1.21]), 4.0, latched=False)
    other = costs.Walk("b", 2.0, np.array([1.0, 0.9, 1.0]), 2.0, latched=True)
    growth, ratio, turnover, fall, latched = costs.figures([walk, other], 365.0)
    assert (growth, turnover, fall, latched) == ("+5.0", "1.5", "10", "1 of 2")
    returns = np.array([0.1, 0.1, -0.1, 1.0 / 0.9 - 1.0])
    assert float(ratio) == pytest.approx(returns.mean() / returns.std() * np.sqrt(365.0), abs=0.005)


def test_the_section_replaces_itself_and_leaves_the_page_alone() -> None:
    page, first = "# Page\n\ntext\n", f"{costs.MARKS[0]}\none\n{costs.MARKS[1]}"
    with_first = costs.replaced(page, first)
    assert with_first.startswith("# Page\n\ntext\n\n")
    second = first.replace("one", "two")
    assert costs.replaced(with_first, second) == with_first.replace("one", "two")
    assert costs.kept(with_first) == f"\n{first}\n"
    assert costs.kept(page) == ""
