"""Reading entries: the queries that both stores share, and rows as records.

Parameters are written ``$1``, as PostgreSQL wants them; SQLite takes the same text with ``?1``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.adapters.audit_bases import base_body
from app.adapters.audit_batch import LOG_ID
from app.adapters.audit_codec import decode_body, event_id_text
from app.ports import AuditDamaged, BodyPruned, EntrySummary, EventKind, IdempotentEntry, StoredEntry, TailEntry

# S608 below: the texts are put together from constants; values go through parameters.
_COLUMNS = (
    "e.idx, e.event_id, e.kind, e.recorded_at, e.portfolio_id, e.client_reference, e.status, "
    "e.body_sha256, e.body_length, e.stored_length"
)
_BODY = "b.body, b.base_sha256"
_COVERED = (
    "EXISTS (SELECT 1 FROM audit_retention r WHERE r.log_id = e.log_id AND r.first_idx <= e.idx AND e.idx < r.end_idx)"
)
_JOIN = "LEFT JOIN audit_body b ON b.log_id = e.log_id AND b.idx = e.idx"
_FULL = f"SELECT {_COLUMNS}, {_BODY}, {_COVERED} FROM audit_entry e {_JOIN}"  # noqa: S608
BY_EVENT = f"{_FULL} WHERE e.tenant_id = $1 AND e.event_id = $2"
BY_INDEX = f"{_FULL} WHERE e.log_id = {LOG_ID} AND e.idx = $1"
BY_KEY = (
    f"SELECT {_COLUMNS}, {_BODY}, {_COVERED}, k.fingerprint FROM idempotency k "  # noqa: S608
    f"JOIN audit_entry e ON e.log_id = k.log_id AND e.idx = k.idx {_JOIN} "
    "WHERE k.tenant_id = $1 AND k.route = $2 AND k.key = $3"
)
PREVIOUS = (
    f"SELECT {_COLUMNS} FROM audit_entry e "  # noqa: S608
    "WHERE e.tenant_id = $1 AND e.portfolio_id = $2 AND e.idx < $3 AND e.kind = $4 ORDER BY e.idx DESC LIMIT 1"
)
TAIL_BYTES = 8 * 1024 * 1024
"""Stored bytes of one read of the tail, or one entry: what a process must hold at once stays bounded."""
KEPT_FROM = f"SELECT coalesce(max(end_idx), 0) FROM audit_retention WHERE log_id = {LOG_ID}"  # noqa: S608
"""Index of the first entry whose body is kept: what is pruned is always the beginning of the log."""
TAIL = (
    f"SELECT {_COLUMNS}, {_BODY}, 1 = 0, e.tenant_id FROM ("  # noqa: S608
    "SELECT *, sum(stored_length) OVER (ORDER BY idx) - stored_length AS before FROM ("
    f"SELECT * FROM audit_entry WHERE log_id = {LOG_ID} AND idx > $1 AND idx >= ({KEPT_FROM}) ORDER BY idx LIMIT $2"
    f") p) e {_JOIN} WHERE e.before < {TAIL_BYTES} ORDER BY e.idx"
)
CHUNK = f"SELECT content FROM audit_chunk WHERE log_id = {LOG_ID} AND sha256 = $1"  # noqa: S608
SIZE = f"SELECT size FROM log_head WHERE log_id = {LOG_ID}"  # noqa: S608

Row = Sequence[Any]
Bodies = Mapping[bytes, bytes]
"""Bodies that others were stored on, by digest."""
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


def named_bases(rows: Iterable[Row], column: int = 11) -> set[bytes]:
    """Digests of the chunks that it takes to read the bodies of rows."""
    return {bytes(row[column]) for row in rows if row[column] is not None}


def read_bases(chunks: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Bodies of stored chunks (digest, content), without those that cannot be read."""
    bodies = {bytes(sha256): base_body(bytes(content)) for sha256, content in chunks}
    return {sha256: body for sha256, body in bodies.items() if body is not None}


class RowReader:
    """Rows of one store as records: `moment` and `identity` read its times and UUIDs."""

    def __init__(self, moment: ReadMoment, identity: ReadUuid) -> None:
        self._moment, self._identity = moment, identity

    def summary(self, row: Row) -> EntrySummary:
        """Entry without its body."""
        return EntrySummary(**self._fields(row))

    def entry(self, row: Row, bases: Bodies) -> StoredEntry:
        """Entry with its body in column 10, decompressed and checked against its digest; `bases` as `read_bases` gives.

        Raises
        ------
        BodyPruned
            If the body was removed, and column 12 says that the log announced it.
        AuditDamaged
            If it is missing otherwise, or is not what was recorded.
        """
        fields = self._fields(row)
        if row[10] is None:
            if row[12]:
                raise BodyPruned(fields["event_id"])
            raise AuditDamaged(f"the body of entry {row[0]} is missing", row[0])
        base = bases.get(bytes(row[11])) if row[11] is not None else None
        try:
            request, response, state, versions = decode_body(bytes(row[10]), bytes(row[7]), row[8], base)
        except AuditDamaged as error:
            raise AuditDamaged(str(error), row[0]) from None
        return StoredEntry(**fields, request=request, response=response, state=state, versions=versions)

    def idempotent(self, row: Row, bases: Bodies) -> IdempotentEntry:
        """Entry and the fingerprint of its key in column 13."""
        return IdempotentEntry(bytes(row[13]), self.entry(row, bases))

    def tail(self, rows: Sequence[Row], bases: Bodies) -> list[TailEntry]:
        """Entries with their tenants in column 13."""
        return [TailEntry(row[13], self.entry(row, bases)) for row in rows]

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
