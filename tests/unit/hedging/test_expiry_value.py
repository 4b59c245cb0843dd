"""Values at expiry, against accounts that are kept coin by coin."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from services.hedging.expiry_value import SHOCKS, ExpiryPosition

PUT_IN_COIN = ExpiryPosition(coins=9.6, cash=0.0, sizes=(10.0,), strikes=(54_000.0,), rights=(-1.0,))
COLLAR = ExpiryPosition(coins=10.0, cash=-500.0, sizes=(8.0, -8.0), strikes=(54_000.0, 66_000.0), rights=(-1.0, 1.0))
SPREAD = ExpiryPosition(coins=9.9, cash=0.0, sizes=(10.0, -10.0), strikes=(54_000.0, 45_000.0), rights=(-1.0, -1.0))


def test_a_coin_account_says_the_same() -> None:
    """Ten coins less 0.4 of premium; a coin-settled put pays K/S − 1 coin."""
    for price in (1.0, 20_000.0, 53_999.0, 54_000.0, 80_000.0):
        coins = 10.0 - 0.4 + 10.0 * max(54_000.0 / price - 1.0, 0.0)
        assert float(PUT_IN_COIN.value(np.array([price]))[0]) == pytest.approx(coins * price)


@pytest.mark.parametrize("position", [PUT_IN_COIN, COLLAR, SPREAD])
def test_the_floor_is_the_least_value(position: ExpiryPosition) -> None:
    floor, price = position.floor()
    grid = np.linspace(0.0, 300_000.0, 60_001)
    assert floor == pytest.approx(float(position.value(grid).min()))
    assert float(position.value(np.array([price]))[0]) == floor


def test_a_full_hedge_in_coin_is_least_at_the_strike() -> None:
    """Below it the put gains more than the coin loses: the premium is in coin."""
    assert PUT_IN_COIN.floor() == (9.6 * 54_000.0, 54_000.0)


def test_a_naked_call_has_no_floor() -> None:
    naked = ExpiryPosition(coins=1.0, cash=0.0, sizes=(-2.0,), strikes=(100.0,), rights=(1.0,))
    assert naked.floor() == (-np.inf, np.inf)


@pytest.mark.parametrize("level", [100_000.0, 400_000.0, 560_000.0])
@pytest.mark.parametrize("position", [SPREAD, COLLAR])
def test_the_crossing_is_a_root(position: ExpiryPosition, level: float) -> None:
    found = position.crossing(level, rising=True)
    start = float(position.value(np.array([0.0]))[0])
    if start >= level:
        assert found is None
        return
    assert found is not None
    root = brentq(lambda price: float(position.value(np.array([price]))[0]) - level, 0.0, found * 1.001 + 1.0)
    assert found == pytest.approx(root, rel=1e-6)
    assert (
        minimize_scalar(
            lambda price: -float(position.value(np.array([price]))[0]), bounds=(0.0, 0.999 * found), method="bounded"
        ).fun
        > -level
    )


def test_a_level_that_is_never_reached_has_no_crossing() -> None:
    short = ExpiryPosition(coins=0.0, cash=50.0, sizes=(-1.0,), strikes=(100.0,), rights=(-1.0,))
    assert short.crossing(50.1, rising=True) is None
    assert short.crossing(20.0, rising=True) == 70.0
    useless = ExpiryPosition(coins=0.0, cash=-20.0, sizes=(1.0, -1.0), strikes=(100.0, 90.0), rights=(-1.0, -1.0))
    assert useless.crossing(0.0, rising=False) is None


def test_the_table_has_the_shocks_of_the_method_too() -> None:
    rows = COLLAR.payoffs(60_000.0, (10.0, 0.0), (-0.35, -0.3))
    assert [row.shock for row in rows] == sorted({*SHOCKS, -0.35})
    assert all(row.without == pytest.approx(10.0 * row.price) for row in rows)
    assert [row.with_options for row in rows] == pytest.approx(
        [float(COLLAR.value(np.array([row.price]))[0]) for row in rows]
    )
