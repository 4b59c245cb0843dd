"""Work that is wanted again and again: at most once at a time for each key, never forgotten, never late for nothing."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pydantic import ValidationError

from app.ports import AuditUnavailable, StateUnavailable

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
"""Bounds of the pause before work that failed is tried again [s]."""
_LOGGER = logging.getLogger("trimtab")
Key = TypeVar("Key", bound=Hashable)


class Timer(Protocol):
    """Something that will be called later."""

    def cancel(self) -> None:
        """Do not call it."""
        ...


Later = Callable[[float, Callable[[], None]], Timer]


def pause_seconds(failures: int) -> float:
    """Longest pause after so many failures in a row; the pause itself is random below it, so that many that failed
    together do not come back together.

    Examples
    --------
    >>> [pause_seconds(failures) for failures in (1, 2, 3, 20)]
    [0.25, 0.5, 1.0, 30.0]
    """
    return min(FIRST_PAUSE * 2.0 ** min(failures - 1, 30), LONGEST_PAUSE)


@dataclass(slots=True)
class _Item:
    """One key: `wanted` since the last run began, `task` while it runs or waits for its turn."""

    wanted: bool = False
    failures: int = 0
    task: asyncio.Task[None] | None = None
    timer: Timer | None = None


class LiveQueue(Generic[Key]):
    """Runs `work(key)` after each `want(key)`, with everything that was true at that moment.

    Parameters
    ----------
    work : callable
        Does the work and returns in how many seconds it is to be done again by itself, or None. Whatever it raises is a
        failure: it is told and tried again, and stops nothing else.
    tell : callable
        Called with the key and the text of a failure; with None once the work succeeds again.
    at_once : int
        Number of works under way at the same time.
    later : callable, optional
        ``loop.call_later``.

    Notes
    -----
    A run begins by taking the want off; a want that comes while it is under way leads to one more run. So the last run
    began after the last want, and of any number of wants between two runs one run is made.
    """

    def __init__(
        self,
        work: Callable[[Key], Awaitable[float | None]],
        tell: Callable[[Key, str | None], None],
        *,
        at_once: int,
        later: Later | None = None,
    ) -> None:
        self._work, self._tell, self._later = work, tell, later
        self._room = asyncio.Semaphore(at_once)
        self._items: dict[Key, _Item] = {}

    def want(self, key: Key) -> None:
        """Have the work done, as soon as there is room."""
        item = self._items.setdefault(key, _Item())
        item.wanted = True
        self._stop_timer(item)
        if item.task is None:
            item.task = asyncio.get_running_loop().create_task(self._run(key, item))

    @property
    def busy(self) -> bool:
        """Whether any work is under way or waits for its turn."""
        return any(item.task is not None for item in self._items.values())

    def running(self, key: Key) -> bool:
        """Whether the work is under way or waits for its turn."""
        return (item := self._items.get(key)) is not None and item.task is not None

    def forget(self, key: Key) -> None:
        """Do not do it again by itself; what is under way is finished."""
        item = self._items.get(key)
        if item is not None:
            self._stop_timer(item)
            if item.task is None:
                del self._items[key]

    async def stop(self) -> None:
        """Stop everything that is under way, and forget it."""
        items, self._items = list(self._items.values()), {}
        tasks = [item.task for item in items if item.task is not None]
        for item in items:
            self._stop_timer(item)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Key, item: _Item) -> None:
        again: float | None = None
        try:
            while item.wanted:
                async with self._room:
                    again = await self._once(key, item)
        finally:
            item.task = None
        if self._items.get(key) is item:
            self._schedule(key, item, again)

    async def _once(self, key: Key, item: _Item) -> float | None:
        item.wanted = False
        try:
            again = await self._work(key)
        except Exception as error:
            item.failures += 1
            self._tell(key, failure_text(error))
            return random.uniform(0.0, pause_seconds(item.failures))  # noqa: S311
        if item.failures:
            item.failures = 0
            self._tell(key, None)
        return again

    def _schedule(self, key: Key, item: _Item, again: float | None) -> None:
        if again is None:
            if not item.failures:
                del self._items[key]
            return
        later = self._later or asyncio.get_running_loop().call_later
        item.timer = later(max(again, 0.0), lambda: self.want(key))

    @staticmethod
    def _stop_timer(item: _Item) -> None:
        if item.timer is not None:
            item.timer.cancel()
            item.timer = None


def failure_text(error: Exception) -> str:
    """What is told of a failure; one that nobody foresaw goes to the log with its trace."""
    if isinstance(error, AuditUnavailable | StateUnavailable):
        return error.detail
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        return f"what is stored does not fit this build: /{place}: {first['msg']}"[:300]
    if type(error).__module__.startswith(("app.", "services.")):
        return str(error)[:300]
    _LOGGER.error("live evaluation failed", exc_info=error)
    return f"a defect of this service ({type(error).__name__}), which is in the log"
