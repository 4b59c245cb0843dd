"""Door of the use cases to the stored operator's switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.guards.switches import Switch


class SwitchStore(Protocol):
    """Operator's switches, one row a scope.

    `read` comes from a copy in the process, so that every decision can afford it: a change made through this store is
    seen at once, one made by another process after at most `staleness_seconds`. All else is read from the store.

    Every method raises `AuditUnavailable` if the store cannot answer.
    """

    staleness_seconds: float

    async def read(self, tenant_id: str) -> Sequence[Switch]:
        """Switches that may stop something, now or later; while the store is away the last copy, as long as it is
        fresh.
        """
        ...

    async def get(self, tenant_id: str, scope: str) -> Switch | None:
        """Switch of one scope; None where it was never set."""
        ...

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> list[Switch]:
        """At most `limit` switches above `after`, in the order of the bytes of their scopes."""
        ...

    async def replace(self, tenant_id: str, switch: Switch, expected: int) -> bool:
        """Store a switch where the stored version is `expected` (0: none is), durably; say whether it was stored."""
        ...
