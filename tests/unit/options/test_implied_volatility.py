"""Implied volatility against prices of eighty digits, against QuantLib, at its limits and with bad numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - as everybody writes it

from services.options.black import black_price
from services.options.implied_volatility import ImpliedVolatilityStatus as Status
from services.options.implied_volatility import implied_volatility
from tests.support.black_reference import black_price_reference

EPSILON = float(np.finfo(float).eps)


def reference_rows(count: int, seed: int, deviations: float, total: tuple[float, float]) -> np.ndarray:
    """Columns price, forward, strike, years, right, volatility of options out of the money."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        width = float(np.exp(rng.uniform(*np.log(total))))
        years = float(np.exp(rng.uniform(np.log(1e-7), np.log(30.0))))
        volatility, forward = width / years**0.5, float(np.exp(rng.uniform(-5.0, 12.0)))
        strike = forward * float(np.exp(width * rng.uniform(-deviations, deviations)))
        right = 1 if strike >= forward else -1
        price = black_price_reference(forward, strike, years, volatility, right)
        rows.append((price, forward, strike, years, right, volatility))
    return np.array(rows).T


def relative_error(rows: np.ndarray) -> np.ndarray:
    found = implied_volatility(*rows[:5])
    small = rows[5] <= 10.0
    assert (found.status == np.where(small, Status.OK, Status.ABOVE_LIMIT)).all()
    return np.asarray(np.abs(found.volatility / rows[5] - 1.0)[small])


def conditioning(rows: np.ndarray) -> np.ndarray:
    """Relative change of the volatility when the price changes by one part: ``b / (s b')``."""
    price, forward, strike, years, _, volatility = rows
    total = volatility * np.sqrt(years)
    log_density = -((np.log(forward / strike) / total) ** 2 + total**2 / 4.0) / 2.0
    return np.asarray(price / np.sqrt(forward * strike) / total / np.exp(log_density) * np.sqrt(2.0 * np.pi))


@pytest.mark.parametrize("deviations", [1e-9, 1e-3, 0.5, 4.0, 30.0])
def test_prices_of_eighty_digits_are_inverted_to_the_last_digits(deviations: float) -> None:
    rows = reference_rows(120, 1, deviations, (1e-6, 2.0))
    assert rows[0].min() > 1e-297
    assert relative_error(rows).max() < 1e-14


def test_prices_down_to_1e_297() -> None:
    rows = reference_rows(200, 2, 36.5, (1e-3, 1.0))
    rows = rows[:, (rows[0] > 1e-297) & (rows[0] < 1e-200)]
    assert rows.shape[1] > 20
    assert relative_error(rows).max() < 3e-15


def test_next_to_the_maximum_only_the_digits_that_the_price_has_lost_are_lost() -> None:
    rows = reference_rows(150, 3, 1.0, (2.0, 14.0))
    small = rows[5] <= 10.0
    lost = np.maximum(conditioning(rows)[small], 1.0) * EPSILON
    assert lost.max() > 1e-8  # the case is tried
    assert (relative_error(rows) < 6.0 * lost).all()


def test_in_the_money_the_error_is_the_rounding_of_the_price() -> None:
    rows = reference_rows(150, 4, 3.0, (0.01, 1.5))
    _, forward, strike, years, right, volatility = rows[:, rows[5] <= 10.0]
    price = np.array(
        [
            black_price_reference(*row[:4], int(row[4]))
            for row in zip(forward, strike, years, volatility, -right, strict=True)
        ]
    )
    found = implied_volatility(price, forward, strike, years, -right)
    time_value = price - np.abs(forward - strike)
    vega = black_vega(forward, strike, years, volatility)
    lost = 4.0 * EPSILON * price / (vega * volatility) + 1e-14
    enough = time_value > 1e3 * EPSILON * price
    assert enough.sum() > 100
    assert (np.abs(found.volatility / volatility - 1.0) < lost)[enough].all()


def black_vega(forward: np.ndarray, strike: np.ndarray, years: np.ndarray, volatility: np.ndarray) -> np.ndarray:
    total = volatility * np.sqrt(years)
    d1 = np.log(forward / strike) / total + total / 2.0
    return np.asarray(forward * np.exp(-d1 * d1 / 2.0) / np.sqrt(2.0 * np.pi) * np.sqrt(years))


def test_agrees_with_quantlib() -> None:
    rng = np.random.default_rng(5)
    forward, width, discount = rng.uniform(10.0, 1e5, 200), rng.uniform(0.05, 1.5, 200), rng.uniform(0.8, 1.1, 200)
    strike, right = forward * np.exp(width * rng.uniform(-2.0, 2.0, 200)), rng.choice([-1, 1], 200)
    price = black_price(forward, strike, 1.0, width, right, discount=discount)
    ours = implied_volatility(price, forward, strike, 1.0, right, discount=discount).volatility
    for row in range(200):
        side = ql.Option.Call if right[row] > 0 else ql.Option.Put
        terms = (side, float(strike[row]), float(forward[row]), float(price[row]), float(discount[row]))
        theirs = ql.blackFormulaImpliedStdDevLiRS(*terms, 0.0, ql.nullDouble(), 1.0, 1e-13, 100)
        assert ours[row] == pytest.approx(theirs, rel=1e-9)


