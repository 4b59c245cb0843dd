"""Operator's switches in PostgreSQL, read from a copy that is never older than a second."""

from __future__ import annotations

import asyncio

from app.adapters.postgres_connection import PostgresReaders
from app.adapters.switch_rows import ACTING, ONE, page, replacing, switch_of
from app.ports import AuditUnavailable, Outcome
from services.guards.switches import Switch

STALENESS_SECONDS = 1.0
"""Age beyond which a copy is not used, whatever the store does."""
LOOK_SECONDS = 0.5
"""Age from which the store is asked again: half of that, so that a store that is late for once stops nobody."""
_PAGE = page('"C"')


class PostgresSwitches:
    """`app.switch_port.SwitchStore` on a server. The switches that may act are few: each look reads them all."""

    staleness_seconds = STALENESS_SECONDS

    def __init__(self, readers: PostgresReaders) -> None:
        self._readers = readers
        self._copies: dict[str, tuple[float, tuple[Switch, ...]]] = {}
        self._looks: dict[str, asyncio.Task[tuple[Switch, ...]]] = {}

    async def read(self, tenant_id: str) -> tuple[Switch, ...]:
        """Switches that may stop something, at most `STALENESS_SECONDS` old."""
        loop, known = asyncio.get_running_loop(), self._copies.get(tenant_id)
        if known is not None and loop.time() - known[0] < LOOK_SECONDS:
            return known[1]
        look = self._looks.get(tenant_id)
        if look is None:
            # One look for all that wait: a hundred requests at once must not be a hundred queries.
            look = self._looks[tenant_id] = asyncio.create_task(self._look(tenant_id))
            look.add_done_callback(lambda done: self._looked(tenant_id, done))
        try:
            return await asyncio.shield(look)
        except AuditUnavailable:
            known = self._copies.get(tenant_id)
            if known is None or loop.time() - known[0] >= STALENESS_SECONDS:
                raise
            return known[1]

    async def _look(self, tenant_id: str) -> tuple[Switch, ...]:
        started, own = asyncio.get_running_loop().time(), asyncio.current_task()
        copy = tuple(switch_of(row) for row in await self._readers.fetch(ACTING, tenant_id))
        if self._looks.get(tenant_id) is own:
            self._copies[tenant_id] = (started, copy)
        return copy

    def _looked(self, tenant_id: str, look: asyncio.Task[tuple[Switch, ...]]) -> None:
        if self._looks.get(tenant_id) is look:
            del self._looks[tenant_id]
        if not look.cancelled():
            look.exception()  # it is seen here, also where nobody waits any more

    async def get(self, tenant_id: str, scope: str) -> Switch | None:
        """Switch of one scope."""
        row = await self._readers.fetch_one(ONE, tenant_id, scope)
        return switch_of(row) if row else None

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> list[Switch]:
        """Page of switches by scope."""
        return [switch_of(row) for row in await self._readers.fetch(_PAGE, tenant_id, after or "", limit)]

    async def replace(self, tenant_id: str, switch: Switch, expected: int) -> bool:
        """Store a switch where the stored version is `expected`."""
        statement, values = replacing(tenant_id, switch, expected)
        try:
            return await self._readers.fetch_one(statement, *values) is not None
        except AuditUnavailable as error:
            raise AuditUnavailable(error.detail, Outcome.UNKNOWN) from None
        finally:
            # Whoever reads from now on waits for a look that begins after the change.
            self._copies.pop(tenant_id, None)
            self._looks.pop(tenant_id, None)
