"""What must hold for every market: more size never gets a better price, and a limit is met exactly."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.liquidity.book import OrderBook
from services.liquidity.concentrated import ConcentratedPool
from services.liquidity.constant_product import ConstantProductPool
from services.liquidity.depth import Depth, Side
from services.liquidity.flow import FlowRule, order_flow_imbalance
from services.liquidity.summary import DepthSummary
from services.liquidity.trade_cap import RowLiquidity, TradeLimits
from tests.support.liquidity_reference import walk_by_loop

SIDES = st.sampled_from(list(Side))
LIMITS = st.floats(1e-5, 0.5)
ROUNDING = 1e-9


@st.composite
def order_books(draw: st.DrawFn) -> OrderBook:
    """Two-sided books of 1 to 8 levels a side, with ages, linear or inverse."""
    mid = draw(st.floats(1e-3, 1e6))

    def levels(sign: float) -> np.ndarray:
        gaps = draw(st.lists(st.floats(1e-6, 0.05), min_size=1, max_size=8))
        sizes = draw(st.lists(st.floats(1e-3, 1e6), min_size=len(gaps), max_size=len(gaps)))
        return np.column_stack([mid * (1.0 + sign * np.cumsum(gaps)), sizes])

    bids, asks = levels(-1.0), levels(1.0)
    ages = [np.array(draw(st.lists(st.floats(0, 100), min_size=len(s), max_size=len(s)))) for s in (bids, asks)]
    return OrderBook(bids=bids, asks=asks, bid_ages=ages[0], ask_ages=ages[1], inverse=draw(st.booleans()))


@st.composite
def concentrated_pools(draw: st.DrawFn) -> ConcentratedPool:
    """A wide position under up to three others, in, above or below the price."""
    root = draw(st.floats(1e-2, 1e3))
    positions = [(0.2, 5.0, draw(st.floats(1.0, 1e6)))]
    for _ in range(draw(st.integers(0, 3))):
        low = draw(st.floats(0.3, 2.0))
        positions.append((low, low * draw(st.floats(1.01, 2.0)), draw(st.floats(1.0, 1e7))))
    nets: dict[float, float] = {}
    for low, high, liquidity in positions:
        nets[low] = nets.get(low, 0.0) + liquidity
        nets[high] = nets.get(high, 0.0) - liquidity
    ticks = sorted(nets)
    return ConcentratedPool(
        root_price=root,
        liquidity=sum(nets[tick] for tick in ticks if tick <= 1.0),
        tick_roots=root * np.array(ticks),
        net_liquidity=np.array([nets[tick] for tick in ticks]),
        fee=draw(st.floats(0.0, 0.01)),
    )


@st.composite
def constant_products(draw: st.DrawFn) -> ConstantProductPool:
    return ConstantProductPool(
        base_reserve=draw(st.floats(1.0, 1e9)), quote_reserve=draw(st.floats(1.0, 1e9)), fee=draw(st.floats(0, 0.01))
    )


@st.composite
def summaries(draw: st.DrawFn) -> DepthSummary:
    mid, half = draw(st.floats(1e-3, 1e6)), draw(st.floats(0.0, 0.01))
    return DepthSummary(
        mid=mid,
        spread=2.0 * half * mid,
        depth_bid=draw(st.floats(1e-3, 1e6)),
        depth_ask=draw(st.floats(1e-3, 1e6)),
        distance=half * (1 + ROUNDING) + draw(st.floats(1e-5, 0.05)),
    )


WALKED = st.one_of(order_books(), concentrated_pools(), constant_products())
DEPTHS = st.one_of(WALKED, summaries())


def slippage(market: Any, side: Side, size: float) -> float:
    fill = market.walk(side, size)
    assert fill is not None
    return float(fill.slippage)


def within(market: Any, side: Side, size: float) -> float:
    """Size that can be asked of a market without running out of it."""
    fill = market.walk(side, size)
    assert fill is not None
    return float(fill.filled)


@given(WALKED, SIDES, st.lists(st.floats(0, 1e7), min_size=2, max_size=6))
def test_more_size_never_gets_a_better_price(market: Any, side: Side, sizes: list[float]) -> None:
    fill = market.walk(side, sorted(sizes))
    assert fill is not None
    for column in (fill.filled, side * fill.average_price, side * fill.worst_price):
        for less, more in pairwise(column.tolist()):
            assert more >= less - ROUNDING * abs(less)
    assert (fill.filled <= np.array(sorted(sizes)) * (1 + ROUNDING)).all()
    assert np.isfinite(fill.slippage).all() and np.isfinite(fill.price_impact).all()


@given(WALKED, SIDES, LIMITS)
def test_the_largest_within_a_limit_is_the_boundary(market: Any, side: Side, limit: float) -> None:
    """It keeps to the limit, and a little more, where there is more, breaks it."""
    largest = market.largest_within_slippage(side, limit)
    first = slippage(market, side, 0.0)
    if largest == 0.0:
        assert first >= limit - ROUNDING
        return
    assert slippage(market, side, largest) <= limit + ROUNDING
    more = largest * (1.0 + 1e-3)
    if within(market, side, more) >= more * (1.0 - 1e-6):
        assert slippage(market, side, more) > limit - ROUNDING
        assert slippage(market, side, more) > slippage(market, side, largest) - 1e-12


@given(order_books(), SIDES, st.floats(1e-3, 1e7))
def test_a_walk_is_the_loop_over_levels(book: OrderBook, side: Side, size: float) -> None:
    fill = book.walk(side, size)
    assert fill is not None
    expected = walk_by_loop(book.levels(side).tolist(), size, inverse=book.inverse)
    assert float(fill.filled) == pytest.approx(expected.filled, rel=1e-9)
    assert float(fill.average_price) == pytest.approx(expected.average, rel=1e-9)


@given(DEPTHS, SIDES, LIMITS, LIMITS)
def test_a_looser_limit_never_allows_less(market: Depth, side: Side, one: float, other: float) -> None:
    tight, loose = sorted((one, other))
    for ask in (market.largest_within_slippage, market.depth_within):
        assert 0.0 <= ask(side, tight) <= ask(side, loose) * (1 + ROUNDING) < np.inf


@given(order_books(), SIDES, LIMITS, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_scale_of_sizes_and_currency_of_prices(
    book: OrderBook, side: Side, limit: float, scale: float, currency: float
) -> None:
    """Sizes times k give k times as much; prices in another currency change nothing."""
    other = replace(book, bids=book.bids * [currency, scale], asks=book.asks * [currency, scale])
    for name in ("largest_within_slippage", "depth_within"):
        before, after = (getattr(item, name)(side, limit) for item in (book, other))
        nearby = {getattr(book, name)(side, limit * (1 + sign * 1e-9)) for sign in (-1.0, 1.0)}
        # a limit that lies on a level to the last digit may fall on either side of it
        low, high = min(nearby | {before}) * scale, max(nearby | {before}) * scale
        assert low * (1 - 1e-6) - scale * 1e-9 <= after <= high * (1 + 1e-6) + scale * 1e-9


@given(constant_products(), SIDES, st.floats(1e-6, 0.9))
def test_the_product_of_a_pool_never_falls(pool: ConstantProductPool, side: Side, share: float) -> None:
    after = pool.after(side, share * pool.base_reserve)
    product = pool.base_reserve * pool.quote_reserve
    assert after.base_reserve * after.quote_reserve >= product * (1 - 1e-9)


@given(concentrated_pools(), SIDES, st.floats(1e-4, 1e3))
def test_there_and_back_through_a_pool_never_gains(pool: ConcentratedPool, side: Side, amount: float) -> None:
    """What a trade pays out buys back at most what was paid in: the pool gives no better price the other way."""
    out = pool.output(side, amount)
    fill = pool.walk(Side(-side), out if side is Side.BUY else amount)
    assert fill is not None
    there = amount / out if side is Side.BUY and out else out / amount
    if out and float(fill.filled) >= 0.999999 * (out if side is Side.BUY else amount):
        back = float(fill.average_price)
        assert (back - there) * side <= ROUNDING * there


@given(
    order_books(),
    SIDES,
    st.floats(-1e7, 1e7),
    st.floats(-1e7, 1e7),
    st.floats(0.0, 60.0),
    st.booleans(),
)
def test_a_cap_never_adds_turns_or_stops_a_reduction(
    book: OrderBook, side: Side, trade: float, current: float, minimum_age: float, pace: bool
) -> None:
    limits = TradeLimits(minimum_age_seconds=minimum_age, pace_reductions=pace)
    row = RowLiquidity(depth=book, age_seconds=0.0)
    answer = limits.cap_trades(np.array([trade]), np.array([current]), [row])
    traded = float(answer.trades[0])
    assert abs(traded) <= abs(trade)
    assert traded == 0.0 or np.sign(traded) == np.sign(trade)
    against = np.sign(trade) == -np.sign(current)
    closing = min(abs(trade), abs(current)) if against else 0.0
    if not pace:
        assert abs(traded) >= closing
    elif closing:
        assert abs(traded) > 0.0
    assert abs(traded) <= max(closing, answer.caps[0].largest) or traded == 0.0


@given(order_books(), SIDES, st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_asking_for_older_depth_never_allows_more(book: OrderBook, side: Side, one: float, other: float) -> None:
    row = RowLiquidity(depth=book, age_seconds=0.0)
    younger, older = sorted((one, other))
    allowed = [
        TradeLimits(minimum_age_seconds=age, max_slippage=0.02, depth_share=0.3, depth_distance=0.05).cap(side, row)
        for age in (0.0, younger, older)
    ]
    assert allowed[1].largest <= allowed[0].largest * (1 + ROUNDING)


@given(
    st.lists(st.tuples(*[st.floats(0.01, 1e6)] * 4), min_size=2, max_size=10),
)
def test_imbalance_is_a_share(quotes: list[tuple[float, float, float, float]]) -> None:
    _, share = order_flow_imbalance(*np.array(quotes).T)
    assert -1.0 <= share <= 1.0


@given(st.floats(-2, 2), st.floats(-1, 1), st.floats(-5, 5))
def test_flow_never_raises_and_is_symmetric(direction: float, imbalance: float, carry: float) -> None:
    rule = FlowRule()
    one, mirrored = (
        rule.multipliers(np.array([sign * direction]), np.array([sign * imbalance]), np.array([sign * carry]))
        for sign in (1.0, -1.0)
    )
    assert rule.floor <= float(one.value[0]) <= 1.0
    assert one.value.tolist() == mirrored.value.tolist()