def test_at_the_money_the_inverse_is_closed() -> None:
    """``b = 2 N(s/2) − 1``: Brenner and Subrahmanyam's √(2π) b for a small one."""
    price = np.array([1e-8, 1e-6, 1e-4])
    found = implied_volatility(price, 1.0, 1.0, 1.0, 1)
    assert found.volatility == pytest.approx(np.sqrt(2.0 * np.pi) * price * (1.0 + np.pi * price**2 / 12.0), rel=1e-14)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"price": 4.9, "forward": 105.0}, Status.BELOW_INTRINSIC),
        ({"price": -1.0}, Status.BELOW_INTRINSIC),
        ({"price": 5.0, "forward": 105.0}, Status.NO_TIME_VALUE),
        ({"price": 5.0 + 2e-14, "forward": 105.0}, Status.NO_TIME_VALUE),
        ({"price": 0.0}, Status.NO_TIME_VALUE),
        ({"price": 0.0, "strike": 120.0}, Status.NO_TIME_VALUE),
        ({"price": 1e-320, "strike": 120.0}, Status.NO_TIME_VALUE),
        ({"price": 106.0, "forward": 105.0}, Status.ABOVE_MAXIMUM),
        ({"price": 100.0}, Status.ABOVE_MAXIMUM),
        ({"price": 100.0, "right": -1}, Status.ABOVE_MAXIMUM),
        ({"price": 99.0, "discount": 0.9}, Status.ABOVE_MAXIMUM),
        ({"price": 99.9999}, Status.ABOVE_LIMIT),
        ({"time_to_expiry": 0.0}, Status.EXPIRED),
        ({"time_to_expiry": -1.0, "price": 200.0}, Status.EXPIRED),
        ({"price": float("nan")}, Status.BAD_INPUT),
        ({"price": float("inf")}, Status.BAD_INPUT),
        ({"forward": 0.0}, Status.BAD_INPUT),
        ({"forward": float("inf")}, Status.BAD_INPUT),
        ({"forward": -5.0}, Status.BAD_INPUT),
        ({"forward": float("nan")}, Status.BAD_INPUT),
        ({"strike": 0.0}, Status.BAD_INPUT),
        ({"strike": float("nan")}, Status.BAD_INPUT),
        ({"strike": 1e-305}, Status.BAD_INPUT),
        ({"time_to_expiry": float("nan")}, Status.BAD_INPUT),
        ({"time_to_expiry": float("inf")}, Status.BAD_INPUT),
        ({"right": 0}, Status.BAD_INPUT),
        ({"right": float("nan")}, Status.BAD_INPUT),
        ({"discount": 0.0}, Status.BAD_INPUT),
        ({"discount": float("nan")}, Status.BAD_INPUT),
        ({"discount": float("inf")}, Status.BAD_INPUT),
    ],
)
def test_a_price_without_a_volatility_has_a_status_and_leaves_its_neighbours_alone(
    changes: dict[str, float], status: Status
) -> None:
    good: dict[str, Any] = {"price": 8.0, "forward": 100.0, "strike": 100.0, "time_to_expiry": 0.5, "right": 1.0}
    good["discount"] = 1.0
    columns = {name: np.array([value, changes.get(name, value), value]) for name, value in good.items()}
    found = implied_volatility(**columns)
    alone = implied_volatility(**good)
    assert found.status.tolist() == [Status.OK, status, Status.OK]
    assert found.volatility.tolist() == [float(alone.volatility), 0.0, float(alone.volatility)]
    assert found.ok.tolist() == [True, False, True]


def test_inputs_broadcast_and_may_be_empty() -> None:
    found = implied_volatility(5.0, 100.0, np.array([[95.0], [105.0]]), [0.25, 0.5, 1.0], 1)
    assert found.volatility.shape == found.status.shape == (2, 3)
    assert found.volatility[1, 2] == float(implied_volatility(5.0, 100.0, 105.0, 1.0, 1).volatility)
    assert implied_volatility([], 100.0, 100.0, 1.0, 1).volatility.shape == (0,)


def test_a_chain_longer_than_a_chunk_is_inverted_whole() -> None:
    count = 40_000
    volatility = np.linspace(0.2, 1.2, count)
    price = black_price(100.0, 110.0, 0.5, volatility, 1)
    found = implied_volatility(price, 100.0, 110.0, 0.5, 1)
    assert found.ok.all()
    np.testing.assert_allclose(found.volatility, volatility, rtol=1e-12)


def test_everywhere_a_volatility_or_a_status() -> None:
    """Every price between the bounds, at every distance: never NaN, and b(s) gives the price back."""
    share = np.concatenate(
        [10.0 ** np.arange(-300, 0, 7.0), np.linspace(0.11, 0.999, 40), 1.0 - 10.0 ** -np.arange(4, 16.0)]
    )
    moneyness = np.concatenate([[0.0], 10.0 ** np.arange(-16, 2.7, 0.5)])[:, None]
    strike = np.exp(moneyness)
    found = implied_volatility(share, 1.0, strike, 1.0, 1)
    assert np.isfinite(found.volatility).all()
    representable = share / np.sqrt(strike) > 1e-307
    assert set(np.unique(found.status[representable]).tolist()) == {Status.OK, Status.ABOVE_LIMIT}
    assert set(np.unique(found.status[~representable]).tolist()) == {Status.NO_TIME_VALUE}
    ok = found.ok & (share > 1e-12) & (moneyness < 20.0)
    assert ok.sum() > 500
    back = black_price(1.0, strike, 1.0, np.where(ok, found.volatility, 1.0), 1)
    np.testing.assert_allclose(back[ok], np.broadcast_to(share, ok.shape)[ok], rtol=1e-13, atol=3e-15)
