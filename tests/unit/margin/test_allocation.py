"""Allocation of collateral: against enumeration of whole amounts, and each rule of when to move."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from services.core.errors import InvalidInput
from services.margin.allocation import allocate, pooling, reduction_to
from services.margin.allocation_terms import Allocation, AllocationPolicy, Asset, Balance, Route, Venue

D = Decimal
USD = Asset(name="USD", unit=D("0.01"))
ALL = AllocationPolicy(withdrawable_share=1.0)


def venue(name: str, equity: float, maintenance: float, loss: float, **more: Any) -> Venue:
    return Venue(name=name, equity=equity, maintenance=maintenance, loss_per_sigma=loss, **more)


def money(name: str, amount: float = 0.0, **more: Any) -> Balance:
    return Balance(venue=name, asset="USD", withdrawable=D(str(amount)), **more)


def route(source: str, destination: str, **more: Any) -> Route:
    return Route(source=source, destination=destination, asset="USD", **more)


def two(policy: AllocationPolicy = ALL, *, rich: float = 50.0, poor: float = 10.0, **more: Any) -> Allocation:
    """Rich and poor, one way between them."""
    venues = [venue("rich", rich, 20.0, 8.0), venue("poor", poor, 9.0, 4.0)]
    return allocate(venues, [USD], [money("rich", rich), money("poor")], [route("rich", "poor", **more)], policy)


@pytest.mark.parametrize(("fixed", "least", "seconds"), [(0, 0, 0.0), (1, 0, 0.0), (2, 9, 0.0), (1, 3, 40_000.0)])
def test_no_plan_in_whole_units_is_safer(fixed: int, least: int, seconds: float) -> None:
    """Every combination of whole amounts over four routes between three venues."""
    figures = [("a", 60.0, 20.0, 8.0), ("b", 12.0, 9.0, 4.0), ("c", 40.0, 25.0, 10.0)]
    ends = [("a", "b"), ("a", "c"), ("c", "b"), ("b", "c")]
    share, unit = D("0.01"), Asset(name="USD", unit=D(1))
    routes = [
        route(*pair, fee_fixed=D(fixed), least=D(least), fee_proportional=share, latency_seconds=seconds)
        for pair in ends
    ]
    balances = [money("a", 25.0), money("b", 3.0), money("c", 12.0)]
    venues = [venue(*row) for row in figures]
    policy = AllocationPolicy(withdrawable_share=1.0, must_pay=False, least_gain=0.0)
    plan = allocate(venues, [Asset(name="USD", unit=D("0.000001"))], balances, routes, policy)
    names = [row[0] for row in figures]
    equity, maintenance, loss = (np.array([row[k] for row in figures]) for k in (1, 2, 3))
    sent = np.stack(np.meshgrid(*[np.arange(n + 1.0) for n in (25, 25, 12, 3)], indexing="ij"), -1).reshape(-1, 4)
    allowed = (sent[:, 0] + sent[:, 1] <= 25) & np.all((sent == 0) | (sent >= max(least, 2 * fixed)), axis=1)
    sent = sent[allowed]
    after, slow = np.tile(equity, (len(sent), 1)), np.ones((len(sent), 3))
    left = np.tile(equity, (len(sent), 1))
    for column, (source, destination) in enumerate(ends):
        one, other = names.index(source), names.index(destination)
        amount, used = sent[:, column], sent[:, column] > 0
        after[:, one] -= amount
        left[:, one] -= amount
        after[:, other] += np.where(used, amount * 0.99 - fixed, 0.0)
        slow[used, other] = math.sqrt(1.0 + seconds / 86_400.0)
    now = ((equity - maintenance) / loss).min()
    sound = ((left - maintenance) / loss).min(axis=1) >= now - 1e-12
    safety = ((after - maintenance) / (loss * slow)).min(axis=1)[sound]
    found = min(
        (row.equity_after - one.maintenance)
        / (one.loss_per_sigma * (math.sqrt(1.0 + seconds / 86_400.0) if arrives(plan, one.name) else 1.0))
        for row, one in zip(plan.venues, venues, strict=True)
    )
    assert unit.unit == 1
    # Never worse than the best whole amounts, and no better than what half a unit a route can add to it.
    assert found >= safety.max() - 1e-6
    assert found <= safety.max() + 4 * 1.0 / loss.min()
    if not seconds:
        assert plan.safety_after == pytest.approx(found, rel=1e-12)


def arrives(plan: Allocation, name: str) -> bool:
    return any(move.route.destination == name for move in plan.moves)


def test_many_networks_against_whole_amounts() -> None:
    """Integral figures, free routes: where the best is a whole amount it is found, and nothing beats the plan."""
    rng = np.random.default_rng(2)
    for _ in range(25):
        rows = [
            (name, float(rng.integers(20, 60)), float(rng.integers(5, 20)), float(rng.integers(2, 9))) for name in "abc"
        ]
        caps = {name: int(rng.integers(0, 12)) for name in "abc"}
        ends = [pair for pair in itertools.permutations("abc", 2) if rng.random() < 0.6][:3]
        venues = [venue(*row) for row in rows]
        policy = AllocationPolicy(withdrawable_share=1.0, must_pay=False, least_gain=0.0)
        plan = allocate(venues, [USD], [money(n, c) for n, c in caps.items()], [route(*pair) for pair in ends], policy)
        best = -math.inf
        for amounts in itertools.product(*[range(caps[source] + 1) for source, _ in ends]):
            out, change = dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
            for (source, destination), amount in zip(ends, amounts, strict=True):
                out[source] += amount
                change[source] -= amount
                change[destination] += amount
            if all(out[name] <= caps[name] for name in "abc"):
                best = max(best, min((e + change[n] - m) / k for n, e, m, k in rows))
        assert plan.safety_after is not None
        assert plan.safety_after >= best - 0.02
        assert plan.safety_attainable is not None
        assert plan.safety_after <= plan.safety_attainable + 1e-9


def test_amounts_add_up_exactly_and_stay_within_what_may_leave() -> None:
    plan = two(AllocationPolicy(), fee_fixed=D("0.017"), fee_proportional=D("0.00123"))
    move = plan.moves[0]
    assert move.sent == move.fee + move.arrives
    assert all(amount == amount.quantize(D("0.01")) for amount in (move.sent, move.fee, move.arrives))
    assert move.fee >= D("0.017") + move.sent * D("0.00123")
    capped = two(AllocationPolicy(), rich=21.0, poor=9.5)
    assert all(move.sent <= D("18.9") for move in capped.moves)


def test_only_nine_tenths_may_leave() -> None:
    venues = [venue("rich", 100.0, 0.0, 1.0), venue("poor", 10.0, 9.0, 4.0)]
    plan = allocate(venues, [USD], [money("rich", 10.0), money("poor")], [route("rich", "poor")], AllocationPolicy())
    assert plan.moves[0].sent == D("9.00")
    assert plan.binding == "poor"
    # A unit more to withdraw would be nine tenths of a unit more at the poor venue.
    assert plan.worth_of_balance == {("rich", "USD"): pytest.approx(0.9 / 4.0)}


def test_shadow_prices_are_what_a_unit_more_does() -> None:
    base = [venue("a", 50.0, 20.0, 8.0), venue("b", 10.0, 9.0, 4.0), venue("c", 40.0, 25.0, 10.0)]
    ways = [route(one, other) for one, other in itertools.permutations("abc", 2)]
    pots = [money(name, 30.0) for name in "abc"]
    asset = Asset(name="USD", unit=D("0.00000001"))
    plan = allocate(base, [asset], pots, ways, ALL)
    for place, row in enumerate(plan.venues):
        richer = list(base)
        richer[place] = venue(row.name, base[place].equity + 0.1, base[place].maintenance, base[place].loss_per_sigma)
        other = allocate(richer, [asset], pots, ways, ALL)
        assert other.safety_after is not None
        assert plan.safety_after is not None
        assert row.worth_of_equity == pytest.approx((other.safety_after - plan.safety_after) / 0.1, rel=1e-5)


def test_a_haircut_at_the_destination_counts() -> None:
    venues = [venue("rich", 50.0, 20.0, 8.0), venue("poor", 10.0, 9.0, 4.0)]
    coin = Asset(name="BTC", price=50_000.0, unit=D("0.00000001"))
    balances = [
        Balance(venue="rich", asset="BTC", withdrawable=D("0.001"), haircut=0.05),
        Balance(venue="poor", asset="BTC", haircut=0.2),
    ]
    plan = allocate(venues, [coin], balances, [Route(source="rich", destination="poor", asset="BTC")], ALL)
    value = float(plan.moves[0].sent) * 50_000.0
    rich, poor = plan.venues
    assert (rich.equity_after, poor.equity_after) == (
        pytest.approx(50.0 - 0.95 * value),
        pytest.approx(10.0 + 0.8 * value),
    )
    assert rich.safety_after == pytest.approx(poor.safety_after, abs=5e-4)


def test_what_travels_counts_nowhere_until_it_is_confirmed() -> None:
    plan = two(latency_seconds=3_600.0, finality_seconds=600.0)
    rich, poor = plan.venues
    assert poor.equity_in_transit == poor.equity_before == 10.0
    assert rich.equity_in_transit == rich.equity_after < 50.0
    assert rich.safety_in_transit is not None
    assert rich.safety_in_transit >= 0.25
    # The horizon of the destination is longer by the time of arrival; a hundredth is given up for time and fees.
    assert poor.safety_after is not None
    assert poor.safety_after / math.sqrt(1.0 + 4_200.0 / 86_400.0) == pytest.approx(rich.safety_after, abs=0.03)


def test_a_relay_sends_no_more_than_it_can_spare_now() -> None:
    """b could pass on what a sends it, but not before it has arrived."""
    venues = [venue("a", 100.0, 10.0, 5.0), venue("b", 10.0, 9.0, 4.0), venue("c", 9.0, 9.0, 4.0)]
    plan = allocate(venues, [USD], [money("a", 90.0), money("b", 90.0), money("c")],
                    [route("a", "b"), route("b", "c")], ALL)  # fmt: skip
    relay = plan.venues[1]
    assert relay.safety_in_transit is not None
    assert relay.safety_in_transit >= 0.0
    assert sum(move.sent for move in plan.moves if move.route.source == "b") <= 1


def test_the_safer_and_cheaper_of_two_routes_is_taken() -> None:
    venues = [venue("rich", 50.0, 20.0, 8.0), venue("poor", 10.0, 9.0, 4.0)]
    balances = [money("rich", 40.0), money("poor")]
    sure, risky = route("rich", "poor", fee_proportional=D("0.001")), route("rich", "poor", failure_probability=0.01)
    plan = allocate(venues, [USD], balances, [risky, sure], ALL)
    assert [move.route for move in plan.moves] == [sure]
    harmless = AllocationPolicy(withdrawable_share=1.0, failure_loss=0.0, target_safety=1.0)
    plan = allocate(venues, [USD], balances, [risky, sure], harmless)
    assert [move.route for move in plan.moves] == [risky]
    quick, slow = route("rich", "poor"), route("rich", "poor", finality_seconds=86_400.0)
    assert [move.route for move in allocate(venues, [USD], balances, [slow, quick], ALL).moves] == [quick]


def test_no_move_for_too_small_a_gain() -> None:
    policy = AllocationPolicy(withdrawable_share=1.0, least_gain=0.25)
    # 2.0 and 2.1 standard deviations: both safe enough, and a tenth apart.
    plan = two(policy, rich=36.8, poor=17.0)
    assert (plan.verdict, plan.moves, plan.dropped) == ("keep", (), (("poor", "gain_too_small"),))
    assert two(policy, rich=36.8, poor=16.9).verdict == "transfer"


def test_no_move_that_does_not_pay() -> None:
    """Averted: 2N(−z) of the maintenance margin, here by hand, against the fee."""
    free = two()
    rich, poor = (row.safety_after for row in free.venues)
    rise = 2.0 * (norm.cdf(-rich) - norm.cdf(-3.75)) * 20.0
    averted = 2.0 * (norm.cdf(-0.25) - norm.cdf(-poor)) * 9.0
    assert free.saved == pytest.approx(averted - rise, rel=1e-9)
    assert two(fee_fixed=D(5)).verdict == "transfer"
    dear = two(fee_fixed=D(8))
    assert (dear.verdict, dear.dropped, dear.cost) == ("keep", (("poor", "does_not_pay"),), 0.0)
    assert dear.safety_after == dear.safety_before == 0.25


def test_no_further_than_asked() -> None:
    plan = two(AllocationPolicy(withdrawable_share=1.0, target_safety=1.0))
    assert plan.safety_after == pytest.approx(1.0, abs=0.01)
    assert plan.moves[0].sent == D("3.00")


def test_what_all_funds_together_do_not_cover_is_reduced() -> None:
    venues = [venue("a", 10.0, 20.0, 8.0), venue("b", 12.0, 9.0, 4.0)]
    ways = [route("a", "b"), route("b", "a")]
    plan = allocate(venues, [USD], [money("a", 10.0), money("b", 10.0)], ways, ALL)
    assert (plan.verdict, plan.moves, plan.binding) == ("reduce", (), "a")
    assert plan.safety_attainable == pytest.approx((22.0 - 29.0) / 12.0)
    for row, one in zip(plan.venues, venues, strict=True):
        kept = 1.0 - row.reduction
        assert one.equity == pytest.approx(kept * (one.maintenance + 2.0 * one.loss_per_sigma))
    assert reduction_to(-1.0, 10.0, 1.0, 2.0) == 1.0
    assert reduction_to(1.0, 0.0, 0.0, 2.0) == 0.0


def test_a_venue_without_positions_and_one_alone() -> None:
    idle = [venue("cold", 100.0, 0.0, 0.0), venue("hot", 10.0, 9.0, 4.0)]
    plan = allocate(idle, [USD], [money("cold", 100.0), money("hot")], [route("cold", "hot")], ALL)
    assert plan.venues[0].safety_after is None
    assert plan.venues[0].equity_after >= 0.0
    alone = allocate([venue("a", 10.0, 5.0, 1.0)], [], [], [], ALL)
    assert (alone.verdict, alone.safety_after, alone.binding) == ("keep", 5.0, "a")
    nothing = allocate([venue("a", 10.0, 0.0, 0.0)], [], [], [], ALL)
    assert (nothing.verdict, nothing.safety_after, nothing.binding) == ("keep", None, None)
    short = allocate([venue("a", -1.0, 0.0, 0.0)], [], [], [], ALL)
    assert short.verdict == "reduce"


def test_one_account_instead_of_two() -> None:
    found = pooling([venue("a", 50.0, 20.0, 8.0), venue("b", 10.0, 9.0, 4.0)], 18.0, 7.0)
    assert found == (pytest.approx(6.0), 11.0, 5.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"venues": []}, "venues"),
        ({"venues": [venue("a", 1.0, 1.0, 1.0)] * 2}, "venues"),
        ({"assets": []}, "balances.asset"),
        ({"balances": [money("a", 1.0)]}, "routes"),
        ({"balances": [money("z", 1.0)]}, "balances.venue"),
        ({"balances": [money("a", -1.0), money("b")]}, "withdrawable"),
        ({"balances": [money("a", 1.0, haircut=2.0), money("b")]}, "haircut"),
        ({"routes": [route("a", "a")]}, "destination"),
        ({"routes": [route("a", "b", fee_fixed=D(-1))]}, "fees"),
        ({"routes": [route("a", "b", failure_probability=1.0)]}, "probability"),
    ],
)
def test_what_contradicts_itself_is_refused(change: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {
        "venues": [venue("a", 10.0, 1.0, 1.0), venue("b", 10.0, 1.0, 1.0)],
        "assets": [USD],
        "balances": [money("a", 1.0), money("b")],
        "routes": [route("a", "b")],
        **change,
    }
    with pytest.raises(InvalidInput, match=said):
        allocate(*given.values(), ALL)


@pytest.mark.parametrize(("name", "value"), [("equity", math.nan), ("maintenance", -1.0), ("loss_per_sigma", math.inf),
                                             ("horizon_seconds", 0.0)])  # fmt: skip
def test_venues_are_checked(name: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=name):
        Venue(**{"name": "a", "equity": 1.0, "maintenance": 1.0, "loss_per_sigma": 1.0, name: value})
