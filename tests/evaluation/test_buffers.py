"""What the measurement of no-trade bands computes, on figures and walks that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.demo.markets import bundled_markets
from services.simulation.performance import Performance, performance
from services.sizing.buffers import NoBuffer, PositionBuffer
from services.volatility.estimators.ewma import Ewma
from tests.evaluation import buffers


def figures(turnover: float, tracking_error: float) -> Performance:
    none = np.zeros(3)
    plain = performance(np.array([1.0, 1.1, 1.0]), periods_per_year=2.0, traded=none, costs=none, carry=none)
    return replace(plain, turnover=turnover, tracking_error=tracking_error, costs=0.0, sharpe_ratio=0.0)


def row(estimator: str, saved: float, wider: float) -> buffers.Row:
    label = "position 10 %, to the edge"
    return buffers.Row(
        "S&P 500", estimator, label, figures(10.0 * (1.0 - saved), 0.01 * (1.0 + wider)), figures(10.0, 0.01)
    )


def test_the_goal_holds_only_where_both_figures_do() -> None:
    good = buffers.gates_of([row("EWMA 20", 0.71, 0.29)])
    assert [gate.value for gate in good] == pytest.approx([0.71, 0.29])
    assert all(gate.held for gate in good)
    assert [gate.held for gate in buffers.gates_of([row("EWMA 20", 0.69, 0.31)])] == [False, False]
    assert all(gate.goal for gate in buffers.gates_of([row("adaptive", 0.6, 0.4)]))


def test_a_band_trades_less_and_tracks_worse() -> None:
    """Three years of the S&P 500: a band of half the position is far from none."""
    demo = bundled_markets()[0]
    market = buffers.backtest_market(replace(demo, closes=demo.closes[:760]))
    bare = buffers.measured(market, 0.1, Ewma(), NoBuffer())
    wide = buffers.measured(market, 0.1, Ewma(), PositionBuffer(fraction=0.5))
    assert wide.turnover < 0.2 * bare.turnover
    assert wide.tracking_error is not None
    assert bare.tracking_error is not None
    assert wide.tracking_error > bare.tracking_error


def test_the_document_has_every_row_and_goal() -> None:
    rows = [row("EWMA 20", 0.71, 0.29)]
    text = buffers.document(rows, buffers.gates_of(rows))
    assert "| S&P 500 | EWMA 20 | position 10 %, to the edge | 2.90 | -71 |" in text
    assert text.count(": held") == 2
