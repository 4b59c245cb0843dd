"""The calibration makes realised volatility meet a target, whatever the returns are like."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.explain import Floats
from services.volatility import calibration

RNG = np.random.default_rng(7)


def fold(values: Floats) -> list[float]:
    memory, factors = calibration.start(), []
    for value in values.tolist():
        memory = calibration.advance(memory, value)
        factors.append(calibration.factor(memory))
    return factors


def held_squares(values: Floats) -> Floats:
    """(z/k)² of each counted bar, k from the bars before it."""
    before = np.concatenate(([1.0], calibration.path(values[None])[0, :-1]))
    return ((values / before) ** 2)[calibration.WARM_UP_RETURNS :]


def reference(values: Floats) -> list[float]:
    """The rule as the module's text has it, written from scratch: sums of errors between the bounds."""
    gain = (1.0 - 2.0 ** (-1.0 / 80.0)) / 2.0
    correction, k, known, found = 0.0, 1.0, 0, []
    for place, z in enumerate(values.tolist()):
        if place >= 19 and not math.isnan(z):
            known += 1
            correction = correction + gain * (min(z * z / (k * k), 200.0) - 1.0)
            correction = -0.3 if correction < -0.3 else 1.0 if correction > 1.0 else correction
        lowest = 1.0 if known < 126 else 0.7
        k = sorted((lowest, 1.0 + correction, 1.6))[1]
        found.append(k)
    return found


SAMPLES = {
    "normal": RNG.standard_normal(600),
    "fat tails": RNG.standard_t(2.5, 600),
    "too low": 1.5 * RNG.standard_normal(600),
    "too high": 0.6 * RNG.standard_normal(600),
    "unknown at first": np.concatenate(([np.nan] * 30, RNG.standard_normal(300))),
    "holes": np.where(RNG.random(600) < 0.2, np.nan, RNG.standard_normal(600)),
    "broken": np.concatenate((RNG.standard_normal(200), [1e200, -np.inf, 1e9], RNG.standard_normal(200))),
}


@pytest.mark.parametrize("values", SAMPLES.values(), ids=SAMPLES)
def test_stream_follows_the_written_rule(values: Floats) -> None:
    np.testing.assert_allclose(fold(values), reference(values), rtol=1e-12)


@pytest.mark.parametrize("rows", [1, calibration._COLUMNS_FROM - 1, calibration._COLUMNS_FROM, 40])
def test_panel_is_the_stream_bit_for_bit(rows: int) -> None:
    panel = np.stack([RNG.standard_t(3, 400) for _ in range(rows)])
    panel[:, 0] = np.nan
    panel[0, 100:120] = np.nan
    panel *= 0.8  # so that it matters when k may fall below one
    panel[-1, 150] = np.inf
    assert np.array_equal(calibration.path(panel), [fold(row) for row in panel])


@pytest.mark.parametrize("bars", [0, 1, 19, 20])
def test_short_panels(bars: int) -> None:
    for rows in (1, 20):
        panel = np.full((rows, bars), 3.0)
        assert calibration.path(panel).tolist() == [fold(row) for row in panel]


def test_nothing_moves_during_the_warm_up() -> None:
    assert set(fold(np.full(calibration.WARM_UP_RETURNS, 5.0))) == {1.0}
    assert fold(np.full(calibration.WARM_UP_RETURNS + 1, 5.0))[-1] > 1.0


def test_size_grows_only_on_evidence() -> None:
    calm = fold(np.full(400, 0.5))
    trusted = calibration.WARM_UP_RETURNS + calibration.TRUSTED_AFTER
    assert set(calm[: trusted - 1]) == {1.0}
    assert calm[trusted - 1] < 1.0
    assert min(calm) == calm[-1] == calibration.SMALLEST


@pytest.mark.parametrize("rows", [1, 10])
def test_unknown_bars_are_no_evidence(rows: int) -> None:
    """Of 250 bars without a forecast and 125 with one, the latter count; the next one may raise sizes."""
    late = np.concatenate((np.full(250, np.nan), np.full(126, 0.5)))
    for factors in (fold(late), *calibration.path(np.tile(late, (rows, 1))).tolist()):
        assert set(factors[:-1]) == {1.0}
        assert factors[-1] == calibration.SMALLEST


