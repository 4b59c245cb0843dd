"""Black-76 and Black-Scholes-Merton against QuantLib, against finite differences, and at their limits."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - as everybody writes it

from services.core.errors import InvalidInput
from services.options.black import (
    ONE_DAY,
    black_greeks,
    black_price,
    core_greeks,
    delta_in_convention,
    settlement_window_factor,
    spot_greeks,
)
from tests.support.black_reference import higher_greeks_reference

ROWS = 400
MANY = 100_000


@pytest.fixture(scope="module")
def grid() -> dict[str, np.ndarray]:
    """Random options from an hour to three years, up to 4 standard deviations off the money, rates of both signs."""
    rng = np.random.default_rng(20261121)
    time = np.exp(rng.uniform(np.log(1 / 8760), np.log(3.0), ROWS))
    volatility = np.exp(rng.uniform(np.log(0.05), np.log(2.5), ROWS))
    forward = np.exp(rng.uniform(np.log(0.01), np.log(1e5), ROWS))
    return {
        "forward": forward,
        "strike": forward * np.exp(rng.uniform(-4.0, 4.0, ROWS) * volatility * np.sqrt(time)),
        "time_to_expiry": time,
        "volatility": volatility,
        "right": rng.choice([-1, 1], ROWS),
        "rate": rng.uniform(-0.03, 0.15, ROWS),
        "dividend_yield": rng.uniform(-0.02, 0.10, ROWS),
    }


def forward_terms(grid: dict[str, np.ndarray]) -> dict[str, Any]:
    terms = {key: grid[key] for key in ("forward", "strike", "time_to_expiry", "volatility", "right")}
    return {**terms, "discount": np.exp(-grid["rate"] * grid["time_to_expiry"])}


def quantlib(grid: dict[str, np.ndarray], row: int, forward: float) -> ql.BlackCalculator:
    right = ql.Option.Call if grid["right"][row] > 0 else ql.Option.Put
    deviation = grid["volatility"][row] * np.sqrt(grid["time_to_expiry"][row])
    discount = np.exp(-grid["rate"][row] * grid["time_to_expiry"][row])
    return ql.BlackCalculator(ql.PlainVanillaPayoff(right, float(grid["strike"][row])), forward, deviation, discount)


def test_forward_greeks_agree_with_quantlib(grid: dict[str, np.ndarray]) -> None:
    ours = black_greeks(**forward_terms(grid))
    for row in range(ROWS):
        forward, time = float(grid["forward"][row]), float(grid["time_to_expiry"][row])
        theirs = quantlib(grid, row, forward)
        scale = forward * 1e-12
        assert ours.price[row] == pytest.approx(theirs.value(), rel=1e-10, abs=scale)
        assert ours.delta[row] == pytest.approx(theirs.deltaForward(), rel=1e-10, abs=1e-12)
        assert ours.gamma[row] == pytest.approx(theirs.gammaForward(), rel=1e-9, abs=1e-12 / forward)
        assert ours.vega[row] == pytest.approx(theirs.vega(time), rel=1e-9, abs=scale)
        assert ours.theta[row] == pytest.approx(theirs.theta(forward, time), rel=1e-9, abs=scale / time)


def test_a_hundred_thousand_options_agree_with_quantlib() -> None:
    """Relative error of 1e-10 wherever the figure is not the small difference of large ones.

    A price of 1e-5 of the forward, or a theta that rate and decay nearly cancel in, has lost as many digits in either.
    """
    rng = np.random.default_rng(20261129)
    years, volatility = rng.uniform(1 / 365, 3.0, MANY), rng.uniform(0.05, 2.5, MANY)
    forward, total = np.exp(rng.uniform(-4.0, 11.0, MANY)), volatility * np.sqrt(years)
    strike, right = forward * np.exp(total * rng.uniform(-3.0, 3.0, MANY)), rng.choice([-1, 1], MANY)
    rate = rng.uniform(-0.03, 0.15, MANY)
    discount = np.exp(-rate * years)
    ours = core_greeks(forward, strike, years, volatility, right, discount=discount)
    theirs = np.empty((5, MANY))
    sides = {1: ql.Option.Call, -1: ql.Option.Put}
    columns = (forward, strike, years, total, right, discount)
    for row, (f, k, t, s, w, df) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        one = ql.BlackCalculator(ql.PlainVanillaPayoff(sides[w], k), f, s, df)
        theirs[:, row] = one.value(), one.deltaForward(), one.gammaForward(), one.vega(t), one.theta(f, t)
    scales = {
        "price": 1e-5 * forward,
        "delta": 1e-5,
        "gamma": 0.0,
        "vega": 0.0,
        "theta": 1e-5 * forward / years + np.abs(rate) * ours.price,
    }
    for (name, scale), expected in zip(scales.items(), theirs, strict=True):
        error = np.abs(getattr(ours, name) - expected)
        assert (error <= 1e-10 * np.maximum(np.abs(expected), scale)).all(), (name, error.max())


def test_higher_greeks_are_those_of_eighty_digits() -> None:
    rng = np.random.default_rng(7)
    for _ in range(40):
        years, volatility = float(rng.uniform(1 / 365, 2.0)), float(rng.uniform(0.1, 2.0))
        forward, rate, right = float(rng.uniform(1.0, 1e5)), float(rng.uniform(-0.03, 0.1)), int(rng.choice([-1, 1]))
        strike = forward * float(np.exp(rng.uniform(-3.0, 3.0) * volatility * years**0.5))
        ours = black_greeks(forward, strike, years, volatility, right, discount=np.exp(-rate * years))
        for name, expected in higher_greeks_reference(forward, strike, years, volatility, rate, right).items():
            assert float(getattr(ours, name)) == pytest.approx(expected, rel=1e-10), name


def test_the_core_is_the_same_numbers_for_less(grid: dict[str, np.ndarray]) -> None:
    terms = forward_terms(grid)
    terms["time_to_expiry"] = np.concatenate([[0.0, -1.0], terms["time_to_expiry"][2:]])
    core, whole = core_greeks(**terms), black_greeks(**terms)
    for field in fields(core):
        np.testing.assert_array_equal(getattr(core, field.name), getattr(whole, field.name))


def test_put_call_parity_of_price_and_greeks(grid: dict[str, np.ndarray]) -> None:
    """``C − P = df (F − K)``: deltas differ by df, what bends is the same."""
    terms = forward_terms(grid)
    call, put = (black_greeks(**{**terms, "right": np.full(ROWS, right)}) for right in (1, -1))
    forward, strike, discount = terms["forward"], terms["strike"], terms["discount"]
    size = 1e-13 * (forward + strike)
    np.testing.assert_array_less(np.abs(call.price - put.price - discount * (forward - strike)), size)
    np.testing.assert_allclose(call.delta - put.delta, discount, rtol=1e-13)
    for name in ("gamma", "vega", "vanna", "volga", "speed"):
        np.testing.assert_array_equal(getattr(call, name), getattr(put, name))


def test_spot_greeks_agree_with_quantlib(grid: dict[str, np.ndarray]) -> None:
    terms = {key: grid[key] for key in ("strike", "time_to_expiry", "volatility", "right", "rate", "dividend_yield")}
    ours = spot_greeks(grid["forward"], **terms)
    growth = np.exp((grid["rate"] - grid["dividend_yield"]) * grid["time_to_expiry"])
    for row in range(ROWS):
        spot, time = float(grid["forward"][row]), float(grid["time_to_expiry"][row])
        theirs = quantlib(grid, row, spot * growth[row])
        scale = spot * 1e-12
        assert ours.price[row] == pytest.approx(theirs.value(), rel=1e-10, abs=scale)
        assert ours.delta[row] == pytest.approx(theirs.delta(spot), rel=1e-10, abs=1e-12)
        assert ours.gamma[row] == pytest.approx(theirs.gamma(spot), rel=1e-9, abs=1e-12 / spot)
        assert ours.vega[row] == pytest.approx(theirs.vega(time), rel=1e-9, abs=scale)
        assert ours.theta[row] == pytest.approx(theirs.theta(spot, time), rel=1e-8, abs=scale / time)
        assert ours.rho[row] == pytest.approx(theirs.rho(time), rel=1e-8, abs=scale)
        if theirs.value() > 1e-6 * spot:
            assert ours.elasticity[row] == pytest.approx(theirs.elasticity(spot), rel=1e-6)


@pytest.mark.parametrize("convention", ["spot", "forward", "pa_spot", "pa_forward"])
def test_delta_conventions_agree_with_quantlib(grid: dict[str, np.ndarray], convention: Any) -> None:
    names = {"spot": "Spot", "forward": "Fwd", "pa_spot": "PaSpot", "pa_forward": "PaFwd"}
    kind = getattr(ql.DeltaVolQuote, names[convention])
    domestic = np.exp(-grid["rate"] * grid["time_to_expiry"])
    foreign = np.exp(-grid["dividend_yield"] * grid["time_to_expiry"])
    terms = {key: grid[key] for key in ("forward", "strike", "time_to_expiry", "volatility", "right")}
    ours = delta_in_convention(**terms, convention=convention, foreign_discount=foreign)
    for row in range(ROWS):
        right = ql.Option.Call if grid["right"][row] > 0 else ql.Option.Put
        spot = grid["forward"][row] * domestic[row] / foreign[row]
        deviation = grid["volatility"][row] * np.sqrt(grid["time_to_expiry"][row])
        theirs = ql.BlackDeltaCalculator(right, kind, spot, domestic[row], foreign[row], deviation)
        assert ours[row] == pytest.approx(theirs.deltaFromStrike(float(grid["strike"][row])), rel=1e-9, abs=1e-11)


def derivative(function: Any, at: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Five-point first derivative, error O(step⁴)."""
    near, far = function(at + step) - function(at - step), function(at + 2 * step) - function(at - 2 * step)
    return (8 * near - far) / (12 * step)


