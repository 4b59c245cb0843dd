"""Moves with ranges from walks watched in steps, and what every estimator is held to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from services.core.explain import Floats
from services.volatility.estimators.interface import VarianceModel
from services.volatility.moves import Move, Moves

DAY = 86_400.0
START = 1_700_006_400.0
"""A midnight."""


def ranged_moves(
    seed: int, bars: int, *, markets: int = 2, steps: int = 40, deviation: float = 0.02, missing: float = 0.1
) -> Moves:
    """Walks with fat tails and clusters; a share `missing` of the bars has no range."""
    rng = np.random.default_rng(seed)
    level = deviation * np.exp(np.cumsum(0.1 * rng.standard_normal((markets, bars)), axis=-1) / 3.0)
    overnight = 0.3 * level * rng.standard_normal((markets, bars))
    inside = level[..., None] / math.sqrt(steps) * rng.standard_t(5, (markets, bars, steps)) / math.sqrt(5.0 / 3.0)
    path = np.cumsum(inside, axis=-1)
    high, low, body = np.maximum(path.max(-1), 0.0), np.minimum(path.min(-1), 0.0), path[..., -1]
    returns = overnight + body
    lost = rng.random((markets, bars)) < missing
    columns = [np.where(lost, np.nan, column) for column in (overnight, high, low, body)]
    closes = 100.0 * np.exp(np.cumsum(returns, axis=-1))
    close_at = np.broadcast_to(START + DAY * np.arange(1.0, bars + 1), closes.shape)
    return Moves(returns, closes, close_at, *columns)


def scaled(moves: Moves, factor: float) -> Moves:
    """Every log return and log range times `factor`; prices stay consistent."""
    names = ("log_return", "overnight", "high", "low", "body")
    columns = {name: None if getattr(moves, name) is None else factor * getattr(moves, name) for name in names}
    squared = {
        name: None if getattr(moves, name) is None else factor**2 * getattr(moves, name)
        for name in ("realized_variance", "implied_variance")
    }
    closes = 100.0 * np.exp(np.cumsum(factor * moves.log_return, axis=-1))
    return dataclasses.replace(moves, close=closes, **columns, **squared)


def streamed(model: VarianceModel, moves: Moves) -> Floats:
    """Forecast after each move, fed one by one."""
    rows = []
    for index in range(moves.shape[0]):
        memory, row = model.start(), []
        for move in moves.row(index):
            memory = model.advance(memory, move)
            row.append(model.variance(memory))
        rows.append(row)
    return np.array(rows)


def changed_after(moves: Moves, bar: int) -> Moves:
    """The same moves up to `bar`, others from there on."""
    other = ranged_moves(987, moves.shape[1], markets=moves.shape[0], deviation=0.5)
    columns = {}
    for field in dataclasses.fields(Moves):
        mine, theirs = getattr(moves, field.name), getattr(other, field.name)
        if mine is not None and theirs is not None and field.name != "close_at":
            columns[field.name] = np.concatenate([mine[:, :bar], theirs[:, bar:]], axis=-1)
        elif mine is not None and field.name != "close_at":
            columns[field.name] = np.concatenate([mine[:, :bar], 3.0 * mine[:, bar:]], axis=-1)
    return dataclasses.replace(moves, **columns)


def hold_to_the_interface(model: VarianceModel, moves: Moves, *, scale_tolerance: float | None = 1e-12) -> None:
    """Stream == batch, causal, memory of plain floats of one length, resumable, equivariant in scale."""
    path = model.variance_path(moves)
    assert path.shape == moves.shape
    assert np.isfinite(path[:, -1]).all() and (path[:, -1] > 0.0).all()
    np.testing.assert_allclose(streamed(model, moves), path, rtol=1e-10)
    _hold_memory(model, moves)
    half = moves.shape[1] // 2
    future = model.variance_path(changed_after(moves, half))
    assert np.array_equal(future[:, :half], path[:, :half], equal_nan=True)
    assert not np.array_equal(future[:, half:], path[:, half:], equal_nan=True)
    if scale_tolerance is not None:
        larger = model.variance_path(scaled(moves, 3.7))
        np.testing.assert_allclose(larger, 3.7**2 * path, rtol=scale_tolerance)


def _hold_memory(model: VarianceModel, moves: Moves) -> None:
    memory = model.start()
    length = len(memory)
    for seen, move in enumerate(moves.row(0)):
        memory = model.advance(memory, move)
        assert len(memory) == length
        assert {type(value) for value in memory} == {float}
        assert all(math.isfinite(value) for value in memory), seen
        assert type(model.variance(memory)) is float
        resumed = tuple(float.fromhex(value.hex()) for value in memory)
        assert resumed == memory
    assert 0.0 < model.effective_half_life(memory) < 3_000.0
    assert 0.0 < model.effective_observations(memory) <= moves.shape[1] * (1.0 + 1e-12)


def same_as(path: Floats, reference: Callable[[list[Move]], float], moves: Moves, bars: tuple[int, ...]) -> None:
    """`path` equals a slow reference that looks at all moves up to each of `bars` anew."""
    for row in range(moves.shape[0]):
        history = list(moves.row(row))
        for bar in bars:
            assert path[row, bar] == pytest.approx(reference(history[: bar + 1]), rel=1e-10, nan_ok=True)
