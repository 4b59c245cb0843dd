"""Profit between two snapshots by its origin: exact sums, coin paid right, trades, expiry, mismatches."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from services.core.errors import Refusal
from services.core.outcome import Reason
from services.options.black import black_price
from services.options.portfolio_greeks import LegGreeks, OptionLeg, leg_greeks
from services.options.positions import Leg, LinearLeg, OwnLeg
from services.options.profit_explain import CashFlows, ProfitLines, Trade, explain_position, summed_lines
from tests.support.option_books import random_legs

DAY = 1 / 365
LEG = OptionLeg(
    quantity=-3.0,
    multiplier=0.5,
    right=1,
    strike=62_000.0,
    forward=60_000.0,
    time_to_expiry=20 * DAY,
    volatility=0.55,
    discount=0.99,
)


def unit_value(leg: OptionLeg) -> float:
    terms = (leg.forward, leg.strike, leg.time_to_expiry, leg.volatility, leg.right)
    return float(black_price(*terms, discount=leg.discount))


def later(leg: OptionLeg, move: float = 0.01, points: float = 1.0, days: float = 1.0, **more: float) -> OptionLeg:
    return replace(
        leg,
        forward=leg.forward * (1 + move),
        volatility=leg.volatility + points / 100,
        time_to_expiry=leg.time_to_expiry - days * DAY,
        **more,  # type: ignore[arg-type]
    )


def lines(before: Leg, after: Leg, days: float = 1.0, **more: object) -> ProfitLines:
    found = explain_position(before, after, years=days * DAY, **more)  # type: ignore[arg-type]
    assert isinstance(found, ProfitLines), found
    return found


def refusal(before: Leg, after: Leg, days: float = 1.0, **more: object) -> Refusal:
    found = explain_position(before, after, years=days * DAY, **more)  # type: ignore[arg-type]
    assert isinstance(found, Refusal), found
    return found


@pytest.mark.parametrize("coin", [False, True])
def test_the_lines_add_up_to_the_change_of_value(coin: bool) -> None:
    for leg in random_legs(np.random.default_rng(4), 50, coin=coin):
        days = 0.3 * min(leg.time_to_expiry / DAY, 3.0)
        after = later(leg, move=-0.02, points=2.0, days=days)
        size = leg.quantity * leg.multiplier
        if coin:
            paid = size * (unit_value(after) / after.forward - unit_value(leg) / leg.forward)
            profit = paid * after.forward
        else:
            profit = size * (unit_value(after) - unit_value(leg))
        found = lines(leg, after, days)
        assert found.total == pytest.approx(profit, rel=1e-9, abs=1e-12 * abs(size) * leg.forward)


def test_small_changes_are_explained_to_third_order() -> None:
    def residual(size: float) -> float:
        leg = replace(LEG, coin_settled=True)
        return lines(leg, later(leg, move=size, points=50 * size, days=1e-9), 1e-9).residual

    assert residual(0.004) / residual(0.002) == pytest.approx(8.0, rel=0.05)


def test_each_line_is_its_greek_at_the_start() -> None:
    greeks, after = leg_greeks(LEG), later(LEG)
    found, move = lines(LEG, after), 600.0
    assert found.delta == pytest.approx(greeks.delta * move)
    assert found.gamma == pytest.approx(0.5 * greeks.gamma_1pct * move**2 / 600.0)
    assert found.vega == pytest.approx(greeks.vega_per_point)
    assert found.theta == pytest.approx(greeks.theta_per_day)
    assert found.vanna == pytest.approx(greeks.vanna_per_point * move)
    assert found.volga == pytest.approx(0.5 * greeks.volga_per_point)
    assert abs(found.residual) < 0.05 * abs(found.total)


def test_coin_settled_delta_is_premium_adjusted() -> None:
    coin = replace(LEG, coin_settled=True)
    plain, adjusted = lines(LEG, later(LEG)), lines(coin, later(coin))
    mark = unit_value(LEG) / LEG.forward
    assert adjusted.delta == pytest.approx(plain.delta - LEG.quantity * LEG.multiplier * mark * 600.0)
    assert adjusted.residual == pytest.approx(plain.residual, abs=1e-7)


def test_linear_and_inverse_contracts_have_delta_only() -> None:
    for kind, profit in (("linear", 2.0 * 10 * 500.0), ("spot", 2.0 * 10 * 500.0), ("inverse", 20.0 * 500 / 50_000)):
        leg = LinearLeg(kind=kind, quantity=2.0, multiplier=10.0, price=50_000.0)  # type: ignore[arg-type]
        found = lines(leg, replace(leg, price=50_500.0))
        assert found.delta == pytest.approx(profit)
        assert found.total == pytest.approx(profit)
        assert found.residual == pytest.approx(0.0, abs=1e-9)


def test_inverse_profit_is_coin_at_the_new_price() -> None:
    leg = LinearLeg(kind="inverse", quantity=-700.0, multiplier=10.0, price=50_000.0)
    coin = -7_000.0 * (1 / 50_000.0 - 1 / 42_000.0)
    assert lines(leg, replace(leg, price=42_000.0)).total == pytest.approx(coin * 42_000.0)


def test_cash_flows_are_lines_of_their_own() -> None:
    leg = LinearLeg(kind="linear", quantity=1.0, multiplier=1.0, price=100.0)
    found = lines(leg, replace(leg, price=103.0), cash=CashFlows(funding=-0.5, fees=-0.25, carry=0.125))
    assert (found.funding, found.fees, found.carry) == (-0.5, -0.25, 0.125)
    assert found.total == pytest.approx(3.0 - 0.625)


@pytest.mark.parametrize("coin", [False, True])
def test_trades_earn_from_when_they_were_made(coin: bool) -> None:
    """Bought 2 at the old value: as if they had been held from the start."""
    leg = replace(LEG, coin_settled=coin)
    after = later(leg, quantity=leg.quantity + 2.0)
    quoted = unit_value(leg) / leg.forward if coin else unit_value(leg)
    found = lines(leg, after, trades=[Trade(2.0, quoted)])
    held = lines(replace(leg, quantity=2.0), replace(after, quantity=2.0))
    assert found.trades == pytest.approx(held.total)
    assert found.delta == lines(leg, later(leg)).delta


def test_trades_of_inverse_contracts_are_settled_in_coin() -> None:
    leg = LinearLeg(kind="inverse", quantity=0.0, multiplier=10.0, price=50_000.0)
    found = lines(leg, replace(leg, price=55_000.0, quantity=100.0), trades=[Trade(100.0, 52_000.0)])
    assert found.total == found.trades == pytest.approx(1_000.0 * (1 / 52_000.0 - 1 / 55_000.0) * 55_000.0)


def test_a_round_trip_leaves_its_profit() -> None:
    leg = LinearLeg(kind="linear", quantity=0.0, multiplier=2.0, price=100.0)
    found = lines(leg, replace(leg, price=110.0), trades=[Trade(3.0, 101.0), Trade(-3.0, 104.0)])
    assert found.total == pytest.approx(18.0)


def test_an_untold_change_of_quantity_earns_nothing_yet() -> None:
    assert lines(LEG, later(LEG, quantity=5.0)) == lines(LEG, later(LEG))


def test_an_option_that_expired_is_worth_its_pay_off() -> None:
    leg = replace(LEG, time_to_expiry=0.5 * DAY)
    found = lines(leg, later(leg, move=0.05, points=-55.0, days=1.0))
    assert found.total == pytest.approx(-1.5 * (1_000.0 - unit_value(leg)))
    assert (found.vega, found.volga, found.vanna) == (0.0, 0.0, 0.0)
    assert found.theta == pytest.approx(0.5 * leg_greeks(leg).theta_per_day)


def test_own_figures_are_explained_where_they_have_a_value() -> None:
    greeks = LegGreeks(delta=2.0, gamma_1pct=0.5, vega_per_point=3.0, theta_per_day=-1.0, value=50.0)
    before = OwnLeg(greeks=greeks, price=100.0, volatility=0.5)
    after = OwnLeg(greeks=LegGreeks(delta=9.0, value=58.0), price=102.0, volatility=0.51)
    found = lines(before, after)
    assert (found.delta, found.gamma, found.vega, found.theta) == pytest.approx((4.0, 1.0, 3.0, -1.0))
    assert found.total == pytest.approx(8.0)
    assert refusal(before, replace(after, valued=False)).reason is Reason.DATA_REQUIRED
    assert refusal(before, after, trades=[Trade(1.0, 1.0)]).reason is Reason.TRADES_UNMATCHED


@pytest.mark.parametrize(
    "after",
    [
        later(LEG, strike=63_000.0),
        later(LEG, days=2.0),
        replace(later(LEG), coin_settled=True),
        LinearLeg(kind="linear", quantity=1.0, multiplier=1.0, price=1.0),
    ],
)
def test_another_contract_under_the_same_symbol_is_refused(after: Leg) -> None:
    found = refusal(LEG, after)
    assert found.reason is Reason.TRADES_UNMATCHED
    assert "different contracts" in found.detail


def test_trades_that_do_not_make_up_the_change_are_refused() -> None:
    found = refusal(LEG, later(LEG, quantity=-1.0), trades=[Trade(1.5, 900.0)])
    assert found.reason is Reason.TRADES_UNMATCHED
    assert "changed by 2, and the trades sum to 1.5" in found.detail


def test_within_the_settlement_window_the_average_so_far_is_missing() -> None:
    leg = replace(LEG, averaged_settlement=True, time_to_expiry=DAY + 10 / 525_600)
    assert refusal(leg, later(leg)).reason is Reason.DATA_REQUIRED
    assert lines(leg, later(leg, days=1.1), 1.1).total != 0.0


def test_sums_are_line_by_line() -> None:
    parts = [lines(LEG, later(LEG, move=move)) for move in (-0.03, 0.01, 0.05)]
    whole = summed_lines(parts)
    assert whole.gamma == pytest.approx(sum(part.gamma for part in parts))
    assert whole.total == pytest.approx(math.fsum(part.total for part in parts))
