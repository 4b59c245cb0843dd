"""A batch of records on its way into the tree: chained within their streams, hashed, proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from json.encoder import encode_basestring
from typing import NamedTuple

from services.audit.entry import FIRST, EntryText, entry_text
from services.audit.frontier import Frontier
from services.audit.merkle import SubtreeHash, inclusion_proof, leaf_hash, node_hash, subtrees


class StreamHead(NamedTuple):
    """Last entry of a stream: its number and its leaf hash."""

    seq: int = 0
    leaf: bytes = FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchained:
    """What an entry says of a record, before it has its place in a stream; see `LogEntry`. `text` is made of it."""

    event_id: str
    kind: str
    recorded_at: datetime
    status: int
    body_sha256: bytes
    request_sha256: bytes
    response_sha256: bytes
    fields_sha256: bytes | None
    body_length: int
    stream: bytes
    text: EntryText = field(init=False)

    def __post_init__(self) -> None:
        text = entry_text(
            event_id=self.event_id,
            kind=self.kind,
            recorded_at=self.recorded_at,
            status=self.status,
            body_sha256=self.body_sha256,
            request_sha256=self.request_sha256,
            response_sha256=self.response_sha256,
            fields_sha256=self.fields_sha256,
            body_length=self.body_length,
            stream=self.stream,
        )
        object.__setattr__(self, "text", text)


class Link(NamedTuple):
    """An entry with its place: number in its stream, canonical bytes, leaf hash."""

    stream_seq: int
    entry: bytes
    leaf: bytes


def chain(log: str, records: Sequence[Unchained], heads: Mapping[bytes, StreamHead]) -> list[Link]:
    """Entries of a batch, in order, each continuing its stream.

    Parameters
    ----------
    log : str
        Origin of the log.
    heads : mapping
        Last stored entry of each stream of the batch; one that is missing begins now.
    """
    last = dict(heads)
    name = encode_basestring(log)
    links = []
    for record in records:
        before = last.get(record.stream, StreamHead())
        entry = record.text.encoded(name, before.seq + 1, before.leaf)
        leaf = leaf_hash(entry)
        last[record.stream] = StreamHead(before.seq + 1, leaf)
        links.append(Link(before.seq + 1, entry, leaf))
    return links


def batch_proof(before: Frontier, leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Inclusion proof of a leaf of a batch in the tree right after it, from the tree before it and the batch alone.

    Parameters
    ----------
    before : Frontier
        Tree before the batch.
    leaves : sequence of bytes
        Leaf hashes of the batch.
    index : int
        Index of the leaf in the log.
    """
    return inclusion_proof(index, before.size + len(leaves), batch_subtrees(before, leaves))


def batch_subtrees(before: Frontier, leaves: Sequence[bytes]) -> SubtreeHash:
    """Complete subtrees that a proof of a leaf of the batch can ask for, each hashed once.

    Each is a subtree of the frontier, or contains leaves of the batch: what lies wholly before the batch and is not in
    the frontier is part of one that is, and no proof of a later leaf goes into it.
    """
    known: dict[tuple[int, int], bytes] = dict(zip(subtrees(0, before.size), before.subtrees, strict=True))

    def at(height: int, number: int) -> bytes:
        found = known.get((height, number))
        if found is None:
            found = (
                leaves[number - before.size]
                if height == 0
                else node_hash(at(height - 1, 2 * number), at(height - 1, 2 * number + 1))
            )
            known[height, number] = found
        return found

    return at
