"""Change detection: run lengths measured by simulation, delays, and the stream against columns."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from services.core.explain import Floats
from services.volatility import change
from services.volatility.change import START, Change, advance, read

Draw = Callable[[int, tuple[int, int]], Floats]


def normal(seed: int, shape: tuple[int, int]) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape)


def fat(seed: int, shape: tuple[int, int]) -> Floats:
    """Student-t with 4 degrees of freedom, variance one."""
    return np.random.default_rng(seed).standard_t(4.0, shape) / math.sqrt(2.0)


def alarms(standardized: Floats) -> tuple[Floats, Floats]:
    """Whether each bar raised the alarm up, and down."""
    memories = change.path(standardized)
    raised = memories[..., 3] == 0.0
    return raised & (memories[..., 2] > 0.0), raised & (memories[..., 2] < 0.0)


def test_stream_and_panel_agree() -> None:
    rng = np.random.default_rng(1)
    values = fat(1, (4, 1_500)) * np.repeat([1.0, 2.0, 0.3], 500)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[0, :10], values[-1] = np.nan, np.nan
    memories = change.path(values)
    for row, path in zip(values, memories, strict=True):
        memory = START
        for z, expected in zip(row.tolist(), path.tolist(), strict=True):
            memory = advance(memory, z)
            assert memory == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert {tuple(np.unique(memories[0, :, 2]))} == {(-1.0, 0.0, 1.0)}
    assert np.array_equal(change.last(values), memories[:, -1])


@pytest.mark.parametrize(
    ("draw", "up", "down"), [(normal, 2_900, math.inf), (fat, 1_400, 2_050)], ids=["normal", "t with 4 degrees"]
)
def test_false_alarms_are_as_rare_as_documented(draw: Draw, up: float, down: float) -> None:
    """Bars per alarm, 300 markets of 10,000 bars after 1,000 to forget the start: the figures of the docstring.

    That many bars hold 1,000 and more alarms each, but 23 of normal ones down: more than 50,000 bars apart.
    """
    raised_up, raised_down = alarms(draw(2, (300, 11_000)))
    assert 1.0 / raised_up[:, 1_000:].mean() == pytest.approx(up, rel=0.15)
    apart = 1.0 / raised_down[:, 1_000:].mean()
    assert apart > 50_000 if math.isinf(down) else apart == pytest.approx(down, rel=0.15)


@pytest.mark.parametrize(
    ("draw", "scale", "delay"), [(normal, 2.0, 11), (fat, 2.0, 17), (normal, 0.5, 32), (fat, 0.5, 30)]
)
def test_a_volatility_twice_or_half_the_forecast_is_soon_found(draw: Draw, scale: float, delay: float) -> None:
    """Mean bars to the alarm in the right direction."""
    raised = alarms(scale * draw(3, (400, 2_000)))[0 if scale > 1.0 else 1]
    assert raised.any(axis=1).all()
    assert float(np.mean(raised.argmax(axis=1) + 1)) == pytest.approx(delay, rel=0.15)


def test_one_jump_is_no_change() -> None:
    values = 0.9 * np.ones((1, 100))
    values[0, 50] = 40.0
    assert not np.any(alarms(values))


def test_after_an_alarm_it_begins_again() -> None:
    up, _ = alarms(np.full((1, 9), 3.0))
    assert np.flatnonzero(up[0]).tolist() == [2, 5, 8]


def test_what_is_read() -> None:
    memory = START
    assert read(memory) == Change("none", math.inf, 0.0, 0.0)
    for z in (3.0, 3.0, 3.0, 1.0):
        memory = advance(memory, z)
    assert read(memory) == Change("up", 1.0, 0.0, 0.0)
    for _ in range(17):
        memory = advance(memory, 0.0)
    assert read(memory) == Change("down", 0.0, 0.0, 0.0)
    memory = advance(memory, math.sqrt(5.5))
    assert read(memory).up == pytest.approx(0.25, rel=1e-12)


def test_nothing_known_changes_nothing() -> None:
    assert advance(START, math.nan) is START
