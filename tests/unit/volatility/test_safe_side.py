"""What looks like bad data may be the market: a fault, or a trick, never makes a size larger."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.volatility.bars import Bar
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import SeriesForecast, forecast_markets
from services.volatility.outcome import PointOutcome
from services.volatility.path import forecast_path
from services.volatility.readout import Guard, VolatilityReadout
from services.volatility.registry import Estimator
from services.volatility.replay import Observed, begin, observe
from services.volatility.series import SeriesInput
from services.volatility.spikes import UNDO_EVERY, looks_like_a_split
from services.volatility.state import VolatilityState, empty_state, readout, update
from tests.unit.volatility.markets import DAY, END

HOUR = 3_600
MODELS = [Adaptive(), Ewma()]


def calm(bars: int = 300, deviation: float = 0.01, seed: int = 5) -> Floats:
    return np.random.default_rng(seed).standard_normal(bars) * deviation


def closes_of(returns: Floats) -> Floats:
    return np.asarray(100.0 * np.exp(np.concatenate([[0.0], np.cumsum(returns)])))


def bars_of(returns: Floats, bar_seconds: int = DAY) -> list[Bar]:
    return [Bar((place + 1.0) * bar_seconds, close) for place, close in enumerate(closes_of(returns).tolist())]


def fed(bars: list[Bar], model: Estimator, bar_seconds: int = DAY) -> VolatilityState:
    return update(empty_state(model, bar_seconds=bar_seconds, calendar=Calendar()), bars, estimator=model)[0]


def said(state: VolatilityState, model: Estimator) -> VolatilityReadout:
    found = readout(state, estimator=model)
    assert isinstance(found, VolatilityReadout)
    return found


def posted(closes: Floats, model: Estimator, **columns: Floats) -> SeriesForecast | Refusal:
    return forecast_markets([SeriesInput(closes, END, DAY, Calendar(), **columns)], model)[0]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.method)
def test_a_market_that_keeps_jumping_is_no_bad_print(model: Estimator) -> None:
    """Only one jump in 64 bars is undone: ±15 % a bar is 280 % a year, whatever came before."""
    whipsaw = np.concatenate([calm(), np.tile([-0.15, 0.14], 20)])
    state = fed(bars_of(whipsaw), model)
    assert said(state, model).volatility > 2.0
    found = posted(closes_of(whipsaw), model)
    assert isinstance(found, SeriesForecast)
    assert found.readout.volatility == pytest.approx(said(state, model).volatility, rel=1e-10)
    assert found.unusual == {PointOutcome.SPIKE_REVERTED: 1}


def test_a_second_bad_print_is_undone_after_a_while() -> None:
    model = Adaptive()
    twice = np.concatenate([calm(), [0.5, -0.49], calm(UNDO_EVERY, seed=6), [0.5, -0.49], calm(5, seed=7)])
    _, outcomes = update(empty_state(model, bar_seconds=DAY, calendar=Calendar()), bars_of(twice), estimator=model)
    assert outcomes.count(PointOutcome.SPIKE_REVERTED) == 2


def test_a_move_far_beyond_where_the_jump_began_is_a_move() -> None:
    model = Adaptive()
    overshoot = np.concatenate([calm(), [-0.15, 0.60]])
    state, outcomes = update(
        empty_state(model, bar_seconds=DAY, calendar=Calendar()), bars_of(overshoot), estimator=model
    )
    assert PointOutcome.SPIKE_REVERTED not in outcomes
    assert said(state, model).volatility > 2.0


def halved(volume: float) -> tuple[Floats, Floats]:
    """Closes that end in a fall by a half, and volumes of which the last is given."""
    closes = closes_of(np.concatenate([calm(), [math.log(0.501)]]))
    return closes, np.concatenate([np.full(closes.size - 1, 1_000.0), [volume]])


def test_a_fall_that_looks_like_a_split_is_not_sized_with_what_was_before() -> None:
    closes, doubled = halved(2_000.0)
    found = posted(closes, Adaptive(), volume=doubled)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.SPLIT_SUSPECTED
    plain = posted(closes, Adaptive(), volume=halved(1_000.0)[1])
    assert isinstance(plain, SeriesForecast)
    assert plain.readout.volatility > 2.0


def test_a_held_bar_stops_a_state_until_it_is_settled() -> None:
    model = Adaptive()
    closes, volume = halved(2_000.0)
    bars = [
        Bar((place + 1.0) * DAY, close, volume=amount)
        for place, (close, amount) in enumerate(zip(closes, volume, strict=True))
    ]
    before = fed(bars[:-1], model)
    held, (outcome,) = update(before, bars[-1:], estimator=model)
    assert (outcome, held.version) == (PointOutcome.CORPORATE_ACTION, before.version + 1)
    refused = readout(held, estimator=model)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.SPLIT_SUSPECTED
    moved, _ = update(held, [bars[-1]._replace(split=1.0)], estimator=model)
    assert said(moved, model).volatility > 2.0
    mended, _ = update(held, [bars[-1]._replace(split=2.0)], estimator=model)
    assert said(mended, model).volatility < 0.3


@pytest.mark.parametrize(
    ("ratio", "suspected"), [(2.0, True), (15.0, True), (57.0, False), (100.0, True), (1_000.0, True)]
)
def test_near_large_numbers_only_powers_of_ten_are_splits(ratio: float, suspected: bool) -> None:
    assert looks_like_a_split(-math.log(ratio), 100.0 * ratio, 100.0) is suspected


def test_naming_a_split_of_an_accepted_bar_is_a_revision() -> None:
    model = Adaptive()
    state, replay = begin(model, bar_seconds=DAY, calendar=Calendar())
    bars = bars_of(np.concatenate([calm(), [-0.69]]))
    state, replay, _ = observe(state, replay, [Observed(bar, "a") for bar in bars], estimator=model)
    crash = said(state, model).volatility
    renamed = [Observed(bars[-1]._replace(split=2.0), "b")]
    after, _, (verdict,) = observe(state, replay, renamed, estimator=model)
    assert verdict.outcome is PointOutcome.CONFLICT
    assert said(after, model).volatility == crash
    _, _, (asked,) = observe(state, replay, renamed, estimator=model, revise=True)
    assert asked.outcome is PointOutcome.REVISED


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.method)
def test_a_fall_across_a_long_gap_stands_while_the_gap_is_open(model: Estimator) -> None:
    """The return is no bar's, but the price did move: r² a bar is the least that is sized with for 20 bars."""
    bars = bars_of(calm())
    last = bars[-1]
    gapped = [*bars, Bar(last.close_at + 7.0 * DAY, last.close * 0.4)]
    found = said(fed(gapped, model), model)
    assert found.guard is Guard.GAP
    assert found.volatility >= math.sqrt(math.log(0.4) ** 2 / 7.0 * 365.0) * 0.999
    quiet = [
        Bar(gapped[-1].close_at + (day + 1.0) * DAY, gapped[-1].close * math.exp(0.01 * (day % 2))) for day in range(21)
    ]
    released = said(fed([*gapped, *quiet], model), model)
    assert released.guard is Guard.NONE
    assert released.volatility < 0.5