def test_higher_greeks_are_the_derivatives_that_they_claim_to_be(grid: dict[str, np.ndarray]) -> None:
    terms, rate = forward_terms(grid), grid["rate"]
    ours = black_greeks(**terms)
    deviation = terms["volatility"] * np.sqrt(terms["time_to_expiry"])
    small_forward, small_volatility = 1e-3 * terms["forward"] * np.minimum(deviation, 1.0), 1e-3 * terms["volatility"]
    small_time = 1e-3 * terms["time_to_expiry"]

    def shifted(**changes: np.ndarray) -> Any:
        return black_greeks(**{**terms, **changes})

    def in_time(name: str) -> Any:
        return lambda t: getattr(shifted(time_to_expiry=t, discount=np.exp(-rate * t)), name)

    def in_rate(r: np.ndarray) -> np.ndarray:
        return shifted(discount=np.exp(-r * terms["time_to_expiry"])).price

    def by_volatility(name: str) -> np.ndarray:
        return derivative(lambda v: getattr(shifted(volatility=v), name), terms["volatility"], small_volatility)

    expected = {
        "speed": derivative(lambda f: shifted(forward=f).gamma, terms["forward"], small_forward),
        "vanna": by_volatility("delta"),
        "volga": by_volatility("vega"),
        "charm": -derivative(in_time("delta"), terms["time_to_expiry"], small_time),
        "theta": -derivative(in_time("price"), terms["time_to_expiry"], small_time),
        "rho": derivative(in_rate, rate, np.full(ROWS, 1e-3)),
    }
    for name, numeric in expected.items():
        analytic = getattr(ours, name)
        size = np.maximum(np.abs(analytic), np.abs(numeric))
        scale = {
            "speed": 1 / (terms["forward"] * deviation) ** 2,
            "vanna": 1 / terms["volatility"],
            "volga": terms["forward"] * deviation / terms["volatility"] ** 2,
            "charm": 1 / terms["time_to_expiry"],
            "theta": terms["forward"] * deviation / terms["time_to_expiry"],
            "rho": terms["forward"] * terms["time_to_expiry"],
        }[name]
        np.testing.assert_array_less(np.abs(analytic - numeric), 1e-7 * size + 1e-9 * scale, err_msg=name)


