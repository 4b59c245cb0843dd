"""The time by which a caller wants its answer: `Request-Timeout-Ms`, counted from when its request is read.

Reads, computations and the durable write share it. A caller who says none leaves only the write with an end, so what
nobody waits for in a hurry may take its time. Nothing here knows HTTP; what has no caller, such as a task of the
process itself, has no deadline.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DeadlinePassed(Exception):
    """The caller's time is over, and nothing was written."""

    def __init__(self) -> None:
        super().__init__("Request-Timeout-Ms was over before anything was written")


@dataclass(slots=True)
class _Request:
    until: float | None = None
    left_behind: list[asyncio.Future[Any]] = field(default_factory=list)


_request: ContextVar[_Request | None] = ContextVar("deadline", default=None)


@contextmanager
def request_time() -> Iterator[None]:
    """One request, for which `begin` may say how long it may take."""
    token = _request.set(_Request())
    try:
        yield
    finally:
        _request.reset(token)


def begin(seconds: float) -> None:
    """From now on the request has this long [s]."""
    if (request := _request.get()) is not None:
        request.until = time.monotonic() + seconds


def lift() -> None:
    """From here on something is changed, or was: the rest is not cut off, since `DeadlinePassed` would not be true."""
    if (request := _request.get()) is not None:
        request.until = None


def at_most(seconds: float) -> float:
    """`seconds`, or what is left of the caller's time where that is less.

    Raises
    ------
    DeadlinePassed
        If nothing is left.
    """
    request = _request.get()
    if request is None or request.until is None:
        return seconds
    left = request.until - time.monotonic()
    if left <= 0.0:
        raise DeadlinePassed
    return min(seconds, left)


def left_behind() -> list[asyncio.Future[Any]]:
    """Computations of this request that still run in a thread, though nobody waits for them any more."""
    request = _request.get()
    return [one for one in request.left_behind if not one.done()] if request is not None else []


async def in_thread(work: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
    """Compute in a worker thread, and wait for it no longer than the caller would.

    A thread cannot be ended: one that has begun goes on, bounded by what a request may ask for, and keeps its place
    among the computations of the process and of its key. One that has not begun never does.

    Raises
    ------
    DeadlinePassed
        If the caller's time is over first.
    Overloaded
        If too many computations wait already.
    """
    request = _request.get()
    if request is None or request.until is None:
        return await asyncio.to_thread(work, *arguments, **named)

    def begun_in_time() -> T:
        at_most(0.0)
        return work(*arguments, **named)

    task = asyncio.ensure_future(asyncio.to_thread(begun_in_time))
    try:
        done, _ = await asyncio.wait((task,), timeout=at_most(float("inf")))
    except BaseException:
        task.cancel()
        raise
    if done:
        return task.result()
    task.add_done_callback(_look_away)
    request.left_behind.append(task)
    raise DeadlinePassed


def _look_away(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()
