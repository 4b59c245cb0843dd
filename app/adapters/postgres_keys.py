"""API keys in PostgreSQL, read from copies that are never older than two seconds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime

from app.adapters.key_rows import ADD, EXIST, ONE, REVOKE, arguments, key_of, page
from app.adapters.postgres_connection import PostgresReaders
from app.key_port import ApiKey
from app.ports import AuditUnavailable, Outcome

STALENESS_SECONDS = 2.0
"""Age beyond which a copy is not used, whatever the store does."""
LOOK_SECONDS = 1.0
"""Age from which the store is asked again: half of that, so that a store that is late for once locks out nobody."""
_PAGE = page('"C"')


class PostgresKeys:
    """`app.key_port.KeyStore` on a server."""

    staleness_seconds = STALENESS_SECONDS

    def __init__(self, readers: PostgresReaders) -> None:
        self._readers = readers
        self._any = False
        self._watch: asyncio.Task[None] | None = None
        self._copies: dict[str, tuple[float, ApiKey]] = {}
        self._looks: dict[str, asyncio.Task[ApiKey | None]] = {}

    @classmethod
    async def open(cls, readers: PostgresReaders) -> PostgresKeys:
        """Store that knows whether there is a key, and keeps looking for the first one."""
        store = cls(readers)
        await store._look_for_any()
        if not store._any:
            store._watch = asyncio.create_task(store._wait_for_any())
        return store

    async def close(self) -> None:
        """Look no more."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch

    def any(self) -> bool:
        """Whether there is a key."""
        return self._any

    async def _look_for_any(self) -> None:
        self._any = self._any or await self._readers.fetch_one(EXIST) is not None

    async def _wait_for_any(self) -> None:
        # A look for each request would be exact too, and cost every request of a service without keys a query; a look
        # now and then at requests would let in the first one after a quiet hour.
        while not self._any:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(AuditUnavailable):
                await self._look_for_any()

    async def find(self, key_id: str) -> ApiKey | None:
        """Key of any tenant, at most `STALENESS_SECONDS` old. One that is unknown is asked for each time: so the
        copies are as many as the keys, and a new key opens at once.
        """
        loop, known = asyncio.get_running_loop(), self._copies.get(key_id)
        if known is not None and loop.time() - known[0] < LOOK_SECONDS:
            return known[1]
        look = self._looks.get(key_id)
        if look is None:
            # One look for all that wait: a hundred requests at once must not be a hundred queries.
            look = self._looks[key_id] = asyncio.create_task(self._look(key_id))
            look.add_done_callback(lambda done: self._looked(key_id, done))
        try:
            return await asyncio.shield(look)
        except AuditUnavailable:
            known = self._copies.get(key_id)
            if known is None or loop.time() - known[0] >= STALENESS_SECONDS:
                raise
            return known[1]

    async def _look(self, key_id: str) -> ApiKey | None:
        started, own = asyncio.get_running_loop().time(), asyncio.current_task()
        row = await self._readers.fetch_one(ONE, key_id)
        if row is None:
            return None
        found = key_of(row)
        if self._looks.get(key_id) is own:
            self._copies[key_id] = (started, found)
        return found

    def _looked(self, key_id: str, look: asyncio.Task[ApiKey | None]) -> None:
        if self._looks.get(key_id) is look:
            del self._looks[key_id]
        if not look.cancelled():
            look.exception()  # it is seen here, also where nobody waits any more

    async def add(self, key: ApiKey) -> None:
        """Store a new key."""
        try:
            await self._readers.fetch(ADD, *arguments(key))
        except AuditUnavailable as error:
            raise AuditUnavailable(error.detail, Outcome.UNKNOWN) from None
        self._any = True

    async def revoke(self, tenant_id: str, key_id: str, moment: datetime) -> ApiKey | None:
        """End a key of a tenant."""
        try:
            row = await self._readers.fetch_one(REVOKE, tenant_id, key_id, moment)
        except AuditUnavailable as error:
            raise AuditUnavailable(error.detail, Outcome.UNKNOWN) from None
        finally:
            # Whoever reads from now on waits for a look that begins after the change.
            self._copies.pop(key_id, None)
            self._looks.pop(key_id, None)
        return key_of(row) if row else None

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> Sequence[ApiKey]:
        """Page of keys."""
        return [key_of(row) for row in await self._readers.fetch(_PAGE, tenant_id, after or "", limit)]
