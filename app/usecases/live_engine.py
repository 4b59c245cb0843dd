"""The live engine: every registered portfolio is evaluated whenever something that it reads has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from app.container import Container
from app.live_ports import StoredPortfolio, StoredSnapshot
from app.ports import EventKind, StateUnavailable, TailEntry
from app.translate.live_request import LastDecision
from app.translate.log_changes import Change, Watched, change_of
from app.translate.publications import PORTFOLIO_KINDS, ended_state
from app.usecases.live_evaluation import Evaluated, Skipped, evaluate_live, recorded_decision
from app.usecases.live_queue import Later, LiveQueue
from app.usecases.read_switches import next_expiry
from services.streaming.update import Channel

AT_ONCE = 2
"""Evaluations under way at the same time: while one waits for its durable write, another computes.

More make none of them faster, and let other requests wait: of 60 portfolios after one bar, four at once took as long as
two, and a read meanwhile 36 ms instead of 3 to 13.
"""
SETTLE_SECONDS = 1.0
"""Time in which a switch that lets more be done is surely in force after its entry: it is recorded first [s]."""
AFTER_DUE = 0.001
"""A moment after the time at which something becomes old: it then is [s]."""
Name = tuple[str, str]
"""Tenant and portfolio."""
Failures = Mapping[Name, str]


@dataclass(slots=True)
class _Known:
    """What the engine remembers of a portfolio between two evaluations; all of it can be read again.

    Parameters
    ----------
    last : LastDecision, optional
        Its last live entry; unknown where `certain` is False.
    watched : Watched, optional
        What the last evaluation read; None before the first one, and after one that failed.
    missed : Change
        What changed while an evaluation is under way: it may read more than `watched`, and have read it before.
    ended : int, optional
        Audit index of its deletion.
    switched_until : datetime, optional
        Until then an evaluation may still see an operator's switch as it was before.
    states_down : bool
        Whether its last evaluation failed because the store of states did not answer.
    """

    last: LastDecision | None = None
    certain: bool = False
    watched: Watched | None = None
    missed: Change = field(default_factory=Change)
    evaluated: tuple[int, int] | None = None
    ended: int | None = None
    switched_until: datetime | None = None
    states_down: bool = False


class LiveEngine:
    """`app.live_ports.LogConsumer`: acts on the entries of the log, where the lease is held.

    Parameters
    ----------
    tell : callable, optional
        Called with every portfolio whose evaluation fails, and why, whenever that changes.
    later : callable, optional
        ``loop.call_later``.

    Notes
    -----
    At most one evaluation of a portfolio is under way, and the last one began after the last change: any number of
    changes between two evaluations cost one. An evaluation reads portfolio, snapshot, instruments, policy and states
    anew, so the newest inputs win. What it goes on from (`previous`) is the last live entry of the log; the copy kept
    here is dropped as soon as a write is in doubt.
    """

    def __init__(
        self, container: Container, tell: Callable[[Failures], None] | None = None, later: Later | None = None
    ) -> None:
        self._container, self._tell = container, tell or (lambda failures: None)
        self._known: dict[Name, _Known] = {}
        self._failures: dict[Name, str] = {}
        self._queue = LiveQueue[Name](self._evaluate, self._note, at_once=AT_ONCE, later=later)
        self._holds = False

    async def begin(self, size: int) -> None:
        """Evaluate everything once: nobody knows what the holder before saw."""
        self._holds = True
        self._known.clear()
        for tenant_id, portfolio, _ in await self._container.portfolios.registered():
            self._queue.want(self._name(tenant_id, portfolio.portfolio_id))

    async def saw(self, entries: Sequence[TailEntry]) -> None:
        """Mark the portfolios that the entries concern."""
        changes: dict[str, Change] = {}
        for item in entries:
            entry = item.entry
            if entry.kind in (EventKind.PORTFOLIO, EventKind.SNAPSHOT) and entry.portfolio_id is not None:
                name = self._name(item.tenant_id, entry.portfolio_id)
                if entry.kind is EventKind.PORTFOLIO and "deleted" in orjson.loads(entry.response):
                    self._known[name].ended = entry.index
                self._queue.want(name)
            elif (change := change_of(entry)) is not None:
                changes[item.tenant_id] = changes.get(item.tenant_id, Change()) | change
        for name, known in self._known.items():
            if (found := changes.get(name[0])) is not None:
                self._changed(name, known, found)

    async def end(self) -> None:
        """Stop: another process goes on from the log."""
        self._holds = False
        await self._queue.stop()
        self._known.clear()
        if self._failures:
            self._failures.clear()
            self._tell({})

    @property
    def busy(self) -> bool:
        """Whether an evaluation is under way or waits for its turn."""
        return self._queue.busy

    async def sweep(self) -> None:
        """Evaluate what changed without an entry: the writer failed between the store and the log."""
        for tenant_id, portfolio, snapshot in await self._container.portfolios.registered():
            name = (tenant_id, portfolio.portfolio_id)
            known = self._known.get(name)
            if known is None or (known.evaluated != _versions(portfolio, snapshot) and not self._queue.running(name)):
                self._queue.want(self._name(*name))

    def _name(self, tenant_id: str, portfolio_id: str) -> Name:
        name = (tenant_id, portfolio_id)
        self._known.setdefault(name, _Known())
        return name

    def _changed(self, name: Name, known: _Known, change: Change) -> None:
        if self._queue.running(name):
            known.missed |= change
        if known.watched is not None:
            concerned = known.watched.concerned(change)
        else:
            # Prices mend no failure, but where one was taken the store of states is back; and without a snapshot there
            # is nothing to evaluate.
            back = known.states_down and bool(change.markets)
            concerned = name in self._failures and (back or bool(change.instruments or change.policies))
        if change.switches:
            # Set through another process it is seen with a delay, and let go it is recorded before it is in force.
            delay = self._container.switches.staleness_seconds + SETTLE_SECONDS
            known.switched_until = self._container.clock.now() + timedelta(seconds=delay)
        if concerned:
            self._queue.want(name)

    async def _evaluate(self, name: Name) -> float | None:
        known, container = self._known[self._name(*name)], self._container.of(name[0])
        known.missed = Change()
        if not known.certain:
            known.last, known.certain = await recorded_decision(container, name[1]), True
        ended, began = known.ended, self._container.clock.now()
        try:
            found = await evaluate_live(container, name[1], known.last, lambda: self._holds)
        except BaseException as error:
            known.certain, known.watched = False, None
            known.states_down = isinstance(error, StateUnavailable)
            raise
        known.states_down = False
        if found is None:
            await self._forget(name, known)
            return None
        if known.ended == ended:
            known.ended = None
        known.evaluated = found.versions
        runs_out = await next_expiry(self._container.switches, name[0], began)
        return self._after(name, known, found, began, runs_out)

    def _after(
        self, name: Name, known: _Known, found: Evaluated | Skipped, began: datetime, runs_out: datetime | None
    ) -> float | None:
        if isinstance(found, Skipped):
            known.watched = None
            return None
        known.last, known.watched = found.last, found.watched
        if found.overtaken or found.watched.concerned(known.missed):
            self._queue.want(name)
        if known.switched_until is not None and known.switched_until <= began:
            known.switched_until = None
        due = [moment for moment in (found.renew_at, known.switched_until, runs_out) if moment is not None]
        return (min(due) - self._container.clock.now()).total_seconds() + AFTER_DUE if due else None

    async def _forget(self, name: Name, known: _Known) -> None:
        """The portfolio is deleted: say so on its channels, after all that was said before."""
        self._known.pop(name, None)
        if known.ended is None:
            return
        # Between a last evaluation that was under way and its next one, an entry of the log lies at least: this number
        # is none of a state of these channels.
        version = max(known.ended, known.last.index + 1 if known.last is not None else 0)
        now = self._container.clock.now()
        data = ended_state(name[1], known.ended, now)
        for kind in PORTFOLIO_KINDS:
            channel = Channel(name[0], kind, name[1])
            if await self._container.bus.latest(channel) is not None:
                await self._container.bus.publish(channel, version=version, at=now, data=data, valid_until=now)

    def _note(self, name: Name, failure: str | None) -> None:
        if failure is None:
            self._failures.pop(name, None)
        else:
            self._failures[name] = failure
        self._tell(dict(self._failures))


def _versions(portfolio: StoredPortfolio, snapshot: StoredSnapshot | None) -> tuple[int, int]:
    return portfolio.version, snapshot.snapshot_seq if snapshot is not None else -1
