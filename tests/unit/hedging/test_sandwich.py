"""Sandwich bounds against a search over swaps of the pools themselves."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from services.core.errors import InvalidInput
from services.hedging.sandwich import PoolSide
from services.liquidity.concentrated import ConcentratedPool
from services.liquidity.constant_product import ConstantProductPool
from services.liquidity.depth import Side

BASE, QUOTE = 1_000.0, 2_000_000.0
Pool = ConstantProductPool | ConcentratedPool


def constant(fee: float) -> ConstantProductPool:
    return ConstantProductPool(base_reserve=BASE, quote_reserve=QUOTE, fee=fee)


def ranged(fee: float, width: float = 10.0) -> ConcentratedPool:
    """One range around the price, whose virtual reserves are those of `constant`."""
    root, liquidity = math.sqrt(QUOTE / BASE), math.sqrt(BASE * QUOTE)
    ticks = np.array([root / width, root * width])
    nets = np.array([liquidity, -liquidity])
    return ConcentratedPool(root_price=root, liquidity=liquidity, tick_roots=ticks, net_liquidity=nets, fee=fee)


def swapped(pool: Pool, side: Side, amount: float) -> tuple[Pool, float]:
    """The pool after an amount was paid in, and what it gave."""
    got = pool.output(side, amount)
    if isinstance(pool, ConstantProductPool):
        base, quote = (-got, amount) if side is Side.BUY else (amount, -got)
        after: Pool = ConstantProductPool(
            base_reserve=pool.base_reserve + base, quote_reserve=pool.quote_reserve + quote, fee=pool.fee
        )
        return after, got
    net = amount * (1.0 - pool.fee)
    step = net / pool.liquidity
    root = pool.root_price + step if side is Side.BUY else 1.0 / (1.0 / pool.root_price + step)
    return ConcentratedPool(
        root_price=root,
        liquidity=pool.liquidity,
        tick_roots=pool.tick_roots,
        net_liquidity=pool.net_liquidity,
        fee=pool.fee,
    ), got


def sandwiched(pool: Pool, side: Side, amount: float, front_run: float) -> tuple[float, float]:
    """(what the attacker is left with, what the victim gets), swap by swap."""
    first, taken = swapped(pool, side, front_run)
    second, got = swapped(first, side, amount)
    _, back = swapped(second, Side(-side), taken)
    return back - front_run, got


def searched(pool: Pool, side: Side, amount: float, limit: float) -> float:
    """The attacker's best profit by trying front-runs, the victim's swap going through."""
    paid = QUOTE if side is Side.BUY else BASE
    _, quoted = sandwiched(pool, side, amount, 0.0)

    def loss(front_run: float) -> float:
        profit, got = sandwiched(pool, side, amount, front_run)
        return -profit if got >= quoted * (1.0 - limit) else 1e30

    tried = np.concatenate([[0.0], np.geomspace(1e-7, 8.0, 120) * paid])
    losses = [loss(float(front_run)) for front_run in tried]
    place = int(np.argmin(losses))
    around = (tried[max(place - 1, 0)], tried[min(place + 1, len(tried) - 1)])
    fine = minimize_scalar(loss, bounds=around, method="bounded", options={"xatol": 1e-10 * paid})
    return float(-min(fine.fun, losses[place]))


CASES = list(product((constant, ranged), Side, (0.0, 0.003, 0.03), (0.002, 0.04, 0.5), (0.003, 0.05)))


@pytest.mark.parametrize(("make", "side", "fee", "size", "limit"), CASES)
def test_no_front_run_takes_more(make: type[Pool], side: Side, fee: float, size: float, limit: float) -> None:
    pool: Pool = make(fee)
    paid = QUOTE if side is Side.BUY else BASE
    amount = size * paid
    found = PoolSide.of(pool, side).attack(amount, limit)
    assert found is not None
    best = searched(pool, side, amount, limit)
    assert found.profit >= best - 1e-9 * paid
    # and the bound is reached by its front-run, with the victim's swap still going through
    profit, got = sandwiched(pool, side, amount, found.front_run)
    assert profit == pytest.approx(found.profit, abs=1e-9 * paid)
    assert got >= PoolSide.of(pool, side).quoted(amount) * (1.0 - limit) * (1.0 - 1e-9)
    assert found.profit == pytest.approx(best, rel=1e-3, abs=1e-8 * paid)


@pytest.mark.parametrize("make", [constant, ranged])
@pytest.mark.parametrize("fee", [0.0005, 0.003, 0.03])
def test_a_swap_smaller_than_two_fees_cost_is_never_attacked(make: type[Pool], fee: float) -> None:
    pool: Pool = make(fee)
    side = PoolSide.of(pool, Side.BUY)
    never = side.largest_safe(0.9, 0.0)
    assert never is not None and 0.9 * fee < never / QUOTE < 1.2 * fee
    for share, pays in ((0.999, False), (1.01, True)):
        found = side.attack(never * share, 0.9)
        assert found is not None and (found.profit > 0.0) is pays
        tried = [sandwiched(pool, Side.BUY, never * share, f)[0] for f in np.geomspace(1e-9, 1e-1, 100) * QUOTE]
        assert bool(max(tried) > 0.0) is pays


@pytest.mark.parametrize("make", [constant, ranged])
@pytest.mark.parametrize("cost", [0.5, 20.0, 900.0])
def test_the_safe_limit_and_the_safe_swap_are_where_the_attack_breaks_even(make: type[Pool], cost: float) -> None:
    side = PoolSide.of(make(0.003), Side.BUY)
    amount = 0.05 * QUOTE
    limit = side.safe_slippage(amount, cost)
    assert limit is not None and 0.0 < limit < 1.0
    assert searched(make(0.003), Side.BUY, amount, limit) == pytest.approx(cost, rel=1e-3)
    largest = side.largest_safe(0.01, cost)
    assert largest is not None
    assert searched(make(0.003), Side.BUY, largest, 0.01) <= cost * (1 + 1e-6)
    assert searched(make(0.003), Side.BUY, largest * 1.01, 0.01) > cost


def test_limits() -> None:
    side = PoolSide.of(constant(0.003), Side.SELL)
    assert side.attack(50.0, 0.0) == (0.0, 0.0)
    assert side.safe_slippage(50.0, 0.0) == 0.0 and side.safe_slippage(1.0, 0.0) == 1.0
    assert side.safe_slippage(50.0, 1e9) == 1.0
    assert side.largest_safe(0.0, 0.0, most=7.0) == 7.0
    assert side.largest_safe(0.01, 5.0, most=3.5) == 3.5
    assert side.largest_safe(0.01, 1e12) == pytest.approx(1e6 * BASE)
    assert PoolSide.of(constant(0.0), Side.SELL).largest_safe(0.01, 0.0) == 0.0
    poor, rich = side.attack(50.0, 0.05, capital=1.0), side.attack(50.0, 0.05)
    assert poor is not None and rich is not None and poor.front_run <= 1.0 < rich.front_run
    assert poor.profit < rich.profit
    assert side.needed(side.quoted(7.0)) == pytest.approx(7.0) and side.needed(QUOTE) == math.inf


def test_nothing_is_said_beyond_the_range() -> None:
    side = PoolSide.of(ranged(0.003, width=1.01), Side.BUY)
    assert side.attack(0.5 * QUOTE, 0.01) is None
    assert side.attack(0.001 * QUOTE, 0.9) is None
    assert side.safe_slippage(0.5 * QUOTE, 1.0) is None
    assert side.safe_slippage(0.009 * QUOTE, 1e5) == 1.0
    assert side.largest_safe(0.9, 5.0) is None
    # where all of the range is less than two fees cost, a front-run would still leave it
    assert PoolSide.of(ranged(0.003, width=1.002), Side.BUY).largest_safe(0.01, 0.0) is None
    assert PoolSide.of(ranged(0.003, width=1.002), Side.BUY).largest_safe(0.0, 0.0) is not None
    # where the range holds the answer, it is that of a pool without an end
    for limit in (0.002, 0.004, 0.008):
        found, wide = (PoolSide.of(ranged(0.003, width), Side.BUY).largest_safe(limit, 5.0) for width in (1.01, 10.0))
        assert found is not None and found == pytest.approx(wide)


def test_mistakes_are_named() -> None:
    empty = ConcentratedPool(root_price=1.0, liquidity=1.0, tick_roots=np.empty(0), net_liquidity=np.empty(0))
    with pytest.raises(InvalidInput, match="liquidity"):
        PoolSide.of(empty, Side.BUY)
    side = PoolSide.of(constant(0.003), Side.BUY)
    with pytest.raises(InvalidInput, match="amount"):
        side.attack(0.0, 0.01)
    with pytest.raises(InvalidInput, match="slippage_limit"):
        side.attack(1.0, 1.0)
    with pytest.raises(InvalidInput, match="attacker_cost"):
        side.safe_slippage(1.0, -1.0)
    with pytest.raises(InvalidInput, match="paid_in"):
        PoolSide(paid_in=0.0, bought=1.0, fee=0.0)
