"""Laws of collateral and contagion: what adds up, what never falls, and what does not depend on order or unit."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.instrument import MarginTier
from services.margin.allocation import allocate
from services.margin.allocation_terms import Allocation, AllocationPolicy, Asset, Balance, Route, Venue
from services.margin.haircuts import VolatilityHaircut, collateral_credit
from services.margin.liquidation_waterfall import Counterparty, auction_fraction, deleverage
from services.margin.underlying_book import FutureHolding, LoanHolding, OptionHolding, UnderlyingBook
from services.risk.contagion import propagate
from services.risk.tightening import TighteningPolicy

D = Decimal
cents = st.integers(0, 100_000_00).map(lambda n: D(n) / 100)
small = st.integers(0, 500).map(lambda n: D(n) / 100)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Venue], list[Balance], list[Route]]:
    """Two to four accounts, some ways between them with fees, waits and least amounts."""
    names = "abcd"[: draw(st.integers(2, 4))]
    venues = [
        Venue(
            name=name,
            equity=draw(st.floats(-1e3, 1e5)),
            maintenance=draw(st.floats(0.0, 4e4)),
            loss_per_sigma=draw(st.sampled_from([0.0, 500.0, 7_000.0, 20_000.0])),
        )
        for name in names
    ]
    balances = [
        Balance(venue=name, asset="USD", withdrawable=draw(cents), haircut=draw(st.sampled_from([0.0, 0.05])))
        for name in names
    ]
    pairs = draw(st.lists(st.sampled_from(list(itertools.permutations(names, 2))), unique=True, max_size=5))
    routes = [
        Route(
            source=source,
            destination=destination,
            asset="USD",
            fee_fixed=draw(small),
            fee_proportional=draw(st.sampled_from([D(0), D("0.0005")])),
            least=draw(st.sampled_from([D(0), D(10)])),
            latency_seconds=draw(st.sampled_from([0.0, 900.0])),
            failure_probability=draw(st.sampled_from([0.0, 0.001])),
        )
        for source, destination in pairs
    ]
    return venues, balances, routes


def planned(venues: list[Venue], balances: list[Balance], routes: list[Route]) -> Allocation:
    return allocate(venues, [Asset(name="USD", unit=D("0.01"))], balances, routes, AllocationPolicy())


@settings(deadline=None, max_examples=60)
@given(worlds())
def test_funds_are_conserved_limits_kept_and_safety_never_lower(
    world: tuple[list[Venue], list[Balance], list[Route]],
) -> None:
    venues, balances, routes = world
    plan = planned(*world)
    held = {item.venue: item.withdrawable for item in balances}
    after, fees = dict(held), D(0)
    for move in plan.moves:
        assert move.sent == move.fee + move.arrives
        assert move.arrives > 0
        assert move.sent >= move.route.least
        assert move.sent == move.sent.quantize(D("0.01"))
        after[move.route.source] -= move.sent
        after[move.route.destination] += move.arrives
        fees += move.fee
    assert sum(held.values()) == sum(after.values()) + fees
    for name, limit in held.items():
        assert sum(move.sent for move in plan.moves if move.route.source == name) <= D("0.9") * limit
    if plan.safety_before is not None and plan.safety_after is not None:
        slack = 1e-6 * (1.0 + abs(plan.safety_before))
        assert plan.safety_after >= plan.safety_before - slack
        waiting = [row.safety_in_transit for row in plan.venues if row.safety_in_transit is not None]
        assert min(waiting) >= plan.safety_before - slack
    assert {row.name for row in plan.venues} == {item.name for item in venues}
    assert all(0.0 <= row.reduction <= 1.0 for row in plan.venues)
    if plan.verdict == "reduce":
        assert not plan.moves
    assert len(routes) >= len(plan.moves)


@settings(deadline=None, max_examples=25)
@given(worlds())
def test_the_order_of_venues_does_not_matter(
    world: tuple[list[Venue], list[Balance], list[Route]],
) -> None:
    venues, balances, routes = world
    first = planned(venues, balances, [])
    turned = planned(venues[::-1], balances[::-1], [])
    # The price of equity of venues that tie is not unique.
    plain = [{row.name: replace(row, worth_of_equity=None) for row in plan.venues} for plan in (first, turned)]
    assert plain[0] == plain[1]
    one, other = planned(venues, balances, routes), planned(venues[::-1], balances[::-1], routes[::-1])
    assert one.verdict == other.verdict or {one.verdict, other.verdict} == {"transfer", "keep"}
    if one.safety_attainable is not None:
        assert other.safety_attainable == pytest.approx(one.safety_attainable, rel=1e-6, abs=1e-6)


levels = st.floats(0.0, 5.0)


@given(levels, levels, st.floats(0.0, 1e6), st.floats(0.0, 1e6), st.floats(0.0, 1e5), st.floats(0.0, 1e5))
def test_haircuts_rise_with_volatility_size_and_age(
    volatility: float, more: float, size: float, larger: float, age: float, older: float
) -> None:
    known = {"floor": 0.01, "average_daily_volume": 1e6, "heartbeat_seconds": 3_600.0}
    base = VolatilityHaircut().haircuts(volatility, size_quote=size, age_seconds=age, **known)
    assert 0.0 <= base.maintenance <= base.initial <= 1.0
    for found in (
        VolatilityHaircut().haircuts(volatility + more, size_quote=size, age_seconds=age, **known),
        VolatilityHaircut().haircuts(volatility, size_quote=size + larger, age_seconds=age, **known),
        VolatilityHaircut().haircuts(volatility, size_quote=size, age_seconds=age + older, **known),
        VolatilityHaircut().haircuts(volatility, size_quote=size, age_seconds=age, multiplier=1.5, **known),
    ):
        assert found.maintenance >= base.maintenance
        assert found.initial >= base.initial


@given(st.floats(-1e9, 1e9), st.floats(0.0, 1.0))
def test_credit_is_never_more_than_the_value_nor_a_debt_less(value: float, cut: float) -> None:
    credit = float(collateral_credit(value, cut))
    assert credit <= value
    assert value > 0.0 or credit == value


@st.composite
def networks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two to five nodes; shares of equity in eighths, so that the end is soon reached."""
    n = draw(st.integers(2, 5))
    eighths = st.integers(0, 6).map(lambda k: k / 8)
    equity = np.array([draw(st.sampled_from([0.5, 1.0, 4.0])) for _ in range(n)])
    claims = np.array([[0.0 if i == j else draw(eighths) for j in range(n)] for i in range(n)])
    return equity, claims, np.array([draw(eighths) for _ in range(n)])


