"""The recursions run over whole histories at once, many markets side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.core.explain import Floats
from services.volatility import calibration, change, error_band, hour_of_day, jumps, regime, tails
from services.volatility.bars import BarClock, Integers
from services.volatility.close_match import advance_match, match_ratio
from services.volatility.diagnosis import HEALTHY, Diagnosis
from services.volatility.drivers import NO_DRIVERS, DriverEffect
from services.volatility.estimators.adaptive import Adaptive, PoolPaths
from services.volatility.estimators.har import Har
from services.volatility.estimators.interface import Memory
from services.volatility.estimators.realized import Realized
from services.volatility.estimators.stochastic import Stochastic
from services.volatility.history import History, panel_of
from services.volatility.long_run import long_run_path
from services.volatility.moves import Moves
from services.volatility.realized_measures import credible
from services.volatility.registry import Estimator
from services.volatility.spikes import SPIKE_SIGMAS, takes_back


@dataclass(frozen=True, slots=True)
class Filtered:
    """Figures of one market after each of its k used returns.

    Parameters
    ----------
    variance, long_run : (k,) arrays
        [variance per bar]
    half_life : (k,) array
        Effective half-life [bars].
    calibration : (k,) array
        k, whether it will be applied or not.
    standardized : (k,) array
        z = r / σ of the forecast before the bar; NaN where that is undefined.
    elapsed : (k,) array
        Bars that the estimates stand for.
    diagnosis : Diagnosis, optional
        Memories after the last bar, where they were asked for.
    drivers : DriverEffect
        What exogenous drivers do to the last variance.
    """

    variance: Floats
    long_run: Floats
    half_life: Floats
    calibration: Floats
    standardized: Floats
    elapsed: Integers
    diagnosis: Diagnosis | None
    drivers: DriverEffect = NO_DRIVERS


def filter_histories(
    histories: Sequence[History], clock: BarClock, estimator: Estimator, *, diagnose: bool
) -> list[Filtered]:
    """Run estimator, long-run variance and calibration over histories with at least one used return each.

    Parameters
    ----------
    diagnose : bool
        Run the watchers too: as much work again.

    Notes
    -----
    A return over s bars is s bars of return r/√s: ``E ← λ^s E + (1 − λ^s) r²/s`` exactly. Row by row the same numbers
    as each history alone: the recursions run along rows and never across them.
    """
    moves = panel_of(histories)
    paths = _paths(estimator, moves)
    variance, half_life = paths.variance, paths.half_life
    long_run = long_run_path(moves.log_return * moves.log_return)
    elapsed = [np.cumsum(history.spans) for history in histories]
    first = estimator.variance(estimator.start())
    before = _side_by_side([_before(*pair, first) for pair in zip(variance, elapsed, strict=True)])
    panel = _Panel(histories, clock, before)
    factors = calibration.path(np.expm1(panel.returns) / panel.scale)
    diagnoses: list[Diagnosis | None] = [None] * len(histories)
    if diagnose:
        anchors = _side_by_side([_before(*pair, math.nan) for pair in zip(long_run, elapsed, strict=True)])
        diagnoses = panel.diagnoses(factors, anchors)
    found = []
    for row, history in enumerate(histories):
        bars, last = history.spans.size, elapsed[row] - 1
        found.append(
            Filtered(
                variance[row, last],
                long_run[row, last],
                np.broadcast_to(half_life, variance.shape)[row, last],
                factors[row, :bars],
                panel.standardized[row, :bars],
                elapsed[row],
                diagnoses[row],
                paths.effect(row, int(last[-1])),
            )
        )
    return found


class _Panel:
    """Used returns of many markets side by side with what was expected of them; padded with NaN at the end."""

    def __init__(self, histories: Sequence[History], clock: BarClock, before: Floats) -> None:
        self.histories, self.clock, self.before = histories, clock, np.where(before > 0.0, before, np.nan)
        self.returns = _side_by_side([history.returns for history in histories])
        self.spans = _side_by_side([history.spans.astype(float) for history in histories])
        self.moves = self.returns / np.sqrt(self.spans)
        self.close_at = _side_by_side([history.close_at for history in histories])
        self.ratios = np.where(self.spans == 1.0, self.returns * self.returns / self.before, np.nan)
        self.rhythm = np.ones(self.returns.shape)
        if clock.rhythmic:
            known = np.where(np.isnan(self.close_at), 0.0, self.close_at)
            rhythm = hour_of_day.factor_path(known, clock.bar_seconds, self.ratios)
            self.rhythm = np.where(self.spans == 1.0, rhythm, 1.0)
        self.scale = np.sqrt(self.spans * self.rhythm * self.before)
        self.standardized = self.returns / self.scale

    def diagnoses(self, factors: Floats, long_run: Floats) -> list[Diagnosis | None]:
        """Memories after the last bar of each market."""
        anchor = np.sqrt(np.where(long_run > 0.0, long_run, np.nan))
        trusted = np.concatenate([np.ones((len(factors), 1)), factors[:, :-1]], axis=1)
        calibrated = self.standardized / trusted
        seconds, known = self.clock.bar_seconds, np.where(np.isnan(self.close_at), 0.0, self.close_at)
        hours = hour_of_day.last(known, seconds, self.ratios) if self.clock.rhythmic else None
        columns = (
            tails.last(calibrated),
            regime.last(self.moves / anchor),
            jumps.last(self.moves / np.sqrt(self.rhythm), jumps.jump_test(seconds)),
            change.last(calibrated),
        )
        forecasts = trusted * trusted * self.rhythm * self.before
        found: list[Diagnosis | None] = []
        for row, history in enumerate(self.histories):
            band, match = _band(history, forecasts[row, : history.spans.size])
            tail, state, jump, level = (tuple(column[row].tolist()) for column in columns)
            rhythm = hour_of_day.START if hours is None else tuple(hours[row].tolist())
            found.append(Diagnosis(tail, band, match, rhythm, state, jump, level))
        return found


def _before(path: Floats, elapsed: Integers, first: float) -> Floats:
    """Figure of a path before each used return; `first` before any."""
    return np.concatenate([[first], path[elapsed[:-1] - 1]])


def _paths(estimator: Estimator, moves: Moves) -> PoolPaths:
    """Variance and effective half-life after each move, and what drivers do to it."""
    if isinstance(estimator, Adaptive):
        return estimator.run(moves)
    if isinstance(estimator, Har | Realized | Stochastic):
        return PoolPaths(*estimator.paths(moves))
    half_life = np.array(estimator.effective_half_life(estimator.start()))
    return PoolPaths(estimator.variance_path(moves), half_life)


def _side_by_side(rows: Sequence[Floats]) -> Floats:
    padded = np.full((len(rows), max(row.size for row in rows)), np.nan)
    for target, row in zip(padded, rows, strict=True):
        target[: row.size] = row
    return padded


def _band(history: History, forecasts: Floats) -> tuple[Memory, Memory]:
    """Error band and range match after the last bar; bar by bar, since their steps depend on each other."""
    ranges = _range_variances(history)
    memory, seen, returned, measured = error_band.START, 0.0, np.nan, np.nan
    if ranges is None:
        return memory, HEALTHY.match
    squares = (history.returns * history.returns / history.spans).tolist()
    for square, value, forecast in zip(squares, ranges.tolist(), forecasts.tolist(), strict=True):
        if value != value:
            continue
        if forecast > 0.0 and seen:
            memory = error_band.advance(memory, match_ratio(returned, measured) * value / forecast)
        returned, measured = advance_match(returned, measured, square, value, seen)
        seen += 1.0
    return memory, (seen, returned, measured)


def _range_variances(history: History) -> Floats | None:
    """`state.range_variance` of each used bar; None where no bar has one."""
    ranges, jump = np.full(history.spans.size, np.nan), np.zeros(history.spans.size)
    if history.candles is None and history.realized_variance is None:
        return None
    if history.candles is not None:
        overnight, high, low, body = history.candles
        width, jump = high - low, np.where(np.isnan(high), 0.0, overnight * overnight)
        ranges = jump + np.maximum(0.5 * width * width - _BODY_WEIGHT * body * body, 0.0)
    if history.realized_variance is not None:
        realized = history.realized_variance + jump
        ranges = np.where(credible(realized, history.returns * history.returns), realized, ranges)
    return ranges


_BODY_WEIGHT = 2.0 * np.log(2.0) - 1.0


def needs_feed(history: History, filtered: Filtered) -> bool:
    """Whether a bar may have to be held back or undone, which only the bar-by-bar feed can do."""
    if history.suspicious:
        return True
    jumps = np.flatnonzero(np.abs(filtered.standardized[calibration.WARM_UP_RETURNS :]) > SPIKE_SIGMAS)
    if not jumps.size:
        return False
    places = np.flatnonzero(history.used)[jumps + calibration.WARM_UP_RETURNS]
    returns = history.log_returns
    return any(
        takes_back(float(returns[place + 1]), float(returns[place])) for place in places if place + 1 < returns.size
    )
