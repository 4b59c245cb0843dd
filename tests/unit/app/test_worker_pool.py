"""Threads for requests: a further one than may wait is refused, and the process itself always gets its turn."""

from __future__ import annotations

import asyncio
import threading

import pytest

from app import worker_pool
from app.log_lines import current_request_id
from app.ports import Overloaded
from app.worker_pool import WorkerPool

SECONDS = 30.0


async def test_a_request_too_many_is_refused_and_room_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "MAX_COMPUTATIONS", 3)
    asyncio.get_running_loop().set_default_executor(WorkerPool())
    release = threading.Event()
    current_request_id.set("a request")
    waiting = [asyncio.create_task(asyncio.to_thread(release.wait, SECONDS)) for _ in range(3)]
    try:
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="3 computations are under way or wait"):
            await asyncio.to_thread(int)
        current_request_id.set(None)
        assert await asyncio.to_thread(int) == 0, "work of the process itself is never refused"
    finally:
        release.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    current_request_id.set("a request")
    assert [await asyncio.to_thread(int, "7") for _ in range(10)] == [7] * 10


async def test_what_fails_or_is_given_up_leaves_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "MAX_COMPUTATIONS", 1)
    pool = WorkerPool()
    asyncio.get_running_loop().set_default_executor(pool)
    current_request_id.set("a request")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
    release, blocked = threading.Event(), [threading.Thread(target=int)]
    current_request_id.set(None)
    busy = [asyncio.create_task(asyncio.to_thread(release.wait, SECONDS)) for _ in range(pool._max_workers)]
    await asyncio.sleep(0)
    current_request_id.set("a request")
    given_up = asyncio.create_task(asyncio.to_thread(blocked[0].start))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait((given_up,))
    release.set()
    await asyncio.gather(*busy)
    assert await asyncio.to_thread(int) == 0
    assert blocked[0].ident is None, "it never ran"
