"""Exogenous drivers in the adaptive pool: they scale its forecast, learn from it, and leave the pool itself alone."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.core.annualization import Calendar
from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility.bars import Bar
from services.volatility.codec import head_bytes, ring_bytes, state_from_bytes
from services.volatility.drivers import DriverExpert, check_names
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.forecast import SeriesForecast, forecast_markets
from services.volatility.moves import Moves
from services.volatility.path import forecast_path
from services.volatility.readout import ReadoutContext, VolatilityReadout
from services.volatility.registry import driver_names, estimator_of, model_version
from services.volatility.replay import Observed, Replay, begin, observe, replay_from
from services.volatility.replay_codec import replay_bytes, replay_from_bytes
from services.volatility.series import SeriesInput
from services.volatility.state import VolatilityState, empty_state, readout, update
from tests.unit.volatility.markets import DAY, candle_columns, series, times
from tests.unit.volatility.ranged_moves import ranged_moves, streamed

NAMES = ("flow", "funding")
DRIVEN, BARE = Adaptive(drivers=NAMES), Adaptive()


def driven_moves(seed: int, bars: int, *, markets: int = 2, missing: float = 0.1) -> Moves:
    """Moves with ranges, and two drivers of which some values are missing."""
    draws = np.random.default_rng(seed)
    drivers = draws.standard_normal((markets, bars, 2))
    drivers[draws.random(drivers.shape) < missing] = np.nan
    return replace(ranged_moves(seed, bars, markets=markets, missing=0.0), drivers=drivers)


def driven_series(seed: int, bars: int = 400, *, slope: float = 0.8, ranged: bool = False) -> SeriesInput:
    """Variance follows the driver `flow` of the bar before; `funding` says nothing, and is at times absent."""
    draws = np.random.default_rng(seed)
    drivers = draws.standard_normal((bars, 2))
    deviation = 0.01 * np.exp(0.5 * slope * np.concatenate([[0.0], drivers[:-1, 0]]))
    closes = 100.0 * np.exp(np.cumsum(deviation * draws.standard_normal(bars)))
    drivers[draws.random(bars) < 0.2, 1] = np.nan
    columns = candle_columns(closes, seed) if ranged else {}
    return replace(series(closes, **columns), drivers=drivers)


def fed(item: SeriesInput, estimator: Adaptive = DRIVEN) -> VolatilityState:
    return update(empty_state(estimator, bar_seconds=DAY, calendar=Calendar()), list(item.bars()), estimator=estimator)[
        0
    ]


def context_of(found: object) -> ReadoutContext:
    assert isinstance(found, VolatilityReadout) and found.context is not None
    return found.context


@pytest.mark.parametrize("markets", [1, 8])
@pytest.mark.parametrize("ranged", [False, True])
def test_the_forecast_is_that_of_the_pool_times_what_the_expert_says(markets: int, ranged: bool) -> None:
    moves = driven_moves(3, 500, markets=markets)
    if not ranged:
        moves = replace(moves, overnight=None, high=None, low=None, body=None)
    pool, found = BARE.variance_path(moves), DRIVEN.variance_path(moves)
    assert moves.drivers is not None
    for row in range(markets):
        before = np.concatenate([[np.nan], pool[row, :-1]])
        expert = DriverExpert(drivers=2).multiplier_path(moves.log_return[row] ** 2, before, moves.drivers[row])
        np.testing.assert_allclose(found[row], pool[row] * expert, rtol=1e-12)
        assert expert.std() > 1e-4
    np.testing.assert_allclose(found, streamed(DRIVEN, moves), rtol=1e-10)


def test_the_pool_does_not_know_of_its_drivers() -> None:
    """Weights, averages and half-life are bit for bit those without drivers."""
    moves = driven_moves(4, 300, markets=1)
    driven, bare = DRIVEN.start(), BARE.start()
    for move in moves.row(0):
        driven, bare = DRIVEN.advance(driven, move), BARE.advance(bare, move)
        assert driven[: len(bare)] == bare
    assert len(driven) == len(bare) + 1 + 6 * 2
    assert DRIVEN.effective_half_life(driven) == BARE.effective_half_life(bare)
    assert DRIVEN.variance(driven) != BARE.variance(bare)


def test_without_a_value_the_forecast_is_that_of_the_pool_exactly() -> None:
    moves = driven_moves(5, 120, markets=1, missing=1.1)
    assert (DRIVEN.variance_path(moves) == BARE.variance_path(moves)).all()
    absent = replace(moves, drivers=None)
    assert (DRIVEN.variance_path(absent) == BARE.variance_path(absent)).all()
    memory = DRIVEN.start()
    for move in absent.row(0):
        memory = DRIVEN.advance(memory, move)
    assert DRIVEN.driver_effect(memory) == (1.0, (0.0, 0.0))


def test_a_value_acts_on_the_next_bar_and_no_earlier() -> None:
    moves = driven_moves(6, 300, markets=1, missing=0.0)
    assert moves.drivers is not None
    changed = moves.drivers.copy()
    changed[0, 200] += 1.0
    path, other = (DRIVEN.variance_path(replace(moves, drivers=values)) for values in (moves.drivers, changed))
    assert (path[0, :200] == other[0, :200]).all()
    assert path[0, 200] != other[0, 200]  # the forecast of bar 201


@pytest.mark.parametrize("ranged", [False, True])
def test_series_and_state_say_the_same(ranged: bool) -> None:
    item = driven_series(7, ranged=ranged)
    (found,) = forecast_markets([item], DRIVEN, diagnose=True)
    assert isinstance(found, SeriesForecast)
    streamed_readout = readout(fed(item), estimator=DRIVEN)
    assert isinstance(streamed_readout, VolatilityReadout)
    assert found.readout.forecast == pytest.approx(streamed_readout.forecast, rel=1e-10)
    one, two = context_of(found.readout), context_of(streamed_readout)
    assert one.driver_multiplier == pytest.approx(two.driver_multiplier, rel=1e-9)
    assert [name for name, _ in one.drivers] == list(NAMES)
    assert dict(one.drivers) == pytest.approx(dict(two.drivers), rel=1e-8)
    assert forecast_path(item, DRIVEN).forecast[-1] == pytest.approx(found.readout.forecast, rel=1e-12)


def test_a_driver_that_matters_is_heard_and_makes_the_forecast_better() -> None:
    item = driven_series(8, 3000)
    assert item.drivers is not None
    squares = np.diff(np.log(item.closes)) ** 2
    losses = []
    for model in (BARE, DRIVEN):
        variance = (forecast_path(item, model).forecast ** 2 / 365.0)[500:-1]
        losses.append(float(np.mean(np.log(variance) + squares[500:] / variance)))
    assert losses[1] < losses[0] - 0.02
    loud = readout(fed(replace(item, drivers=np.vstack([item.drivers[:-1], [[2.0, 0.0]]]))), estimator=DRIVEN)
    quiet = readout(fed(replace(item, drivers=np.vstack([item.drivers[:-1], [[-2.0, 0.0]]]))), estimator=DRIVEN)
    assert context_of(loud).driver_multiplier > 1.2 and context_of(quiet).driver_multiplier < 0.9
    flow, funding = dict(context_of(loud).drivers).values()
    assert flow > 0.5 and abs(funding) < 0.1


def test_the_bars_of_a_bridged_gap_count_the_values_once() -> None:
    item = driven_series(9, 200)
    kept = np.ones(200, dtype=bool)
    kept[[60, 61, 120]] = False
    assert item.drivers is not None
    holed = replace(item, closes=item.closes[kept], close_times=times(200)[kept], drivers=item.drivers[kept])
    state = fed(holed)
    (found,) = forecast_markets([holed], DRIVEN)
    assert isinstance(found, SeriesForecast)
    said = readout(state, estimator=DRIVEN)
    assert isinstance(said, VolatilityReadout)
    assert found.readout.forecast == pytest.approx(said.forecast, rel=1e-10)
    assert state.elapsed == 199
    size = 1 + 6 * 2
    assert state.memory[-size + 1] == 196  # values of `flow` seen: one a bar after the first, none for those missing


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    holes=st.sets(st.integers(1, 118), max_size=12),
    still=st.sets(st.integers(1, 119), max_size=12),
    silent=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_whatever_is_missing_series_and_state_say_the_same(
    seed: int, holes: set[int], still: set[int], silent: float
) -> None:
    """Missing bars, closes that do not move (stale from the third on) and values that are not there."""
    draws = np.random.default_rng(seed)
    closes = 100.0 * np.exp(np.cumsum(0.02 * draws.standard_normal(120)))
    for place in sorted(still):
        closes[place : place + 4] = closes[place - 1]
    drivers = np.where(draws.random((120, 2)) < silent, np.nan, draws.standard_normal((120, 2)))
    kept = [place for place in range(120) if place not in holes]
    item = replace(series(closes[kept], close_times=times(120)[kept]), drivers=drivers[kept])
    (found,) = forecast_markets([item], DRIVEN, diagnose=True)
    said = readout(fed(item), estimator=DRIVEN)
    assert isinstance(found, SeriesForecast) == isinstance(said, VolatilityReadout)
    if isinstance(found, SeriesForecast) and isinstance(said, VolatilityReadout):
        assert found.readout.forecast == pytest.approx(said.forecast, rel=1e-9)
        one, other = context_of(found.readout), context_of(said)
        assert one.driver_multiplier == pytest.approx(other.driver_multiplier, rel=1e-9)
        assert (one.driver_multiplier == 1.0) or silent < 1.0


def test_markets_with_and_without_values_go_side_by_side() -> None:
    one, other = driven_series(10), replace(driven_series(11), drivers=None)
    both = forecast_markets([one, other], DRIVEN)
    alone = [forecast_markets([item], DRIVEN)[0] for item in (one, other)]
    for together, single in zip(both, alone, strict=True):
        assert isinstance(together, SeriesForecast) and isinstance(single, SeriesForecast)
        assert together.readout.forecast == pytest.approx(single.readout.forecast, rel=1e-12)


def test_a_context_without_drivers_says_one_and_nothing() -> None:
    (found,) = forecast_markets([driven_series(12)], BARE, diagnose=True)
    assert isinstance(found, SeriesForecast)
    assert (context_of(found.readout).driver_multiplier, context_of(found.readout).drivers) == (1.0, ())


def test_a_stored_state_goes_on_bit_for_bit_and_stays_small() -> None:
    eight = Adaptive(drivers=tuple(f"driver_{place}" for place in range(8)))
    item, draws = driven_series(13, 300, ranged=True), np.random.default_rng(1)
    item = replace(item, implied_volatility=np.full(300, 0.4), drivers=draws.standard_normal((300, 8)))
    bars = list(item.bars())
    whole = fed(item, eight)
    halfway, _ = update(empty_state(eight, bar_seconds=DAY, calendar=Calendar()), bars[:150], estimator=eight)
    resumed, _ = update(state_from_bytes(head_bytes(halfway), ring_bytes(halfway)), bars[150:], estimator=eight)
    assert head_bytes(replace(resumed, version=1)) == head_bytes(whole)
    assert len(head_bytes(whole)) <= 2048


def run(bars: list[Observed], **options: Any) -> tuple[VolatilityState, Replay, list[str]]:
    state, replay = begin(DRIVEN, bar_seconds=DAY, calendar=Calendar())
    said = []
    for bar in bars:
        state, replay, (verdict,) = observe(state, replay, [bar], estimator=DRIVEN, **options)
        said.append(verdict.outcome.value)
    return state, replay, said


def test_late_bars_end_in_the_sorted_run_with_their_drivers() -> None:
    bars = [Observed(bar, "test") for bar in driven_series(14, 200).bars()]
    shuffled = [bar for first in range(0, 200, 20) for bar in np.random.default_rng(first).permutation(20) + first]
    sorted_run, replay, _ = run(bars)
    state, later, said = run([bars[place] for place in shuffled])
    assert head_bytes(replace(state, version=0)) == head_bytes(replace(sorted_run, version=0))
    assert np.array_equal(replay.bars, later.bars, equal_nan=True) and replay.bars.shape[1] == 11
    assert "merged" in said
    head = head_bytes(state)
    restored = replay_from_bytes(replay_bytes(later, head), head)
    assert np.array_equal(restored.bars, later.bars, equal_nan=True)
    assert restored.observed()[3].bar.drivers == pytest.approx(later.bars[3, 9:].tolist(), nan_ok=True)


def test_a_state_whose_replay_was_lost_goes_on_with_its_drivers() -> None:
    bars = [Observed(bar) for bar in driven_series(19, 120).bars()]
    state, _, _ = run(bars[:100])
    expected, _, _ = run(bars)
    replay = replay_from(state)
    for bar in bars[100:]:
        state, replay, _ = observe(state, replay, [bar], estimator=DRIVEN)
    assert head_bytes(replace(state, version=0)) == head_bytes(replace(expected, version=0))
    assert replay.bars.shape == (20, 11)


def test_a_known_bar_with_another_value_of_a_driver_is_a_conflict_that_names_it() -> None:
    bars = [Observed(bar, "a") for bar in driven_series(15, 80).bars()]
    state, replay, _ = run(bars)
    last = bars[-1].bar
    other = Observed(last._replace(drivers=(last.drivers[0] + 1.0, math.nan)), "b")
    *_, (verdict,) = observe(state, replay, [other], estimator=DRIVEN)
    assert verdict.outcome.value == "conflict"
    assert verdict.detail.startswith(f"drivers.flow is {last.drivers[0]!r} (from a), found")
    silent = Observed(last._replace(drivers=()), "b")
    *_, (verdict,) = observe(state, replay, [silent], estimator=DRIVEN)
    assert verdict.outcome.value == "duplicate"
    revised, _, (verdict,) = observe(state, replay, [other], estimator=DRIVEN, revise=True)
    assert verdict.outcome.value == "revised"
    kept = Observed(last._replace(drivers=(last.drivers[0] + 1.0, last.drivers[1])), "b")
    expected = run([*bars[:-1], kept])[0]
    assert head_bytes(replace(revised, version=0)) == head_bytes(replace(expected, version=0))


def test_a_bar_without_values_is_like_one_whose_values_are_missing() -> None:
    bars = list(driven_series(16, 60).bars())
    silent = [bar._replace(drivers=()) for bar in bars]
    missing = [bar._replace(drivers=(math.nan, math.nan)) for bar in bars]
    one, other = (run([Observed(bar) for bar in some])[0] for some in (silent, missing))
    assert head_bytes(one) == head_bytes(other)


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (("a", "b", "a"), "must name each driver once, found 'a'"),
        (("with space",), "letters, digits"),
        (("a,b",), "letters, digits"),
        (("",), "letters, digits"),
        (("x" * 21,), "1 to 20"),
        (tuple("abcdefghi"), "at most 8 drivers, found 9"),
    ],
)
def test_names_that_are_none_are_refused(names: tuple[str, ...], rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        check_names(names)
    with pytest.raises(InvalidInput):
        Adaptive(drivers=names)


def test_names_are_part_of_the_model_and_their_order_too() -> None:
    assert model_version(BARE) == "adaptive.1-True,True"
    assert model_version(DRIVEN) == "adaptive.1-True,True,flow:funding"
    assert estimator_of(model_version(DRIVEN)) == DRIVEN and estimator_of(model_version(BARE)) == BARE
    longest = Adaptive(drivers=tuple(f"{place}" + "x" * 19 for place in range(8)))
    assert estimator_of(model_version(longest)) == longest and len(model_version(longest)) <= 200
    assert model_version(Adaptive(drivers=NAMES[::-1])) != model_version(DRIVEN)
    assert driver_names(DRIVEN) == NAMES
    for broken in ("adaptive.1-True", "adaptive.1-True,True,a,b"):
        with pytest.raises(ValueError):
            estimator_of(broken)


def test_a_list_of_json_is_read_into_it() -> None:
    adapter = TypeAdapter(Adaptive)
    assert adapter.validate_json('{"method": "adaptive", "drivers": ["flow", "funding"]}') == DRIVEN
    assert adapter.validate_python(dataclasses.asdict(DRIVEN)) == DRIVEN
    with pytest.raises(ValidationError):
        adapter.validate_json(f'{{"drivers": {[str(place) for place in range(9)]}}}'.replace("'", '"'))


def test_values_that_do_not_match_the_drivers_are_a_mistake() -> None:
    memory: Any = DRIVEN.start()
    (move,) = driven_moves(17, 1, markets=1).row(0)
    with pytest.raises(ValueError):
        DRIVEN.advance(memory, move._replace(drivers=(1.0,)))


def columns_of(bars: list[Bar]) -> Floats:
    return np.array([bar.drivers for bar in bars])


def test_a_series_gives_its_bars_their_values() -> None:
    item = driven_series(18, 30)
    assert np.array_equal(columns_of(list(item.bars())), item.drivers, equal_nan=True)
