"""Pool of variance experts, one bar at a time: what `estimators.adaptive` is made of.

`pool_columns` is the same for many markets at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise, starmap
from operator import mul

from services.volatility.bars import MAX_MISSING_BARS
from services.volatility.close_match import match_ratio
from services.volatility.estimators.interface import Memory
from services.volatility.moves import Move
from services.volatility.realized_measures import credible

CLOSE_HALF_LIVES = (4.0, 16.0, 64.0, 256.0, 1024.0, 4.0, 16.0)
"""Experts on closes: five averages of r², two of r² that counts falls 1.75 and rises 0.25."""
RANGE_HALF_LIVES = (1.0, 4.0, 16.0, 64.0, 1.0, 4.0)
"""Experts on ranges: four averages of v, two of v that counts falls 1.75 and rises 0.25."""
SYMMETRIC_CLOSE, SYMMETRIC_RANGE = 5, 4
FALL, RISE = 1.75, 0.25
CAP_EXPERT = 9
"""Place of the range expert of half-life 16, which caps single ranges."""
REGRESSION_HALF_LIVES = (4.0, 16.0, 64.0)
FIRST_COEFFICIENTS = (-0.3, 0.25, 0.30, 0.25, 0.15)
FIRST_UNCERTAINTY, FORGETTING, FIRST_RESIDUAL = 0.1, 0.9995, 0.3
INNOVATION_CAP = 4.0
CALIBRATION_HALF_LIFE, CALIBRATION_CAP = 250.0, 8.0
LEARNING_RATE, SHARE, SURPRISE_CAP = 0.01, 0.0005, 15.0
WARM_UP_BARS = 20
IMPLIED_RATIO, IMPLIED_WEIGHT = 0.7, 20.0
IMPLIED_BARS = float(MAX_MISSING_BARS)
"""Bars without an implied variance over which the last one is held."""
REGRESSION_PRIOR = 4.0
RANGED, IMPLIED, REGRESSED = 1, 2, 4
"""Bits of what a pool consists of, fixed by its first bar."""
SMALLEST = 1e-300
LN2 = math.log(2.0)
BODY_WEIGHT = 2.0 * LN2 - 1.0
RANGE_WEIGHT = 1.0 / (4.0 * LN2)
PACKED = tuple((row, column) for row in range(5) for column in range(row, 5))
"""Places of the upper triangle of a symmetric 5 × 5 matrix, as they are kept in the memory."""


def gains(half_lives: tuple[float, ...]) -> tuple[float, ...]:
    """Weight of the newest bar in averages of these half-lives."""
    return tuple(1.0 - 2.0 ** (-1.0 / half_life) for half_life in half_lives)


CLOSE_GAINS, RANGE_GAINS = gains(CLOSE_HALF_LIVES), gains(RANGE_HALF_LIVES)
REGRESSION_GAINS = gains(REGRESSION_HALF_LIVES)
(CALIBRATION_GAIN,) = gains((CALIBRATION_HALF_LIFE,))


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a memory holds what, for one composition of the pool.

    The head is (bars seen, composition, forecast); `averages`, `forecasts` and `weights` are per expert; `calibration`
    is (EW r², EW v, EW p); `implied` is (Σ r², Σ iv before, iv, bars since); `regression` is (coefficients 5,
    uncertainty 15, regressors 4, averages of p 3, residual variance, reference).
    """

    composition: int
    averages: slice
    forecasts: slice
    weights: slice
    calibration: slice
    implied: slice
    regression: slice
    size: int
    prior: tuple[float, ...]
    half_lives: tuple[float, ...]
    gains: tuple[float, ...]


def layout_of(composition: int) -> Layout:
    """Layout of a composition."""
    averages = len(CLOSE_HALF_LIVES) + (len(RANGE_HALF_LIVES) if composition & RANGED else 0)
    prior = [1.0] * averages
    prior += [REGRESSION_PRIOR] if composition & REGRESSED else []
    prior += [1.0] if composition & IMPLIED else []
    lengths = (
        averages, len(prior), len(prior), 3, 4 if composition & IMPLIED else 0, 29 if composition & REGRESSED else 0,
    )  # fmt: skip
    edges = list(accumulate(lengths, initial=3))
    one, two, three, four, five, six = starmap(slice, pairwise(edges))
    half_lives = (CLOSE_HALF_LIVES + RANGE_HALF_LIVES)[:averages]
    shares, newest = tuple(value / sum(prior) for value in prior), gains(half_lives)
    return Layout(composition, one, two, three, four, five, six, edges[-1], shares, half_lives, newest)


LAYOUTS = {composition: layout_of(composition) for composition in range(8)}


