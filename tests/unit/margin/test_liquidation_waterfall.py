"""Bankruptcy and fillable prices, auctions, partial sizes, the fund, and auto-deleveraging with its checks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.margin.liquidation_waterfall import (
    Counterparty,
    absorb_loss,
    auction_fraction,
    bankruptcy_price,
    deleverage,
    deleveraging_score,
    fillable_price,
    fund_cover,
    keeps_deleveraging,
    partial_liquidation_size,
)


@pytest.mark.parametrize("collateral", [900.0, 0.0, -400.0])
def test_closing_everything_at_the_bankruptcy_prices_leaves_nothing(collateral: float) -> None:
    """dYdX: each position carries the collateral by its share of maintenance."""
    book = [(2.0, 100.0, 10.0), (-3.0, 50.0, 30.0)]
    total = sum(maintenance for *_, maintenance in book)
    left = collateral
    for quantity, mark, maintenance in book:
        left += quantity * (bankruptcy_price(quantity, mark, maintenance, collateral, total) - mark)
    assert left == pytest.approx(0.0, abs=1e-9)


def test_the_fillable_price_lies_between_the_mark_and_the_widest_spread() -> None:
    def price(collateral: float) -> float:
        return fillable_price(4.0, 100.0, 20.0, collateral, 20.0, spread_to_maintenance=1.5)

    assert [price(c) for c in (20.0, 10.0, 0.0, -50.0)] == [100.0, 96.25, 92.5, 92.5]
    assert fillable_price(4.0, 100.0, 20.0, 10.0, 20.0, bankruptcy_adjustment=2.0) == 99.5


def test_the_auctioned_share_restores_margin_with_its_buffer() -> None:
    """What is left keeps its share of the buffered margin; what is sold brings its discounted value."""
    for net, value, discount in itertools.product((-50.0, -5.0), (200.0, 60.0), (1.0, 0.7)):
        share = auction_fraction(net, value, discount=discount, buffer=0.1)
        buffered = net + 0.1 * (net - value)
        assert (1.0 - share) * buffered + share * value * discount == pytest.approx(0.0, abs=1e-9)
    assert auction_fraction(5.0, 40.0, discount=1.0) == 0.0
    assert auction_fraction(-5.0, -20.0, discount=1.0, buffer=0.0) == 1.0
    # Cash that was bid before is not sold again.
    assert auction_fraction(-5.0, 60.0, discount=0.5, reserved=20.0) < auction_fraction(-5.0, 60.0, discount=0.5)


def test_a_partial_liquidation_frees_exactly_the_shortage() -> None:
    """Debt weighted 1.2 falls by its size, the asset weighted 0.8 by what the liquidator gets for it."""
    size = partial_liquidation_size(
        10.0, 100.0, 1.2, asset_weight=0.8, asset_multiplier=1.05, liability_multiplier=0.98, insurance_fee=0.01
    )
    freed = size * 100.0 * 1.2
    given = size * 100.0 * 1.05 / 0.98 * 0.8
    assert freed - given - size * 100.0 * 0.01 * 1.2 == pytest.approx(10.0, rel=1e-12)


def test_where_no_part_frees_margin_all_of_it_goes() -> None:
    fee = {"asset_weight": 0.95, "asset_multiplier": 1.1, "insurance_fee": 0.02}
    assert partial_liquidation_size(10.0, 100.0, 1.05, position=7.0, **fee) == 7.0
    assert partial_liquidation_size(10.0, 100.0, 1.05, **fee) == math.inf
    assert partial_liquidation_size(1_000.0, 100.0, 1.2, position=3.0) == 3.0
    assert partial_liquidation_size(0.0, 100.0, 1.2) == 0.0


def test_the_fund_pays_first() -> None:
    assert absorb_loss(80.0, 100.0) == (80.0, 0.0, 20.0)
    assert absorb_loss(120.0, 100.0) == (100.0, 20.0, 0.0)
    assert absorb_loss(-5.0, 100.0) == (0.0, 0.0, 100.0)


def test_cover_one_and_two_against_every_subset() -> None:
    losses = np.array([3.0, -2.0, 11.0, 7.0, 0.0])
    for fund in (0.0, 10.0, 11.0, 18.0, 100.0):
        found = fund_cover(losses, fund)
        two = max(sum(max(loss, 0.0) for loss in pair) for pair in itertools.combinations(losses.tolist(), 2))
        assert (found.cover_1, found.cover_2) == (fund / 11.0, fund / two)
        ordered = np.cumsum(np.sort(np.maximum(losses, 0.0))[::-1])
        assert found.members == int((ordered <= fund).sum())
    assert fund_cover(np.array([-1.0]), 5.0).cover_1 == math.inf


def person(name: str, quantity: float, entry: float, equity: float, rate: float = 0.0) -> Counterparty:
    return Counterparty(name=name, quantity=quantity, entry_price=entry, equity=equity, maintenance_rate=rate)


def test_rank_is_profit_times_leverage_and_loss_over_leverage() -> None:
    ranked = [
        person("high", -1.0, 150.0, 20.0),
        person("low", -1.0, 150.0, 400.0),
        person("loses_much_leverage", -1.0, 80.0, 20.0),
        person("loses_little_leverage", -1.0, 80.0, 400.0),
    ]
    scores = [deleveraging_score(item, 100.0) for item in ranked]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx((1 / 3) * 5.0)
    assert scores[2] == pytest.approx(-0.25 / 5.0)
    assert deleveraging_score(person("broke", -1.0, 150.0, -1.0), 100.0) == math.inf


def test_candidates_are_checked_before_and_after() -> None:
    people = [
        person("long", 1.0, 90.0, 50.0),
        person("under", -1.0, 150.0, 4.0, rate=0.05),
        person("lost", -1.0, 99.0, 50.0),
        person("thin", -1.0, 140.0, 1.5),
        person("fit", -1.0, 120.0, 50.0),
    ]
    found = deleverage(2.0, 103.0, 100.0, people)
    assert found.skipped == (
        ("thin", "would_fall_under_maintenance"),
        ("under", "under_maintenance"),
        ("long", "same_side"),
        ("lost", "no_profit_left"),
    )
    assert [(item.name, item.quantity, item.cost) for item in found.filled] == [("fit", 1.0, 3.0)]
    assert (found.uncovered, found.socialised, found.price) == (1.0, 0.0, 103.0)


def test_nobody_pays_more_than_the_cap() -> None:
    found = deleverage(2.0, 130.0, 100.0, [person("a", -5.0, 200.0, 900.0)], price_cap=0.05)
    assert found.price == 105.0
    assert found.filled[0].cost == pytest.approx(10.0)
    assert found.socialised == pytest.approx(50.0)
    mirrored = deleverage(-2.0, 70.0, 100.0, [person("a", 5.0, 40.0, 900.0)], price_cap=0.05)
    assert (mirrored.price, mirrored.socialised) == (95.0, pytest.approx(50.0))


def test_what_is_closed_and_what_is_not_add_up_whatever_the_order() -> None:
    people = [person(f"p{n}", -float(n), 110.0 + n, 20.0 * n) for n in range(1, 6)]
    for size in (0.5, 6.0, 40.0):
        found = [deleverage(size, 101.0, 100.0, order) for order in (people, people[::-1])]
        assert found[0] == found[1]
        assert math.fsum(item.quantity for item in found[0].filled) + found[0].uncovered == pytest.approx(size)


def test_deleveraging_has_hysteresis() -> None:
    state, seen = False, []
    for share in (0.8, 0.86, 0.8, 0.78, 0.77, 0.8):
        state = keeps_deleveraging(share, state)
        seen.append(state)
    assert seen == [False, True, True, True, False, False]


@pytest.mark.parametrize(
    "call",
    [
        lambda: bankruptcy_price(0.0, 1.0, 1.0, 1.0, 1.0),
        lambda: bankruptcy_price(1.0, -1.0, 1.0, 1.0, 1.0),
        lambda: bankruptcy_price(1.0, 1.0, 2.0, 1.0, 1.0),
        lambda: fillable_price(1.0, 1.0, 1.0, 1.0, 1.0, bankruptcy_adjustment=0.5),
        lambda: auction_fraction(-1.0, 1.0, discount=1.5),
        lambda: partial_liquidation_size(1.0, 0.0, 1.0),
        lambda: fund_cover(np.array([math.nan]), 1.0),
        lambda: deleverage(1.0, math.nan, 1.0, []),
        lambda: deleverage(1.0, 1.0, 1.0, [], price_cap=1.0),
        lambda: keeps_deleveraging(0.5, True, start=0.5, stop=0.6),
    ],
)
def test_what_contradicts_itself_is_refused(call: object) -> None:
    with pytest.raises(InvalidInput):
        call()  # type: ignore[operator]