def test_unknown_bars_say_nothing() -> None:
    values = RNG.standard_normal(300)
    memory = calibration.start()
    for value in values.tolist():
        memory = calibration.advance(memory, value)
    assert calibration.factor(calibration.advance(memory, math.nan)) == calibration.factor(memory)


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.25])
@pytest.mark.parametrize("kind", ["normal", "t5", "skewed"])
def test_realised_variance_is_within_the_bound_of_the_target(kind: str, scale: float) -> None:
    """Σ(z²/k² − 1) is at most 1.3/g, 302 bars, where no cap and no bound was met; the forecast may be wrong by 25 %."""
    rng = np.random.default_rng(11)
    draws = {
        "normal": rng.standard_normal(20_000),
        "t5": rng.standard_t(5, 20_000) * math.sqrt(3.0 / 5.0),
        "skewed": (rng.chisquare(4, 20_000) - 4.0) / math.sqrt(8.0),
    }
    errors = held_squares(scale * draws[kind]) - 1.0
    assert abs(errors[calibration.TRUSTED_AFTER :].sum()) < 1.3 / calibration.GAIN


def test_a_ratio_of_averages_has_no_such_bound() -> None:
    """Why the rule is not k² = mean of z²: on fat tails its own noise makes the average of z²/k² exceed one."""
    z = np.random.default_rng(3).standard_t(4, 40_000) / math.sqrt(2.0)
    decay, mean, held = 2.0 ** (-1.0 / 80.0), 1.0, []
    for square in (z**2).tolist():
        held.append(square / mean)
        mean = decay * mean + (1.0 - decay) * square
    ours = held_squares(z)
    assert abs(np.mean(ours) - 1.0) < 0.02 < np.mean(held) - 1.0


def test_debt_of_a_crash_is_paid_back() -> None:
    """A bar of 12 σ asks for more than k = 1.6 at once: k stays there until as much was saved as the bar cost."""
    quiet = np.resize([0.9, -0.9, 1.1, -1.1], 3000)
    shaken = quiet.copy()
    shaken[1000] = 12.0
    assert calibration.path(shaken[None])[0, 1001] == calibration.LARGEST
    crash = 1000 - calibration.WARM_UP_RETURNS
    extra = held_squares(shaken) - held_squares(quiet)
    cost, saved = extra[crash], -extra[crash + 1 :].sum()
    assert saved == pytest.approx(cost, rel=0.1)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_input_gives_a_factor_in_range(values: list[float]) -> None:
    memory = calibration.start()
    for value in values:
        memory = calibration.advance(memory, value)
        assert calibration.SMALLEST <= calibration.factor(memory) <= calibration.LARGEST
    assert all(math.isfinite(part) for part in memory)


def book(values: Floats) -> float:
    memory = calibration.start_portfolio()
    for value in values.tolist():
        memory = calibration.advance_portfolio(memory, value)
    return calibration.portfolio_factor(memory)


def test_book_needs_history() -> None:
    low, known = np.full(125, 0.5), np.full(126, 0.5)
    assert book(low) == book(np.concatenate((low, [np.nan] * 50))) == 1.0
    assert book(known) == calibration.PORTFOLIO_SMALLEST


def test_book_is_corrected_within_three_percent() -> None:
    assert book(np.full(500, 1.2)) == calibration.PORTFOLIO_LARGEST
    assert book(np.array([math.inf] * 200)) == calibration.PORTFOLIO_LARGEST
    assert book(np.resize([0.99, 1.01], 400)) == pytest.approx(1.0, abs=0.03)


def test_loop_over_a_book_removes_a_lasting_bias() -> None:
    """A book that realises 2 % less than its target, whatever it is told: the loop closes the gap."""
    rng = np.random.default_rng(5)
    memory, realized = calibration.start_portfolio(), []
    for shock in rng.standard_normal(20_000).tolist():
        realized.append(0.98 * shock / calibration.portfolio_factor(memory))
        memory = calibration.advance_portfolio(memory, realized[-1])
    assert abs(math.sqrt(np.mean(np.square(realized))) - 1.0) < 0.005
