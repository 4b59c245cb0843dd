"""Scheduled events: where they count, that nothing of them is lost, and what they may not be."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import InvalidInput
from services.volatility.events import ScheduledEvent, event_variance


def test_an_event_counts_in_the_horizon_that_contains_it_and_in_no_other() -> None:
    event = ScheduledEvent(at=3600.0, variance=4e-4)
    hours = [event_variance([event], start=start, end=end) for start, end in pairwise([0.0, 3600.0, 7200.0])]
    assert hours == [0.0, 4e-4]  # announced at the close of the first: it moves the second
    assert event_variance([event, event], start=0.0, end=86400.0) == 8e-4
    assert event_variance([], start=0.0, end=86400.0) == 0.0


@given(
    at=st.floats(0.0, 1e6),
    seconds=st.floats(0.0, 1e5),
    cuts=st.lists(st.floats(-1e5, 1.2e6), max_size=6),
)
def test_the_parts_of_an_event_add_up_over_adjoining_horizons(at: float, seconds: float, cuts: list[float]) -> None:
    event = ScheduledEvent(at=at, variance=1.0, seconds=seconds)
    edges = sorted([-2e5, *cuts, 1.5e6])
    parts = [event_variance([event], start=start, end=end) for start, end in pairwise(edges)]
    assert sum(parts) == pytest.approx(1.0, abs=1e-6)
    assert min(parts) >= 0.0


def test_an_event_that_lasts_is_shared_in_proportion() -> None:
    event = ScheduledEvent(100.0, 0.8, 200.0)
    spans = ((0.0, 150.0), (150.0, 250.0), (250.0, 1e9), (0.0, 100.0), (300.0, 400.0))
    found = [event_variance([event], start=start, end=end) for start, end in spans]
    assert found == pytest.approx([0.2, 0.4, 0.2, 0.0, 0.0], abs=1e-15)


def test_an_event_as_volatility_adds_in_squares() -> None:
    hour = 3_600.0
    event = ScheduledEvent.from_volatility(0.0, 0.8, hour)
    total = 0.6**2 / 8_760 + event_variance([event], start=0.0, end=hour)
    assert math.sqrt(total * 8_760) == pytest.approx(1.0, rel=1e-12)


def test_an_event_as_a_move_is_its_square_however_long_it_takes() -> None:
    for seconds in (0.0, 60.0, 3_600.0):
        event = ScheduledEvent.from_move(10.0, 0.03, seconds)
        assert event_variance([event], start=0.0, end=86_400.0) == pytest.approx(9e-4, rel=1e-12)


def test_events_add_up() -> None:
    events = [ScheduledEvent(5.0, 0.2), ScheduledEvent(6.0, 0.3), ScheduledEvent(50.0, 9.0)]
    assert event_variance(events, start=0.0, end=10.0) == pytest.approx(0.5, rel=1e-15)


@pytest.mark.parametrize(
    ("fields", "name"),
    [((math.nan, 1.0), "at"), ((0.0, -1.0), "variance"), ((0.0, math.inf), "variance"), ((0.0, 1.0, -1.0), "seconds")],
)
def test_an_event_that_cannot_be_is_refused(fields: tuple[float, ...], name: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{name} must be finite"):
        ScheduledEvent(*fields)
