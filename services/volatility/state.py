"""The forecast of one market as a state that is fed bar by bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.volatility import calibration, hour_of_day
from services.volatility.bars import BARS_AFTER_GAP, MAX_MISSING_BARS, Bar, BarClock, usable_price
from services.volatility.candles import UNGUARDED, Candle, candle_of, contradictory, guarded
from services.volatility.diagnosis import HEALTHY, Diagnosis, Watched
from services.volatility.estimators.interface import Memory
from services.volatility.long_run import advance_long_run
from services.volatility.moves import Move
from services.volatility.outcome import OUTCOME_TEXT, PointOutcome
from services.volatility.pool import RANGED
from services.volatility.readout import Figures, VolatilityReadout, read_figures
from services.volatility.realized_measures import credible
from services.volatility.registry import Estimator, driver_effect, model_version
from services.volatility.spikes import SPIKE_SIGMAS, UNDO_EVERY, looks_like_a_split, takes_back
from services.volatility.usable import flaw_of

__all__ = [
    "OUTCOME_TEXT",
    "RING_BARS",
    "PointOutcome",
    "VolatilityState",
    "empty_state",
    "readout",
    "update",
]

RING_BARS = 512
"""Standardised returns kept of each market."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolatilityState:
    """Everything that the next forecast of one market depends on.

    Parameters
    ----------
    model_version : str
        `registry.model_version`: recursion and parameters. Prior and calibration act when the state is read.
    memory, calibration, wicks : tuples of float
        Of the estimator, of `services.volatility.calibration` and of the wick guard.
    diagnosis : Diagnosis
        What watches the forecast.
    elapsed : int
        Bars that the estimates stand for, bridged gaps included.
    long_run : float
        [variance per bar]
    observations, changes, flat, since_gap
        See `Figures`.
    ring_at : float
        Close of the bar that took the newest place of the ring [s since 1970]: the last one, or where the market
        closes the one before a short bar.
    last_close, last_volume, last_close_at, first_close_at : float
        Last close, its volume, its time and the time of the first close [s since 1970]; NaN where unknown.
    spike : float
        Log return of the last bar if it jumped by more than 12 σ, else 0: the next bar may take it back.
    since_undo : int
        Bars since a jump was last undone, 64 at most; below that none is undone again.
    gap_variance : float
        Largest r² a bar over the gaps since which 20 returns have not been seen [variance per bar].
    held_at : float
        Time of a later bar that looks like a split and waits to be confirmed [s since 1970]; NaN: none.
    version : int
        Number of changes; 0 is the state of a market never seen.
    ring : (512,) array
        z of the last 512 bars of time, oldest first; NaN for missing and stale bars, closed hours, and bars whose
        forecast rested on less than 20 bars. Read-only.
    """

    model_version: str
    clock: BarClock
    memory: Memory
    ring: Floats
    calibration: Memory = calibration.start()
    wicks: Memory = UNGUARDED
    diagnosis: Diagnosis = HEALTHY
    elapsed: int = 0
    long_run: float = 0.0
    observations: int = 0
    changes: int = 0
    flat: int = 0
    since_gap: int | None = None
    last_close: float = math.nan
    last_volume: float = math.nan
    last_close_at: float = math.nan
    first_close_at: float = math.nan
    ring_at: float = math.nan
    spike: float = 0.0
    since_undo: int = UNDO_EVERY
    gap_variance: float = 0.0
    held_at: float = math.nan
    version: int = 0


def uses_ranges(state: VolatilityState) -> bool:
    """Whether the forecast draws on open, high and low (or on realised variances) of its bars.

    The pool of `adaptive` is settled by its first bar; a state begun with closes alone stays with them.
    """
    if state.model_version.startswith("adaptive."):
        return bool(state.memory[0]) and bool(int(state.memory[1]) & RANGED)
    return bool(state.diagnosis.match[0])


def empty_state(estimator: Estimator, *, bar_seconds: int, calendar: Calendar) -> VolatilityState:
    """State of a market that was never seen."""
    ring = np.full(RING_BARS, np.nan)
    ring.flags.writeable = False
    clock = BarClock(bar_seconds, calendar)
    return VolatilityState(model_version=model_version(estimator), clock=clock, memory=estimator.start(), ring=ring)


