"""Damping: increases in parts, reductions at once."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.explain import Trail
from services.sizing.damping import GapFraction, NoDamping, damp
from tests.support.overlays import columns


def test_half_of_an_increase_and_the_whole_of_a_reduction() -> None:
    trail = Trail(np.array([8.0, 2.0, -6.0, 5.0]))
    damp(trail, columns([4.0, 4.0, 4.0, 5.0]), GapFraction())
    assert trail.value.tolist() == [6.0, 2.0, -3.0, 5.0]
    assert trail.stages[0].bound is not None
    assert trail.stages[0].bound.tolist() == [True, False, True, False]


def test_repeated_decisions_close_the_gap_geometrically() -> None:
    """The gap after k decisions is (1 − f)^k of what it was."""
    held = 0.0
    for _ in range(5):
        trail = Trail(np.array([10.0]))
        damp(trail, columns([held]), GapFraction(fraction=0.25))
        held = float(trail.value[0])
    assert 10.0 - held == pytest.approx(10.0 * 0.75**5)


def test_rows_that_cannot_be_resized_are_left_alone() -> None:
    trail = Trail(np.array([8.0, 8.0]))
    damp(trail, columns([4.0, 4.0], sizable=[True, False]), GapFraction())
    assert trail.value.tolist() == [6.0, 8.0]


def test_without_damping_or_without_increase_there_is_no_stage() -> None:
    for damping, wanted in ((NoDamping(), 8.0), (GapFraction(), 1.0), (GapFraction(fraction=1.0), 8.0)):
        trail = Trail(np.array([wanted]))
        damp(trail, columns([4.0]), damping)
        assert (trail.value.tolist(), trail.stages) == ([wanted], [])
