"""Grids: levels by hand, bounds one by one, what is refused and what would do."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from services.core.errors import InvalidInput
from services.core.instrument import Instrument, Kind
from services.core.outcome import Reason
from services.sizing.grid import Grid, GridMarket, GridPlan, GridRefusal
from services.sizing.grid_plan import plan_grid
from services.sizing.grid_spacing import GeometricSpacing, LinearSpacing, VolatilitySpacing

INSTRUMENT = Instrument(symbol="BTC-PERP", lot=Decimal("0.001"), tick=Decimal("0.5"), min_notional=5.0)
SPOT = replace(INSTRUMENT, kind=Kind.SPOT)
MARKET = GridMarket(instrument=INSTRUMENT, mark=Decimal(8000), volatility=0.6, equity=Decimal(10_000))


def grid(**changes: Any) -> Grid:
    """Long-only, six linear levels between 7000 and 9000."""
    terms: dict[str, Any] = {
        "side": "long_only",
        "low": Decimal(7000),
        "high": Decimal(9000),
        "stop_low": Decimal(6500),
        "budget": Decimal(3000),
        "spacing": LinearSpacing(),
        "max_levels": 6,
    }
    return Grid(**{**terms, **changes})


def plan(terms: Grid, market: GridMarket = MARKET) -> GridPlan:
    found = plan_grid(terms, market)
    assert isinstance(found, GridPlan), found
    return found


def refused(terms: Grid, market: GridMarket = MARKET) -> GridRefusal:
    found = plan_grid(terms, market)
    assert isinstance(found, GridRefusal), found
    return found


def test_levels_by_hand() -> None:
    """7000, 7400, 7800 below the mark share 3000: 1000 each, in lots of 0.001."""
    found = plan(grid())
    assert [(level.price, level.contracts) for level in found.levels] == [
        (Decimal(7000), Decimal("0.142")),
        (Decimal(7400), Decimal("0.135")),
        (Decimal(7800), Decimal("0.128")),
    ]
    assert found.committed == Decimal("994.000") + Decimal("999.000") + Decimal("998.400")
    assert (found.size_bound, found.count_bound, found.limited) == ("budget", "max_levels", False)


def test_the_worst_case_by_hand() -> None:
    worst = plan(grid()).low
    assert worst is not None
    assert worst.contracts == Decimal("0.405")
    assert worst.loss == Decimal("0.142") * 500 + Decimal("0.135") * 900 + Decimal("0.128") * 1300
    assert worst.average_price == pytest.approx(Decimal("2991.4") / Decimal("0.405"))
    assert (worst.margin, worst.loss_in_coin) == (None, None)
    assert plan(grid()).high is None


def test_fees_are_part_of_the_budget_and_of_the_loss() -> None:
    found = plan(grid(fee_rate=0.001))
    spent = sum(level.notional for level in found.levels)
    assert found.committed == spent * Decimal("1.001") <= Decimal(3000)
    worst, free = found.low, plan(grid()).low
    assert worst is not None and free is not None
    assert worst.loss > free.loss


def test_steps_are_at_least_both_fees_apart() -> None:
    found = plan(grid(fee_rate=0.02, max_levels=100))
    assert found.least_step == 0.04
    assert found.count_bound == "step"
    assert len(plan(grid(fee_rate=0.0, max_levels=100)).levels) > len(found.levels)


def test_linear_steps_are_wide_enough_at_the_top_where_they_are_narrowest() -> None:
    spacing = LinearSpacing(min_step=0.05)
    count = spacing.most(50.0, 150.0, 100.0, 0.05)
    top = spacing.prices(50.0, 150.0, 100.0, 0.05, count)[-2:]
    assert count == 13 and (top[1] - top[0]) / top[1] >= 0.05


def test_geometric_levels_have_one_ratio() -> None:
    prices = GeometricSpacing().prices(7000.0, 9000.0, 8000.0, 0.002, 5)
    ratios = [other / one for one, other in pairwise(prices)]
    assert ratios == pytest.approx([(9.0 / 7.0) ** 0.25] * 4)
    assert GeometricSpacing().most(7000.0, 9000.0, 8000.0, 0.01) == math.floor(math.log(9 / 7) / 0.01)


def test_volatility_levels_are_what_the_price_moves_apart() -> None:
    spacing = VolatilitySpacing(multiple=2.0, horizon_seconds=14_400.0)
    step = 2.0 * 0.6 * math.sqrt(14_400.0 / 31_536_000.0)
    found = plan(grid(spacing=spacing, max_levels=100, side="two_sided", stop_high=Decimal(9500)))
    assert found.least_step == pytest.approx(step)
    below = [float(level.price) for level in found.levels if level.side > 0]
    assert below == pytest.approx([8000.0 * math.exp(-step * index) for index in range(len(below), 0, -1)], abs=0.5)
    fewer = plan(grid(spacing=spacing, max_levels=2, side="two_sided", stop_high=Decimal(9500)))
    assert {level.price for level in fewer.levels} < {level.price for level in found.levels}


def test_a_spacing_by_volatility_needs_one() -> None:
    with pytest.raises(InvalidInput, match="volatility"):
        plan_grid(grid(spacing=VolatilitySpacing()), replace(MARKET, volatility=None))


def test_inventory_rests_above_the_mark_and_costs_no_budget() -> None:
    found = plan(grid(), replace(MARKET, inventory=Decimal("0.3")))
    sells = [(level.price, level.contracts, level.closes) for level in found.levels if level.side < 0]
    assert sells == [(Decimal(price), Decimal("0.1"), True) for price in (8200, 8600, 9000)]
    assert found.committed == plan(grid()).committed
    worst = found.low
    assert worst is not None and worst.contracts == Decimal("0.705")


def test_little_inventory_of_spot_rests_at_the_nearest_levels_that_are_legal() -> None:
    found = plan(grid(), replace(MARKET, instrument=SPOT, inventory=Decimal("0.0015")))
    assert [level.price for level in found.levels if level.side < 0] == [Decimal(8200)]
    assert found.low is not None and found.low.margin == found.low.notional


def test_a_short_grid_mirrors_a_long_one() -> None:
    found = plan(grid(side="short_only", stop_low=None, stop_high=Decimal(9500)))
    assert [(level.side, level.price) for level in found.levels] == [
        (-1, Decimal(price)) for price in (8200, 8600, 9000)
    ]
    worst = found.high
    assert worst is not None and found.low is None
    assert worst.loss == sum(level.contracts * (Decimal(9500) - level.price) for level in found.levels)


def test_both_sides_together_are_within_the_budget() -> None:
    found = plan(grid(side="two_sided", stop_high=Decimal(9500)))
    assert len(found.levels) == 6
    assert sum(level.notional for level in found.levels) <= 3000


def test_inverse_contracts_lose_in_coin() -> None:
    instrument = Instrument(
        symbol="X", kind=Kind.INVERSE, contract_multiplier=10.0, lot=Decimal(1), tick=Decimal("0.5")
    )
    found = plan(grid(), replace(MARKET, instrument=instrument))
    assert [level.contracts for level in found.levels] == [Decimal(100)] * 3
    worst = found.low
    assert worst is not None
    coins = sum(1000.0 / 6500.0 - 1000.0 / float(level.price) for level in found.levels)
    assert float(worst.loss_in_coin or 0) == pytest.approx(coins, rel=1e-12)
    assert float(worst.loss) == pytest.approx(coins * 6500.0, rel=1e-12)
    harmonic = 3.0 / sum(1.0 / float(level.price) for level in found.levels)
    assert float(worst.average_price or 0) == pytest.approx(harmonic, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "bound"),
    [
        ({"risk_budget": Decimal(100), "stop_low": Decimal(5000)}, "risk_budget"),
        ({"risk_budget": Decimal(100), "stop_low": Decimal(6999)}, "volatility"),
        ({"max_leverage": 0.1}, "max_leverage"),
    ],
)
def test_what_bounds_the_size_is_named(changes: dict[str, Any], bound: str) -> None:
    found = plan(grid(**changes))
    assert (found.size_bound, found.limited) == (bound, True)
    assert found.committed < plan(grid()).committed


def test_the_bound_by_volatility_is_the_risk_budget_of_sizing() -> None:
    """N = budget / (σ √h κ), as in the sizing methods."""
    found = plan(grid(risk_budget=Decimal(100), stop_low=Decimal(6999), horizon_days=4.0))
    largest = 100.0 / (0.6 * math.sqrt(4.0 / 365.0) * 2.326)
    assert found.low is not None
    assert largest - 3 * 8 < float(found.low.notional) <= largest


def test_a_short_inventory_needs_margin_for_where_the_stop_is() -> None:
    terms = grid(side="short_only", stop_low=None, stop_high=Decimal(9500), max_leverage=0.2)
    worst = plan(terms).high
    assert worst is not None and worst.margin is not None
    assert float(worst.margin) == pytest.approx(float(-worst.contracts) * 9500.0 / 0.2)
    assert worst.margin <= 10_000


def test_what_is_held_counts() -> None:
    terms = grid(risk_budget=Decimal(600))
    free, burdened = plan(terms), plan(terms, replace(MARKET, inventory=Decimal("0.2")))
    assert burdened.low is not None and burdened.low.loss <= 600
    assert burdened.committed < free.committed
    found = refused(terms, replace(MARKET, inventory=Decimal(2)))
    assert found.reason is Reason.LIMIT and found.least["risk_budget"] > 3000


def test_a_short_budget_gives_fewer_levels_of_the_smallest_size() -> None:
    """The smallest order is 0.001 of BTC, 7 dollars at 7000: of three levels below the mark only two are paid for."""
    found = plan(grid(budget=Decimal(15)))
    assert [(level.price, level.contracts) for level in found.levels] == [
        (Decimal(7000), Decimal("0.001")),
        (Decimal(7500), Decimal("0.001")),
    ]
    assert (found.size_bound, found.count_bound, found.limited) == ("minimum", "budget", True)


def test_too_small_a_budget_is_refused_and_not_spent() -> None:
    """hummingbot makes one level of the minimum, whatever the budget."""
    found = refused(grid(budget=Decimal("6.99")))
    assert (found.reason, found.least) == (Reason.BUDGET_TOO_SMALL, {"budget": Decimal("7.00000000")})
    assert [level.price for level in plan(grid(budget=Decimal(7))).levels] == [Decimal(7000)]


def test_a_mark_outside_of_the_range() -> None:
    above = plan(grid(), replace(MARKET, mark=Decimal(9500)))
    assert len(above.levels) == 6
    found = refused(grid(), replace(MARKET, mark=Decimal(6900)))
    assert found.reason is Reason.NO_LEVEL and "below the mark" in found.detail
    narrow = refused(grid(low=Decimal(8990), spacing=LinearSpacing(min_step=0.01)))
    assert narrow.reason is Reason.NO_LEVEL and "fewer than 2" in narrow.detail


def test_a_level_at_the_mark_is_left_out() -> None:
    found = plan(grid(max_levels=5), replace(MARKET, inventory=Decimal(1)))
    assert [level.price for level in found.levels] == [Decimal(price) for price in (7000, 7500, 8500, 9000)]


def test_an_instrument_that_allows_no_order_is_told() -> None:
    market = replace(MARKET, instrument=replace(INSTRUMENT, min_quantity=Decimal(2), max_quantity=Decimal(1)))
    assert "max_quantity" in refused(grid(), market).detail
    capped = plan(grid(), replace(MARKET, instrument=replace(INSTRUMENT, max_quantity=Decimal("0.13"))))
    assert [level.contracts for level in capped.levels] == [Decimal("0.13"), Decimal("0.13"), Decimal("0.128")]
    assert capped.size_bound == "max_quantity"


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"low": Decimal(9000)}, "low"),
        ({"budget": Decimal(0)}, "budget"),
        ({"stop_low": Decimal(7000)}, "stop_low"),
        ({"stop_low": None}, "stop_low"),
        ({"side": "two_sided"}, "stop_high"),
        ({"side": "short_only", "stop_high": Decimal(8999)}, "stop_high"),
        ({"risk_budget": Decimal(0)}, "risk_budget"),
    ],
)
def test_terms_that_contradict_one_another_are_refused(changes: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidInput) as found:
        grid(**changes)
    assert found.value.parameter == parameter


@pytest.mark.parametrize(
    ("changes", "market", "parameter"),
    [
        ({}, {"instrument": replace(INSTRUMENT, kind=Kind.QUANTO)}, "symbol"),
        (
            {"side": "two_sided", "stop_high": Decimal(9500)},
            {"instrument": replace(INSTRUMENT, kind=Kind.SPOT)},
            "side",
        ),
        ({}, {"inventory": Decimal(-1)}, "inventory"),
        ({}, {"mark": Decimal(0)}, "mark_price"),
        ({"risk_budget": Decimal(1)}, {"volatility": None}, "volatility"),
        ({"max_leverage": 2.0}, {"equity": None}, "equity"),
    ],
)
def test_what_a_grid_needs_is_named(changes: dict[str, Any], market: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidInput) as found:
        plan_grid(grid(**changes), replace(MARKET, **market))
    assert found.value.parameter == parameter
