"""The live part on real servers that stop, hang, forget and restart, under two instances and their readers.

R7 to R11 and R17 (R16: `test_stream_end`). Readers log what they were
handed (`tests.support.witness`), callers what they were told (`tests.support.deployment`); afterwards both are compared
with the audit log. Counts are asserted: what was lost, silent, stale or refused. Times are printed beside their
promise, never asserted: the machine is shared.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest
import redis
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from app.adapters.postgres_connection import READ_SECONDS
from app.adapters.switching_bus import open_redis_bus
from services.streaming.update import Channel, Kind
from tests import servers
from tests.fault.harness import LONG, Row, sizes
from tests.support.balancer import Balancer, balancing
from tests.support.deployment import (
    BODIES,
    Called,
    Deployment,
    Load,
    deployed,
    evaluations_after,
    newest_indices,
    prepare,
    statements,
)
from tests.support.service import ServiceProcess
from tests.support.witness import AUDIT, TARGETS, Witnesses, begin, spread
from trimtab_client import AsyncTrimtab

CONVERGE_SECONDS = 60.0
"""Longest wait for readers to reach the end of the log before the test gives up; the promise is 3 s."""


@pytest.fixture(scope="module")
def deployment(
    postgres_server: servers.AnyServer, servers_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    with deployed(postgres_server, servers_directory / "live-faults", tmp_path_factory.mktemp("live")) as found:
        yield found


@dataclass(slots=True)
class Scene:
    """Everything of one test."""

    deployment: Deployment
    balancer: Balancer
    client: AsyncTrimtab
    load: Load
    witnesses: Witnesses
    first: int

    async def stored(self) -> int:
        """Evaluations that the log got since the beginning: at least those that were answered."""
        found = await evaluations_after(self.deployment, self.first)
        assert found >= sum(one.status == 200 for one in self.load.calls)
        return found

    async def converge(self, since: float, *, new: bool = True) -> float:
        """Wait until every reader stands at a decision, and the readers of the log at an entry, made after a moment."""
        floor = (await newest_indices(self.deployment))[1] + new if since else 0
        begun = time.monotonic()
        readers = self.witnesses
        await readers.until(lambda: not readers.behind(TARGETS, floor), CONVERGE_SECONDS, f"decision {floor}")
        return time.monotonic() - begun

    async def settle(self) -> None:
        """End the load, and wait until every reader stands at the end of the log."""
        await self.load.stop()
        await asyncio.sleep(0.5)
        readers = self.witnesses
        for _ in range(3):  # the last snapshot may still lead to a decision
            entry, decision = await newest_indices(self.deployment)
            await readers.until(lambda: not readers.behind(AUDIT, entry), CONVERGE_SECONDS, f"entry {entry}")  # noqa: B023
            await readers.until(lambda: not readers.behind(TARGETS, decision), CONVERGE_SECONDS, f"{decision}")  # noqa: B023
            await asyncio.sleep(0.1)

    def told_within(self, code: str, since: float) -> str:
        """How many readers were told of something, and when the last one was."""
        times = [one.told_of(code, since) for one in self.witnesses.all]
        told = [at - since for at in times if at is not None]
        return f"{code} told to {len(told)} of {len(times)}" + (f" within {max(told):.1f} s" if told else "")


def metric(service: ServiceProcess, name: str) -> int:
    """A number that an instance counts, 0 where it does not yet."""
    text = httpx.get(f"{service.url}/metrics", trust_env=False, timeout=20.0).text
    found = re.search(rf"^{re.escape(name)} (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


async def one_stream(deployment: Deployment) -> None:
    """Wait until the fault before is over: both instances pass their updates through Redis."""
    async with asyncio.timeout(CONVERGE_SECONDS):
        for service in deployment.instances:
            while not await asyncio.to_thread(metric, service, "stream_shared"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)  # as often as an instance looks


@asynccontextmanager
async def scene(
    deployment: Deployment, *, callers: int, period: float, readers: int, log_readers: int
) -> AsyncIterator[Scene]:
    """Load and readers on both instances, running."""
    async with AsyncExitStack() as stack:
        balancer = await stack.enter_async_context(balancing(deployment.ports))
        await one_stream(deployment)
        await prepare(balancer.url, deployment)
        client = await stack.enter_async_context(AsyncTrimtab(balancer.url))
        load = Load(balancer.url, deployment)
        stack.push_async_callback(load.close)
        witnesses = await begin(stack, client, {TARGETS: readers, AUDIT: log_readers})
        first, _ = await newest_indices(deployment)
        load.start(callers, period)
        yield Scene(deployment, balancer, client, load, witnesses, first)


def outcome(calls: list[Called]) -> str:
    """Statuses and codes of calls, with their numbers."""
    found = Counter(f"{one.status or 'no answer'} {one.code or ''}".strip() for one in calls)
    return ", ".join(f"{count} x {what}" for what, count in found.most_common())


def prompt(calls: list[Called]) -> list[Called]:
    """Calls without those that a read of the database let down which waited too long, for a processor as a rule."""
    return [one for one in calls if not (one.code == "audit_unavailable" and one.seconds >= READ_SECONDS)]


def answered(load: Load) -> str:
    """Calls with a decision, of all; the others were refused by name."""
    return f"{sum(one.status == 200 for one in load.calls)} of {len(load.calls)}"


def seconds(calls: list[Called]) -> list[float]:
    """How long calls took."""
    return [one.seconds for one in calls]


@pytest.mark.parametrize(
    ("size", "fault"),
    [
        pytest.param((4, 4, 2, 1), "kill", id="short-kill"),
        pytest.param((4, 4, 2, 1), "flushall", id="short-flushall"),
        *(
            pytest.param((100, 190, 10, 30), fault, id=f"long-{fault}", marks=LONG)
            for fault in ("stop", "kill", "flushall")
        ),
    ],
)
async def test_redis_goes_away_and_comes_back(
    deployment: Deployment, size: tuple[int, ...], fault: str, fault_table: Row
) -> None:
    """R7: evaluations with series never notice; states are refused by name; readers are told, converge, miss nothing
    without a word."""
    callers, readers, log_readers, away = size
    valkey = deployment.valkey
    async with scene(
        deployment, callers=callers, period=5.0 if callers > 10 else 2.0, readers=readers, log_readers=log_readers
    ) as stage:
        calm = time.time()
        await asyncio.sleep(min(away, 10))
        struck = time.time()
        if fault == "flushall":
            with redis.Redis.from_url(valkey.url) as admin:
                admin.flushall()
        else:
            await asyncio.to_thread(valkey.stop if fault == "stop" else valkey.kill)
            await asyncio.sleep(away)
            valkey.start()
        back = time.time()
        recovery = await stage.converge(back)
        await stage.witnesses.until(
            lambda: any(one.status != 503 for one in stage.load.of("state", back)), CONVERGE_SECONDS, "a state's answer"
        )
        epoch_changed = sum(
            any(seen.at > struck and seen.position.epoch != one.seen[0].position.epoch for seen in one.seen)
            for one in stage.witnesses.all
        )
        await stage.settle()
        load, everyone = stage.load, stage.witnesses
        assert everyone.faults() == []
        assert {one.status for one in prompt(load.of("series"))} == {200}, outcome(load.of("series"))
        refused = [one for one in prompt(load.of("state")) if one.status != 200]
        assert {(one.status, one.code) for one in refused} <= {(503, "vol_state_unavailable")} or fault == "flushall"
        later = load.of("state", back + 3.0)
        assert sum(one.status == 503 for one in later) <= 1 + len(later) // 10, f"states are back: {outcome(later)}"
        if fault == "flushall":
            assert everyone.lost() == 0 or epoch_changed, "what was lost was told by an epoch"
        fault_table(
            "R7",
            f"Redis {fault}" + (f" {away} s" if fault != "flushall" else ""),
            load=f"{callers} REST, {len(everyone.all)} WS, {everyone.pushes()} pushes",
            acked=answered(load),
            stored=await stage.stored(),
            lost=f"0 silent, {everyone.lost()} told",
            recovery=f"{recovery:.1f} s to a new decision everywhere",
            besides=f"{stage.told_within('degraded', struck)}; epoch changed for {epoch_changed}; "
            f"with series p50/p99/max {spread(seconds(load.of('series', calm, struck)))} ms before, "
            f"{spread(seconds(load.of('series', struck, back)))} during; "
            f"states: {outcome(load.of('state', struck, back))}",
        )


@sizes((100, 190, 10, 10), (4, 4, 2, 1))
async def test_redis_hangs(deployment: Deployment, size: tuple[int, ...], fault_table: Row) -> None:
    """R8: a suspended Redis holds nobody up: calls with series go on, those on states are refused soon."""
    callers, readers, log_readers, away = size
    async with scene(
        deployment, callers=callers, period=5.0 if callers > 10 else 2.0, readers=readers, log_readers=log_readers
    ) as stage:
        calm = time.time()
        await asyncio.sleep(min(away, 5))
        struck = time.time()
        deployment.valkey.suspend()
        try:
            await asyncio.sleep(away)
        finally:
            deployment.valkey.resume()
        back = time.time()
        recovery = await stage.converge(back)
        await stage.settle()
        load, everyone = stage.load, stage.witnesses
        assert everyone.faults() == []
        assert {one.status for one in prompt(load.of("series"))} == {200}, outcome(load.of("series"))
        refused = [one for one in prompt(load.of("state")) if one.status != 200]
        assert {(one.status, one.code) for one in refused} <= {(503, "vol_state_unavailable")}
        during = load.of("state", struck, back)
        fault_table(
            "R8",
            f"Redis SIGSTOP {away} s",
            load=f"{callers} REST, {len(everyone.all)} WS, {everyone.pushes()} pushes",
            acked=answered(load),
            stored=await stage.stored(),
            lost=f"0 silent, {everyone.lost()} told",
            recovery=f"{recovery:.1f} s to a new decision everywhere",
            besides=f"with series p50/p99/max {spread(seconds(load.of('series', calm, struck)))} ms before, "
            f"{spread(seconds(load.of('series', struck, back)))} during; states "
            f"{spread(seconds(load.of('state', calm, struck)))} before, {spread(seconds(during))} during; "
            f"states: {outcome(during)}",
        )


@sizes((10, 10, 40, 20), (2, 2, 4, 2))
async def test_messages_are_lost_between_reconnect_and_subscription(
    deployment: Deployment, size: tuple[int, ...], fault_table: Row
) -> None:
    """R9: what is published while the listening connections of the instances are down is read from the stream."""
    callers, readers, log_readers, cuts = size
    async with scene(deployment, callers=callers, period=0.25, readers=readers, log_readers=log_readers) as stage:
        waits = []
        with redis.Redis.from_url(deployment.valkey.url) as admin:
            for _ in range(cuts):
                # An instance may still be on its way back from the last cut.
                await stage.witnesses.until(lambda: len(admin.client_list("pubsub")) >= 2, CONVERGE_SECONDS, "feeds")
                assert admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub") >= 2
                entry, _ = await newest_indices(deployment)
                waits.append(
                    await stage.witnesses.until(
                        lambda: not stage.witnesses.behind(AUDIT, entry),  # noqa: B023
                        CONVERGE_SECONDS,
                        f"entry {entry}",
                    )
                )
                await asyncio.sleep(0.3)
        await stage.settle()
        load, everyone = stage.load, stage.witnesses
        assert everyone.faults() == []
        assert {one.status for one in prompt(load.of("series"))} == {200}, outcome(load.calls)
        refused = [one for one in prompt(load.of("state")) if one.status != 200]
        assert {(one.status, one.code) for one in refused} <= {(503, "vol_state_unavailable")}, outcome(load.calls)
        # A Redis that has no processor for a quarter of a second is one that does not answer, and that is told.
        degraded = {told[2] for one in everyone.all for told in one.health if told[1]}
        assert all("TimeoutError" in text for text in degraded), f"nobody was degraded by a cut: {degraded}"
        if not degraded:
            assert everyone.lost() == 0
            epochs = [{seen.position.epoch for seen in one.seen} for one in everyone.all]
            assert all(len(each) == 1 for each in epochs), "no history was lost"
        fault_table(
            "R9",
            f"messages lost across a reconnect, {cuts} times",
            load=f"{callers} REST, {len(everyone.all)} WS, {everyone.pushes()} pushes",
            acked=answered(load),
            stored=await stage.stored(),
            lost=f"{everyone.lost()}",
            recovery=f"p50/p99/max {spread(waits)} ms until all had what was written",
        )


@dataclass(slots=True)
class Loud:
    """A reader of a loud channel: when it read which state, and how it was closed."""

    period: float
    reads: list[tuple[float, float]]
    code: int | None = None

    async def follow(self, url: str, ready: asyncio.Semaphore) -> None:
        """Read, pausing after every state, and acknowledge as asked for; with an infinite period read nothing."""
        async with connect(url, compression=None, max_size=None, ping_interval=None) as socket:
            await socket.send('{"op":"subscribe","id":"s","ch":"targets:loud"}')
            while json.loads(await socket.recv()).get("id") != "s":
                pass
            ready.release()
            try:
                if self.period == float("inf"):
                    await asyncio.Event().wait()
                while True:
                    frame = json.loads(await socket.recv())
                    if frame["type"] == "update":
                        self.reads.append((time.monotonic(), frame["data"]["at"]))
                        if len(self.reads) % 16 == 0:
                            await socket.send(f'{{"op":"ack","n":{len(self.reads)}}}')
                        await asyncio.sleep(self.period)
            except ConnectionClosed:
                self.code = socket.close_code


@pytest.mark.parametrize("size", [pytest.param((10, 100, 20, 60), id="long", marks=LONG)])
async def test_slow_readers(deployment: Deployment, size: tuple[int, ...], fault_table: Row) -> None:
    """R10: of 200 states a second readers who take one a second skip what they cannot take, and hold nobody up."""
    fast, slow, deaf, span = size
    service, channel, period, rate = deployment.instances[0], Channel("local", Kind.TARGETS, "loud"), 1.0, 200.0
    readers = [Loud(0.0, []) for _ in range(fast)] + [Loud(period, []) for _ in range(slow)]
    readers += [Loud(float("inf"), []) for _ in range(deaf)]
    url, ready = f"ws://127.0.0.1:{service.port}/v1/stream", asyncio.Semaphore(0)
    tasks = [asyncio.create_task(one.follow(url, ready)) for one in readers]
    for _ in readers:
        await ready.acquire()
    process = psutil.Process(service.pid)
    before, largest, version = process.memory_info().rss, 0, int(time.time())
    async with open_redis_bus(deployment.valkey.url) as bus:
        begun = time.monotonic()
        for number in range(int(span * rate)):
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            data = b'{"at":%f,"filling":"%b"}' % (time.monotonic(), b"x" * 2000)
            await bus.publish(channel, version=version + number, at=datetime.now(UTC), data=data)
            if number % 100 == 0:
                largest = max(largest, process.memory_info().rss)
    last, ended = time.monotonic(), span * rate / (time.monotonic() - begun)
    await asyncio.sleep(2.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    quick, late = readers[:fast], readers[fast : fast + slow]
    ages = [read - at for one in quick for read, at in one.reads]
    worst = max(read - at for one in late for read, at in one.reads)
    grown = (largest - before) / 1e6
    counts = [(len(one.reads), one.code) for one in readers]
    assert all(len(one.reads) > 3 * len(late[0].reads) for one in quick), f"a fast reader is held up: {counts}"
    assert all(one.reads[-1][1] > last - 1.0 for one in quick), "a fast reader ends with the newest"
    assert worst <= 32 * period + 1.0 + span / 10, "a window of 32 states, one a second"
    assert {one.code for one in readers[: -deaf or None]} == {None}, "nobody who reads and acknowledges is cut"
    assert metric(service, 'ws_closes_total{code="4400"}') == deaf, "who never reads is cut"
    assert grown < 64
    fault_table(
        "R10",
        f"slow readers, {span} s",
        load=f"{fast} fast, {slow} at one a second, {deaf} deaf; {ended:.0f} states of 2 kB a second",
        lost="0 (absolute states; slow readers skip)",
        besides=f"fast p50/p99/max {spread(ages)} ms; slow at most {worst:.1f} s old; deaf closed with 4400; "
        f"memory {grown:+.0f} MB",
    )


@sizes((10, 500, 500, 1), (2, 10, 10, 1))
async def test_all_readers_reconnect_at_once(deployment: Deployment, size: tuple[int, ...], fault_table: Row) -> None:
    """R11: a storm of reconnects is served from the bus: nothing is lost, and the database is not asked for it."""
    callers, readers, log_readers, _ = size
    async with scene(
        deployment, callers=callers, period=5.0 if callers > 10 else 2.0, readers=readers, log_readers=log_readers
    ) as stage:
        everyone = stage.witnesses
        await stage.load.stop()
        async with statements(deployment) as sent:
            await asyncio.sleep(1.5)  # until every session of the database knows that it logs
            span, before = 4.0, sent()
            await asyncio.sleep(span)
            idle = {text: count / span for text, count in (sent() - before).items()}
            lost_since, begun, before = time.time(), time.monotonic(), sent()
            dropped = stage.balancer.drop_all()
            recovery = await everyone.until(
                lambda: all(any(at > lost_since and not bad for at, bad, _ in one.health) for one in everyone.all),
                CONVERGE_SECONDS,
                "all subscribed again",
            )
            await asyncio.sleep(1.5)
            took = time.monotonic() - begun
            asked = {text: count - took * idle.get(text, 0.0) for text, count in (sent() - before).items()}
        stage.load.start(callers, 2.0)
        await asyncio.sleep(2.0)
        await stage.settle()
        assert everyone.faults() == []
        assert everyone.lost() == 0
        assert dropped >= len(everyone.all)
        most = max(asked.values(), default=0.0)
        assert most < len(everyone.all) / 2, f"subscriptions ask the bus, not the database: {asked}"
        fault_table(
            "R11",
            f"{len(everyone.all)} connections dropped at once",
            load=f"{len(everyone.all)} WS, {everyone.pushes()} pushes",
            acked=answered(stage.load),
            stored=await stage.stored(),
            lost=f"{everyone.lost()}",
            recovery=f"{recovery:.1f} s until all had subscribed again",
            besides=f"database: {sum(asked.values()):+.0f} statements, {most:+.0f} of one kind at most, beside the "
            f"{sum(idle.values()):.1f}/s of an idle deployment; 2 streams",
        )


@sizes((100, 90, 10, 2, 2), (4, 4, 2, 1, 1))
async def test_instances_are_restarted_one_after_the_other(
    deployment: Deployment, size: tuple[int, ...], fault_table: Row
) -> None:
    """R17: behind a balancer, no call of a client that retries fails, and no push is lost."""
    callers, readers, log_readers, rounds, restarted = size
    async with scene(deployment, callers=0, period=2.0, readers=readers, log_readers=log_readers) as stage:
        everyone, ends = stage.witnesses, list[float]()
        calling = Retrying(stage.client)
        tasks = [asyncio.create_task(calling.run(number, 5.0)) for number in range(callers)]
        for _ in range(rounds):
            for service in deployment.instances[:restarted]:
                await asyncio.sleep(1.0)
                begun = time.monotonic()
                code = await asyncio.to_thread(service.stop)
                ends.append(time.monotonic() - begun)
                assert code in (0, -15)
                await asyncio.to_thread(service.start)
        back = time.time()
        recovery = await stage.converge(back)
        calling.over = True
        await asyncio.gather(*tasks)
        await stage.settle()
        assert calling.failed == []
        assert everyone.faults()[:5] == []
        assert everyone.lost() == 0
        fault_table(
            "R17",
            f"rolling restart of {restarted} of two instances, {rounds} times",
            load=f"{callers} REST with retries, {len(everyone.all)} WS, {everyone.pushes()} pushes",
            acked=calling.done,
            stored=await stage.stored(),
            lost=f"{everyone.lost()}",
            recovery=f"{recovery:.1f} s to a new decision everywhere",
            besides=f"an instance ended in {max(ends):.1f} s at most; "
            f"calls took p50/p99/max {spread(calling.seconds)} ms",
        )


class Retrying:
    """Callers that use the client as it comes, with its retries."""

    def __init__(self, client: AsyncTrimtab) -> None:
        self._client = client
        self.done, self.over = 0, False
        self.failed: list[str] = []
        self.seconds: list[float] = []

    async def run(self, number: int, period: float) -> None:
        """Call until it is over."""
        await asyncio.sleep(period * (number % 100) / 100)
        while not self.over:
            begun = time.monotonic()
            try:
                await self._client.request("POST", "/v1/evaluations", BODIES["series"], idempotency_key=None)
                self.done += 1
            except Exception as error:
                self.failed.append(repr(error)[:300])
            self.seconds.append(time.monotonic() - begun)
            await asyncio.sleep(max(0.0, begun + period - time.monotonic()))
