"""What the measurement of margins computes, on rows and walks that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.core.annualization import Calendar
from tests.evaluation import margin
from tests.evaluation.series import DAY, ENOUGH_SERIES, Group, Series

ROW = margin.Row(margin.MODEL, "A", "long", 1000, 9, "covered", False, 3.0, 0.5, 0.1)

MADE_UP = Series(
    name="made up",
    group=Group.DESIGN,
    bar_seconds=DAY,
    calendar=Calendar(),
    lot=1.0,
    close=100.0 * np.exp(np.cumsum(0.02 * np.random.default_rng(4).standard_t(4.0, 900))),
)


def test_rates_are_pooled_by_their_margins_and_not_averaged() -> None:
    assert margin.pooled([ROW, replace(ROW, observations=9000, breaches=1)]) == pytest.approx(0.001)


def test_gates_hold_only_inside_their_bounds_and_are_goals_on_few_series() -> None:
    rows = [replace(ROW, series=str(place)) for place in range(ENOUGH_SERIES)]
    assert [(gate.held, gate.goal) for gate in margin.gates_of(rows)] == [(True, False)] * 3
    worse = [replace(row, breaches=20, verdict="under_coverage", peak_to_trough=5.1) for row in rows]
    assert [gate.held for gate in margin.gates_of(worse)] == [False] * 3
    assert all(gate.goal for gate in margin.gates_of(rows[:4]))


def test_the_document_has_every_margin_and_gate() -> None:
    rows = [ROW, replace(ROW, margin="other", breaches=30, verdict="under_coverage")]
    text = margin.document(rows, margin.gates_of(rows), margin.frontiers([replace(MADE_UP, name="SPY 1d")]))
    assert f"| {margin.MODEL} | 1 | 0.90 | 0 | 0 | 0 | 3.0 | +50 | 10.0 |" in text
    assert "| other | 1 | 3.00 | 1 | 0 |" in text
    assert text.count("| held |") == 3
    assert text.count("| SPY 1d |") == 1 + len(margin.CONFIDENCES) + len(margin.MULTIPLIERS)


def test_the_frontier_is_drawn_of_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(margin, "PICTURE", tmp_path / "frontier.png")
    margin.draw_frontiers(margin.frontiers([replace(MADE_UP, name="sp500 1d"), MADE_UP]))
    assert margin.PICTURE.read_bytes().startswith(b"\x89PNG")


def test_every_margin_is_walked_on_both_sides() -> None:
    (rows,) = margin.rows_of([MADE_UP])
    names = [*margin.MODELS, *margin.COMPARED.values(), *margin.RULES]
    assert sorted({row.margin for row in rows}) == sorted(names)
    assert len(rows) == 2 * len(names)
    assert {row.observations for row in rows} == {899 - margin.WARM_UP}
    buffered = margin.of(rows, "default, buffer 25 %")
    assert all(row.mean > other.mean for row, other in zip(buffered, margin.of(rows, margin.MODEL), strict=True))
