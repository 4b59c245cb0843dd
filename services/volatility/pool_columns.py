"""The pool of `services.volatility.pool` for many markets at once: the same recursion with a row per market.

A memory is an (m, size) array whose columns are those of the tuple. All rows have one composition; their histories may
be of different lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from services.core.explain import Bools, Floats
from services.volatility import pool
from services.volatility.close_match import match_ratios
from services.volatility.long_run import expanding_average
from services.volatility.moves import Moves
from services.volatility.pool import IMPLIED, LAYOUTS, RANGED, REGRESSED, Layout
from services.volatility.realized_measures import credible

_FALLS = np.array([1.0] * 5 + [pool.FALL] * 2)
_RISES = np.array([1.0] * 5 + [pool.RISE] * 2)
_RANGE_FALLS = np.array([1.0] * 4 + [pool.FALL] * 2)
_RANGE_RISES = np.array([1.0] * 4 + [pool.RISE] * 2)
_REGRESSION_GAINS = np.array(pool.REGRESSION_GAINS)
_ROWS, _COLUMNS = (np.array([place[axis] for place in pool.PACKED]) for axis in (0, 1))
_FULL = np.array([[pool.PACKED.index((min(i, j), max(i, j))) for j in range(5)] for i in range(5)])
"""Place of element (i, j) in the packed triangle."""


_COLUMNS_FROM = 7
"""Markets from which columns are faster than one market after another."""


class BarColumn(NamedTuple):
    """One bar of m markets: columns of `Moves`, each (m,)."""

    log_return: Floats
    range_variance: Floats | None = None
    parkinson: Floats | None = None
    implied_variance: Floats | None = None


def bar_columns(moves: Moves, composition: int) -> Iterator[BarColumn]:
    """Bars of a panel, one after another, with their range variances worked out."""
    returns = np.ascontiguousarray(moves.log_return.T)
    ranges: tuple[Floats, Floats] | None = None
    if composition & RANGED:
        wide, simple = range_variances(moves)
        ranges = np.ascontiguousarray(wide.T), np.ascontiguousarray(simple.T)
    implied = None if moves.implied_variance is None else np.ascontiguousarray(moves.implied_variance.T)
    for bar in range(len(returns)):
        yield BarColumn(
            returns[bar],
            ranges[0][bar] if ranges else None,
            ranges[1][bar] if ranges else None,
            implied[bar] if implied is not None and composition & IMPLIED else None,
        )


def range_variances(moves: Moves) -> tuple[Floats, Floats]:
    """Garman–Klass and Parkinson variance of each bar, both with the move from the close before; r² without a range.

    A realised variance takes the place of both, if it is `credible`.
    """
    squares = moves.log_return * moves.log_return
    wide, simple, jump = squares, squares, np.zeros(())
    if moves.high is not None and moves.low is not None and moves.body is not None and moves.overnight is not None:
        known = ~np.isnan(moves.high)
        jump = np.where(known, moves.overnight * moves.overnight, 0.0)
        full = (moves.high - moves.low) ** 2
        garman_klass = np.maximum(0.5 * full - pool.BODY_WEIGHT * moves.body * moves.body, 0.0)
        wide = np.where(known, jump + garman_klass, squares)
        simple = np.where(known, jump + full * pool.RANGE_WEIGHT, squares)
    if moves.realized_variance is not None:
        realized = moves.realized_variance + jump
        measured = credible(realized, squares)
        wide, simple = np.where(measured, realized, wide), np.where(measured, realized, simple)
    return wide, simple


def pool_path(moves: Moves, composition: int) -> tuple[Floats, Floats]:
    """Forecast and effective half-life after each bar, (m, n) each; cost O(n) numpy calls."""
    if not composition:
        variance, mean_log = _close_path(moves)
    elif moves.shape[0] < _COLUMNS_FROM:
        variance, mean_log = _row_path(moves, composition)
    else:
        variance, mean_log = _column_path(moves, composition)
    return np.ascontiguousarray(variance.T), np.ascontiguousarray(np.exp(mean_log).T)


def _row_path(moves: Moves, composition: int) -> tuple[Floats, Floats]:
    """Forecasts and mean log half-lives, (n, m), market by market: few rows do not pay for numpy calls."""
    markets, bars = moves.shape
    layout = LAYOUTS[composition]
    count = len(layout.half_lives)
    variance, weights = np.empty((bars, markets)), np.empty((bars, markets, count))
    for row in range(markets):
        memory = pool.first_memory(composition)
        for bar, move in enumerate(moves.row(row)):
            memory = pool.advance_pool(memory, move)
            variance[bar, row], weights[bar, row] = memory[2], memory[layout.weights][:count]
    return variance, weights @ np.log(np.array(layout.half_lives)) / weights.sum(axis=-1)


def _column_path(moves: Moves, composition: int) -> tuple[Floats, Floats]:
    """The same, all markets at once."""
    markets, bars = moves.shape
    columns = PoolColumns(np.tile(np.array(pool.first_memory(composition)), (markets, 1)))
    logs = np.log(np.array(columns.layout.half_lives))
    variance, mean_log = np.empty((bars, markets)), np.empty((bars, markets))
    for bar, column in enumerate(bar_columns(moves, composition)):
        variance[bar] = columns.advance(column)
        weights = columns.weights[:, : logs.size]
        mean_log[bar] = weights @ logs / np.add.reduce(weights, axis=1)
    return variance, mean_log


def _close_path(moves: Moves) -> tuple[Floats, Floats]:
    """The same for experts on closes, which depend on nothing but r²: they are filtered whole, and only the weights
    go bar by bar.
    """
    squares = moves.log_return * moves.log_return
    tilted = squares * np.where(moves.log_return < 0.0, pool.FALL, pool.RISE)
    inputs = [squares] * pool.SYMMETRIC_CLOSE + [tilted] * (len(pool.CLOSE_HALF_LIVES) - pool.SYMMETRIC_CLOSE)
    experts = np.empty((moves.shape[1], len(inputs), moves.shape[0]))
    for place, (values, gain) in enumerate(zip(inputs, pool.CLOSE_GAINS, strict=True)):
        experts[:, place] = expanding_average(values, gain).T
    prior, logs = np.array(LAYOUTS[0].prior)[:, None], np.log(np.array(pool.CLOSE_HALF_LIVES))
    targets = np.ascontiguousarray(squares.T)
    variance, mean_log = np.empty(targets.shape), np.empty(targets.shape)
    weights = np.tile(prior, (1, moves.shape[0]))
    for bar, forecasts in enumerate(experts):
        if bar >= pool.WARM_UP_BARS:
            weights = learned_columns(weights, experts[bar - 1], variance[bar - 1], targets[bar], prior, axis=0)
        np.add.reduce(weights * forecasts, axis=0, out=variance[bar])
        np.dot(logs, weights, out=mean_log[bar])
    return variance, mean_log


def learned_columns(
    weights: Floats, forecasts: Floats, forecast: Floats, squares: Floats, prior: Floats, *, axis: int
) -> Floats:
    """`pool.learned` of many markets; experts along `axis`, everything else shaped to match."""
    level = np.maximum(forecast, pool.SMALLEST)
    surprise = pool.LEARNING_RATE * (np.minimum(squares / level, pool.SURPRISE_CAP) - 1.0)
    step = forecasts / level
    step -= 1.0
    step *= surprise
    np.minimum(np.maximum(step, -1.0, out=step), 1.0, out=step)
    raised: Floats = np.exp(step, out=step)
    raised *= weights
    raised *= (1.0 - pool.SHARE) / np.add.reduce(raised, axis=axis, keepdims=True)
    raised += pool.SHARE * prior
    return raised


class PoolColumns:
    """Pools of m markets, advanced in place.

    Parameters
    ----------
    memories : (m, size) array
        One memory a row, all of one composition.
    """

    def __init__(self, memories: Floats) -> None:
        self.composition = int(memories[0, 1])
        self.layout: Layout = LAYOUTS[self.composition]
        self.seen, self.forecast = memories[:, :1].copy(), memories[:, 2:3].copy()
        layout = self.layout
        self.averages, self.forecasts = memories[:, layout.averages].copy(), memories[:, layout.forecasts].copy()
        self.weights, self.calibration = memories[:, layout.weights].copy(), memories[:, layout.calibration].copy()
        self.implied, self.regression = memories[:, layout.implied].copy(), memories[:, layout.regression].copy()
        self.gains, self.prior = np.array(self.layout.gains), np.array(self.layout.prior)
        self.warm = bool(self.seen.min() >= pool.WARM_UP_BARS)

    def memories(self) -> Floats:
        """One memory a row, as `services.volatility.pool` keeps it."""
        head = np.full(self.seen.shape, float(self.composition))
        parts = (self.averages, self.forecasts, self.weights, self.calibration, self.implied, self.regression)
        return np.concatenate([self.seen, head, self.forecast, *parts], axis=1)

    def advance(self, bar: BarColumn) -> Floats:
        """Take in one bar of each market; the new forecasts, (m,)."""
        log_return = bar.log_return[:, None]
        squares = log_return * log_return
        self._learn(squares)
        falls = log_return < 0.0
        inputs = squares * np.where(falls, _FALLS, _RISES)
        least = 1.0 / (self.seen + 1.0)
        if bar.range_variance is not None and bar.parkinson is not None:
            wide, simple = self._capped(squares, bar.range_variance[:, None], bar.parkinson[:, None])
            inputs = np.concatenate([inputs, wide * np.where(falls, _RANGE_FALLS, _RANGE_RISES)], axis=1)
        else:
            wide = simple = squares
        self.averages += np.maximum(self.gains, least) * (inputs - self.averages)
        if self.composition:
            self._calibrate(squares, np.concatenate([wide, simple], axis=1), least)
        if self.composition & REGRESSED:
            self._regress(np.maximum(simple, np.maximum(1e-4 * self.calibration[:, 2:], pool.SMALLEST)), least)
        if self.composition & IMPLIED:
            quoted = bar.implied_variance
            self._take_implied(squares[:, 0], np.full(len(squares), np.nan) if quoted is None else quoted)
        self.seen += 1.0
        self.warm = self.warm or bool(self.seen.min() >= pool.WARM_UP_BARS)
        self._forecast()
        self.forecast = np.einsum("ij,ij->i", self.weights, self.forecasts)[:, None]
        result: Floats = self.forecast[:, 0]
        return result

    def _learn(self, squares: Floats) -> None:
        """`pool.learned`, for markets past their warm-up."""
        if self.warm:
            self.weights = learned_columns(self.weights, self.forecasts, self.forecast, squares, self.prior, axis=1)
        elif (ready := self.seen >= pool.WARM_UP_BARS).any():
            level = np.where(ready, self.forecast, 1.0)
            raised = learned_columns(self.weights, self.forecasts, level, squares, self.prior, axis=1)
            self.weights = np.where(ready, raised, self.weights)

    def _capped(self, squares: Floats, wide: Floats, simple: Floats) -> tuple[Floats, Floats]:
        cap = np.maximum(25.0 * self.averages[:, pool.CAP_EXPERT, None], 2.0 * squares)
        if not self.warm:
            cap = np.where(self.seen < pool.WARM_UP_BARS, np.inf, cap)
        return np.minimum(wide, cap), np.minimum(simple, cap)

    def _calibrate(self, squares: Floats, ranges: Floats, least: Floats) -> None:
        """`EW r²`, `EW v` and `EW p`, each term capped at eight times what is usual."""
        gain = np.maximum(pool.CALIBRATION_GAIN, least)
        first = np.inf if not self.warm else 0.0
        close, others = self.calibration[:, :1], self.calibration[:, 1:]
        unbounded = np.where(self.seen == 0.0, first, 0.0)
        caps = np.maximum(pool.CALIBRATION_CAP * np.maximum(close, others), unbounded)
        close += gain * (np.minimum(squares, caps[:, :1]) - close)
        others += gain * (np.minimum(ranges, caps) - others)

    def _regress(self, parkinson: Floats, least: Floats) -> None:
        """Log-HAR: recursive least squares of ln p on its own averages."""
        state, logarithm = self.regression, np.log(parkinson)
        ready = self.seen >= pool.WARM_UP_BARS
        if ready.any():
            self._least_squares(logarithm, ready)
        state = self.regression
        averages = state[:, 24:27]
        averages += np.maximum(_REGRESSION_GAINS, least) * (parkinson - averages)
        if self.warm:
            state[:, 20] = logarithm[:, 0] - state[:, 28]
            state[:, 21:24] = np.log(averages) - state[:, 28:29]
            return
        reference = state[:, 28:29] + np.where(ready, 0.0, parkinson)
        settled = self.seen + 1.0 == pool.WARM_UP_BARS
        state[:, 28:29] = np.where(settled, np.log(np.where(settled, reference, 1.0) / pool.WARM_UP_BARS), reference)
        regressors = np.concatenate([logarithm, np.log(averages)], axis=1) - state[:, 28:29]
        np.copyto(state[:, 20:24], regressors, where=self.seen + 1.0 >= pool.WARM_UP_BARS)

    def _least_squares(self, logarithm: Floats, ready: Bools) -> None:
        state = self.regression
        x = np.concatenate([np.ones((len(state), 1)), state[:, 20:24]], axis=1)
        innovation = logarithm - state[:, 28:29] - np.einsum("ij,ij->i", state[:, :5], x)[:, None]
        innovation = np.minimum(np.maximum(innovation, -pool.INNOVATION_CAP), pool.INNOVATION_CAP)
        uncertainty = state[:, 5:20]
        direction = np.einsum("ijk,ik->ij", uncertainty[:, _FULL], x)
        scale = 1.0 / (pool.FORGETTING + np.einsum("ij,ij->i", direction, x))[:, None]
        shrunk = (uncertainty - scale * direction[:, _ROWS] * direction[:, _COLUMNS]) / pool.FORGETTING
        gain = np.maximum(1.0 / 250.0, 1.0 / (self.seen + 30.0))
        residual = state[:, 27:28] + gain * (innovation * innovation - state[:, 27:28])
        step = innovation * scale * direction
        updated = np.concatenate([state[:, :5] + step, shrunk, state[:, 20:27], residual, state[:, 28:]], axis=1)
        self.regression = updated if self.warm else np.where(ready, updated, state)

    def _take_implied(self, squares: Floats, variance: Floats) -> None:
        sums, last, age = self.implied[:, :2], self.implied[:, 2], self.implied[:, 3]
        known, silent = ~np.isnan(last), np.isnan(variance)
        sums *= 1.0 - pool.CALIBRATION_GAIN
        sums[:, 0] += np.where(known, squares, 0.0)
        sums[:, 1] += np.where(known, last, 0.0)
        last[:] = np.where(silent, np.where(age < pool.IMPLIED_BARS, last, np.nan), variance)
        age[:] = np.where(silent, age + 1.0, 0.0)

    def _forecast(self) -> None:
        """Forecast of each expert for the next bar."""
        if not self.composition:
            self.forecasts = self.averages
            return
        count, closes = len(self.layout.half_lives), len(pool.CLOSE_HALF_LIVES)
        forecasts = self.forecasts
        forecasts[:, :count] = self.averages
        close, wide, simple = self.calibration.T
        if self.composition & RANGED:
            forecasts[:, closes:count] *= match_ratios(close, wide)[:, None]
        if self.composition & REGRESSED:
            state = self.regression
            exponent = state[:, 0] + np.einsum("ij,ij->i", state[:, 1:5], state[:, 20:24])
            exponent += state[:, 28] + 0.5 * state[:, 27]
            ready = True if self.warm else self.seen[:, 0] >= pool.WARM_UP_BARS
            expected = match_ratios(close, simple) * np.exp(np.where(ready, exponent, 0.0))
            forecasts[:, count] = np.where(ready, expected, close)
        if self.composition & IMPLIED:
            squares, quoted, last, _ = self.implied.T
            total = quoted + pool.IMPLIED_WEIGHT * close
            prior = pool.IMPLIED_WEIGHT * pool.IMPLIED_RATIO * close
            ratio = np.full(close.shape, pool.IMPLIED_RATIO)
            np.divide(squares + prior, total, out=ratio, where=total > 0.0)
            forecasts[:, -1] = np.where(np.isnan(last), close, last * ratio)
