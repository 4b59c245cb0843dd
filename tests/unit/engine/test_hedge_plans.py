"""Hedges by the optimiser inside the engine: what it may trade, what it costs, what becomes of its plan."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from services.core.book import Account, Collateral, PriceUsed
from services.core.errors import InvalidInput
from services.core.instrument import Instrument, Kind
from services.core.outcome import Reason, Status
from services.engine import Policy, evaluate
from services.engine.outputs import Evaluation
from services.hedging.hedge_plan import HedgeStatus
from services.hedging.neutral import neutral_trades
from services.hedging.optimizers.greek_bounds import GreekBounds
from services.hedging.registry import AnyOf, Interval
from services.hedging.triggers.interval import IntervalRule
from services.hedging.triggers.threshold import ThresholdRule
from services.liquidity.costs import Costs
from services.options.black import black_greeks
from services.sizing.limits import Limits
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import AS_OF, inputs, row
from tests.support.option_hedges import (
    BOUNDS,
    CURVED,
    DEPTHS,
    depth,
    hedged,
    listed,
    option,
    plan_of,
    policy,
    short_calls,
)

D = Decimal


def trades(result: Evaluation) -> dict[str, Decimal | None]:
    rows = ("A", "C1", "P1", "OPT")
    return {rows[hedge.row]: hedge.contracts for hedge in result.hedges if hedge.legs}


def test_without_an_optimiser_the_delta_alone_is_hedged() -> None:
    alone, (hedge,) = hedged(*listed(), short_calls()), hedged(*listed(), short_calls()).hedges
    assert (hedge.plan, hedge.row, hedge.contracts) == (None, 0, D("5.79"))
    assert [order.row for order in alone.orders] == [0]


def test_gamma_and_vega_come_within_bounds_with_two_options() -> None:
    """The exact solution of three equations is nearly what the plan buys: the bounds leave a little."""
    result = hedged(*listed(), short_calls(), optimizer=CURVED)
    planned, after = plan_of(result), plan_of(result).plan
    assert after is not None and planned.used and planned.status is HedgeStatus.OPTIMAL
    assert abs(after.after.delta) <= 0.1
    assert abs(after.after.gamma_1pct) <= 0.01
    assert abs(after.after.vega_per_point) <= 0.5
    assert after.risk_after < 0.1 * after.risk_before
    found = trades(result)
    assert found.keys() == {"A", "C1", "P1"}
    assert [hedge.delta_before for hedge in result.hedges][1:] == [hedge.delta_after for hedge in result.hedges][:-1]
    assert result.hedges[0].delta_before == pytest.approx(after.before.delta)
    assert result.hedges[-1].delta_after == pytest.approx(after.after.delta)
    tight = hedged(*listed(), short_calls(), optimizer={**CURVED, "max_gamma_1pct": 0.0005, "max_vega_per_point": 0.02})
    units = [black_greeks(100.0, strike, days / 365.0, 0.4, right) for strike, days, right in TERMS]
    greeks = [
        [1.0, *(float(one.delta) for one in units[1:])],
        [0.0, *(float(one.gamma) for one in units[1:])],
        [0.0, *(float(one.vega) / 100.0 for one in units[1:])],
    ]
    book = [-10.0 * float(value) for value in (units[0].delta, units[0].gamma, units[0].vega / 100.0)]
    exact = neutral_trades(book, greeks)
    made = [float(trades(tight).get(symbol) or 0) for symbol in ("A", "C1", "P1")]
    assert made == pytest.approx(exact.tolist(), abs=0.35)


TERMS = ((100.0, 365.0, 1), (110.0, 90.0, 1), (95.0, 720.0, -1))


def test_orders_are_made_for_every_leg_with_reductions_first() -> None:
    book = [replace(item, initial_margin=300.0, maintenance_margin=200.0) for item in listed(A="9", P1="-20")]
    result = hedged(*book, short_calls(), optimizer=CURVED)
    reducing = [order.reduce_only for order in result.orders]
    assert reducing == sorted(reducing, reverse=True) and True in reducing
    by_row: dict[int, Decimal] = {}
    for order in result.orders:
        by_row[order.row] = by_row.get(order.row, D(0)) + order.contracts
    assert by_row == {hedge.row: hedge.contracts for hedge in result.hedges}
    assert len({order.client_order_id for order in result.orders}) == len(result.orders)
    assert len({order.bundle_id for order in result.orders}) == len(by_row)


def test_a_trade_across_zero_closes_and_opens() -> None:
    result = hedged(row("A", quantity="-2"), short_calls(), optimizer={**BOUNDS, "instruments": ("A",)})
    (hedge,) = result.hedges
    assert hedge.legs[0] == (D("2"), True)
    assert hedge.contracts == sum(leg.quantity for leg in hedge.legs)
    assert hedge.contracts is not None and hedge.contracts > D(7)


def test_an_opening_part_below_the_minimum_is_left_out_of_the_order() -> None:
    coarse = Instrument(symbol="A", lot=D("0.01"), min_quantity=D(6))
    result = hedged(
        row("A", quantity="-2", instrument=coarse), short_calls(), optimizer={**BOUNDS, "instruments": ("A",)}
    )
    (hedge,) = result.hedges
    assert (hedge.contracts, hedge.status, hedge.reason) == (D(2), Status.LIMITED, Reason.BELOW_MINIMUM)
    assert [leg.reduce_only for leg in hedge.legs] == [True]


@pytest.mark.parametrize("stale", [False, True])
def test_without_a_fresh_book_nothing_grows_but_positions_may_shrink(stale: bool) -> None:
    known = {key: value for key, value in DEPTHS.items() if key[0] == "A"}
    depths = known | (depth("C1", 7.0, 0.1, seconds=61.0) if stale else {})
    flat = hedged(*listed(), short_calls(), optimizer=CURVED, depths=depths)
    assert trades(flat).keys() <= {"A"}
    offered = {item.symbol: item for item in plan_of(flat).offered}
    assert (offered["C1"].depth_source, offered["C1"].buy_depth, offered["C1"].sell_depth) == ("none", 0.0, 0.0)
    bounds = {**CURVED, "max_gamma_1pct": 0.001}
    long = hedged(*listed(C1="15"), optimizer=bounds, depths=known)
    sold = trades(long)["C1"]
    assert sold is not None and D(-15) <= sold < D(0)


def test_an_assumed_depth_stands_in_for_a_book_that_was_not_sent() -> None:
    result = hedged(*listed(), short_calls(), optimizer={**CURVED, "assumed_depth": 3.0}, depths={})
    offered = {item.symbol: item for item in plan_of(result).offered}
    assert {item.depth_source for item in offered.values()} == {"assumed"}
    assert all(abs(size or D(0)) <= D(3) for size in trades(result).values())


def test_a_book_with_one_side_is_no_depth() -> None:
    shut = depth("C1", 7.0, 0.1, size=0.0)
    result = hedged(*listed(), short_calls(), optimizer=CURVED, depths=DEPTHS | shut)
    assert "C1" not in trades(result)


def test_an_option_is_sold_beyond_flat_only_where_the_policy_says_so() -> None:
    """Long gamma from calls that may not be traded: the plan would sell options against them."""
    book = (*listed(), option("OPT", 100.0, 365.0, quantity="10"))
    held = hedged(*book, optimizer=CURVED)
    assert all((size or D(0)) >= 0 for symbol, size in trades(held).items() if symbol != "A")
    sold = hedged(*book, optimizer={**CURVED, "sell_options": True})
    assert any((size or D(0)) < 0 for symbol, size in trades(sold).items() if symbol != "A")
    partly = hedged(*listed(P1="4"), option("OPT", 100.0, 365.0, quantity="10"), optimizer=CURVED)
    assert trades(partly).get("P1", D(0)) >= D(-4)  # type: ignore[operator]


def test_a_short_option_reserves_its_premium_and_all_of_the_underlying() -> None:
    """Equity 500: margin stops the sale of calls that reserve 100 + premium each."""
    book = (*listed(), option("OPT", 100.0, 365.0, quantity="10"))
    loose = {**CURVED, "sell_options": True}
    poor = hedged(*book, optimizer=loose, equity=500.0)
    planned = plan_of(poor)
    assert planned.plan is not None
    assert planned.margin_budget == 500.0
    assert planned.plan.margin_after <= 500.0
    sold = sum((float(-size) for symbol, size in trades(poor).items() if symbol != "A" and size and size < 0), 0.0)
    assert sold <= 5.0


def test_short_options_without_a_margin_refuse_the_plan_and_hedge_the_delta() -> None:
    result = hedged(*listed(), short_calls(initial_margin=None, maintenance_margin=None), optimizer=CURVED)
    planned = plan_of(result)
    assert (planned.used, planned.reason, planned.plan) == (False, Reason.MARGIN_UNMODELLED, None)
    assert "OPT" in planned.detail
    assert trades(result) == {"A": D("5.79")}


def test_the_margin_of_other_positions_is_taken_off_the_budget() -> None:
    planned = plan_of(
        hedged(*listed(), short_calls(), optimizer=CURVED, limits=Limits(max_leverage=10, max_margin_use=0.5))
    )
    assert planned.margin_budget == pytest.approx(0.5 * 10_000.0 - 200.0)


def test_bounds_that_cannot_be_kept_fall_back_to_the_delta() -> None:
    impossible = {**CURVED, "hard": True, "instruments": ("A",), "max_gamma_1pct": 0.001}
    result = hedged(*listed(), short_calls(), optimizer=impossible)
    planned = plan_of(result)
    assert (planned.used, planned.status) == (False, HedgeStatus.FALLBACK_DELTA_ONLY)
    assert planned.reason is Reason.BOUNDS_INFEASIBLE
    assert trades(result) == {"A": D("5.79")}
    assert result.orders == hedged(*listed(), short_calls()).orders


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"equity": -1.0}, Reason.EQUITY_NOT_POSITIVE),
        ({"states": {}}, Reason.VOLATILITY_UNAVAILABLE),
    ],
)
def test_what_a_plan_lacks_is_said_and_the_delta_is_hedged_as_before(change: Any, reason: Reason) -> None:
    result, alone = (hedged(*listed(), short_calls(), optimizer=item, **change) for item in (CURVED, None))
    planned = plan_of(result)
    assert (planned.used, planned.reason) == (False, reason)
    assert replace(result.hedges[0], plan=None) == alone.hedges[0]
    assert result.orders == alone.orders


def test_instruments_that_may_not_be_traded_are_named_with_the_reason() -> None:
    near = Instrument(symbol="OLD", underlying="A")
    rows = (
        row("A"),
        option("BLIND", 110.0, 90.0, implied_volatility=None),
        option("NOPRICE", 110.0, 90.0, price=None),
        option("GONE", 110.0, 90.0, problem=Reason.EXPIRED),
        row("B", market_key="A"),
        row("Q", market_key="A", instrument=Instrument(symbol="Q", underlying="A", kind=Kind.QUANTO)),
        replace(row("OLD", market_key="A", instrument=near), price=PriceUsed(100.0, "marks", 1e9)),
        short_calls(),
    )
    names = ("A", "BLIND", "NOPRICE", "GONE", "B", "Q", "OLD", "ABSENT")
    result = hedged(*rows, optimizer={**BOUNDS, "instruments": names})
    assert {item.symbol: item.reason for item in plan_of(result).left_out} == {
        "BLIND": Reason.GREEKS_UNAVAILABLE,
        "NOPRICE": Reason.PRICE_REQUIRED,
        "GONE": Reason.EXPIRED,
        "B": Reason.INSTRUMENT_REQUIRED,
        "Q": Reason.INSTRUMENT_REQUIRED,
        "OLD": Reason.STALE_PRICE,
        "ABSENT": Reason.INSTRUMENT_REQUIRED,
    }
    assert trades(result).keys() == {"A"}


def test_a_pending_option_order_counts_as_done() -> None:
    """What the first decision ordered stands in the market: the second orders nothing, and sees the same Greeks."""
    first = hedged(*listed(), short_calls(), optimizer=CURVED)
    bought = trades(first)
    pending = [
        replace(item, open_buys=bought[item.symbol] or D(0)) if (bought.get(item.symbol) or D(0)) > 0 else item
        for item in listed()
    ]
    due = Interval(instrument="A", interval_seconds=60.0)
    second = hedged(*pending, short_calls(), optimizer=CURVED, hedging=due)
    assert second.orders == ()
    after, now = plan_of(first).plan, plan_of(second).plan
    assert after is not None and now is not None
    assert now.before.values() == pytest.approx(after.after.values(), abs=1e-9)


def test_a_filled_plan_asks_for_nothing_more() -> None:
    first = hedged(*listed(), short_calls(), optimizer=CURVED)
    filled = listed(**{symbol: str(size) for symbol, size in trades(first).items()})
    due = Interval(instrument="A", interval_seconds=60.0)
    second = hedged(*filled, short_calls(), optimizer=CURVED, hedging=due)
    assert second.orders == ()
    assert plan_of(second).status is HedgeStatus.OPTIMAL


def test_the_trigger_decides_when() -> None:
    held = hedged(*listed(A="5.79"), short_calls(), optimizer=CURVED)
    assert (held.hedges[0].status, held.hedges[0].plan, held.orders) == (Status.HELD, None, ())


def test_the_memory_is_of_the_book_as_the_plan_leaves_it() -> None:
    result = hedged(*listed(), short_calls(), optimizer=CURVED)
    plan = plan_of(result).plan
    assert plan is not None and result.control is not None
    memory = result.control.hedges["A"]
    assert (memory.hedged_at, memory.price) == (AS_OF, 100.0)
    assert memory.gamma_1pct == pytest.approx(plan.after.gamma_1pct)
    assert memory.vega_per_point == pytest.approx(plan.after.vega_per_point)


def test_a_hard_limit_of_the_trigger_bounds_the_plan() -> None:
    """The policy would leave 3; the trigger never leaves more than 0.4."""
    trigger = AnyOf(instrument="A", triggers=(IntervalRule(interval_seconds=60.0),), hard_limit=0.4)
    result = hedged(
        *listed(), short_calls(), optimizer={**BOUNDS, "max_delta": 3.0, "risk_aversion": 0.0}, hedging=trigger
    )
    assert abs(result.hedges[-1].delta_after or 9.0) <= 0.4


def test_a_plan_that_stays_beyond_the_hard_limit_gives_way_to_the_delta() -> None:
    """No depth but half a contract: the plan would leave five."""
    trigger = AnyOf(instrument="A", triggers=(ThresholdRule(max_delta=0.1),), hard_limit=0.4)
    thin = depth("A", 100.0, 0.02, size=10.0)
    result = hedged(*listed(), short_calls(), optimizer={**BOUNDS, "instruments": ("A",)}, hedging=trigger, depths=thin)
    planned = plan_of(result)
    assert planned.plan is not None and abs(planned.plan.after.delta) > 0.4
    assert not planned.used
    assert trades(result) == {"A": D("5.79")}


def test_a_spread_of_the_book_and_the_rates_of_the_policy_are_the_cost() -> None:
    """10 bps of 100 and half of 0.02 a contract of the perpetual; an option pays the rate on its underlying."""
    result = hedged(*listed(), short_calls(), optimizer={**BOUNDS, "instruments": ("A",)}, costs=Costs(fee=0.001))
    plan = plan_of(result).plan
    assert plan is not None
    assert plan.expected_cost == pytest.approx(float(abs(plan.trades[0].contracts)) * (0.1 + 0.01))
    curved = hedged(*listed(), short_calls(), optimizer=CURVED, costs=Costs(fee=0.001))
    costs = {trade.symbol: trade.cost / float(abs(trade.contracts)) for trade in plan_of(curved).plan.trades}  # type: ignore[union-attr]
    premium = float(black_greeks(100.0, 95.0, 720.0 / 365.0, 0.4, -1).price)
    assert costs["P1"] == pytest.approx(0.1 + 0.01 * premium)


def test_money_is_in_the_account_currency() -> None:
    """Prices in a currency of 2.5: vega bounds are in the account currency, contracts are not changed by it."""
    rows = [replace(item, fx=2.5) for item in (*listed(), short_calls(initial_margin=500.0, maintenance_margin=400.0))]
    money = hedged(*rows, optimizer={**CURVED, "max_vega_per_point": 1.25}, equity=25_000.0)
    plain = hedged(*listed(), short_calls(), optimizer=CURVED)
    assert trades(money) == trades(plain)
    one, other = plan_of(money).plan, plan_of(plain).plan
    assert one is not None and other is not None
    assert one.risk_before == pytest.approx(2.5 * other.risk_before)
    assert one.expected_cost == pytest.approx(2.5 * other.expected_cost)
    assert one.before.vega_per_point == pytest.approx(2.5 * other.before.vega_per_point)


def test_coin_collateral_is_part_of_the_exposure() -> None:
    rows = [
        replace(item, instrument=replace(item.instrument, base_currency="COIN")) for item in (*listed(), short_calls())
    ]
    account = Account(10_000.0, "USD", (Collateral("COIN", 4.0, None),))
    with_coin = plan_of(hedged(*rows, optimizer=CURVED, account=account)).plan
    without = plan_of(hedged(*rows, optimizer=CURVED)).plan
    assert with_coin is not None and without is not None
    assert with_coin.before.delta == pytest.approx(without.before.delta + 4.0)


def test_the_worst_price_of_an_option_allows_for_its_spread_and_elasticity() -> None:
    result = hedged(*listed(), short_calls(), optimizer=CURVED)
    order = next(order for order in result.orders if order.row == 2)
    found = black_greeks(100.0, 95.0, 720.0 / 365.0, 0.4, -1)
    elasticity = abs(float(found.delta)) * 100.0 / float(found.price)
    move = 3.0 * 0.4 * elasticity * (60.0 / 31_536_000) ** 0.5
    assert float(order.limit_price) == pytest.approx(5.0 * 1.01 * np.exp(move), rel=1e-9)


def test_options_that_hedge_are_still_not_resized_by_a_sizing_method() -> None:
    sized = replace(policy(CURVED), sizing=VolatilityTarget(target_volatility=0.2))
    result = evaluate(inputs(*listed(), short_calls(), policy=sized, depths=DEPTHS))
    assert [target.reason for target in result.targets] == [
        Reason.HEDGE_INSTRUMENT,
        Reason.OPTION_NOT_RESIZED,
        Reason.OPTION_NOT_RESIZED,
        Reason.OPTION_NOT_RESIZED,
    ]
    assert len(result.hedges) > 1


def test_linear_instruments_of_the_optimiser_are_reserved_for_hedges() -> None:
    other = row("F", market_key="A", direction=1.0, instrument=Instrument(symbol="F", underlying="A", lot=D("0.01")))
    blocks = replace(policy({**BOUNDS, "instruments": ("A", "F")}), sizing=VolatilityTarget(target_volatility=0.2))
    result = evaluate(inputs(row("A"), other, short_calls(), policy=blocks, depths=DEPTHS | depth("F", 100.0, 0.001)))
    assert result.targets[1].reason is Reason.HEDGE_INSTRUMENT
    assert len({order.client_order_id for order in result.orders}) == len(result.orders)


def test_a_spot_asset_is_not_sold_beyond_what_is_held() -> None:
    spot = Instrument(symbol="S", kind=Kind.SPOT, underlying="A", lot=D("0.01"))
    rows = (
        row("A"),
        row("S", quantity="1", market_key="A", instrument=spot),
        option("OPT", 100.0, 365.0, quantity="10"),
    )
    result = hedged(*rows, optimizer={**BOUNDS, "instruments": ("S",)}, depths=depth("S", 100.0, 0.001))
    (hedge,) = (item for item in result.hedges if item.legs)
    assert (hedge.row, hedge.contracts) == (1, D(-1))


def test_an_optimiser_goes_with_a_trigger() -> None:
    with pytest.raises(InvalidInput, match=r"policy\.hedge_optimizer"):
        Policy(hedge_optimizer=GreekBounds(instruments=("A",)))


def test_history_makes_no_orders() -> None:
    result = hedged(*listed(), short_calls(), optimizer=CURVED, historical=True)
    assert result.orders == () and plan_of(result).used
    assert result.control is not None and result.control.hedges == {}
