"""An order over venues: least cost by trying every split, SciPy and the conditions of the optimum; who is left out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize

from services.core.errors import InvalidInput
from services.hedging.supply import LinearDepth, SquareRootDepth, Supply, Terms, curve_of, optimal_shares
from services.hedging.venues import EXCLUSION_TEXT, Exclusion, SplitRules, Venue, split_order
from services.liquidity.book import OrderBook
from services.liquidity.depth import Side

MARK = 100.0


def book(rng: np.random.Generator, levels: int = 4, size: float = 3.0) -> OrderBook:
    """Random levels around the mark."""
    asks = MARK + np.sort(rng.integers(0, 40, levels)) / 10.0 + 0.1
    bids = MARK - np.sort(rng.integers(0, 40, levels)) / 10.0 - 0.1
    sizes = rng.integers(1, int(size) + 1, (2, levels)).astype(float)
    return OrderBook(bids=np.column_stack([bids, sizes[0]]), asks=np.column_stack([asks, sizes[1]]))


def paid(venue: Venue, side: Side, lots: int, lot: float, *, inverse: bool, reserve: float) -> float:
    """Cost of so many lots against the mark, walked in words: quote for linear, coins for inverse contracts."""
    left, total = lots * lot, 0.0
    supply = venue.supply
    if isinstance(supply, OrderBook):
        for price, shown in supply.levels(side):
            taken = min(left, shown * (1.0 - reserve))
            left -= taken
            if inverse:
                # a contract of one quote unit: 1/P coins change sides, and the fee is paid in coins
                total += taken * (side * (1.0 / MARK - 1.0 / price) + venue.fee / price) * MARK
            else:
                total += taken * (side * (price - MARK) + venue.fee * price) / MARK
        return total if left <= 1e-9 else math.inf
    kept = 1.0 - reserve
    if isinstance(supply, LinearDepth):
        rise = left / (supply.per_fraction * kept) / 2.0
    else:
        share = left / (supply.average_daily_volume * kept)
        rise = supply.coefficient * supply.daily_volatility * math.sqrt(share)
    return left * (supply.half_spread + venue.fee + rise)


@pytest.mark.parametrize("seed", range(40))
def test_no_split_is_cheaper(seed: int) -> None:
    rng = np.random.default_rng(seed)
    side, inverse = Side(int(rng.choice([1, -1]))), bool(rng.integers(2))
    lot, reserve = float(rng.choice([1.0, 0.5, 0.3])), float(rng.choice([0.0, 0.25]))
    forms: list[Supply] = [
        book(rng),
        book(rng),
        LinearDepth(per_fraction=float(rng.uniform(50, 500)), half_spread=0.001) if rng.integers(2) else book(rng),
    ]
    if rng.integers(2):
        forms[1] = SquareRootDepth(average_daily_volume=float(rng.uniform(500, 5000)), daily_volatility=0.04)
    venues = [
        Venue(name=name, supply=supply, fee=float(rng.choice([0.0, 0.0005, 0.002, -0.0001])))
        for name, supply in zip("abc", forms, strict=True)
    ]
    lots = int(rng.integers(1, 14))
    rules = SplitRules(depth_reserve=reserve)
    found = split_order(lots, side, venues, mark=MARK, lot=lot, inverse=inverse, rules=rules)
    placed = lots - found.unfilled
    tables = [[paid(v, side, n, lot, inverse=inverse, reserve=reserve) for n in range(lots + 1)] for v in venues]
    every = itertools.product(range(placed + 1), repeat=len(venues))
    totals = [sum(t[n] for t, n in zip(tables, split, strict=True)) for split in every if sum(split) == placed]
    best = min(totals)
    mine = sum(t[part.lots] for t, part in zip(tables, found.allocations, strict=True))
    assert math.isfinite(mine) and mine == pytest.approx(best, abs=1e-9)
    if placed:
        assert found.cost == pytest.approx(mine / (placed * lot), abs=1e-12)
    if found.unfilled:
        more = itertools.product(range(placed + 2), repeat=len(venues))
        tables = [[paid(v, side, n, lot, inverse=inverse, reserve=reserve) for n in range(placed + 2)] for v in venues]
        sums = (sum(t[n] for t, n in zip(tables, s, strict=True)) for s in more if sum(s) == placed + 1)
        assert min(sums) == math.inf or not all(isinstance(v.supply, OrderBook) for v in venues)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_forms_agree_with_a_numerical_optimum(power: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    terms = Terms(Side.BUY, MARK)
    first = rng.uniform(0.0, 0.004, 4)
    weight = rng.uniform(1e3, 1e4, 4)
    supplies: list[Supply] = [
        LinearDepth(per_fraction=w, half_spread=a)
        if power == 1
        else SquareRootDepth(average_daily_volume=100.0 * w, daily_volatility=0.04, half_spread=a)
        for w, a in zip(weight, first, strict=True)
    ]
    curves = [curve_of(supply, terms, 0.0, 0.0) for supply in supplies]
    assert all(curve is not None for curve in curves)
    known = [curve for curve in curves if curve is not None]
    quantity = float(rng.uniform(5.0, 60.0))

    def total(shares: np.ndarray) -> float:
        if power == 1:
            return float(shares @ first + (shares**2 / (2.0 * weight)).sum())
        return float(shares @ first + 0.04 * (np.abs(shares) ** 1.5 / np.sqrt(100.0 * weight)).sum())

    shares, multiplier = optimal_shares(known, [curve.available for curve in known], quantity)
    assert sum(shares) == pytest.approx(quantity, rel=1e-12)
    for start in (np.full(4, quantity / 4), np.array(shares) + 0.1):
        bounds = [(0.0, quantity)] * 4
        limits = {"type": "eq", "fun": lambda q: q.sum() - quantity}
        slow = minimize(
            lambda q: 1e3 * total(q), start, bounds=bounds, constraints=limits, method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 1000},
        )  # fmt: skip
        assert total(np.array(shares)) <= slow.fun / 1e3 + 1e-9
        assert total(np.array(shares)) == pytest.approx(slow.fun / 1e3, rel=1e-5)
    for share, a, w in zip(shares, first, weight, strict=True):
        marginal = a + share / w if power == 1 else a + 1.5 * 0.04 * math.sqrt(share / (100.0 * w))
        assert marginal == pytest.approx(multiplier, abs=1e-12) if share else a >= multiplier - 1e-12


def test_linear_shares_are_those_of_the_sorted_closed_form() -> None:
    first, weight, quantity = [0.0005, 0.001, 0.002, 0.02], [2e3, 5e3, 1e3, 9e3], 12.0
    multiplier = next(
        candidate
        for k in range(1, 5)
        if (candidate := (quantity + sum(w * a for w, a in zip(weight[:k], first[:k], strict=True))) / sum(weight[:k]))
        <= (first[k] if k < 4 else math.inf)
    )
    terms = Terms(Side.SELL, MARK)
    curves = [
        curve_of(LinearDepth(per_fraction=w, half_spread=a), terms, 0.0, 0.0)
        for w, a in zip(weight, first, strict=True)
    ]
    shares, found = optimal_shares([curve for curve in curves if curve is not None], [100.0] * 4, quantity)
    assert found == pytest.approx(multiplier, rel=1e-12)
    wanted = [w * max(multiplier - a, 0.0) for w, a in zip(weight, first, strict=True)]
    assert shares == pytest.approx(wanted, abs=1e-9) and shares[3] == 0.0


def asks(*rows: list[float], bid: float = 99.0) -> OrderBook:
    return OrderBook(bids=np.array([[bid, 50.0]]), asks=np.array(rows))


def test_prices_and_costs_of_each_part() -> None:
    venue = Venue(name="a", supply=asks([100.0, 2.0], [101.0, 2.0]), fee=0.001)
    part = split_order(3, Side.BUY, [venue], mark=100.0).allocations[0]
    assert part.average_price == pytest.approx(301.0 / 3.0) and part.worst_price == 101.0
    assert part.cost == pytest.approx((301.0 * 1.001 - 300.0) / 300.0)
    even = Venue(name="b", supply=LinearDepth(per_fraction=1_000.0, half_spread=0.001), fee=0.0005)
    part = split_order(10, Side.SELL, [even], mark=100.0).allocations[0]
    assert part.average_price == pytest.approx(100.0 * (1 - 0.001 - 0.005))
    assert part.worst_price == pytest.approx(100.0 * (1 - 0.001 - 0.01))
    assert part.cost == pytest.approx(0.0065)


EXCLUDED: list[tuple[Exclusion, Venue]] = [
    (Exclusion.UNTRUSTED, Venue(name="x", supply=asks([99.5, 9.0]), trusted=False)),
    (Exclusion.STALE, Venue(name="x", supply=asks([99.5, 9.0]), age_seconds=31.0)),
    (Exclusion.STALE, Venue(name="x", supply=asks([99.5, 9.0]), age_seconds=-1.0)),
    (Exclusion.CROSSED, Venue(name="x", supply=asks([99.5, 9.0], bid=99.6))),
    (Exclusion.NO_DEPTH, Venue(name="x", supply=asks([99.5, 0.5]))),
    (Exclusion.NO_DEPTH, Venue(name="x", supply=OrderBook(bids=np.array([[99.0, 5.0]]), asks=np.empty((0, 2))))),
    (Exclusion.NO_HEADROOM, Venue(name="x", supply=asks([99.5, 9.0]), largest=0.9)),
    (Exclusion.BEYOND_WORST_PRICE, Venue(name="x", supply=asks([103.5, 9.0]))),
    (Exclusion.DEARER, Venue(name="x", supply=asks([102.0, 9.0]))),
    (Exclusion.BELOW_MINIMUM, Venue(name="x", supply=asks([99.5, 2.0]), minimum=3)),
]


@pytest.mark.parametrize(("reason", "venue"), EXCLUDED, ids=lambda value: getattr(value, "value", ""))
def test_who_is_left_out_and_why(reason: Exclusion, venue: Venue) -> None:
    other = Venue(name="y", supply=asks([100.0, 5.0], [101.0, 5.0]))
    found = split_order(4, Side.BUY, [venue, other], mark=100.0, worst_price=103.0)
    assert [(part.lots, part.exclusion) for part in found.allocations] == [(0, reason), (4, Exclusion.NONE)]
    assert found.unfilled == 0 and EXCLUSION_TEXT[reason]


def test_nothing_usable_is_unfilled_and_no_cost_is_made_up() -> None:
    found = split_order(4, Side.BUY, [Venue(name="x", supply=asks([100.0, 9.0]), trusted=False)], mark=100.0)
    assert (found.lots, found.unfilled, found.cost) == (0, 4, None)
    assert found.allocations[0].average_price is None


def test_the_reserve_is_taken_of_every_level() -> None:
    venue = Venue(name="x", supply=asks([100.0, 4.0], [101.0, 4.0]))
    found = split_order(9, Side.BUY, [venue], mark=100.0, rules=SplitRules(depth_reserve=0.5))
    assert (found.lots, found.unfilled) == (4, 5)
    assert found.allocations[0].average_price == pytest.approx(100.5)


def test_a_form_ends_before_prices_lose_their_meaning() -> None:
    thin = Venue(name="x", supply=LinearDepth(per_fraction=10.0))
    found = split_order(50, Side.SELL, [thin], mark=100.0)
    assert (found.lots, found.unfilled) == (5, 45)
    assert found.allocations[0].worst_price == pytest.approx(50.0)


def test_many_lots_are_dealt_without_counting_them() -> None:
    rng = np.random.default_rng(3)
    venues = [
        Venue(name=f"v{place}", supply=LinearDepth(per_fraction=float(d), half_spread=float(a)))
        for place, (d, a) in enumerate(zip(rng.uniform(1e4, 1e5, 12), rng.uniform(0, 1e-3, 12), strict=True))
    ]
    found = split_order(10**9, Side.BUY, venues, mark=100.0, lot=1e-8)
    assert found.lots == 10**9
    marginal = [
        venue.supply.half_spread + part.lots * 1e-8 / venue.supply.per_fraction
        for venue, part in zip(venues, found.allocations, strict=True)
        if part.lots and isinstance(venue.supply, LinearDepth)
    ]
    assert max(marginal) - min(marginal) < 1e-10


def test_mistakes_are_named() -> None:
    venue = Venue(name="x", supply=asks([100.0, 1.0]))
    with pytest.raises(InvalidInput, match="twice"):
        split_order(1, Side.BUY, [venue, venue], mark=100.0)
    with pytest.raises(InvalidInput, match="at least one lot"):
        split_order(0, Side.BUY, [venue], mark=100.0)
    with pytest.raises(InvalidInput, match="fee"):
        Venue(name="x", supply=asks([100.0, 1.0]), fee=5.0)
    with pytest.raises(InvalidInput, match="largest"):
        Venue(name="x", supply=asks([100.0, 1.0]), largest=math.nan)
    with pytest.raises(InvalidInput, match="largest"):
        LinearDepth(per_fraction=1.0, largest=math.nan)
    with pytest.raises(InvalidInput, match="depth_reserve"):
        SplitRules(depth_reserve=1.0)
