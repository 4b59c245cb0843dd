"""Realised variance of whole days from the bars inside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Gt, Le

from services.core.explain import Bools, Floats
from services.volatility.averages import advance_ewma, effective_size, ewma_path, gain_of
from services.volatility.moves import Move, Moves
from services.volatility.realized_measures import (
    BIPOWER_FACTOR,
    MEDIAN_FACTOR,
    MINIMUM_FACTOR,
    credible,
    median_of_three,
)  # fmt: skip

Memory = tuple[float, ...]
Measure = Literal["variance", "bipower", "med_rv", "min_rv"]

DAY_SECONDS = 86_400.0
SLACK_SECONDS = 1.0
"""A bar may close this much before or after midnight and still be the last of its day."""
WHOLE_DAY = DAY_SECONDS - 3_600.0
"""Bars that are never closer than this are of a day or more: a day less the hour that clocks jump in spring."""

_FACTORS: dict[Measure, float] = {
    "variance": 1.0, "bipower": BIPOWER_FACTOR, "med_rv": MEDIAN_FACTOR, "min_rv": MINIMUM_FACTOR,
}  # fmt: skip
_LAGS: dict[Measure, int] = {"variance": 0, "bipower": 1, "med_rv": 2, "min_rv": 1}
_DAY, _ENDED, _BARS, _TOTAL, _TERMS, _LAST, _BEFORE, _DAYS, _LEVEL, _COUNTED, _CLOSED_AT, _SHORTEST = range(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Realized:
    r"""Exponential average over completed UTC days of (measure of the day / bars of the day).

    Parameters
    ----------
    measure : {"variance", "bipower", "med_rv", "min_rv"}
        ``Σ r²``, or one of the measures without jumps of `services.volatility.realized_measures`.
    half_life_days : float
        Age at which a day weighs half as much as the newest [days]. A plain mean at first.
    calibrate : bool
        Apply the second-moment factor k of `services.volatility.calibration`. It also brings measures without jumps
        back to the variance of returns.
    prior_volatility : float, optional
        Volatility expected before any bar was seen [annual, fraction].

    Notes
    -----
    A bar that closes at 00:00 is the last of the day before; where no two closes are nearer than a day, every bar is a
    day of its own, whenever it closes. The forecast changes when a day is complete, so that the hour of the day leaves
    no trace in it; on the first day it is the measure so far. A first day that was joined late counts as a day.
    ``variance`` takes a bar's own realised variance where it has one that is not below 0.01 r². A day that is too short
    for a measure (1 bar, 2 for ``med_rv``) counts with ``variance``. Cost: O(1) a bar; memory: the open day in twelve
    floats.

    References
    ----------
    Andersen, Bollerslev, Diebold & Labys (2003), Modeling and forecasting realized volatility, Econometrica 71.
    """

    method: Literal["realized"] = "realized"
    measure: Measure = "variance"
    half_life_days: Annotated[float, Gt(0), Le(1000)] = 5.0
    calibrate: bool = True
    prior_volatility: Annotated[float, Gt(0), Le(10)] | None = None

    requires: ClassVar[frozenset[str]] = frozenset({"close"})
    revision: ClassVar[int] = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    def start(self) -> Memory:
        """Memory before the first move.

        The open day (number since 1970, whether it has ended, bars, Σ r², sum of the measure's terms, last |r| and the
        one before), then days completed before it, their average, their bars, the last close [s since 1970] and the
        shortest time between two [s], 0 while unknown.
        """
        return (0.0,) * 12

    def advance(self, memory: Memory, move: Move) -> Memory:
        """Memory after one more move."""
        day, ended = _day_of(move.close_at)
        step = move.close_at - memory[_CLOSED_AT] if memory[_BARS] else 0.0
        shortest = min(step, memory[_SHORTEST] or step) if step > SLACK_SECONDS else memory[_SHORTEST]
        daily = shortest >= WHOLE_DAY
        if memory[_BARS] and (day != memory[_DAY] or (daily and step > SLACK_SECONDS)):
            memory = self._completed(memory)
        bars, size = memory[_BARS], abs(move.log_return)
        square = size * size
        square = move.realized_variance if credible(move.realized_variance, square) else square
        terms = memory[_TERMS] + (self._term(size, memory[_LAST], memory[_BEFORE]) if bars >= self._lags else 0.0)
        open_day = (day, max(ended, float(daily)), bars + 1.0, memory[_TOTAL] + square, terms, size, memory[_LAST])
        return (*open_day, *memory[_DAYS:_CLOSED_AT], move.close_at, shortest)

    def variance(self, memory: Memory) -> float:
        """Forecast for the next bar [variance per bar]; NaN before the first."""
        if memory[_ENDED]:
            memory = self._completed(memory)
        if memory[_DAYS]:
            return memory[_LEVEL]
        return self._of_day(memory) if memory[_BARS] else math.nan

    def variance_path(self, moves: Moves) -> Floats:
        """`variance` after each move, (m, n)."""
        return self.paths(moves)[0]

    def paths(self, moves: Moves) -> tuple[Floats, Floats]:
        """`variance` and `effective_half_life` after each move, (m, n) each."""
        path, half_life = np.empty(moves.shape), np.empty(moves.shape)
        for row in range(moves.shape[0]):
            posted = None if moves.realized_variance is None else moves.realized_variance[row]
            path[row], half_life[row] = self._row(moves.log_return[row], moves.close_at[row], posted)
        return path, half_life

    def effective_half_life(self, memory: Memory) -> float:
        """`half_life_days` times the bars of an average day; half of the bars so far on the first day [bars]."""
        if not memory[_DAYS]:
            return max(memory[_BARS], 1.0) / 2.0
        return self.half_life_days * memory[_COUNTED] / memory[_DAYS]

    def effective_observations(self, memory: Memory) -> float:
        """Kish size of the weights of days times the bars of an average day."""
        if not memory[_DAYS]:
            return memory[_BARS]
        size = effective_size([gain_of(self.half_life_days)], [1.0], memory[_DAYS])
        return size * memory[_COUNTED] / memory[_DAYS]

    @property
    def _lags(self) -> int:
        return _LAGS[self.measure]

    def _term(self, size: float, last: float, before: float) -> float:
        """What one return adds to the sum of the measure."""
        if self.measure == "bipower":
            return size * last
        if self.measure == "min_rv":
            return min(size, last) ** 2
        return sorted((size, last, before))[1] ** 2 if self.measure == "med_rv" else 0.0

    def _of_day(self, memory: Memory) -> float:
        """Measure of the open day per bar."""
        bars = memory[_BARS]
        if not self._lags or bars <= self._lags:
            return memory[_TOTAL] / bars
        return _FACTORS[self.measure] * memory[_TERMS] / (bars - self._lags)

    def _completed(self, memory: Memory) -> Memory:
        """Memory with the open day counted and no day open."""
        days, level = memory[_DAYS], memory[_LEVEL]
        level = advance_ewma(level, self._of_day(memory), days, gain_of(self.half_life_days))
        return (*(0.0,) * _DAYS, days + 1.0, level, memory[_COUNTED] + memory[_BARS], *memory[_CLOSED_AT:])

    def _row(self, returns: Floats, close_at: Floats, posted: Floats | None) -> tuple[Floats, Floats]:
        size = np.abs(returns)
        squares: Floats = size * size
        if posted is not None:
            squares = np.where(credible(posted, squares), posted, squares)
        days, ended = _days_of(close_at)
        daily, later = _whole_days(close_at)
        ended, first = ended | daily, np.concatenate([[True], days[1:] != days[:-1]]) | (daily & later)
        counted = np.maximum.accumulate(np.where(first, np.arange(size.size), 0))
        bars = np.arange(1, size.size + 1) - counted
        running = _since(first, squares) / bars
        if self._lags:
            enough = bars > self._lags
            smooth = _FACTORS[self.measure] * _since(first, self._terms(size, enough))
            running = np.divide(smooth, bars - self._lags, out=running, where=enough)
        gain, completed = gain_of(self.half_life_days), np.cumsum(first) - 1
        levels = ewma_path(running[np.append(first[1:], True)], gain)
        level = np.where(completed > 0, levels[completed - 1], running)
        path = np.where(ended, level + np.maximum(gain, 1.0 / (completed + 1.0)) * (running - level), level)
        half_life = self.half_life_days * counted / np.maximum(completed, 1)
        return path, np.where(completed > 0, half_life, bars / 2.0)

    def _terms(self, size: Floats, enough: Bools) -> Floats:
        """`_term` of each bar, 0 for the first ones of a day."""
        last, before = np.roll(size, 1), np.roll(size, 2)
        if self.measure == "bipower":
            terms = size * last
        elif self.measure == "min_rv":
            terms = np.minimum(size, last) ** 2
        else:
            terms = median_of_three(size, last, before) ** 2
        return np.where(enough, terms, 0.0)


def _day_of(close_at: float) -> tuple[float, float]:
    """Number of the UTC day that a bar belongs to, and 1 when the bar ends it."""
    day = math.ceil((close_at - SLACK_SECONDS) / DAY_SECONDS) - 1
    return float(day), float(close_at >= (day + 1) * DAY_SECONDS - SLACK_SECONDS)


def _days_of(close_at: Floats) -> tuple[Floats, Bools]:
    """`_day_of` of each bar."""
    days = np.ceil((close_at - SLACK_SECONDS) / DAY_SECONDS) - 1.0
    return days, close_at >= (days + 1.0) * DAY_SECONDS - SLACK_SECONDS


def _whole_days(close_at: Floats) -> tuple[Bools, Bools]:
    """Whether no two closes so far were nearer than a day, and whether a bar closed later than the one before it.

    The bars of a bridged gap share their close.
    """
    steps = np.diff(close_at, prepend=close_at[:1])
    later: Bools = steps > SLACK_SECONDS
    shortest = np.minimum.accumulate(np.where(later, steps, np.inf))
    return (shortest >= WHOLE_DAY) & (shortest < np.inf), later


def _since(first: Bools, values: Floats) -> Floats:
    """Sum of `values` since the last place where `first` holds, that place included."""
    sums = np.empty(values.shape)
    starts = np.flatnonzero(first)
    for start, end in zip(starts, [*starts[1:], values.size], strict=True):
        np.cumsum(values[start:end], out=sums[start:end])
    return sums
