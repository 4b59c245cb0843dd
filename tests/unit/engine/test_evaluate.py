"""One decision end to end, against arithmetic done by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

from services.core.book import Account, Collateral, OwnGreeks, Signal
from services.core.errors import Refusal
from services.core.instrument import Instrument, Kind, MarginTier, QuantityUnit, Right
from services.core.outcome import Action, Permission, Reason, Status
from services.engine import Policy, StateInput, evaluate
from services.engine.inputs import RecordedCorrelation
from services.hedging.registry import Threshold
from services.sizing.buffers import NoBuffer, PositionBuffer
from services.sizing.limits import Limits, OrderRules
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.volatility_target import VolatilityTarget
from tests.support.books import AS_OF, CLOSE, OPEN, inputs, inverse, readout, row

D = Decimal
TARGET = VolatilityTarget(target_volatility=0.2)


def correlated(*keys: str, rho: float) -> RecordedCorrelation:
    matrix = np.full((len(keys), len(keys)), rho)
    np.fill_diagonal(matrix, 1.0)
    return RecordedCorrelation(keys, matrix, "given")


def test_long_at_target_volatility() -> None:
    """0.2 / 0.4 of 10,000 at 100 is 50."""
    result = evaluate(inputs(row(direction=1.0)))
    target = result.targets[0]
    assert (target.status, target.action, target.permission) == (Status.OK, Action.INCREASE, Permission.ANY)
    assert target.target == D("50") and target.order == D("50")
    assert result.scope == "instrument"
    assert result.portfolio.forecast_volatility == pytest.approx(0.2)


@pytest.mark.parametrize(("direction", "size"), [(0.5, "25"), (-1.0, "-50"), (0.0, "0"), (2.0, "100")])
def test_direction_multiplies_the_full_risk_size(direction: float, size: str) -> None:
    assert evaluate(inputs(row(direction=direction))).targets[0].target == D(size)


def test_confidence_and_half_life_shrink_a_signal() -> None:
    """0.5 × 2^(−1) × 50 = 12.5."""
    aged = Signal(1.0, confidence=0.5, as_of=AS_OF - timedelta(hours=6), half_life_seconds=6 * 3600.0)
    assert evaluate(inputs(row(signal=aged))).targets[0].target == D("12.5")


def test_expired_signal_never_increases() -> None:
    old = Signal(1.0, as_of=AS_OF - timedelta(hours=25), half_life_seconds=8 * 3600.0)
    target = evaluate(inputs(row(quantity="10", signal=old))).targets[0]
    assert (target.status, target.reason, target.permission, target.target) == (
        Status.HELD,
        Reason.SIGNAL_EXPIRED,
        Permission.REDUCE_ONLY,
        D(10),
    )


def test_two_uncorrelated_instruments_share_the_risk() -> None:
    """Each 0.2 / (2 · 0.4) · IDM, IDM = sqrt 2: 35.35 of 100; the book reaches the target, so portfolio scaling is
    1.
    """
    book = inputs(row("A", direction=1.0), row("B", direction=1.0), correlation=correlated("A", "B", rho=0.0))
    result = evaluate(book)
    assert [target.target for target in result.targets] == [D("35.35"), D("35.35")]
    assert result.portfolio.forecast_volatility == pytest.approx(0.2, rel=1e-3)


def test_an_idle_signal_does_not_lever_the_others() -> None:
    """Direction 0 keeps its share: A stays at 35.35 instead of taking the whole risk budget."""
    book = inputs(row("A", direction=1.0), row("B", direction=0.0), correlation=correlated("A", "B", rho=0.0))
    assert evaluate(book).targets[0].target == D("35.35")


def test_a_hedged_book_never_exceeds_the_target() -> None:
    """+1 and −0.1 at ρ = 0.95: the full book is hedged, the book as directed is not, and is held to the target."""
    book = inputs(row("A", direction=1.0), row("B", direction=-0.1), correlation=correlated("A", "B", rho=0.95))
    assert evaluate(book).portfolio.forecast_volatility == pytest.approx(0.2, rel=1e-2)


def test_without_correlation_volatilities_add_up() -> None:
    book = inputs(
        row("A", direction=1.0), row("B", direction=-1.0), correlation=RecordedCorrelation(("A", "B"), None, "none")
    )
    assert [target.target for target in evaluate(book).targets] == [D(25), D(-25)]


def test_book_scope_scales_what_is_held() -> None:
    """20 × 100 / 10,000 × 0.4 = 8 %; to 20 % is ×2.5."""
    result = evaluate(inputs(row(quantity="20")))
    assert result.scope == "book"
    assert result.targets[0].target == D(50)


def test_flat_without_signals_is_held_and_told_its_capacity() -> None:
    result = evaluate(inputs(row()))
    target = result.targets[0]
    assert (target.status, target.reason, target.target, target.order) == (Status.HELD, Reason.NO_DIRECTION, D(0), D(0))
    assert result.orders == ()
    assert result.capacity is not None and (result.capacity.long[0], result.capacity.short[0]) == (D(50), D(-50))


def test_signals_for_others_hold_this_one() -> None:
    target = evaluate(inputs(row("A", quantity="10"), row("B", direction=1.0))).targets[0]
    assert (target.status, target.reason, target.permission) == (Status.HELD, Reason.NO_SIGNAL, Permission.REDUCE_ONLY)


def test_limits_act_on_rows_without_a_signal() -> None:
    """400 × 100 = 4× equity under a gross limit of 2: halved, although nobody signalled."""
    policy = Policy(sizing=TARGET, limits=replace(OPEN, max_leverage=2.0), buffer=PositionBuffer())
    target = evaluate(inputs(row("A", quantity="400"), row("B", direction=0.0), policy=policy)).targets[0]
    assert (target.status, target.reason, target.target) == (Status.LIMITED, Reason.LIMIT, D(200))


def test_gross_leverage_binds_and_is_named() -> None:
    policy = Policy(sizing=TARGET, limits=replace(OPEN, max_leverage=0.25), buffer=NoBuffer())
    result = evaluate(inputs(row(direction=1.0), policy=policy))
    assert (result.targets[0].status, result.targets[0].target) == (Status.LIMITED, D(25))
    assert result.trail is not None
    assert [step.stage for step in result.trail.steps(0) if step.bound] == ["gross_leverage"]


def test_margin_use_binds() -> None:
    """Student t4 ES over two days at 40 %: k = 2.82387, s = .4·sqrt(2/365), f = 1 − exp(−k s); 1 % of equity pays
    100 / f.
    """
    policy = Policy(sizing=TARGET, limits=replace(OPEN, max_margin_use=0.01), buffer=NoBuffer())
    rate = 1.0 - np.exp(-2.82387 * 0.4 * np.sqrt(2 / 365))
    assert float(evaluate(inputs(row(direction=1.0), policy=policy)).targets[0].target or 0) == pytest.approx(
        100.0 / rate / 100.0, abs=0.01
    )


def test_distance_to_liquidation_binds_where_it_should() -> None:
    """At the limit, a move of exactly 5 daily sigmas leaves equity equal to the maintenance margin."""
    policy = Policy(
        sizing=ConstantLeverage(leverage=50.0), limits=Limits(max_leverage=100.0, max_margin_use=1.0), buffer=NoBuffer()
    )
    result = evaluate(inputs(row(direction=1.0, instrument=Instrument(symbol="A", lot=D("0.000001"))), policy=policy))
    assert result.trail is not None
    assert "liquidation_distance" in [step.stage for step in result.trail.steps(0) if step.bound]
    assert result.margin_target is not None
    assert result.margin_target.distance_sigma[0] == pytest.approx(5.0, rel=1e-3)


def test_inverse_distance_binds_at_the_same_distance() -> None:
    policy = Policy(
        sizing=ConstantLeverage(leverage=50.0), limits=Limits(max_leverage=100.0, max_margin_use=1.0), buffer=NoBuffer()
    )
    for direction in (1.0, -1.0):
        book = inputs(row(direction=direction, instrument=inverse(multiplier=0.01)), policy=policy)
        result = evaluate(book)
        assert result.margin_target is not None
        assert result.margin_target.distance_sigma[0] == pytest.approx(5.0, rel=1e-3)


def test_linear_and_inverse_have_the_same_base_delta() -> None:
    linear = evaluate(inputs(row(direction=1.0)))
    coin = evaluate(inputs(row(direction=1.0, instrument=inverse(multiplier=1.0))))
    held = float(coin.targets[0].target or 0) * 1.0 / 100.0
    assert held == pytest.approx(float(linear.targets[0].target or 0), rel=1e-3)


def test_coin_collateral_counts_once() -> None:
    """5,000 of 10,000 equity lies in the coin: the derivative carries what is missing to 50 % exposure, which is
    nothing.
    """
    account = Account(10_000.0, "USD", (Collateral("COIN", 50.0, None),))
    book = inputs(row(direction=1.0, instrument=inverse()), account=account)
    assert evaluate(book).targets[0].target == D(0)
    more = replace(book, policy=replace(book.policy, sizing=VolatilityTarget(target_volatility=0.4)))
    assert evaluate(more).targets[0].target == D(50)


def test_multiplier_and_fx_are_inside_the_sizer() -> None:
    """0.5 × 10,000 / (1000 × 100 × 0.5) = 0.1 contracts."""
    contract = Instrument(symbol="A", contract_multiplier=1000.0, lot=D("0.001"))
    assert evaluate(inputs(row(direction=1.0, instrument=contract, fx=0.5))).targets[0].target == D("0.1")


def test_quantities_in_quote_units() -> None:
    contract = inverse(quantity_unit=QuantityUnit.QUOTE)
    book = inputs(row(quantity="2000", direction=1.0, instrument=contract))
    target = evaluate(book).targets[0]
    assert (target.current, target.target) == (D(20), D(50))


@pytest.mark.parametrize(
    ("reason", "quantity", "status", "permission"),
    [
        (Reason.INSUFFICIENT_HISTORY, "0", Status.REFUSED, Permission.NONE),
        (Reason.INSUFFICIENT_HISTORY, "5", Status.REFUSED, Permission.REDUCE_ONLY),
        (Reason.STALE_PRICE, "0", Status.REFUSED, Permission.NONE),
        (Reason.STALE_PRICE, "5", Status.HELD, Permission.REDUCE_ONLY),
    ],
)
def test_a_refusal_is_not_a_zero(reason: Reason, quantity: str, status: Status, permission: Permission) -> None:
    book = inputs(row(quantity=quantity, direction=1.0), states={"A": StateInput(Refusal(reason, "why"))})
    target = evaluate(book).targets[0]
    assert (target.status, target.permission, target.reason) == (status, permission, reason)
    assert target.target == (D(quantity) if status is Status.HELD else None)


def test_one_bad_asset_never_fails_the_book() -> None:
    book = inputs(row("A", direction=1.0), row("B", direction=1.0))
    book = replace(
        book, states={"A": StateInput(readout(0.4)), "B": StateInput(Refusal(Reason.INVALID_PRICE, "close 3 is −1"))}
    )
    result = evaluate(book)
    assert [target.status for target in result.targets] == [Status.OK, Status.REFUSED]
    assert result.targets[0].target == D(25)


def test_a_position_of_unknown_risk_stops_scaling_up() -> None:
    book = inputs(row("A", quantity="20"), row("B", quantity="1"))
    book = replace(book, states={"A": StateInput(readout(0.4))})
    result = evaluate(book)
    assert result.targets[0].target == D(20)
    assert result.portfolio.forecast_volatility is None


def test_stale_bars_hold_and_refuse() -> None:
    old = StateInput(readout(0.4, last_close_at=CLOSE - timedelta(days=2)))
    assert evaluate(inputs(row(direction=1.0), states={"A": old})).targets[0].reason is Reason.STALE_PRICE
    weekend = StateInput(readout(0.4, last_close_at=CLOSE - timedelta(days=4), periods_per_year=252.0))
    assert evaluate(inputs(row(direction=1.0), states={"A": weekend})).targets[0].status is Status.OK


def test_no_equity_holds_everything() -> None:
    target = evaluate(inputs(row(quantity="5", direction=1.0), equity=0.0)).targets[0]
    assert (target.status, target.reason, target.permission, target.target) == (
        Status.HELD,
        Reason.EQUITY_NOT_POSITIVE,
        Permission.REDUCE_ONLY,
        D(5),
    )


def test_buffer_holds_and_trades_to_the_edge() -> None:
    policy = Policy(sizing=TARGET, limits=OPEN)
    near = evaluate(inputs(row(quantity="46", direction=1.0), policy=policy)).targets[0]
    assert (near.status, near.reason, near.target) == (Status.HELD, Reason.WITHIN_BUFFER, D(46))
    far = evaluate(inputs(row(quantity="20", direction=1.0), policy=policy)).targets[0]
    assert far.target == D(45)
    above = evaluate(inputs(row(quantity="80", direction=1.0), policy=policy)).targets[0]
    assert above.target == D(55)


def test_a_demanded_reduction_bypasses_the_buffer() -> None:
    policy = Policy(sizing=TARGET, limits=replace(OPEN, max_leverage=0.45))
    assert evaluate(inputs(row(quantity="46", direction=1.0), policy=policy)).targets[0].target == D(45)


def test_open_orders_count_as_if_filled() -> None:
    target = evaluate(inputs(row(quantity="30", direction=1.0, open_buys=D(15)))).targets[0]
    assert (target.target, target.order) == (D(50), D(5))


def test_reverse_is_two_orders_with_one_bundle() -> None:
    result = evaluate(inputs(row(quantity="10", direction=-1.0)))
    assert result.targets[0].action is Action.REVERSE
    close, opened = result.orders
    assert (close.contracts, close.reduce_only, opened.contracts, opened.reduce_only) == (D(-10), True, D(-50), False)
    assert close.bundle_id == opened.bundle_id and close.client_order_id != opened.client_order_id
    assert all(len(order.client_order_id) <= 32 and order.client_order_id.isalnum() for order in result.orders)


def test_orders_carry_a_collar_and_an_expiry() -> None:
    """Three sigmas over 60 s: 100 · exp(3 · 0.4 · sqrt(60 / 31,536,000))."""
    order = evaluate(inputs(row(direction=1.0))).orders[0]
    assert float(order.limit_price) == pytest.approx(100 * np.exp(3 * 0.4 * np.sqrt(60 / 31_536_000)), rel=1e-9)
    assert order.valid_until == AS_OF + timedelta(seconds=60)


def test_historical_answers_have_no_orders() -> None:
    result = evaluate(inputs(row(direction=1.0), historical=True))
    assert result.orders == () and result.targets[0].target == D(50)


def test_minimum_notional_holds_an_increase_and_lets_a_reduction_pass() -> None:
    small = Instrument(symbol="A", lot=D("0.01"), min_notional=1_000_000.0)
    assert evaluate(inputs(row(direction=1.0, instrument=small))).targets[0].reason is Reason.BELOW_MINIMUM
    reduced = evaluate(inputs(row(quantity="80", direction=1.0, instrument=small))).targets[0]
    assert (reduced.status, reduced.target) == (Status.OK, D(50))


def test_maximum_quantity_of_the_venue_binds() -> None:
    capped = Instrument(symbol="A", lot=D("0.01"), max_quantity=D(7))
    target = evaluate(inputs(row(direction=1.0, instrument=capped))).targets[0]
    assert (target.status, target.target) == (Status.LIMITED, D(7))


def test_the_explanation_is_a_chain_that_ends_at_the_target() -> None:
    state = StateInput(readout(0.5, forecast=0.4, calibration=1.1))
    result = evaluate(inputs(row(direction=0.7), states={"A": state}, policy=Policy(sizing=TARGET)))
    assert result.trail is not None
    steps = result.trail.steps(0)
    assert all(former.after == latter.before for former, latter in pairwise(steps))
    assert [step.stage for step in steps[:5]] == [
        "equity",
        "direction",
        "volatility_target",
        "calibration",
        "volatility_floor",
    ]
    assert steps[0].before == 0.0 and steps[-1].after == float(result.targets[0].target or 0)
    product = np.prod([step.factor for step in steps[1:5]])
    assert product == pytest.approx(0.7 * 0.2 / 0.5)


def test_risk_contributions_add_up_to_one() -> None:
    book = inputs(row("A", direction=1.0), row("B", direction=-0.5), correlation=correlated("A", "B", rho=0.3))
    contributions = evaluate(book).portfolio.risk_contributions
    assert contributions is not None and contributions.sum() == pytest.approx(1.0)


def option(symbol: str = "OPT", **changes: object) -> Instrument:
    fields: dict[str, object] = {
        "symbol": symbol,
        "kind": Kind.OPTION,
        "underlying": "A",
        "strike": 100.0,
        "expiry": AS_OF + timedelta(days=365),
        "right": Right.CALL,
        "lot": D("0.1"),
    }
    return Instrument(**{**fields, **changes})  # type: ignore[arg-type]


def test_options_are_never_resized_by_a_linear_method() -> None:
    call = row(
        "OPT",
        quantity="10",
        price=None,
        instrument=option(),
        market_key="A",
        implied_volatility=0.4,
        forward=100.0,
        initial_margin=0.0,
        maintenance_margin=0.0,
    )
    result = evaluate(inputs(row("A", direction=1.0), call))
    target = result.targets[1]
    assert (target.status, target.reason, target.target) == (Status.HELD, Reason.OPTION_NOT_RESIZED, D(10))


def test_unmodelled_margin_blocks_increases() -> None:
    short = row(
        "OPT", quantity="-10", price=None, instrument=option(), market_key="A", implied_volatility=0.4, forward=100.0
    )
    result = evaluate(inputs(row("A", quantity="5", direction=1.0), short))
    assert result.targets[0].target == D(5)
    assert result.margin_current is not None and not result.margin_current.complete


def test_option_delta_is_part_of_the_book() -> None:
    """N(d1) at the money, 40 %, one year: d1 = .2, Δ = .57926; 10 calls are 5.7926 units, so the perp carries 50 −
    5.79.
    """
    call = row(
        "OPT",
        quantity="10",
        price=None,
        instrument=option(),
        market_key="A",
        implied_volatility=0.4,
        forward=100.0,
        initial_margin=0.0,
        maintenance_margin=0.0,
    )
    result = evaluate(inputs(row("A", direction=1.0), call))
    assert float(result.targets[0].target or 0) == pytest.approx(50.0 - 5.7926, abs=0.01)
    assert result.portfolio.forecast_volatility == pytest.approx(0.2, rel=1e-3)


def hedged(*rows: object, max_delta: float = 1.0, rebalance_to: str = "zero", **changes: object) -> object:
    policy = Policy(hedging=Threshold(instrument="A", max_delta=max_delta, rebalance_to=rebalance_to))  # type: ignore[arg-type]
    return evaluate(inputs(*rows, policy=policy, **changes))  # type: ignore[arg-type]


def test_delta_neutral_hedge_of_an_option_book() -> None:
    call = row(
        "OPT", quantity="10", price=None, instrument=option(), market_key="A", implied_volatility=0.4, forward=100.0
    )
    result = hedged(row("A"), call)
    hedge = result.hedges[0]  # type: ignore[attr-defined]
    assert (hedge.status, hedge.contracts) == (Status.OK, D("-5.79"))
    assert hedge.delta_before == pytest.approx(5.7926, abs=1e-3)
    assert abs(hedge.delta_after) < 0.01
    assert result.orders[0].contracts == D("-5.79")  # type: ignore[attr-defined]


def test_hedge_counts_what_is_already_hedged_and_outstanding() -> None:
    call = row(
        "OPT", quantity="10", price=None, instrument=option(), market_key="A", implied_volatility=0.4, forward=100.0
    )
    result = hedged(row("A", quantity="-3", open_sells=D("2.5")), call)
    assert result.hedges[0].reason is Reason.WITHIN_BUFFER  # type: ignore[attr-defined]


def test_hedge_with_an_inverse_contract_and_own_greeks() -> None:
    """Delta 2 coins from elsewhere: sell 2 × 100 / 100 = 2 contracts of 100 USD."""
    vault = Instrument(symbol="VAULT", underlying="A")
    foreign = row("VAULT", quantity="1", market_key="A", instrument=vault, own_greeks=OwnGreeks(delta=2.0))
    result = hedged(row("A", instrument=inverse()), foreign)
    assert result.hedges[0].contracts == D(-2)  # type: ignore[attr-defined]


def test_greeks_of_a_hedge_are_in_the_quote_currency() -> None:
    """A client's vega of 30 and theta of -8 in an account currency that is worth half are 15 and -4."""
    vault = Instrument(symbol="VAULT", underlying="A")
    own = OwnGreeks(delta=2.0, vega=30.0, theta=-8.0)
    foreign = row("VAULT", quantity="1", market_key="A", instrument=vault, own_greeks=own, fx=2.0)
    hedge = hedged(row("A", fx=2.0), foreign).hedges[0]  # type: ignore[attr-defined]
    assert (hedge.vega_per_point, hedge.theta_per_day) == (15.0, -4.0)


