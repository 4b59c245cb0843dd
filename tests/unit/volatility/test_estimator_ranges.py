"""Kernels of bars, their averages and the ratio to closes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from services.core.errors import InvalidInput
from services.volatility import averages, close_match, ranges
from services.volatility.estimators.close_to_close import CloseToClose
from services.volatility.estimators.garman_klass import GarmanKlass
from services.volatility.estimators.parkinson import Parkinson
from services.volatility.estimators.rogers_satchell import RogersSatchell
from services.volatility.moves import Move
from services.volatility.range_average import RangeAverage
from tests.unit.volatility.ranged_moves import hold_to_the_interface, ranged_moves, same_as

MODELS = [Parkinson, GarmanKlass, RogersSatchell]
MOVES = ranged_moves(1, 400)


def value_of(kind: type[RangeAverage], move: Move) -> float:
    """Variance of one bar from prices, after the papers."""
    if math.isnan(move.high):
        return move.log_return**2
    opened = 100.0
    high, low, close = (opened * math.exp(part) for part in (move.high, move.low, move.body))
    if kind is Parkinson:
        intraday = math.log(high / low) ** 2 / (4.0 * math.log(2.0))
    elif kind is GarmanKlass:
        intraday = 0.5 * math.log(high / low) ** 2 - (2.0 * math.log(2.0) - 1.0) * math.log(close / opened) ** 2
    else:
        intraday = math.log(high / opened) * math.log(high / close) + math.log(low / opened) * math.log(low / close)
    return move.overnight**2 + intraday


def ratio_of(squares: list[float], values: list[float]) -> float:
    """The rule of close_match, written out with explicit weights of a capped history."""
    decay, returned, measured = 2.0 ** (-1.0 / 250.0), [squares[0]], [values[0]]

    def average(terms: list[float]) -> float:
        total = terms[0]
        for place, term in enumerate(terms[1:], start=2):
            total += max(1.0 - decay, 1.0 / place) * (term - total)
        return total

    for square, value in zip(squares[1:], values[1:], strict=True):
        cap = 8.0 * max(average(returned), average(measured))
        returned.append(min(square, cap))
        measured.append(min(value, cap))
    return min(max(average(returned) / average(measured), 0.5), 2.5)


@pytest.mark.parametrize("kind", MODELS)
def test_window_is_the_plain_mean_times_the_ratio(kind: type[RangeAverage]) -> None:
    def reference(history: list[Move]) -> float:
        if len(history) < 30:
            return math.nan
        values = [value_of(kind, move) for move in history]
        return ratio_of([move.log_return**2 for move in history], values) * sum(values[-30:]) / 30.0

    same_as(kind(window=30).variance_path(MOVES), reference, MOVES, (0, 28, 29, 30, 120, 399))


@pytest.mark.parametrize("kind", MODELS)
def test_half_life_is_the_weighted_mean(kind: type[RangeAverage]) -> None:
    model = kind(half_life=10.0, match_close_variance=False)

    def reference(history: list[Move]) -> float:
        """Weights: equal for the first 1/(1 − λ) bars together, from then on λ a bar."""
        decay = 2.0 ** (-1.0 / 10.0)
        plain = min(int(1.0 / (1.0 - decay)), len(history))
        values = [value_of(kind, move) for move in history]
        total = sum(values[:plain]) / plain
        for value in values[plain:]:
            total = decay * total + (1.0 - decay) * value
        return total

    same_as(model.variance_path(MOVES), reference, MOVES, (0, 5, 13, 14, 15, 100, 399))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("smoothing", [{"window": 2}, {"window": 60}, {"half_life": 0.2}, {"half_life": 20.0}, {}])
@pytest.mark.parametrize("overnight", [True, False])
def test_interface(kind: type[RangeAverage], smoothing: dict[str, float], overnight: bool) -> None:
    hold_to_the_interface(kind(overnight=overnight, **smoothing), MOVES)


@pytest.mark.parametrize("kind", MODELS)
def test_without_ranges_it_is_the_average_of_squares(kind: type[RangeAverage]) -> None:
    closes = dataclasses.replace(MOVES, overnight=None, high=None, low=None, body=None)
    squares = MOVES.log_return**2
    path = kind(window=20).variance_path(closes)
    assert np.allclose(path[:, 19:], averages.rolling_mean(squares, 20)[:, 19:], rtol=1e-12, atol=0.0)


def test_one_of_window_and_half_life() -> None:
    assert (Parkinson().half_life, Parkinson(window=5).half_life) == (20.0, None)
    with pytest.raises(InvalidInput, match=r"window excludes half_life.*found 5"):
        Parkinson(window=5, half_life=3.0)


def test_all_kernels_are_unbiased_on_a_walk_watched_closely() -> None:
    """Mean over truth at 1,000 steps a bar; the bias of discrete watching is 3 to 6 %."""
    steps = np.random.default_rng(2).standard_normal((8_000, 1_000)) / math.sqrt(1_000.0)
    path = np.cumsum(steps, axis=-1)
    high, low, body = np.maximum(path.max(-1), 0.0), np.minimum(path.min(-1), 0.0), path[:, -1]
    for values, expected in (
        (ranges.parkinson(high, low), 0.955),
        (ranges.garman_klass(high, low, body), 0.935),
        (ranges.garman_klass_exact(high, low, body), 0.935),
        (ranges.rogers_satchell(high, low, body), 0.935),
    ):
        assert values.min() >= 0.0
        assert values.mean() == pytest.approx(expected, abs=0.025)
        assert values.var() < (body**2).var() / 4.5
    assert (high - low).mean() == pytest.approx(ranges.MEAN_RANGE, rel=0.04)


def test_the_weighted_overnight_move_beats_the_sum() -> None:
    """Two independent unbiased parts of a bar: weights by inverse variance beat the sum."""
    rng = np.random.default_rng(3)
    closed, overnight = 0.25, 0.5 * rng.standard_normal(200_000)
    path = np.cumsum(rng.standard_normal((200_000, 16)), axis=-1) * math.sqrt(0.75 / 16.0)
    intraday = path[:, -1] ** 2
    best = ranges.weighted_overnight(overnight, intraday, closed=closed, efficiency=1.0)
    assert best.mean() == pytest.approx(1.0, rel=0.02)
    assert best.var() == pytest.approx(1.0, rel=0.03)
    assert best.var() < (overnight**2 + intraday).var() * 0.85


def test_rolling_variance_keeps_its_digits_around_a_large_mean() -> None:
    values = 1e6 + np.random.default_rng(4).standard_normal((1, 300)) * 1e-3
    path = averages.rolling_variance(values, 50)
    for bar in (49, 150, 299):
        window = values[0, bar - 49 : bar + 1].tolist()
        assert path[0, bar] == pytest.approx(np.var(window, ddof=1), rel=1e-9)
        assert averages.sample_variance(window) == pytest.approx(path[0, bar], rel=1e-9)
    assert np.isnan(path[0, :49]).all()


def test_effective_size_is_that_of_the_weights() -> None:
    """Weights read off the recursion itself: feed unit vectors."""
    gains, weights, bars = [0.3, 0.11, 0.02], [0.5, 0.3, 0.2], 120
    parts = [averages.ewma_path(np.eye(bars), gain) for gain in gains]
    mixture = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    for seen in (1, 3, 4, 9, 10, 49, 50, 51, 120):
        column = mixture[:, seen - 1]
        assert column.sum() == pytest.approx(1.0, rel=1e-12)
        assert averages.effective_size(gains, weights, seen) == pytest.approx(1.0 / (column**2).sum(), rel=1e-12)


def test_ratio_caps_one_broken_bar() -> None:
    squares = np.full((1, 500), 1e-4)
    values = squares / 1.5
    values[0, 400] = 50.0
    path = close_match.match_path(squares, values)
    assert path[0, 399] == pytest.approx(1.5, rel=1e-12)
    assert path[0, 400] == pytest.approx(1.5, rel=0.04)
    assert close_match.match_path(squares, np.zeros((1, 500)))[0, -1] == close_match.LARGEST


def test_ratio_of_nothing_measured_is_the_largest() -> None:
    """Closes that move while ranges see nothing: the safe side. The adaptive pool shares the rule."""
    sizes = [0.0, 1e-200, 1.0, 1.9, 3.0, 1e9]
    pairs = [(one, other) for one in sizes for other in sizes]
    found = close_match.match_ratios(*np.array(pairs).T)
    assert found.tolist() == [close_match.match_ratio(*pair) for pair in pairs]
    assert close_match.match_ratio(1e-200, 0.0) == 2.5 and close_match.match_ratio(0.0, 0.0) == 1.0


@pytest.mark.parametrize("mean", ["zero", "sample"])
def test_close_to_close(mean: str) -> None:
    model = CloseToClose(window=21, mean=mean)  # type: ignore[arg-type]

    def reference(history: list[Move]) -> float:
        if len(history) < 21:
            return math.nan
        returns = np.array([move.log_return for move in history[-21:]])
        return float(np.var(returns, ddof=1) if mean == "sample" else np.mean(returns**2))

    same_as(model.variance_path(MOVES), reference, MOVES, (0, 19, 20, 21, 399))
    hold_to_the_interface(model, MOVES)
    hold_to_the_interface(dataclasses.replace(model, window=250), MOVES)