def first_memory(composition: int) -> Memory:
    """Memory of a pool that has seen no bar."""
    layout = LAYOUTS[composition]
    experts = len(layout.prior)
    regression: Memory = ()
    if composition & REGRESSED:
        uncertainty = tuple(FIRST_UNCERTAINTY * (row == column) for row, column in PACKED)
        regression = (*FIRST_COEFFICIENTS, *uncertainty, *[0.0] * 7, FIRST_RESIDUAL, 0.0)
    implied = (0.0, 0.0, math.nan, 0.0) if composition & IMPLIED else ()
    averages = [0.0] * len(layout.half_lives)
    return (
        0.0, float(composition), math.nan, *averages, *[0.0] * experts, *layout.prior, 0.0, 0.0, 0.0,
        *implied, *regression,
    )  # fmt: skip


def advance_pool(memory: Memory, move: Move) -> Memory:
    """Memory of a pool after one more bar."""
    seen, composition, forecast = memory[:3]
    layout = LAYOUTS[int(composition)]
    log_return = move.log_return
    square = log_return * log_return
    weights, forecasts = memory[layout.weights], memory[layout.forecasts]
    if seen >= WARM_UP_BARS:
        weights = learned(weights, forecasts, forecast, square, layout.prior)
    averages = memory[layout.averages]
    tilt = FALL if log_return < 0.0 else RISE
    inputs: tuple[float, ...] = (square, square, square, square, square, square * tilt, square * tilt)
    parkinson = range_variance = square
    if layout.composition & RANGED:
        range_variance, parkinson = _range_variances(move, square)
        if seen >= WARM_UP_BARS:
            cap = max(25.0 * averages[CAP_EXPERT], 2.0 * square)
            range_variance, parkinson = min(range_variance, cap), min(parkinson, cap)
        value, tilted = range_variance, range_variance * tilt
        inputs = (*inputs, value, value, value, value, tilted, tilted)
    least = 1.0 / (seen + 1.0)
    averages = tuple(
        [
            average + (gain if gain > least else least) * (value - average)
            for average, gain, value in zip(averages, layout.gains, inputs, strict=True)
        ]
    )
    calibration = memory[layout.calibration]
    if layout.composition:
        calibration = _calibrated(calibration, (square, range_variance, parkinson), seen)
    regression = memory[layout.regression]
    if regression:
        regression = _regressed(regression, max(parkinson, 1e-4 * calibration[2], SMALLEST), seen)
    implied = memory[layout.implied]
    if implied:
        implied = _implied(implied, square, move.implied_variance)
    forecasts = _forecasts(layout, averages, calibration, regression, implied, seen + 1.0)
    forecast = sum(starmap(mul, zip(weights, forecasts, strict=True)))
    return (
        seen + 1.0, composition, forecast, *averages, *forecasts, *weights, *calibration, *implied, *regression,
    )  # fmt: skip


def learned(
    weights: tuple[float, ...], forecasts: tuple[float, ...], forecast: float, square: float, prior: tuple[float, ...]
) -> tuple[float, ...]:
    """Weights after the error of a bar: exponentiated gradient of QLIKE, then a fixed share of the prior."""
    level = max(forecast, SMALLEST)
    surprise = LEARNING_RATE * (min(square / level, SURPRISE_CAP) - 1.0)
    raised = [
        weight * math.exp(min(max(surprise * (value / level - 1.0), -1.0), 1.0))
        for weight, value in zip(weights, forecasts, strict=True)
    ]
    scale = (1.0 - SHARE) / sum(raised)
    return tuple([scale * value + SHARE * start for value, start in zip(raised, prior, strict=True)])


def _range_variances(move: Move, square: float) -> tuple[float, float]:
    """Garman–Klass and Parkinson variance of a bar, both with the move from the close before; r² without a range.

    A realised variance takes the place of both, if it is `credible`.
    """
    gap = move.overnight if move.ranged else 0.0
    realized = move.realized_variance + gap * gap
    if credible(realized, square):
        return realized, realized
    if not move.ranged:
        return square, square
    jump, width, body = move.overnight * move.overnight, move.high - move.low, move.body
    full = width * width
    garman_klass = 0.5 * full - BODY_WEIGHT * body * body
    return jump + (garman_klass if garman_klass > 0.0 else 0.0), jump + full * RANGE_WEIGHT


def _calibrated(averages: Memory, values: tuple[float, float, float], seen: float) -> Memory:
    """Slow averages of r², v and p, each term capped at eight times what is usual."""
    if not seen:
        return values
    close, wide, simple = averages
    gain = max(CALIBRATION_GAIN, 1.0 / (seen + 1.0))
    square, ranges, parkinson = values
    # One cap for both sides of a ratio: where v is r², the ratio stays 1.
    cap, other_cap = CALIBRATION_CAP * max(close, wide), CALIBRATION_CAP * max(close, simple)
    return (
        close + gain * (min(square, cap) - close),
        wide + gain * (min(ranges, cap) - wide),
        simple + gain * (min(parkinson, other_cap) - simple),
    )


