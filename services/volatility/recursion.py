"""The recursions run over whole histories at once, many markets side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.core.explain import Floats
from services.volatility import calibration, error_band, tails
from services.volatility.bars import Integers
from services.volatility.close_match import advance_match, match_ratio
from services.volatility.estimators.adaptive import Adaptive
from services.volatility.estimators.interface import Memory
from services.volatility.history import History, panel_of
from services.volatility.long_run import long_run_path
from services.volatility.moves import Moves
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
    tail, band : tuples of float
        Memories after the last bar.
    """

    variance: Floats
    long_run: Floats
    half_life: Floats
    calibration: Floats
    standardized: Floats
    elapsed: Integers
    tail: Memory
    band: Memory


def filter_histories(histories: Sequence[History], estimator: Estimator) -> list[Filtered]:
    """Run estimator, long-run variance, calibration and tails over histories with at least one used return each.

    Notes
    -----
    A return over s bars is s bars of return r/√s: ``E ← λ^s E + (1 − λ^s) r²/s`` exactly. Row by row the same numbers
    as each history alone: the recursions run along rows and never across them.
    """
    moves = panel_of(histories)
    variance, half_life = _paths(estimator, moves)
    long_run = long_run_path(moves.log_return * moves.log_return)
    elapsed = [np.cumsum(history.spans) for history in histories]
    before = [
        np.concatenate([[np.nan], row[seen[:-1] - 1]]) for row, seen in zip(variance, elapsed, strict=True)
    ]  # fmt: skip
    scale = [_scale(row, history) for row, history in zip(before, histories, strict=True)]
    standardized = [history.returns / row for history, row in zip(histories, scale, strict=True)]
    simple = [np.expm1(history.returns) / row for history, row in zip(histories, scale, strict=True)]
    factors = calibration.path(_side_by_side(simple))
    trusted = np.concatenate([np.ones((len(factors), 1)), factors[:, :-1]], axis=1)
    memories = tails.last(_side_by_side(standardized) / trusted)
    found = []
    for row, history in enumerate(histories):
        bars, last = history.spans.size, elapsed[row] - 1
        forecasts = trusted[row, :bars] ** 2 * before[row]
        found.append(
            Filtered(
                variance[row, last],
                long_run[row, last],
                np.broadcast_to(half_life, variance.shape)[row, last],
                factors[row, :bars],
                standardized[row],
                elapsed[row],
                tuple(memories[row].tolist()),
                _band(history, forecasts),
            )
        )
    return found


def _paths(estimator: Estimator, moves: Moves) -> tuple[Floats, Floats]:
    """Variance and effective half-life after each move."""
    if isinstance(estimator, Adaptive):
        return estimator.paths(moves)
    half_life = np.array(estimator.effective_half_life(estimator.start()))
    return estimator.variance_path(moves), half_life


def _scale(before: Floats, history: History) -> Floats:
    """Expected size of each return; NaN where nothing is expected."""
    return np.sqrt(history.spans * np.where(before > 0.0, before, np.nan))


def _side_by_side(rows: Sequence[Floats]) -> Floats:
    padded = np.full((len(rows), max(row.size for row in rows)), np.nan)
    for target, row in zip(padded, rows, strict=True):
        target[: row.size] = row
    return padded


def _band(history: History, forecasts: Floats) -> Memory:
    """Error band after the last bar; bar by bar, since its steps depend on each other."""
    ranges = _range_variances(history)
    memory, seen, returned, measured = error_band.START, 0.0, np.nan, np.nan
    if ranges is None:
        return memory
    squares = (history.returns * history.returns / history.spans).tolist()
    for square, value, forecast in zip(squares, ranges.tolist(), forecasts.tolist(), strict=True):
        if value != value:
            continue
        if forecast > 0.0 and seen:
            memory = error_band.advance(memory, match_ratio(returned, measured) * value / forecast)
        returned, measured = advance_match(returned, measured, square, value, seen)
        seen += 1.0
    return memory


def _range_variances(history: History) -> Floats | None:
    """`state.range_variance` of each used bar; None where no bar has one."""
    ranges: Floats | None = None
    if history.candles is not None:
        overnight, high, low, body = history.candles
        width = high - low
        ranges = overnight * overnight + np.maximum(0.5 * width * width - _BODY_WEIGHT * body * body, 0.0)
    if history.realized_variance is not None:
        known = history.realized_variance
        ranges = known if ranges is None else np.where(np.isnan(known), ranges, known)
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
