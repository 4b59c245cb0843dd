"""The largest trade: the tightest limit by name, what blocks increases, and that a reduction always passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.liquidity.book import OrderBook
from services.liquidity.constant_product import ConstantProductPool
from services.liquidity.depth import Depth, Side
from services.liquidity.summary import DepthSummary
from services.liquidity.trade_cap import BLOCKED_TEXT, Blocked, RowLiquidity, TradeLimits

BOOK = OrderBook(
    bids=np.array([[99.95, 10.0], [99.7, 40.0]]),
    asks=np.array([[100.05, 6.0], [100.4, 10.0], [102.0, 100.0]]),
    bid_ages=np.array([5.0, 500.0]),
    ask_ages=np.array([5.0, 500.0, 500.0]),
)
ROW = RowLiquidity(depth=BOOK, age_seconds=1.0, average_daily_volume=1000.0, daily_volatility=0.04, unit_value=100.0)
ALL = TradeLimits(max_slippage=0.002, depth_share=0.25, participation_rate=0.01, max_impact=0.004)


def empty(levels: int = 0) -> np.ndarray:
    return np.empty((levels, 2))


class TestCap:
    def test_reports_every_limit_and_takes_the_least(self) -> None:
        """Slippage: 6 at 100.05 leave 6 × 0.15 = 0.9 for e = 0.2: 4.5 more. Depth: a quarter of 16. Volume: 1 % of
        1000. Impact: 1000 × (0.004 / 0.04)² = 10.
        """
        cap = ALL.cap(Side.BUY, ROW)
        found = {candidate.name: candidate.allowed for candidate in cap.candidates}
        assert found == pytest.approx({"slippage": 10.5, "depth_share": 4.0, "participation": 10.0, "impact": 10.0})
        assert (cap.binding, cap.largest, cap.unknown, cap.blocked) == ("depth_share", 4.0, (), Blocked.NONE)
        assert [candidate.allowed for candidate in cap.candidates] == sorted(found.values())

    def test_the_other_side_has_its_own(self) -> None:
        cap = TradeLimits(depth_share=0.5, max_slippage=None).cap(Side.SELL, ROW)
        assert (cap.binding, cap.largest) == ("depth_share", 25.0)

    def test_a_flash_order_is_not_depth(self) -> None:
        """What has stood: bids from 99.7, asks from 100.4; its mid is 100.05, and a sale is measured from that."""
        limits = TradeLimits(max_slippage=0.0036, minimum_age_seconds=60.0)
        cap = limits.cap(Side.BUY, ROW)
        assert {candidate.name: candidate.allowed for candidate in cap.candidates} == pytest.approx(
            {"slippage": 0.0, "depth_share": 2.5}
        )
        sale = limits.cap(Side.SELL, ROW)
        assert {candidate.name: candidate.allowed for candidate in sale.candidates} == pytest.approx(
            {"slippage": 40.0, "depth_share": 10.0}
        )

    def test_a_pool_is_a_depth_too(self) -> None:
        pool = ConstantProductPool(base_reserve=1000.0, quote_reserve=100_000.0, fee=0.001)
        limits = TradeLimits(minimum_age_seconds=60.0)
        cap = limits.cap(Side.BUY, RowLiquidity(depth=pool, age_seconds=12.0))
        expected = {
            "slippage": pool.largest_within_slippage(Side.BUY, 0.002),
            "depth_share": 0.25 * pool.depth_within(Side.BUY, 0.005),
        }
        assert {candidate.name: candidate.allowed for candidate in cap.candidates} == pytest.approx(expected)

    def test_names_what_it_needs(self) -> None:
        assert TradeLimits().requires == {"depth"}
        assert ALL.requires == {"depth", "average_daily_volume", "volatility"}
        volume = TradeLimits(max_slippage=None, depth_share=None, participation_rate=0.1)
        assert volume.requires == {"average_daily_volume"}
        assert replace(volume, critical_depth=1.0).requires == {"depth", "average_daily_volume"}

    def test_no_limit_at_all_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="at least one of"):
            TradeLimits(max_slippage=None, depth_share=None)


class TestBlocked:
    @pytest.mark.parametrize(
        ("depth", "blocked"),
        [
            (OrderBook(bids=empty(), asks=empty()), Blocked.EMPTY),
            (OrderBook(bids=empty(), asks=BOOK.asks), Blocked.NO_BIDS),
            (OrderBook(bids=BOOK.bids, asks=empty()), Blocked.NO_ASKS),
            (OrderBook(bids=np.array([[101.0, 1.0]]), asks=np.array([[100.0, 1.0]])), Blocked.CROSSED),
            (DepthSummary(mid=1.0, spread=0.0, depth_bid=0.0, depth_ask=5.0, distance=0.01), Blocked.NO_BIDS),
        ],
    )
    @pytest.mark.parametrize("side", Side)
    def test_by_the_state_of_the_market(self, depth: Depth, blocked: Blocked, side: Side) -> None:
        cap = TradeLimits().cap(side, replace(ROW, depth=depth))
        assert (cap.largest, cap.blocked, cap.binding) == (0.0, blocked, blocked.value)

    def test_when_nothing_has_stood(self) -> None:
        assert TradeLimits(minimum_age_seconds=3600.0).cap(Side.BUY, ROW).blocked is Blocked.EMPTY

    @pytest.mark.parametrize("age", [61.0, -6.0, None])
    def test_by_age(self, age: float | None) -> None:
        assert TradeLimits().cap(Side.BUY, replace(ROW, age_seconds=age)).blocked is Blocked.STALE

    @pytest.mark.parametrize(("critical", "blocked"), [(1600.0, Blocked.NONE), (1601.0, Blocked.BELOW_CRITICAL)])
    def test_by_the_thinner_side(self, critical: float, blocked: Blocked) -> None:
        """16 asks within half a per cent, of 100 each."""
        for side in Side:
            assert TradeLimits(critical_depth=critical).cap(side, ROW).blocked is blocked

    @pytest.mark.parametrize(
        ("limits", "changes", "unknown"),
        [
            (TradeLimits(), {"depth": None}, ("slippage", "depth_share")),
            (ALL, {"average_daily_volume": None}, ("participation", "impact")),
            (ALL, {"daily_volatility": None}, ("impact",)),
            (ALL, {"daily_volatility": 0.0}, ("impact",)),
        ],
    )
    def test_by_missing_data(self, limits: TradeLimits, changes: dict[str, Any], unknown: tuple[str, ...]) -> None:
        cap = limits.cap(Side.BUY, replace(ROW, **changes))
        assert (cap.largest, cap.blocked, cap.unknown) == (0.0, Blocked.UNKNOWN, unknown)

    def test_a_critical_depth_needs_a_depth(self) -> None:
        limits = TradeLimits(max_slippage=None, depth_share=None, participation_rate=0.1, critical_depth=1.0)
        assert limits.cap(Side.BUY, replace(ROW, depth=None)).blocked is Blocked.UNKNOWN

    def test_a_market_without_volume_bears_nothing(self) -> None:
        assert ALL.cap(Side.BUY, replace(ROW, average_daily_volume=0.0)).largest == 0.0

    def test_every_reason_has_its_words(self) -> None:
        assert BLOCKED_TEXT.keys() == set(Blocked)


class TestTrades:
    CLOSED = replace(ROW, depth=OrderBook(bids=BOOK.bids, asks=empty()))

    @pytest.mark.parametrize(
        ("current", "trade", "expected"),
        [
            (0.0, 10.0, 4.0),  # opens: capped
            (2.0, 10.0, 4.0),  # adds: capped
            (-50.0, 30.0, 30.0),  # reduces: never
            (-2.0, 10.0, 4.0),  # through zero: 2 close, and 2 of the 4 are left
            (-30.0, 40.0, 30.0),  # through zero: the closing part alone uses more than there is
            (0.0, 3.0, 3.0),
            (0.0, 0.0, 0.0),
        ],
    )
    def test_closing_passes_and_uses_the_liquidity_first(self, current: float, trade: float, expected: float) -> None:
        answer = TradeLimits().cap_trades(np.array([trade]), np.array([current]), [ROW])
        assert answer.trades.tolist() == [expected]

    @pytest.mark.parametrize(("current", "trade", "expected"), [(8.0, -8.0, -8.0), (8.0, -9.0, -8.0), (0.0, -1.0, 0.0)])
    def test_where_nothing_may_be_increased_closing_still_passes(
        self, current: float, trade: float, expected: float
    ) -> None:
        for limits in (TradeLimits(), TradeLimits(pace_reductions=True)):
            answer = limits.cap_trades(np.array([trade]), np.array([current]), [self.CLOSED])
            assert answer.trades.tolist() == [expected]
            assert answer.caps[0].blocked is Blocked.NO_ASKS

    def test_reductions_are_paced_when_asked(self) -> None:
        answer = TradeLimits(pace_reductions=True).cap_trades(np.array([30.0]), np.array([-50.0]), [ROW])
        assert answer.trades.tolist() == [4.0]

    def test_rows_do_not_touch_one_another(self) -> None:
        answer = TradeLimits().cap_trades(np.array([10.0, -9.0]), np.array([0.0, 8.0]), [ROW, self.CLOSED])
        assert answer.trades.tolist() == [4.0, -8.0]
        assert [cap.binding for cap in answer.caps] == ["depth_share", "no_asks"]
