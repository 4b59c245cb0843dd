"""What the callers of one process do at this moment: computations under way, open streams, and who spent all."""

from __future__ import annotations

import time
from asyncio import Future
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

MAX_REMEMBERED = 10_000


class Full(Exception):
    """As many are under way as may be."""


class Turnstile:
    """Counts by caller. Each process counts its own: a bound on what one caller can occupy of it."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._inside: Counter[tuple[str, str]] = Counter()
        self._spent: dict[str, float] = {}

    @contextmanager
    def inside(
        self, what: str, caller: str, most: int, left_behind: Callable[[], Iterable[Future[Any]]] = tuple
    ) -> Iterator[None]:
        """Be counted within the block, and while what it has left behind goes on.

        Raises
        ------
        Full
            If `most` are.
        """
        name = (what, caller)
        if self._inside[name] >= most:
            raise Full
        self._inside[name] += 1
        try:
            yield
        finally:
            going_on = tuple(left_behind())
            for future in going_on:
                future.add_done_callback(lambda _: self._leave(name))
            self._inside[name] += len(going_on)
            self._leave(name)

    def _leave(self, name: tuple[str, str]) -> None:
        self._inside[name] -= 1
        if not self._inside[name]:
            del self._inside[name]

    def count(self, what: str, caller: str) -> int:
        """How many are under way."""
        return self._inside.get((what, caller), 0)

    def spent(self, caller: str, seconds: float) -> None:
        """A caller has less than one unit, for this long [s]."""
        self._spent[caller] = self._seconds() + seconds
        if len(self._spent) > MAX_REMEMBERED:
            del self._spent[next(iter(self._spent))]

    def wait_seconds(self, caller: str) -> float:
        """Time until a caller has a unit again, as far as this process knows [s]; no store is asked."""
        until = self._spent.get(caller)
        if until is None:
            return 0.0
        wait = until - self._seconds()
        if wait <= 0.0:
            del self._spent[caller]
        return max(wait, 0.0)
