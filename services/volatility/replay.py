"""Late and corrected bars: the newest bars as they were sent, and the state before them to run them again from."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from services.core.annualization import Calendar
from services.core.explain import Floats
from services.volatility.bars import CLOCK_TOLERANCE, FIGURES, Bar
from services.volatility.codec import head_bytes, ring_bytes, state_from_bytes
from services.volatility.outcome import PointOutcome
from services.volatility.registry import Estimator, driver_names
from services.volatility.spikes import looks_like_a_split
from services.volatility.state import VolatilityState, empty_state, update
from services.volatility.usable import flaw_of

WINDOW_BARS = 64
"""A bar may come late, or be corrected, while at most this many later ones are known."""
MOST_BARS = 2 * WINDOW_BARS
_TAKEN = frozenset({PointOutcome.ACCEPTED, PointOutcome.MERGED, PointOutcome.REVISED})


class Observed(NamedTuple):
    """A bar and who sent it; `source` is empty where nobody said."""

    bar: Bar
    source: str = ""


class Verdict(NamedTuple):
    """What became of an observed bar, and particulars that the outcome alone does not tell."""

    outcome: PointOutcome
    detail: str = ""


class Checkpoint(NamedTuple):
    """A state as bytes (`services.volatility.codec`): it is stored with every update and hardly ever read."""

    head: bytes
    ring: bytes

    def state(self) -> VolatilityState:
        """The state itself."""
        return state_from_bytes(self.head, self.ring)


def checkpoint_of(state: VolatilityState) -> Checkpoint:
    """Checkpoint at a state."""
    return Checkpoint(head_bytes(state), ring_bytes(state))


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Newest bars of a market, and the state before the first of them.

    Parameters
    ----------
    checkpoint : Checkpoint
        State after all bars before `bars`: the empty one as long as `bars` holds every bar there was.
    bars : (n, 9 + K) array
        Columns as in `Bar`, its K drivers last, oldest first, one row per bar of the clock, n <= 128: all that were
        taken, also those that the state holds back (`corporate_action`): a late bar before them, or a confirmation, may
        change that.
    sources : tuple of str
        Who sent each bar.

    Notes
    -----
    The live state is always the fold of `bars` over `checkpoint`; only its `version` depends on the way there. The
    checkpoint moves 64 bars at a time, never to a jump that a bar may still take back.
    """

    checkpoint: Checkpoint
    bars: Floats
    sources: tuple[str, ...]

    def observed(self, first: int = 0) -> list[Observed]:
        """Bars from `first` on, with their sources."""
        rows, sources = self.bars[first:].tolist(), self.sources[first:]
        bars = [Bar._make((*row[: len(FIGURES)], tuple(row[len(FIGURES) :]))) for row in rows]
        return list(map(Observed, bars, sources))

    def moved(self, state: VolatilityState, bars: int) -> Replay:
        """Replay from `state`, which stands after that many of its bars."""
        return Replay(checkpoint_of(state), self.bars[bars:], self.sources[bars:]) if bars else self


class Observation(NamedTuple):
    """A state after bars were observed; `verdicts` in the order in which the bars were given."""

    state: VolatilityState
    replay: Replay
    verdicts: list[Verdict]


def begin(estimator: Estimator, *, bar_seconds: int, calendar: Calendar) -> tuple[VolatilityState, Replay]:
    """A market that was never seen."""
    state = empty_state(estimator, bar_seconds=bar_seconds, calendar=calendar)
    return state, replay_from(state)


def replay_from(state: VolatilityState) -> Replay:
    """Replay without bars: nothing before the state's last close can be merged, and no jump before it be undone."""
    return Replay(checkpoint_of(replace(state, spike=0.0)), _rows((), 0), ())


