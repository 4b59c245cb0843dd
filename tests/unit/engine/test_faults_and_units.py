"""Cases in which a plausible engine gives a wrong size: units, unknown exposure, open orders, sides, hedges."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.core.book import Account, Collateral, OwnGreeks, PriceUsed
from services.core.errors import Refusal
from services.core.instrument import Instrument, Kind, MarginTier, QuantityUnit, Right
from services.core.outcome import Action, Permission, Reason, Status
from services.engine import Policy, StateInput, evaluate
from services.hedging.registry import Threshold
from services.sizing.buffers import NoBuffer, PositionBuffer
from services.sizing.limits import Limits
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import AS_OF, OPEN, inputs, inverse, row

D = Decimal
TARGET = VolatilityTarget(target_volatility=0.2)
FAR = Limits(max_leverage=100.0, max_margin_use=1.0)
HEDGE = Policy(hedging=Threshold(instrument="A", max_delta=0.5))


def call(quantity: str = "10", **changes: object) -> object:
    """Calls struck at 100, one year, on underlying A."""
    fields: dict[str, object] = {"symbol": "OPT", "kind": Kind.OPTION, "underlying": "A", "strike": 100.0}
    fields |= {"expiry": AS_OF + timedelta(days=365), "right": Right.CALL, "lot": D("0.1")}
    fields |= {
        key: changes.pop(key)
        for key in list(changes)
        if key in ("expiry", "contract_multiplier", "quantity_unit", "underlying")
    }
    known = {"implied_volatility": 0.4, "forward": 100.0, "initial_margin": 0.0, "maintenance_margin": 0.0}
    option = Instrument(**fields)  # type: ignore[arg-type]
    return row("OPT", quantity=quantity, price=None, instrument=option, market_key="A", **{**known, **changes})


def undescribed(quantity: str) -> object:
    return row("XBTUSD", quantity=quantity, price=100.0, problem=Reason.INSTRUMENT_REQUIRED)


def test_what_is_not_described_neither_closes_nor_frees_the_others() -> None:
    result = evaluate(inputs(row("B", quantity="10", direction=1.0), undescribed("100000"), volatility=0.4))
    assert result.targets[0].target == D(10)
    assert (result.targets[1].status, result.targets[1].permission) == (Status.REFUSED, Permission.REDUCE_ONLY)
    assert result.margin_current is not None
    assert not result.margin_current.complete


def test_a_position_without_a_price_is_not_worth_one() -> None:
    blind = row("SHIB", quantity="100000000", price=None, problem=Reason.PRICE_REQUIRED)
    result = evaluate(inputs(row("B", quantity="10", direction=1.0), blind, volatility=0.4))
    assert result.targets[0].target == D(10)


def test_constant_leverage_needs_prices_that_can_be_trusted() -> None:
    policy = Policy(sizing=ConstantLeverage(), limits=OPEN, buffer=NoBuffer())
    for reason in (Reason.INVALID_PRICE, Reason.STALE_PRICE):
        bad = {"A": StateInput(Refusal(reason, "why"))}
        assert evaluate(inputs(row(direction=1.0), policy=policy, states=bad)).targets[0].reason is reason
    old = replace(row(direction=1.0), price=PriceUsed(100.0, "marks", 9e6))
    assert evaluate(inputs(old, policy=policy, states={})).targets[0].reason is Reason.STALE_PRICE


def test_nothing_is_traded_against_open_orders() -> None:
    flat = evaluate(inputs(row(direction=0.0, open_buys=D(5))))
    assert (flat.targets[0].reason, flat.targets[0].target, flat.orders) == (Reason.OPEN_ORDERS, D(0), ())
    held = evaluate(inputs(row(quantity="1", direction=0.0, open_buys=D(5))))
    assert [(order.contracts, order.reduce_only) for order in held.orders] == [(D(-1), True)]
    crossing = evaluate(inputs(row(quantity="1", direction=0.9, open_sells=D(3))))
    assert crossing.orders == ()


def test_held_means_the_position_as_it_is() -> None:
    target = evaluate(inputs(row("A", quantity="0.1", open_buys=D("0.2")), row("B", direction=1.0))).targets[0]
    assert (target.status, target.target, target.order) == (Status.HELD, D("0.1"), D(0))


def test_a_long_and_a_short_row_of_one_instrument() -> None:
    """Direction 1: the long row takes the whole size, the short one closes; one share of the risk, not two."""
    long, short = (
        row(quantity="1", direction=1.0, position_side="long"),
        row(quantity="-1", direction=1.0, position_side="short"),
    )
    result = evaluate(inputs(long, short))
    assert [target.target for target in result.targets] == [D(50), D(0)]
    assert result.targets[1].action is Action.CLOSE


def test_collateral_counts_whichever_row_carries_it() -> None:
    """0.2/0.4 of 10,000 at 100 is 50 coins of exposure, 20 of them are collateral: B buys 30; the book is at target."""
    coin = (
        Instrument(symbol="A", lot=D("0.01"), base_currency="COIN"),
        Instrument(symbol="B", lot=D("0.01"), base_currency="COIN"),
    )
    account = Account(10_000.0, "USD", (Collateral("COIN", 20.0, None),))
    one = row("A", market_key="M", instrument=coin[0])
    other = row("B", market_key="M", instrument=coin[1], direction=1.0)
    result = evaluate(inputs(one, other, account=account))
    assert [target.target for target in result.targets] == [D(0), D(30)]
    assert result.portfolio.forecast_volatility == pytest.approx(0.2)


def test_the_buffer_is_a_part_of_the_exposure_not_of_the_derivative() -> None:
    """Exposure 50, of which 45 are collateral: the derivative's optimum is 5, the band ±5."""
    coin = Instrument(symbol="A", lot=D("0.01"), base_currency="COIN")
    account = Account(10_000.0, "USD", (Collateral("COIN", 45.0, None),))
    policy = Policy(sizing=TARGET, limits=OPEN)
    assert evaluate(inputs(row(quantity="9", direction=1.0, instrument=coin), account=account, policy=policy)).targets[
        0
    ].target == D(9)


