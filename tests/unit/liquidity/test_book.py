"""Order books: walks, limits, what stood, and the states of a book that cannot be traded."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.liquidity.book import OrderBook
from services.liquidity.depth import DepthState, Side
from tests.support.liquidity_reference import largest_by_bisection, walk_by_loop

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
FILES = ("book_l2_7books_2021_2022.csv.gz", "book_l2_full_depth_dev.csv.gz")


def book(bids: list[list[float]], asks: list[list[float]], **changes: Any) -> OrderBook:
    """Book of plain lists."""
    return OrderBook(bids=np.array(bids).reshape(-1, 2), asks=np.array(asks).reshape(-1, 2), **changes)


TWO_SIDED = book([[99.9, 2.0], [99.8, 3.0], [99.0, 10.0]], [[100.1, 1.0], [100.2, 2.0], [101.0, 10.0]])


class TestWalk:
    def test_averages_by_size(self) -> None:
        fill = TWO_SIDED.walk(Side.BUY, [1.0, 2.0, 3.0])
        assert fill is not None
        assert fill.average_price.tolist() == pytest.approx([100.1, 100.15, (100.1 + 2 * 100.2) / 3])
        assert fill.worst_price.tolist() == [100.1, 100.2, 100.2]
        assert fill.slippage.tolist() == pytest.approx([0.001, 0.0015, (100.1 + 2 * 100.2) / 300 - 1])
        assert fill.price_impact.tolist() == pytest.approx([0.001, 0.002, 0.002])

    def test_a_sale_meets_the_bids(self) -> None:
        fill = TWO_SIDED.walk(Side.SELL, 4.0)
        assert fill is not None
        assert float(fill.average_price) == pytest.approx((2 * 99.9 + 2 * 99.8) / 4)
        assert float(fill.slippage) == pytest.approx(0.0015)

    def test_no_size_is_the_price_of_the_first_unit(self) -> None:
        fill = TWO_SIDED.walk(Side.BUY, 0.0)
        assert fill is not None
        assert (float(fill.average_price), float(fill.worst_price), float(fill.filled)) == (100.1, 100.1, 0.0)

    def test_fills_no_more_than_is_visible(self) -> None:
        fill = TWO_SIDED.walk(Side.BUY, 1e9)
        assert fill is not None
        assert float(fill.filled) == 13.0

    def test_inverse_contracts_average_harmonically(self) -> None:
        """100 contracts of 1 USD at 50,000 and at 100,000 cost 100/50,000 + 100/100,000 = 0.003 coins."""
        inverse = book([[49_000.0, 1.0]], [[50_000.0, 100.0], [100_000.0, 100.0]], inverse=True)
        fill = inverse.walk(Side.BUY, 200.0)
        assert fill is not None
        assert float(fill.average_price) == pytest.approx(200.0 / 0.003)

    @pytest.mark.parametrize("size", [-1.0, np.nan, np.inf])
    def test_refuses_what_is_no_size(self, size: float) -> None:
        with pytest.raises(InvalidInput, match="quantity must be finite and >= 0"):
            TWO_SIDED.walk(Side.BUY, [1.0, size])


class TestLargestWithinSlippage:
    def test_ends_inside_a_level(self) -> None:
        """Average 100.15 = mid × 1.0015 after 1 at 100.1 and 1 at 100.2."""
        assert TWO_SIDED.largest_within_slippage(Side.BUY, 0.0015) == pytest.approx(2.0, abs=1e-9)

    def test_is_nothing_when_the_best_price_is_beyond(self) -> None:
        assert TWO_SIDED.largest_within_slippage(Side.BUY, 0.0009) == 0.0
        assert TWO_SIDED.largest_within_slippage(Side.SELL, 0.0009) == 0.0

    def test_is_all_that_is_visible_when_no_level_is_beyond(self) -> None:
        assert TWO_SIDED.largest_within_slippage(Side.SELL, 0.5) == 15.0

    def test_a_sale_of_any_price_takes_the_whole_side(self) -> None:
        assert TWO_SIDED.largest_within_slippage(Side.SELL, 3.0) == 15.0

    def test_measures_from_the_reference_given(self) -> None:
        assert TWO_SIDED.largest_within_slippage(Side.BUY, 0.0015, reference=99.9) == pytest.approx(0.0)
        assert TWO_SIDED.largest_within_slippage(Side.BUY, 0.0015, reference=101.0) == 13.0


class TestDepth:
    def test_counts_levels_within_the_distance(self) -> None:
        assert TWO_SIDED.depth_within(Side.BUY, 0.0021) == 3.0
        assert TWO_SIDED.depth_within(Side.SELL, 0.0021) == 5.0
        assert TWO_SIDED.depth_within(Side.SELL, 0.0005) == 0.0

    def test_only_what_has_stood_counts(self) -> None:
        aged = book(
            [[99.9, 100.0], [99.8, 3.0]],
            [[100.1, 1.0], [100.2, 2.0], [100.3, 4.0]],
            bid_ages=np.array([0.05, 60.0]),
            ask_ages=np.array([30.0, np.nan, 10.0]),
        )
        standing = aged.standing(10.0)
        assert standing.bids.tolist() == [[99.8, 3.0]]
        assert standing.asks.tolist() == [[100.1, 1.0], [100.3, 4.0]], "an unknown age has not been seen to stand"
        assert aged.standing(0.0) is aged

    def test_without_ages_nothing_has_stood(self) -> None:
        assert TWO_SIDED.standing(1.0).state is DepthState.EMPTY


class TestStates:
    @pytest.mark.parametrize(
        ("bids", "asks", "state"),
        [
            ([], [], DepthState.EMPTY),
            ([], [[1.0, 1.0]], DepthState.NO_BIDS),
            ([[1.0, 1.0]], [], DepthState.NO_ASKS),
            ([[1.1, 1.0]], [[1.0, 1.0]], DepthState.CROSSED),
            ([[1.0, 1.0]], [[1.0, 1.0]], DepthState.TWO_SIDED),
        ],
    )
    def test_are_told_apart(self, bids: list[list[float]], asks: list[list[float]], state: DepthState) -> None:
        one = book(bids, asks)
        assert one.state is state
        assert (one.mid is None) == (state is not DepthState.TWO_SIDED)
        assert (one.half_spread is None) == (state is not DepthState.TWO_SIDED)

    @pytest.mark.parametrize("side", Side)
    @pytest.mark.parametrize(("bids", "asks"), [([], []), ([], [[1.0, 1.0]]), ([[1.1, 1.0]], [[1.0, 1.0]])])
    def test_without_a_mid_nothing_is_within_a_limit(
        self, side: Side, bids: list[list[float]], asks: list[list[float]]
    ) -> None:
        one = book(bids, asks)
        assert one.walk(side, 1.0) is None
        assert one.largest_within_slippage(side, 0.1) == 0.0
        assert one.depth_within(side, 0.1) == 0.0

    def test_a_side_that_is_there_can_be_walked_against_a_price_from_elsewhere(self) -> None:
        one = book([], [[100.0, 5.0]])
        fill = one.walk(Side.BUY, 2.0, reference=99.0)
        assert fill is not None
        assert float(fill.slippage) == pytest.approx(1 / 99)
        assert one.walk(Side.SELL, 2.0, reference=99.0) is None


class TestValidation:
    @pytest.mark.parametrize(
        ("bids", "asks", "message"),
        [
            ([[1.0, 1.0], [1.1, 1.0]], [[2.0, 1.0]], "bids.1 must not lie before"),
            ([[1.0, 1.0]], [[2.0, 1.0], [3.0, 1.0], [2.5, 1.0]], "asks.2 must not lie before"),
            ([[1.0, 0.0]], [[2.0, 1.0]], "bids.0 must hold a price and a size"),
            ([[1.0, 1.0]], [[np.nan, 1.0]], "asks.0 must hold a price and a size"),
            ([[1.0, 1.0]], [[np.inf, 1.0]], "asks.0 must hold a price and a size"),
        ],
    )
    def test_names_the_level(self, bids: list[list[float]], asks: list[list[float]], message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            book(bids, asks)

    def test_names_the_shape(self) -> None:
        with pytest.raises(InvalidInput, match="asks must have the shape"):
            OrderBook(bids=np.ones((1, 2)), asks=np.ones((1, 3)))

    @pytest.mark.parametrize("ages", [[1.0], [1.0, -1.0]])
    def test_names_the_ages(self, ages: list[float]) -> None:
        with pytest.raises(InvalidInput, match="bid_ages"):
            book([[1.0, 1.0], [0.9, 1.0]], [[2.0, 1.0]], bid_ages=np.array(ages))


@pytest.mark.parametrize("name", FILES)
def test_real_books_against_a_loop_over_their_levels(name: str) -> None:
    """Every snapshot of the file, on a grid of sizes from a part of the best level to more than the whole side."""
    if not (DATA / name).is_file():
        pytest.skip("the shared data sets are not beside this repository")
    for (_, symbol, _), sides in snapshots(DATA / name).items():
        inverse = symbol not in ("ETHUSD",)
        one = book(sides["bid"], sides["ask"], inverse=inverse)
        mid = one.mid
        assert mid is not None
        for side in Side:
            levels = sides["ask" if side is Side.BUY else "bid"]
            total = sum(size for _, size in levels)
            sizes = np.array([levels[0][1] * 0.3, *np.geomspace(levels[0][1], total * 1.5, 12)])
            fill = one.walk(side, sizes)
            assert fill is not None
            expected = [walk_by_loop(levels, size, inverse=inverse) for size in sizes.tolist()]
            np.testing.assert_allclose(fill.filled, [item.filled for item in expected], rtol=1e-10)
            np.testing.assert_allclose(fill.average_price, [item.average for item in expected], rtol=1e-10)
            reached = fill.filled < total * (1 - 1e-9)  # at the very end rounding decides which level is the last
            np.testing.assert_array_equal(fill.worst_price[reached], np.array([i.worst for i in expected])[reached])

            def slippage(
                size: float,
                side: Side = side,
                levels: list[list[float]] = levels,
                mid: float = mid,
                inverse: bool = inverse,
            ) -> float:
                average = walk_by_loop(levels, size, inverse=inverse).average if size else levels[0][0]
                return side * (average / mid - 1.0)

            for limit in (0.0005, 0.002):
                exact = largest_by_bisection(slippage, limit, total)
                assert one.largest_within_slippage(side, limit) == pytest.approx(exact, rel=1e-8)


def snapshots(path: Path) -> dict[tuple[str, str, str], dict[str, list[list[float]]]]:
    """(venue, symbol, time) to the levels of both sides, best first."""
    books: dict[tuple[str, str, str], dict[str, list[list[float]]]] = defaultdict(lambda: {"bid": [], "ask": []})
    with gzip.open(path, "rt") as file:
        for line in csv.DictReader(file):
            levels = books[line["venue"], line["symbol"], line["ts_ms"]][line["side"]]
            levels.append([float(line["price"]), float(line["size"])])
    return dict(books)