def test_theta_of_a_day_is_a_full_revaluation_and_stops_at_expiry() -> None:
    time = np.array([0.5, ONE_DAY, 0.25 * ONE_DAY])
    now = black_greeks(100.0, 105.0, time, 0.6, -1, discount=np.exp(-0.05 * time))
    left = np.array([0.5 - ONE_DAY, 0.0, 0.0])
    later = black_price(100.0, 105.0, left, 0.6, -1, discount=np.exp(-0.05 * left))
    np.testing.assert_allclose(now.theta_1d, later - now.price, atol=1e-12)
    assert later[1] == later[2] == 5.0


@pytest.mark.parametrize(("forward", "call_delta"), [(110.0, 1.0), (100.0, 0.5), (90.0, 0.0)])
def test_an_expired_option_is_worth_its_intrinsic_value(forward: float, call_delta: float) -> None:
    greeks = black_greeks(forward, 100.0, [0.0, -0.1], 0.5, 1, discount=0.9)
    assert greeks.price.tolist() == [max(forward - 100.0, 0.0)] * 2
    assert greeks.delta.tolist() == [call_delta] * 2
    assert greeks.expired.all()
    assert greeks.degenerate.all()
    put = black_greeks(forward, 100.0, 0.0, 0.5, -1)
    assert float(put.delta) == call_delta - 1.0