@settings(deadline=None)
@given(networks(), st.data())
def test_distress_is_a_share_rises_with_the_shock_and_ignores_order(
    network: tuple[np.ndarray, np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    equity, claims, shock = network
    found = propagate(equity, claims, shock)
    assert np.all((found.direct <= found.distress) & (found.distress <= 1.0) & (found.distress >= 0.0))
    # A fixed point: once more changes nothing.
    again = np.minimum(1.0, found.direct + claims / equity[:, None] @ found.distress)
    if found.converged:
        np.testing.assert_allclose(again, found.distress, atol=1e-9)
    extra = np.zeros_like(shock)
    extra[data.draw(st.integers(0, shock.size - 1))] = 0.25
    assert np.all(propagate(equity, claims, shock + extra).distress >= found.distress - 1e-9)
    order = np.array(data.draw(st.permutations(range(shock.size))))
    turned = propagate(equity[order], claims[np.ix_(order, order)], shock[order])
    np.testing.assert_allclose(turned.distress, found.distress[order], atol=1e-9)
    scaled = propagate(1e3 * equity, 1e3 * claims, 1e3 * shock)
    np.testing.assert_allclose(scaled.distress, found.distress, atol=1e-9)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30))
def test_the_multiplier_is_never_below_what_distress_asks_and_never_above_its_cap(path: list[float]) -> None:
    policy, held = TighteningPolicy(), 1.0
    for distress in path:
        before, held = held, policy.multiplier(distress, held)
        assert min(3.0, 1.0 + 1.5 * distress) <= held <= 3.0
        assert held >= 1.0 + 0.9 * (before - 1.0) - 1e-12


