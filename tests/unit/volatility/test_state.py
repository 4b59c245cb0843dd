"""The online state: outcomes of points, agreement with whole series, exact bytes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.volatility.codec import head_bytes, ring_bytes, state_from_bytes
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import SeriesForecast, forecast_bars
from services.volatility.readout import Guard, VolatilityReadout
from services.volatility.state import OUTCOME_TEXT, PointOutcome, VolatilityState, empty_state, readout, update
from tests.unit.volatility.markets import DAY, times, walk

MODEL = Ewma()


def fresh(*, calendar: Calendar | None = None, bar_seconds: int = DAY) -> VolatilityState:
    return empty_state(MODEL, bar_seconds=bar_seconds, calendar=calendar or Calendar())


def fed(bars: int, seed: int = 1) -> VolatilityState:
    state, _ = update(fresh(), walk(seed, bars).tolist(), times(bars).tolist(), estimator=MODEL)
    return state


def outcome(state: VolatilityState, close: float, close_at: float) -> PointOutcome:
    after, (found,) = update(state, [close], [close_at], estimator=MODEL)
    assert (after is state) is not found.stored
    assert after.version == state.version + found.stored
    return found


def same(left: VolatilityState, right: VolatilityState) -> bool:
    return head_bytes(replace(left, version=0)) == head_bytes(replace(right, version=0))


def test_each_point_has_its_outcome() -> None:
    state, day = fed(100), float(DAY)
    last, at = state.last_close, state.last_close_at
    assert outcome(state, last * 1.01, at + day) is PointOutcome.ACCEPTED
    assert outcome(state, last * 1.01, at + day - 0.001) is PointOutcome.ACCEPTED
    assert outcome(state, last * 1.01, at + 6 * day) is PointOutcome.GAP_FILLED
    assert outcome(state, last * 1.01, at + 7 * day) is PointOutcome.GAP_RESET
    assert outcome(state, last, at) is PointOutcome.DUPLICATE
    assert outcome(state, last, at - 0.001) is PointOutcome.DUPLICATE
    assert outcome(state, last * 1.01, at) is PointOutcome.CONFLICT
    assert outcome(state, last, at - day) is PointOutcome.OUT_OF_ORDER
    assert outcome(state, last, at + 1.5 * day) is PointOutcome.OFF_CLOCK
    for bad in (0.0, -1.0, math.nan, math.inf):
        assert outcome(state, bad, at + day) is PointOutcome.INVALID_PRICE
    assert set(OUTCOME_TEXT) == set(PointOutcome)


def test_an_unmoving_price_freezes_the_state() -> None:
    state = fed(100)
    closes, stamps = [state.last_close] * 5, [state.last_close_at + DAY * day for day in range(1, 6)]
    after, outcomes = update(state, closes, stamps, estimator=MODEL)
    assert [found.value for found in outcomes] == ["accepted", "accepted", "stale", "stale", "stale"]
    assert after.observations == state.observations + 2
    assert after.last_close_at == stamps[-1]
    assert np.isnan(after.ring[-3:]).all()
    found = readout(after, estimator=MODEL)
    assert isinstance(found, VolatilityReadout)
    assert found.guard is Guard.STALE


def test_unfinished_bars_and_other_calendars_change_nothing() -> None:
    state = fed(50)
    later = [state.last_close_at + DAY]
    after, outcomes = update(state, [100.0], later, estimator=MODEL, now=later[0] - 60.0)
    assert (after, outcomes) == (state, [PointOutcome.UNFINISHED])
    after, outcomes = update(state, [100.0], later, estimator=MODEL, calendar=Calendar("XNYS"))
    assert (after, outcomes) == (state, [PointOutcome.CALENDAR_CONFLICT])
    after, outcomes = update(state, [100.0], later, estimator=MODEL, calendar=Calendar("24/7"), now=later[0])
    assert outcomes == [PointOutcome.ACCEPTED]


def test_another_model_cannot_feed_a_state() -> None:
    with pytest.raises(ValueError, match=r"ewma\.1-20\.0"):
        update(fed(30), [100.0], [0.0], estimator=Ewma(half_life=5.0))


def test_sessions_take_consecutive_bars_as_consecutive() -> None:
    state, _ = update(fresh(calendar=Calendar("XNYS")), [10.0, 10.1], [0.0, DAY], estimator=MODEL)
    after, outcomes = update(state, [10.2], [4.0 * DAY], estimator=MODEL)
    assert outcomes == [PointOutcome.ACCEPTED]
    assert after.elapsed == 2
    assert np.flatnonzero(~np.isnan(after.ring)).tolist() == [511]
    assert np.isnan(after.ring[508:511]).all()


def test_an_empty_state_is_refused_and_a_short_one_answers_with_a_prior() -> None:
    assert isinstance(readout(fresh(), estimator=MODEL), Refusal)
    short = fed(5)
    assert isinstance(readout(short, estimator=MODEL), Refusal)
    assert isinstance(readout(short, estimator=Ewma(prior_volatility=0.5)), VolatilityReadout)


def test_one_state_serves_every_policy_of_its_half_life() -> None:
    state, closes = fed(300), walk(1, 300)
    for model in (MODEL, Ewma(calibrate=False), Ewma(prior_volatility=1.5)):
        series = forecast_bars(closes, times(300), bar_seconds=DAY, calendar=Calendar(), estimator=model)
        found = readout(state, estimator=model)
        assert isinstance(series, SeriesForecast)
        assert isinstance(found, VolatilityReadout)
        assert found.volatility == pytest.approx(series.readout.volatility, rel=1e-12)
    other = readout(state, Calendar("XNYS"), estimator=MODEL)
    mine = readout(state, estimator=MODEL)
    assert isinstance(other, VolatilityReadout)
    assert isinstance(mine, VolatilityReadout)
    assert mine.forecast / other.forecast == pytest.approx(math.sqrt(365 / 252))


@pytest.mark.parametrize("bars", [0, 1, 2, 40, 700])
def test_bytes_and_back_is_the_same_state(bars: int) -> None:
    state = fed(bars) if bars else fresh()
    head, ring = head_bytes(state), ring_bytes(state)
    again = state_from_bytes(head, ring)
    assert (head_bytes(again), ring_bytes(again)) == (head, ring)
    assert len(head) < 2_048
    assert len(ring) == 4_096
    assert again.clock == state.clock
    assert again.memory == state.memory
    assert again.version == state.version


def test_a_restored_state_goes_on_as_if_nothing_had_happened() -> None:
    closes, stamps = walk(2, 400).tolist(), times(400).tolist()
    whole, _ = update(fresh(), closes, stamps, estimator=MODEL)
    state = fresh()
    for place in range(0, 400, 37):
        chunk = slice(place, place + 37)
        state, _ = update(state, closes[chunk], stamps[chunk], estimator=MODEL)
        state = state_from_bytes(head_bytes(state), ring_bytes(state))
    assert same(state, whole)


def test_foreign_bytes_are_refused() -> None:
    state, other = fed(40), fed(41)
    head, ring = head_bytes(state), ring_bytes(state)
    for bad in (b"", b"TVS0" + head[4:], head[:-1], head + b"\0", head[:30]):
        with pytest.raises(ValueError):
            state_from_bytes(bad, ring)
    for bad in (b"", ring[:-8], ring_bytes(other)):
        with pytest.raises(ValueError, match="ring"):
            state_from_bytes(head, bad)


def test_states_cannot_be_changed_in_place() -> None:
    state = fed(10)
    for ring in (state.ring, state_from_bytes(head_bytes(state), ring_bytes(state)).ring):
        with pytest.raises(ValueError, match="read-only"):
            ring[0] = 1.0
