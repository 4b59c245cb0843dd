"""What fault tests share: a deployment on stores of its own behind wires that break, its load and its check."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.adapters.database import open_tree
from app.adapters.database_url import DatabaseUnreachable
from app.adapters.log_key import load_signer
from app.adapters.postgres_connection import READ_SECONDS
from app.ports import AuditUnavailable
from app.usecases.verify_log import verify_log
from scripts import embedded_servers
from tests.support.bodies import Body, smallest
from tests.support.clients import Crowd, audit_entries, patient, settle
from tests.support.hammer import Hammer
from tests.support.history import Attempt, History, Known, disagreements
from tests.support.postgres_proxy import PostgresProxy, proxied
from tests.support.service import ServiceProcess

LONG = pytest.mark.faults
Row = Callable[..., None]
WAIT_SECONDS = 60.0
"""Longest wait for something to happen; the promises are shorter, and what it took is printed."""
SAMPLE = 20


def sizes(long: tuple[int, ...], short: tuple[int, ...]) -> pytest.MarkDecorator:
    """Parameter `size`: the specification's figures in `make faults`, small ones in `make test`."""
    return pytest.mark.parametrize("size", [pytest.param(short, id="short"), pytest.param(long, id="long", marks=LONG)])


@dataclass(slots=True)
class Stand:
    """Instances on one PostgreSQL and one Valkey that a test may break, through wires that it may break too; or one
    instance on its own file.

    One history for all tests of a stand: after each, the whole log is compared with all that was ever told. The load
    runs in a thread: a test that waits for a server holds no client up.
    """

    database_url: str
    services: list[ServiceProcess]
    server: embedded_servers.PostgresServer | None = None
    wires: tuple[PostgresProxy, ...] = ()
    history: History = field(default_factory=History)
    runs: int = 0
    settled: int = 0

    @property
    def ports(self) -> list[int]:
        """Where they listen."""
        return [service.port for service in self.services]

    @property
    def url(self) -> str:
        """Address of the first instance."""
        return self.services[0].url

    @contextmanager
    def load(
        self,
        clients: int,
        *,
        bodies: Sequence[Body] = (smallest(),),
        timeout_ms: int | None = None,
        pause: float = 0.0,
        readers: int = 1,
        attempts: int = 1,
    ) -> Iterator[Crowd]:
        """Callers, and readers of proofs, for the length of the block; it begins once half of the callers have answers.

        `pause` is what every caller waits after an answer [s]; `attempts` is how often each calls under one key.
        """
        self.runs += 1
        crowd = Crowd(self.ports, clients, bodies, self.history, f"run{self.runs}", timeout_ms, pause, attempts)
        hammer = Hammer(self.url, self.history)

        async def work() -> None:
            await asyncio.gather(crowd.run(), hammer.run(readers))

        with ThreadPoolExecutor(1, thread_name_prefix="load") as thread:
            working = thread.submit(asyncio.run, work())
            try:
                self.acknowledged(max(clients // 2, 1))
                yield crowd
            finally:
                crowd.over = hammer.over = True
                working.result()
        assert hammer.wrong == [], hammer.wrong[:3]

    def acknowledged(self, more: int = 1) -> float:
        """Wait until so many more calls are answered [s]."""
        began, place = time.monotonic(), len(self.history.attempts)
        while more > 0:
            assert time.monotonic() - began < WAIT_SECONDS, self.history.outcomes(began)
            time.sleep(0.005)
            news = self.history.attempts[place:]
            place, more = place + len(news), more - sum(one.known is Known.OK for one in news)
        return time.monotonic() - began

    def check(self) -> Checked:
        """Repeat what is in doubt with its key, then compare the whole log with the whole history.

        Answers for the attempts since the check before.
        """
        news, self.settled = self.history.attempts[self.settled :], len(self.history.attempts)
        doubtful = asyncio.run(settle(self.ports[0], self.history))
        self.settled = len(self.history.attempts)
        entries = list(audit_entries(self.url))
        found = disagreements(self.history, entries)
        assert found == [], f"{len(found)} disagreements: {found[:3]}"
        assert self.history.unsettled == [], "what is in doubt is known after a repeat"
        wrong = asyncio.run(self._verified())
        assert wrong == [], wrong[:3]
        self._read_back()
        mine = {one.key for one in news}
        stored = sum(entry["client_reference"] in mine for entry in entries)
        return Checked(sum(one.known is Known.OK for one in news), doubtful, stored, news)

    async def _verified(self) -> list[Any]:
        until = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                async with open_tree(self.database_url) as tree:
                    return list((await verify_log(tree, [], bodies=True, advance=lambda *_: None)).findings)
            except (AuditUnavailable, DatabaseUnreachable):  # a read that waited too long for a processor
                if time.monotonic() > until:
                    raise

    def _read_back(self) -> None:
        told = self.history.of(Known.OK)
        with httpx.Client(base_url=self.url, timeout=15.0, trust_env=False) as http:
            for one in random.Random(len(told)).sample(told, min(SAMPLE, len(told))):
                path = f"/v1/evaluations/{one.evaluation_id}"
                assert patient(lambda: http.get(path)).content == one.body, one.key  # noqa: B023


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found sound: calls that were answered, keys that were in doubt at first, keys that are stored."""

    acked: int
    doubtful: int
    stored: int
    attempts: list[Attempt]

    def during(self, since: float, until: float) -> list[Attempt]:
        """Calls that were under way at some time of a span."""
        return [one for one in self.attempts if one.began < until and one.ended > since]

    def refused(self) -> list[Attempt]:
        """Calls that were told that nothing was written."""
        return [one for one in self.attempts if one.known is Known.FAIL]


@contextmanager
def embedded(data: Path) -> Iterator[Stand]:
    """One instance on its own file."""
    service = ServiceProcess(data)
    try:
        service.start()
        yield Stand(f"sqlite:///{data / 'trimtab.db'}", [service])
    finally:
        service.kill()


@contextmanager
def standing(server: embedded_servers.PostgresServer, database_url: str, redis_url: str, data: Path) -> Iterator[Stand]:
    """Two instances behind wires, which share a key of the log."""
    data.mkdir(parents=True, exist_ok=True)
    key = data / "log.key"
    load_signer(key, create=True)
    with ExitStack() as stack:
        wires = tuple(stack.enter_context(proxied(url)) for url in (database_url, redis_url))
        services = [
            ServiceProcess(data / name, wires[0].url, wires[1].url, {"TRIMTAB_LOG_KEY_FILE": str(key)})
            for name in ("one", "two")
        ]
        services[0].migrate()
        for service in services:
            stack.callback(service.kill)
            service.start()
        yield Stand(database_url, services, server, wires)


def slowest(attempts: Sequence[Attempt]) -> str:
    """Longest time of calls."""
    return f"{1e3 * max((one.seconds for one in attempts), default=0.0):.0f} ms"


def kill_rounds(stand: Stand, rounds: int, clients: int, seed: int, fault_table: Row) -> None:
    """R1: an instance is killed at a random moment and started again, round after round; then the log is checked."""
    generator, ready = random.Random(seed), []
    # More than a few in closed loops would leave a machine of two cores nothing to start an instance with.
    with stand.load(clients, pause=0.0 if clients <= 50 else 1.0):
        for turn in range(rounds):
            time.sleep(generator.uniform(0.5, 2.0))
            service = stand.services[turn % len(stand.services)]
            service.kill()
            began = time.monotonic()
            service.start()
            ready.append(time.monotonic() - began)
            stand.acknowledged(clients)
    found = stand.check()
    # A read that waits for a processor longer than the service waits for PostgreSQL is refused, on a starved machine.
    assert [one for one in found.refused() if one.seconds < READ_SECONDS] == [], f"seed {seed}"
    assert len(found.refused()) <= found.acked // 4, f"seed {seed}"
    assert found.acked >= rounds * clients, f"seed {seed}: the load was too light to show anything"
    assert found.doubtful >= rounds, f"seed {seed}: few were in flight at the kills"
    fault_table(
        "R1",
        f"kill -9, {rounds} times, {'PostgreSQL' if stand.server else 'SQLite'}",
        load=f"{clients} REST, {len(stand.services)} instances",
        acked=found.acked,
        stored=found.stored,
        recovery=f"ready again after {max(ready):.1f} s at most",
        besides=f"{found.doubtful} unanswered, settled by a repeat; seed {seed}",
    )
