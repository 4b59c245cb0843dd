"""The ladder of circuit breakers: up at once, down step by step, latched at the top."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.core.control import BreakerState
from services.core.errors import InvalidInput
from services.guards.breakers import (
    Breakers,
    Cause,
    Level,
    Reading,
    advance,
    remaining_drawdown,
    reset,
)
from tests.support.breaker_reference import Ladder

START = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Breakers()


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def ride(readings: list[tuple[float, Reading]], state: BreakerState | None = None) -> BreakerState:
    state = state or BreakerState()
    for seconds, reading in readings:
        state = advance(state, reading, after(seconds), RULES).state
    return state


@pytest.mark.parametrize(
    ("ratio", "level"),
    [(0.499, 0), (0.50, 1), (0.669, 1), (0.67, 2), (0.799, 2), (0.80, 3), (0.899, 3), (0.90, 4), (math.inf, 4)],
)
def test_each_ratio_enters_its_level_at_once(ratio: float, level: int) -> None:
    state, moved, _ = advance(BreakerState(), Reading(ratio), START, RULES)
    assert (state.level, state.latched) == (level, level == 4)
    assert (moved is None) == (level == 0)


@pytest.mark.parametrize(
    ("distance", "level"), [(4.0, 0), (3.99, 1), (3.0, 1), (2.99, 2), (2.0, 2), (1.99, 3), (1.0, 3), (0.99, 4)]
)
def test_a_distance_enters_strictly_below_its_threshold(distance: float, level: int) -> None:
    state, moved, _ = advance(BreakerState(), Reading(0.1, distance), START, RULES)
    assert state.level == level
    assert moved is None or moved.cause is Cause.DISTANCE


def test_the_worst_metric_decides_and_names_the_cause() -> None:
    state, moved, _ = advance(BreakerState(), Reading(0.55, 2.5, 0.21), START, RULES)
    assert moved is not None
    assert (state.level, moved.cause) == (3, Cause.DRAWDOWN)


def test_a_metric_that_is_not_looked_at_moves_nothing() -> None:
    rules = Breakers(distance=None, drawdown=None)
    assert advance(BreakerState(), Reading(0.1, 0.1, 0.9), START, rules).state.level == 0


def test_every_metric_must_be_calm() -> None:
    state = ride([(0, Reading(0.55, 3.5)), (10, Reading(0.3, 4.2))])
    assert (state.level, state.calm_since) == (1, None), "4.2 is beyond the entry of 4, not the exit of 4.4"
    state = ride([(20, Reading(0.3, 4.5)), (80, Reading(0.3, 4.5))], state)
    assert state.level == 0


def test_a_breach_starts_the_calm_anew() -> None:
    state = ride([(0, Reading(0.55)), (10, Reading(0.4)), (60, Reading(0.46)), (65, Reading(0.4)), (120, Reading(0.4))])
    assert state.level == 1
    assert ride([(125, Reading(0.4))], state).level == 0


def test_down_one_level_at_a_time_however_long_it_was_calm() -> None:
    state = ride([(0, Reading(0.85)), (1, Reading(0.1)), (100_000, Reading(0.1))])
    assert state.level == 2
    assert ride([(100_119, Reading(0.1))], state).level == 2
    assert ride([(100_120, Reading(0.1))], state).level == 1


def test_up_is_not_delayed_by_a_dwell() -> None:
    state = ride([(0, Reading(0.55)), (1, Reading(0.4)), (1.001, Reading(0.95))])
    assert (state.level, state.latched, state.since) == (4, True, after(1.001))


def test_flatten_stays_until_somebody_resets_it() -> None:
    state = ride([(0, Reading(0.95))] + [(day * 86_400.0, Reading(0.0)) for day in range(1, 30)])
    assert (state.level, state.latched) == (4, True)
    released = reset(state, after(30 * 86_400.0), actor="desk", reason="collateral added")
    assert released.transition is not None
    assert (released.transition.actor, released.transition.reason) == ("desk", "collateral added")
    assert (released.state.level, released.state.latched) == (3, False)
    again = advance(released.state, Reading(0.91), after(31 * 86_400.0), RULES).state
    assert (again.level, again.latched) == (4, True), "the margin is still short"


@pytest.mark.parametrize(
    ("state", "actor", "reason", "names"),
    [
        (BreakerState(3), "a", "b", "breaker_reset.scope"),
        (BreakerState(4, latched=True), " ", "b", "breaker_reset.actor"),
        (BreakerState(4, latched=True), "a", "", "breaker_reset.reason"),
    ],
)
def test_a_reset_needs_a_latch_an_actor_and_a_reason(state: BreakerState, actor: str, reason: str, names: str) -> None:
    with pytest.raises(InvalidInput, match=names):
        reset(state, START, actor=actor, reason=reason)


@pytest.mark.parametrize("reading", [Reading(math.nan), Reading(0.1, math.nan), Reading(0.1, 9.0, math.nan), Reading()])
def test_what_is_unknown_closes_only(reading: Reading) -> None:
    state, moved, _ = advance(BreakerState(1), reading, START, RULES)
    assert moved is not None
    assert (state.level, moved.cause) == (3, Cause.UNKNOWN)
    assert advance(state, reading, after(1e6), RULES).state.level == 3, "and is never calm"


def test_what_is_unknown_does_not_hide_what_is_known() -> None:
    assert advance(BreakerState(), Reading(math.nan, 0.5), START, RULES).state.level == 4


def test_nothing_is_flattened_on_a_price_that_is_not_trusted() -> None:
    stale = Reading(0.99, 0.1, 0.9, trusted=False)
    state, moved, _ = advance(BreakerState(), stale, START, RULES)
    assert moved is not None
    assert (state.level, state.latched, moved.cause) == (3, False, Cause.UNTRUSTED_PRICE)
    assert advance(state, stale._replace(trusted=True), after(1), RULES).state.level == 4
    assert advance(BreakerState(4, latched=True), stale, START, RULES).state.level == 4, "it stays latched"


def test_a_stale_price_is_not_calm() -> None:
    state = ride([(0, Reading(0.85)), (10, Reading(0.1)), (200, Reading(0.1, trusted=False)), (320, Reading(0.1))])
    assert state.level == 3


def test_a_clock_that_goes_backwards_keeps_the_state_and_is_flagged() -> None:
    state = ride([(0, Reading(0.85)), (10, Reading(0.1))])
    found = advance(state, Reading(0.95), after(9), RULES)
    assert (found.state, found.transition, found.clock_backwards) == (state, None, True)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"enter": (0.5, 0.5, 0.8, 0.9)}, "enter"),
        ({"enter": (0.0, 0.67, 0.8, 0.9)}, "enter"),
        ({"leave": (0.50, 0.60, 0.72)}, "leave"),
        ({"leave": (0.45, 0.40, 0.72)}, "leave"),
        ({"dwell_seconds": (60.0, -1.0, 300.0)}, "dwell_seconds"),
        ({"distance": (4.0, 4.0, 2.0, 1.0)}, "distance"),
        ({"drawdown": (0.1, 0.2, 0.15, 0.3)}, "drawdown"),
        ({"drawdown": (0.1, 0.2, 0.3, 1.1)}, "drawdown"),
        ({"caution": 0.4}, "reduce"),
        ({"reduce_to": 0.7}, "reduce_to"),
    ],
)
def test_a_ladder_out_of_order_is_refused(fields: dict[str, object], names: str) -> None:
    with pytest.raises(InvalidInput, match=rf"policy\.breakers\.{names}"):
        Breakers(**fields)  # type: ignore[arg-type]


def test_a_forgiven_fall_is_earned_back_before_it_counts_again() -> None:
    """Equity 100, 70 at the reset, 90, then 81: a tenth below the recovery, whatever the mark of 100 says."""
    left, forgiven = remaining_drawdown(0.30, 0.30)
    assert (left, forgiven) == (0.0, 0.30)
    left, forgiven = remaining_drawdown(0.10, forgiven)
    assert (left, forgiven) == (0.0, pytest.approx(0.10))
    assert remaining_drawdown(0.19, forgiven)[0] == pytest.approx(0.10)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_hundred_thousand_steps_agree_with_the_reference(seed: int) -> None:
    """Ratios that wander over the thresholds and sit on them, gaps around the dwells, faults, clocks, resets."""
    rng = np.random.default_rng(seed)
    steps = 50_000
    wander = np.abs(np.cumsum(rng.normal(0.0, 0.03, steps)) % 1.9 - 0.95)
    edges = rng.choice([0.45, 0.5, 0.6, 0.67, 0.72, 0.8, 0.9], steps)
    ratios = np.where(rng.random(steps) < 0.1, edges, wander)
    ratios[rng.random(steps) < 0.01] = math.nan
    gaps = rng.choice([0.0, 1.0, 20.0, 59.0, 60.0, 61.0, 120.0, 299.0, 300.0, -5.0], steps)
    trusted = rng.random(steps) > 0.01
    ladder, state, time, levels = Ladder(), BreakerState(), 0.0, set()
    for ratio, gap, good in zip(ratios.tolist(), gaps.tolist(), trusted.tolist(), strict=True):
        time += gap
        before = state.level
        found = advance(state, Reading(ratio, trusted=good), after(time), RULES)
        state = found.state
        assert state.level == ladder.read(time, ratio, trusted=good)
        assert state.level >= before - 1
        assert (found.transition is not None) == (state.level != before)
        levels.add(state.level)
        if state.latched and rng.random() < 0.2:
            time = max(time, ladder.time)
            state = reset(state, after(time), actor="fuzz", reason="go on").state
            ladder.reset(time)
    assert levels == set(Level)
