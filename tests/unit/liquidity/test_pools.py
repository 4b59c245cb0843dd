"""Pools: closed forms against the invariant, against integrals and bisection, and against integers as on a chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.liquidity.concentrated import ConcentratedPool
from services.liquidity.constant_product import ConstantProductPool
from services.liquidity.depth import DepthState, Side
from tests.support.liquidity_reference import exchanged_by_integral, largest_by_bisection, swap_on_chain

POOL = ConstantProductPool(base_reserve=1000.0, quote_reserve=2_000_000.0, fee=0.003)


def layered(fee: float = 0.003, **changes: Any) -> ConcentratedPool:
    """Three positions: wide, narrow around the price, and one above a gap without liquidity."""
    roots = np.array([30.0, 40.0, 42.0, 50.0, 60.0, 70.0])
    nets = np.array([1000.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    nets[1] += 5000.0
    nets[2] -= 5000.0
    nets[3] -= 1000.0
    nets[4] += 800.0
    nets[5] -= 800.0
    fields: dict[str, Any] = {
        "root_price": 41.0,
        "liquidity": 6000.0,
        "tick_roots": roots,
        "net_liquidity": nets,
        "fee": fee,
    }
    return ConcentratedPool(**{**fields, **changes})


class TestConstantProduct:
    def test_without_fee_the_product_stays(self) -> None:
        free = ConstantProductPool(base_reserve=1000.0, quote_reserve=2_000_000.0, fee=0.0)
        after = free.after(Side.BUY, 37.0)
        assert after.base_reserve == 963.0
        assert after.base_reserve * after.quote_reserve == pytest.approx(2e9)
        assert float(free.walk(Side.BUY, 37.0).worst_price) == pytest.approx(after.mid)

    @pytest.mark.parametrize("side", Side)
    def test_with_fee_it_grows(self, side: Side) -> None:
        after = POOL.after(side, 100.0)
        assert after.base_reserve * after.quote_reserve > 2e9 * (1 + 1e-6)
        assert float(POOL.walk(side, 100.0).worst_price) == pytest.approx(after.mid)

    def test_output_and_walk_are_the_same_trade(self) -> None:
        bought = POOL.output(Side.BUY, 50_000.0)
        assert float(POOL.walk(Side.BUY, bought).average_price) * bought == pytest.approx(50_000.0)
        assert POOL.output(Side.SELL, 30.0) == pytest.approx(30.0 * float(POOL.walk(Side.SELL, 30.0).average_price))

    @pytest.mark.parametrize("side", Side)
    @pytest.mark.parametrize("limit", [0.0031, 0.01, 0.2])
    def test_largest_is_where_the_limit_is_met(self, side: Side, limit: float) -> None:
        exact = largest_by_bisection(lambda size: float(POOL.walk(side, size).slippage), limit, 999.0)
        assert POOL.largest_within_slippage(side, limit) == pytest.approx(exact, rel=1e-9)

    @pytest.mark.parametrize("side", Side)
    def test_a_fee_beyond_the_limit_leaves_nothing(self, side: Side) -> None:
        assert POOL.largest_within_slippage(side, 0.0029) == 0.0

    @pytest.mark.parametrize("side", Side)
    @pytest.mark.parametrize("distance", [0.001, 0.05, 0.5])
    def test_depth_moves_the_price_by_the_distance(self, side: Side, distance: float) -> None:
        free = ConstantProductPool(base_reserve=1000.0, quote_reserve=2_000_000.0, fee=0.0)
        fill = free.walk(side, free.depth_within(side, distance))
        assert float(fill.price_impact) == pytest.approx(distance)

    def test_limits_without_end_stay_finite(self) -> None:
        for size in (POOL.largest_within_slippage(Side.SELL, 5.0), POOL.depth_within(Side.SELL, 5.0)):
            assert np.isfinite(size)
        assert POOL.largest_within_slippage(Side.BUY, 1e12) < POOL.base_reserve
        assert np.isfinite(POOL.walk(Side.BUY, 1e9).average_price)
        assert float(POOL.walk(Side.BUY, 1e9).filled) < POOL.base_reserve

    @pytest.mark.parametrize(
        ("field", "value"),
        [("base_reserve", 0.0), ("quote_reserve", -1.0), ("quote_reserve", np.nan), ("fee", 1.0), ("fee", -0.1)],
    )
    def test_refuses_by_name(self, field: str, value: float) -> None:
        with pytest.raises(InvalidInput, match=f"^{field} "):
            ConstantProductPool(**{"base_reserve": 1.0, "quote_reserve": 1.0, "fee": 0.0, field: value})


class TestConcentrated:
    @pytest.mark.parametrize("fee", [0.0, 0.003])
    @pytest.mark.parametrize("side", Side)
    def test_over_the_full_range_it_is_a_constant_product(self, side: Side, fee: float) -> None:
        """Reserves x, y give L = √(xy) and √P = √(y/x) (whitepaper eq. 6.3 and 6.4)."""
        product = ConstantProductPool(base_reserve=1000.0, quote_reserve=2_000_000.0, fee=fee)
        liquidity = np.sqrt(1000.0 * 2_000_000.0)
        full = ConcentratedPool(
            root_price=np.sqrt(2000.0),
            liquidity=liquidity,
            tick_roots=np.array([1e-12, 1e12]),
            net_liquidity=np.array([liquidity, -liquidity]),
            fee=fee,
        )
        sizes = np.array([0.0, 1e-6, 1.0, 30.0, 500.0])
        fill, same = full.walk(side, sizes), product.walk(side, sizes)
        assert fill is not None
        np.testing.assert_allclose(fill.average_price, same.average_price, rtol=1e-9)
        for limit in (0.0001, 0.004, 0.02, 0.3):
            expected = product.largest_within_slippage(side, limit)
            assert full.largest_within_slippage(side, limit) == pytest.approx(expected, rel=1e-9)
            assert full.depth_within(side, limit) == pytest.approx(product.depth_within(side, limit), rel=1e-9)
        for amount in (1.0, 400.0):
            assert full.output(side, amount) == pytest.approx(product.output(side, amount), rel=1e-9)

    @pytest.mark.parametrize("end", [31.0**2, 40.5**2, 41.5**2, 48.0**2, 65.0**2])
    def test_what_is_exchanged_is_the_integral_of_liquidity_over_prices(self, end: float) -> None:
        pool = layered(fee=0.0)
        base, quote = exchanged_by_integral(pool, end)
        side = Side.BUY if end > pool.mid else Side.SELL
        fill = pool.walk(side, base)
        assert fill is not None
        assert float(fill.worst_price) == pytest.approx(end, rel=1e-9)
        assert float(fill.average_price) == pytest.approx(quote / base, rel=1e-9)
        assert pool.depth_within(side, abs(end / pool.mid - 1.0)) == pytest.approx(base, rel=1e-9)

    @pytest.mark.parametrize("side", Side)
    @pytest.mark.parametrize("limit", [0.004, 0.02, 0.06, 0.3, 0.6, 2.0])
    def test_largest_is_where_the_limit_is_met(self, side: Side, limit: float) -> None:
        pool = layered()
        whole = pool.walk(side, 1e9)
        assert whole is not None

        def slippage(size: float) -> float:
            fill = pool.walk(side, size)
            assert fill is not None
            return float(fill.slippage)

        exact = largest_by_bisection(slippage, limit, float(whole.filled))
        assert pool.largest_within_slippage(side, limit) == pytest.approx(exact, rel=1e-8)

    @pytest.mark.parametrize("side", Side)
    def test_a_fee_beyond_the_limit_leaves_nothing(self, side: Side) -> None:
        assert layered().largest_within_slippage(side, 0.0029) == 0.0

    def test_a_gap_without_liquidity_is_jumped(self) -> None:
        """Beyond the root price 50 nothing is offered until 60, where the price goes on."""
        pool = layered(fee=0.0)
        before, _ = exchanged_by_integral(pool, 50.0**2)
        fill = pool.walk(Side.BUY, [before * (1 - 1e-9), before * (1 + 1e-9)])
        assert fill is not None
        assert fill.worst_price.tolist() == pytest.approx([2500.0, 3600.0], rel=1e-6)

    def test_output_and_walk_are_the_same_trade(self) -> None:
        pool = layered()
        bought = pool.output(Side.BUY, 20_000.0)
        fill = pool.walk(Side.BUY, bought)
        assert fill is not None
        assert float(fill.average_price) * bought == pytest.approx(20_000.0, rel=1e-9)
        sold = pool.walk(Side.SELL, 5.0)
        assert sold is not None
        assert pool.output(Side.SELL, 5.0) == pytest.approx(5.0 * float(sold.average_price), rel=1e-9)

    def test_beyond_the_last_tick_nothing_is_counted(self) -> None:
        pool = layered()
        whole, _ = exchanged_by_integral(pool, 70.0**2)
        fill = pool.walk(Side.BUY, 1e12)
        assert fill is not None
        assert float(fill.filled) == pytest.approx(whole)
        assert pool.largest_within_slippage(Side.BUY, 1e6) == pytest.approx(whole)
        assert pool.output(Side.BUY, 1e15) == pytest.approx(whole)
        assert pool.output(Side.SELL, 1e15) == pytest.approx(exchanged_by_integral(pool, 900.0)[1])

    @pytest.mark.parametrize(
        ("roots", "nets", "state"),
        [
            ([], [], DepthState.EMPTY),
            ([9.0], [5.0], DepthState.NO_ASKS),
            ([11.0], [-5.0], DepthState.NO_BIDS),
            ([9.0, 11.0], [5.0, -5.0], DepthState.TWO_SIDED),
        ],
    )
    def test_states(self, roots: list[float], nets: list[float], state: DepthState) -> None:
        pool = ConcentratedPool(
            root_price=10.0, liquidity=5.0, tick_roots=np.array(roots), net_liquidity=np.array(nets)
        )
        assert pool.state is state
        for side in Side:
            there = state is DepthState.TWO_SIDED or state is (
                DepthState.NO_BIDS if side is Side.BUY else DepthState.NO_ASKS
            )
            assert (pool.walk(side, 0.1) is not None) == there
            assert (pool.largest_within_slippage(side, 0.1) > 0.0) == there
            assert (pool.output(side, 0.1) > 0.0) == there
            assert (pool.depth_within(side, 0.1) > 0.0) == there

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"root_price": 0.0}, "root_price must be finite and > 0"),
            ({"liquidity": -1.0}, "liquidity must be finite and >= 0"),
            ({"tick_roots": np.array([30.0, 40.0, 42.0, 41.0, 60.0, 70.0])}, "ticks.3 must lie above"),
            ({"tick_roots": np.array([30.0])}, "ticks must be one root price and one net"),
            ({"net_liquidity": np.full(6, np.nan)}, "ticks must hold finite"),
            ({"liquidity": 10.0}, "ticks must leave the liquidity >= 0"),
        ],
    )
    def test_refuses_by_name(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            layered(**changes)


class TestFromChain:
    """USDC (6 decimals) as token0 and WETH (18) as token1, near 2,000 USDC: raw price 1e18 / (2000 · 1e6)."""

    TICK = 200_311  # 1.0001^200311 / 1e12 is 1 / 2000.05
    TICKS: tuple[tuple[int, int], ...] = (
        (TICK - 6000, 3 * 10**17),
        (TICK - 60, 10**18),
        (TICK + 60, -(10**18)),
        (TICK + 6000, -3 * 10**17),
    )
    ROOT = int(1.0001 ** ((TICK + 0.3) / 2) * 2**96)
    LIQUIDITY = 13 * 10**17

    def pool(self, **changes: Any) -> ConcentratedPool:
        fields: dict[str, Any] = {
            "sqrt_price_x96": self.ROOT,
            "liquidity": self.LIQUIDITY,
            "ticks": self.TICKS,
            "base_is_token0": False,
            "base_decimals": 18,
            "quote_decimals": 6,
            "fee": 0.0005,
        }
        return ConcentratedPool.from_chain(**{**fields, **changes})

    def test_price_is_quote_per_base(self) -> None:
        assert self.pool().mid == pytest.approx(1e12 / 1.0001 ** (self.TICK + 0.3), rel=1e-12)

    @pytest.mark.parametrize("ether", [1.0, 40.0, 900.0])
    def test_sale_as_the_integers_of_the_chain_have_it(self, ether: float) -> None:
        raw = swap_on_chain(self.ROOT, self.LIQUIDITY, dict(self.TICKS), int(ether * 1e18), 500, zero_for_one=False)
        assert self.pool().output(Side.SELL, ether) == pytest.approx(raw / 1e6, rel=1e-6)

    @pytest.mark.parametrize("dollars", [1_000.0, 100_000.0, 2_000_000.0])
    def test_buy_as_the_integers_of_the_chain_have_it(self, dollars: float) -> None:
        raw = swap_on_chain(self.ROOT, self.LIQUIDITY, dict(self.TICKS), int(dollars * 1e6), 500, zero_for_one=True)
        assert self.pool().output(Side.BUY, dollars) == pytest.approx(raw / 1e18, rel=1e-6)

    def test_the_other_way_round_the_sides_change_places(self) -> None:
        """The pool seen with USDC as base: buying it with ether is selling ether."""
        mirrored = self.pool(base_is_token0=True, base_decimals=6, quote_decimals=18)
        assert mirrored.output(Side.BUY, 40.0) == pytest.approx(self.pool().output(Side.SELL, 40.0), rel=1e-9)
        assert mirrored.mid * self.pool().mid == pytest.approx(1.0)

    def test_contracts_of_several_base_units(self) -> None:
        assert self.pool(base_per_contract=0.1).largest_within_slippage(Side.BUY, 0.01) == pytest.approx(
            10 * self.pool().largest_within_slippage(Side.BUY, 0.01)
        )

    @pytest.mark.parametrize("base_is_token0", [False, True])
    def test_a_price_on_a_tick_counts_that_tick_once(self, base_is_token0: bool) -> None:
        """The tick at the price is part of the liquidity on a chain, whichever token is the base."""
        on_tick = self.pool(sqrt_price_x96=int(1.0001 ** ((self.TICK - 60) / 2) * 2**96), base_is_token0=base_is_token0)
        up = Side.BUY if base_is_token0 else Side.SELL  # the direction in which the raw price rises
        moved = self.pool(
            sqrt_price_x96=int(1.0001 ** ((self.TICK - 59.999) / 2) * 2**96), base_is_token0=base_is_token0
        )
        for side in (up, Side(-up)):
            assert on_tick.depth_within(side, 0.004) == pytest.approx(moved.depth_within(side, 0.004), rel=1e-3)