@st.composite
def books(draw: st.DrawFn) -> UnderlyingBook:
    """Futures, options, coin and a loan around a price of 100."""
    sizes = st.floats(-5.0, 5.0)
    options = [
        OptionHolding(
            quantity=draw(sizes), strike=draw(st.floats(50.0, 200.0)), forward=101.0,
            time_to_expiry=draw(st.floats(0.01, 1.0)), volatility=draw(st.floats(0.2, 1.5)),
            right=draw(st.sampled_from([1, -1])),
        )
        for _ in range(draw(st.integers(0, 4)))
    ]  # fmt: skip
    futures = [
        FutureHolding(quantity=draw(sizes), price=100.0, tiers=(MarginTier(0.0, 0.01), MarginTier(300.0, 0.02, 3.0)))
    ]
    loans = [LoanHolding(collateral_base=draw(st.floats(0.0, 3.0)), debt_quote=draw(st.floats(0.0, 150.0)))]
    return UnderlyingBook(
        mark=100.0, balance=draw(st.floats(0.0, 800.0)), coin=draw(st.floats(-2.0, 2.0)), coin_haircut=0.1,
        futures=futures, options=options, loans=loans,
    )  # fmt: skip


@settings(deadline=None, max_examples=80)
@given(books())
def test_a_liquidation_price_put_back_meets_maintenance(book: UnderlyingBook) -> None:
    found = book.liquidation()
    notional = max(book.notional(), 1.0)
    now = np.array([book.mark])
    if book.equity(now)[0] <= book.maintenance(now)[0]:
        assert (found.down, found.up) == (book.mark, book.mark)
        return
    for price in (found.down, found.up):
        if price is not None:
            at = np.array([price])
            assert abs(book.equity(at) - book.maintenance(at))[0] <= 1e-9 * notional
    low, high = found.down or book.mark / 100.0, found.up or book.mark * 100.0
    inside = np.geomspace(low, high, 2_003)[1:-1]
    inside = inside[(inside > low * (1 + 1e-9)) & (inside < high * (1 - 1e-9))]
    assert np.all(book.equity(inside) - book.maintenance(inside) > -1e-7 * notional)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.0, 1.0))
def test_an_auction_sells_between_nothing_and_all(net: float, value: float, discount: float) -> None:
    assert 0.0 <= auction_fraction(net, value, discount=discount) <= 1.0


@given(st.floats(-10.0, 10.0).filter(bool), st.floats(50.0, 150.0), st.lists(
    st.tuples(st.floats(-5.0, 5.0), st.floats(50.0, 200.0), st.floats(-10.0, 500.0)), max_size=6))  # fmt: skip
def test_deleveraging_closes_what_it_says_and_leaves_nobody_broke(
    quantity: float, bankruptcy: float, people: list[tuple[float, float, float]]
) -> None:
    others = [
        Counterparty(name=str(number), quantity=size, entry_price=entry, equity=equity, maintenance_rate=0.01)
        for number, (size, entry, equity) in enumerate(people)
    ]
    found = deleverage(quantity, bankruptcy, 100.0, others)
    assert math.fsum(item.quantity for item in found.filled) + found.uncovered == pytest.approx(abs(quantity))
    assert 95.0 <= found.price <= 105.0
    for item in found.filled:
        owner = others[int(item.name)]
        assert owner.quantity * quantity < 0.0
        assert owner.equity - item.cost >= 0.0
        assert item.quantity <= abs(owner.quantity)
