"""How far the audit log reaches, as far as this process was told, and who waits for more."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable


class LogGrowth:
    """Size of the log, told by whoever learns of it: the writer of this process, or a notice of the store.

    Parameters
    ----------
    poll_seconds : float
        Time after which the store is asked although nobody told [s]: for what other processes append.
    """

    def __init__(self, poll_seconds: float = math.inf) -> None:
        self._poll_seconds = poll_seconds
        self._size = 0
        self._grown = asyncio.Event()

    def tell(self, size: int) -> None:
        """Note a size and wake who waits; a smaller one than known changes nothing. On the event loop only."""
        if size > self._size:
            self._size = size
            self._grown.set()
            self._grown = asyncio.Event()

    async def wait(self, *, after: int, timeout: float, read_size: Callable[[], Awaitable[int]]) -> int:
        """Size as soon as it is above `after + 1`, else after `timeout` [s]; `read_size` asks the store."""
        deadline = asyncio.get_running_loop().time() + timeout
        while self._size <= after + 1:
            self.tell(await read_size())
            left = deadline - asyncio.get_running_loop().time()
            if self._size > after + 1 or left <= 0:
                break
            grown = self._grown
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: in Python 3.11 it swallows a cancellation that meets the event.
                async with asyncio.timeout(min(left, self._poll_seconds)):
                    await grown.wait()
        return self._size
