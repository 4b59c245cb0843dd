"""Door of the use cases to the published parameters of markets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPublication:
    """One version of a market's parameters, never changed, never deleted; `content` is the rest of it as JSON."""

    market: str
    version: int
    effective_at: datetime
    published_at: datetime
    content: bytes


class ParameterStore(Protocol):
    """Published parameters, by market and version.

    Every method raises `AuditUnavailable` if the store cannot answer.
    """

    async def add(self, tenant_id: str, publication: StoredPublication) -> bool:
        """Store a version where the newest is the one before it, durably; say whether it was stored."""
        ...

    async def since(self, tenant_id: str, market: str, moment: datetime) -> list[StoredPublication]:
        """The version that held at `moment` and all after it, oldest first; all of them where none held."""
        ...

    async def versions(self, tenant_id: str, market: str, *, after: int, limit: int) -> list[StoredPublication]:
        """At most `limit` versions above `after`, oldest first."""
        ...
