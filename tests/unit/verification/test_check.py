"""Proofs that hold on the engine, counterexamples that are ones, and silence where nothing is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.errors import InvalidInput
from services.engine import Policy
from services.margin.registry import MarginPolicy
from services.sizing.buffers import NoBuffer, PositionBuffer, ToleranceBuffer
from services.sizing.damping import GapFraction, WeightStep
from services.sizing.limits import Limits
from services.sizing.methods.constant_leverage import ConstantLeverage
from services.sizing.methods.signal_scaled import SignalScaled
from services.sizing.methods.volatility_target import VolatilityTarget
from services.sizing.overlays.gross_leverage import GrossLeverage
from services.sizing.overlays.portfolio_risk import PortfolioRisk
from services.sizing.scaling import ToLeverage, ToVolatility
from services.verification.check import Ranges, check, refines
from services.verification.model import Box, Unmodelled, distance_weight, initial_rate, size_over
from services.verification.probe import Point, weight_at
from services.verification.properties import LeverageCap, NonIncreasing, SolventAfterShock

TARGET = Policy(sizing=VolatilityTarget(target_volatility=0.3))
WILD = Ranges(volatility=(0.02, 4.0), direction=(0.0, 2.0), current_weight=(-3.0, 3.0))

POLICIES: dict[str, Policy] = {
    "default": TARGET,
    "derisk": Policy(sizing=VolatilityTarget(target_volatility=0.3, derisk_only=True)),
    "constant": Policy(sizing=ConstantLeverage(leverage=3.0)),
    "signals": Policy(sizing=SignalScaled(target_volatility=0.25), limits=Limits(max_weight=0.7)),
    "capped": Policy(sizing=ConstantLeverage(), scaling=ToVolatility(target_volatility=0.2, mode="cap")),
    "bare": replace(TARGET, buffer=NoBuffer()),
    "optimal": replace(TARGET, buffer=PositionBuffer(trade_to="optimal")),
    "slow": replace(TARGET, damping=GapFraction(fraction=0.3)),
    "steps": replace(TARGET, damping=WeightStep(step=0.1)),
    "tight": replace(TARGET, limits=Limits(max_leverage=1.5, max_margin_use=0.1, min_liquidation_distance=12.0)),
    "overlays": replace(TARGET, overlays=(GrossLeverage(limit=0.9), PortfolioRisk(limit=1.2)), buffer=NoBuffer()),
    "margin": replace(TARGET, margin=MarginPolicy(floor=0.3)),
}


@st.composite
def boxes(draw: st.DrawFn) -> tuple[Box, Point]:
    """A box and a point of it."""

    def side(low: float, high: float, *, point: bool = False) -> tuple[tuple[float, float], float]:
        ends = sorted((draw(st.floats(low, high)), draw(st.floats(low, high))))
        return (ends[0], ends[1]), ends[0] + draw(st.floats(0.0, 1.0)) * (ends[1] - ends[0])

    volatility, direction, current = side(0.02, 4.0), side(0.0, 2.0), side(-3.0, 3.0)
    box = Box(volatility=volatility[0], direction=direction[0], current_weight=current[0])
    place = Point(
        volatility=min(max(volatility[1], volatility[0][0]), volatility[0][1]),
        direction=direction[1],
        current_weight=round(current[1], 9),
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
    careful, ranges = replace(TARGET, limits=Limits(max_leverage=2.0)), Ranges(volatility=(0.05, 3.0))
    found = check(careful, SolventAfterShock(shock=0.4), ranges)
    assert found.verdict == "proved" and found.boxes > 1
    assert check(careful, SolventAfterShock(shock=0.4), ranges, most_boxes=1).verdict == "unknown"


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
]


@pytest.mark.parametrize(("new", "old", "verdict"), REFINEMENTS)
def test_refinement(new: Policy, old: Policy, verdict: str) -> None:
    """Smaller targets, lower caps and dearer margins refine; the other way round there is a point that says no."""
    found = refines(new, old, Ranges(volatility=(0.1, 2.0), direction=(0.0, 1.0)))
    assert found.verdict == verdict
    if found.violation is not None:
        before, after = found.violation.weights
        assert after != before


def test_ranges_are_checked() -> None:
    with pytest.raises(InvalidInput, match=r"ranges\.volatility"):
        Ranges(volatility=(1.0, 0.5))


def test_a_proof_names_what_it_looked_at() -> None:
    found: Any = check(TARGET, LeverageCap(), Ranges())
    assert found.boxes > 0 and found.points > 0 and found.violation is None
