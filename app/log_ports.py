"""Doors of the verifiable log to the outside: its tree as stored, and the key that signs its heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.ports import StoredEntry
from services.audit.chain import StreamHead
from services.audit.frontier import Frontier
from services.audit.note import Checkpoint, Signature, VerifierKey
from services.audit.span import SpanRow
from services.audit.verify import Finding, StoredLeaf


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """Head of the log as stored; `verifier_key` is that of the key which signs, None before the first signature."""

    origin: str
    size: int
    root: bytes
    frontier: bytes
    verifier_key: str | None


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """What the tree holds of a record; `head_size` is the size of the log after the batch that wrote it."""

    index: int
    entry: bytes
    leaf: bytes
    head_size: int


class LogTree(Protocol):
    """The Merkle tree of the log as stored. Every method raises `AuditUnavailable` if it cannot answer."""

    async def head(self) -> LogState:
        """Head of the log."""
        ...

    async def adopt_key(self, verifier_key: str) -> str:
        """Make this the key of the log unless it has one; returns the one it has then."""
        ...

    async def change_key(self, former: str, verifier_key: str) -> str:
        """Make this the key of the log if it has the former one; returns the one it has then."""
        ...

    async def entry_of(self, tenant_id: str, event_id: str) -> LoggedEntry | None:
        """Entry of an event; None also for another tenant's."""
        ...

    async def leaves(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes of the entries from `start` to `end`, which is left out."""
        ...

    async def tile(self, level: int, number: int) -> bytes:
        """Hashes of a tile above the leaves, as many as are stored."""
        ...

    async def put_tile(self, level: int, number: int, hashes: bytes) -> None:
        """Store a tile unless a longer one is stored: tiles only ever grow."""
        ...

    async def stored(self, *, start: int, limit: int, bodies: bool) -> list[StoredLeaf]:
        """Rows from index `start` on, for a check of the log; with the digests of their bodies if asked for."""
        ...

    async def records(self, *, after: int, limit: int) -> list[StoredEntry]:
        """At most `limit` entries with index above `after`, ascending, with their bodies."""
        ...

    async def stream_secrets(self) -> Mapping[str, bytes]:
        """Secrets of the streams by tenant."""
        ...

    async def stream_head(self, stream: bytes, *, before: int) -> StreamHead:
        """Last entry of a stream below index `before`; one of number 0 if there is none."""
        ...

    async def tiles(self) -> Sequence[tuple[int, int, bytes]]:
        """Every stored tile as (level, number, hashes)."""
        ...

    async def retentions(self) -> Sequence[tuple[int, bytes]]:
        """Entries that announced a removal of bodies, as (index, content of its answer): a claim, to be checked."""
        ...

    async def add_cosignatures(self, size: int, signatures: Sequence[Signature]) -> None:
        """Store signatures of witnesses on the head of a size; the first of a key stays."""
        ...

    async def cosignatures(self, size: int) -> list[Signature]:
        """Signatures of witnesses on the head of a size."""
        ...

    async def cosigned_sizes(self, *, least: int, signatures: int, newest: bool, limit: int) -> list[int]:
        """Sizes from `least` on whose heads have at least so many signatures; ascending, or the newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """Entries from `first` to `end`, which is left out, and what joins them to a head.

    `before` holds the complete subtrees before `first`; `consistency` proves that the first `end` entries are the
    beginning of those of the head.
    """

    first: int
    end: int
    before: Frontier
    head: Checkpoint
    consistency: tuple[bytes, ...]


class SpanSource(Protocol):
    """A part of a log from elsewhere: nothing of it is checked yet."""

    @property
    def span(self) -> Span:
        """What part it is, as it says itself."""
        ...

    @property
    def bodies(self) -> bool:
        """Whether the entries come with their bodies."""
        ...

    def damaged(self) -> Sequence[Finding]:
        """What is not as it was when it was written."""
        ...

    def rows(self) -> Iterator[list[SpanRow]]:
        """Entries in order, some at a time; ends early where entries are missing."""
        ...


class LogCosigner(Protocol):
    """Holder of a key that cosigns heads."""

    def public(self, name: str) -> VerifierKey:
        """The public key under a name."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Signature of a message."""
        ...


class LogSigner(Protocol):
    """Holder of the key that signs the heads of the log.

    `former` signs them, too, while readers learn of a change of keys.
    """

    @property
    def former(self) -> LogSigner | None:
        """The key before, while it still signs."""
        ...

    def public(self, name: str) -> VerifierKey:
        """The public key under the name of the log."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature; deterministic."""
        ...