def test_expired_options_have_no_delta() -> None:
    gone = replace(call(), problem=Reason.EXPIRED)  # type: ignore[type-var]
    result = evaluate(inputs(row("A"), gone, policy=HEDGE))  # type: ignore[arg-type]
    assert (result.hedges[0].reason, result.hedges[0].delta_before) == (Reason.WITHIN_BUFFER, 0.0)


def test_an_option_in_base_units_needs_no_mark() -> None:
    """10 base units at multiplier 0.1 are 100 contracts of 0.1: delta 5.79, as for 10 contracts of 1."""
    small = call(contract_multiplier=0.1, quantity_unit=QuantityUnit.BASE)
    result = evaluate(inputs(row("A"), small, policy=HEDGE))  # type: ignore[arg-type]
    assert result.hedges[0].delta_before == pytest.approx(5.7926, abs=1e-3)


def test_a_hedge_is_refused_while_an_exposure_is_unknown() -> None:
    vague = evaluate(inputs(row("A", quantity="-5"), undescribed("3"), policy=HEDGE))  # type: ignore[arg-type]
    assert (vague.hedges[0].status, vague.hedges[0].reason) == (Status.REFUSED, Reason.INSTRUMENT_REQUIRED)
    stranger = evaluate(inputs(row("A"), call(underlying="ELSE"), policy=HEDGE))  # type: ignore[arg-type]
    assert (stranger.hedges[0].status, stranger.hedges[0].reason) == (Status.REFUSED, Reason.INSTRUMENT_REQUIRED)


def test_a_hedge_finds_its_options_when_it_has_a_series_of_its_own() -> None:
    perp = Instrument(symbol="A-PERP", underlying="A", lot=D("0.01"))
    policy = Policy(hedging=Threshold(instrument="A-PERP", max_delta=0.5))
    book = inputs(row("A-PERP", market_key="A-PERP", instrument=perp), call(), policy=policy)  # type: ignore[arg-type]
    assert evaluate(book).hedges[0].delta_before == pytest.approx(5.7926, abs=1e-3)


