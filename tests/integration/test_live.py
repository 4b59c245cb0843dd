"""The live part of a process: who leads acts on every entry once, whoever loses the lease stops, and status is told."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import orjson
import pytest

from app.adapters.memory_bus import MemoryBus
from app.container import Container
from app.lifespan import open_container
from app.ports import AuditUnavailable, TailEntry
from app.settings import Settings
from app.telemetry import Telemetry
from app.usecases import live as live_module
from app.usecases.live import STATUS, Live
from models.api.published import PublishedStatus
from tests.support.audit import record

SECONDS = 20.0


class Lease:
    """A lease that the test gives and takes."""

    def __init__(self) -> None:
        self.free = self.holds = False
        self.released = 0

    async def acquire(self) -> bool:
        self.holds = self.holds or self.free
        return self.holds

    async def held(self) -> bool:
        return self.holds

    async def release(self) -> None:
        self.holds = False
        self.released += 1


class Engine:
    """A consumer that records what it is told, and fails where it is asked to."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.told: list[tuple[str, object]] = []
        self.failures = 0

    async def begin(self, size: int) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the engine cannot begin")
        self.told.append(("begin", size))

    async def saw(self, entries: Sequence[TailEntry]) -> None:
        self.told += [("saw", item.entry.index) for item in entries]

    async def sweep(self) -> None:
        self.told.append(("sweep", None))

    async def end(self) -> None:
        self.told.append(("end", None))

    async def until(self, *event: object) -> None:
        async with asyncio.timeout(SECONDS):
            while tuple(event) not in self.told:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@dataclasses.dataclass
class Stage:
    """A live part with a lease and an engine in the hands of the test."""

    container: Container
    lease: Lease
    engine: Engine
    live: Live

    async def append(self, count: int) -> None:
        for _ in range(count):
            await self.container.audit.append(record(), timeout=SECONDS)


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    for name in ("RENEW_SECONDS", "ACQUIRE_SECONDS", "STATUS_SECONDS"):
        monkeypatch.setattr(live_module, name, 0.02)
    monkeypatch.setattr(live_module, "SWEEP_SECONDS", 1e9)
    lease = Lease()
    async with open_container(Settings(data_dir=tmp_path)) as opened:
        container = dataclasses.replace(opened, lease=lease, bus=MemoryBus())
        live = Live(container, Telemetry())
        live._engine = engine = Engine(lease)
        live.start()
        yield Stage(container, lease, engine, live)
        await live.stop()
        assert engine.told == [] or engine.told[-1][0] == "end", "nothing is left under way"
        assert not lease.holds


async def status(stage: Stage) -> PublishedStatus | None:
    found = await stage.container.bus.latest(STATUS)
    return None if found is None else PublishedStatus.model_validate_json(found.data)


async def test_a_leader_is_told_each_entry_once_from_where_it_began(stage: Stage) -> None:
    await stage.append(3)
    await asyncio.sleep(0.1)
    assert stage.engine.told == [] and not stage.live.leads, "another process leads"
    stage.lease.free = True
    await stage.engine.until("begin", 3)
    assert stage.live.leads
    await stage.append(400)
    await stage.engine.until("saw", 402)
    assert stage.engine.told == [("begin", 3), *(("saw", index) for index in range(3, 403))]


async def test_whoever_loses_the_lease_stops_and_begins_anew_with_the_next(stage: Stage) -> None:
    stage.lease.free = True
    await stage.engine.until("begin", 0)
    stage.lease.free = stage.lease.holds = False
    await stage.engine.until("end", None)
    assert not stage.live.leads
    await stage.append(5)
    await asyncio.sleep(0.1)
    assert stage.engine.told == [("begin", 0), ("end", None)], "entries of another's term are not acted on"
    stage.lease.free = True
    await stage.engine.until("begin", 5)


async def test_an_engine_that_fails_gives_the_lease_back_and_tries_again(stage: Stage) -> None:
    stage.engine.failures = 2
    stage.lease.free = True
    await stage.engine.until("begin", 0)
    assert stage.lease.released >= 2


async def test_a_process_without_the_engine_relays_and_never_asks_for_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_container(Settings(data_dir=tmp_path, live=False)) as opened:
        lease = Lease()
        lease.free = True
        container = dataclasses.replace(opened, lease=lease)
        live = Live(container, Telemetry())
        live.start()
        await container.audit.append(record(), timeout=SECONDS)
        async with asyncio.timeout(SECONDS):
            while await container.bus.cursor() != 0:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not lease.holds
        await live.stop()


async def test_status_says_what_does_not_work(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def until(word: str, *degraded: str) -> PublishedStatus:
        async with asyncio.timeout(SECONDS):
            while True:
                found = await status(stage)
                if found is not None and (found.status, found.degraded) == (word, list(degraded)):
                    return found
                await asyncio.sleep(0.01)

    stage.lease.free = True
    await until("ok")
    stage.live._failures_changed({("local", "pf_2"): "the policy is gone", ("local", "pf_1"): "no instrument"})
    found = await until("degraded", "live")
    assert found.detail == "no new targets of pf_1: no instrument, and 1 more"

    async def away() -> None:
        raise AuditUnavailable("the audit database cannot be reached")

    monkeypatch.setattr(stage.container.audit, "ping", away)
    found = await until("degraded", "audit", "live")
    assert "cannot be reached" in (found.detail or "")
    monkeypatch.undo()
    stage.live._failures_changed({})
    await until("ok")
    first = await stage.container.bus.latest(STATUS)
    assert first is not None
    await asyncio.sleep(0.1)
    again = await stage.container.bus.latest(STATUS)
    assert again == first, "what has not changed is not told again"
    assert orjson.loads(first.data)["detail"] is None


async def test_where_there_are_keys_the_common_channel_names_nobody(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "keys_required", lambda container: True)
    stage.lease.free = True
    stage.live._failures_changed({("one", "pf_secret"): "the policy is gone", ("two", "pf_1"): "no instrument"})
    async with asyncio.timeout(SECONDS):
        while (found := await status(stage)) is None or found.status != "degraded":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (found.degraded, found.detail) == (["live"], "no new targets of 2 portfolios")