def test_a_feed_of_gaps_counts_the_largest() -> None:
    model = Adaptive()
    bars = bars_of(calm(), HOUR)
    for _ in range(5):
        bars.append(Bar(bars[-1].close_at + 7.0 * HOUR, bars[-1].close * 0.85))
    bars.append(Bar(bars[-1].close_at + 7.0 * HOUR, bars[-1].close * 0.99))
    state = fed(bars, model, HOUR)
    least = math.sqrt(math.log(0.85) ** 2 / 7.0 * 8_760.0)
    assert said(state, model).volatility >= least * 0.999
    times, closes = np.array([bar.close_at for bar in bars]), np.array([bar.close for bar in bars])
    item = SeriesInput(closes, END, HOUR, Calendar(), times)
    (found,) = forecast_markets([item], model)
    assert isinstance(found, SeriesForecast)
    assert found.readout.volatility == pytest.approx(said(state, model).volatility, rel=1e-10)
    assert forecast_path(item, model).volatility[-1] == pytest.approx(found.readout.volatility, rel=1e-10)


def test_noise_of_a_tick_is_no_movement() -> None:
    model = Adaptive()
    stuck = np.tile([1e-6, 0.0, -1e-6, 0.0], 10)
    state, outcomes = update(
        empty_state(model, bar_seconds=DAY, calendar=Calendar()),
        bars_of(np.concatenate([calm(deviation=0.03), stuck])),
        estimator=model,
    )
    assert outcomes[-1] is PointOutcome.STALE
    refused = readout(state, estimator=model)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.STALE_PRICE