def test_a_hedge_that_opens_is_bound_by_the_limits() -> None:
    """100 calls, delta 57.9 at 100 = 5,793 on an equity of 1,000: leverage 2 allows 20."""
    result = evaluate(inputs(row("A"), call("100"), policy=HEDGE, equity=1_000.0))  # type: ignore[arg-type]
    assert (result.hedges[0].status, result.hedges[0].contracts) == (Status.LIMITED, D(-20))
    old = replace(row("A"), price=PriceUsed(9.0, "marks", 9e6))
    assert evaluate(inputs(old, call(), policy=HEDGE)).hedges[0].reason is Reason.STALE_PRICE  # type: ignore[arg-type]


def test_without_equity_a_hedge_may_only_reduce() -> None:
    opening = evaluate(inputs(row("A"), call(), policy=HEDGE, equity=-1.0))  # type: ignore[arg-type]
    assert (opening.hedges[0].status, opening.hedges[0].reason, opening.orders) == (
        Status.HELD,
        Reason.EQUITY_NOT_POSITIVE,
        (),
    )
    reducing = evaluate(inputs(row("A", quantity="-20"), call(), policy=HEDGE, equity=-1.0))  # type: ignore[arg-type]
    assert reducing.orders[0].reduce_only and reducing.orders[0].contracts == D("14.2")


def test_venue_tiers_bind_the_size() -> None:
    """Maintenance 60 %, initial 90 %: margin use 0.8 allows 0.8 / 0.9 of equity."""
    strict = Instrument(symbol="A", lot=D("0.01"), margin_tiers=(MarginTier(0.0, 0.6, 0.0, 0.9),))
    policy = Policy(
        sizing=ConstantLeverage(leverage=5.0),
        limits=Limits(max_leverage=100.0, min_liquidation_distance=0.0),
        buffer=NoBuffer(),
    )
    target = evaluate(inputs(row(direction=1.0, instrument=strict), policy=policy)).targets[0]
    assert float(target.target or 0) == pytest.approx(0.8 / 0.9 * 100.0, abs=0.01)


def test_an_isolated_position_keeps_its_distance_by_its_own_margin() -> None:
    policy = Policy(
        sizing=ConstantLeverage(leverage=5.0), limits=Limits(max_leverage=100.0, max_margin_use=1.0), buffer=NoBuffer()
    )
    result = evaluate(inputs(row(direction=1.0, isolated_margin=500.0), policy=policy))
    assert result.margin_target is not None
    assert result.margin_target.distance_sigma[0] == pytest.approx(5.0, rel=1e-2)


def test_isolated_margin_does_not_back_the_rest() -> None:
    """Equity 10,000, 9,000 of it locked: long 50 at 100 has 1,000 behind it. P = (1000 − 5000)/(50 m − 50)."""
    locked = row("B", quantity="1", isolated_margin=9_000.0)
    result = evaluate(inputs(row("A", quantity="50"), locked, policy=Policy()))
    assert result.margin_current is not None
    rate = float(result.margin_current.maintenance[0]) / 5_000.0
    assert result.margin_current.liquidation_price[0] == pytest.approx((1_000.0 - 5_000.0) / (50.0 * rate - 50.0))


@pytest.mark.parametrize("coins", [0.0, 100.0])
@pytest.mark.parametrize("contracts", [180, -150])
def test_inverse_liquidation_by_plugging_back(coins: float, contracts: int) -> None:
    """At the liquidation price, equity revalued coin by coin equals the maintenance margin m |Q|."""
    collateral = (Collateral("COIN", coins, None),) if coins else ()
    book = inputs(
        row(quantity=str(contracts), instrument=inverse()),
        account=Account(10_000.0, "USD", collateral),
        policy=Policy(),
    )
    figures = evaluate(book).margin_current
    assert figures is not None
    price = float(figures.liquidation_price[0])
    quote = contracts * 100.0
    profit_in_quote = quote * (1 / 100.0 - 1 / price) * price
    revalued = 10_000.0 + profit_in_quote + coins * (price - 100.0)
    assert revalued == pytest.approx(float(figures.maintenance[0]), rel=1e-9)


