"""The tree of a log while a batch is written: the place of an entry in its stream, its leaf, the head afterwards.

Both stores hand in what they read under the lock of the log and write what comes out in the same transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from app.adapters.audit_batch import Entry
from app.ports import Seal
from services.audit.chain import Link, StreamHead, batch_subtrees, chain
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
    """Rows of a batch with their links, and the head after them."""

    rows: list[tuple[int, Entry]]
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


def seal_batch(head: LogHead, rows: list[tuple[int, Entry]], last: Mapping[bytes, StreamHead]) -> SealedBatch:
    """Put a batch into the tree; `last` holds the last stored entry of each of its streams."""
    links = chain(head.origin, [entry.unchained for _, entry in rows], last)
    return SealedBatch(rows, links, head.frontier, head.frontier.appended(link.leaf for link in links))


def new_secret() -> bytes:
    """Secret of a tenant that has none yet."""
    return secrets.token_bytes(SECRET_BYTES)
