"""Greeks of positions in published units, and their sums."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.options.black import black_greeks, black_price
from services.options.portfolio_greeks import LegGreeks, OptionLeg, aggregate, leg_greeks, legs_greeks

LEG = OptionLeg(
    quantity=-12.0,
    multiplier=0.1,
    right=-1,
    strike=62_000.0,
    forward=60_000.0,
    time_to_expiry=20 / 365,
    volatility=0.55,
)


def value(leg: OptionLeg) -> float:
    price = black_price(leg.forward, leg.strike, leg.time_to_expiry, leg.volatility, leg.right, discount=leg.discount)
    return leg.quantity * leg.multiplier * float(price)


def test_units_are_those_of_a_bumped_revaluation() -> None:
    greeks = leg_greeks(LEG)
    point, dollar = 0.01, 1.0
    up, down = value(replace(LEG, volatility=0.55 + point / 2)), value(replace(LEG, volatility=0.55 - point / 2))
    assert greeks.vega_per_point == pytest.approx(up - down, rel=1e-4)
    later, earlier = (value(replace(LEG, time_to_expiry=days / 365)) for days in (19.5, 20.5))
    assert greeks.theta_per_day == pytest.approx(later - earlier, rel=2e-3)
    up, down = value(replace(LEG, forward=60_000.0 + dollar)), value(replace(LEG, forward=60_000.0 - dollar))
    assert greeks.delta_black == pytest.approx((up - down) / 2, rel=1e-7)
    one_per_cent = [leg_greeks(replace(LEG, forward=60_000.0 * (1 + move))).delta_black for move in (-0.005, 0.005)]
    assert greeks.gamma_1pct == pytest.approx(one_per_cent[1] - one_per_cent[0], rel=1e-2)
    assert greeks.value == pytest.approx(value(LEG), rel=1e-12)


def test_vanna_and_volga_are_changes_per_volatility_point() -> None:
    greeks = leg_greeks(LEG)
    low, high = (leg_greeks(replace(LEG, volatility=v)) for v in (0.545, 0.555))
    assert greeks.vanna_per_point == pytest.approx(high.delta_black - low.delta_black, rel=1e-3)
    assert greeks.volga_per_point == pytest.approx(high.vega_per_point - low.vega_per_point, rel=1e-3)


def test_the_hedge_of_a_coin_settled_option_flattens_its_value_in_coin() -> None:
    """A future in coin pays N (1/F0 − 1/F1) and has delta N/F: N = −delta·F leaves the value in coin flat."""
    leg = replace(LEG, coin_settled=True)
    greeks, bump = leg_greeks(leg), 1e-3
    coin = [value(replace(leg, forward=60_000.0 + step)) / (60_000.0 + step) for step in (-bump, bump)]
    per_dollar = (coin[1] - coin[0]) / (2 * bump)
    notional = -greeks.delta * leg.forward
    future_per_dollar = notional / leg.forward**2
    assert per_dollar + future_per_dollar == pytest.approx(0.0, abs=abs(per_dollar) * 1e-6)
    assert greeks.delta == pytest.approx(greeks.delta_black - greeks.value / leg.forward, rel=1e-12)


def test_a_linear_option_is_not_premium_adjusted() -> None:
    greeks = leg_greeks(LEG)
    assert greeks.delta == greeks.delta_black


def test_vega_is_weighted_by_the_root_of_thirty_days() -> None:
    month, week, hour = (replace(LEG, time_to_expiry=days / 365) for days in (30.0, 7.5, 1 / 24))
    assert leg_greeks(month).vega_30d_per_point == pytest.approx(leg_greeks(month).vega_per_point)
    assert leg_greeks(week).vega_30d_per_point == pytest.approx(2.0 * leg_greeks(week).vega_per_point)
    assert leg_greeks(hour).vega_30d_per_point == pytest.approx(30**0.5 * leg_greeks(hour).vega_per_point)


def test_averaged_settlement_fades_over_the_last_half_hour() -> None:
    quarter = replace(LEG, time_to_expiry=15 / 525_600)
    full, faded = leg_greeks(quarter), leg_greeks(replace(quarter, averaged_settlement=True))
    assert asdict(faded) == pytest.approx({name: figure / 2 for name, figure in asdict(full).items()})
    assert leg_greeks(replace(LEG, averaged_settlement=True)) == leg_greeks(LEG)


def test_an_expired_leg_keeps_its_intrinsic_value() -> None:
    greeks = leg_greeks(replace(LEG, time_to_expiry=-1 / 365))
    assert (greeks.value, greeks.delta) == (pytest.approx(-1.2 * 2_000.0), pytest.approx(1.2))
    assert (greeks.gamma_1pct, greeks.vega_per_point, greeks.theta_per_day) == (0.0, 0.0, 0.0)


def test_many_legs_are_the_same_as_one_by_one() -> None:
    legs = [replace(LEG, strike=strike, right=right) for strike in (50_000.0, 60_000.0, 75_000.0) for right in (1, -1)]
    assert legs_greeks(legs) == tuple(leg_greeks(leg) for leg in legs)
    assert legs_greeks([]) == ()


def test_a_book_is_the_sum_of_its_positions_by_underlying() -> None:
    call, put = leg_greeks(replace(LEG, right=1)), leg_greeks(LEG)
    own = LegGreeks(delta=2.5, vega_per_point=-10.0)
    book = aggregate(["BTC", "ETH", "BTC"], [call, own, put])
    assert list(book) == ["BTC", "ETH"]
    assert book["ETH"] == own
    assert asdict(book["BTC"]) == pytest.approx({k: v + asdict(put)[k] for k, v in asdict(call).items()})


def test_a_straddle_of_opposite_signs_is_a_forward() -> None:
    """Put-call parity on the book: long call, short put has delta df and no gamma, vega or volga."""
    long_call = replace(LEG, right=1, quantity=10.0, discount=0.98)
    short_put = replace(LEG, right=-1, quantity=-10.0, discount=0.98)
    book = aggregate(["BTC", "BTC"], legs_greeks([long_call, short_put]))["BTC"]
    assert book.delta == pytest.approx(0.98)
    assert [book.gamma_1pct, book.vega_per_point, book.volga_per_point] == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)


def test_bad_positions_are_named() -> None:
    with pytest.raises(InvalidInput, match="quantity times multiplier must be finite"):
        leg_greeks(replace(LEG, quantity=float("nan")))
    with pytest.raises(InvalidInput, match="underlyings must be as many"):
        aggregate(["BTC"], [])


def test_legs_are_computed_in_one_pass_of_the_kernel() -> None:
    strikes = np.linspace(40_000.0, 90_000.0, 11)
    greeks = legs_greeks([replace(LEG, strike=float(strike)) for strike in strikes])
    columns = black_greeks(60_000.0, strikes, 20 / 365, 0.55, -1)
    assert [leg.delta_black for leg in greeks] == pytest.approx((-1.2 * columns.delta).tolist())
