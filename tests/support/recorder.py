"""Audit log of a test: a list of records."""

from __future__ import annotations

from app.ports import Appended, AuditRecord


class Recorder:
    """The part of `AuditLog` that a use case writes to."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    async def append(self, record: AuditRecord, *, timeout: float) -> Appended:
        """Keep the record."""
        del timeout
        self.records.append(record)
        return Appended(len(self.records) - 1)

    async def find_idempotent(self, *_: str) -> None:
        """Nothing is known."""
        return
