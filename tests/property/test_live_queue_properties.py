"""Work for live portfolios under every order of events: never two runs of one at once, and none forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from app.ports import AuditUnavailable, EventKind, StoredEntry, TailEntry
from app.translate.live_request import LastDecision
from app.translate.log_changes import Market, Watched
from app.usecases import live_engine
from app.usecases.live_evaluation import Evaluated, Skipped
from app.usecases.live_queue import LONGEST_PAUSE, LiveQueue

AT_ONCE = 2
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass(slots=True, eq=False)
class Timer:
    """What was asked to be called later."""

    seconds: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass(slots=True)
class Script:
    """Timers that fire when the script says so."""

    timers: list[Timer] = field(default_factory=list)

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(seconds, callback))
        return self.timers[-1]

    def fire(self) -> None:
        waiting, self.timers = self.timers, []
        for timer in waiting:
            if not timer.cancelled:
                timer.callback()


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


@dataclass(slots=True)
class Bench:
    """Work whose every run ends when the script says so."""

    inputs: Counter[str] = field(default_factory=Counter)
    seen: dict[str, int] = field(default_factory=dict)
    running: dict[str, asyncio.Future[str]] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    told: dict[str, str | None] = field(default_factory=dict)

    async def work(self, key: str) -> float | None:
        assert key not in self.running, "two runs of one key at once"
        assert len(self.running) < AT_ONCE
        self.runs[key] += 1
        read = self.inputs[key]
        self.running[key] = asyncio.get_running_loop().create_future()
        try:
            outcome = await self.running[key]
        finally:
            del self.running[key]
        if outcome == "fail":
            raise AuditUnavailable("the store is away")
        self.seen[key] = read
        return 60.0 if outcome == "again" else None

    def tell(self, key: str, failure: str | None) -> None:
        self.told[key] = failure


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.sampled_from("abc")),
        st.tuples(st.sampled_from(["done", "fail", "again"]), st.sampled_from("abc")),
        st.tuples(st.sampled_from(["settle", "fire"]), st.just("")),
    ),
    max_size=40,
)


@given(EVENTS)
@example([("want", "a"), ("settle", ""), ("want", "a"), ("done", "a")])
@example([("want", "a"), ("settle", ""), ("fail", "a"), ("want", "b"), ("fire", "")])
def test_the_last_run_of_each_began_after_its_last_want(events: list[tuple[str, str]]) -> None:
    async def scenario() -> None:
        bench, script = Bench(), Script()
        queue = LiveQueue[str](bench.work, bench.tell, at_once=AT_ONCE, later=script.later)
        wants: Counter[str] = Counter()
        for what, key in events:
            if what == "want":
                bench.inputs[key] += 1
                wants[key] += 1
                queue.want(key)
            elif what == "fire":
                script.fire()
            elif what == "settle":
                await settle()
            elif key in bench.running and not bench.running[key].done():
                bench.running[key].set_result(what)
                await settle()
        for _ in range(10):
            await settle()
            for gate in list(bench.running.values()):
                gate.set_result("done")
            script.fire()
        await settle()
        assert not bench.running
        assert bench.seen == dict(bench.inputs), "each has seen its newest inputs"
        assert not any(bench.told.values()), "what failed has succeeded since"
        await queue.stop()

    asyncio.run(scenario())


def test_of_many_wants_during_a_run_one_more_run_is_made() -> None:
    async def scenario() -> None:
        bench = Bench()
        queue = LiveQueue[str](bench.work, bench.tell, at_once=AT_ONCE)
        queue.want("a")
        await settle()
        for _ in range(100):
            queue.want("a")
        bench.running["a"].set_result("done")
        await settle()
        bench.running["a"].set_result("done")
        await settle()
        assert bench.runs["a"] == 2
        assert not queue.running("a")

    asyncio.run(scenario())


def test_failures_are_told_and_tried_again_after_longer_and_longer_pauses_and_stop_nothing_else() -> None:
    async def scenario() -> None:
        bench, script = Bench(), Script()
        queue = LiveQueue[str](bench.work, bench.tell, at_once=AT_ONCE, later=script.later)
        queue.want("a")
        pauses = []
        for _ in range(12):
            await settle()
            bench.running["a"].set_result("fail")
            await settle()
            assert bench.told["a"] == "the store is away"
            pauses.append(script.timers[-1].seconds)
            queue.want("b")
            await settle()
            bench.running["b"].set_result("done")
            script.fire()
        assert all(0.0 <= pause <= min(0.25 * 2.0**number, LONGEST_PAUSE) for number, pause in enumerate(pauses))
        assert len(set(pauses)) == len(pauses), "they are random"
        await settle()
        bench.running["a"].set_result("done")
        await settle()
        assert bench.told == {"a": None}
        await queue.stop()

    asyncio.run(scenario())


def test_stopping_ends_what_is_under_way_and_every_timer() -> None:
    async def scenario() -> None:
        bench, script = Bench(), Script()
        queue = LiveQueue[str](bench.work, bench.tell, at_once=AT_ONCE, later=script.later)
        for key in "abc":
            queue.want(key)
        await settle()
        bench.running["a"].set_result("again")
        await settle()
        await queue.stop()
        script.fire()
        await settle()
        assert not bench.running
        assert sum(bench.runs.values()) == 3
        assert bench.seen == {"a": 0}

    asyncio.run(scenario())


# The engine on a world in which everything can change at any moment, between any two reads of an evaluation.


@dataclass(slots=True)
class World:
    """What the stores hold, and what was decided on it last."""

    books: dict[str, frozenset[str]] = field(default_factory=dict)
    states: Counter[str] = field(default_factory=Counter)
    registered: set[str] = field(default_factory=set)
    decided: dict[str, dict[str, int]] = field(default_factory=dict)
    gates: dict[str, asyncio.Future[bool]] = field(default_factory=dict)
    published: dict[str, list[int]] = field(default_factory=dict)
    size: int = 0

    async def pause(self, name: str) -> None:
        self.gates[name] = asyncio.get_running_loop().create_future()
        try:
            if not await self.gates[name]:
                raise AuditUnavailable("the store is away")
        finally:
            del self.gates[name]

    async def evaluate(self, _: Any, name: str, last: Any, holds: Callable[[], bool]) -> Any:
        assert name not in self.gates, "two evaluations of one portfolio at once"
        assert holds()
        if name not in self.registered:
            return None
        book = self.books.get(name)
        if book is None:
            return Skipped((1, -1))
        await self.pause(name)
        read = {symbol: self.states[symbol] for symbol in book}
        await self.pause(name)
        self.size += 1
        self.published.setdefault(name, []).append(self.size)
        self.decided[name] = read
        watched = Watched(frozenset(Market(symbol, "", 60) for symbol in book), frozenset(), book, None)
        return Evaluated(
            versions=(1, 0), last=LastDecision(self.size, 0, None), watched=watched, renew_at=None, overtaken=False
        )

    def entry(self, kind: EventKind, name: str | None, request: Any, response: Any) -> TailEntry:
        self.size += 1
        stored = StoredEntry(
            index=self.size,
            event_id=f"ev_{self.size}",
            kind=kind,
            recorded_at=NOW,
            portfolio_id=name,
            client_reference=None,
            status=200,
            body_sha256="",
            body_length=0,
            stored_bytes=0,
            request=orjson.dumps(request),
            response=orjson.dumps(response),
            state=b"",
            versions=b"",
        )
        return TailEntry("local", stored)

    async def registered_rows(self) -> list[Any]:
        return [("local", SimpleNamespace(portfolio_id=name, version=1), None) for name in sorted(self.registered)]

    async def switches(self, tenant_id: str) -> list[Any]:
        return []

    async def latest(self, channel: Any) -> Any:
        return object()

    async def publish(self, channel: Any, *, version: int, **_: Any) -> None:
        if channel.kind == "targets":
            assert version > max(self.published.get(channel.subject, [0])), "the end comes after every state"
            self.published.setdefault(channel.subject, []).append(-version)

    def change(self, what: str, name: str, symbols: frozenset[str]) -> TailEntry | None:
        """Change the stores, then the log."""
        if what == "observe":
            (symbol, *_) = sorted(symbols) or ["x"]
            self.states[symbol] += 1
            state = {"symbol": symbol, "interval": "PT1M"}
            return self.entry(EventKind.OBSERVATION, None, {}, {"states": [state], "outcomes": ["accepted"]})
        if what == "register":
            self.registered.add(name)
            return self.entry(EventKind.PORTFOLIO, name, {}, {})
        if what == "delete" and name in self.registered:
            self.registered.discard(name)
            self.books.pop(name, None)
            self.decided.pop(name, None)
            return self.entry(EventKind.PORTFOLIO, name, {}, {"deleted": True})
        if what == "snapshot" and name in self.registered:
            self.books[name] = symbols
            return self.entry(EventKind.SNAPSHOT, name, {}, {})
        return None

    def container(self) -> Any:
        box = SimpleNamespace(
            of=lambda tenant_id: box,
            portfolios=SimpleNamespace(registered=self.registered_rows),
            bus=SimpleNamespace(latest=self.latest, publish=self.publish),
            clock=SimpleNamespace(now=lambda: NOW),
            switches=SimpleNamespace(read=self.switches, staleness_seconds=1.0),
        )
        return box


@contextmanager
def fakes(evaluate: Callable[..., Any]) -> Iterator[None]:
    """The engine on evaluations of a test, and on a log without live entries."""

    async def nothing(*_: Any) -> None:
        return None

    with (
        mock.patch.object(live_engine, "evaluate_live", evaluate),
        mock.patch.object(live_engine, "recorded_decision", nothing),
    ):
        yield


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["observe", "observe", "register", "snapshot", "snapshot", "delete", "step", "step", "fail"]),
        st.sampled_from("pq"),
        st.frozensets(st.sampled_from("xyz"), max_size=3),
        st.booleans(),
    ),
    max_size=30,
)
_X, _Y = frozenset("x"), frozenset("y")


@given(CHANGES)
@example(
    # A symbol that is new in the book moves after its state was read and before anybody knows that it counts.
    [
        ("register", "p", _X, True),
        ("snapshot", "p", _X, True),
        ("step", "p", _X, True),
        ("step", "p", _X, True),
        ("snapshot", "p", _Y, True),
        ("step", "p", _X, True),
        ("observe", "p", _Y, True),
        ("step", "p", _X, True),
    ]
)
@example(  # deleted while an evaluation is under way, which is recorded after the deletion
    [("register", "p", _X, True), ("snapshot", "p", _X, True), ("step", "p", _X, True), ("delete", "p", _X, True)]
)
def test_the_last_decision_saw_the_newest_inputs(changes: list[tuple[str, str, frozenset[str], bool]]) -> None:
    async def scenario(world: World) -> None:
        script, waiting = Script(), []
        engine = live_engine.LiveEngine(world.container(), later=script.later)
        await engine.begin(0)
        for what, name, symbols, seen_at_once in changes:
            if what in ("step", "fail"):
                if name in world.gates and not world.gates[name].done():
                    world.gates[name].set_result(what == "step")
            elif (entry := world.change(what, name, symbols)) is not None:
                waiting.append(entry)
            if seen_at_once:
                await engine.saw(waiting)
                waiting = []
            await settle()
        await engine.saw(waiting)
        for _ in range(12):
            await settle()
            for gate in list(world.gates.values()):
                gate.set_result(True)
            script.fire()
        await settle()
        wanted = {name: {symbol: world.states[symbol] for symbol in book} for name, book in world.books.items()}
        assert {name: world.decided.get(name) for name in wanted} == wanted
        told = {name: versions[-1] for name, versions in world.published.items()}
        assert all(version < 0 for name, version in told.items() if name not in world.registered)
        await engine.end()

    world = World()
    with fakes(world.evaluate):
        asyncio.run(scenario(world))


def test_renewals_are_asked_for_a_moment_after_they_are_due() -> None:
    async def scenario() -> None:
        world, script = World(registered={"p"}, books={"p": frozenset("x")}), Script()
        engine = live_engine.LiveEngine(world.container(), later=script.later)

        async def due(*_: Any) -> Evaluated:
            watched = Watched(frozenset(), frozenset(), frozenset(), None)
            renew_at = NOW + timedelta(seconds=30)
            last = LastDecision(1, 0, None)
            return Evaluated(versions=(1, 0), last=last, watched=watched, renew_at=renew_at, overtaken=False)

        with fakes(due):
            await engine.begin(0)
            await settle()
            assert [timer.seconds for timer in script.timers] == [30.0 + live_engine.AFTER_DUE]
            await engine.end()
            assert script.timers[0].cancelled

    asyncio.run(scenario())
