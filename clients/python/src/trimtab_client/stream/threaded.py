"""The stream for code that blocks: an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Any, Self, TypeVar

from trimtab_client.calls import Manner
from trimtab_client.retry import STREAM_BACKOFF, Backoff
from trimtab_client.stream.events import Update
from trimtab_client.stream.handlers import Handlers
from trimtab_client.stream.stream import Stream

T = TypeVar("T")


class BlockingStream:
    """`Stream` without ``await``: ``with client.subscribe("targets:pf_main") as stream: for update in stream: …``.

    Handlers are called in the thread of the stream. A state counts as processed when it is taken, so a slow loop makes
    the service hold back, and the next state taken is the newest.
    """

    def __init__(
        self, manner: Manner, channels: Iterable[str], handlers: Handlers, *, backoff: Backoff = STREAM_BACKOFF
    ) -> None:
        self._manner, self._channels, self._handlers = manner, tuple(channels), handlers
        self._backoff = backoff
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="trimtab stream", daemon=True)
        self._stream: Stream | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._stream = self._do(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, the stream and its thread; a `next` that waits in another thread ends too."""
        if self._loop.is_closed():
            return
        if self._stream is not None:
            self._do(self._stream.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __iter__(self) -> Iterator[Update]:
        return self

    def __next__(self) -> Update:
        update = self.next()
        if update is None:
            raise StopIteration
        return update

    def next(self, timeout: float | None = None) -> Update | None:
        """The next state that has not expired; None when the stream was closed.

        Raises
        ------
        TimeoutError
            If none came within `timeout` seconds.
        StreamClosed, SubscriptionRefused
            If the service will not go on.
        """
        stream = self._opened()
        return self._do(_next(stream), timeout)

    def current(self, channel: str) -> Update | None:
        """Newest state of a channel, None where there is none that still holds."""
        stream = self._opened()
        return self._do(_current(stream, channel))

    def _opened(self) -> Stream:
        if self._stream is None or self._loop.is_closed():
            raise RuntimeError("use the stream in a with block")
        return self._stream

    async def _open(self) -> Stream:
        stream = Stream(self._manner, self._channels, self._handlers, backoff=self._backoff)
        return await stream.__aenter__()

    def _do(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except (TimeoutError, CancelledError, KeyboardInterrupt):
            future.cancel()
            raise


async def _next(stream: Stream) -> Update | None:
    try:
        return await anext(stream)
    except StopAsyncIteration:
        return None


async def _current(stream: Stream, channel: str) -> Update | None:
    return stream.current(channel)
