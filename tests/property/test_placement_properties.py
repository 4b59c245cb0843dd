"""What must hold for every placement: nothing is lost, depth never hurts, in doubt the side of less risk."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.hedging.latency import LatencyBuffer
from services.hedging.price_collar import PriceCollar, worst_price
from services.hedging.reflexivity import Reflexivity
from services.hedging.sandwich import PoolSide
from services.hedging.slices import LotSlice, at_random_moments
from services.hedging.supply import LinearDepth, SquareRootDepth
from services.hedging.venues import Exclusion, Split, SplitRules, Venue, split_order
from services.liquidity.book import OrderBook
from services.liquidity.depth import Side

MARK = 100.0
SIDES = st.sampled_from(list(Side))
LEVEL = st.tuples(st.integers(1, 200), st.integers(1, 60))
FEES = st.floats(-0.0005, 0.002)


@st.composite
def books(draw: st.DrawFn) -> OrderBook:
    asks, bids = (sorted(draw(st.lists(LEVEL, min_size=1, max_size=6, unique_by=lambda row: row[0]))) for _ in range(2))
    return OrderBook(
        bids=np.array([[MARK - 0.01 * far, size / 10] for far, size in bids]),
        asks=np.array([[MARK + 0.01 * far, size / 10] for far, size in asks]),
    )


SUPPLIES = st.one_of(
    books(),
    st.builds(LinearDepth, per_fraction=st.floats(10.0, 1e4), half_spread=st.floats(0.0, 0.01)),
    st.builds(
        SquareRootDepth,
        average_daily_volume=st.floats(10.0, 1e5),
        daily_volatility=st.floats(0.005, 0.2),
        half_spread=st.floats(0.0, 0.01),
    ),
)


@st.composite
def venues(draw: st.DrawFn, *, least: int = 1) -> list[Venue]:
    supplies = draw(st.lists(SUPPLIES, min_size=least, max_size=5))
    largest = st.one_of(st.none(), st.floats(0.0, 50.0))
    return [
        Venue(name=f"v{place}", supply=supply, fee=draw(FEES), largest=draw(largest))
        for place, supply in enumerate(supplies)
    ]


def total(found: Split, lot: float) -> float:
    return (found.cost or 0.0) * found.lots * lot


LOTS, LOT = st.integers(1, 400), st.sampled_from([1.0, 0.1, 0.01])


@given(LOTS, LOT, SIDES, venues(), st.booleans(), st.floats(0.0, 0.9), st.integers(1, 20))
def test_lots_sum_and_stay_within_what_each_venue_bears(
    lots: int, lot: float, side: Side, places: list[Venue], inverse: bool, reserve: float, minimum: int
) -> None:
    places = [replace(venue, minimum=minimum) for venue in places]
    rules = SplitRules(depth_reserve=reserve)
    found = split_order(lots, side, places, mark=MARK, lot=lot, inverse=inverse, rules=rules)
    assert found.lots + found.unfilled == lots and found.unfilled >= 0
    for venue, part in zip(places, found.allocations, strict=True):
        assert part.name == venue.name and (part.lots > 0) is (part.exclusion is Exclusion.NONE)
        assert part.lots == 0 or part.lots >= minimum
        if venue.largest is not None:
            assert part.lots * lot <= venue.largest + 1e-5 * lot
        if isinstance(venue.supply, OrderBook):
            shown = float(venue.supply.levels(side)[:, 1].sum()) * (1.0 - reserve)
            assert part.lots * lot <= shown + 1e-5 * lot
        if part.lots:
            assert part.average_price is not None and part.worst_price is not None
            assert side * (part.worst_price - part.average_price) >= -1e-9 * MARK


@given(LOTS, LOT, SIDES, venues(least=2), st.booleans(), st.randoms())
def test_the_order_of_venues_does_not_matter(
    lots: int, lot: float, side: Side, places: list[Venue], inverse: bool, random: object
) -> None:
    mixed = list(places)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = (split_order(lots, side, order, mark=MARK, lot=lot, inverse=inverse) for order in (places, mixed))
    assert {part.name: part for part in one.allocations} == {part.name: part for part in other.allocations}


@given(LOTS, LOT, SIDES, venues(least=2), st.integers(0, 4))
def test_without_a_venue_it_is_never_cheaper_nor_more(
    lots: int, lot: float, side: Side, places: list[Venue], which: int
) -> None:
    assume(which < len(places))
    whole = split_order(lots, side, places, mark=MARK, lot=lot)
    fewer = [replace(venue, trusted=place != which) for place, venue in enumerate(places)]
    less = split_order(lots, side, fewer, mark=MARK, lot=lot)
    assert less.unfilled >= whole.unfilled and less.allocations[which].lots == 0
    if less.unfilled == whole.unfilled:
        assert total(less, lot) >= total(whole, lot) - 1e-9


@given(LOTS, LOT, SIDES, venues(), st.floats(1.0, 5.0))
def test_more_depth_is_never_dearer(lots: int, lot: float, side: Side, places: list[Venue], factor: float) -> None:
    deeper = [replace(venue, supply=_deeper(venue.supply, factor)) for venue in places]
    shallow, deep = (split_order(lots, side, order, mark=MARK, lot=lot) for order in (places, deeper))
    assert deep.unfilled <= shallow.unfilled
    if deep.unfilled == shallow.unfilled:
        assert total(deep, lot) <= total(shallow, lot) + 1e-9


def _deeper(
    supply: OrderBook | LinearDepth | SquareRootDepth, factor: float
) -> OrderBook | LinearDepth | SquareRootDepth:
    if isinstance(supply, OrderBook):
        return replace(supply, bids=supply.bids * (1.0, factor), asks=supply.asks * (1.0, factor))
    if isinstance(supply, LinearDepth):
        return replace(supply, per_fraction=supply.per_fraction * factor)
    return replace(supply, average_daily_volume=supply.average_daily_volume * factor)


@given(LOTS, LOT, SIDES, venues(), st.booleans(), st.floats(0.0, 0.03))
def test_nothing_is_placed_beyond_the_worst_price(
    lots: int, lot: float, side: Side, places: list[Venue], inverse: bool, width: float
) -> None:
    limit = MARK * math.exp(side * width)
    found = split_order(lots, side, places, mark=MARK, lot=lot, inverse=inverse, worst_price=limit)
    for part in found.allocations:
        if part.worst_price is not None:
            assert side * (part.worst_price - limit) <= 1e-6 * MARK


@given(
    st.decimals("0.01", "100000", places=2),
    SIDES,
    st.floats(0.0, 3.0),
    st.sampled_from([None, Decimal("0.01"), Decimal("0.5"), Decimal(7)]),
)
def test_a_worst_price_is_never_better_than_the_mark_and_never_beyond_what_was_allowed(
    mark: Decimal, side: Side, width: float, tick: Decimal | None
) -> None:
    found = worst_price(mark, side, width, tick)
    assert found > 0
    if tick is not None:
        assert found % tick == 0
    if side is Side.SELL and tick is not None and mark < tick:
        return  # a sale below the smallest price there is
    assert side * (found - mark) >= -1e-9 * float(mark)
    nearest = 0.0 if tick is None else float(tick)
    allowed = max(abs(float(mark) * math.expm1(side * width)), nearest)
    assert abs(float(found - mark)) <= allowed * (1.0 + 1e-9) + 1e-9 * float(mark)


@given(st.floats(0.0, 5.0), st.floats(0.0, 86_400.0), st.floats(0.0, 0.1), st.floats(0.0, 0.1), st.floats(1.0, 3.0))
def test_a_collar_is_wider_in_a_longer_or_wilder_time(
    volatility: float, seconds: float, impact: float, tolerance: float, factor: float
) -> None:
    collar = PriceCollar(tolerance=tolerance)
    width = collar.width(volatility=volatility, seconds=seconds, impact=impact)
    assert width >= tolerance + impact
    assert collar.width(volatility=volatility * factor, seconds=seconds, impact=impact) >= width
    assert collar.width(volatility=volatility, seconds=seconds * factor, impact=impact) >= width


POOLS = st.builds(
    PoolSide,
    paid_in=st.floats(1.0, 1e9),
    bought=st.floats(1.0, 1e9),
    fee=st.sampled_from([0.0, 0.0001, 0.003, 0.01, 0.05]),
    fee_stays=st.booleans(),
)
SHARE, LIMIT = st.floats(1e-5, 2.0), st.floats(0.0, 0.9)


def profit(side: PoolSide, share: float, limit: float, capital: float = math.inf) -> float:
    """Over the reserve paid into."""
    found = side.attack(share * side.paid_in, limit, capital * side.paid_in)
    assert found is not None
    return found.profit / side.paid_in


@given(POOLS, SHARE, LIMIT, st.floats(1.0, 3.0), st.floats(0.0, 2.0))
def test_more_to_take_is_never_less_taken(
    side: PoolSide, share: float, limit: float, factor: float, capital: float
) -> None:
    found = profit(side, share, limit)
    assert 0.0 <= found <= share
    assert profit(side, share * factor, limit) >= found * (1.0 - 1e-6) - 1e-12
    assert profit(side, share, limit + 0.05) >= found * (1.0 - 1e-6) - 1e-12
    assert profit(side, share, limit, capital) <= found * (1.0 + 1e-9) + 1e-15
    assert profit(replace(side, fee=side.fee + 0.01), share, limit) <= found * (1.0 + 1e-6) + 1e-12


@given(POOLS, SHARE, LIMIT, st.floats(1e-7, 0.1))
def test_what_is_called_safe_is(side: PoolSide, share: float, limit: float, cost: float) -> None:
    money = cost * side.paid_in
    safest = side.safe_slippage(share * side.paid_in, money)
    assert safest is not None and 0.0 <= safest <= 1.0
    assert profit(side, share, min(safest, 0.999)) <= cost * (1.0 + 1e-5)
    if safest < 0.9:
        assert profit(side, share, safest * 1.02 + 1e-6) > cost * (1.0 - 1e-9)
    largest = side.largest_safe(limit, money)
    assert largest is not None
    assert profit(side, largest / side.paid_in, limit) <= cost * (1.0 + 1e-9)


@given(st.floats(-1e3, 1e3), st.floats(0.0, 10.0), st.floats(1.0, 3.0))
def test_more_short_gamma_never_has_a_milder_consequence(gamma: float, slope: float, factor: float) -> None:
    levels = ["ok", "warn", "prefer_option", "refuse"]
    one, more = (Reflexivity().decide(value, slope) for value in (gamma, gamma - abs(gamma) * (factor - 1.0)))
    assert levels.index(more.level) >= levels.index(one.level)
    if gamma >= 0.0:
        assert one.level == "ok" and one.amplification is not None and one.amplification <= 1.0


@given(st.floats(-1.0, 1.0), st.floats(1.0, 1e5), st.floats(0.0, 5.0), st.floats(0.0, 86_400.0), st.floats(0.1, 5.0))
def test_buffers_scale_as_they_should(gamma: float, price: float, vol: float, seconds: float, z: float) -> None:
    cost = LatencyBuffer(confidence_factor=z).of(gamma, price, vol, seconds)
    four = LatencyBuffer(confidence_factor=z).of(gamma, price, vol, 4.0 * seconds)
    assert four.delta == pytest.approx(2.0 * cost.delta, rel=1e-9)
    assert four.quote == pytest.approx(4.0 * cost.quote, rel=1e-9)
    assert min(cost) >= 0.0


@given(st.lists(st.floats(1.0, 1e4), min_size=1, max_size=30), st.floats(0.0, 1.0), st.integers(0, 2**32))
def test_moments_lie_in_their_slices_and_repeat_with_their_seed(
    lengths: list[float], fraction: float, seed: int
) -> None:
    edges = np.concatenate([[0.0], np.cumsum(lengths)]).tolist()
    slices = [LotSlice(1, start, end) for start, end in pairwise(edges)]
    found, again = (at_random_moments(slices, fraction, np.random.default_rng(seed)) for _ in range(2))
    assert found == again
    for item, start, end in zip(found, edges[:-1], edges[1:], strict=True):
        assert item.at is not None and start <= item.at <= start + fraction * (end - start) + 1e-9 * end
        assert replace(item, at=None) == LotSlice(1, start, end)
