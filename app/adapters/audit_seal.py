"""The tree of a log while a batch is written: which stream an entry belongs to, its leaf, the head afterwards.

Both stores hand in what they read under the lock of the log and write what comes out in the same transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.adapters.audit_batch import Entry
from app.ports import Seal
from services.audit.chain import Link, StreamHead, Unchained, batch_subtrees, chain
from services.audit.entry import stream_id
from services.audit.frontier import Frontier
from services.audit.merkle import inclusion_proof

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class LogHead:
    """Head of a log as it is stored."""

    origin: str
    frontier: Frontier


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """Rows of a batch with their streams and links, and the head after them."""

    rows: list[tuple[int, Entry]]
    streams: list[bytes]
    links: list[Link]
    before: Frontier
    after: Frontier

    def seals(self) -> dict[int, Seal]:
        """Seal of each row, with its inclusion proof where the record asked for one."""
        leaves, root = [link.leaf for link in self.links], self.after.root
        at = batch_subtrees(self.before, leaves)
        return {
            index: Seal(
                link.entry,
                link.leaf,
                self.after.size,
                root,
                tuple(inclusion_proof(index, self.after.size, at)) if entry.record.proof else (),
            )
            for (index, entry), link in zip(self.rows, self.links, strict=True)
        }


def streams_of(rows: Sequence[tuple[int, Entry]], stream_secrets: Mapping[str, bytes]) -> list[bytes]:
    """Stream of each row."""
    return [stream_id(stream_secrets[entry.record.tenant_id], entry.record.portfolio_id) for _, entry in rows]


def seal_batch(
    head: LogHead, rows: list[tuple[int, Entry]], streams: list[bytes], last: Mapping[bytes, StreamHead]
) -> SealedBatch:
    """Put a batch into the tree; `last` holds the last stored entry of each of its streams."""
    records = [unchained(entry, stream) for (_, entry), stream in zip(rows, streams, strict=True)]
    links = chain(head.origin, records, last)
    return SealedBatch(rows, streams, links, head.frontier, head.frontier.appended(link.leaf for link in links))


def unchained(entry: Entry, stream: bytes) -> Unchained:
    """What the tree will hold of a record."""
    record, body = entry.record, entry.body
    return Unchained(
        event_id=record.event_id,
        kind=record.kind.value,
        recorded_at=record.recorded_at,
        status=record.status,
        body_sha256=body.sha256,
        request_sha256=body.request_sha256,
        response_sha256=body.response_sha256,
        body_length=body.length,
        stream=stream,
    )


def new_secret() -> bytes:
    """Secret of a tenant that has none yet."""
    return secrets.token_bytes(SECRET_BYTES)