def observe(
    state: VolatilityState,
    replay: Replay,
    observed: Sequence[Observed],
    *,
    estimator: Estimator,
    calendar: Calendar | None = None,
    now: float = math.inf,
    revise: bool = False,
) -> Observation:
    """Feed bars that may come late, twice or corrected.

    Parameters
    ----------
    replay : Replay
        Of this state; `replay_from` where it was lost.
    observed : sequence of Observed
        Complete bars, in any order; of two with equal times the first counts.
    calendar : Calendar, optional
        Calendar that the bars claim; another one than the state's is a conflict.
    now : float
        Bars that close later are unfinished [s since 1970].
    revise : bool
        Whether a known bar takes the values of a different one, instead of refusing it as a conflict; what that leaves
        out stays as it is known (`revised`).

    Returns
    -------
    Observation
        The state is one version later if anything was taken, and the same object if not.

    Notes
    -----
    The state is that of the sorted unique bars, bit for bit, in whatever order and however often they come, as long as
    none comes more than 64 bars late and times are off their clock by at most a twentieth of a bar (neighbours may
    differ by a tenth). A bar that leaves a field out does not contradict one that is known with it. A bar in its turn
    costs O(1), and a second time when the checkpoint passes it; a late or corrected one runs at most 128 bars again.

    Examples
    --------
    >>> from services.volatility.estimators.ewma import Ewma
    >>> model = Ewma()
    >>> bars = [Observed(Bar(60.0 * minute, close)) for minute, close in ((1, 10.0), (3, 10.2), (2, 10.1))]
    >>> state, replay = begin(model, bar_seconds=60, calendar=Calendar())
    >>> state, replay, _ = observe(state, replay, bars[:2], estimator=model)
    >>> state, replay, verdicts = observe(state, replay, bars, estimator=model)
    >>> [verdict.outcome.value for verdict in verdicts], state.observations
    (['duplicate', 'duplicate', 'merged'], 2)
    """
    if calendar is not None and calendar != state.clock.calendar:
        return Observation(state, replay, [Verdict(PointOutcome.CALENDAR_CONFLICT)] * len(observed))
    verdicts = [Verdict(PointOutcome.UNFINISHED)] * len(observed)
    order = sorted(range(len(observed)), key=lambda place: observed[place].bar.close_at)
    order = [place for place in order if observed[place].bar.close_at <= now]
    earliest = observed[order[0]].bar.close_at if order else math.inf
    shelf = _Shelf(state, replay, earliest, drivers=driver_names(estimator), revise=revise)
    taken: dict[int, int] = {}
    for place in order:
        verdicts[place], index = shelf.take(observed[place])
        if verdicts[place].outcome in _TAKEN:
            taken[place] = index
    if not taken:
        return Observation(state, replay, verdicts)
    after, shelved, outcomes = shelf.fold(estimator)
    for place, index in taken.items():
        verdicts[place] = _final(verdicts[place], outcomes[index - len(shelf.items)])
    version = state.version + 1
    return Observation(after if after.version == version else replace(after, version=version), shelved, verdicts)


def _final(verdict: Verdict, folded: PointOutcome) -> Verdict:
    """What the fold says, where it says more than that the bar was sorted in."""
    return Verdict(folded) if verdict.outcome is PointOutcome.ACCEPTED or not folded.stored else verdict


