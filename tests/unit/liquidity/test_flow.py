"""Order-flow imbalance, funding, and a multiplier that only ever lowers."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.liquidity.book import OrderBook
from services.liquidity.flow import (
    FlowRule,
    book_imbalance,
    funding_carry,
    order_flow_imbalance,
    percentile,
    z_score,
)


class TestOrderFlowImbalance:
    """The cases of the paper: what each change of a best quote adds."""

    @pytest.mark.parametrize(
        ("bid", "ask", "expected"),
        [
            (((100.0, 5.0), (100.0, 8.0)), ((101.0, 4.0), (101.0, 4.0)), 3.0),  # size added to the bid
            (((100.0, 5.0), (100.0, 1.0)), ((101.0, 4.0), (101.0, 4.0)), -4.0),  # a sale takes from it
            (((100.0, 5.0), (100.5, 2.0)), ((101.0, 4.0), (101.0, 4.0)), 2.0),  # a better bid
            (((100.0, 5.0), (99.0, 9.0)), ((101.0, 4.0), (101.0, 4.0)), -5.0),  # the best bid is gone
            (((100.0, 5.0), (100.0, 5.0)), ((101.0, 4.0), (100.5, 3.0)), -3.0),  # a better ask
            (((100.0, 5.0), (100.0, 5.0)), ((101.0, 4.0), (101.5, 7.0)), 4.0),  # the best ask is gone
            (((100.0, 5.0), (100.0, 5.0)), ((101.0, 4.0), (101.0, 6.0)), -2.0),  # size added to the ask
            (((100.0, 5.0), (100.0, 5.0)), ((101.0, 4.0), (101.0, 4.0)), 0.0),  # nothing
        ],
    )
    def test_of_one_change(
        self,
        bid: tuple[tuple[float, float], tuple[float, float]],
        ask: tuple[tuple[float, float], tuple[float, float]],
        expected: float,
    ) -> None:
        (bids, bid_sizes), (asks, ask_sizes) = zip(*bid, strict=True), zip(*ask, strict=True)
        flow, share = order_flow_imbalance(bids, bid_sizes, asks, ask_sizes)
        assert flow == expected
        assert share == np.sign(expected)

    def test_adds_up_and_cancels(self) -> None:
        flow, share = order_flow_imbalance([100.0] * 3, [5.0, 8.0, 7.0], [101.0] * 3, [4.0] * 3)
        assert (flow, share) == (2.0, 0.5)

    def test_changes_sign_with_the_sides(self) -> None:
        rng = np.random.default_rng(7)
        bid = 100.0 + np.round(rng.normal(size=200))
        ask = bid + rng.integers(1, 4, 200)
        sizes, others = rng.uniform(1, 9, 200), rng.uniform(1, 9, 200)
        flow, share = order_flow_imbalance(bid, sizes, ask, others)
        mirrored = order_flow_imbalance(300.0 - ask, others, 300.0 - bid, sizes)
        assert mirrored == pytest.approx((-flow, -share))

    @pytest.mark.parametrize("columns", [([1.0],) * 4, ([1.0, 1.0], [1.0, 1.0], [2.0, 2.0], [1.0])])
    def test_needs_two_quotes(self, columns: tuple[list[float], ...]) -> None:
        with pytest.raises(InvalidInput, match="at least 2"):
            order_flow_imbalance(*columns)

    def test_refuses_what_is_no_quote(self) -> None:
        with pytest.raises(InvalidInput, match="quotes must be finite and > 0"):
            order_flow_imbalance([1.0, 1.0], [1.0, np.nan], [2.0, 2.0], [1.0, 1.0])


class TestBookImbalance:
    def test_counts_what_is_near(self) -> None:
        book = OrderBook(bids=np.array([[99.9, 6.0], [90.0, 99.0]]), asks=np.array([[100.1, 2.0]]))
        assert book_imbalance(book, 0.002) == 0.5

    def test_unknown_is_not_balanced(self) -> None:
        one_sided = OrderBook(bids=np.array([[99.9, 6.0]]), asks=np.empty((0, 2)))
        assert book_imbalance(one_sided, 0.1) is None
        wide = OrderBook(bids=np.array([[90.0, 6.0]]), asks=np.array([[110.0, 2.0]]))
        assert book_imbalance(wide, 0.01) is None


class TestFunding:
    def test_carry_of_a_year(self) -> None:
        assert funding_carry(0.0001, 28_800) == pytest.approx(0.0001 * 3 * 365)
        assert funding_carry(-0.0001, 3_600) == pytest.approx(-0.876)

    @pytest.mark.parametrize(("rate", "seconds"), [(np.nan, 28_800.0), (0.0001, 0.0)])
    def test_refuses(self, rate: float, seconds: float) -> None:
        with pytest.raises(InvalidInput, match="funding"):
            funding_carry(rate, seconds)

    def test_z_score_and_percentile(self) -> None:
        history = np.arange(21.0)
        assert z_score(10.0, history) == 0.0
        assert z_score(10.0 + history.std(ddof=1), history) == pytest.approx(1.0)
        assert percentile(10.0, history) == 0.5
        assert percentile(-1.0, history) == 0.0
        assert percentile(99.0, history) == 1.0

    def test_too_little_or_unchanging_history_says_nothing(self) -> None:
        assert z_score(1.0, np.arange(19.0)) is None
        assert percentile(1.0, np.arange(19.0)) is None
        assert z_score(1.0, np.full(50, 0.1)) is None
        assert z_score(1.0, []) is None

    def test_refuses_what_is_not_finite(self) -> None:
        with pytest.raises(InvalidInput, match="history"):
            z_score(1.0, [np.nan] * 30)


class TestFlowRule:
    RULE = FlowRule(floor=0.5, tolerated_imbalance=0.2, tolerated_carry=0.1, dear_carry=1.1)

    def multiplier(self, direction: float, imbalance: float, carry: float) -> float:
        answer = self.RULE.multipliers(np.array([direction]), np.array([imbalance]), np.array([carry]))
        return float(answer.value[0])

    @pytest.mark.parametrize(
        ("direction", "imbalance", "carry", "expected"),
        [
            (1.0, -0.2, 0.1, 1.0),  # tolerated
            (1.0, -0.6, 0.0, 0.75),  # half way
            (-0.1, 0.6, 0.0, 0.75),  # a short against buying; the size of a view does not count
            (1.0, -1.0, 0.0, 0.5),
            (1.0, 0.0, 0.6, 0.75),
            (1.0, 0.0, 9.0, 0.5),
            (-1.0, 0.0, -0.6, 0.75),  # shorts pay where the carry is negative
            (1.0, -0.6, 0.35, 0.75),  # the worse of both
            (1.0, 1.0, -5.0, 1.0),  # favourable never raises
            (0.0, -1.0, 5.0, 1.0),  # nothing wanted
            (1.0, np.nan, 0.6, 0.75),
            (1.0, -0.6, np.nan, 0.75),
        ],
    )
    def test_by_hand(self, direction: float, imbalance: float, carry: float, expected: float) -> None:
        assert self.multiplier(direction, imbalance, carry) == pytest.approx(expected)

    def test_says_what_is_unknown(self) -> None:
        answer = self.RULE.multipliers(np.ones(3), np.array([0.5, np.nan, np.nan]), np.array([np.nan, 0.0, np.nan]))
        assert answer.known.tolist() == [True, True, False]
        assert answer.order_flow_known.tolist() == [True, False, False]
        assert answer.value.tolist() == [1.0, 1.0, 0.5]

    def test_carries_must_be_in_order(self) -> None:
        with pytest.raises(InvalidInput, match="dear_carry must be > tolerated_carry"):
            FlowRule(tolerated_carry=1.0, dear_carry=1.0)