def update(
    state: VolatilityState,
    bars: Sequence[Bar],
    *,
    estimator: Estimator,
    calendar: Calendar | None = None,
    now: float = math.inf,
    roll_back: bool = True,
) -> tuple[VolatilityState, list[PointOutcome]]:
    """Feed bars to a state: a left fold, each bar in its turn.

    Parameters
    ----------
    bars : sequence of Bar
        Complete bars, oldest first.
    estimator : Estimator
        Of the state's model version.
    calendar : Calendar, optional
        Calendar that the bars claim; another one than the state's is a conflict.
    now : float
        Bars that close later are unfinished [s since 1970].
    roll_back : bool
        Undo a jump that the bar after it takes back. Where the jump came in an earlier call the state before it is not
        at hand: the bar is answered with `needs_replay` and nothing changes. False: such a bar is like any other.

    Returns
    -------
    (state, outcomes)
        The new state, one version later if anything changed, and one outcome per bar. A bar that is not stored changes
        nothing, but for `corporate_action`: the state is not sized with until that is settled.

    Notes
    -----
    All at once, one by one, and `forecast_bars` on the same bars agree to rounding (1e-10, tested). Cost: O(1) a bar;
    the ring is copied once a call.

    Examples
    --------
    >>> from services.volatility.estimators.ewma import Ewma
    >>> model = Ewma()
    >>> fresh = empty_state(model, bar_seconds=60, calendar=Calendar())
    >>> bars = [Bar(60.0, 10.0), Bar(120.0, 10.1), Bar(120.0, 10.1), Bar(60.0, 9.9)]
    >>> state, outcomes = update(fresh, bars, estimator=model)
    >>> state.version, [outcome.value for outcome in outcomes]
    (1, ['accepted', 'accepted', 'duplicate', 'out_of_order'])
    """
    if model_version(estimator) != state.model_version:
        raise ValueError(f"state of {state.model_version} cannot be fed by {model_version(estimator)}")
    if calendar is not None and calendar != state.clock.calendar:
        return state, [PointOutcome.CALENDAR_CONFLICT] * len(bars)
    feed = Feed(state, estimator, roll_back=roll_back)
    outcomes = [feed.take(bar) if bar.close_at <= now else PointOutcome.UNFINISHED for bar in bars]
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
    figures = figures_of(state, state.diagnosis, estimator=estimator)
    return read_figures(figures, clock=clock, estimator=estimator, source="state")


def figures_of(fed: VolatilityState | Feed, diagnosis: Diagnosis | None, *, estimator: Estimator) -> Figures:
    """Figures of a state, or of one that is being fed: a state copies its ring, so that bar by bar this is cheaper."""
    return Figures(
        variance=estimator.variance(fed.memory),
        long_run=fed.long_run if fed.elapsed > 0 else math.nan,
        calibration=calibration.factor(fed.calibration),
        half_life=estimator.effective_half_life(fed.memory),
        elapsed=fed.elapsed,
        observations=fed.observations,
        changes=fed.changes,
        flat=fed.flat,
        since_gap=fed.since_gap,
        gap_variance=fed.gap_variance,
        held_at=fed.held_at,
        last_close=fed.last_close,
        last_close_at=fed.last_close_at,
        diagnosis=diagnosis,
        drivers=driver_effect(estimator, fed.memory),
    )


_FED = (
    "calibration", "changes", "diagnosis", "elapsed", "first_close_at", "flat", "gap_variance", "held_at", "last_close",
    "last_close_at", "last_volume", "long_run", "memory", "observations", "ring_at", "since_gap", "since_undo", "spike",
    "wicks",
)  # fmt: skip
"""Fields of a state that a bar can change, besides ring and version."""