class _Shelf:
    """Bars of a replay, with new ones sorted in between; bars must be taken in the order of time.

    `items` begins at bar `first` of the replay: unless a bar comes late, only the newest is looked at. `edge` is the
    state before `items`, None where bars lie in between. The last `new` items are new and in their turn; `disturbed`
    says whether something before them changed.
    """

    __slots__ = ("clock", "disturbed", "drivers", "edge", "first", "items", "new", "replay", "revise", "state")

    def __init__(
        self, state: VolatilityState, replay: Replay, earliest: float, *, drivers: tuple[str, ...], revise: bool
    ) -> None:
        self.state, self.replay, self.clock = state, replay, state.clock
        self.drivers, self.revise = drivers, revise
        known = len(replay.bars)
        late = known > 0 and earliest <= replay.bars[-1, 0] + CLOCK_TOLERANCE * self.clock.bar_seconds
        self.first = 0 if late else max(known - 1, 0)
        self.edge = replay.checkpoint.state() if late else None if known else state
        self.items = replay.observed(self.first)
        self.new, self.disturbed = 0, False

    def take(self, point: Observed) -> tuple[Verdict, int]:
        """Sort one more bar in; its index in `items`."""
        if flaw := flaw_of(point.bar):
            return Verdict(PointOutcome.INVALID_PRICE, flaw), -1
        index = bisect_left(self.items, point.bar.close_at, key=_close_at)
        for near in range(max(index - 1, 0), min(index + 1, len(self.items))):
            if self.clock.same_bar(point.bar.close_at - _close_at(self.items[near])):
                return self._again(near, point), near
        return self._insert(index, point), index

    def _again(self, index: int, point: Observed) -> Verdict:
        """A bar that is known."""
        known = self.items[index]
        changed = difference(known.bar, point.bar, self.drivers)
        if changed is None:
            held = index < len(self.items) - self.new and _close_at(known) > self.state.last_close_at
            return Verdict(PointOutcome.CORPORATE_ACTION if held else PointOutcome.DUPLICATE)
        detail = contradiction(changed, known, point, self.drivers)
        confirming = changed == "split" and math.isnan(known.bar.split) and self._waits(index)
        if not (self.revise or confirming):
            return Verdict(PointOutcome.CONFLICT, detail)
        if not self._open(index, len(self.items) - index - 1):
            return Verdict(PointOutcome.CONFLICT, f"{detail}; too old to be revised ({WINDOW_BARS} bars)")
        if self.revise:
            self.items[index] = point._replace(bar=revised(known.bar, point.bar))
        else:
            self.items[index] = known._replace(bar=known.bar._replace(split=point.bar.split))
        self.disturbed |= index < len(self.items) - self.new
        return Verdict(PointOutcome.REVISED, detail)

    def _waits(self, index: int) -> bool:
        """Whether a known bar looks like a split against the one before it: only then is naming one no revision."""
        bar = self.items[index].bar
        if index:
            close, volume = self.items[index - 1].bar.close, self.items[index - 1].bar.volume
        else:
            edge = self.edge if self.edge is not None else self.replay.checkpoint.state()
            close, volume = edge.last_close, edge.last_volume
        return close == close and looks_like_a_split(math.log(bar.close / close), bar.volume, volume)

    def _insert(self, index: int, point: Observed) -> Verdict:
        """A bar that is not known."""
        close_at, later = point.bar.close_at, len(self.items) - index
        before = _close_at(self.items[index - 1]) if index else self.edge.last_close_at if self.edge else math.nan
        if self.clock.same_bar(close_at - before):
            return self._at_edge(point)
        if close_at < before or (later and not self._open(index, later)):
            return Verdict(PointOutcome.OUT_OF_ORDER)
        steps = [close_at - before, _close_at(self.items[index]) - close_at if later else math.nan]
        if any(step == step and self.clock.slots(step) is None for step in steps):
            return Verdict(PointOutcome.OFF_CLOCK)
        self.items.insert(index, point)
        self.disturbed |= later > 0
        self.new += not later
        return Verdict(PointOutcome.MERGED if later else PointOutcome.ACCEPTED)

    def _at_edge(self, point: Observed) -> Verdict:
        """The last bar before the replay, of which the close alone is known."""
        assert self.edge is not None
        if point.bar.close == self.edge.last_close:
            return Verdict(PointOutcome.DUPLICATE)
        return Verdict(PointOutcome.CONFLICT, f"close is {self.edge.last_close!r}, found {point.bar.close!r}")

    def _open(self, index: int, later: int) -> bool:
        """Whether items may change at an index, `later` bars from the end."""
        complete = self.edge is not None and math.isnan(self.edge.last_close_at)
        return complete or (self.first + index > 0 and later <= WINDOW_BARS)

    def fold(self, estimator: Estimator) -> tuple[VolatilityState, Replay, list[PointOutcome]]:
        """State and replay with all items, and the outcomes of the last of them."""
        known = self.first + len(self.items) - self.new
        surplus = max(-(-(known + self.new - MOST_BARS) // WINDOW_BARS), 0) * WINDOW_BARS
        if not self.disturbed:
            fresh = self.items[len(self.items) - self.new :]
            run = _run(self.state, fresh, max(surplus - known, 0), estimator)
            if PointOutcome.NEEDS_REPLAY not in run.outcomes:
                replay = _extended(self.replay, fresh, len(self.drivers))
                if not run.stop:
                    return run.after, _advanced(replay, surplus, estimator), run.outcomes
                return run.after, replay.moved(run.middle, known + run.stop), run.outcomes
        items = self.replay.observed()[: self.first] + self.items
        run = _run(self.replay.checkpoint.state(), items, surplus, estimator)
        rows = _rows(items, len(self.drivers))
        replay = Replay(self.replay.checkpoint, rows, tuple(item.source for item in items))
        return run.after, replay.moved(run.middle, run.stop), run.outcomes


class _Run(NamedTuple):
    """A fold: the state after `stop` bars, the one after all, and the outcome of each."""

    middle: VolatilityState
    stop: int
    after: VolatilityState
    outcomes: list[PointOutcome]


def _run(start: VolatilityState, items: Sequence[Observed], stop: int, estimator: Estimator) -> _Run:
    """Fold with a halt after `stop` bars, or before them where the next bar could still undo the last."""
    bars = [item.bar for item in items]
    middle, first = update(start, bars[:stop], estimator=estimator) if stop else (start, [])
    while stop and middle.spike:
        stop -= 1
        middle, first = update(start, bars[:stop], estimator=estimator)
    after, rest = update(middle, bars[stop:], estimator=estimator)
    return _Run(middle, stop, after, first + rest)


def _advanced(replay: Replay, surplus: int, estimator: Estimator) -> Replay:
    """Replay whose checkpoint has passed `surplus` of its bars."""
    if not surplus:
        return replay
    run = _run(replay.checkpoint.state(), replay.observed()[:surplus], surplus, estimator)
    return replay.moved(run.middle, run.stop)


def _extended(replay: Replay, items: Sequence[Observed], drivers: int) -> Replay:
    """Replay with more bars at its end; an empty one does not know its drivers yet."""
    sources, rows = replay.sources + tuple(item.source for item in items), _rows(items, drivers)
    return Replay(replay.checkpoint, np.concatenate([replay.bars, rows]) if len(replay.bars) else rows, sources)


def _rows(items: Sequence[Observed], drivers: int) -> Floats:
    unknown = (math.nan,) * drivers
    rows = [(*item.bar[: len(FIGURES)], *(item.bar.drivers or unknown)) for item in items]
    return np.array(rows, dtype=float).reshape(-1, len(FIGURES) + drivers)


def _close_at(item: Observed) -> float:
    return item.bar.close_at


def revised(known: Bar, found: Bar) -> Bar:
    """A known bar with the figures and drivers that a new one gives; what that leaves out stays, and so does the time.

    Examples
    --------
    >>> revised(Bar(0.0, 10.0, open=9.0, high=11.0, low=9.0, volume=5.0), Bar(0.5, 10.5, volume=6.0))[:6]
    (0.0, 10.5, 9.0, 11.0, 9.0, 6.0)
    """
    figures = {name: value for name in FIGURES[1:] if not math.isnan(value := getattr(found, name))}
    old, new = known.drivers or found.drivers, found.drivers or known.drivers
    drivers = tuple(before if math.isnan(after) else after for before, after in zip(old, new, strict=True))
    return known._replace(**figures, drivers=drivers)


def difference(known: Bar, found: Bar, drivers: tuple[str, ...] = ()) -> str | None:
    """First field in which a bar differs from the known one of its time; what it leaves out does not differ.

    A driver is named ``drivers.`` and its name.

    Examples
    --------
    >>> difference(Bar(0.0, 10.0, volume=5.0), Bar(0.0, 10.0)), difference(Bar(0.0, 10.0), Bar(0.0, 10.0, volume=5.0))
    (None, 'volume')
    """
    names = FIGURES[1:] + tuple(f"drivers.{name}" for name in drivers if found.drivers)
    new_values = found[1 : len(FIGURES)] + found.drivers
    old_values = known[1 : len(FIGURES)] + (known.drivers or (math.nan,) * len(found.drivers))
    pairs = zip(names, old_values, new_values, strict=False)
    return next((name for name, old, new in pairs if new == new and new != old), None)


def contradiction(name: str, known: Observed, found: Observed, drivers: tuple[str, ...] = ()) -> str:
    """What is known of a bar and what was sent, with the sources where they were named.

    Examples
    --------
    >>> contradiction("close", Observed(Bar(0.0, 10.0), "a"), Observed(Bar(0.0, 10.5)))
    'close is 10.0 (from a), found 10.5'
    """
    old, new = (_figure(item.bar, name, drivers) for item in (known, found))
    was = "was not given" if math.isnan(old) else f"is {old!r}"
    return f"{name} {was}{_origin(known)}, found {new!r}{_origin(found)}"


def _figure(bar: Bar, name: str, drivers: tuple[str, ...]) -> float:
    """Field of a bar as `difference` names it."""
    if not name.startswith("drivers."):
        return float(getattr(bar, name))
    return bar.drivers[drivers.index(name.removeprefix("drivers."))] if bar.drivers else math.nan


def _origin(item: Observed) -> str:
    return f" (from {item.source})" if item.source else ""
