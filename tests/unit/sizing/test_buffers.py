"""No-trade bands: what each one holds, where it trades to, and that the cost-optimal one costs least."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from services.core.explain import Trail
from services.sizing.buffers import (
    Buffer,
    CostOptimalBuffer,
    IntervalBuffer,
    NoBuffer,
    PositionBuffer,
    ToleranceBuffer,
    TrackingErrorBuffer,
    apply_buffer,
    cost_optimal_band,
)
from services.sizing.columns import SizingColumns
from tests.support.columns import AS_OF, columns, standing


def traded(book: SizingColumns, optimal: list[float], buffer: Buffer, **changes: Any) -> list[float]:
    trail = Trail(np.array(optimal))
    apply_buffer(trail, standing(book, optimal, **changes), buffer)
    return trail.value.tolist()


def holding(*current: float, volatility: float = 0.5) -> SizingColumns:
    return columns([volatility] * len(current), np.eye(len(current)), current=np.array(current))


ALL: list[Buffer] = [
    PositionBuffer(),
    PositionBuffer(fraction=1.0),
    NoBuffer(),
    ToleranceBuffer(tolerance=5.0),
    IntervalBuffer(interval_seconds=3600.0),
    TrackingErrorBuffer(max_tracking_error=3.0),
    CostOptimalBuffer(risk_aversion=0.1, weight_volatility=10.0, cost=0.5),
]


def test_position_band_trades_to_its_edge_or_to_the_middle() -> None:
    assert traded(holding(1.5, -1.5, 1.05), [1.0, -1.0, 1.0], PositionBuffer()) == pytest.approx([1.1, -1.1, 1.05])
    assert traded(holding(1.5), [1.0], PositionBuffer(trade_to="optimal")) == [1.0]


def test_one_row_out_of_tolerance_trades_the_book() -> None:
    buffer = ToleranceBuffer(tolerance=0.2)
    assert traded(holding(1.1, 0.9), [1.0, 1.0], buffer) == [1.1, 0.9]
    assert traded(holding(1.3, 0.9), [1.0, 1.0], buffer) == [1.0, 1.0]


def test_interval_waits_for_its_row_alone() -> None:
    buffer = IntervalBuffer(interval_seconds=86_400.0)
    moments = (AS_OF - timedelta(hours=23), AS_OF - timedelta(hours=24), None)
    assert traded(holding(2.0, 2.0, 2.0), [1.0, 1.0, 1.0], buffer, traded_at=moments) == [2.0, 1.0, 1.0]


def test_tracking_error_closes_just_as_much_of_each_gap() -> None:
    """Gaps .3 and .4 at σ = .5, uncorrelated: TE = .25. To .1, 2/5 of each gap stays."""
    book = holding(1.3, 0.6)
    assert traded(book, [1.0, 1.0], TrackingErrorBuffer(max_tracking_error=0.26)) == [1.3, 0.6]
    kept = traded(book, [1.0, 1.0], TrackingErrorBuffer(max_tracking_error=0.1))
    assert kept == pytest.approx([1.12, 0.84])
    assert book.portfolio_volatility(np.array(kept) - 1.0) == pytest.approx(0.1)


@pytest.mark.parametrize("buffer", ALL, ids=lambda buffer: buffer.method)
def test_no_band_holds_what_must_go(buffer: Buffer) -> None:
    """To be flat: traded at once. On the wrong side: not held."""
    recent = (AS_OF,)
    assert traded(holding(0.3), [0.0], buffer, traded_at=recent) == [0.0]
    assert traded(holding(0.3), [-1.0], buffer, traded_at=recent)[0] < 0.3


@pytest.mark.parametrize("buffer", ALL, ids=lambda buffer: buffer.method)
def test_no_band_keeps_a_position_beyond_a_limit(buffer: Buffer) -> None:
    trail = Trail(np.array([1.0]))
    trail.cap("max_weight", np.array([0.9]), "limits.max_weight")
    apply_buffer(trail, standing(holding(0.95), trail.value, traded_at=(AS_OF,)), buffer)
    assert trail.value.tolist() == [0.9]


@pytest.mark.parametrize("buffer", ALL, ids=lambda buffer: buffer.method)
@pytest.mark.parametrize("scale", [1e-3, 1e6])
def test_bands_do_not_depend_on_the_unit_of_a_contract(buffer: Buffer, scale: float) -> None:
    one, optimal = holding(1.5, -0.7), np.array([1.0, -1.0])
    other = columns([0.5] * 2, np.eye(2), current=one.current * scale, unit_value=np.full(2, 1.0 / scale))
    expected = np.array(traded(one, optimal.tolist(), buffer)) * scale
    assert traded(other, (optimal * scale).tolist(), buffer) == pytest.approx(expected.tolist(), rel=1e-12)


def test_an_unknown_cost_has_no_band() -> None:
    buffer = CostOptimalBuffer(risk_aversion=2.0, weight_volatility=0.5)
    book = holding(1.05, 1.05)
    cost = np.array([np.nan, 0.01])
    assert traded(book, [1.0, 1.0], buffer, cost=cost) == [1.0, 1.05]


def expected_loss(half: float, cost: float, wander: float, aversion: float, volatility: float, seed: int) -> float:
    """Risk and cost a year of a weight that wanders and is reflected at ±half: by simulation, not by formula.

    The path is the exact Skorokhod reflection of a random walk on a fine grid.
    """
    rng, steps = np.random.default_rng(seed), 400_000
    years = 40.0
    moves = rng.choice([-1.0, 1.0], steps) * wander * np.sqrt(years / steps)
    place, traded_weight, square = 0.0, 0.0, 0.0
    for move in moves.tolist():
        free = place + move
        place = min(max(free, -half), half)
        traded_weight += abs(free - place)
        square += place * place
    return 0.5 * aversion * volatility**2 * square / steps + cost * traded_weight / years


def test_the_cost_optimal_band_costs_least_in_a_simulation() -> None:
    """The loss at h is below that of bands 40 % narrower and 60 % wider, and agrees with the derivation."""
    cost, wander, aversion, volatility = 0.002, 0.4, 3.0, 0.6
    half = float(cost_optimal_band(np.array([cost]), np.array([wander]), aversion, np.array([volatility]))[0])
    losses = {
        factor: expected_loss(factor * half, cost, wander, aversion, volatility, seed=7) for factor in (0.6, 1.0, 1.6)
    }
    assert losses[1.0] < losses[0.6] and losses[1.0] < losses[1.6]
    by_formula = aversion * volatility**2 * half**2 / 6.0 + cost * wander**2 / (2.0 * half)
    assert losses[1.0] == pytest.approx(by_formula, rel=0.05)


@pytest.mark.parametrize("cost", [1e-5, 1e-3, 0.05])
def test_the_band_is_where_the_loss_is_least(cost: float) -> None:
    wander, aversion, volatility = 0.7, 5.0, 0.4

    def loss(half: float) -> float:
        return aversion * volatility**2 * half**2 / 6.0 + cost * wander**2 / (2.0 * half)

    found = minimize_scalar(loss, bounds=(1e-6, 5.0), method="bounded", options={"xatol": 1e-10}).x
    half = cost_optimal_band(np.array([cost]), np.array([wander]), aversion, np.array([volatility]))[0]
    assert half == pytest.approx(found, rel=1e-5)
