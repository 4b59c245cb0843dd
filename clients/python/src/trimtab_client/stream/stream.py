"""The stream over a connection that may end at any time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from trimtab_client.calls import Manner
from trimtab_client.errors import StreamClosed
from trimtab_client.retry import STREAM_BACKOFF, Backoff
from trimtab_client.stream.closing import Reconnect, after_close
from trimtab_client.stream.events import Event, Notice, Update
from trimtab_client.stream.handlers import SILENT, Handlers
from trimtab_client.stream.reader import Reader

PATH = "/v1/stream"
SUBPROTOCOL = Subprotocol("trimtab.v1.json")
OPEN_SECONDS = 10.0
HEARTBEATS_MISSED = 2.5
"""Silence, in heartbeats, after which a connection counts as dead."""
MAX_FRAME = 16 * 2**20
TICK_SECONDS = 1.0
"""Longest pause between two looks at the clocks: a machine that slept wakes with its timers behind."""
ABNORMAL = 1006
BUSY = frozenset({429, 500, 502, 503, 504})


class Stream:
    """States of channels as they come, over as many connections as it takes.

    Use it as ``async with client.subscribe("targets:pf_main") as stream`` and iterate: ``async for update in stream``.
    What is yielded has not expired when it is yielded; `Update.expired` says it again later, and `current` names the
    newest state that still holds.

    Parameters
    ----------
    manner : Manner
        Address and key of the service.
    channels : iterable of str
        Such as ``targets:pf_main``.
    handlers : Handlers
        Called on events besides.
    backoff : Backoff
        Between connections; it begins anew once a channel is subscribed.
    """

    def __init__(
        self,
        manner: Manner,
        channels: Iterable[str],
        handlers: Handlers = SILENT,
        *,
        backoff: Backoff = STREAM_BACKOFF,
    ) -> None:
        self._manner, self._handlers, self._backoff = manner, handlers, backoff
        self._reader = Reader(channels, backoff=backoff)
        self._arrived, self._outgoing = asyncio.Event(), asyncio.Event()
        self._failure: BaseException | None = None
        self._task: asyncio.Task[None] | None = None
        self._pause_range: tuple[float, float] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="trimtab stream")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection and the stream."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._failure = self._failure or StopAsyncIteration()
        self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        """The next state that has not expired.

        Raises
        ------
        StreamClosed, SubscriptionRefused
            If the service will not go on, see `trimtab_client.stream.closing`.
        """
        while True:
            self._arrived.clear()
            update, events = self._reader.take()
            if self._reader.outbox:
                self._outgoing.set()
            await self._tell(events)
            if update is not None:
                return update
            if self._failure is not None:
                raise self._failure
            await self._arrived.wait()

    async def run(self) -> None:
        """Hand every state to `Handlers.on_update` until the stream ends."""
        async for update in self:
            await self._tell([update])

    def current(self, channel: str) -> Update | None:
        """Newest state of a channel, None where there is none that still holds."""
        return self._reader.current(channel)

    async def _run(self) -> None:
        ticker = asyncio.create_task(self._tick())
        connections = asyncio.create_task(self._connections())
        try:
            done, _ = await asyncio.wait((ticker, connections), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # handed to the reader, whatever it is
            self._failure = error
        finally:
            for task in (ticker, connections):
                task.cancel()
            await asyncio.gather(ticker, connections, return_exceptions=True)
            self._arrived.set()

    async def _connections(self) -> None:
        failures, resume = 0, True
        while True:
            self._reader.connected(resume=resume)
            plan = await self._one_connection()
            failures = 0 if self._reader.began else failures + 1
            resume = plan.resume
            await asyncio.sleep(max(plan.at_least, self._pause(failures)))

    def _pause(self, failures: int) -> float:
        """Wait before the next connection: what the service asked for, else the back-off."""
        if self._pause_range is not None:
            low, high = self._pause_range
            self._pause_range = None
            return low + (high - low) * self._backoff.jitter()
        return self._backoff.seconds(max(0, failures - 1))

    async def _one_connection(self) -> Reconnect:
        """Connect and read to the end; what to do then.

        Raises
        ------
        StreamClosed
            If another connection would end the same way.
        """
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                socket = await connect(
                    self._url(),
                    subprotocols=[SUBPROTOCOL],
                    additional_headers=self._manner.headers("WS", PATH),
                    compression=None,
                    max_size=MAX_FRAME,
                    open_timeout=None,
                    user_agent_header="trimtab-client",
                )
        except InvalidStatus as error:
            return await self._refused(error)
        except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
            return await self._lost(ABNORMAL, f"not connected: {type(error).__name__}: {error}"[:200])
        try:
            code, reason = await self._converse(socket)
        finally:
            await _hang_up(socket)
        return await self._lost(code, reason)

    async def _refused(self, error: InvalidStatus) -> Reconnect:
        status = error.response.status_code
        if status not in BUSY:
            raise StreamClosed(status, f"the handshake was answered with HTTP {status}") from None
        after = error.response.headers.get("Retry-After", "")
        await self._tell(self._reader.lost(f"HTTP {status}"))
        return Reconnect(at_least=float(after) if after.isdigit() else 0.0)

    async def _lost(self, code: int, reason: str) -> Reconnect:
        plan = after_close(code, reason)
        if plan is None:
            raise StreamClosed(code, reason)
        await self._tell(self._reader.lost(f"{code} {reason}".strip()))
        return plan

    def _url(self) -> str:
        return "ws" + self._manner.base_url.rstrip("/").removeprefix("http") + PATH

    async def _converse(self, socket: ClientConnection) -> tuple[int, str]:
        """Read until the connection ends; its code and reason."""
        sender = asyncio.create_task(self._send(socket))
        try:
            while True:
                silence = max(HEARTBEATS_MISSED * self._reader.heartbeat_seconds, TICK_SECONDS / 10)
                async with asyncio.timeout(silence):
                    text = await socket.recv(decode=True)
                await self._take_in(text)
        except TimeoutError:
            return ABNORMAL, f"silent for {silence:g} s"
        except ConnectionClosed as error:
            received = error.rcvd
            return (received.code, received.reason) if received else (ABNORMAL, "the connection broke")
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _take_in(self, text: str) -> None:
        try:
            events = self._reader.receive(json.loads(text), time.monotonic())
        except (KeyError, TypeError, ValueError) as error:
            raise StreamClosed(1002, f"a frame that this client cannot read: {type(error).__name__}: {error}") from None
        self._outgoing.set()
        self._arrived.set()
        await self._tell(events)

    async def _send(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):  # its reader sees the same
            while True:
                await self._outgoing.wait()
                self._outgoing.clear()
                while self._reader.outbox:
                    await socket.send(json.dumps(self._reader.outbox.pop(0)))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(min(TICK_SECONDS, self._reader.seconds_until_tick(time.monotonic())))
            events = self._reader.tick(time.monotonic())
            if self._reader.outbox:
                self._outgoing.set()
            await self._tell(events)

    async def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Notice):
                self._heed(event)
            result = self._handlers.call(event)
            if result is not None:
                await result

    def _heed(self, notice: Notice) -> None:
        spread = notice.frame.get("reconnect_after_ms")
        if isinstance(spread, list) and len(spread) == 2:
            self._pause_range = (spread[0] / 1000.0, spread[1] / 1000.0)


async def _hang_up(socket: ClientConnection) -> None:
    """End at once: a peer that is silent would not answer a close frame either."""
    with contextlib.suppress(TimeoutError, ConnectionClosed):
        async with asyncio.timeout(0.5):
            await socket.close()
    socket.transport.abort()