class Feed:
    """A state being fed: the same fields as attributes that change, and the z's to append to the ring."""

    def __init__(self, state: VolatilityState, estimator: Estimator, *, roll_back: bool = True) -> None:
        self.origin, self.estimator, self.clock = state, estimator, state.clock
        self.roll_back, self.standstill = roll_back, state.clock.standstill
        self.memory, self.elapsed, self.long_run = state.memory, state.elapsed, state.long_run
        self.calibration, self.wicks, self.diagnosis = state.calibration, state.wicks, state.diagnosis
        self.observations, self.changes = state.observations, state.changes
        self.flat, self.since_gap, self.spike = state.flat, state.since_gap, state.spike
        self.since_undo, self.gap_variance, self.held_at = state.since_undo, state.gap_variance, state.held_at
        self.last_close, self.last_volume = state.last_close, state.last_volume
        self.last_close_at, self.first_close_at = state.last_close_at, state.first_close_at
        self.ring_at, self.stored = state.ring_at, False
        self.tail: list[float] = []
        self.before_spike: tuple[tuple[object, ...], list[float]] | None = None

    def take(self, bar: Bar) -> PointOutcome:
        """Look at one bar, store it if it is the next one, say what became of it."""
        if flaw_of(bar):
            return PointOutcome.INVALID_PRICE
        if math.isnan(self.last_close_at):
            self.first_close_at, flawed = bar.close_at, contradictory(bar.open, bar.high, bar.low, bar.close)
            return self._store(bar, 1, math.nan, PointOutcome.OHLC_INCONSISTENT if flawed else PointOutcome.ACCEPTED)
        seconds = bar.close_at - self.last_close_at
        if self.clock.same_bar(seconds):
            return PointOutcome.DUPLICATE if bar.close == self.last_close else PointOutcome.CONFLICT
        if seconds < 0.0:
            return PointOutcome.OUT_OF_ORDER
        slots = self.clock.slots(seconds)
        if slots is None:
            return PointOutcome.OFF_CLOCK
        return self._next(bar, slots)

    def _next(self, bar: Bar, slots: int) -> PointOutcome:
        log_return = self._return(bar)
        if bar.split != bar.split and looks_like_a_split(log_return, bar.volume, self.last_volume):
            self.held_at = bar.close_at
            return PointOutcome.CORPORATE_ACTION
        may_undo = self.roll_back and self.since_undo >= UNDO_EVERY
        if may_undo and self.spike and takes_back(log_return, self.spike):
            if self.before_spike is None:
                return PointOutcome.NEEDS_REPLAY
            return self._undo_spike(bar)
        return self._follow(bar, slots, self._return(bar), slots - 1 if self.clock.continuous else 0)

    def _return(self, bar: Bar) -> float:
        """Log return since the last close, in old units of a split."""
        factor = bar.split if usable_price(bar.split) else 1.0
        return math.log(bar.close * factor / self.last_close)

    def _undo_spike(self, bar: Bar) -> PointOutcome:
        assert self.before_spike is not None
        values, tail = self.before_spike
        for name, value in zip(_FED, values, strict=True):
            setattr(self, name, value)
        self.tail, self.before_spike = list(tail), None
        slots = self.clock.slots(bar.close_at - self.last_close_at) or 2
        missing = slots - 1 if self.clock.continuous else 1
        outcome = self._follow(bar, slots, self._return(bar), missing)
        self.since_undo = 0
        return PointOutcome.SPIKE_REVERTED if outcome is PointOutcome.GAP_FILLED else outcome

    def _follow(self, bar: Bar, slots: int, log_return: float, missing: int) -> PointOutcome:
        """Take in a bar that spans `missing` bars more than its own."""
        moved = abs(log_return) > self.standstill
        self.flat = 0 if moved else self.flat + 1
        if self.flat >= self.clock.stale_after or (self.flat and bar.volume == 0.0):
            return self._store(bar, slots, math.nan, PointOutcome.STALE)
        if missing > MAX_MISSING_BARS:
            open_gap = self.since_gap is not None and self.since_gap < BARS_AFTER_GAP
            self.gap_variance = max(log_return * log_return / (missing + 1), self.gap_variance if open_gap else 0.0)
            self.since_gap = 0
            return self._store(bar, slots, math.nan, PointOutcome.GAP_RESET)
        if missing:
            z = self._learn(bar, log_return, missing + 1, None)
            return self._store(bar, slots, z, PointOutcome.GAP_FILLED)
        candle, outcome = self._candle(bar)
        return self._store(bar, slots, self._learn(bar, log_return, 1, candle), outcome)

    def _candle(self, bar: Bar) -> tuple[Candle | None, PointOutcome]:
        """Shape of the bar with its wicks capped, where it has one."""
        if bar.open != bar.open and bar.high != bar.high and bar.low != bar.low:
            return None, PointOutcome.ACCEPTED
        factor = bar.split if usable_price(bar.split) else 1.0
        candle = candle_of(bar.open, bar.high, bar.low, bar.close, self.last_close / factor)
        if candle is None:
            return None, PointOutcome.OHLC_INCONSISTENT
        self.wicks, candle, cut = guarded(self.wicks, candle)
        return candle, PointOutcome.WICK_CAPPED if cut else PointOutcome.ACCEPTED

    def _learn(self, bar: Bar, log_return: float, bars: int, candle: Candle | None) -> float:
        """Update the estimates by a return over `bars` bars; its z, NaN while the forecast rests on few bars."""
        variance, factor = self.estimator.variance(self.memory), calibration.factor(self.calibration)
        rhythm = 1.0
        if bars == 1 and self.clock.rhythmic:
            rhythm = hour_of_day.factor(self.diagnosis.hours, bar.close_at, self.clock.bar_seconds)
        expected = bars * rhythm * variance
        scale = math.sqrt(expected) if expected > 0.0 else math.nan
        z = log_return / scale
        jumped = abs(z) > SPIKE_SIGMAS and self.observations >= calibration.WARM_UP_RETURNS
        before = self._snapshot() if jumped else None
        self.calibration = calibration.advance(self.calibration, math.expm1(log_return) / scale)
        move = self._move(bar, log_return / math.sqrt(bars), candle, bar.realized_variance if bars == 1 else math.nan)
        square = move.log_return * move.log_return
        watched = Watched(
            calibrated=z / factor,
            scaled=move.log_return / math.sqrt(self.long_run) if self.long_run > 0.0 else math.nan,
            steady_return=move.log_return / math.sqrt(rhythm),
            ratio=square / variance if bars == 1 and variance > 0.0 else math.nan,
            square=square,
            ranges=range_variance(move),
            variance=factor * factor * rhythm * variance,
        )
        seconds = self.clock.bar_seconds
        self.diagnosis = self.diagnosis.advance(watched, bar.close_at, seconds, rhythmic=self.clock.rhythmic)
        silent = move._replace(drivers=()) if bars > 1 else move
        for left in range(bars, 0, -1):
            self.memory = self.estimator.advance(self.memory, move if left == 1 else silent)
            self.elapsed += 1
            self.long_run = advance_long_run(self.long_run, square, self.elapsed)
        self.observations += 1
        self.changes += abs(log_return) > self.standstill
        if self.since_gap is not None:
            self.since_gap += 1
        self.before_spike, self.spike = before, log_return if jumped else 0.0
        return z if self.observations > calibration.WARM_UP_RETURNS else math.nan

    def _move(self, bar: Bar, log_return: float, candle: Candle | None, realized: float) -> Move:
        implied = bar.implied_volatility * bar.implied_volatility / self.clock.periods_per_year
        shape = candle if candle is not None else (math.nan, math.nan, math.nan, math.nan)
        return Move(log_return, bar.close, bar.close_at, *shape, realized, implied, bar.drivers)

    def _snapshot(self) -> tuple[tuple[object, ...], list[float]]:
        return tuple(getattr(self, name) for name in _FED), list(self.tail)

    def _store(self, bar: Bar, slots: int, z: float, outcome: PointOutcome) -> PointOutcome:
        if z != z:
            self.before_spike, self.spike = None, 0.0
        step = self.clock.step(slots, bar.close_at - self.last_close_at, self.ring_at, bar.close_at)
        if step:
            self.tail.extend([math.nan] * min(step - 1, RING_BARS))
            self.tail.append(z)
            self.ring_at = bar.close_at
        if len(self.tail) > 8 * RING_BARS:
            del self.tail[:-RING_BARS]
        self.last_close, self.last_close_at, self.last_volume = bar.close, bar.close_at, bar.volume
        self.since_undo, self.held_at = min(self.since_undo + 1, UNDO_EVERY), math.nan
        self.stored = True
        return outcome

    def state(self) -> VolatilityState:
        """The state after what was taken; the one before, if nothing was stored."""
        held = self.held_at == self.held_at and self.held_at != self.origin.held_at
        if not self.stored and not held:
            return self.origin
        ring = np.concatenate([self.origin.ring, self.tail])[-RING_BARS:]
        ring.flags.writeable = False
        fed = {name: getattr(self, name) for name in _FED}
        return replace(self.origin, ring=ring, version=self.origin.version + 1, **fed)


def range_variance(move: Move) -> float:
    """Realised variance of a bar where it can be believed, else its Garman–Klass variance, both with the move before;
    NaN where it has neither.
    """
    jump = move.overnight * move.overnight if move.ranged else 0.0
    realized = move.realized_variance + jump
    if credible(realized, move.log_return * move.log_return):
        return realized
    if not move.ranged:
        return math.nan
    width = move.high - move.low
    inside = 0.5 * width * width - (2.0 * math.log(2.0) - 1.0) * move.body * move.body
    return jump + max(inside, 0.0)
