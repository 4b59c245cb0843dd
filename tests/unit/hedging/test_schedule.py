"""Schedules: the efficient frontier and its ends, exact lots, volume, minimum, steps; what is missing is named."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from services.core.errors import InvalidInput
from services.hedging.execution import Execution, LinearImpact, execution_cost
from services.hedging.schedule import SliceRules, schedule_order
from services.hedging.schedules.almgren_chriss import AlmgrenChriss, shares_left, urgency
from services.hedging.schedules.participation import Participation
from services.hedging.schedules.scale_by_price import ScaleByPrice
from services.hedging.schedules.scale_by_time import ScaleByTime
from services.hedging.schedules.twap import Twap
from services.hedging.slices import LotSlice, merged

IMPACT = LinearImpact(temporary=2.5e-6, permanent=2.5e-7, fixed=0.0625)
DAY = 86_400.0
SIGMA = 0.95
VOLATILITY = SIGMA / 50.0 * math.sqrt(365.0)


def order(quantity: float = 1e6, *, reduces: bool = True, **known: object) -> Execution:
    fields = {"price": 50.0, "volatility": VOLATILITY, "impact": IMPACT, **known}
    return Execution(quantity=quantity, reduces=reduces, **fields)  # type: ignore[arg-type]


def walked_cost(trades: np.ndarray, tau: float, sigma: float) -> tuple[float, float]:
    """Mean and variance of the shortfall, trade by trade and shock by shock, as the model is told in words."""
    moved, paid = 0.0, 0.0
    for size in trades:
        paid += size * (moved + IMPACT.fixed + IMPACT.temporary * size / tau)
        moved += IMPACT.permanent * size
    left, variance = float(trades.sum()), 0.0
    for size in trades:
        left -= float(size)
        variance += sigma**2 * tau * left**2
    return paid, variance


@pytest.mark.parametrize("slices", [1, 2, 7, 40])
def test_cost_is_that_of_walking_through_the_trades(slices: int) -> None:
    trades = np.random.default_rng(slices).uniform(0.0, 3e5, slices)
    tau = 5.0 / slices
    cost = execution_cost(trades, np.arange(slices) * tau, [tau] * slices, impact=IMPACT, price_volatility=SIGMA)
    assert (cost.expected, cost.variance) == pytest.approx(walked_cost(trades, tau, SIGMA), rel=1e-12)


def test_variance_is_that_of_simulated_prices() -> None:
    """Shortfall of 200,000 paths of arithmetic random walks: standard error of a variance is √(2/n), 0.32 %."""
    trades = np.array([4e5, 3e5, 2e5, 1e5])
    shocks = np.random.default_rng(5).normal(0.0, SIGMA, (200_000, 4))
    left = trades.sum() - np.cumsum(trades)
    cost = execution_cost(trades, range(4), [1.0] * 4, impact=IMPACT, price_volatility=SIGMA)
    assert float(np.var(shocks @ left)) == pytest.approx(cost.variance, rel=0.016)


def test_what_is_not_traded_is_at_risk_to_the_end() -> None:
    cost = execution_cost([1.0], [0.0], [1.0], impact=IMPACT, price_volatility=2.0, left=3.0, horizon=5.0)
    assert cost.variance == pytest.approx(4.0 * 9.0 * 5.0)


@pytest.mark.parametrize("risk_aversion", [1e-8, 1e-6, 1e-5])
def test_no_optimiser_finds_a_better_schedule(risk_aversion: float) -> None:
    slices, tau = 6, 5.0 / 6

    def objective(shares: np.ndarray) -> float:
        trades = 1e6 * np.append(shares, 1.0 - shares.sum())
        expected, variance = walked_cost(trades, tau, SIGMA)
        return (expected + risk_aversion * variance) / 1e5

    found = minimize(objective, np.full(slices - 1, 1.0 / slices), method="BFGS", options={"gtol": 1e-9})
    method = AlmgrenChriss(duration_seconds=5 * DAY, slices=slices, risk_aversion=risk_aversion)
    shares = np.array([part.share for part in method.parts(order())])
    assert objective(shares[:-1]) <= found.fun * (1.0 + 1e-12)
    assert shares[:-1] == pytest.approx(found.x, abs=1e-5)


def test_without_risk_aversion_it_is_the_twap() -> None:
    optimal = AlmgrenChriss(duration_seconds=DAY, slices=9, risk_aversion=0.0).parts(order())
    assert [part.share for part in optimal] == pytest.approx([1.0 / 9.0] * 9, abs=1e-15)
    nearly = AlmgrenChriss(duration_seconds=DAY, slices=9, risk_aversion=1e-18).parts(order())
    assert [part.share for part in nearly] == pytest.approx([1.0 / 9.0] * 9, rel=1e-7)


def test_with_much_risk_aversion_it_is_at_once() -> None:
    parts = AlmgrenChriss(duration_seconds=5 * DAY, slices=5, risk_aversion=1e6).parts(order())
    assert [part.share for part in parts] == pytest.approx([1.0, 0.0, 0.0, 0.0, 0.0], abs=1e-9)


def test_the_frontier_falls_and_is_convex() -> None:
    costs = []
    for risk_aversion in np.geomspace(1e-8, 1e-4, 9):
        method = AlmgrenChriss(duration_seconds=5 * DAY, slices=20, risk_aversion=float(risk_aversion))
        cost = schedule_order(1_000_000, method, order()).cost
        assert cost is not None
        costs.append((cost.variance, cost.expected))
    variances, expected = np.array(costs).T
    assert (np.diff(variances) < 0.0).all() and (np.diff(expected) > 0.0).all()
    slopes = np.diff(expected) / np.diff(variances)
    assert (np.diff(slopes) < 0.0).all()


def test_urgency_solves_its_equation_for_small_and_large_arguments() -> None:
    for risk_aversion in (1e-12, 1e-6, 1e-2):
        kappa = urgency(risk_aversion, SIGMA, IMPACT.temporary, IMPACT.permanent, 0.5)
        adjusted = IMPACT.temporary - 0.25 * IMPACT.permanent
        # 2 (cosh x − 1) as 4 sinh²(x/2), which keeps the digits of a small x.
        assert 4.0 * math.sinh(kappa * 0.25) ** 2 / 0.25 == pytest.approx(
            risk_aversion * SIGMA**2 / adjusted, rel=1e-12
        )


def test_the_trajectory_of_a_deadline_far_away_is_an_exponential() -> None:
    left = shares_left(3.0, 1000.0, 4000)
    assert left[:20] == pytest.approx(np.exp(-3.0 * 0.25 * np.arange(20)), rel=1e-12)


def test_no_optimum_where_permanent_impact_outweighs() -> None:
    with pytest.raises(InvalidInput, match="more slices"):
        urgency(1e-6, 1.0, 1e-6, 1e-5, 1.0)


@pytest.mark.parametrize(
    ("method", "known", "missing"),
    [
        (AlmgrenChriss(duration_seconds=60.0, risk_aversion=0.0), {"impact": None}, "impact"),
        (AlmgrenChriss(duration_seconds=60.0, risk_aversion=0.0), {"volatility": None}, "volatility"),
        (Participation(duration_seconds=60.0), {}, "average_daily_volume"),
        (ScaleByPrice(spacing_sigmas=1.0), {"volatility": None}, "volatility"),
    ],
)
def test_what_a_method_needs_is_named(method: object, known: dict[str, object], missing: str) -> None:
    with pytest.raises(InvalidInput) as found:
        schedule_order(10, method, order(10.0, **known))  # type: ignore[arg-type]
    assert found.value.parameter == missing


def test_the_volume_bounds_every_slice_and_what_is_over_waits() -> None:
    rules = SliceRules(max_participation=0.1)
    known = order(10.0, volumes=(20.0, 40.0, 20.0, 60.0))
    found = schedule_order(10, Twap(duration_seconds=DAY, slices=4), known, rules)
    assert ([item.lots for item in found.slices], found.unfilled) == ([2, 3, 2, 3], 0)
    short = schedule_order(10, Twap(duration_seconds=DAY, slices=4), order(10.0, volumes=(20.0,) * 4), rules)
    assert ([item.lots for item in short.slices], short.unfilled) == ([2, 2, 2, 2], 2)
    assert short.required_seconds == pytest.approx(1.25 * DAY)


def test_a_volume_bound_needs_volumes_and_times() -> None:
    rules = SliceRules(max_participation=0.1)
    with pytest.raises(InvalidInput, match="average_daily_volume"):
        schedule_order(10, Twap(duration_seconds=DAY), order(10.0), rules)
    with pytest.raises(InvalidInput, match="steps at prices"):
        schedule_order(10, ScaleByPrice(spacing_sigmas=1.0), order(10.0, average_daily_volume=1e3), rules)
    with pytest.raises(InvalidInput, match="one volume for each of the 3 slices"):
        schedule_order(10, Twap(duration_seconds=DAY, slices=3), order(10.0, volumes=(1.0, 2.0)))


def test_participation_follows_the_volume_and_tells_what_it_does_not_bear() -> None:
    method = Participation(duration_seconds=3 * 3600.0, slices=3, participation_rate=0.1)
    done = schedule_order(100, method, order(100.0, volumes=(500.0, 300.0, 900.0)))
    assert ([item.lots for item in done.slices], done.unfilled) == ([50, 30, 20], 0)
    short = schedule_order(100, method, order(100.0, average_daily_volume=2400.0))
    assert ([item.lots for item in short.slices], short.unfilled) == ([10, 10, 10], 70)
    assert short.required_seconds == pytest.approx(10 * 3600.0)


def test_nothing_is_planned_where_nothing_is_traded() -> None:
    method = Participation(duration_seconds=3600.0, slices=2)
    found = schedule_order(5, method, order(5.0, average_daily_volume=1e-9))
    assert (found.slices, found.unfilled, found.required_seconds, found.cost) == ((), 5, None, None)


def test_small_slices_join_the_side_of_less_risk() -> None:
    method = Twap(duration_seconds=400.0, slices=4)
    sooner = schedule_order(8, method, order(8.0, reduces=True), minimum=4)
    assert [(item.lots, item.start, item.end) for item in sooner.slices] == [(4, 0.0, 100.0), (4, 200.0, 300.0)]
    later = schedule_order(8, method, order(8.0, reduces=False), minimum=4)
    assert [(item.lots, item.start, item.end) for item in later.slices] == [(4, 100.0, 200.0), (4, 300.0, 400.0)]
    assert (sooner.joined, later.joined) == (2, 2)


def test_an_order_below_the_minimum_is_one_slice() -> None:
    found = schedule_order(3, Twap(duration_seconds=400.0, slices=4), order(3.0, reduces=False), minimum=10)
    assert [(item.lots, item.start) for item in found.slices] == [(3, 300.0)]


def test_joined_slices_that_the_volume_bounds_have_the_time_of_both() -> None:
    slices = [LotSlice(1, 0.0, 1.0, volume=10.0), LotSlice(1, 1.0, 2.0, volume=10.0)]
    for sooner in (True, False):
        assert merged(slices, 2, sooner=sooner, spread=True) == [LotSlice(2, 0.0, 2.0, volume=20.0)]


def test_steps_keep_the_sizes_that_they_are_given() -> None:
    found = schedule_order(10, ScaleByTime(spacing_seconds=60.0, fractions=(0.2, 0.3, 0.5)), order(10.0))
    assert [(item.lots, item.start) for item in found.slices] == [(2, 0.0), (3, 60.0), (5, 120.0)]
    doubled = schedule_order(7, ScaleByTime(spacing_seconds=60.0, steps=3, ratio=2.0), order(7.0, reduces=False))
    assert [item.lots for item in doubled.slices] == [1, 2, 4]


def test_steps_at_prices_are_standard_deviations_apart() -> None:
    known = order(4.0, volatility=0.365)
    for toward, sign in (("better", 1.0), ("worse", -1.0)):
        method = ScaleByPrice(spacing_sigmas=0.5, steps=4, toward=toward, horizon_seconds=4 * DAY)  # type: ignore[arg-type]
        offsets = [item.offset for item in schedule_order(4, method, known).slices]
        unit = sign * 0.5 * 0.365 * math.sqrt(4.0 / 365.0)
        assert offsets == pytest.approx([0.0, unit, 2 * unit, 3 * unit])
    assert schedule_order(4, method, known).cost is None


@pytest.mark.parametrize("fractions", [(0.5, 0.4), (1.2, -0.2), ()])
def test_fractions_that_are_no_shares_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInput, match="fractions"):
        ScaleByTime(spacing_seconds=1.0, fractions=fractions)


def test_jitter_comes_from_the_seed_and_from_nowhere_else() -> None:
    method, rules = Twap(duration_seconds=DAY, slices=10), SliceRules(jitter=0.5)

    def sizes(seed: int) -> list[int]:
        found = schedule_order(1000, method, order(1000.0), rules, generator=np.random.default_rng(seed))
        return [item.lots for item in found.slices]

    assert sizes(1) == sizes(1) != sizes(2)
    assert all(30 <= size <= 300 for size in sizes(1)) and len(set(sizes(1))) > 5
    with pytest.raises(InvalidInput, match="seed"):
        schedule_order(1000, method, order(1000.0), rules)


def test_an_order_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one lot"):
        schedule_order(0, Twap(duration_seconds=DAY), order(1.0))


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_impact_is_not_negative(value: float) -> None:
    with pytest.raises(InvalidInput, match=r"impact\.temporary"):
        LinearImpact(temporary=value)


def test_random_moments_need_a_seed_and_lengthen_what_is_held() -> None:
    twap = Twap(duration_seconds=DAY, slices=4)
    with pytest.raises(InvalidInput, match="time_jitter needs a seed"):
        schedule_order(8, twap, order(), SliceRules(time_jitter=0.5))
    plain = schedule_order(8, twap, order())
    moved = schedule_order(8, twap, order(), SliceRules(time_jitter=1.0), generator=np.random.default_rng(5))
    assert [item.lots for item in moved.slices] == [item.lots for item in plain.slices]
    assert plain.cost is not None and moved.cost is not None
    assert moved.cost.expected == plain.cost.expected and moved.cost.variance > plain.cost.variance


@pytest.mark.parametrize(("aversion", "temporary"), [(1e6, 1e-300), (1e6, 1e-160), (1e6, 5e-324)])
def test_an_urgency_beyond_all_numbers_trades_at_once(aversion: float, temporary: float) -> None:
    """An infinite urgency gave shares that are no numbers, and a reduction that was not traded at all."""
    order = Execution(
        quantity=10.0, price=8_000.0, reduces=True, volatility=0.6, impact=LinearImpact(temporary=temporary)
    )
    method = AlmgrenChriss(duration_seconds=14_400.0, slices=4, risk_aversion=aversion)
    found = schedule_order(10, method, order)
    assert [item.lots for item in found.slices] == [10] and found.slices[0].start == 0.0
    assert found.unfilled == 0


def test_steps_at_prices_that_do_not_exist_are_refused() -> None:
    method = ScaleByPrice(spacing_sigmas=10.0, horizon_seconds=2_592_000.0, steps=100)
    with pytest.raises(InvalidInput, match=r"schedule\.spacing_sigmas must leave the last step"):
        method.parts(Execution(quantity=1.0, price=100.0, volatility=10.0))
