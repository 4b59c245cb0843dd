"""The pool over many markets at once is the pool of each, whatever age its neighbours are of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.volatility import pool
from services.volatility.estimators.interface import Memory
from services.volatility.moves import Move, Moves
from services.volatility.pool import IMPLIED, RANGED, REGRESSED, advance_pool, first_memory
from services.volatility.pool_columns import PoolColumns, bar_columns, pool_path
from tests.unit.volatility.ranged_moves import ranged_moves

COMPOSITIONS = [0, RANGED, RANGED | REGRESSED, IMPLIED, RANGED | IMPLIED, RANGED | REGRESSED | IMPLIED]
BARS = 70
FIGURES = (
    "log_return", "close", "close_at", "overnight", "high", "low", "body", "realized_variance", "implied_variance",
)  # fmt: skip


def panel(seed: int, composition: int, markets: int = 5) -> Moves:
    moves = ranged_moves(seed, BARS, markets=markets, missing=0.1, steps=12)
    if not composition & RANGED:
        moves = replace(moves, overnight=None, high=None, low=None, body=None)
    if composition & IMPLIED:
        rng = np.random.default_rng(seed)
        quoted = 4e-4 * np.exp(0.3 * rng.standard_normal(moves.shape))
        moves = replace(moves, implied_variance=np.where(rng.random(moves.shape) < 0.2, np.nan, quoted))
    return moves


def fold(moves: list[Move], composition: int) -> Memory:
    memory = first_memory(composition)
    for move in moves:
        memory = advance_pool(memory, move)
    return memory


@pytest.mark.parametrize("composition", COMPOSITIONS)
@pytest.mark.parametrize("ages", [(0, 0, 0, 0, 0), (0, 1, 19, 20, 21), (3, 18, 30, 40, 5), (25, 26, 30, 31, 40)])
def test_markets_of_any_age_advance_side_by_side(composition: int, ages: tuple[int, ...]) -> None:
    """Every number of every memory, after every bar."""
    moves = panel(1, composition)
    rows = [list(moves.row(row)) for row in range(5)]
    memories = [fold(bars[:age], composition) for bars, age in zip(rows, ages, strict=True)]
    columns = PoolColumns(np.array(memories))
    np.testing.assert_array_equal(columns.memories(), np.array(memories))
    for bar in range(BARS - max(ages)):
        now = [bars[age + bar] for bars, age in zip(rows, ages, strict=True)]
        memories = [advance_pool(memory, move) for memory, move in zip(memories, now, strict=True)]
        (column,) = bar_columns(side_by_side(now), composition)
        forecasts = columns.advance(column)
        np.testing.assert_allclose(forecasts, [memory[2] for memory in memories], rtol=1e-11)
        np.testing.assert_allclose(columns.memories(), np.array(memories), rtol=1e-8, atol=1e-12)


def side_by_side(moves: list[Move]) -> Moves:
    """One bar of many markets."""
    columns = {name: np.array([getattr(move, name) for move in moves])[:, None] for name in FIGURES}
    return Moves(**{name: column for name, column in columns.items() if not np.isnan(column).all()})


@pytest.mark.parametrize("composition", COMPOSITIONS)
@pytest.mark.parametrize("markets", [1, 2, 9])
def test_a_path_is_the_fold_of_every_market(composition: int, markets: int) -> None:
    moves = panel(2, composition, markets)
    variance, half_life = pool_path(moves, composition)
    layout = pool.LAYOUTS[composition]
    for row in range(markets):
        memory, bars = first_memory(composition), list(moves.row(row))
        for bar, move in enumerate(bars):
            memory = advance_pool(memory, move)
            assert variance[row, bar] == pytest.approx(memory[2], rel=1e-10)
        weights = np.array(memory[layout.weights][: len(layout.half_lives)])
        expected = np.exp(weights @ np.log(layout.half_lives) / weights.sum())
        assert half_life[row, -1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_a_restored_pool_goes_on_bit_for_bit(composition: int) -> None:
    moves = panel(3, composition)
    bars = list(bar_columns(moves, composition))
    whole = PoolColumns(np.tile(np.array(first_memory(composition)), (5, 1)))
    pieces = PoolColumns(whole.memories())
    for place, bar in enumerate(bars):
        whole.advance(bar)
        pieces.advance(bar)
        if place % 13 == 0:
            pieces = PoolColumns(pieces.memories().copy())
    np.testing.assert_array_equal(whole.memories(), pieces.memories())


def test_a_pool_does_not_write_into_the_memories_it_was_given() -> None:
    memories = np.tile(np.array(first_memory(RANGED)), (3, 1))
    before = memories.copy()
    columns = PoolColumns(memories)
    for bar in bar_columns(panel(4, RANGED, 3), RANGED):
        columns.advance(bar)
    np.testing.assert_array_equal(memories, before)
