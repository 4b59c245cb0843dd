"""Provided liquidity as a book to hedge: closed forms, finite differences, bounds of the range."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from services.core.errors import InvalidInput
from services.liquidity.concentrated import ConcentratedPool
from services.liquidity.constant_product import ConstantProductPool
from services.liquidity.depth import Side
from services.liquidity.positions import LiquidityPosition, RangeState

FULL = LiquidityPosition.from_reserves(base=12.0, quote=24_000.0)
NARROW = LiquidityPosition(liquidity=900.0, lower=1_500.0, upper=2_600.0)
PRICES = np.array([700.0, 1_490.0, 1_700.0, 2_000.0, 2_450.0, 2_610.0, 6_000.0])


def test_a_constant_product_position_is_worth_twice_the_root_of_its_product() -> None:
    constant = 12.0 * 24_000.0
    np.testing.assert_allclose(FULL.value(PRICES), 2.0 * np.sqrt(constant * PRICES), rtol=1e-14)
    np.testing.assert_allclose(FULL.base(PRICES), np.sqrt(constant / PRICES), rtol=1e-14)
    np.testing.assert_allclose(FULL.base(PRICES) * FULL.quote(PRICES), constant, rtol=1e-14)
    np.testing.assert_allclose(FULL.gamma(PRICES), -0.5 * np.sqrt(constant) * PRICES**-1.5, rtol=1e-14)


@pytest.mark.parametrize("position", [FULL, NARROW], ids=["full", "narrow"])
def test_delta_and_gamma_are_derivatives_of_the_value(position: LiquidityPosition) -> None:
    bump = 1e-3
    up, down, here = (position.value(PRICES + step) for step in (bump, -bump, 0.0))
    np.testing.assert_allclose(position.delta(PRICES), (up - down) / (2 * bump), rtol=1e-7, atol=1e-9)
    wide = 1.0
    up, down = (position.value(PRICES + step) for step in (wide, -wide))
    np.testing.assert_allclose(position.gamma(PRICES), (up - 2 * here + down) / wide**2, rtol=1e-5, atol=1e-12)


def test_out_of_range_it_is_all_base_or_all_quote_and_has_no_gamma() -> None:
    below, above = 1_000.0, 5_000.0
    all_base = 900.0 * (1500.0**-0.5 - 2600.0**-0.5)
    assert (float(NARROW.base(below)), float(NARROW.quote(below))) == (pytest.approx(all_base), 0.0)
    assert float(NARROW.base(above)) == 0.0
    assert float(NARROW.quote(above)) == pytest.approx(900.0 * (2600.0**0.5 - 1500.0**0.5))
    assert NARROW.gamma([below, above]).tolist() == [0.0, 0.0]
    assert [NARROW.state(price) for price in (1_500.0, 2_000.0, 2_600.0)] == [
        RangeState.BELOW,
        RangeState.WITHIN,
        RangeState.ABOVE,
    ]


def test_value_and_delta_are_continuous_at_the_bounds() -> None:
    for edge in (1_500.0, 2_600.0):
        low, high = edge * (1 - 1e-9), edge * (1 + 1e-9)
        assert float(NARROW.value(low)) == pytest.approx(float(NARROW.value(high)), rel=1e-8)
        assert float(NARROW.delta(low)) == pytest.approx(float(NARROW.delta(high)), abs=1e-7)


def test_impermanent_loss_has_the_textbook_form() -> None:
    entry = 2_000.0
    ratio = PRICES / entry
    loss = FULL.impermanent_loss(PRICES, entry_price=entry)
    np.testing.assert_allclose(loss / FULL.held(PRICES, entry_price=entry), 2 * np.sqrt(ratio) / (1 + ratio) - 1, 1e-12)
    expected = -((np.sqrt(ratio) - 1) ** 2) * float(FULL.value(entry)) / 2
    np.testing.assert_allclose(loss, expected, rtol=1e-10)
    doubled = FULL.impermanent_loss(2 * entry, entry_price=entry) / FULL.held(2 * entry, entry_price=entry)
    assert float(doubled) == pytest.approx(2 * math.sqrt(2) / 3 - 1)


def test_a_narrow_range_loses_more_than_a_full_one_of_the_same_value_and_never_gains() -> None:
    entry = 2_000.0
    scale = float(NARROW.value(entry)) / float(FULL.value(entry))
    narrow, full = (item.impermanent_loss(PRICES, entry_price=entry) for item in (NARROW, FULL))
    moved = entry != PRICES
    assert (narrow <= 0.0).all()
    assert (narrow[moved] < scale * full[moved]).all()
    assert float(narrow[~moved][0]) == 0.0


def test_impermanent_loss_is_the_integral_of_gamma() -> None:
    """V(P) - V(P0) - base(P0)(P - P0) = ∫ (P - u) Γ(u) du: Taylor with its remainder."""
    entry, end = 1_800.0, 2_400.0
    found, _ = quad(lambda price: (end - price) * float(NARROW.gamma(price)), entry, end)
    assert float(NARROW.impermanent_loss(end, entry_price=entry)) == pytest.approx(found, rel=1e-9)


def test_loss_versus_rebalancing_is_an_eighth_of_variance_times_value_without_a_range() -> None:
    found = FULL.loss_versus_rebalancing(PRICES, volatility=0.8)
    np.testing.assert_allclose(found, 0.8**2 / 8 * FULL.value(PRICES), rtol=1e-12)
    assert float(NARROW.loss_versus_rebalancing(3_000.0, volatility=0.8)) == 0.0


def test_rebalancing_loss_is_what_a_simulated_delta_hedge_loses() -> None:
    """Hedged in small steps, a position loses ½ σ² P² |Γ| dt on average."""
    rng, steps, paths, sigma, horizon = np.random.default_rng(5), 100, 4_000, 0.5, 0.02
    step = sigma * math.sqrt(horizon / steps)
    moves = np.exp(step * rng.standard_normal((paths, steps)) - 0.5 * step**2)
    price = 2_000.0 * np.cumprod(np.concatenate([np.ones((paths, 1)), moves], axis=1), axis=1)
    hedge = (FULL.delta(price[:, :-1]) * np.diff(price, axis=1)).sum(axis=1)
    lost = hedge - (FULL.value(price[:, -1]) - FULL.value(price[:, 0]))
    expected = FULL.loss_versus_rebalancing(price[:, :-1], volatility=sigma).mean(axis=1) * horizon
    error = lost - expected
    assert abs(error.mean()) < 4 * error.std() / math.sqrt(paths)
    assert error.std() / math.sqrt(paths) < 0.01 * expected.mean()


def test_what_a_pool_exchanges_is_what_its_only_provider_holds() -> None:
    pool = ConstantProductPool(base_reserve=12.0, quote_reserve=24_000.0, fee=0.0)
    after = pool.after(Side.BUY, 3.0)
    assert float(FULL.base(after.mid)) == pytest.approx(after.base_reserve)
    assert float(FULL.quote(after.mid)) == pytest.approx(after.quote_reserve)
    roots = np.sqrt([1_500.0, 2_600.0])
    ranged = ConcentratedPool(
        root_price=math.sqrt(2_000.0), liquidity=900.0, tick_roots=roots, net_liquidity=np.array([900.0, -900.0]), fee=0
    )
    fill = ranged.walk(Side.SELL, 1.0)
    assert fill is not None
    gained = float(NARROW.base(float(fill.worst_price)) - NARROW.base(2_000.0))
    assert gained == pytest.approx(1.0)
    paid = float(NARROW.quote(2_000.0) - NARROW.quote(float(fill.worst_price)))
    assert paid == pytest.approx(float(fill.average_price))


def test_bad_positions_are_named() -> None:
    with pytest.raises(InvalidInput, match="upper must lie above lower"):
        LiquidityPosition(liquidity=1.0, lower=2.0, upper=2.0)
    with pytest.raises(InvalidInput, match="liquidity must be finite and >= 0"):
        LiquidityPosition(liquidity=-1.0)
    with pytest.raises(InvalidInput, match="price must be finite and > 0"):
        FULL.value([1.0, 0.0])
