"""Legs of one exposure: pairs that stay neutral whatever binds, and one exposure over several venues."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from services.core.book import Row
from services.core.errors import InvalidInput
from services.core.instrument import Instrument, Kind
from services.core.outcome import Reason, Status
from services.engine import Evaluation, EvaluationInputs, Policy, evaluate
from services.margin.registry import MarginPolicy
from services.sizing.buffers import NoBuffer
from services.sizing.legs import EqualSplit, HeldSplit, Split, VenueShare, VenueSplit
from services.sizing.limits import Limits
from services.sizing.methods.carry_pair import CarryPair
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import OPEN, inputs, inverse, row

LOT = Decimal("0.000001")
SPOT = Instrument(symbol="S", kind=Kind.SPOT, lot=LOT, underlying="COIN", base_currency="COIN")
PERP = Instrument(symbol="P", kind=Kind.LINEAR, lot=LOT, underlying="COIN", base_currency="COIN")


def pair(
    *,
    spot_price: float = 100.0,
    perp_price: float = 101.0,
    perp: Instrument = PERP,
    sides: tuple[float, float] = (1, -1),
) -> tuple[Row, Row]:
    long = row("S", price=100.0, direction=sides[0], instrument=SPOT, market_key="COIN")
    short = row("P", price=perp_price, direction=sides[1], instrument=perp, market_key="COIN")
    return long, short


def decided(rows: tuple[Row, ...], **changes: Any) -> Evaluation:
    policy = changes.pop("policy", Policy(sizing=CarryPair(), limits=OPEN, buffer=NoBuffer()))
    return evaluate(inputs(*rows, policy=policy, **changes))


def base(result: Evaluation, rows: tuple[Row, ...]) -> list[float]:
    prices = [item.price.value if item.price else 1.0 for item in rows]
    return [
        float(target.target or 0) * item.instrument.base_per_contract(price)
        for target, item, price in zip(result.targets, rows, prices, strict=True)
    ]


def test_both_legs_are_funded_and_neutral() -> None:
    """N = .9 E / (1 + m + e^x − 1), x = 5 · .4 / √365; the short is the same number of coins, at its own price."""
    rows = pair()
    result = decided(rows)
    held, sold = base(result, rows)
    margin = MarginPolicy().rates(np.array([0.4]), venue_floor=np.zeros(1)).short[0]
    move = 5.0 * 0.4 / 365.0**0.5
    assert held * 100.0 == pytest.approx(9_000.0 / (1.0 + margin + np.expm1(move)), rel=1e-4)
    assert held + sold == pytest.approx(0.0, abs=2e-6)


def test_the_short_survives_the_move_that_it_is_funded_for() -> None:
    """What is left of the capital pays the loss of the short at k sigmas, and its initial margin."""
    rows = pair(perp_price=100.0)
    held, _ = base(decided(rows), rows)
    cash = 9_000.0 - held * 100.0
    margin = MarginPolicy().rates(np.array([0.4]), venue_floor=np.zeros(1)).short[0]
    loss = held * 100.0 * np.expm1(5.0 * 0.4 / 365.0**0.5)
    assert cash == pytest.approx(loss + margin * held * 100.0, rel=1e-4)


def test_an_inverse_derivative_hedges_the_same_base() -> None:
    rows = pair(perp=inverse("P", lot=LOT, underlying="COIN"))
    held, sold = base(decided(rows), rows)
    assert held > 50.0 and held + sold == pytest.approx(0.0, abs=1e-4)


def test_coin_collateral_puts_the_whole_capital_to_work() -> None:
    rows = pair(perp=inverse("P", lot=LOT, underlying="COIN"), perp_price=100.0)
    policy = Policy(sizing=CarryPair(collateral="coin"), limits=OPEN, buffer=NoBuffer())
    assert base(decided(rows, policy=policy), rows)[0] == pytest.approx(90.0, rel=1e-4)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(max_leverage=100.0, max_margin_use=0.02, min_liquidation_distance=0.0),
        Limits(max_leverage=100.0, max_margin_use=1.0, min_liquidation_distance=0.0, max_weight=0.1),
        Limits(max_leverage=0.3, max_margin_use=1.0, min_liquidation_distance=0.0),
        Limits(max_leverage=100.0, max_margin_use=1.0, min_liquidation_distance=20.0),
    ],
)
def test_what_cuts_one_leg_cuts_the_other(limits: Limits) -> None:
    rows = pair()
    policy = Policy(sizing=CarryPair(), limits=limits, buffer=NoBuffer())
    held, sold = base(decided(rows, policy=policy), rows)
    assert held + sold == pytest.approx(0.0, abs=2e-6)
    free = base(decided(rows), rows)[0]
    assert 0.0 < held <= free


def test_a_leg_without_its_partner_is_not_opened() -> None:
    """The perpetual has no price: refused, and the asset is not bought alone."""
    long, short = pair()
    blind = replace(short, price=None, problem=Reason.PRICE_REQUIRED)
    result = decided((long, blind))
    assert result.targets[1].status is Status.REFUSED
    assert result.targets[0].reason is Reason.UNUSABLE_DATA and result.targets[0].target is None


def test_a_side_that_both_legs_share_is_no_pair() -> None:
    result = decided(pair(sides=(1.0, 1.0)))
    assert [target.reason for target in result.targets] == [Reason.UNUSABLE_DATA] * 2
    assert "opposite directions" in result.targets[0].detail


def test_an_exit_closes_both_legs() -> None:
    long, short = pair(sides=(0.0, 0.0))
    rows = (replace(long, quantity=Decimal(10)), replace(short, quantity=Decimal(-10)))
    assert [target.target for target in decided(rows).targets] == [Decimal(0), Decimal(0)]


def venue_row(venue: str, quantity: str = "0", direction: float | None = 1.0, price: float = 100.0) -> Row:
    instrument = Instrument(symbol="COIN", lot=LOT, underlying="COIN")
    return row(
        "COIN",
        quantity,
        price,
        direction,
        instrument=instrument,
        venue=venue,
        market_key="COIN",
    )


def split_over(split: Split, *rows: Row) -> list[float]:
    target = VolatilityTarget(target_volatility=0.2)
    policy = Policy(sizing=target, limits=OPEN, buffer=NoBuffer(), split=split)
    result = evaluate(inputs(*rows, policy=policy))
    return [float(item.target or 0) for item in result.targets]


def test_one_exposure_is_sized_once_and_split_by_notional() -> None:
    """.2/.4 of 10,000 is 5,000; 2,500 at 100 and 2,500 at 125."""
    rows = venue_row("a"), venue_row("b", price=125.0)
    assert split_over(EqualSplit(), *rows) == pytest.approx([25.0, 20.0])


def test_split_as_held_and_by_given_shares() -> None:
    rows = venue_row("a", "30"), venue_row("b", "10"), venue_row("c")
    assert split_over(HeldSplit(), *rows) == pytest.approx([37.5, 12.5, 0.0])
    shares = VenueSplit(shares_by_venue=(VenueShare(venue="a", share=1.0), VenueShare(venue="c", share=3.0)))
    assert split_over(shares, *rows) == pytest.approx([12.5, 0.0, 37.5])


def test_venues_that_nobody_named_share_equally_and_a_name_counts_once() -> None:
    unknown = VenueSplit(shares_by_venue=(VenueShare(venue="z", share=1.0),))
    assert split_over(unknown, venue_row("a"), venue_row("b")) == pytest.approx([25.0, 25.0])
    with pytest.raises(InvalidInput, match="once"):
        VenueSplit(shares_by_venue=(VenueShare(venue="a", share=1.0), VenueShare(venue="a", share=2.0)))


def test_the_book_is_as_risky_split_as_whole() -> None:
    whole = split_over(EqualSplit(), venue_row("a"))
    parts = split_over(EqualSplit(), *(venue_row(name) for name in "abcd"))
    assert sum(parts) == pytest.approx(whole[0], rel=1e-6)


def test_without_a_split_every_venue_is_an_instrument() -> None:
    """Two rows of one market, no split: half the risk each, perfectly correlated."""
    rows = venue_row("a"), venue_row("b")
    book: EvaluationInputs = inputs(
        *rows, policy=Policy(sizing=VolatilityTarget(target_volatility=0.2), limits=OPEN, buffer=NoBuffer())
    )
    assert [float(item.target or 0) for item in evaluate(book).targets] == pytest.approx([25.0, 25.0])
