"""The client's stream over real sockets: a scripted service that cuts, stays silent, refuses and ends."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.support.stream_server import Connection, Frame, Published, text_of
from trimtab_client import AsyncTrimtab, Backoff, Degraded, Expired, Gap, Handlers, StreamClosed, Trimtab, Update

SOON = Backoff(first=0.01, longest=0.05)
TARGETS = "targets:a"


class Service:
    """Scripted: each connection is handled by the next of `scenes`, the last one for good."""

    def __init__(self, *scenes: Callable[[Scene], Awaitable[None]], heartbeat_ms: int = 2000) -> None:
        self.scenes = list(scenes)
        self.channels = {TARGETS: Published(TARGETS, "latest"), "audit": Published("audit", "every")}
        self.heartbeat_ms = heartbeat_ms
        self.subscriptions: list[Frame] = []
        self.headers: list[Any] = []
        self.port = 0

    async def __call__(self, socket: ServerConnection) -> None:
        scene = self.scenes.pop(0) if len(self.scenes) > 1 else self.scenes[0]
        assert socket.request is not None
        self.headers.append(socket.request.headers)
        connection = Connection(self.channels, heartbeat_ms=self.heartbeat_ms)
        here = Scene(self, socket, connection)
        try:
            await here.send(connection.hello(time.time()))
            await scene(here)
        except ConnectionClosed:
            pass

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncTrimtab]:
        async with serve(self, "127.0.0.1", 0, subprotocols=["trimtab.v1.json"]) as server:  # type: ignore[list-item]
            self.port = next(iter(server.sockets)).getsockname()[1]
            async with AsyncTrimtab(f"http://127.0.0.1:{self.port}", key="ttb_key") as client:
                yield client


class Scene:
    """One connection of the scripted service."""

    def __init__(self, service: Service, socket: ServerConnection, connection: Connection) -> None:
        self.service, self.socket, self.connection = service, socket, connection

    async def send(self, *frames: Frame) -> None:
        for frame in frames:
            await self.socket.send(json.dumps(frame))

    async def subscribed(self, channels: int = 1) -> None:
        """Answer until so many channels are subscribed."""
        while len(self.connection.sent) < channels:
            await self.answer()

    async def answer(self) -> None:
        frame = json.loads(await self.socket.recv())
        if frame["op"] == "subscribe":
            self.service.subscriptions.append(frame)
        await self.send(*self.connection.take(frame))

    async def publish(self, name: str = TARGETS, valid_for: float | None = 60.0) -> None:
        await self.send(self.connection.push(name, self.service.channels[name].publish(time.time(), valid_for)))

    async def serve_on(self) -> None:
        """Answer and beat until the client goes."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(self.service.heartbeat_ms / 1000)
                await self.send(self.connection.heartbeat(time.time()))

        beating = asyncio.create_task(beat())
        try:
            while True:
                await self.answer()
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)


async def healthy(scene: Scene) -> None:
    await scene.subscribed()
    await scene.publish()
    await scene.serve_on()


def closing(code: int, reason: str = "") -> Callable[[Scene], Awaitable[None]]:
    async def scene(here: Scene) -> None:
        await here.subscribed()
        await here.publish()
        await here.socket.close(code, reason)

    return scene


async def seqs(client: AsyncTrimtab, count: int, handlers: Handlers = Handlers()) -> list[int]:  # noqa: B008
    async with asyncio.timeout(10), client.subscribe(TARGETS, handlers=handlers, backoff=SOON) as stream:
        return [(await anext(stream)).position.seq for _ in range(count)]


@pytest.mark.parametrize("code", [1001, 1012, 4400, 4401, 4402, 4403])
async def test_it_reconnects_and_resumes_where_it_was(code: int) -> None:
    service = Service(closing(code), healthy)
    async with service.listening() as client:
        assert await seqs(client, 2) == [1, 2]
    assert [frame.get("since") for frame in service.subscriptions] == [None, {"epoch": "e1", "seq": 1}]


async def test_a_stream_that_was_set_back_is_subscribed_without_a_position() -> None:
    service = Service(closing(4404, "stream_reset"), healthy)
    async with service.listening() as client:
        await seqs(client, 2)
    assert [frame.get("since") for frame in service.subscriptions] == [None, None]


@pytest.mark.parametrize("code", [4500, 4501, 4502, 4505, 4507, 4508, 1003, 1009])
async def test_what_a_reconnection_cannot_mend_is_raised(code: int) -> None:
    service = Service(closing(code, "word and more"))
    async with service.listening() as client:
        with pytest.raises(StreamClosed, match="word and more") as caught:
            await seqs(client, 2)
    assert caught.value.code == code
    assert len(service.headers) == 1


async def test_a_connection_that_is_mute_counts_as_dead() -> None:
    """Pings of the protocol are answered all the while: they prove nothing."""

    async def mute(scene: Scene) -> None:
        await scene.subscribed()
        await scene.publish()
        await scene.socket.wait_closed()

    told: list[Degraded] = []
    service = Service(mute, healthy)
    async with service.listening() as client:
        assert await seqs(client, 2, Handlers(on_degraded=told.append)) == [1, 2]
    assert [event.degraded for event in told] == [True, False]
    assert "silent" in told[0].detail


