"""The gate inside the engine: what lets a hedge grow, that it may always shrink, and what the answer says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.core.book import PriceUsed, Row
from services.core.instrument import Instrument, Kind, QuantityUnit
from services.core.outcome import Reason, Status
from services.engine.outputs import Evaluation
from services.hedging.gate import HedgeGate
from services.liquidity.flow import Flow
from tests.support.books import AS_OF, row
from tests.support.option_hedges import BOUNDS, CURVED, DEPTHS, depth, hedged, listed, option, plan_of, short_calls

D = Decimal
FLOW = Flow(as_of=AS_OF, unit=QuantityUnit.CONTRACTS, funding_rate=0.0001, funding_interval_seconds=28_800.0)
SOUND: dict[str, Any] = {"flows": {("A", None): FLOW}, "marks": {"COIN": 100.5}, "hedge_gate": HedgeGate()}
PERPETUAL = Instrument(symbol="A", lot=D("0.01"), base_currency="COIN")


def perpetual(quantity: str = "0", **more: Any) -> Row:
    return row("A", quantity=quantity, instrument=PERPETUAL, **more)


def gated(*rows: Row, **changes: Any) -> Evaluation:
    return hedged(*(rows or (perpetual(), short_calls())), **{**SOUND, **changes})


def test_a_sound_market_lets_the_hedge_through() -> None:
    (hedge,) = gated().hedges
    assert hedge.gate is not None and hedge.gate.allowed
    assert (hedge.status, hedge.contracts, hedge.gate.reason) == (Status.OK, D("5.79"), Reason.NONE)


PAID = replace(FLOW, funding_rate=0.002)
UNSOUND: list[tuple[dict[str, Any], Reason]] = [
    ({"depths": {}}, Reason.NO_DEPTH),
    ({"depths": depth("A", 100.0, 0.02, size=0.0)}, Reason.NO_DEPTH),
    ({"flows": {}}, Reason.FUNDING_TOO_HIGH),
    ({"flows": {("A", None): PAID}}, Reason.FUNDING_TOO_HIGH),
    ({"marks": {}}, Reason.INDEX_GAP),
    ({"marks": {"COIN": 103.0}}, Reason.INDEX_GAP),
    ({"depths": depth("A", 100.0, 0.02, seconds=31.0)}, Reason.STALE_PRICE),
]


@pytest.mark.parametrize(("change", "reason"), UNSOUND)
def test_what_is_unsound_or_unknown_does_not_let_a_hedge_grow(change: dict[str, Any], reason: Reason) -> None:
    result = gated(**change)
    (hedge,) = result.hedges
    assert (hedge.status, hedge.reason, hedge.contracts, result.orders) == (Status.HELD, reason, D(0), ())
    assert hedge.gate is not None and hedge.detail == hedge.gate.detail != ""
    assert hedge.delta_after == hedge.delta_before
    assert result.control is not None and result.control.hedges == {}


@pytest.mark.parametrize(("change", "reason"), UNSOUND)
def test_a_hedge_may_always_shrink(change: dict[str, Any], reason: Reason) -> None:
    """Long 20 against short calls of delta -5.8: 14.2 too many, of which every one only undoes the position."""
    (hedge,) = gated(perpetual("20"), short_calls(), **change).hedges
    assert (hedge.status, hedge.contracts) == (Status.OK, D("-14.2"))
    assert all(leg.reduce_only for leg in hedge.legs)
    assert reason is not Reason.NONE


@pytest.mark.parametrize(("change", "reason"), UNSOUND)
def test_a_trade_across_flat_is_cut_at_flat(change: dict[str, Any], reason: Reason) -> None:
    (hedge,) = gated(perpetual("-2"), short_calls(), **change).hedges
    assert (hedge.status, hedge.reason, hedge.contracts) == (Status.LIMITED, reason, D("2"))
    assert [leg.reduce_only for leg in hedge.legs] == [True]
    assert hedge.delta_after == pytest.approx((hedge.delta_before or 0.0) + 2.0)


def test_a_second_hedge_waits_for_the_first() -> None:
    (hedge,) = gated(perpetual(open_buys=D(1)), short_calls()).hedges
    assert (hedge.status, hedge.reason) == (Status.HELD, Reason.HEDGE_PENDING)


def test_a_thin_book_lets_through_what_it_holds() -> None:
    """60 lie evenly between the best price and 10 %: 3.003 within 0.5 %."""
    (hedge,) = gated(depths=depth("A", 100.0, 0.02, size=60.0)).hedges
    assert (hedge.status, hedge.reason) == (Status.LIMITED, Reason.NO_DEPTH)
    assert hedge.contracts == D("3.00")


def test_the_hedge_is_capped_by_what_it_is_for() -> None:
    """An error of sizing: 0.5 of gross delta times 1.1."""
    gate = HedgeGate(max_hedge_share=0.5)
    (hedge,) = gated(hedge_gate=gate).hedges
    assert (hedge.reason, hedge.contracts) == (Reason.HEDGE_CAP, D("2.89"))


def test_the_index_may_be_a_spot_row_and_a_spot_hedge_pays_no_funding() -> None:
    spot = Instrument(symbol="S", kind=Kind.SPOT, base_currency="COIN", lot=D("0.01"))
    rows = (perpetual(), row("S", price=100.2, instrument=spot, market_key="A"), short_calls())
    assert gated(*rows, marks={}).hedges[0].status is Status.OK
    far = (perpetual(), row("S", price=104.0, instrument=spot, market_key="A"), short_calls())
    assert gated(*far, marks={}).hedges[0].reason is Reason.INDEX_GAP
    coin = replace(PERPETUAL, kind=Kind.SPOT)
    assert gated(row("A", instrument=coin), short_calls(), flows={}).hedges[0].status is Status.OK
    dated = replace(PERPETUAL, expiry=AS_OF + timedelta(days=30))
    assert gated(row("A", instrument=dated), short_calls(), flows={}).hedges[0].status is Status.OK


def test_an_old_price_does_not_let_a_hedge_grow() -> None:
    (hedge,) = gated(aged(), short_calls()).hedges
    assert hedge.reason is Reason.STALE_PRICE


def aged() -> Row:
    return replace(perpetual(), price=PriceUsed(100.0, "marks", 31.0))


def test_the_optimiser_is_given_what_the_gate_lets_through() -> None:
    rows = (perpetual(), *listed()[1:], short_calls())
    free = gated(*rows, optimizer=CURVED)
    assert {hedge.row for hedge in free.hedges if hedge.legs} == {0, 1, 2}
    assert all(hedge.gate is not None and hedge.gate.reason is Reason.NONE for hedge in free.hedges)
    shut = gated(*rows, optimizer=CURVED, flows={})
    said = {(item.symbol, item.reason) for item in plan_of(shut).left_out}
    assert {reason for symbol, reason in said if symbol == "A"} == {Reason.FUNDING_TOO_HIGH}
    assert {hedge.row for hedge in shut.hedges if hedge.legs} <= {1, 2}
    nothing = gated(*rows, optimizer=CURVED, marks={})
    assert nothing.orders == ()
    assert nothing.hedges[0].reason is Reason.INDEX_GAP


def test_a_plan_may_always_shrink() -> None:
    rows = (perpetual("20"), short_calls())
    result = gated(*rows, optimizer={**BOUNDS, "instruments": ("A",)}, depths={}, flows={}, marks={})
    assert all(order.reduce_only for order in result.orders)
    assert result.hedges[-1].delta_after == pytest.approx(0.0, abs=0.1)


def test_options_have_no_funding() -> None:
    rows = (perpetual(), option("C1", 110.0, 90.0), short_calls())
    result = gated(*rows, optimizer={**CURVED, "instruments": ("C1",)}, flows={}, depths=DEPTHS)
    assert [hedge.row for hedge in result.hedges if hedge.legs] == [1]


def test_without_a_gate_nothing_is_asked() -> None:
    result = hedged(perpetual(), short_calls(), depths={})
    assert (result.hedges[0].gate, result.hedges[0].contracts) == (None, D("5.79"))