def test_beyond_a_limit_there_is_no_buffer() -> None:
    policy = Policy(sizing=TARGET, limits=replace(OPEN, max_weight=0.51), buffer=PositionBuffer())
    assert evaluate(inputs(row(quantity="80", direction=1.0), policy=policy)).targets[0].target == D(50)
    assert evaluate(inputs(row(quantity="53", direction=1.0), policy=policy)).targets[0].target == D(50)
    assert evaluate(inputs(row(quantity="50.5", direction=1.0), policy=policy)).targets[0].target == D("50.5")


def test_huge_greeks_are_no_crash() -> None:
    rows = [
        replace(call(), symbol=name, own_greeks=OwnGreeks(delta=size)) for name, size in (("O1", 1e200), ("O2", -1e200))
    ]  # type: ignore[type-var]
    result = evaluate(inputs(row("A", quantity="1"), *rows))  # type: ignore[arg-type]
    assert result.targets[0].target is not None


def test_margins_given_for_a_row_without_a_price_stay_an_outcome() -> None:
    doge = Instrument(symbol="DOGE", margin_tiers=(MarginTier(0.0, 0.01),))
    blind = row(
        "DOGE",
        quantity="5",
        price=None,
        instrument=doge,
        initial_margin=1.0,
        maintenance_margin=0.5,
        problem=Reason.PRICE_REQUIRED,
    )
    result = evaluate(inputs(row("A", direction=1.0), blind))
    assert result.targets[1].reason is Reason.PRICE_REQUIRED


def test_spot_is_paid_in_full_and_never_short() -> None:
    coin = Instrument(symbol="A", kind=Kind.SPOT, lot=D("0.01"))
    rich = VolatilityTarget(target_volatility=0.8)
    policy = Policy(sizing=rich, limits=OPEN, buffer=NoBuffer())
    assert evaluate(inputs(row(direction=1.0, instrument=coin), policy=policy)).targets[0].target == D(100)
    assert evaluate(inputs(row(quantity="3", direction=-1.0, instrument=coin), policy=policy)).targets[0].target == D(0)


def test_scalar_and_capacity_know_the_limits() -> None:
    policy = Policy(
        sizing=VolatilityTarget(target_volatility=0.8, derisk_only=True),
        limits=replace(OPEN, max_weight=0.5),
        buffer=NoBuffer(),
    )
    capacity = evaluate(inputs(row(direction=1.0), policy=policy)).capacity
    assert capacity is not None
    assert capacity.long[0] == D(50)
    assert capacity.scalar[0] == pytest.approx(0.5)


def test_the_margin_of_the_fixed_part_is_counted_once() -> None:
    """Fixed maintenance 3,000 of 10,000: a long of σ = 40 % keeps 5 daily sigmas with 7,000 behind it."""
    short = call("-1", initial_margin=5_000.0, maintenance_margin=3_000.0)
    policy = Policy(
        sizing=ConstantLeverage(leverage=50.0), limits=Limits(max_leverage=100.0, max_margin_use=1.0), buffer=NoBuffer()
    )
    result = evaluate(inputs(row("A", direction=1.0), short, policy=policy))  # type: ignore[arg-type]
    assert result.margin_target is not None
    assert result.margin_target.distance_sigma[0] >= 5.0 - 1e-3


@pytest.mark.parametrize("mark", [1.0, 49.9, 201.0, 10_000.0])
def test_a_mark_far_from_the_close_sizes_nothing(mark: float) -> None:
    """A hundredth of the price would be a hundredfold size."""
    flat = evaluate(inputs(row(direction=1.0, price=mark))).targets[0]
    assert (flat.status, flat.reason) == (Status.REFUSED, Reason.PRICE_INCONSISTENT)
    held = evaluate(inputs(row(quantity="5", direction=1.0, price=mark))).targets[0]
    assert (held.status, held.permission, held.target) == (Status.HELD, Permission.REDUCE_ONLY, D(5))
