"""The adaptive pool against its specification, its golden traces to their last digits, and its bounds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from services.core.explain import Floats
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.interface import Memory
from services.volatility.moves import Move, Moves
from services.volatility.pool import LAYOUTS, PACKED, SHARE, layout_of
from services.volatility.pool_columns import BarColumn, PoolColumns
from tests.golden import harness
from tests.golden.volatility import adaptive as golden
from tests.support import adaptive_reference as reference
from tests.unit.volatility.ranged_moves import ranged_moves

TRACES = [case for case in harness.load("volatility") if case["id"].startswith("adaptive-")]
EXPERTS = ("r4", "r16", "r64", "r256", "LR", "a4", "a16", "v1", "v4", "v16", "v64", "va1", "va4", "lh")
COMPOSITIONS = [
    (Adaptive(), False), (Adaptive(), True), (Adaptive(log_har=False), False), (Adaptive(log_har=False), True),
    (Adaptive(use_range=False), False), (Adaptive(use_range=False), True),
]  # fmt: skip


def panel(seed: int, bars: int, *, implied: bool) -> Moves:
    """Ranges with holes (not in the first bar), and implied variances with holes."""
    moves, rng = ranged_moves(seed, bars, missing=0.0), np.random.default_rng(seed)
    lost = rng.random(moves.shape) < 0.1
    lost[:, 0] = False
    columns = {name: np.where(lost, np.nan, getattr(moves, name)) for name in ("overnight", "high", "low", "body")}
    if implied:
        quoted = np.mean(moves.log_return**2) * np.exp(0.3 * rng.standard_normal(moves.shape))
        columns["implied_variance"] = np.where(np.roll(lost, 3, axis=1), np.nan, quoted)
        columns["implied_variance"][:, 0] = quoted[:, 0]
    return replace(moves, **columns)


def observed(move: Move, *, ranges: bool) -> reference.Observation:
    square = move.log_return**2
    if not (ranges and move.ranged):
        return reference.Observation(move.log_return, square, square, move.implied_variance)
    width, gap = move.high - move.low, move.overnight**2
    wide = gap + max(0.5 * width**2 - (2.0 * math.log(2.0) - 1.0) * move.body**2, 0.0)
    return reference.Observation(move.log_return, wide, gap + width**2 / (4.0 * math.log(2.0)), move.implied_variance)


def last_memory(model: Adaptive, moves: list[Move]) -> Memory:
    memory = model.start()
    for move in moves:
        memory = model.advance(memory, move)
    return memory


@pytest.mark.parametrize(("model", "implied"), COMPOSITIONS, ids=repr)
def test_equals_the_specification(model: Adaptive, implied: bool) -> None:
    """Bar by bar and as a panel, for every composition, past every warm-up."""
    moves = panel(11, 600, implied=implied)
    paths, half_lives = model.paths(moves)[:2]
    for row in range(moves.shape[0]):
        bars = list(moves.row(row))
        expected, pool = reference.path(
            [observed(bar, ranges=model.use_range) for bar in bars],
            ranges=model.use_range,
            log_har=model.log_har,
            implied=implied,
        )
        np.testing.assert_allclose(paths[row], expected, rtol=1e-10)
        memory = last_memory(model, bars)
        assert model.variance(memory) == pytest.approx(expected[-1], rel=1e-10)
        names = [*pool.experts, *(name for name in ("lh", "iv") if name in pool.prior)]
        assert model.weights(memory) == pytest.approx([pool.weights[name] for name in names], rel=1e-10)
        logs = {name: math.log(half_life) for name, half_life in (reference.CLOSE | reference.RANGE).items()}
        known = sum(pool.weights[name] for name in pool.experts)
        half_life = math.exp(sum(pool.weights[name] * logs[name] for name in pool.experts) / known)
        assert model.effective_half_life(memory) == pytest.approx(half_life, rel=1e-10)
        assert half_lives[row, -1] == pytest.approx(half_life, rel=1e-10)


@pytest.mark.parametrize("case", TRACES, ids=lambda case: case["id"])
def test_golden_traces_to_ten_digits(case: dict[str, dict[str, Floats]]) -> None:
    """Relative, both ways: variances of 1e-4 are nothing beside the absolute tolerance of the golden harness."""
    expected = case["expected"]["h_next_after_bar"]
    found = golden.COVERED[str(case["id"])](case)["h_next_after_bar"]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    model = {"adaptive-trace-ttrc": Adaptive(log_har=False), "adaptive-lh-trace-ttrc": Adaptive()}.get(
        str(case["id"]), Adaptive(use_range=False)
    )
    moves = golden.moves_of(golden.BARS["ttrc_60_bars"])
    columns = [np.array(column)[None, :] for column in zip(*moves, strict=True)]
    path = model.variance_path(Moves(*columns[:7]))
    np.testing.assert_allclose(path[0], expected, rtol=1e-10)


def test_there_are_three_traces() -> None:
    assert len(TRACES) == 3


@pytest.mark.parametrize("composition", range(8))
def test_a_layout_is_without_holes_or_overlaps(composition: int) -> None:
    layout = layout_of(composition)
    slices = [
        layout.averages, layout.forecasts, layout.weights, layout.calibration, layout.implied, layout.regression,
    ]  # fmt: skip
    places = [place for part in slices for place in range(part.start, part.stop)]
    assert places == list(range(3, layout.size))
    assert math.isclose(sum(layout.prior), 1.0, rel_tol=1e-15)
    assert LAYOUTS[composition] == layout


def test_the_packed_triangle_is_one() -> None:
    assert len(set(PACKED)) == len(PACKED) == 15
    assert all(row <= column for row, column in PACKED)


def test_the_first_bar_settles_what_the_pool_consists_of() -> None:
    bars = list(panel(12, 40, implied=True).row(0))
    full, model = bars[0], Adaptive()
    bare = Move(full.log_return, full.close, full.close_at)
    for first, experts in ((full, 15), (full._replace(implied_variance=math.nan), 14), (bare, 7)):
        memory = last_memory(model, [first, *bars[1:]])
        assert len(model.weights(memory)) == experts
    assert model.weights(model.start()) == ()
    assert math.isnan(model.effective_half_life(model.start()))
    assert model.effective_observations(model.start()) == 0.0


def test_realised_variance_takes_the_place_of_the_range() -> None:
    """With the overnight move, where the bar has one."""
    bars = list(panel(13, 120, implied=False).row(0))
    measured = [bar._replace(realized_variance=4e-4) for bar in bars]
    memory = last_memory(Adaptive(log_har=False), measured)
    layout = LAYOUTS[int(memory[1])]
    v64 = memory[layout.averages][10]
    tail = 2.0 ** (-1.0 / 64.0)
    values = [4e-4 + (bar.overnight**2 if bar.ranged else 0.0) for bar in measured]
    expected = 0.0
    for seen, value in enumerate(values):
        expected += max(1.0 - tail, 1.0 / (seen + 1)) * (value - expected)
    assert v64 == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_realised_variance_that_the_close_contradicts_is_missing(ranges: bool) -> None:
    """From bar 60 on the feed sends next to nothing: bar by bar and as a panel, as though it sent nothing."""
    moves = ranged_moves(16, 120, missing=0.0)
    moves = replace(moves, log_return=moves.body, overnight=np.zeros(moves.shape))
    if not ranges:
        moves = replace(moves, overnight=None, high=None, low=None, body=None)
    squares, late, model = moves.log_return**2, np.arange(120) >= 60, Adaptive()
    zeros, traces, silence, low = (
        replace(moves, realized_variance=np.where(late, share * squares, squares))
        for share in (0.0, 0.0099, math.nan, 0.0101)
    )
    path = model.variance_path(silence)
    assert (model.variance_path(low)[:, -1] < 0.9 * path[:, -1]).all(), "the limit must matter"
    for broken in (zeros, traces):
        np.testing.assert_array_equal(model.variance_path(broken), path)
        for row in range(2):
            assert last_memory(model, list(broken.row(row))) == last_memory(model, list(silence.row(row)))
        many = [np.tile(column, (5, 1)) for column in (broken.log_return, broken.close, broken.close_at)]
        shape = {name: getattr(broken, name) for name in ("overnight", "high", "low", "body", "realized_variance")}
        tiled = {name: None if column is None else np.tile(column, (5, 1)) for name, column in shape.items()}
        np.testing.assert_allclose(model.variance_path(Moves(*many, **tiled)), np.tile(path, (5, 1)), rtol=1e-10)


def test_an_implied_variance_is_held_for_five_bars() -> None:
    """From the sixth on, its expert forecasts what r² is on average."""
    bars, model = list(panel(14, 60, implied=True).row(0)), Adaptive()
    layout = LAYOUTS[int(last_memory(model, bars)[1])]
    for silent in range(1, 9):
        quoted, rest = bars[:-silent], bars[-silent:]
        quote = next(bar.implied_variance for bar in reversed(quoted) if not math.isnan(bar.implied_variance))
        quoted[-1] = quoted[-1]._replace(implied_variance=quote)
        stopped = last_memory(model, [*quoted, *(bar._replace(implied_variance=math.nan) for bar in rest)])
        repeated = last_memory(model, [*quoted, *(bar._replace(implied_variance=quote) for bar in rest)])
        if silent <= 5:
            assert stopped[2] == repeated[2]
        else:
            assert stopped[layout.forecasts][-1] == stopped[layout.calibration][0]
            assert repeated[layout.forecasts][-1] != repeated[layout.calibration][0]


def test_an_implied_volatility_that_ends_leaves_the_average() -> None:
    """Bar by bar, and where a whole column of markets has no quote."""
    rng = np.random.default_rng(17)
    returns = 0.02 * rng.standard_normal(400) * np.where(np.arange(400) < 300, 1.0, 4.0)
    implied = np.where(np.arange(400) < 300, 4e-4, np.nan)
    moves = [Move(value, 1.0, 0.0, implied_variance=quote) for value, quote in zip(returns, implied, strict=True)]
    memory = last_memory(Adaptive(), moves)
    layout = LAYOUTS[int(memory[1])]
    assert memory[layout.forecasts][-1] == memory[layout.calibration][0]
    columns = PoolColumns(np.array([last_memory(Adaptive(), moves[:300])] * 3))
    for value in returns[300:].tolist():
        forecast = columns.advance(BarColumn(np.full(3, value)))
    np.testing.assert_allclose(forecast, memory[2], rtol=1e-11)


def test_a_weight_never_falls_below_its_share_of_the_prior() -> None:
    """Ten thousand bars in which one group of experts is always wrong."""
    rng = np.random.default_rng(15)
    returns = 0.01 * rng.standard_normal(10_000) * np.where(np.arange(10_000) // 40 % 2, 6.0, 0.2)
    model = Adaptive()
    memory = last_memory(model, [Move(value, 1.0, 0.0) for value in returns.tolist()])
    weights, prior = np.array(model.weights(memory)), np.array(LAYOUTS[0].prior)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (weights >= SHARE * prior).all()
    assert weights.max() > 0.5, "the pool must have learnt something for the bound to matter"
