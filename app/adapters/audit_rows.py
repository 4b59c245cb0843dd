"""Reading entries: the queries that both stores share, and rows as records.

Parameters are written ``$1``, as PostgreSQL wants them; SQLite takes the same text with ``?1``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from app.adapters.audit_batch import LOG_ID
from app.adapters.audit_codec import decode_body, event_id_text
from app.ports import EntrySummary, EventKind, IdempotentEntry, StoredEntry, TailEntry

# S608 below: the texts are put together from constants; values go through parameters.
_COLUMNS = (
    "e.idx, e.event_id, e.kind, e.recorded_at, e.portfolio_id, e.client_reference, e.status, "
    "e.body_sha256, e.body_length, e.stored_length"
)
_FULL = f"SELECT {_COLUMNS}, b.body FROM audit_entry e JOIN audit_body b ON b.log_id = e.log_id AND b.idx = e.idx"  # noqa: S608
BY_EVENT = f"{_FULL} WHERE e.tenant_id = $1 AND e.event_id = $2"
BY_INDEX = f"{_FULL} WHERE e.log_id = {LOG_ID} AND e.idx = $1"
BY_KEY = (
    f"SELECT {_COLUMNS}, b.body, k.fingerprint FROM idempotency k "  # noqa: S608
    "JOIN audit_entry e ON e.log_id = k.log_id AND e.idx = k.idx "
    "JOIN audit_body b ON b.log_id = e.log_id AND b.idx = e.idx "
    "WHERE k.tenant_id = $1 AND k.route = $2 AND k.key = $3"
)
PREVIOUS = (
    f"SELECT {_COLUMNS} FROM audit_entry e "  # noqa: S608
    "WHERE e.tenant_id = $1 AND e.portfolio_id = $2 AND e.idx < $3 AND e.kind = $4 ORDER BY e.idx DESC LIMIT 1"
)
TAIL_BYTES = 8 * 1024 * 1024
"""Stored bytes of one read of the tail, or one entry: what a process must hold at once stays bounded."""
TAIL = (
    f"SELECT {_COLUMNS}, b.body, e.tenant_id FROM ("  # noqa: S608
    "SELECT *, sum(stored_length) OVER (ORDER BY idx) - stored_length AS before FROM audit_entry "
    f"WHERE log_id = {LOG_ID} AND idx > $1 AND idx <= $1 + $2"
    ") e JOIN audit_body b ON b.log_id = e.log_id AND b.idx = e.idx "
    f"WHERE e.before < {TAIL_BYTES} ORDER BY e.idx"
)
SIZE = f"SELECT size FROM log_head WHERE log_id = {LOG_ID}"  # noqa: S608

Row = Sequence[Any]
ReadMoment = Callable[[Any], datetime]
ReadUuid = Callable[[Any], uuid.UUID]


def page_query(
    tenant_id: str,
    after: int | None,
    limit: int,
    kind: EventKind | None,
    portfolio_id: str | None,
    client_reference: str | None,
) -> tuple[str, list[Any]]:
    """Query and arguments of one page of summaries."""
    given = {"kind": kind and kind.value, "portfolio_id": portfolio_id, "client_reference": client_reference}
    filters = {column: value for column, value in given.items() if value is not None}
    conditions = [
        "e.tenant_id = $1",
        "e.idx > $2",
        *(f"e.{column} = ${number}" for number, column in enumerate(filters, 4)),
    ]
    text = f"SELECT {_COLUMNS} FROM audit_entry e WHERE {' AND '.join(conditions)} ORDER BY e.idx LIMIT $3"  # noqa: S608
    return text, [tenant_id, -1 if after is None else after, limit, *filters.values()]


class RowReader:
    """Rows of one store as records: `moment` and `identity` read its times and UUIDs."""

    def __init__(self, moment: ReadMoment, identity: ReadUuid) -> None:
        self._moment, self._identity = moment, identity

    def summary(self, row: Row) -> EntrySummary:
        """Entry without its body."""
        return EntrySummary(**self._fields(row))

    def entry(self, row: Row) -> StoredEntry:
        """Entry with its body in column 10, decompressed and checked against its digest."""
        request, response, state, versions = decode_body(bytes(row[10]), bytes(row[7]), row[8])
        return StoredEntry(**self._fields(row), request=request, response=response, state=state, versions=versions)

    def idempotent(self, row: Row) -> IdempotentEntry:
        """Entry and the fingerprint of its key in column 11."""
        return IdempotentEntry(bytes(row[11]), self.entry(row))

    def tail(self, rows: Sequence[Row]) -> list[TailEntry]:
        """Entries with their tenants in column 11."""
        return [TailEntry(row[11], self.entry(row)) for row in rows]

    def _fields(self, row: Row) -> dict[str, Any]:
        return {
            "index": row[0],
            "event_id": event_id_text(self._identity(row[1])),
            "kind": EventKind(row[2]),
            "recorded_at": self._moment(row[3]),
            "portfolio_id": row[4],
            "client_reference": row[5],
            "status": row[6],
            "body_sha256": bytes(row[7]).hex(),
            "body_length": row[8],
            "stored_bytes": row[9],
        }
