"""Laws that hold for every option: parity, bounds, monotonicity, scale, finite numbers."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.options.black import black_greeks, black_price, delta_in_convention
from services.options.implied_volatility import ImpliedVolatilityStatus, implied_volatility

prices = st.floats(1e-6, 1e7)
moves = st.floats(-6.0, 6.0)
times = st.floats(-1.0, 30.0)
volatilities = st.floats(0.0, 10.0)
rights = st.sampled_from([-1, 1])
discounts = st.floats(0.2, 1.5)


@given(prices, moves, times, volatilities, discounts)
def test_put_call_parity(forward: float, move: float, time: float, volatility: float, discount: float) -> None:
    strike = forward * np.exp(move)
    call, put = (black_greeks(forward, strike, time, volatility, right, discount=discount) for right in (1, -1))
    factor = discount if time > 0.0 else 1.0
    scale = max(forward, strike)
    assert abs(call.price - put.price - factor * (forward - strike)) <= 1e-12 * scale
    assert abs(call.delta - put.delta - factor) <= 1e-12
    assert abs(call.gamma - put.gamma) <= 1e-12 * call.gamma
    assert abs(call.vega - put.vega) <= 1e-12 * call.vega


@given(prices, st.floats(-40.0, 40.0), times, st.floats(-1.0, 100.0), rights, discounts)
def test_greeks_are_finite_and_prices_within_bounds(
    forward: float, move: float, time: float, volatility: float, right: int, discount: float
) -> None:
    strike = forward * np.exp(move)
    greeks = black_greeks(forward, strike, time, volatility, right, discount=discount)
    assert all(np.isfinite(getattr(greeks, field.name)) for field in fields(greeks))
    factor, slack = (discount if time > 0.0 else 1.0), 1e-12 * max(forward, strike)
    assert factor * max(right * (forward - strike), 0.0) - slack <= greeks.price
    assert greeks.price <= factor * (forward if right > 0 else strike) + slack
    assert 0.0 <= right * greeks.delta <= factor
    assert greeks.gamma >= 0.0
    assert greeks.vega >= 0.0


@given(prices, moves, st.floats(1e-4, 5.0), st.floats(0.0, 5.0), st.floats(0.0, 5.0), rights)
def test_more_volatility_never_makes_an_option_cheaper(
    forward: float, move: float, time: float, low: float, more: float, right: int
) -> None:
    strike = forward * np.exp(move)
    cheap, dear = black_price(forward, strike, time, [low, low + more], right)
    assert dear >= cheap - 1e-12 * max(forward, strike)


@given(prices, moves, times, volatilities, rights, st.floats(1e-3, 1e3))
def test_a_change_of_currency_scales_prices_and_leaves_deltas(
    forward: float, move: float, time: float, volatility: float, right: int, rate: float
) -> None:
    one = black_greeks(forward, forward * np.exp(move), time, volatility, right)
    other = black_greeks(rate * forward, rate * forward * np.exp(move), time, volatility, right)
    tolerance = 1e-9 * rate * forward * max(1.0, np.exp(move))
    assert abs(other.price - rate * one.price) <= tolerance
    if not one.degenerate and volatility * np.sqrt(time) > 1e-4:
        assert abs(other.delta - one.delta) <= 1e-9
        assert abs(other.vega - rate * one.vega) <= tolerance + 1e-9 * rate * abs(one.vega)


@given(prices, moves, st.floats(1e-4, 5.0), st.floats(0.01, 5.0))
def test_premium_adjusted_parity(forward: float, move: float, time: float, volatility: float) -> None:
    """Call less put in coin: the hedge of a forward struck at K is K/F."""
    strike = forward * np.exp(move)
    call, put = (delta_in_convention(forward, strike, time, volatility, w, convention="pa_forward") for w in (1, -1))
    assert abs(call - put - strike / forward) <= 1e-12 * max(1.0, strike / forward)


@given(prices, moves, st.floats(1e-9, 30.0), st.floats(1e-3, 10.0), rights, discounts)
def test_implied_volatility_gives_the_price_back(
    forward: float, move: float, time: float, volatility: float, right: int, discount: float
) -> None:
    strike = forward * np.exp(move)
    price = black_price(forward, strike, time, volatility, right, discount=discount)
    found = implied_volatility(price, forward, strike, time, right, discount=discount)
    scale = discount * max(forward, strike)
    if found.ok:
        back = black_price(forward, strike, time, found.volatility, right, discount=discount)
        assert abs(back - price) <= 1e-14 * scale + 1e-12 * price
    else:  # what is left of the time value, or of the room below the maximum, is rounding
        room = discount * (forward if right > 0 else strike) - price
        worth = price - discount * max(right * (forward - strike), 0.0)
        assert float(found.volatility) == 0.0
        assert min(worth, room) <= 1e-14 * scale or found.status == ImpliedVolatilityStatus.ABOVE_LIMIT


@given(*[st.floats(allow_nan=True, allow_infinity=True)] * 6)
def test_any_six_numbers_give_a_volatility_or_a_status(
    price: float, forward: float, strike: float, time: float, right: float, discount: float
) -> None:
    found = implied_volatility(price, forward, strike, time, right, discount=discount)
    assert np.isfinite(found.volatility)
    assert found.ok == (found.volatility > 0.0)


@given(prices, moves, st.floats(1e-3, 5.0), st.floats(0.05, 2.0), st.floats(1e-3, 1e3))
def test_implied_volatility_knows_no_currency_and_no_side(
    forward: float, move: float, time: float, volatility: float, rate: float
) -> None:
    """Quoted in other money, or as the put of the other currency: the same volatility."""
    strike = forward * np.exp(move * volatility * np.sqrt(time) / 2.0)
    right = 1 if strike >= forward else -1
    price = black_price(forward, strike, time, volatility, right)
    here = implied_volatility(price, forward, strike, time, right)
    there = implied_volatility(price * rate, forward * rate, strike * rate, time, right)
    mirrored = implied_volatility(price / (forward * strike), 1.0 / forward, 1.0 / strike, time, -right)
    np.testing.assert_allclose([there.volatility, mirrored.volatility], here.volatility, rtol=1e-9)
