"""Yang–Zhang, average true range and RiskMetrics 2006."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.core.explain import Floats
from services.volatility import averages
from services.volatility.estimators.average_true_range import AverageTrueRange, average_true_range
from services.volatility.estimators.riskmetrics2006 import RiskMetrics2006, mixture_path
from services.volatility.estimators.yang_zhang import YangZhang
from services.volatility.moves import Move, Moves
from tests.unit.volatility.ranged_moves import hold_to_the_interface, ranged_moves, same_as, streamed

MOVES = ranged_moves(11, 300)


@pytest.mark.parametrize("window", [2, 20])
def test_yang_zhang(window: int) -> None:
    model = YangZhang(window=window, match_close_variance=False)

    def reference(history: list[Move]) -> float:
        if len(history) < window:
            return math.nan
        overnight, body, intraday = [], [], []
        for move in history[-window:]:
            u, d, c = move.high, move.low, move.body
            bare = math.isnan(u)
            overnight.append(0.0 if bare else move.overnight)
            body.append(move.log_return if bare else c)
            intraday.append(move.log_return**2 if bare else u * (u - c) + d * (d - c))
        weight = 0.34 / (1.34 + (window + 1) / (window - 1))
        variances = np.var(overnight, ddof=1) + weight * np.var(body, ddof=1)
        return float(variances + (1.0 - weight) * np.mean(intraday))

    same_as(model.variance_path(MOVES), reference, MOVES, (0, window - 2, window - 1, window, 299))


@pytest.mark.parametrize("window", [2, 20, 250])
@pytest.mark.parametrize("matched", [True, False])
def test_yang_zhang_interface(window: int, matched: bool) -> None:
    hold_to_the_interface(YangZhang(window=window, match_close_variance=matched), MOVES)


def test_yang_zhang_does_not_see_drift() -> None:
    drifting = dataclasses.replace(MOVES, overnight=MOVES.overnight + 0.01)  # type: ignore[operator]
    model = YangZhang(window=20, match_close_variance=False)
    ranged = ~np.isnan(MOVES.high).any(axis=0)  # type: ignore[arg-type]
    whole = np.flatnonzero(np.convolve(ranged, np.ones(20), "valid") == 20) + 19
    assert whole.size > 3
    path, shifted = model.variance_path(MOVES)[:, whole], model.variance_path(drifting)[:, whole]
    np.testing.assert_allclose(shifted, path, rtol=1e-12)


def test_ratio_brings_yang_zhang_to_the_variance_of_closes() -> None:
    """Jumps of ±4 % in one bar of ten, which Rogers–Satchell hardly sees."""
    moves = ranged_moves(12, 3_000, markets=1, deviation=0.005, missing=0.0)
    jumps = (
        0.04 * np.where(np.arange(3_000) % 10 == 0, np.random.default_rng(12).choice([-1.0, 1.0], 3_000), 0.0)[None, :]
    )
    high, low = np.maximum(moves.high, moves.body + jumps), np.minimum(moves.low, moves.body + jumps)  # type: ignore[operator]
    jumpy = dataclasses.replace(
        moves,
        log_return=moves.log_return + jumps,
        body=moves.body + jumps,
        high=high,
        low=low,  # type: ignore[operator]
    )
    truth = float(np.mean(jumpy.log_return**2))
    plain = YangZhang(match_close_variance=False).variance_path(jumpy)[:, 500:].mean()
    matched = YangZhang().variance_path(jumpy)[:, 500:].mean()
    assert plain < 0.75 * truth
    assert matched == pytest.approx(truth, rel=0.12)


def prices(moves: Moves) -> tuple[Floats, Floats, Floats]:
    """High, low and close with the close before the first bar as bar 0."""
    before = moves.close * np.exp(-moves.log_return)
    opened = before * np.exp(moves.overnight)
    high, low = opened * np.exp(moves.high), opened * np.exp(moves.low)
    start = before[:, :1]
    return tuple(np.concatenate([start, column], axis=-1) for column in (high, low, moves.close))  # type: ignore[return-value]


def test_average_true_range_of_moves_is_that_of_prices() -> None:
    moves = ranged_moves(13, 200, missing=0.0)
    high, low, close = prices(moves)
    path = AverageTrueRange(window=14).variance_path(moves)
    expected = (average_true_range(high, low, close, 14)[:, 1:] / (1.595769121605731 * moves.close)) ** 2
    np.testing.assert_allclose(path, expected, rtol=1e-11)
    assert np.isnan(path[:, :13]).all()


def test_average_true_range_reference() -> None:
    def reference(history: list[Move]) -> float:
        if len(history) < 14:
            return math.nan
        spreads = []
        for move in history:
            before = move.close / math.exp(move.log_return)
            if math.isnan(move.high):
                spreads.append(2.0 * abs(move.close - before))
                continue
            opened = before * math.exp(move.overnight)
            high, low = opened * math.exp(move.high), opened * math.exp(move.low)
            spreads.append(max(high - low, abs(high - before), abs(low - before)))
        average = sum(spreads[:14]) / 14.0
        for spread in spreads[14:]:
            average = (13.0 * average + spread) / 14.0
        return (average / history[-1].close) ** 2 * math.pi / 8.0

    same_as(AverageTrueRange().variance_path(MOVES), reference, MOVES, (0, 12, 13, 14, 299))


@pytest.mark.parametrize("ratio", [0.1, 2.0, 1000.0])
def test_a_split_leaves_the_average_true_range_alone(ratio: float) -> None:
    """Prices in other units from bar 150 on; the log return of that bar is what holders got."""
    unsplit, model = ranged_moves(16, 200), AverageTrueRange()
    split = dataclasses.replace(unsplit, close=unsplit.close * np.where(np.arange(200) < 150, 1.0, 1.0 / ratio))
    expected = model.variance_path(unsplit)
    np.testing.assert_allclose(model.variance_path(split), expected, rtol=1e-12)
    np.testing.assert_allclose(streamed(model, split), expected, rtol=1e-12)


def test_average_true_range_interface() -> None:
    model = AverageTrueRange()
    hold_to_the_interface(model, MOVES, scale_tolerance=None)
    dearer = dataclasses.replace(MOVES, close=1_000.0 * MOVES.close)
    np.testing.assert_allclose(model.variance_path(dearer), model.variance_path(MOVES), rtol=1e-12)
    assert model.effective_half_life(model.start()) == pytest.approx(9.353, abs=1e-3)
    short = ranged_moves(14, 9)
    assert np.isnan(model.variance_path(short)).all() and np.isnan(streamed(model, short)).all()


def test_average_true_range_is_the_volatility_of_a_walk() -> None:
    steps = 0.01 * np.random.default_rng(15).standard_normal((1, 4_000, 400)) / 20.0
    path = np.cumsum(steps, axis=-1)
    body, zeros = path[..., -1], np.zeros((1, 4_000))
    closes = 100.0 * np.exp(np.cumsum(body, axis=-1))
    walk = Moves(body, closes, closes, zeros, np.maximum(path.max(-1), 0.0), np.minimum(path.min(-1), 0.0), body)
    volatility = np.sqrt(AverageTrueRange(window=20).variance_path(walk)[0, 20:])
    unseen = 2.0 * 0.5826 / math.sqrt(400.0) / 1.5958  # what 400 looks a bar miss of both ends (Broadie et al. 1997)
    assert volatility.mean() == pytest.approx(0.01 * (1.0 - unseen), rel=0.01)
    bare = AverageTrueRange(window=20).variance_path(Moves(body, closes, closes))[0, 20:]
    assert np.sqrt(bare).mean() == pytest.approx(0.01, rel=0.02)


def test_riskmetrics_reference() -> None:
    def reference(history: list[Move]) -> float:
        scales = [4.0 * 2.0 ** (k / 2.0) for k in range(14)]
        raw = [1.0 - math.log(scale) / math.log(1560.0) for scale in scales]
        total = 0.0
        for scale, weight in zip(scales, raw, strict=True):
            average = 0.0
            for seen, move in enumerate(history):
                average += max(1.0 - math.exp(-1.0 / scale), 1.0 / (seen + 1)) * (move.log_return**2 - average)
            total += weight / sum(raw) * average
        return total

    model = RiskMetrics2006()
    same_as(model.variance_path(MOVES), reference, MOVES, (0, 1, 4, 5, 100, 299))
    hold_to_the_interface(model, MOVES)
    hold_to_the_interface(RiskMetrics2006(shortest=24.0, cutoff=4_000.0, components=8), MOVES)


def test_riskmetrics_of_one_component_is_one_average() -> None:
    model, squares = RiskMetrics2006(components=1, shortest=10.0), MOVES.log_return**2
    gain = 1.0 - math.exp(-0.1)
    np.testing.assert_allclose(model.variance_path(MOVES), averages.ewma_path(squares, gain), rtol=1e-12)
    assert model.effective_half_life(model.start()) == pytest.approx(10.0 * math.log(2.0), rel=1e-12)
    from_one = mixture_path(np.zeros((1, 3)), model.scales, model.weights, np.array([1.0]))
    assert from_one[0].tolist() == pytest.approx([math.exp(-0.1), math.exp(-0.2), math.exp(-0.3)], rel=1e-12)


def test_riskmetrics_refuses_a_scale_beyond_the_cutoff() -> None:
    with pytest.raises(InvalidInput, match=r"cutoff must be above the longest time scale, 362\.039 bars, found 300"):
        RiskMetrics2006(cutoff=300.0)
