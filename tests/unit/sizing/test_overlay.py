"""The mechanism of overlays: the least multiplier counts, reductions pass, the unknown never closes a position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.core.explain import Trail
from services.sizing.overlay import OverlayRule, Reported, apply_overlays, grown, per_row, shrunk, without_growth
from tests.support.overlays import KINDS, OnExposure, OnIncrease, OnPosition, columns, conditions, made


def applied(
    wanted: list[float], current: list[float], *overlays: OverlayRule, **book: Any
) -> tuple[list[float], Trail, list[Reported]]:
    trail = Trail(np.array(wanted))
    reported = apply_overlays(
        trail,
        columns(current, **book),
        overlays,
        conditions(len(wanted)),
        target_volatility=None,
        after_caps=False,
    )
    return trail.value.tolist(), trail, reported


def test_exposure_shrinks_whole_sizes_and_increase_only_what_is_added() -> None:
    assert applied([8.0], [4.0], made(OnExposure, 0.75))[0] == [6.0]
    assert applied([8.0], [4.0], made(OnIncrease, 0.75))[0] == [7.0]
    assert applied([8.0], [4.0], made(OnPosition, 0.25))[0] == [2.0]


def test_exposure_counts_coin_collateral_and_position_does_not() -> None:
    """A short of half a coin against one coin held is an exposure of half a coin: to halve it the short must grow."""
    assert applied([-0.5], [-0.5], made(OnExposure, 0.5), collateral=[1.0])[0] == [-0.75]
    assert applied([-0.5], [-0.5], made(OnPosition, 0.5), collateral=[1.0])[0] == [-0.25]


def test_the_smallest_is_taken_by_row_and_named() -> None:
    first, second = made(OnExposure, 0.5, 0.9, method="first"), made(OnExposure, 0.8, 0.6, method="second")
    value, trail, _ = applied([10.0, 10.0], [0.0, 0.0], first, second)
    assert value == [5.0, 6.0]
    assert [step.stage for step in trail.steps(0)] == ["overlay_first"]
    assert [(step.stage, step.bound) for step in trail.steps(1)] == [("overlay_second", True)]


def test_kinds_follow_one_another() -> None:
    """8 × 0.75 = 6 of exposure, × 0.9 of the position, and of the 1.4 that is more than held a half."""
    value, trail, _ = applied(
        [8.0],
        [4.0],
        made(OnIncrease, 0.5, method="c"),
        made(OnExposure, 0.75, method="a"),
        made(OnPosition, 0.9, method="b"),
    )
    assert value == pytest.approx([4.7])
    assert [step.stage for step in trail.steps(0)] == ["overlay_a", "overlay_b", "overlay_c"]


@pytest.mark.parametrize("kind", KINDS)
def test_missing_data_blocks_increases_and_never_closes(kind: type) -> None:
    unknown = made(kind, np.nan, np.nan, np.nan, np.nan, missing=(True,) * 4)
    value, _, _ = applied([8.0, 2.0, -8.0, 3.0], [4.0, 4.0, 4.0, 0.0], unknown)
    assert value == [4.0, 2.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", [OnExposure, OnPosition])
def test_what_is_known_of_a_row_with_missing_data_still_shrinks_it(kind: type) -> None:
    assert applied([8.0], [8.0], made(kind, 0.5, missing=(True,)))[0] == [4.0]


def test_a_halted_market_keeps_its_position() -> None:
    value, trail, reported = applied([8.0], [4.0], made(OnExposure, 1.0, halted=(True,)))
    assert value == [4.0]
    assert trail.steps(0)[0].bound
    assert reported[0].effect.detail == ("because",)


def test_everything_is_reported_whether_it_was_the_least_or_not() -> None:
    _, _, reported = applied(
        [8.0, 8.0],
        [4.0, 4.0],
        made(OnExposure, 0.5, 1.0, method="a"),
        made(OnIncrease, 1.0, 0.7, missing=(False, True), method="b"),
        made(OnPosition, 0.9, np.nan, missing=(False, True), method="c"),
    )
    assert [item.method for item in reported] == ["a", "b", "c"]
    assert reported[0].multiplier.tolist() == [0.5, 1.0]
    assert reported[0].effect.detail == ("because", "")
    assert reported[1].multiplier.tolist() == [1.0, 0.0]
    assert reported[1].effect.detail == ("", "no data")
    assert reported[2].multiplier.tolist() == [0.9, 1.0]
    assert reported[2].effect.blocked.tolist() == [False, True]


def test_rows_that_cannot_be_resized_are_left_alone() -> None:
    value, _, _ = applied([8.0, 8.0], [4.0, 4.0], made(OnExposure, 0.5, 0.5), sizable=[True, False])
    assert value == [4.0, 8.0]


def test_nothing_to_do_leaves_no_stage() -> None:
    value, trail, _ = applied([0.3, -0.3], [0.1, -0.1], *(made(kind, 1.0, 1.0) for kind in KINDS))
    assert (value, trail.stages) == ([0.3, -0.3], [])


def test_a_multiplier_beyond_its_range_is_cut_and_an_unknown_one_is_one() -> None:
    found = per_row(np.array([1.7, -0.2, np.nan]), np.zeros(3, dtype=bool), ("a", "b", "c"), "")
    assert found.multiplier.tolist() == [1.0, 0.0, 1.0]
    assert per_row(np.array([1.0 - 1e-15]), np.zeros(1, dtype=bool), ("a",), "").detail == ("",)
    assert found.detail == ("", "b", "")


@pytest.mark.parametrize(
    ("current", "wanted", "kept", "half"),
    [
        (2.0, 4.0, 2.0, 3.0),
        (2.0, 1.0, 1.0, 1.0),
        (2.0, 0.0, 0.0, 0.0),
        (2.0, -4.0, 0.0, -2.0),
        (-2.0, -4.0, -2.0, -3.0),
        (-2.0, 4.0, 0.0, 2.0),
        (0.0, -4.0, 0.0, -2.0),
        (2.0, 2.0, 2.0, 2.0),
    ],
)
def test_growth_by_hand(current: float, wanted: float, kept: float, half: float) -> None:
    assert without_growth(np.array([current]), np.array([wanted])).tolist() == [kept]
    assert grown(np.array([current]), np.array([wanted]), 0.5).tolist() == [half]


def test_a_whole_multiplier_changes_no_bit() -> None:
    assert 0.2 + (0.9 - 0.2) < 0.9
    assert grown(np.array([0.2]), np.array([0.9]), 1.0).tolist() == [0.9]
    assert shrunk(np.array([0.3]), 1.0, np.array([0.1])).tolist() == [0.3]
