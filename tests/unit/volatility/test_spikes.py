"""Jumps that are taken back, and moves that look like splits."""

from __future__ import annotations

import math

import pytest

from services.volatility.spikes import looks_like_a_split, takes_back


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_jump_is_taken_back_to_within_a_fifth_of_where_it_began(sign: float) -> None:
    parts = (0.79, 0.81, 1.0, 1.19, 1.21, 5.0)
    assert [takes_back(-sign * part, sign) for part in parts] == [False, True, True, True, False, False]
    assert not any(takes_back(sign * part, sign) for part in (0.8, 1.0, 5.0))
    assert not takes_back(0.0, sign)


@pytest.mark.parametrize("ratio", [2.0, 3.0, 7.0, 20.0, 100.0, 1_000_000.0])
@pytest.mark.parametrize("reverse", [False, True])
def test_whole_ratios_with_volume_the_other_way_look_like_a_split(ratio: float, reverse: bool) -> None:
    move, traded = (math.log(ratio), 1.0 / ratio) if reverse else (-math.log(ratio), ratio)
    for off, likely in ((1.0, True), (1.0095, True), (0.9905, True), (1.02, False)):
        assert looks_like_a_split(move + math.log(off), 500.0 * traded, 500.0) is likely
    assert not looks_like_a_split(move, 500.0 / traded, 500.0)
    assert not looks_like_a_split(move, 500.0, 500.0)


def test_the_volume_may_be_off_by_half_of_the_move() -> None:
    move = -math.log(4.0)
    for volume, likely in ((4.0, True), (2.01, True), (7.9, True), (1.99, False), (8.1, False)):
        assert looks_like_a_split(move, 100.0 * volume, 100.0) is likely


@pytest.mark.parametrize(
    ("volume", "before"), [(math.nan, 100.0), (200.0, math.nan), (0.0, 100.0), (200.0, 0.0), (5e-324, 100.0)]
)
def test_without_volumes_nothing_is_suspected(volume: float, before: float) -> None:
    assert not looks_like_a_split(-math.log(2.0), volume, before)


def test_small_moves_are_no_splits() -> None:
    """A ratio of 1 is whole too."""
    assert not looks_like_a_split(0.0, 100.0, 100.0)
    assert not looks_like_a_split(-math.log(1.5), 150.0, 100.0)
    assert not looks_like_a_split(-math.log(1.89), 189.0, 100.0)


def test_a_move_beyond_all_prices_is_answered() -> None:
    assert not looks_like_a_split(87.3, 5e-324, 1e30)
