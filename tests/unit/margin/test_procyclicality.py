"""Rules against procyclicality: their order, their memory, and the figures of a path."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.margin.procyclicality import AntiProcyclicality, procyclicality, stress_windows

BASE = np.array([10.0, 10.0, 12.0, 14.0, 14.0, 14.0, 9.0, 9.0])


def test_rules_that_are_off_change_nothing() -> None:
    rules = AntiProcyclicality()
    assert not rules.active
    assert rules.path(BASE).tolist() == BASE.tolist()
    assert rules.following(99.0, 10.0) == 10.0


def test_a_buffer_is_used_up_and_rebuilt() -> None:
    expected = [12.5, 12.5, 12.625, 14.0, 14.175, 14.34125, 11.25, 11.25]
    assert AntiProcyclicality(buffer=0.25).path(BASE).tolist() == pytest.approx(expected, rel=1e-12)


def test_the_memory_is_the_last_answer_and_nothing_else() -> None:
    rules = AntiProcyclicality(buffer=0.25, release=0.03)
    whole = rules.path(BASE)
    again = rules.following(whole[4], BASE[5])
    assert again == whole[5]


def test_release_is_slow_and_acts_last() -> None:
    found = AntiProcyclicality(buffer=0.25, release=0.03).path(BASE)
    assert found[6] == pytest.approx(14.34125 * 0.97)
    assert found[7] == pytest.approx(14.34125 * 0.97**2)


def test_order_is_stress_weight_then_floor_then_buffer() -> None:
    rules = AntiProcyclicality(stress_weight=0.25, long_run_floor=True, buffer=0.25)
    assert float(rules.base(0.105, stressed=0.22, floor=0.118)) == pytest.approx(0.13375)
    assert float(rules.base(0.105, stressed=0.105, floor=0.118)) == pytest.approx(0.118)
    assert float(rules.following(None, 0.105, stressed=0.105, floor=0.118)) == pytest.approx(1.25 * 0.118)


def test_rows_go_side_by_side_and_a_new_one_starts_full() -> None:
    rules = AntiProcyclicality(buffer=0.25, release=0.03)
    found = rules.following(np.array([np.nan, 12.5, 20.0]), np.array([10.0, 12.0, 10.0]))
    assert found.tolist() == pytest.approx([12.5, 12.625, 19.4])


def test_an_unknown_margin_stays_unknown_and_leaves_the_memory() -> None:
    rules = AntiProcyclicality(buffer=0.25, release=0.03)
    assert np.isnan(rules.following(12.5, np.nan))
    found = rules.path(np.array([10.0, np.nan, 12.0]))
    assert np.isnan(found[1])
    assert found[[0, 2]].tolist() == pytest.approx([12.5, 12.625])


def test_a_rule_needs_its_figure() -> None:
    with pytest.raises(InvalidInput, match="stressed must be given"):
        AntiProcyclicality(stress_weight=0.25).following(None, 1.0)
    with pytest.raises(InvalidInput, match="floor must be given"):
        AntiProcyclicality(long_run_floor=True).base(1.0)


def test_figures_of_a_path() -> None:
    path = np.array([1.0, 1.1, 1.0, 1.5, 3.0, 2.0, 4.0, 4.0])
    found = procyclicality(path)
    assert found.peak_to_trough == 4.0
    assert found.max_rise_1 == pytest.approx(1.0)
    rises = [b / a - 1.0 for i, a in enumerate(path) for b in path[i + 1 : i + 6]]
    assert found.max_rise_5 == pytest.approx(max(rises))
    assert found.mean == pytest.approx(path.mean())
    assert found.change_deviation == pytest.approx(np.std(path[1:] / path[:-1] - 1.0))


def test_a_path_that_only_falls_never_rises() -> None:
    found = procyclicality(np.array([3.0, 2.0]))
    assert (found.max_rise_1, found.max_rise_5) == (0.0, 0.0)


@pytest.mark.parametrize("path", [[1.0], [np.nan, 1.0], [1.0, 0.0], []])
def test_figures_need_two_positive_values(path: list[float]) -> None:
    with pytest.raises(InvalidInput, match="margin must hold at least two positive values"):
        procyclicality(np.array(path))


def test_a_buffered_margin_moves_less() -> None:
    rng = np.random.default_rng(3)
    base = 0.1 * np.exp(np.cumsum(rng.normal(0.0, 0.03, 600)) * 0.5)
    plain, buffered = procyclicality(base), procyclicality(AntiProcyclicality(buffer=0.25).path(base))
    assert buffered.max_rise_1 < plain.max_rise_1
    assert buffered.change_deviation < plain.change_deviation


def test_stress_windows_against_a_search() -> None:
    returns = np.random.default_rng(6).standard_t(3.0, 60)
    ends = stress_windows(returns, 10)
    for time in range(61):
        if time < 10:
            assert ends[time] == time
        else:
            assert ends[time] == max(range(10, time + 1), key=lambda end: float((returns[end - 10 : end] ** 2).sum()))
