"""The online state: outcomes of bars, agreement with whole series, exact bytes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.volatility.bars import Bar
from services.volatility.codec import head_bytes, ring_bytes, state_from_bytes
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.estimators.parkinson import Parkinson
from services.volatility.forecast import SeriesForecast, forecast_markets
from services.volatility.readout import Guard, VolatilityReadout
from services.volatility.registry import Estimator
from services.volatility.state import (
    OUTCOME_TEXT,
    PointOutcome,
    VolatilityState,
    empty_state,
    readout,
    update,
    uses_ranges,
)
from tests.unit.volatility.markets import DAY, bars_of, candle_bars, series, times, walk

MODEL = Ewma()


def fresh(*, estimator: Estimator = MODEL, calendar: Calendar | None = None, bar_seconds: int = DAY) -> VolatilityState:
    return empty_state(estimator, bar_seconds=bar_seconds, calendar=calendar or Calendar())


def fed(bars: int, seed: int = 1) -> VolatilityState:
    return update(fresh(), bars_of(walk(seed, bars)), estimator=MODEL)[0]


def outcome(state: VolatilityState, close: float, close_at: float) -> PointOutcome:
    after, (found,) = update(state, [Bar(close_at, close)], estimator=MODEL)
    assert (after is state) is not found.stored
    assert after.version == state.version + found.stored
    return found


def same(left: VolatilityState, right: VolatilityState) -> bool:
    return head_bytes(replace(left, version=0)) == head_bytes(replace(right, version=0))


def test_each_close_has_its_outcome() -> None:
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


def test_every_outcome_is_explained() -> None:
    assert set(OUTCOME_TEXT) == set(PointOutcome)
    untouched = {found for found in PointOutcome if "nothing changed" in OUTCOME_TEXT[found]}
    refused = {found for found in PointOutcome if not found.stored}
    assert untouched == refused - {PointOutcome.CORPORATE_ACTION}


def test_an_unmoving_price_freezes_the_state() -> None:
    state = fed(100)
    still = [Bar(state.last_close_at + DAY * day, state.last_close) for day in range(1, 6)]
    after, outcomes = update(state, still, estimator=MODEL)
    assert [found.value for found in outcomes] == ["accepted", "accepted", "stale", "stale", "stale"]
    assert after.observations == state.observations + 2
    assert after.last_close_at == still[-1].close_at
    assert np.isnan(after.ring[-3:]).all()
    found = readout(after, estimator=MODEL)
    assert isinstance(found, VolatilityReadout)
    assert found.guard is Guard.STALE


def test_unfinished_bars_and_other_calendars_change_nothing() -> None:
    state = fed(50)
    later = [Bar(state.last_close_at + DAY, 100.0)]
    after, outcomes = update(state, later, estimator=MODEL, now=later[0].close_at - 60.0)
    assert (after, outcomes) == (state, [PointOutcome.UNFINISHED])
    after, outcomes = update(state, later, estimator=MODEL, calendar=Calendar("XNYS"))
    assert (after, outcomes) == (state, [PointOutcome.CALENDAR_CONFLICT])
    after, outcomes = update(state, later, estimator=MODEL, calendar=Calendar("24/7"), now=later[0].close_at)
    assert outcomes == [PointOutcome.ACCEPTED]


def test_another_model_cannot_feed_a_state() -> None:
    with pytest.raises(ValueError, match=r"ewma\.1-20\.0"):
        update(fed(30), [Bar(0.0, 100.0)], estimator=Ewma(half_life=5.0))


def test_sessions_take_consecutive_bars_as_consecutive() -> None:
    opened = bars_of(walk(1, 21))
    state, _ = update(fresh(calendar=Calendar("XNYS")), opened, estimator=MODEL)
    after, outcomes = update(state, [Bar(opened[-1].close_at + 3.0 * DAY, 99.0)], estimator=MODEL)
    assert outcomes == [PointOutcome.ACCEPTED]
    assert after.elapsed == 21
    assert np.flatnonzero(~np.isnan(after.ring)).tolist() == [508, 511]


def test_an_empty_state_is_refused_and_a_short_one_answers_with_a_prior() -> None:
    for model in (MODEL, Adaptive()):
        assert isinstance(readout(fresh(estimator=model), estimator=model), Refusal)
        assert isinstance(readout(fresh(estimator=model), estimator=replace(model, prior_volatility=0.5)), Refusal)
    short = fed(5)
    assert isinstance(readout(short, estimator=MODEL), Refusal)
    assert isinstance(readout(short, estimator=Ewma(prior_volatility=0.5)), VolatilityReadout)


def test_one_state_serves_every_policy_of_its_half_life() -> None:
    state, closes = fed(300), walk(1, 300)
    for model in (MODEL, Ewma(calibrate=False), Ewma(prior_volatility=1.5)):
        (posted,) = forecast_markets([series(closes)], model)
        found = readout(state, estimator=model)
        assert isinstance(posted, SeriesForecast)
        assert isinstance(found, VolatilityReadout)
        assert found.volatility == pytest.approx(posted.readout.volatility, rel=1e-12)
    other = readout(state, Calendar("XNYS"), estimator=MODEL)
    mine = readout(state, estimator=MODEL)
    assert isinstance(other, VolatilityReadout)
    assert isinstance(mine, VolatilityReadout)
    assert mine.forecast / other.forecast == pytest.approx(math.sqrt(365 / 252))


@pytest.mark.parametrize("bars", [0, 1, 2, 40, 700])
@pytest.mark.parametrize("model", [MODEL, Adaptive()], ids=["ewma", "adaptive"])
def test_bytes_and_back_is_the_same_state(bars: int, model: Estimator) -> None:
    state = fresh(estimator=model)
    if bars:
        state, _ = update(state, candle_bars(walk(1, bars), 1), estimator=model)
    head, ring = head_bytes(state), ring_bytes(state)
    again = state_from_bytes(head, ring)
    assert (head_bytes(again), ring_bytes(again)) == (head, ring)
    assert len(head) <= 2_048
    assert len(ring) == 4_096
    assert again.clock == state.clock
    assert again.version == state.version
    for name in ("memory", "calibration", "wicks"):
        np.testing.assert_array_equal(getattr(again, name), getattr(state, name))


def test_a_restored_state_goes_on_as_if_nothing_had_happened() -> None:
    bars = bars_of(walk(2, 400))
    whole, _ = update(fresh(), bars, estimator=MODEL)
    state = fresh()
    for place in range(0, 400, 37):
        state, _ = update(state, bars[place : place + 37], estimator=MODEL)
        state = state_from_bytes(head_bytes(state), ring_bytes(state))
    assert same(state, whole)


def test_a_call_longer_than_the_ring_keeps_the_newest_bars() -> None:
    bars = bars_of(walk(3, 5_000))
    whole, _ = update(fresh(), bars, estimator=MODEL)
    state = fresh()
    for place in range(0, 5_000, 500):
        state, _ = update(state, bars[place : place + 500], estimator=MODEL)
    assert same(state, whole)
    assert not np.isnan(whole.ring).any()


def test_foreign_bytes_are_refused() -> None:
    state, other = fed(40), fed(41)
    head, ring = head_bytes(state), ring_bytes(state)
    for bad in (b"", b"TVS1" + head[4:], head[:-1], head + b"\0", head[:30]):
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


def test_the_first_close_opens_a_state_without_a_return() -> None:
    state, outcomes = update(fresh(), bars_of(walk(1, 1), times(1)), estimator=MODEL)
    assert (outcomes, state.observations, state.version) == ([PointOutcome.ACCEPTED], 0, 1)
    assert state.first_close_at == state.last_close_at == times(1)[0]
    assert np.isnan(state.ring).all()


def test_a_state_says_what_its_forecast_draws_on() -> None:
    """A pool begun with closes keeps to them, whatever later bars hold; averages of ranges do not."""
    closes = [Bar(DAY * day, 100.0 + day % 3) for day in range(1, 4)]
    ranged = [Bar(DAY * day, 100.0 + day % 3, 100.0, 104.0, 99.0) for day in range(4, 7)]
    for model, first, expected in (
        (Adaptive(), closes, False),
        (Adaptive(), [], True),
        (Adaptive(use_range=False), [], False),
        (Parkinson(), closes, True),
    ):
        state, _ = update(fresh(estimator=model), [*first, *ranged], estimator=model)
        assert uses_ranges(state) is expected
        assert not uses_ranges(fresh(estimator=model))