def _regressed(state: Memory, parkinson: float, seen: float) -> Memory:
    """Log-HAR after one more bar: recursive least squares of ln p on its own averages."""
    coefficients, uncertainty, regressors = state[:5], state[5:20], state[20:24]
    averages, residual, reference = state[24:27], state[27], state[28]
    logarithm = math.log(parkinson)
    if seen >= WARM_UP_BARS:
        x = (1.0, *regressors)
        innovation = logarithm - reference - sum(starmap(mul, zip(coefficients, x, strict=True)))
        innovation = min(max(innovation, -INNOVATION_CAP), INNOVATION_CAP)
        coefficients, uncertainty = _least_squares(coefficients, uncertainty, x, innovation)
        residual += max(1.0 / 250.0, 1.0 / (seen + 30.0)) * (innovation * innovation - residual)
    least = 1.0 / (seen + 1.0)
    averages = tuple(
        average + max(gain, least) * (parkinson - average)
        for average, gain in zip(averages, REGRESSION_GAINS, strict=True)
    )
    if seen < WARM_UP_BARS:
        reference += parkinson
        if seen + 1.0 == WARM_UP_BARS:
            reference = math.log(reference / WARM_UP_BARS)
    if seen + 1.0 >= WARM_UP_BARS:
        one, two, three = averages
        regressors = (
            logarithm - reference, math.log(one) - reference, math.log(two) - reference, math.log(three) - reference,
        )  # fmt: skip
    return (*coefficients, *uncertainty, *regressors, *averages, residual, reference)


def _least_squares(coefficients: Memory, uncertainty: Memory, x: Memory, innovation: float) -> tuple[Memory, Memory]:
    """One step of recursive least squares with forgetting; `uncertainty` is the packed upper triangle."""
    p00, p01, p02, p03, p04, p11, p12, p13, p14, p22, p23, p24, p33, p34, p44 = uncertainty
    x0, x1, x2, x3, x4 = x
    d0 = p00 * x0 + p01 * x1 + p02 * x2 + p03 * x3 + p04 * x4
    d1 = p01 * x0 + p11 * x1 + p12 * x2 + p13 * x3 + p14 * x4
    d2 = p02 * x0 + p12 * x1 + p22 * x2 + p23 * x3 + p24 * x4
    d3 = p03 * x0 + p13 * x1 + p23 * x2 + p33 * x3 + p34 * x4
    d4 = p04 * x0 + p14 * x1 + p24 * x2 + p34 * x3 + p44 * x4
    direction = (d0, d1, d2, d3, d4)
    scale = 1.0 / (FORGETTING + d0 * x0 + d1 * x1 + d2 * x2 + d3 * x3 + d4 * x4)
    step = innovation * scale
    moved = tuple([value + step * change for value, change in zip(coefficients, direction, strict=True)])
    shrunk = tuple(
        [
            (value - scale * direction[row] * direction[column]) / FORGETTING
            for value, (row, column) in zip(uncertainty, PACKED, strict=True)
        ]
    )
    return moved, shrunk


def _implied(state: Memory, square: float, variance: float) -> Memory:
    """Sums for the ratio of r² to the implied variance before it, which fade; the last value is held for some bars."""
    squares, quoted, last, age = state
    squares, quoted = (1.0 - CALIBRATION_GAIN) * squares, (1.0 - CALIBRATION_GAIN) * quoted
    if last == last:
        squares, quoted = squares + square, quoted + last
    if variance == variance:
        return (squares, quoted, variance, 0.0)
    return (squares, quoted, last if age < IMPLIED_BARS else math.nan, age + 1.0)


def _forecasts(
    layout: Layout, averages: Memory, calibration: Memory, regression: Memory, implied: Memory, seen: float
) -> Memory:
    """Forecast of each expert for the next bar."""
    close, wide, simple = calibration
    forecasts = averages
    if layout.composition & RANGED:
        ratio = match_ratio(close, wide)
        forecasts = (*averages[: len(CLOSE_HALF_LIVES)], *[ratio * v for v in averages[len(CLOSE_HALF_LIVES) :]])
    if regression:
        expected = close
        if seen >= WARM_UP_BARS:
            log_variance = sum(starmap(mul, zip(regression[1:5], regression[20:24], strict=True))) + regression[0]
            expected = match_ratio(close, simple) * math.exp(log_variance + regression[28] + 0.5 * regression[27])
        forecasts = (*forecasts, expected)
    if implied:
        squares, quoted, last, _ = implied
        total = quoted + IMPLIED_WEIGHT * close
        ratio = (squares + IMPLIED_WEIGHT * IMPLIED_RATIO * close) / total if total > 0.0 else IMPLIED_RATIO
        forecasts = (*forecasts, last * ratio if last == last else close)
    return forecasts
