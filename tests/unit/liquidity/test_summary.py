"""A book known by four figures: between its edges it is taken as even."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.liquidity.book import OrderBook
from services.liquidity.depth import DepthState, Side
from services.liquidity.summary import DepthSummary

SUMMARY = DepthSummary(mid=100.0, spread=0.2, depth_bid=50.0, depth_ask=40.0, distance=0.005)


def test_agrees_with_an_even_book_of_many_levels() -> None:
    offsets = np.linspace(0.1, 0.5, 20_001)
    book = OrderBook(
        bids=np.column_stack([100.0 - offsets, np.full(offsets.size, 50.0 / offsets.size)]),
        asks=np.column_stack([100.0 + offsets, np.full(offsets.size, 40.0 / offsets.size)]),
    )
    for side in Side:
        for limit in (0.0005, 0.0012, 0.002, 0.003, 0.01):
            for reference in (None, 99.95, 100.02):
                summary = SUMMARY.largest_within_slippage(side, limit, reference=reference)
                exact = book.largest_within_slippage(side, limit, reference=reference)
                assert summary == pytest.approx(exact, abs=0.01)
        for distance in (0.0005, 0.002, 0.004, 0.1):
            assert SUMMARY.depth_within(side, distance) == pytest.approx(book.depth_within(side, distance), abs=0.01)


def test_nothing_beyond_its_distance_is_counted() -> None:
    assert SUMMARY.largest_within_slippage(Side.BUY, 0.5) == 40.0
    assert SUMMARY.depth_within(Side.SELL, 0.5) == 50.0


def test_all_of_it_at_the_touch() -> None:
    touch = DepthSummary(mid=100.0, spread=1.0, depth_bid=5.0, depth_ask=7.0, distance=0.005)
    assert touch.largest_within_slippage(Side.BUY, 0.005) == 7.0
    assert touch.largest_within_slippage(Side.BUY, 0.004) == 0.0


def test_stands_or_not_as_a_whole() -> None:
    aged = DepthSummary(mid=100.0, spread=0.2, depth_bid=5.0, depth_ask=4.0, distance=0.005, age_seconds=30.0)
    assert aged.standing(30.0) is aged
    assert aged.standing(31.0).state is DepthState.EMPTY
    assert SUMMARY.standing(1.0).state is DepthState.EMPTY
    assert SUMMARY.standing(0.0) is SUMMARY


@pytest.mark.parametrize(
    ("bid", "ask", "state"),
    [
        (1.0, 1.0, DepthState.TWO_SIDED),
        (0.0, 1.0, DepthState.NO_BIDS),
        (1.0, 0.0, DepthState.NO_ASKS),
        (0.0, 0.0, DepthState.EMPTY),
    ],
)
def test_states(bid: float, ask: float, state: DepthState) -> None:
    assert DepthSummary(mid=1.0, spread=0.0, depth_bid=bid, depth_ask=ask, distance=0.01).state is state


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mid", 0.0),
        ("spread", -0.1),
        ("depth_bid", np.nan),
        ("depth_ask", np.inf),
        ("distance", 1.0),
        ("distance", 1e-4),
    ],
)
def test_refuses_by_name(field: str, value: float) -> None:
    fields = {"mid": 100.0, "spread": 0.2, "depth_bid": 5.0, "depth_ask": 4.0, "distance": 0.005}
    with pytest.raises(InvalidInput, match=f"^{field} "):
        DepthSummary(**{**fields, field: value})