def test_a_hedge_is_refused_without_greeks() -> None:
    call = row("OPT", quantity="10", price=None, instrument=option(), market_key="A")
    hedge = hedged(row("A"), call).hedges[0]  # type: ignore[attr-defined]
    assert (hedge.status, hedge.reason, hedge.contracts) == (Status.REFUSED, Reason.GREEKS_UNAVAILABLE, None)


def test_venue_tiers_stand_beside_the_model() -> None:
    tiers = (MarginTier(0.0, 0.01, 0.0, 0.02), MarginTier(100_000.0, 0.02, 1_000.0, 0.04))
    contract = Instrument(symbol="A", lot=D("0.01"), margin_tiers=tiers)
    result = evaluate(inputs(row(quantity="10", direction=1.0, instrument=contract)))
    assert result.margin_current is not None
    assert (result.margin_current.venue_initial[0], result.margin_current.venue_maintenance[0]) == pytest.approx(
        (20.0, 10.0)
    )


def test_allow_bump_is_passed_on() -> None:
    contract = Instrument(symbol="A", lot=D("0.01"), min_quantity=D(60))
    policy = Policy(sizing=TARGET, limits=OPEN, buffer=NoBuffer(), orders=OrderRules(allow_bump=True))
    assert evaluate(inputs(row(direction=1.0, instrument=contract), policy=policy)).targets[0].target == D(60)


def test_equal_inputs_give_equal_answers() -> None:
    book = inputs(row("A", direction=1.0), row("B", direction=-0.4), correlation=correlated("A", "B", rho=0.5))
    first, second = evaluate(book), evaluate(book)
    assert first.targets == second.targets and first.orders == second.orders
