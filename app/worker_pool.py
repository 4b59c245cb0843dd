"""The threads of a process in which requests are computed, with an end to how many may wait for one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from app.limits import MAX_COMPUTATIONS
from app.log_lines import current_request_id
from app.ports import Overloaded

P = ParamSpec("P")
T = TypeVar("T")


class WorkerPool(ThreadPoolExecutor):
    """Default executor of the event loop: `asyncio.to_thread` goes through it.

    What a request hands in is refused while `MAX_COMPUTATIONS` are under way or wait: further ones would only be
    answered later, and no sooner for having been let in. What the process does for itself is never refused.
    """

    def __init__(self) -> None:
        super().__init__(min(32, (os.cpu_count() or 1) + 4), thread_name_prefix="worker")
        self._lock, self._of_requests = threading.Lock(), 0

    def submit(self, work: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> Future[T]:
        """Hand in some work.

        Raises
        ------
        Overloaded
            If it is a request's, and too many wait already.
        """
        if current_request_id.get() is None:
            return super().submit(work, *arguments, **named)
        with self._lock:
            if self._of_requests >= MAX_COMPUTATIONS:
                raise Overloaded(f"{MAX_COMPUTATIONS} computations are under way or wait")
            self._of_requests += 1
        try:
            future = super().submit(work, *arguments, **named)
        except BaseException:
            self._ended()
            raise
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _: object = None) -> None:
        with self._lock:
            self._of_requests -= 1