@pytest.mark.parametrize("volatility", [0.0, -0.2, 1e-300])
def test_without_volatility_the_value_is_discounted_and_not_expired(volatility: float) -> None:
    greeks = black_greeks(110.0, 100.0, 1.0, volatility, 1, discount=0.9)
    assert (float(greeks.price), float(greeks.delta)) == (9.0, 0.9)
    assert bool(greeks.degenerate)
    assert not bool(greeks.expired)
    others = {field.name for field in fields(greeks)} - {"price", "delta", "expired", "degenerate"}
    assert {float(getattr(greeks, name)) for name in others} == {0.0}


def test_the_limit_is_approached_continuously() -> None:
    near = black_greeks(110.0, 100.0, 1e-10, 0.5, 1)
    assert float(near.price) == pytest.approx(10.0, abs=1e-9)
    assert float(near.delta) == pytest.approx(1.0)
    at_the_money = black_greeks(100.0, 100.0, 1e-10, 0.5, 1)
    assert float(at_the_money.delta) == pytest.approx(0.5, abs=1e-5)


def test_spot_limits_keep_price_and_delta_and_drop_the_rest() -> None:
    greeks = spot_greeks(110.0, 100.0, [0.0, 1.0], [0.5, 0.0], 1, rate=0.05, dividend_yield=0.02)
    assert greeks.price.tolist() == pytest.approx([10.0, 110.0 * np.exp(-0.02) - 100.0 * np.exp(-0.05)])
    assert greeks.delta.tolist() == pytest.approx([1.0, np.exp(-0.02)])
    assert greeks.theta.tolist() == greeks.rho.tolist() == [0.0, 0.0]
    worthless = spot_greeks(90.0, 100.0, 0.0, 0.5, 1)
    assert (float(worthless.price), float(worthless.elasticity)) == (0.0, 0.0)


def test_inputs_broadcast() -> None:
    greeks = black_greeks(100.0, np.array([[90.0], [110.0]]), [0.1, 0.2, 0.3], 0.5, [1, -1, 1])
    assert greeks.price.shape == greeks.theta_1d.shape == greeks.expired.shape == (2, 3)
    alone = black_greeks(100.0, 110.0, 0.2, 0.5, -1)
    assert greeks.price[1, 1] == float(alone.price)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("forward", 0.0, "forward must be > 0"),
        ("forward", float("nan"), "forward must be finite"),
        ("strike", -1.0, "strike must be > 0"),
        ("strike", float("inf"), "strike must be finite"),
        ("time_to_expiry", float("nan"), "time_to_expiry must be finite"),
        ("volatility", float("nan"), "volatility must be finite"),
        ("right", 0.5, "right must be"),
        ("discount", 0.0, "discount must be > 0"),
    ],
)
def test_a_bad_number_is_named(name: str, value: float, rule: str) -> None:
    good = {"forward": 100.0, "strike": 100.0, "time_to_expiry": 0.5, "volatility": 0.5, "right": 1, "discount": 1.0}
    with pytest.raises(InvalidInput, match=rule):
        black_greeks(**{**good, name: np.array([good[name], value])})


def test_an_unknown_convention_is_refused() -> None:
    with pytest.raises(InvalidInput, match="convention must be"):
        delta_in_convention(100.0, 100.0, 0.5, 0.5, 1, convention="sticky")  # type: ignore[arg-type]


def test_the_settlement_window_fades_the_option() -> None:
    """Deribit: a net delta of 1.0 − 0.3 with 15 of 30 minutes left is 0.35."""
    assert (1.0 - 0.3) * float(settlement_window_factor(15.0)) == pytest.approx(0.35)
    assert settlement_window_factor([-5.0, 0.0, 30.0, 1e6]).tolist() == [0.0, 0.0, 1.0, 1.0]
