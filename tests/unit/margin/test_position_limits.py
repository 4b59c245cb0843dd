"""Largest sizes in whole lots: published figures, tiers, jumps, and orders on either side of them."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.instrument import MarginTier
from services.core.outcome import Reason
from services.margin.liquidation import distance_in_sigmas, liquidation_price_linear
from services.margin.position_limits import (
    AccountRoom,
    PositionCaps,
    PositionTerms,
    SideLimit,
    Verdict,
    check_order,
    covered,
    largest_lots,
    side_limit,
    whole_lots,
)
from services.margin.registry import MarginPolicy
from services.margin.size_addons import LinearAddon, SizeAddon, SqrtAddon

LOT = Decimal("0.001")
TIERS = (
    MarginTier(0.0, 0.004, 0.0, 0.01),
    MarginTier(50_000.0, 0.005, 50.0, 0.02),
    MarginTier(250_000.0, 0.01, 1_300.0),
)


def terms(rate: float = 0.05, side: int = 1, value: float = 100.0, **policy: object) -> PositionTerms:
    return PositionTerms.under(MarginPolicy(**policy), side, rate, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("addon", "expected"),
    [(LinearAddon(per_contract=0.0002), 436.8051263561058), (SqrtAddon(coefficient=0.004), 472.599)],
)
def test_size_addons_give_the_figures_of_their_closed_forms(addon: SizeAddon, expected: float) -> None:
    """margin.json maxpos.linear_addon; margin.md 2.7 for the square root (0.05, 6,000 of 100)."""
    room = AccountRoom(equity=10_000.0, other_initial=2_000.0)
    found = side_limit(terms(size_addon=addon), room, PositionCaps(), LOT)
    if isinstance(addon, SqrtAddon):
        # Independent of the search: the margin of the published size is the budget.
        spent = float(terms(size_addon=addon).initial(found.largest * 0.001))  # type: ignore[operator]
        assert spent == pytest.approx(6_000.0, rel=1e-5)
    else:
        assert found.largest == math.floor(expected * 1_000)


def test_the_distance_cap_gives_its_golden_figure() -> None:
    """margin.json maxpos.distance_cap: 8,000 free, 3 daily sigmas of 4 %, 3 % maintenance."""
    room = AccountRoom(equity=8_000.0)
    caps = PositionCaps(min_distance_sigma=3.0, max_utilisation=1.0)
    found = side_limit(terms(), room, caps, LOT, 0.04 * math.sqrt(365.0))
    assert found.lots["distance"] == math.floor(572.70826192288 * 1_000)


@pytest.mark.parametrize("side", [1, -1])
def test_under_tiers_the_liquidation_price_lies_where_the_cap_says(side: int) -> None:
    venue = PositionTerms.under(MarginPolicy(maintenance_fraction=1e-6), side, 0.01, 60_000.0, tiers=TIERS)
    caps = PositionCaps(min_distance_sigma=3.0, max_utilisation=1.0)
    found = side_limit(venue, AccountRoom(equity=40_000.0, other_maintenance=1_000.0), caps, LOT, 0.5)
    table = [(tier.floor, tier.maintenance_rate, tier.maintenance_amount) for tier in TIERS]
    lots = found.lots["distance"]
    assert lots is not None

    def distance(count: int) -> float:
        price = liquidation_price_linear(
            equity_quote=39_000.0, base_quantity=side * count * 0.001, mark=60_000.0, tiers=table
        )
        assert price is not None
        return distance_in_sigmas(60_000.0, price, 0.5)

    assert distance(lots) >= 3.0 > distance(lots + 1)


def test_the_venue_asks_what_its_tier_says_and_never_less_than_its_maintenance() -> None:
    venue = PositionTerms.under(MarginPolicy(floor=1e-4), 1, 1e-4, 1.0, tiers=TIERS)
    assert venue.initial([49_999.0, 50_000.0, 250_000.0]).tolist() == pytest.approx([499.99, 1_000.0, 1_200.0])
    assert venue.maintenance([49_999.0, 50_000.0]).tolist() == pytest.approx([199.996, 200.0])
    assert venue.maintenance(100_000.0, 0.4) == pytest.approx(160.0)


def test_a_margin_that_falls_at_an_edge_stops_at_the_first_size_that_breaks_the_cap() -> None:
    falling = (MarginTier(0.0, 0.01, 0.0, 0.5), MarginTier(1_000.0, 0.01, 0.0, 0.02))
    venue = PositionTerms.under(MarginPolicy(floor=1e-4), 1, 1e-4, 1.0, tiers=falling)
    found = side_limit(venue, AccountRoom(equity=100.0), PositionCaps(max_utilisation=1.0), Decimal(1))
    assert float(venue.initial(1_500.0)) <= 100.0
    assert found.largest == 200


def test_a_jump_within_one_lot_is_seen() -> None:
    for edge in ("7", "1234.567", "9876543.21"):
        found = largest_lots(lambda size, edge=edge: size < float(edge), Decimal("0.01"), [float(edge)])
        assert found == math.ceil(Decimal(edge) * 100) - 1


def test_any_size_or_none_is_said_as_such() -> None:
    assert largest_lots(lambda size: size >= 0.0, Decimal(1)) is None
    assert largest_lots(lambda size: size < 0.0, Decimal(1)) == 0
    assert largest_lots(lambda size: size != size, Decimal(1)) == 0


def test_each_cap_is_named_and_the_least_binds() -> None:
    caps = PositionCaps(
        max_tier=1, liquidity_long=30.0, liquidity_short=20.0, venue=Decimal("25.5"), user=Decimal("25.5")
    )
    venue = PositionTerms.under(MarginPolicy(), 1, 0.05, 1_000.0, tiers=TIERS)
    found = side_limit(venue, AccountRoom(equity=1e6), caps, Decimal(1))
    assert found.lots == {"margin": 16_000, "tier": 49, "liquidity": 30, "venue": 25, "user": 25}
    assert (found.largest, found.binding) == (25, ("venue", "user"))
    every = side_limit(venue, AccountRoom(equity=1e6), PositionCaps(max_tier=3), Decimal(1))
    assert every.lots["tier"] is None


def test_no_equity_carries_nothing() -> None:
    for equity in (0.0, -5.0, 2_500.0):
        found = side_limit(terms(), AccountRoom(equity=equity, other_initial=2_000.0), PositionCaps(), LOT)
        assert found.largest == 0


def test_coin_collateral_falls_with_a_long_and_rises_with_a_short() -> None:
    for side, better in ((1, False), (-1, True)):
        one = terms(side=side)
        coin, cash = (AccountRoom(equity=8_000.0, in_coin=held) for held in (True, False))
        caps = PositionCaps(min_distance_sigma=3.0, max_utilisation=1.0)
        in_coin, in_cash = (side_limit(one, room, caps, LOT, 0.8).lots["distance"] for room in (coin, cash))
        assert in_coin is not None
        assert in_cash is not None
        assert (in_coin > in_cash) is better
        move = 3.0 * 0.8 / math.sqrt(365.0)
        assert covered(one, coin, [in_coin * 0.001, (in_coin + 1) * 0.001], move).tolist() == [True, False]


@pytest.mark.parametrize(
    ("current", "order", "expected"),
    [
        ("0", "10", ("accept", "10")),
        ("0", "11", ("resize", "10")),
        ("10", "1", ("reject", "0")),
        ("12", "1", ("reject", "0")),
        ("-4", "14", ("accept", "14")),
        ("-4", "15", ("resize", "14")),
        ("-4", "3.5", ("accept", "3.5")),
        ("-0.5", "1", ("accept", "1")),
        ("12", "-5", ("accept", "-5")),
        ("0", "0.5", ("reject", "0")),
        ("9", "0.5", ("reject", "0")),
        ("2", "3.5", ("resize", "3")),
    ],
)
def test_orders_against_a_limit_of_ten(current: str, order: str, expected: tuple[str, str]) -> None:
    limit = SideLimit(1, {"margin": 10})
    found = check_order(Decimal(current), Decimal(order), limit, Decimal(1), Decimal(0))
    assert (found.verdict.value, str(found.contracts)) == expected
    assert bool(found.binding) == (found.reason is Reason.LIMIT)


def test_an_odd_lot_may_be_closed_where_nothing_may_be_opened() -> None:
    found = check_order(Decimal("-0.5"), Decimal(1), SideLimit(1, {"margin": 0}), Decimal(1), Decimal(0))
    assert (found.verdict, found.contracts) == (Verdict.RESIZE, Decimal("0.5"))


def test_what_is_cut_below_the_minimum_is_no_order() -> None:
    limit = SideLimit(1, {"margin": 10})
    found = check_order(Decimal(8), Decimal(5), limit, Decimal(1), Decimal(3))
    assert (found.verdict, found.reason) == (Verdict.REJECT, Reason.BELOW_MINIMUM)
    closing = check_order(Decimal(-2), Decimal(20), SideLimit(1, {"margin": 0}), Decimal(1), Decimal(3))
    assert (closing.verdict, closing.contracts) == (Verdict.RESIZE, Decimal(2))


def test_any_number_of_digits_is_exact() -> None:
    huge = Decimal("99999999999999999999")
    assert whole_lots(huge, Decimal("1e-18")) == 99_999_999_999_999_999_999 * 10**18
    found = check_order(Decimal(0), huge, SideLimit(1, {"user": None}), Decimal("1e-18"), Decimal(0))
    assert (found.verdict, found.contracts) == (Verdict.ACCEPT, huge)
    steep = side_limit(
        terms(size_addon=LinearAddon(per_contract=1e300)), AccountRoom(equity=1_000.0), PositionCaps(), LOT
    )
    assert steep.largest == 8_000


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(InvalidInput, match="side"):
        terms(side=0)
    with pytest.raises(InvalidInput, match="rate"):
        terms(rate=np.nan)
    with pytest.raises(InvalidInput, match="volatility"):
        side_limit(terms(), AccountRoom(equity=1.0), PositionCaps(min_distance_sigma=1.0), LOT)
    with pytest.raises(InvalidInput, match="max_tier"):
        side_limit(terms(), AccountRoom(equity=1.0), PositionCaps(max_tier=2), LOT)
