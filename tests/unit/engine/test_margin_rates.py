"""Rules against procyclicality through the engine: the path of the specification, memory, clocks, missing data."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.control import Control, MarginMemory
from services.core.errors import Refusal
from services.core.outcome import Reason
from services.engine import Evaluation, EvaluationInputs, Policy, StateInput, evaluate
from services.margin.methods.sigma_multiple import SigmaMultiple
from services.margin.procyclicality import AntiProcyclicality
from services.margin.registry import MarginPolicy
from services.sizing.buffers import NoBuffer
from services.sizing.limits import Limits
from services.sizing.methods.volatility_target import VolatilityTarget
from services.volatility.series import SeriesInput
from tests.support.books import AS_OF, CLOSE, OPEN, inputs, row

BASE = [0.10, 0.10, 0.12, 0.14, 0.14, 0.14, 0.09, 0.09]
ASKED = [0.125, 0.125, 0.12625, 0.14, 0.14175, 0.1434125, 0.1125, 0.1125]
"""Path check of the specification, a fraction of notional."""
K = 2.823871
"""Expected-shortfall multiple of Student t, 4 degrees of freedom, 97.5 %, as the specification prints it."""


def policy(rules: AntiProcyclicality | None, limits: Limits = OPEN, **margin: object) -> Policy:
    around = MarginPolicy(model=SigmaMultiple(), procyclicality=rules, **margin)  # type: ignore[arg-type]
    return Policy(sizing=VolatilityTarget(target_volatility=5.0), limits=limits, buffer=NoBuffer(), margin=around)


def volatility_for(rate: float) -> float:
    """Volatility whose t₄ expected shortfall over two days asks this rate of a long."""
    low, high = 1e-3, 10.0
    for _ in range(200):
        middle = (low + high) / 2.0
        low, high = (middle, high) if float(MarginPolicy().rates([middle]).long[0]) < rate else (low, middle)
    return low


def case(rules: AntiProcyclicality | None, volatility: float = 0.6, **changes: object) -> EvaluationInputs:
    limits = changes.pop("limits", OPEN)
    assert isinstance(limits, Limits)
    return replace(
        inputs(row(quantity="10", direction=1.0), volatility=volatility, policy=policy(rules, limits)),
        **changes,  # type: ignore[arg-type]
    )


def asked(found: Evaluation) -> float:
    assert found.smoothed is not None
    return float(found.smoothed[0].asked[0])


def test_the_multiple_is_that_of_the_specification() -> None:
    rate = float(MarginPolicy(floor=0.001).rates([0.8]).long[0])
    assert rate == pytest.approx(1.0 - math.exp(-K * 0.8 * math.sqrt(2.0 / 365.0)), abs=1e-6)


def test_the_path_of_the_specification_a_day_at_a_time() -> None:
    control, seen, margins = None, [], []
    for day, rate in enumerate(BASE):
        now = case(AntiProcyclicality(buffer=0.25), volatility_for(rate), control=control)
        found = evaluate(replace(now, as_of=AS_OF + timedelta(days=day)))
        control = found.control
        assert found.margin_current is not None
        seen.append(asked(found))
        margins.append(float(found.margin_current.initial[0]))
    assert seen == pytest.approx(ASKED, rel=1e-10)
    assert margins == pytest.approx([1_000.0 * rate for rate in ASKED], rel=1e-9)


def test_two_half_days_are_one_day() -> None:
    memory = Control(margins={"A": MarginMemory(0.125, 0.14, AS_OF)})
    rules = AntiProcyclicality(buffer=0.25, release=0.03)
    now = case(rules, volatility_for(0.12))
    whole = evaluate(replace(now, control=memory, as_of=AS_OF + timedelta(days=1)))
    half = evaluate(replace(now, control=memory, as_of=AS_OF + timedelta(hours=12)))
    again = evaluate(replace(now, control=half.control, as_of=AS_OF + timedelta(days=1)))
    assert asked(again) == pytest.approx(asked(whole), rel=1e-12)
    assert asked(whole) == pytest.approx(0.12625, rel=1e-9)


def test_a_clock_that_goes_back_keeps_the_state_and_lowers_nothing() -> None:
    later = AS_OF + timedelta(days=3)
    memory = Control(margins={"A": MarginMemory(0.2, 0.25, later)})
    found = evaluate(case(AntiProcyclicality(buffer=0.25), volatility_for(0.1), control=memory))
    assert asked(found) == 0.2
    assert found.control is not None
    assert found.control.margins == memory.margins


def test_without_volatility_the_last_rate_stands_and_is_remembered() -> None:
    memory = Control(margins={"A": MarginMemory(0.2, 0.25, AS_OF - timedelta(days=1))})
    blind = {"A": StateInput(Refusal(Reason.VOLATILITY_UNAVAILABLE, "no state"))}
    found = evaluate(case(AntiProcyclicality(buffer=0.25), control=memory, states=blind))
    assert found.margin_current is not None
    assert found.margin_current.method_used == ("previous",)
    assert float(found.margin_current.initial[0]) == pytest.approx(200.0)
    assert found.control is not None
    assert found.control.margins == memory.margins


def test_targets_are_bound_by_the_rate_that_is_asked() -> None:
    """What the book may grow to falls as the rate rises: u E / f, and with the buffer u E / (1.25 f)."""
    limits = Limits(max_leverage=100.0, max_margin_use=0.8, min_liquidation_distance=0.0)
    plain = evaluate(case(None, volatility_for(0.1), limits=limits))
    buffered = evaluate(case(AntiProcyclicality(buffer=0.25), volatility_for(0.1), limits=limits))
    assert plain.targets[0].target is not None
    assert buffered.targets[0].target is not None
    assert float(plain.targets[0].target) == pytest.approx(800.0, abs=0.02)
    assert float(buffered.targets[0].target) == pytest.approx(640.0, abs=0.02)
    for found in (plain, buffered):
        assert found.margin_target is not None
        assert float(found.margin_target.initial.sum()) <= 8_000.0


def test_the_stressed_period_is_the_worst_window_of_the_posted_series() -> None:
    """A calm year after a wild one: the wild one is found, and its tail computed by hand."""
    rng = np.random.default_rng(7)
    returns = np.concatenate([rng.normal(0.0, 0.06, 250), rng.normal(0.0, 0.02, 300)])
    closes = 100.0 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]) - returns.sum())
    sent = SeriesInput(closes=closes, end=CLOSE, bar_seconds=86_400, calendar=Calendar())
    found = evaluate(case(AntiProcyclicality(stress_weight=0.25), series={"A": sent}))
    assert found.smoothed is not None
    long, short = found.smoothed
    wild = np.sort(-np.expm1(returns[:250] * math.sqrt(2.0)))[::-1]
    tail = 250 * 0.025  # six and a quarter observations
    stressed = (wild[:6].sum() + 0.25 * wild[6]) / tail
    assert float(long.stressed[0]) == pytest.approx(stressed, rel=1e-9)
    assert asked(found) == pytest.approx(0.75 * float(long.model[0]) + 0.25 * stressed, rel=1e-12)
    assert float(short.stressed[0]) > float(long.stressed[0])


def test_a_rule_without_returns_is_left_out_and_lowers_nothing() -> None:
    rules = AntiProcyclicality(stress_weight=0.5, long_run_floor=True, buffer=0.25)
    found = evaluate(case(rules, volatility_for(0.1)))
    assert found.smoothed is not None
    assert np.isnan(found.smoothed[0].stressed[0])
    assert np.isnan(found.smoothed[0].long_run[0])
    assert asked(found) == pytest.approx(0.125, rel=1e-9)


def test_the_state_of_a_market_that_is_gone_goes_too() -> None:
    memory = Control(margins={"B": MarginMemory(0.2, 0.25, AS_OF - timedelta(days=1))})
    found = evaluate(case(AntiProcyclicality(buffer=0.25), control=memory))
    assert found.control is not None
    assert set(found.control.margins) == {"A"}


def test_without_rules_nothing_is_computed_and_the_state_of_others_is_handed_on() -> None:
    memory = Control(margins={"A": MarginMemory(0.2, 0.25, AS_OF)})
    found = evaluate(case(None, control=memory))
    assert found.smoothed is None
    assert found.control is not None
    assert found.control.margins == memory.margins