async def test_the_end_of_a_target_is_told_while_the_service_is_away() -> None:
    async def short(scene: Scene) -> None:
        await scene.subscribed()
        await scene.publish(valid_for=0.3)
        scene.socket.transport.abort()

    async def absent(scene: Scene) -> None:
        scene.socket.transport.abort()

    over: asyncio.Queue[Expired] = asyncio.Queue()
    service = Service(short, absent)
    async with (
        service.listening() as client,
        asyncio.timeout(10),
        client.subscribe(TARGETS, handlers=Handlers(on_expired=over.put), backoff=SOON) as stream,
    ):
        update = await anext(stream)
        assert not update.expired
        event = await over.get()
        assert (event.position, event.update) == (update.position, update)
        assert update.expired
        assert stream.current(TARGETS) is None


async def test_a_push_that_was_lost_is_asked_for() -> None:
    async def losing(scene: Scene) -> None:
        await scene.subscribed(2)
        await scene.publish("audit", None)
        scene.connection.push("audit", scene.service.channels["audit"].publish(time.time(), None))  # never sent
        await scene.publish("audit", None)
        await scene.serve_on()

    gaps: list[Gap] = []
    service = Service(losing)
    async with (
        service.listening() as client,
        asyncio.timeout(10),
        client.subscribe(TARGETS, "audit", handlers=Handlers(on_gap=gaps.append), backoff=SOON) as stream,
    ):
        assert [(await anext(stream)).position.seq for _ in range(3)] == [1, 2, 3]
    assert [gap.channel for gap in gaps] == ["audit"]


async def test_the_key_goes_into_a_header_and_the_protocol_is_named() -> None:
    service = Service(healthy)
    async with service.listening() as client:
        await seqs(client, 1)
    assert service.headers[0]["Authorization"] == "Bearer ttb_key"
    assert service.headers[0]["Sec-WebSocket-Protocol"] == "trimtab.v1.json"


async def test_a_service_that_is_not_there_yet_is_waited_for() -> None:
    service = Service(healthy)
    async with service.listening():
        port = service.port
    async with AsyncTrimtab(f"http://127.0.0.1:{port}") as client, asyncio.timeout(10):
        lost = asyncio.Event()
        told = Handlers(on_degraded=lambda event: lost.set())
        async with client.subscribe(TARGETS, handlers=told, backoff=SOON) as stream:
            await lost.wait()
            async with serve(service, "127.0.0.1", port, subprotocols=["trimtab.v1.json"]):  # type: ignore[list-item]
                assert (await anext(stream)).position.seq == 1


async def test_an_error_of_a_handler_reaches_the_reader() -> None:
    def fail(event: Expired) -> None:
        raise RuntimeError("the user's own")

    async def short(scene: Scene) -> None:
        await scene.subscribed()
        await scene.publish(valid_for=0.2)
        await scene.serve_on()

    service = Service(short)
    async with service.listening() as client:
        with pytest.raises(RuntimeError, match="the user's own"):
            await seqs(client, 2, Handlers(on_expired=fail))


async def test_it_can_be_driven_by_functions_alone() -> None:
    found: list[Update] = []

    def keep(update: Update) -> None:
        found.append(update)
        if len(found) == 2:
            done.set()

    done = asyncio.Event()
    service = Service(closing(4400), healthy)
    async with (
        service.listening() as client,
        asyncio.timeout(10),
        client.subscribe(TARGETS, handlers=Handlers(on_update=keep), backoff=SOON) as stream,
    ):
        running = asyncio.create_task(stream.run())
        await done.wait()
        running.cancel()
    assert [update.position.seq for update in found] == [1, 2]


async def test_code_that_blocks_reads_the_same_stream() -> None:
    service = Service(closing(4400), healthy)

    def block(url: str) -> list[int]:
        with Trimtab(url) as client, client.subscribe(TARGETS, backoff=SOON) as stream:
            found = [next(stream).position.seq for _ in range(2)]
            newest = stream.current(TARGETS)
            assert newest is not None
            assert newest.position.seq == 2
            with pytest.raises(TimeoutError):
                stream.next(timeout=0.05)
        return found

    async with service.listening(), asyncio.timeout(10):
        assert await asyncio.to_thread(block, f"http://127.0.0.1:{service.port}") == [1, 2]


async def test_blocking_code_is_told_why_it_ended() -> None:
    service = Service(closing(4507, "key_revoked"))

    def block(url: str) -> None:
        with Trimtab(url) as client, client.subscribe(TARGETS, backoff=SOON) as stream:
            for _ in stream:
                pass

    async with service.listening(), asyncio.timeout(10):
        with pytest.raises(StreamClosed, match="key_revoked"):
            await asyncio.to_thread(block, f"http://127.0.0.1:{service.port}")


async def test_frames_that_are_none_of_the_protocol_end_it() -> None:
    async def babble(scene: Scene) -> None:
        await scene.send({"type": "update", "ch": TARGETS, "server_time": text_of(0)})
        await scene.serve_on()

    service = Service(babble)
    async with service.listening() as client:
        with pytest.raises(StreamClosed, match="cannot read"):
            await seqs(client, 1)
