"""Door of retention to the outside: the store from which bodies are removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AgedEntry:
    """An entry as retention sees it: `body_sha256` is the digest, `stored_bytes` the length of its stored body."""

    index: int
    recorded_at: datetime
    body_sha256: bytes
    stored_bytes: int


class RetentionStore(Protocol):
    """Bodies of the log, removed from its beginning on. Every method raises `AuditUnavailable` if it cannot answer."""

    async def allowed(self) -> bool:
        """Whether this process may remove bodies."""
        ...

    async def kept_from(self) -> int:
        """Index of the first entry whose body is not to be removed."""
        ...

    async def ages(self, *, start: int, limit: int) -> Sequence[AgedEntry]:
        """At most `limit` entries from index `start` on, ascending."""
        ...

    async def retain(self, index: int, content: bytes) -> None:
        """Permit the removal that the entry at `index` announces: `content` is its answer."""
        ...

    async def sweep(self) -> int:
        """Remove some of what may be removed; how much, 0 once nothing is left."""
        ...

    async def forget_keys(self, *, before: datetime, limit: int) -> int:
        """Remove at most `limit` idempotency keys that were used before; how many."""
        ...
