"""Proofs that hold on the engine, counterexamples that are ones, and silence where nothing is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.book import Signal
from services.core.errors import InvalidInput
from services.engine import Policy, evaluate
from services.guards.breakers import Breakers
from services.margin.haircuts import VolatilityHaircut
from services.margin.methods.filtered_historical import FilteredHistorical
from services.margin.methods.sigma_multiple import SigmaMultiple
from services.margin.procyclicality import AntiProcyclicality
from services.margin.registry import STUDENT, MarginPolicy
from services.risk.tightening import ContagionPolicy
from services.sizing.buffers import NoBuffer, PositionBuffer, ToleranceBuffer
from services.sizing.capital import FixedCapital, HalfCompounding
from services.sizing.damping import GapFraction, WeightStep
from services.sizing.joint import JointRounding
from services.sizing.limits import Limits
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.drawdown_control import DrawdownControl
from services.sizing.methods.portfolio_insurance import PortfolioInsurance
from services.sizing.methods.risk_budget import RiskBudget
from services.sizing.methods.signal_scaled import SignalScaled
from services.sizing.methods.volatility_rebalancing import VolatilityRebalancing
from services.sizing.methods.volatility_target import VolatilityTarget
from services.sizing.overlays.breaker_tier import BreakerTier
from services.sizing.overlays.correlation_shock import CorrelationShock
from services.sizing.overlays.gross_leverage import GrossLeverage
from services.sizing.overlays.portfolio_risk import PortfolioRisk
from services.sizing.registry import SizingMethod
from services.sizing.scaling import ToLeverage, ToVolatility
from services.verification.check import check, check_order_kept, refined_in, refines
from services.verification.model import (
    SHAPES,
    Box,
    Unmodelled,
    distance_weight,
    initial_rate,
    never_grows,
    rate_over,
    size_over,
)
from services.verification.probe import Point, weight_at
from services.verification.properties import (
    LeverageCap,
    NeverIncreases,
    NonIncreasing,
    Property,
    SolventAfterShock,
    TiersShrink,
)
from services.verification.ranges import Ranges, ranges_of
from tests.support.books import inputs, row
from tests.support.sizing import example, members

TARGET = Policy(sizing=VolatilityTarget(target_volatility=0.3))
WILD = Ranges(volatility=(0.02, 4.0), direction=(0.0, 2.0), current_weight=(-3.0, 3.0))

BREAKER = replace(TARGET, overlays=(BreakerTier(caution=0.7, reduce=0.4),))
FIXED = FixedCapital(capital=50_000.0)

POLICIES: dict[str, Policy] = {
    "default": TARGET,
    "derisk": Policy(sizing=VolatilityTarget(target_volatility=0.3, derisk_only=True)),
    "constant": Policy(sizing=ConstantLeverage(leverage=3.0)),
    "signals": Policy(sizing=SignalScaled(target_volatility=0.25), limits=Limits(max_weight=0.7)),
    "risk budget": Policy(sizing=RiskBudget(budget_fraction=0.02)),
    "risk budget on fixed": Policy(
        sizing=RiskBudget(budget_fraction=0.02, horizon_days=4.0, confidence_factor=2.0), capital=FIXED
    ),
    "capped": Policy(sizing=ConstantLeverage(), scaling=ToVolatility(target_volatility=0.2, mode="cap")),
    "bare": replace(TARGET, buffer=NoBuffer()),
    "optimal": replace(TARGET, buffer=PositionBuffer(trade_to="optimal")),
    "slow": replace(TARGET, damping=GapFraction(fraction=0.3)),
    "steps": replace(TARGET, damping=WeightStep(step=0.1)),
    "tight": replace(TARGET, limits=Limits(max_leverage=1.5, max_margin_use=0.1, min_liquidation_distance=12.0)),
    "overlays": replace(TARGET, overlays=(GrossLeverage(limit=0.9), PortfolioRisk(limit=1.2)), buffer=NoBuffer()),
    "margin": replace(TARGET, margin=MarginPolicy(floor=0.3)),
    "breaker": BREAKER,
    "breaker and gap": replace(BREAKER, damping=GapFraction(fraction=0.3), buffer=NoBuffer()),
    "breaker and caps": replace(BREAKER, overlays=(*BREAKER.overlays, GrossLeverage(limit=0.9)), buffer=NoBuffer()),
    "shock": replace(TARGET, overlays=(CorrelationShock(limit=0.8), PortfolioRisk(limit=1.1)), buffer=NoBuffer()),
    "half": replace(TARGET, capital=HalfCompounding()),
    "fixed": replace(TARGET, capital=FIXED),
    "fixed and scaled": Policy(
        sizing=ConstantLeverage(), scaling=ToVolatility(target_volatility=0.2, mode="cap"), capital=FIXED
    ),
    "insured": Policy(sizing=PortfolioInsurance(protection=0.8, multiplier=4.0)),
    "insured against crashes": Policy(
        sizing=PortfolioInsurance(protection=0.6, multiplier=8.0, worst_loss=0.2, max_exposure=3.0),
        limits=Limits(max_leverage=5.0),
    ),
}


def test_nothing_is_proved_of_a_budget_in_money() -> None:
    """A leverage of 0.4 on a million is one of 4 on a hundred thousand."""
    method = RiskBudget(budget=10_000.0)
    policy = Policy(sizing=method, buffer=NoBuffer(), limits=Limits(max_leverage=10.0))
    small = evaluate(inputs(row(signal=Signal(1.0)), policy=policy, volatility=0.2, equity=1e5))
    assert float(small.targets[0].target or 0) * 100.0 / 1e5 > 4.0
    ranges = Ranges(volatility=(0.2, 2.0))
    found = check(policy, LeverageCap(cap=1.0), ranges)
    assert (found.verdict, "depends on the equity" in found.detail) == ("unknown", True)
    targeted = replace(policy, sizing=VolatilityTarget(target_volatility=0.2))
    assert refines(policy, targeted, ranges).verdict == "unknown"
    in_equity = replace(policy, sizing=RiskBudget(budget_fraction=0.01))
    assert check(in_equity, LeverageCap(cap=1.0), ranges).verdict == "proved"


@st.composite
def boxes(draw: st.DrawFn) -> tuple[Box, Point]:
    """A box and a point of it."""

    def side(low: float, high: float) -> tuple[tuple[float, float], float]:
        ends = sorted((draw(st.floats(low, high)), draw(st.floats(low, high))))
        return (ends[0], ends[1]), ends[0] + draw(st.floats(0.0, 1.0)) * (ends[1] - ends[0])

    volatility, direction, current = side(0.02, 4.0), side(0.0, 2.0), side(-3.0, 3.0)
    drawdown, tier = side(0.0, 0.9), draw(st.integers(0, 4))
    box = Box(
        volatility=volatility[0],
        direction=direction[0],
        current_weight=current[0],
        drawdown=drawdown[0],
        breaker_tier=tier,
    )
    place = Point(
        volatility=min(max(volatility[1], volatility[0][0]), volatility[0][1]),
        direction=direction[1],
        current_weight=round(current[1], 9),
        drawdown=min(max(drawdown[1], drawdown[0][0]), drawdown[0][1]),
        breaker_tier=tier,
    )
    return box, place


@pytest.mark.parametrize("name", POLICIES)
@given(boxes())
@settings(max_examples=40)
def test_the_engine_never_leaves_the_bounds_of_the_model(name: str, case: tuple[Box, Point]) -> None:
    """The claim that every proof rests on: model and engine, side by side, at random points of random boxes."""
    policy, (box, point) = POLICIES[name], case
    try:
        term = size_over(policy, box)
    except Unmodelled:
        return
    found = weight_at(policy, point)
    if found is None or found < 0.0:  # a position of the other side that is held, by direction 0 for one
        return
    assert term.low - 1e-6 <= found <= term.high + 1e-6


@pytest.mark.parametrize("name", POLICIES)
@given(boxes(), st.floats(1.0, 3.0))
@settings(max_examples=30)
def test_what_the_model_calls_non_increasing_is(name: str, case: tuple[Box, Point], factor: float) -> None:
    policy, (box, point) = POLICIES[name], case
    wilder = replace(point, volatility=min(point.volatility * factor, box.volatility[1]))
    try:
        term = size_over(policy, box)
    except Unmodelled:
        return
    calm, wild = weight_at(policy, point), weight_at(policy, wilder)
    if "volatility" not in term.rises and calm is not None and wild is not None and calm >= 0.0:
        assert wild <= calm + 1e-6


@pytest.mark.parametrize("name", POLICIES)
@given(boxes(), st.floats(0.0, 1.0))
@settings(max_examples=30)
def test_what_the_model_calls_non_increasing_in_the_drawdown_is(
    name: str, case: tuple[Box, Point], share: float
) -> None:
    policy, (box, point) = POLICIES[name], case
    deeper = replace(point, drawdown=point.drawdown + share * (box.drawdown[1] - point.drawdown))
    try:
        term = size_over(policy, box)
    except Unmodelled:
        return
    before, after = weight_at(policy, point), weight_at(policy, deeper)
    if "drawdown" not in term.rises and before is not None and after is not None and before >= 0.0:
        assert after <= before + 1e-6


@pytest.mark.parametrize(
    "policy",
    [
        BREAKER,
        POLICIES["breaker and gap"],
        POLICIES["breaker and caps"],
        replace(BREAKER, buffer=PositionBuffer(fraction=0.5, trade_to="optimal")),
        Policy(sizing=VolatilityRebalancing(weight=0.5), overlays=(BreakerTier(), GrossLeverage(limit=0.5))),
    ],
)
@given(boxes(), st.sampled_from([3, 4]))
@settings(max_examples=60)
def test_the_breaker_alone_keeps_a_position_from_growing(policy: Policy, case: tuple[Box, Point], tier: int) -> None:
    """The lemma behind `never_grows`, which asks nothing of the method."""
    assert never_grows(policy, tier) and not never_grows(policy, 2)
    point = replace(case[1], breaker_tier=tier)
    found = weight_at(policy, point)
    if found is not None:
        held = point.current_weight
        assert found * held >= 0.0 and abs(found) <= abs(held) + 1e-6


@pytest.mark.parametrize("name", ["breaker", "breaker and gap", "breaker and caps", "default"])
@given(boxes(), st.integers(0, 4))
@settings(max_examples=60)
def test_no_tier_sizes_larger_than_a_lower_one(name: str, case: tuple[Box, Point], tier: int) -> None:
    policy, (_, point) = POLICIES[name], case
    low, high = sorted((tier, point.breaker_tier))
    milder, harder = (weight_at(policy, replace(point, breaker_tier=one)) for one in (low, high))
    assert milder is not None and harder is not None
    if milder >= 0.0:
        assert harder <= milder + 1e-6


@pytest.mark.parametrize("policy", [TARGET, POLICIES["tight"], POLICIES["margin"]])
def test_what_is_assumed_of_margin_holds(policy: Policy) -> None:
    """Rates do not fall, sizes at the required distance do not rise, from 1 % to 1,000 % volatility."""
    grid = np.geomspace(0.01, 10.0, 400)
    assert (np.diff([initial_rate(policy, value) for value in grid]) >= 0.0).all()
    assert (np.diff([distance_weight(policy, value) for value in grid]) <= 1e-15).all()


@pytest.mark.parametrize("name", POLICIES)
def test_the_limit_of_the_policy_is_proved_and_a_lower_one_refuted(name: str) -> None:
    policy = POLICIES[name]
    flat = Ranges(volatility=(0.02, 4.0), direction=(0.1, 1.0))
    assert check(policy, LeverageCap(), flat).verdict == "proved"
    found = check(policy, LeverageCap(cap=0.01), flat)
    assert found.verdict == "refuted" and found.violation is not None
    point, weight = found.violation.points[0], found.violation.weights[0]
    assert weight_at(policy, point) == weight and weight > 0.01


def test_size_falls_with_volatility_from_any_position() -> None:
    found = check(TARGET, NonIncreasing(), WILD)
    assert found.verdict == "proved" and found.boxes >= 1


def test_an_overlay_beside_a_buffer_is_refuted_where_it_lets_go() -> None:
    """Above its limit the overlay demands the size itself; just below it the band keeps up to 10 % more."""
    policy = replace(TARGET, overlays=(GrossLeverage(limit=0.9),))
    ranges = Ranges(volatility=(0.2, 0.5), direction=(1.0, 1.0), current_weight=(0.95, 0.95))
    found = check(policy, NonIncreasing(), ranges)
    assert found.verdict == "refuted" and found.violation is not None
    calm, wild = found.violation.points
    assert calm.volatility < wild.volatility and found.violation.weights[1] > found.violation.weights[0]


def test_solvency_is_proved_for_a_careful_policy_and_refuted_for_a_bold_one() -> None:
    ranges = Ranges(volatility=(0.05, 3.0))
    careful = replace(TARGET, limits=Limits(max_leverage=2.0))
    assert check(careful, SolventAfterShock(shock=0.3), ranges).verdict == "proved"
    bold = Policy(
        sizing=VolatilityTarget(target_volatility=1.0),
        limits=Limits(max_leverage=20.0, max_margin_use=1.0, min_liquidation_distance=0.0),
    )
    found = check(bold, SolventAfterShock(shock=0.3), ranges)
    assert found.verdict == "refuted" and found.violation is not None
    weight, point = found.violation.weights[0], found.violation.points[0]
    assert weight * 0.3 + weight * 0.7 * 0.6 * initial_rate(bold, point.volatility) > 1.0


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (replace(TARGET, buffer=ToleranceBuffer()), "buffer tolerance"),
        (replace(TARGET, scaling=ToLeverage(leverage=1.0)), "scaling with a direction of 0"),
    ],
)
def test_what_is_not_modelled_is_unknown_and_never_proved(policy: Policy, text: str) -> None:
    found = check(policy, NonIncreasing(), Ranges())
    assert found.verdict == "unknown" and text in found.detail and found.points > 0


def test_out_of_boxes_is_unknown() -> None:
    """What needs many boxes is proved with many, and not claimed with one."""
    careful, ranges = replace(TARGET, margin=STUDENT, limits=Limits(max_leverage=2.0)), Ranges(volatility=(0.05, 3.0))
    found = check(careful, SolventAfterShock(shock=0.4), ranges)
    assert found.verdict == "proved" and found.boxes > 1
    assert check(careful, SolventAfterShock(shock=0.4), ranges, most_boxes=1).verdict == "unknown"


SOME_HELD = Ranges(volatility=(0.1, 2.0), direction=(0.2, 1.0), current_weight=(0.0, 1.5))


def test_the_breaker_is_what_keeps_positions_from_growing() -> None:
    assert check(BREAKER, NeverIncreases(), SOME_HELD).verdict == "proved"
    without = check(TARGET, NeverIncreases(), SOME_HELD)
    assert without.verdict == "refuted" and without.violation is not None
    assert without.violation.points[0].breaker_tier >= 3
    held, grown = without.violation.weights
    assert grown > held
    early = check(BREAKER, NeverIncreases(from_tier=2), SOME_HELD)
    assert early.verdict == "refuted" and early.violation is not None
    assert early.violation.points[0].breaker_tier == 2, "caution and reduce let some of an increase through"


def test_sizes_shrink_from_tier_to_tier() -> None:
    assert check(BREAKER, TiersShrink(), SOME_HELD).verdict == "proved"
    assert check(TARGET, TiersShrink(), SOME_HELD).verdict == "proved"
    beside = replace(BREAKER, overlays=(*BREAKER.overlays, PortfolioRisk(limit=1.2)))
    found = check(beside, TiersShrink(), SOME_HELD)
    assert found.verdict == "unknown" and "overlays on the exposure" in found.detail


def test_a_fixed_capital_takes_more_risk_as_the_equity_falls() -> None:
    """20 % of the capital is 40 % of an equity that is half of it."""
    falling = Ranges(volatility=(0.5, 0.5), direction=(1.0, 1.0), drawdown=(0.0, 0.5), breaker_tiers=(0,))
    fixed = Policy(sizing=ConstantLeverage(leverage=0.2), capital=FIXED, buffer=NoBuffer())
    found = check(fixed, NonIncreasing(variable="drawdown"), falling)
    assert found.verdict == "refuted"
    point = Point(volatility=0.5, drawdown=0.5)
    assert weight_at(fixed, point) == pytest.approx(0.4)
    assert check(fixed, LeverageCap(cap=0.41), falling).verdict == "proved"
    assert check(fixed, LeverageCap(cap=0.39), falling).verdict == "refuted"
    half = replace(fixed, capital=HalfCompounding())
    assert check(half, NonIncreasing(variable="drawdown"), falling).verdict == "proved"
    assert refines(half, fixed, falling).verdict != "refuted"
    assert refines(fixed, half, falling).verdict == "refuted"


def test_insurance_holds_less_the_closer_the_floor() -> None:
    """Floor at 80 % of the mark, multiplier 4: ``4 (1 − 0.8)`` without a drawdown, nothing 20 % below the mark."""
    insured = Policy(sizing=PortfolioInsurance(protection=0.8, multiplier=4.0), buffer=NoBuffer())
    ranges = Ranges(volatility=(0.1, 0.3), drawdown=(0.0, 0.5), direction=(0.0, 2.0))
    assert check(insured, NonIncreasing(variable="drawdown"), ranges).verdict == "proved"
    assert check(insured, LeverageCap(cap=0.81), ranges).verdict == "proved"
    assert check(insured, LeverageCap(cap=0.79), ranges).verdict == "refuted"
    gone = replace(ranges, drawdown=(0.2, 0.5))
    assert check(insured, LeverageCap(cap=1e-6), gone).verdict == "proved"
    assert refines(replace(insured, limits=Limits(max_leverage=0.5)), insured, ranges).verdict == "proved"


@pytest.mark.parametrize(
    ("statement", "ranges", "text"),
    [
        (NeverIncreases(), Ranges(breaker_tiers=(0, 1)), "no tier from 3 on"),
        (TiersShrink(), Ranges(breaker_tiers=(2,)), "holds one tier"),
        (NonIncreasing(variable="drawdown"), Ranges(), "ranges.drawdown holds one value"),
    ],
)
def test_a_statement_about_nothing_is_not_proved(statement: Property, ranges: Ranges, text: str) -> None:
    found = check(TARGET, statement, ranges)
    assert found.verdict == "unknown" and text in found.detail


def test_lots_that_may_round_up_are_not_modelled() -> None:
    found = check(replace(TARGET, rounding=JointRounding()), LeverageCap(), Ranges())
    assert found.verdict == "unknown" and "rounding joint" in found.detail


REFINEMENTS: list[tuple[Policy, Policy, str]] = [
    (TARGET, TARGET, "proved"),
    (replace(TARGET, sizing=VolatilityTarget(target_volatility=0.2)), TARGET, "proved"),
    (TARGET, replace(TARGET, sizing=VolatilityTarget(target_volatility=0.2)), "refuted"),
    (replace(TARGET, limits=Limits(max_leverage=1.0)), TARGET, "proved"),
    (replace(TARGET, limits=Limits(max_leverage=2.5)), TARGET, "refuted"),
    (replace(TARGET, margin=MarginPolicy(floor=0.1)), TARGET, "proved"),
    (replace(TARGET, margin=MarginPolicy(floor=0.02)), TARGET, "refuted"),
    (replace(TARGET, limits=Limits(min_liquidation_distance=8.0, max_margin_use=0.5)), TARGET, "proved"),
    (replace(TARGET, overlays=(GrossLeverage(limit=1.0),)), TARGET, "proved"),
    (replace(TARGET, buffer=PositionBuffer(fraction=0.2)), TARGET, "proved"),
    (replace(TARGET, buffer=NoBuffer()), TARGET, "refuted"),
    (replace(TARGET, sizing=ConstantLeverage(leverage=0.1)), TARGET, "proved"),
    (replace(TARGET, damping=GapFraction()), TARGET, "unknown"),
    (BREAKER, TARGET, "proved"),
    (TARGET, BREAKER, "refuted"),
    (replace(BREAKER, overlays=(BreakerTier(caution=0.5, reduce=0.1),)), BREAKER, "proved"),
    (replace(BREAKER, overlays=(BreakerTier(caution=0.7, reduce=0.5),)), BREAKER, "refuted"),
    (replace(BREAKER, limits=Limits(max_leverage=1.0)), BREAKER, "proved"),
]


@pytest.mark.parametrize(("new", "old", "verdict"), REFINEMENTS)
def test_refinement(new: Policy, old: Policy, verdict: str) -> None:
    """Smaller targets, lower caps and dearer margins refine; the other way round there is a point that says no."""
    found = refines(new, old, Ranges(volatility=(0.1, 2.0), direction=(0.0, 1.0)))
    assert found.verdict == verdict
    if found.violation is not None:
        before, after = found.violation.weights
        assert after != before


@given(st.sampled_from(sorted(POLICIES)), st.sampled_from(sorted(POLICIES)), boxes())
@settings(max_examples=400)
def test_what_is_never_larger_in_a_box_is_not_at_its_points(new: str, old: str, case: tuple[Box, Point]) -> None:
    box, point = case
    try:
        check_order_kept(POLICIES[new], POLICIES[old], ranges_of(box))
        if not refined_in(POLICIES[new], POLICIES[old], box):
            return
    except Unmodelled:
        return
    ours, theirs = weight_at(POLICIES[new], point), weight_at(POLICIES[old], point)
    if ours is not None and theirs is not None and theirs >= 0.0:
        assert ours <= theirs + 1e-6


def test_a_cap_after_the_breaker_says_nothing_about_the_size_before_it() -> None:
    """Twice the size under a low cap: whole it is smaller, but 40 % of it is larger than 40 % of the other."""
    ranges = Ranges(volatility=(0.1, 0.9), direction=(1.0, 1.0), breaker_tiers=(2,))
    larger = replace(BREAKER, sizing=VolatilityTarget(target_volatility=0.6), limits=Limits(max_leverage=0.3))
    assert not any(refined_in(larger, BREAKER, box) for box in ranges.boxes())
    assert refines(larger, BREAKER, ranges).verdict == "refuted"
    assert refines(larger, BREAKER, replace(ranges, breaker_tiers=(0,))).verdict == "proved"


def test_points_that_the_engine_refuses_are_not_counted() -> None:
    """Without an expected return there is no size, and nothing that could break a statement."""
    found = check(Policy(sizing=DrawdownControl(max_drawdown=0.2)), LeverageCap(), Ranges(direction=(0.1, 1.0)))
    assert (found.verdict, found.points) == ("unknown", 0) and "refuses every point" in found.detail


@pytest.mark.parametrize("method", [example(kind) for kind in members()], ids=lambda method: method.method)
def test_every_method_has_a_verdict_and_none_is_proved_unmodelled(method: SizingMethod) -> None:
    policy, few = Policy(sizing=method), Ranges(volatility=(0.2, 0.4), direction=(1.0, 1.0), breaker_tiers=(0,))
    found = check(policy, LeverageCap(), few)
    modelled = method.method in SHAPES or isinstance(method, PortfolioInsurance)
    assert found.verdict == ("proved" if modelled else "unknown"), found.detail


def test_ranges_are_checked() -> None:
    with pytest.raises(InvalidInput, match=r"ranges\.volatility"):
        Ranges(volatility=(1.0, 0.5))
    with pytest.raises(InvalidInput, match=r"ranges\.breaker_tiers"):
        Ranges(breaker_tiers=(1, 1))


def test_a_proof_names_what_it_looked_at() -> None:
    found: Any = check(TARGET, LeverageCap(), Ranges())
    assert found.boxes > 0 and found.points > 0 and found.violation is None


def test_a_margin_that_reads_returns_may_be_any_from_its_floor_to_one() -> None:
    """min(2, 0.8/ρ) · (s + (1 − s) 0.6 ρ) is largest at ρ = 0.4: 0.784 at a fall of 0.2, 1.24 at one of 0.5."""
    policy = replace(
        TARGET, margin=MarginPolicy(model=FilteredHistorical()), limits=Limits(min_liquidation_distance=0.0)
    )
    ranges = Ranges(volatility=(0.02, 0.9), direction=(0.0, 1.0))
    assert check(policy, SolventAfterShock(shock=0.2), ranges).verdict == "proved"
    assert check(policy, SolventAfterShock(shock=0.5), ranges).verdict != "proved"
    assert check(policy, LeverageCap(), ranges).verdict == "proved"
    assert refines(policy, policy, ranges).verdict == "proved"


@pytest.mark.parametrize("rules", [AntiProcyclicality(buffer=0.25), AntiProcyclicality(stress_weight=0.5)])
def test_a_rate_that_was_asked_before_is_any_too(rules: AntiProcyclicality) -> None:
    """Its range holds the rate of the engine, and no less of a margin is proved for it than for the floor alone."""
    margin = MarginPolicy(model=SigmaMultiple(), procyclicality=rules)
    box = Box(volatility=(0.3, 0.4))
    found = rate_over(replace(TARGET, margin=margin), box)
    assert (found.low, found.high) == (0.05, 1.0)
    assert found.low <= initial_rate(replace(TARGET, margin=margin), 0.4) <= found.high
    plain = replace(TARGET, margin=MarginPolicy(model=SigmaMultiple()))
    assert refines(replace(TARGET, margin=margin), plain, Ranges(volatility=(0.3, 0.4))).verdict != "proved"


def test_a_ladder_that_the_engine_moves_is_not_modelled() -> None:
    """What it does depends on margins and on time: nothing is proved of it, not even where no overlay reads a tier."""
    guarded = replace(TARGET, breakers=Breakers())
    for statement in (LeverageCap(), TiersShrink()):
        found = check(guarded, statement, Ranges())
        assert found.verdict != "proved"
    assert "breakers" in check(guarded, LeverageCap(), Ranges()).detail


@pytest.mark.parametrize("block", [{"collateral": VolatilityHaircut()}, {"contagion": ContagionPolicy()}])
def test_what_counts_as_margin_is_not_modelled(block: dict[str, Any]) -> None:
    (name,) = block
    assert name in check(replace(TARGET, **block), LeverageCap(), Ranges()).detail
