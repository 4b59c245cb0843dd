"""What holds of the ladder for every ride: no level is skipped on the way down, no dwell is cut short."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.core.control import BreakerState
from services.guards.breakers import Breakers, Reading, advance

START = datetime(2026, 1, 1, tzinfo=UTC)
metric = st.one_of(st.none(), st.just(float("nan")), st.floats(0, 1.2))
readings = st.builds(
    Reading,
    metric,
    st.one_of(st.none(), st.just(float("inf")), st.floats(0, 6)),
    metric,
    trusted=st.sampled_from([True, True, True, False]),
)
rides = st.lists(st.tuples(st.integers(0, 400), readings), min_size=1, max_size=40)


@given(rides)
def test_down_by_one_and_only_after_a_calm_dwell(ride: list[tuple[int, Reading]]) -> None:
    state, at, rules = BreakerState(), START, Breakers()
    calm_for: timedelta | None = None
    before_at = START
    for gap, reading in ride:
        before_at, at = at, at + timedelta(seconds=gap)
        calm = rules.calm(state.level, reading)
        calm_for = (timedelta(0) if calm_for is None else calm_for + (at - before_at)) if calm else None
        after, moved, _ = advance(state, reading, at, rules)
        assert after.level >= state.level - 1
        assert after.level >= rules.entered(reading)[0] or after.level == state.level - 1
        if after.level < state.level:
            assert not state.latched
            assert calm_for is not None
            assert calm_for >= timedelta(seconds=rules.dwell_seconds[state.level - 1])
        if moved is not None:
            calm_for = timedelta(0) if rules.calm(after.level, reading) else None
        state = after


@given(rides, st.floats(0, 0.5), st.floats(0, 3))
def test_more_risk_never_has_fewer_restrictions(
    ride: list[tuple[int, Reading]], more_ratio: float, less_distance: float
) -> None:
    """The same ride with more maintenance margin, less distance and more drawdown in every reading."""
    rules, at = Breakers(), START
    mild = hard = BreakerState()
    for gap, reading in ride:
        at += timedelta(seconds=gap)
        worse = Reading(
            None if reading.maintenance_ratio is None else reading.maintenance_ratio + more_ratio,
            None if reading.distance is None else max(reading.distance - less_distance, 0.0),
            None if reading.drawdown is None else min(reading.drawdown + more_ratio, 1.2),
            trusted=reading.trusted,
        )
        mild = advance(mild, reading, at, rules).state
        hard = advance(hard, worse, at, rules).state
        assert hard.level >= mild.level


@given(rides)
def test_a_reading_of_the_past_changes_nothing(ride: list[tuple[int, Reading]]) -> None:
    state, at, rules = BreakerState(), START, Breakers()
    for gap, reading in ride:
        at += timedelta(seconds=gap)
        state = advance(state, reading, at, rules).state
        found = advance(state, reading, at - timedelta(seconds=1), rules)
        assert found.state == state
        assert found.clock_backwards
