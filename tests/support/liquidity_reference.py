"""Slow, clear references of what liquidity bears: loops over levels, integrals over prices, bisection, raw integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from scipy.integrate import quad

from services.liquidity.concentrated import ConcentratedPool


class Walked(NamedTuple):
    """Filled size, average and worst price."""

    filled: float
    average: float
    worst: float


def walk_by_loop(levels: Sequence[Sequence[float]], quantity: float, *, inverse: bool = False) -> Walked:
    """Take level after level until the size is filled or the book ends; quantity > 0."""
    filled, paid, coins, worst = 0.0, 0.0, 0.0, float(levels[0][0])
    for price, size in levels:
        taken = min(quantity - filled, size)
        if taken <= 0.0:
            break
        filled, paid, coins, worst = filled + taken, paid + taken * price, coins + taken / price, float(price)
    return Walked(filled, filled / coins if inverse else paid / filled, worst)


def largest_by_bisection(slippage: Callable[[float], float], limit: float, most: float) -> float:
    """Largest size in [0, most] whose slippage, which rises with the size, is within the limit."""
    low, high = 0.0, most
    if slippage(most) <= limit:
        return most
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if slippage(middle) <= limit else (low, middle)
    return low


def liquidity_at(pool: ConcentratedPool, price: float) -> float:
    """Active liquidity at a price, by crossing the ticks between it and the pool's price one by one."""
    liquidity = pool.liquidity
    for root, net in zip(pool.tick_roots.tolist(), pool.net_liquidity.tolist(), strict=True):
        if pool.root_price < root <= price**0.5:
            liquidity += net
        elif price**0.5 < root <= pool.root_price:
            liquidity -= net
    return liquidity


def exchanged_by_integral(pool: ConcentratedPool, end_price: float) -> tuple[float, float]:
    """Base and quote exchanged between the pool's price and another: ∫ L / (2 P^1.5) dP and ∫ L / (2 P^0.5) dP."""
    low, high = sorted((pool.root_price**2, end_price))
    cuts = [low, *(root**2 for root in pool.tick_roots.tolist() if low < root**2 < high), high]
    base = quote = 0.0
    for start, end in pairwise(cuts):
        liquidity = liquidity_at(pool, 0.5 * (start + end))
        base += quad(lambda p, liquidity=liquidity: liquidity / (2.0 * p**1.5), start, end, epsrel=1e-12)[0]
        quote += quad(lambda p, liquidity=liquidity: liquidity / (2.0 * p**0.5), start, end, epsrel=1e-12)[0]
    return base, quote


Q96 = 1 << 96


def swap_on_chain(
    sqrt_price_x96: int,
    liquidity: int,
    ticks: dict[int, int],
    amount_in: int,
    fee_millionths: int,
    *,
    zero_for_one: bool,
) -> int:
    """Raw output of a raw input, step by step over the ticks in integers, as a Uniswap v3 pool computes it (but for the
    last unit of rounding); the ticks must hold enough.
    """
    left, out, price = amount_in, 0, sqrt_price_x96
    roots = sorted((int(1.0001 ** (tick / 2) * Q96), net) for tick, net in ticks.items())
    path = (
        [item for item in reversed(roots) if item[0] <= price] if zero_for_one else [i for i in roots if i[0] > price]
    )
    for root, net in path:
        usable = left * (1_000_000 - fee_millionths) // 1_000_000
        if zero_for_one:
            needed = (liquidity * Q96 * (price - root)) // (root * price)
        else:
            needed = liquidity * (root - price) // Q96
        if usable < needed:
            if zero_for_one:
                after = liquidity * Q96 * price // (liquidity * Q96 + usable * price)
                return out + liquidity * (price - after) // Q96
            after = price + usable * Q96 // liquidity
            return out + (liquidity * Q96 * (after - price)) // (after * price)
        out += (
            liquidity * (price - root) // Q96 if zero_for_one else (liquidity * Q96 * (root - price)) // (root * price)
        )
        left -= needed * 1_000_000 // (1_000_000 - fee_millionths)
        liquidity += -net if zero_for_one else net
        price = root
    raise AssertionError("the ticks hold too little")
