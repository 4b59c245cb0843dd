"""Jumps: size and power of both tests on simulated returns, and the recursion against a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility import jumps
from services.volatility.jumps import START, JumpTest, advance, bipower_test, jump_test, read

HOURLY = jump_test(3_600)


def streamed(returns: Floats, test: JumpTest) -> list[tuple[float, ...]]:
    memory, memories = START, []
    for value in returns.tolist():
        memory = advance(memory, value, test)
        memories.append(memory)
    return memories


@pytest.mark.parametrize("test", [JumpTest(10, 2.5), HOURLY])
def test_stream_and_panel_agree(test: JumpTest) -> None:
    rng = np.random.default_rng(1)
    returns = 0.01 * rng.standard_t(3, (4, 600))
    returns[rng.random(returns.shape) < 0.1] = np.nan
    returns[0, :20], returns[1, 30:34], returns[-1] = np.nan, 0.0, np.nan
    memories = jumps.path(returns, test)
    for row, path in zip(returns, memories, strict=True):
        assert np.array(streamed(row, test)) == pytest.approx(path, rel=1e-12)
    assert np.isfinite(memories[:2, -1, 3]).all()
    assert np.array_equal(jumps.last(returns, test), memories[:, -1])


@pytest.mark.parametrize("bars", [1, 2, 9, 10, 11, 12])
def test_short_panels_agree_too(bars: int) -> None:
    returns = 0.01 * np.random.default_rng(2).standard_normal((2, bars))
    test = JumpTest(10, 1.0)
    assert jumps.last(returns, test)[1] == pytest.approx(streamed(returns[1], test)[-1], rel=1e-12)


def test_bipower_variation_is_the_variance_and_hardly_sees_a_jump() -> None:
    """A jump of 20 deviations in a mean of 500 products: two products of 20 instead of a square of 400."""
    returns = np.random.default_rng(3).standard_normal((200, 501))
    plain = jumps.last(returns, JumpTest(500, 9.0))[:, 0]
    returns[:, 250] = 20.0
    jumped = jumps.last(returns, JumpTest(500, 9.0))[:, 0]
    assert float(plain.mean()) == pytest.approx(1.0, abs=0.02)
    assert float(jumped.mean() - plain.mean()) == pytest.approx(
        2 * 20 * math.sqrt(2 / math.pi) * math.pi / 1000, rel=0.2
    )


def test_the_threshold_is_what_the_largest_of_n_normals_rarely_passes() -> None:
    """The Gumbel law holds in the limit: at n = 1000 it is still too careful, by less than a half."""
    threshold = jumps.critical_value(1_000, 0.01)
    passed = -math.expm1(1_000 * math.log1p(-2.0 * stats.norm.sf(threshold)))
    assert 0.005 < passed < 0.01


def test_both_conventions_are_one() -> None:
    """Bipower variation without π/2 makes L larger by √(π/2), and the threshold as well."""
    ratio = jumps.critical_value(288, absolute_mean=math.sqrt(2 / math.pi)) / jumps.critical_value(288)
    assert ratio == pytest.approx(math.sqrt(math.pi / 2), rel=1e-12)


def test_false_alarms_are_rare() -> None:
    """Normal returns, 78-bar window: the noise of the bipower variation makes 0.48 alarms in 10,000 bars 0.74."""
    memories = jumps.path(np.random.default_rng(4).standard_normal((150, 4_000)), HOURLY)
    rate = float(np.mean(memories[:, 100:, 3] == 0.0))
    assert rate == pytest.approx(7.4e-5, abs=3e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_jump_is_found_with_its_size(sign: float) -> None:
    returns = 0.01 * np.random.default_rng(5).standard_normal((100, 300))
    returns[:, 200] = sign * 0.08
    memories = jumps.path(returns, HOURLY)
    at_once, later = [read(tuple(memory)) for memory in memories[7, [200, 210]].tolist()]
    assert (memories[:, 200, 3] == 0.0).all()
    assert (at_once.bars_since, at_once.log_return) == (0.0, sign * 0.08)
    assert (later.bars_since, later.log_return, later.statistic) == (10.0, sign * 0.08, at_once.statistic)
    assert at_once.statistic == pytest.approx(sign * 8.0, rel=0.4)


def test_before_any_jump_there_is_none() -> None:
    assert read(START) == jumps.Jump(math.inf, 0.0, 0.0)
    quiet = streamed(np.tile([0.01, -0.01], 100), HOURLY)[-1]
    assert read(quiet).bars_since == math.inf
    assert advance(quiet, math.nan, HOURLY) is quiet


def test_the_first_bars_are_not_tested() -> None:
    returns = np.full((2, HOURLY.window + 2), 0.01)
    returns[0, HOURLY.window], returns[1, HOURLY.window + 1] = 1.0, 1.0
    assert np.isfinite(jumps.path(returns, HOURLY)[:, -1, 3]).tolist() == [False, True]


def test_a_price_that_stood_still_has_no_jump() -> None:
    still = np.zeros((1, 200))
    still[0, 150] = 0.05
    assert jumps.last(still, HOURLY)[0, 3] == math.inf


@given(st.floats(1e-6, 1e3))
def test_a_unit_of_the_returns_changes_no_label(scale: float) -> None:
    returns = 0.01 * np.random.default_rng(6).standard_t(3, (2, 300))
    plain, scaled = jumps.path(returns, HOURLY), jumps.path(scale * returns, HOURLY)
    assert np.array_equal(plain[..., 3], scaled[..., 3])
    assert plain[..., 5] == pytest.approx(scaled[..., 5], rel=1e-9)


def bipower_reference(returns: list[float]) -> tuple[float, float]:
    """The formulas as they are printed, one term at a time."""
    n, absolute = len(returns), [abs(value) for value in returns]
    realized = sum(value**2 for value in returns)
    bipower = math.pi / 2 * n / (n - 1) * sum(absolute[i] * absolute[i - 1] for i in range(1, n))
    moment = stats.norm.expect(lambda x: abs(x) ** (4 / 3))
    triples = sum((absolute[i] * absolute[i - 1] * absolute[i - 2]) ** (4 / 3) for i in range(2, n))
    quarticity = n * moment**-3 * n / (n - 2) * triples
    error = math.sqrt((math.pi**2 / 4 + math.pi - 5) / n * max(1.0, quarticity / bipower**2))
    return max(0.0, 1 - bipower / realized), (1 - bipower / realized) / error


def test_the_test_of_a_day_is_as_printed() -> None:
    returns = 0.001 * np.random.default_rng(7).standard_t(5, 288)
    found = bipower_test(returns)
    assert (found.share, found.statistic) == pytest.approx(bipower_reference(returns.tolist()), rel=1e-6)


def test_days_without_jumps_are_standard_normal() -> None:
    """1,000 days of 288 bars; the ratio statistic is known to reject 1.2 to 1.5 % at 1 %."""
    days = np.random.default_rng(8).standard_normal((1_000, 288))
    statistics = np.array([bipower_test(day).statistic for day in days])
    assert float(statistics.mean()) == pytest.approx(0.0, abs=0.12)
    assert float(statistics.std()) == pytest.approx(1.0, abs=0.1)
    assert 0.003 < float(np.mean(statistics > stats.norm.isf(0.01))) < 0.025


def test_a_day_with_a_jump_says_so_and_how_much() -> None:
    """A jump of 12 bar deviations in 288 bars: a third of the variance."""
    days = np.random.default_rng(9).standard_normal((200, 288))
    days[:, 100] += 12.0
    tests = [bipower_test(day) for day in days]
    assert np.mean([test.statistic > stats.norm.isf(0.01) for test in tests]) > 0.9
    assert np.mean([test.share for test in tests]) == pytest.approx(144 / (144 + 288), abs=0.08)


def test_a_day_of_one_move_is_all_jump_and_of_none_is_nothing() -> None:
    alone = np.zeros(50)
    assert bipower_test(alone) == jumps.BipowerTest(0.0, 0.0)
    alone[20] = 0.01
    assert bipower_test(alone).share == pytest.approx(1.0, rel=1e-12)
    assert bipower_test(alone).statistic > 5.0


@pytest.mark.parametrize("returns", [np.ones(2), np.array([0.1, np.nan, 0.2, 0.1])])
def test_a_day_that_cannot_be_tested_is_refused(returns: Floats) -> None:
    with pytest.raises(InvalidInput, match="log_returns must hold at least 3 values"):
        bipower_test(returns)


def test_levels_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidInput, match="observations must be >= 3"):
        jumps.critical_value(2)
    with pytest.raises(InvalidInput, match="significance must be > 0 and < 1"):
        jumps.critical_value(78, 1.0)
