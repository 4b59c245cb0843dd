"""Turns among the callers of one process that change the same states."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakKeyDictionary, WeakValueDictionary

from app.ports import StateKey, VolatilityStore

_Locks = WeakValueDictionary[StateKey, asyncio.Lock]
_locks: WeakKeyDictionary[VolatilityStore, _Locks] = WeakKeyDictionary()


@asynccontextmanager
async def turns(store: VolatilityStore, keys: Iterable[StateKey]) -> AsyncIterator[None]:
    """Wait for one's turn on every key; first come, first served.

    Compare-and-set alone is right among all processes, but a caller with 10,000 bars would lose again and again against
    one that sends them one by one. Keys are taken in their order, so that no two callers wait for each other.
    """
    known = _locks.setdefault(store, WeakValueDictionary())
    async with AsyncExitStack() as stack:
        for key in sorted(set(keys)):
            await stack.enter_async_context(known.setdefault(key, asyncio.Lock()))
        yield
