"""Realised measures, and their average over days."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics

import numpy as np
import pytest

from services.core.explain import Floats
from services.volatility import averages, realized_measures
from services.volatility.estimators.realized import Realized
from services.volatility.moves import Move, Moves
from tests.unit.volatility.ranged_moves import START, hold_to_the_interface, ranged_moves, same_as, streamed

MEASURES = ["variance", "bipower", "med_rv", "min_rv"]
HOUR = 3_600.0


def hourly(seed: int, bars: int, *, start: float = START + 5.0 * HOUR) -> Moves:
    """Bars of one hour, the first one closing at 06:00; some bars, and one whole day, are missing."""
    moves = ranged_moves(seed, bars, deviation=0.004)
    rng = np.random.default_rng(seed)
    steps = rng.choice([1.0, 2.0], bars, p=[0.95, 0.05])
    steps[bars // 2] = 30.0
    return dataclasses.replace(moves, close_at=np.broadcast_to(start + HOUR * np.cumsum(steps), (2, bars)))


MOVES = hourly(21, 400)


def measure_of(returns: list[float], measure: str) -> float:
    """Per bar, after the definitions."""
    size, n = [abs(value) for value in returns], len(returns)
    if measure == "bipower" and n > 1:
        return math.pi / 2.0 / (n - 1) * sum(one * other for one, other in itertools.pairwise(size))
    if measure == "min_rv" and n > 1:
        return math.pi / (math.pi - 2.0) / (n - 1) * sum(min(pair) ** 2 for pair in itertools.pairwise(size))
    if measure == "med_rv" and n > 2:
        middle = [statistics.median(size[place : place + 3]) for place in range(n - 2)]
        return math.pi / (6.0 - 4.0 * math.sqrt(3.0) + math.pi) / (n - 2) * sum(value**2 for value in middle)
    return sum(value**2 for value in returns) / n


@pytest.mark.parametrize("measure", MEASURES)
def test_reference(measure: str) -> None:
    def reference(history: list[Move]) -> float:
        """Days by their names; the newest counts once its last bar closed at midnight."""
        days = [
            (date, list(group))
            for date, group in itertools.groupby(history, lambda move: (move.close_at - 1) // 86_400)
        ]
        measured = [measure_of([move.log_return for move in group], measure) for _, group in days]
        complete = measured if history[-1].close_at % 86_400 == 0 else measured[:-1]
        average = 0.0
        for place, value in enumerate(complete, start=1):
            average += max(1.0 - 0.5 ** (1.0 / 3.0), 1.0 / place) * (value - average)
        return average if complete else measured[-1]

    path = Realized(measure=measure, half_life_days=3.0).variance_path(MOVES)  # type: ignore[arg-type]
    same_as(path, reference, MOVES, (0, 1, 2, 17, 18, 19, 100, 199, 200, 201, 202, 399))
    midnights = np.flatnonzero(MOVES.close_at[0] % 86_400 == 0)
    assert midnights.size > 5
    same_as(path, reference, MOVES, tuple(midnights.tolist()))


@pytest.mark.parametrize("measure", MEASURES)
def test_interface(measure: str) -> None:
    model = Realized(measure=measure)  # type: ignore[arg-type]
    hold_to_the_interface(model, MOVES)
    daily = ranged_moves(22, 60)
    hold_to_the_interface(model, daily)
    posted = np.where(np.arange(400) % 3 == 0, np.nan, MOVES.log_return**2 * 1.3)
    hold_to_the_interface(model, dataclasses.replace(MOVES, realized_variance=posted))


def test_daily_bars_are_their_squares_or_their_own_realized_variance() -> None:
    daily = ranged_moves(23, 60)
    level = Realized(half_life_days=1e-3).variance_path(daily)
    np.testing.assert_allclose(level, daily.log_return**2, rtol=1e-12, atol=1e-18)
    posted = dataclasses.replace(daily, realized_variance=np.full((2, 60), 3e-4))
    np.testing.assert_allclose(Realized().variance_path(posted), 3e-4, rtol=1e-12)


def test_a_realized_variance_that_the_close_contradicts_is_missing() -> None:
    daily = dataclasses.replace(ranged_moves(29, 60), realized_variance=None)
    squares = daily.log_return**2
    for share in (0.0, 0.0099):
        broken = dataclasses.replace(daily, realized_variance=share * squares)
        np.testing.assert_array_equal(Realized().variance_path(broken), Realized().variance_path(daily))
        np.testing.assert_allclose(streamed(Realized(), broken), Realized().variance_path(daily), rtol=1e-12)
    low = dataclasses.replace(daily, realized_variance=0.0101 * squares)
    np.testing.assert_allclose(Realized().variance_path(low), 0.0101 * Realized().variance_path(daily), rtol=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("hour", [8.0, 21.0, 23.99])
def test_daily_bars_count_at_once_whenever_they_close(measure: str, hour: float) -> None:
    """With weekends, and a clock that is set forward on bar 50: what midnight bars give, not what it was a day ago."""
    model = Realized(measure=measure)  # type: ignore[arg-type]
    daily = ranged_moves(30, 100)
    days = np.arange(1.0, 101.0) + 2.0 * (np.arange(100) // 5)
    times = START + 86_400.0 * days + HOUR * hour - HOUR * (np.arange(100) >= 50)
    shifted = dataclasses.replace(daily, close_at=np.broadcast_to(times, daily.shape))
    expected = model.variance_path(daily)
    np.testing.assert_allclose(model.variance_path(shifted), expected, rtol=1e-12)
    np.testing.assert_allclose(streamed(model, shifted), expected, rtol=1e-12)
    assert expected[0, -1] == pytest.approx(
        averages.ewma_path(daily.log_return**2, averages.gain_of(5.0))[0, -1], rel=1e-12
    )


def test_closes_around_midnight_are_days_of_their_own() -> None:
    daily = ranged_moves(31, 60)
    around = dataclasses.replace(daily, close_at=daily.close_at + np.where(np.arange(60) % 3, 10.0, -10.0))
    np.testing.assert_array_equal(Realized().variance_path(around), Realized().variance_path(daily))
    np.testing.assert_allclose(streamed(Realized(), around), Realized().variance_path(daily), rtol=1e-12)


def test_a_gap_between_daily_bars_is_one_day() -> None:
    """The feed hands it on as equal moves with one close."""
    closes, returns = [1.0, 2.0, 5.0, 5.0, 5.0, 6.0], [0.01, 0.02, 0.03, 0.03, 0.03, 0.01]
    times = START + 21.0 * HOUR + 86_400.0 * np.array(closes)
    moves = Moves(np.array([returns]), np.ones((1, 6)), times[None, :])
    days = [0.01, 0.02, 0.03, 0.01]
    path = Realized().variance_path(moves)
    assert path[0, -1] == pytest.approx(float(np.mean(np.square(days))), rel=1e-12)
    np.testing.assert_allclose(streamed(Realized(), moves), path, rtol=1e-12)


def test_hours_after_a_weekend_are_not_days() -> None:
    """The first step is of 65 hours, the next ones tell that bars are of an hour."""
    steps = np.where(np.arange(200) % 8 == 1, 65.0, 1.0)
    returns = ranged_moves(32, 200, markets=1).log_return
    moves = Moves(returns, returns, (START + HOUR * (20.0 + np.cumsum(steps)))[None, :])
    model, days = Realized(), (moves.close_at[0] - 1.0) // 86_400.0
    measured = [float(np.mean(returns[0, days == day] ** 2)) for day in np.unique(days)[:-1]]
    expected = averages.ewma_path(np.array(measured)[None, :], averages.gain_of(5.0))[0, -1]
    assert model.variance_path(moves)[0, -1] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(streamed(model, moves), model.variance_path(moves), rtol=1e-12)


def test_the_hour_of_the_day_leaves_no_trace() -> None:
    """Volatility of 3 at noon and 1 otherwise: the forecast is constant within a day."""
    bars = 24 * 40
    wild = 0.01 * np.where(np.arange(bars) % 24 == 12, 3.0, 1.0) * np.where(np.arange(bars) % 2, 1.0, -1.0)
    times = START + HOUR * np.arange(1.0, bars + 1.0)
    path = Realized().variance_path(Moves(wild[None, :], np.ones((1, bars)), times[None, :]))
    np.testing.assert_allclose(path[0, 23:], (23.0 + 9.0) / 24.0 * 1e-4, rtol=1e-12)


@pytest.mark.parametrize("offset", [-1.0, -0.001, 0.001, 1.0])
def test_midnight_has_a_second_of_slack(offset: float) -> None:
    times = START + HOUR * np.arange(1.0, 101.0)
    returns = ranged_moves(24, 100, markets=1).log_return
    exact = Moves(returns, returns, times[None, :])
    shifted = Moves(returns, returns, times[None, :] + offset)
    model = Realized()
    np.testing.assert_array_equal(model.variance_path(shifted), model.variance_path(exact))


def test_bars_of_a_second_around_midnight() -> None:
    times = START + 86_400.0 + np.arange(-20.0, 20.0)
    returns = ranged_moves(25, 40, markets=1).log_return
    moves = Moves(returns, returns, times[None, :])
    model = Realized(measure="bipower")
    np.testing.assert_allclose(streamed(model, moves), model.variance_path(moves), rtol=1e-12)


def test_sizes() -> None:
    moves, model, memory = hourly(26, 20), Realized(half_life_days=2.0), Realized().start()
    for move in moves.row(0):
        memory = model.advance(memory, move)
    assert model.effective_observations(memory) <= 20.0
    full = Moves(np.ones((1, 2_400)), np.ones((1, 2_400)), START + HOUR * np.arange(1.0, 2_401.0)[None, :])
    memory = model.start()
    for move in full.row(0):
        memory = model.advance(memory, move)
    assert model.effective_half_life(memory) == pytest.approx(48.0)
    decay = 2.0**-0.5
    assert model.effective_observations(memory) == pytest.approx(24.0 * (1.0 + decay) / (1.0 - decay), rel=1e-9)


KERNELS = {
    "variance": realized_measures.realized_variance,
    "bipower": realized_measures.bipower_variance,
    "med_rv": realized_measures.median_variance,
    "min_rv": realized_measures.minimum_variance,
}


@pytest.mark.parametrize("measure", MEASURES)
def test_kernels(measure: str) -> None:
    days: Floats = np.random.default_rng(27).standard_normal((40_000, 24))
    kernel = KERNELS[measure]
    for day in days[:5]:
        assert float(kernel(day)) == pytest.approx(24.0 * measure_of(day.tolist(), measure), rel=1e-12)
    assert float(kernel(days).mean()) == pytest.approx(24.0, rel=0.01)
    jumpy = days.copy()
    jumpy[:, 11] += 10.0
    seen = (float(kernel(jumpy).mean()) - 24.0) / 100.0
    assert seen == pytest.approx(1.0, abs=0.02) if measure == "variance" else seen < 0.25


def test_jump_share_finds_the_share() -> None:
    days = np.random.default_rng(28).standard_normal((4_000, 288))
    jump = math.sqrt(288.0)
    days[:, 100] += jump
    leaked = math.pi / 2.0 * 2.0 * jump * math.sqrt(2.0 / math.pi)  # the jump times its two neighbours
    expected = (288.0 - leaked) / 576.0
    assert float(np.median(realized_measures.jump_share(days))) == pytest.approx(expected, abs=0.01)
    assert realized_measures.jump_share(np.zeros((2, 10))).tolist() == [0.0, 0.0]
