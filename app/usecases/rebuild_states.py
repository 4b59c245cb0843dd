"""Volatility states made anew from the recorded observations: after a cache was flushed, evicted or ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

import orjson
from pydantic import ValidationError

from app.ports import (
    AuditDamaged,
    AuditLog,
    EntrySummary,
    EventKind,
    FedState,
    StateChange,
    StateDamaged,
    StateKey,
    StateUnavailable,
    StoredEntry,
    VolatilityStore,
)
from app.translate.snapshot import CLOCK_SKEW
from app.usecases.log_tail import get_kept
from app.usecases.observe_prices import MAX_ATTEMPTS, Rules, group
from app.usecases.read_volatility import RESET, parse_reset
from models.api.observation import ObservationsRequest
from services.core.errors import InvalidInput
from services.engine.policy import DEFAULTS_VERSION, default_policy
from services.volatility.codec import head_bytes
from services.volatility.outcome import PointOutcome
from services.volatility.registry import Estimator, estimator_of
from services.volatility.replay import observe

PAGE = 200
"""Entries whose summaries are read at once."""
BYTES_PER_SECOND = 1.5e6
"""Speed of a rebuild: 1.1e6 where each entry holds one bar, 2.0e6 where it holds thousands with all their columns."""


class Progress(NamedTuple):
    """How far a log was read: entries of observations, their bars, and bytes of theirs, of how many."""

    entries: int
    bars: int
    bytes: int
    total_bytes: int

    @property
    def expected_seconds(self) -> float:
        """Time that the rest takes, by the speed of other machines."""
        return max(self.total_bytes - self.bytes, 0) / BYTES_PER_SECOND


Advance = Callable[[Progress], object]


class Found(StrEnum):
    """How a state of the log compares with the one in the store; `FOUND_TEXT` explains each."""

    MISSING = "missing"
    SHORTER = "shorter"
    DAMAGED = "damaged"
    SAME = "same"
    DIFFERENT = "different"


FOUND_TEXT: dict[Found, str] = {
    Found.MISSING: "was not there",
    Found.SHORTER: "was begun later than the log says",
    Found.DAMAGED: "could not be read",
    Found.SAME: "was the same already",
    Found.DIFFERENT: "differs from the log",
}


REPLACED = (Found.MISSING, Found.SHORTER, Found.DAMAGED)
"""What is replaced without `force`."""


@dataclass(frozen=True, slots=True)
class RebuiltState:
    """One state of the log: what was found in its place, what it is now, and whether it was written."""

    key: StateKey
    fed: FedState
    found: Found
    written: bool


@dataclass(slots=True)
class Rebuild:
    """What a reading of the log came to."""

    entries: int = 0
    points: int = 0
    unreadable: dict[int, str] = field(default_factory=dict)
    states: list[RebuiltState] = field(default_factory=list)


async def rebuild_states(
    audit: AuditLog,
    store: VolatilityStore,
    *,
    tenants: Collection[str],
    symbols: Collection[str] = (),
    force: bool = False,
    dry_run: bool = False,
    advance: Advance = lambda progress: None,
) -> Rebuild:
    """Run all recorded observations again, in the order of the log, and store the states that were lost.

    Parameters
    ----------
    tenants : collection of str
        Whose observations.
    symbols : collection of str
        Only these; all if empty.
    force : bool
        Also replace states that differ from the log, and not only those that are missing, damaged or begun later than
        the log says.
    advance : callable
        Told how far the log was read: before its first entry, and after each.

    Notes
    -----
    Safe beside running services: a state is written only over the one that it was compared with, and bars that this one
    knows and the log does not (yet) are merged. An entry that cannot be read is named, and the others count.

    Raises
    ------
    AuditUnavailable, StateUnavailable
        If a store does not answer; what was written until then is right, and running it again goes on.
    """
    log = _Log(audit, sorted(tenants), frozenset(symbols), advance)
    settled: dict[StateKey, RebuiltState] = {}
    for _ in range(MAX_ATTEMPTS):
        await log.read()
        waiting = [(key, fed) for key, fed in log.states.items() if key not in settled]
        for place in range(0, len(waiting), PAGE):
            part = dict(waiting[place : place + PAGE])
            for state in await _write(store, part, force=force, dry_run=dry_run):
                settled[state.key] = state
        if settled.keys() >= log.states.keys():
            log.report.states = [settled[key] for key in sorted(settled)]
            return log.report
    raise StateUnavailable(f"other writers changed {min(set(log.states) - set(settled)).symbol} time and again")


async def _write(
    store: VolatilityStore, states: Mapping[StateKey, FedState], *, force: bool, dry_run: bool
) -> list[RebuiltState]:
    """Compare with the store and write; without those that somebody else changed in between."""
    present = await store.load_for_update(list(states))
    rows, changes = [], []
    for (key, fed), found in zip(states.items(), present, strict=True):
        after, kind = (fed, Found.DAMAGED) if isinstance(found, StateDamaged) else compare(fed, found)
        wanted = kind in REPLACED or (force and kind is Found.DIFFERENT)
        rows.append(RebuiltState(key, after, kind, wanted and not dry_run))
        if wanted and not dry_run:
            if isinstance(found, StateDamaged):
                await store.delete(key)
            changes.append(StateChange(key, found.state.version if isinstance(found, FedState) else None, *after))
    stored = await store.compare_and_set(changes)
    lost = {change.key for change, done in zip(changes, stored, strict=True) if not done}
    return [row for row in rows if row.key not in lost]


def compare(fed: FedState, present: FedState | None) -> tuple[FedState, Found]:
    """State of the log with the bars that the present one knows besides, and how the two compare."""
    if present is None:
        return fed, Found.MISSING
    estimator = estimator_of(fed.state.model_version)
    state, replay, _ = observe(*fed, present.replay.observed(), estimator=estimator)
    if head_bytes(replace(state, version=0)) == head_bytes(replace(present.state, version=0)):
        return present, Found.SAME
    later = FedState(replace(state, version=present.state.version + 1), replay)
    return later, Found.SHORTER if present.state.first_close_at > state.first_close_at else Found.DIFFERENT


class _Log:
    """States of the log as far as it was read."""

    def __init__(self, audit: AuditLog, tenants: Sequence[str], symbols: frozenset[str], advance: Advance) -> None:
        self.audit, self.symbols, self.advance = audit, symbols, advance
        self.states: dict[StateKey, FedState] = {}
        self.report, self.after = Rebuild(), dict.fromkeys(tenants, -1)
        self.bytes, self.total_bytes = 0, 0

    async def read(self) -> None:
        """Go on to the end of the log."""
        self.total_bytes = self.bytes + await self._rest()
        self._tell()
        async for tenant_id, summary in self._observations():
            await self._take(tenant_id, summary.index, summary.event_id)
            self.after[tenant_id] = summary.index
            self.bytes += summary.body_length
            self._tell()

    async def _observations(self) -> AsyncIterator[tuple[str, EntrySummary]]:
        """Entries not read yet, and whose they are."""
        for tenant_id, after in list(self.after.items()):
            while page := await self.audit.entries(tenant_id, after=after, limit=PAGE, kind=EventKind.OBSERVATION):
                for summary in page:
                    yield tenant_id, summary
                after = page[-1].index

    async def _rest(self) -> int:
        """Bytes of the entries not read yet: a better measure of the work than their number."""
        return sum([summary.body_length async for _, summary in self._observations()])

    def _tell(self) -> None:
        self.advance(Progress(self.report.entries, self.report.points, self.bytes, self.total_bytes))

    async def _take(self, tenant_id: str, index: int, event_id: str) -> None:
        self.report.entries += 1
        try:
            entry = await get_kept(self.audit, tenant_id, event_id)
            if entry is not None:
                await asyncio.to_thread(self._run, tenant_id, entry)
        except (AuditDamaged, InvalidInput, ValueError) as error:
            self.report.unreadable[index] = _first_line(error)

    def _run(self, tenant_id: str, entry: StoredEntry) -> None:
        """Feed the points of one entry, as of the time when they came."""
        if entry.request.startswith(RESET):
            self.states.pop(parse_reset(entry.request, tenant_id), None)
            return
        request = ObservationsRequest.model_validate(orjson.loads(entry.request))
        estimator = meant_estimator(request, entry.versions)
        # Two callers at once: the log may hold the loser's value of a bar before the winner's.
        lost = [outcome == PointOutcome.CONFLICT for outcome in orjson.loads(entry.response)["outcomes"]]
        points = [
            point
            for point, conflict in zip(request.observations, lost, strict=True)
            if not conflict and (not self.symbols or point.symbol in self.symbols)
        ]
        rules = Rules(estimator, (entry.recorded_at + CLOCK_SKEW).timestamp(), request.revise)
        self.report.points += len(points)
        for batch in group(points, estimator, tenant_id):
            state, replay, _ = batch.feed(self.states.get(batch.key), rules)
            if state.version:
                self.states[batch.key] = FedState(state, replay)


def meant_estimator(request: ObservationsRequest, versions: bytes) -> Estimator:
    """Estimator of a recorded request; one that names none means the default of the program that recorded it."""
    if "estimator" in request.model_fields_set:
        return request.estimator
    return default_policy(orjson.loads(versions).get("defaults", DEFAULTS_VERSION)).estimator


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"the request is none of this version: {error.error_count()} rules broken"
    return (str(error) or type(error).__name__).splitlines()[0]
