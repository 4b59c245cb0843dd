"""The forecast of one market as a state that is fed bar by bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.volatility.bars import MAX_MISSING_BARS, BarClock, usable_price
from services.volatility.calibration import WARM_UP_RETURNS, advance_calibration, calibration_factor
from services.volatility.forecast import RING_BARS, forecast_bars
from services.volatility.long_run import advance_long_run
from services.volatility.readout import Figures, VolatilityReadout, read_figures
from services.volatility.registry import Estimator

__all__ = ["PointOutcome", "VolatilityState", "empty_state", "forecast_bars", "readout", "update"]


class PointOutcome(StrEnum):
    """What became of one observed close; `OUTCOME_TEXT` explains each."""

    ACCEPTED = "accepted"
    GAP_FILLED = "gap_filled"
    GAP_RESET = "gap_reset"
    STALE = "stale"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    OUT_OF_ORDER = "out_of_order"
    OFF_CLOCK = "off_clock"
    INVALID_PRICE = "invalid_price"
    UNFINISHED = "unfinished"
    CALENDAR_CONFLICT = "calendar_conflict"

    @property
    def stored(self) -> bool:
        """Whether the point became part of the state."""
        return self in _STORED


_STORED = frozenset({PointOutcome.ACCEPTED, PointOutcome.GAP_FILLED, PointOutcome.GAP_RESET, PointOutcome.STALE})

OUTCOME_TEXT: dict[PointOutcome, str] = {
    PointOutcome.ACCEPTED: "The next bar; the forecast was updated.",
    PointOutcome.GAP_FILLED: "Up to 5 bars are missing before it: bridged by decay in time.",
    PointOutcome.GAP_RESET: "More than 5 bars are missing before it: the return over the gap is not used, and the "
    "volatility does not fall below its long-run value for 20 bars.",
    PointOutcome.STALE: "The close has not changed for several bars: the forecast is frozen, no zero is fed.",
    PointOutcome.DUPLICATE: "The same bar with the same close was seen before: nothing changed.",
    PointOutcome.CONFLICT: "The last bar is known with another close: nothing changed.",
    PointOutcome.OUT_OF_ORDER: "Older than the last bar: nothing changed.",
    PointOutcome.OFF_CLOCK: "Not a whole number of bars after the last close: nothing changed.",
    PointOutcome.INVALID_PRICE: "Not a finite price within 1e-18 and 1e20: nothing changed.",
    PointOutcome.UNFINISHED: "The bar closes in the future: nothing changed. close_time is when the bar closes, "
    "and only complete bars count.",
    PointOutcome.CALENDAR_CONFLICT: "The state was begun with another calendar: nothing changed. Reset it to "
    "change that.",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolatilityState:
    """Everything that the next forecast of one market depends on.

    Parameters
    ----------
    model_version : str
        `Estimator.model_version`: recursion and half-life. Prior and calibration act when the state is read.
    memory : tuple of float
        Of the estimator.
    elapsed : int
        Bars that the estimates stand for, bridged gaps included.
    long_run : float
        [variance per bar]
    calibration_sum, calibration_count
        Weighted sum of capped z², and how many z's it holds.
    observations, changes, flat, since_gap
        See `Figures`.
    last_close, last_close_at, first_close_at : float
        Last close, its time and the time of the first close [s since 1970]; NaN before the first.
    version : int
        Number of changes; 0 is the state of a market never seen.
    ring : (512,) array
        z of the last 512 bars of time, oldest first; NaN for missing and stale bars and closed hours. Read-only.
    """

    model_version: str
    clock: BarClock
    memory: tuple[float, ...]
    ring: Floats
    elapsed: int = 0
    long_run: float = 0.0
    calibration_sum: float = 0.0
    calibration_count: int = 0
    observations: int = 0
    changes: int = 0
    flat: int = 0
    since_gap: int | None = None
    last_close: float = math.nan
    last_close_at: float = math.nan
    first_close_at: float = math.nan
    version: int = 0


def empty_state(estimator: Estimator, *, bar_seconds: int, calendar: Calendar) -> VolatilityState:
    """State of a market that was never seen."""
    ring = np.full(RING_BARS, np.nan)
    ring.flags.writeable = False
    clock = BarClock(bar_seconds, calendar)
    return VolatilityState(model_version=estimator.model_version, clock=clock, memory=estimator.start(), ring=ring)


def update(
    state: VolatilityState,
    closes: Sequence[float],
    close_times: Sequence[float],
    *,
    estimator: Estimator,
    calendar: Calendar | None = None,
    now: float = math.inf,
) -> tuple[VolatilityState, list[PointOutcome]]:
    """Feed closes to a state.

    Parameters
    ----------
    closes, close_times : (n,) sequences
        Closes [quote currency] and close times [s since 1970] of complete bars, oldest first.
    estimator : Estimator
        Of the state's model version.
    calendar : Calendar, optional
        Calendar that the closes claim; another one than the state's is a conflict.
    now : float
        Bars that close later are unfinished [s since 1970].

    Returns
    -------
    (state, outcomes)
        The new state, one version later if any point was stored, and one outcome per point. A point that is not stored
        changes nothing.

    Notes
    -----
    All at once, one by one, and `forecast_bars` on the same bars agree to rounding (1e-10, tested). Cost: O(1) a bar;
    the ring is copied once a call.

    Examples
    --------
    >>> from services.volatility.estimators.ewma import Ewma
    >>> model = Ewma()
    >>> fresh = empty_state(model, bar_seconds=60, calendar=Calendar())
    >>> state, outcomes = update(fresh, [10.0, 10.1, 10.1, 9.9], [60.0, 120.0, 120.0, 60.0], estimator=model)
    >>> state.version, [outcome.value for outcome in outcomes]
    (1, ['accepted', 'accepted', 'duplicate', 'out_of_order'])
    """
    if estimator.model_version != state.model_version:
        raise ValueError(f"state of {state.model_version} cannot be fed by {estimator.model_version}")
    if calendar is not None and calendar != state.clock.calendar:
        return state, [PointOutcome.CALENDAR_CONFLICT] * len(closes)
    feed = _Feed(state, estimator)
    outcomes = [
        feed.take(float(close), float(time)) if time <= now else PointOutcome.UNFINISHED
        for close, time in zip(closes, close_times, strict=True)
    ]
    return feed.state(), outcomes


def readout(
    state: VolatilityState, calendar: Calendar | None = None, *, estimator: Estimator
) -> VolatilityReadout | Refusal:
    """Forecast of a state, or why there is none.

    Parameters
    ----------
    calendar : Calendar, optional
        Annualise by this one instead of the one that the bars were observed with.
    estimator : Estimator
        Of the state's model version; its calibration and prior are applied here.
    """
    clock = state.clock if calendar is None else BarClock(state.clock.bar_seconds, calendar)
    seen = state.elapsed > 0
    figures = Figures(
        variance=estimator.variance(state.memory, state.elapsed) if seen else math.nan,
        long_run=state.long_run if seen else math.nan,
        calibration=calibration_factor(state.calibration_sum, state.calibration_count),
        elapsed=state.elapsed,
        observations=state.observations,
        changes=state.changes,
        flat=state.flat,
        since_gap=state.since_gap,
        last_close=state.last_close,
        last_close_at=state.last_close_at,
    )
    return read_figures(figures, clock=clock, estimator=estimator, source="state")


class _Feed:
    """A state being fed: the same fields as locals that change, and the z's to append to the ring."""

    __slots__ = (
        "calibration_count", "calibration_sum", "changes", "clock", "elapsed", "estimator", "first_close_at", "flat",
        "last_close", "last_close_at", "long_run", "memory", "observations", "origin", "since_gap", "tail",
    )  # fmt: skip

    def __init__(self, state: VolatilityState, estimator: Estimator) -> None:
        self.origin, self.estimator, self.clock = state, estimator, state.clock
        self.memory, self.elapsed, self.long_run = state.memory, state.elapsed, state.long_run
        self.calibration_sum, self.calibration_count = state.calibration_sum, state.calibration_count
        self.observations, self.changes, self.flat, self.since_gap = (
            state.observations, state.changes, state.flat, state.since_gap,
        )  # fmt: skip
        self.last_close, self.last_close_at = state.last_close, state.last_close_at
        self.first_close_at = state.first_close_at
        self.tail: list[float] = []

    def take(self, close: float, close_at: float) -> PointOutcome:
        """Look at one point, store it if it is the next bar, say what became of it."""
        if not usable_price(close):
            return PointOutcome.INVALID_PRICE
        if math.isnan(self.last_close_at):
            self.first_close_at = close_at
            return self._store(close, close_at, 1, math.nan, PointOutcome.ACCEPTED)
        seconds = close_at - self.last_close_at
        if self.clock.same_bar(seconds):
            return PointOutcome.DUPLICATE if close == self.last_close else PointOutcome.CONFLICT
        if seconds < 0.0:
            return PointOutcome.OUT_OF_ORDER
        slots = self.clock.slots(seconds)
        if slots is None:
            return PointOutcome.OFF_CLOCK
        return self._next(close, close_at, slots)

    def _next(self, close: float, close_at: float, slots: int) -> PointOutcome:
        log_return = math.log(close / self.last_close)
        missing = slots - 1 if self.clock.continuous else 0
        self.flat = 0 if log_return else self.flat + 1
        if self.flat >= self.clock.stale_after:
            return self._store(close, close_at, slots, math.nan, PointOutcome.STALE)
        if missing > MAX_MISSING_BARS:
            self.since_gap = 0
            return self._store(close, close_at, slots, math.nan, PointOutcome.GAP_RESET)
        outcome = PointOutcome.GAP_FILLED if missing else PointOutcome.ACCEPTED
        return self._store(close, close_at, slots, self._learn(log_return, missing + 1), outcome)

    def _learn(self, log_return: float, bars: int) -> float:
        """Update the estimates by a return over `bars` bars; its z."""
        z = self._standardize(log_return, bars)
        if self.observations >= WARM_UP_RETURNS:
            self.calibration_sum = advance_calibration(self.calibration_sum, z)
            self.calibration_count += 1
        square = log_return * log_return / bars
        self.memory = self.estimator.advance(self.memory, square, bars)
        self.long_run = advance_long_run(self.long_run, square, bars, self.elapsed)
        self.elapsed += bars
        self.observations += 1
        self.changes += log_return != 0.0
        if self.since_gap is not None:
            self.since_gap += 1
        return z

    def _standardize(self, log_return: float, bars: int) -> float:
        if not self.elapsed:
            return math.nan
        variance = self.estimator.variance(self.memory, self.elapsed)
        return log_return / math.sqrt(bars * variance) if variance > 0.0 else math.nan

    def _store(self, close: float, close_at: float, slots: int, z: float, outcome: PointOutcome) -> PointOutcome:
        self.tail.extend([math.nan] * min(slots - 1, RING_BARS))
        self.tail.append(z)
        if len(self.tail) > 8 * RING_BARS:
            del self.tail[:-RING_BARS]
        self.last_close, self.last_close_at = close, close_at
        return outcome

    def state(self) -> VolatilityState:
        """The state after what was taken; the one before, if nothing was stored."""
        if not self.tail:
            return self.origin
        ring = np.concatenate([self.origin.ring, self.tail])[-RING_BARS:]
        ring.flags.writeable = False
        return replace(
            self.origin,
            memory=self.memory,
            ring=ring,
            elapsed=self.elapsed,
            long_run=self.long_run,
            calibration_sum=self.calibration_sum,
            calibration_count=self.calibration_count,
            observations=self.observations,
            changes=self.changes,
            flat=self.flat,
            since_gap=self.since_gap,
            last_close=self.last_close,
            last_close_at=self.last_close_at,
            first_close_at=self.first_close_at,
            version=self.origin.version + 1,
        )
