"""Checking a whole log from its stored rows: nothing is taken on trust that another row could contradict.

Rows are handed in order; what is wrong is reported at its index and the check goes on: one run finds everything.

References
----------
RFC 6962 (2013), section 2.1; Crosby & Wallach (2009), section 2.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from services.audit.chain import StreamHead
from services.audit.entry import digest_text, moment, stream_id
from services.audit.frontier import Frontier
from services.audit.merkle import folded, leaf_hash, node_hash
from services.audit.note import Checkpoint
from services.audit.retention import KIND, Announcement, announced_ranges, answered
from services.core.errors import InvalidInput

MAX_FINDINGS = 1000
"""Findings that are kept; the rest is counted."""
_DIGEST = rb'"sha256:[0-9a-f]{64}"'
_ENTRY = re.compile(
    rb'\{"at":"([^"\\]*)","body":"sha256:([0-9a-f]{64})","body_len":([0-9]+),(?:"fields":%b,)?"id":"([^"\\]*)",'
    rb'"kind":"([^"\\]*)","log":"([^"\\]*)",(?:"request":%b,"response":%b,)?"status":([0-9]+),'
    rb'"stream":"hmac-sha256:([0-9a-f]{64})","stream_prev":"sha256:([0-9a-f]{64})","stream_seq":([0-9]+),"v":[12]\}'
    % (_DIGEST, _DIGEST, _DIGEST)
)
_NONE = StreamHead()


@dataclass(frozen=True, slots=True)
class Finding:
    """Evidence that something was changed: `index` is None where it is the log as a whole."""

    index: int | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLeaf:
    """One row of the log as stored; see `LogEntry`. `body_found` is the digest of the body, None if it is not there."""

    index: int
    event_id: str
    kind: str
    recorded_at: datetime
    tenant_id: str
    portfolio_id: str | None
    status: int
    body_sha256: bytes
    body_length: int
    stream: bytes
    stream_seq: int
    entry: bytes
    leaf: bytes
    head_size: int
    body_found: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What a check of the rows from `start` to `size` found, and what joins it to the rows before and after.

    `subtrees` is the tree of these rows alone, `marks` the same at the sizes of kept heads; `opening` holds the first
    entry of each stream with the entry that it says is before it, `closing` the last; `opening_end` and `closing_end`
    are where the batches of the first and the last row end; `missing` are entries whose body is not there.
    """

    start: int
    size: int
    subtrees: tuple[bytes, ...]
    marks: Mapping[int, tuple[bytes, ...]]
    opening: Mapping[bytes, tuple[int, StreamHead]]
    closing: Mapping[bytes, StreamHead]
    opening_end: int
    closing_end: int
    findings: tuple[Finding, ...]
    found: int
    pruned: int
    missing: tuple[range, ...] = ()


@dataclass(slots=True)
class _Removal:
    """An announced removal, and the digest of its range as far as rows were seen; `entered` once its entry was."""

    content: bytes
    said: Announcement
    digest: Any = field(default_factory=hashlib.sha256)
    entered: bool = False


@dataclass(slots=True)
class LogCheck:
    """State of a check that has seen the rows up to `size`.

    Parameters
    ----------
    origin : str
        Name of the log.
    stream_secrets : mapping
        Secrets by tenant; None where they are not known, and streams are not traced to their portfolios.
    checkpoints : iterable of Checkpoint
        Heads that somebody kept: each must be a root that the log had at its size.
    bodies : bool
        Whether the rows come with the digests of their bodies.
    announcements : mapping
        What entries are said to have announced (`services.audit.retention`), by index; each is held against its entry.
        A missing body that no entry announced is evidence. Not for segments: a removal reaches over several.
    start : int
        First row. Above 0 it must be a multiple of a power of two that no segment is longer than: the check then is of
        a segment, and `join` puts it to the others.
    """

    origin: str
    stream_secrets: Mapping[str, bytes] | None = None
    checkpoints: Iterable[Checkpoint] = ()
    bodies: bool = False
    announcements: Mapping[int, bytes] = field(default_factory=dict)
    start: int = 0
    size: int = field(init=False)
    findings: list[Finding] = field(default_factory=list)
    found: int = 0
    pruned: int = 0
    _subtrees: list[bytes] = field(default_factory=list)
    _batch_end: int | None = 0
    _opening_end: int = 0
    _opening: dict[bytes, tuple[int, StreamHead]] = field(default_factory=dict)
    _marks: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    _streams: dict[bytes, StreamHead] = field(default_factory=dict)
    _names: dict[tuple[str, str | None], bytes | None] = field(default_factory=dict)
    _heads: dict[int, list[Checkpoint]] = field(default_factory=dict)
    _removals: dict[int, _Removal] = field(default_factory=dict)
    _coming: list[_Removal] = field(default_factory=list)
    _open: list[_Removal] = field(default_factory=list)
    _missing: list[range] = field(default_factory=list)
    _covered: list[range] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.size = self.start
        for index, content in sorted(self.announcements.items()):
            try:
                self._removals[index] = _Removal(content, Announcement.parse(content))
            except InvalidInput:
                self._report(index, "what it is said to have announced is no removal of bodies")
        self._coming = sorted(self._removals.values(), key=lambda removal: -removal.said.first)
        for item in self.checkpoints:
            self._heads.setdefault(item.size, []).append(item)
        self._compare_head()

    def segment(self) -> Segment:
        """What was found of the rows from `start` on."""
        return Segment(
            start=self.start,
            size=self.size,
            subtrees=tuple(self._subtrees),
            marks=self._marks,
            opening=self._opening,
            closing=self._streams,
            opening_end=self._opening_end,
            closing_end=self._batch_end or 0,
            findings=tuple(self.findings),
            found=self.found,
            pruned=self.pruned,
            missing=tuple(self._missing),
        )

    def join(self, later: Segment) -> bool:
        """Take what was found of the rows that follow; False where some are missing in between."""
        if later.start != self.size:
            self._report(later.start, f"its index should be {self.size}: rows are missing or out of order")
            return False
        self.findings = [*self.findings, *later.findings][:MAX_FINDINGS]
        self.found += later.found
        self.pruned += later.pruned
        self._missing += later.missing
        for stream, (index, claimed) in later.opening.items():
            if claimed != self._streams.get(stream, _NONE):
                self._report(index, "it does not continue its stream")
        self._streams |= later.closing
        if later.size > later.start and self._batch_end not in (later.start, later.opening_end):
            self._report(later.start, "its batch is not one that follows the one before")
        self._batch_end = later.closing_end if later.size > later.start else self._batch_end
        before = tuple(self._subtrees)
        for size, subtrees in later.marks.items():
            if size > later.start:
                self._compare_root(size, _joined(later.start, before, size - later.start, subtrees))
        self._subtrees = list(_joined(later.start, before, later.size - later.start, later.subtrees))
        self.size = later.size
        return True

    @classmethod
    def following(cls, origin: str, stream_secrets: Mapping[str, bytes], frontier: Frontier) -> Self:
        """Check, with bodies, of what follows a tree; `know` tells it of the streams before, `believe` of removals."""
        check = cls(origin, stream_secrets, bodies=True)
        check.size = frontier.size
        check._subtrees.extend(frontier.subtrees)
        check._batch_end = None
        return check

    def believe(self, announcements: Iterable[bytes]) -> None:
        """Let bodies be missing that were announced to leave, without the entries that say so: before `close`."""
        self._covered += announced_ranges(announcements)

    def knows(self, stream: bytes) -> bool:
        """Whether it has the last entry of a stream."""
        return stream in self._streams

    def know(self, heads: Mapping[bytes, StreamHead]) -> None:
        """Take the last entries of streams before the rows that come."""
        self._streams.update(heads)

    @property
    def frontier(self) -> Frontier:
        """The tree so far."""
        return Frontier(self.size, tuple(self._subtrees))

    def add(self, rows: Iterable[StoredLeaf]) -> None:
        """Check further rows."""
        for row in rows:
            if row.index != self.size:
                self._report(row.index, f"its index should be {self.size}: rows are missing or out of order")
                return
            self._check(row)
            self._append(row.leaf)
            if self.size in self._heads:
                self._compare_head()

    def close(self, size: int, root: bytes, frontier: bytes) -> None:
        """Compare with the stored head, once every row is in."""
        tree = self.frontier
        if (size, root, frontier) != (tree.size, tree.root, tree.packed()):
            self._report(None, f"the stored head of size {size} is not the root of the {tree.size} rows")
        if self._batch_end not in (None, self.size):
            self._report(None, f"the last batch ends at {self._batch_end}, and the rows at {self.size}")
        for kept in sorted(kept for kept in self._heads if kept > self.size):
            self._report(None, f"a checkpoint of size {kept} was signed: the end of the log is missing")
        for index in (index for index, removal in self._removals.items() if not removal.entered):
            self._report(index, "a removal of bodies is ascribed to it that it did not announce")
        for missing in self._missing:
            for lost in _outside(missing, self._covered):
                them = f"bodies up to entry {lost.stop - 1} are" if len(lost) > 1 else "its body is"
                self._report(lost.start, f"{them} missing, and the log announced no removal")
                self.pruned -= len(lost)

    def beyond(self, row: StoredLeaf) -> None:
        """Report a row that lies behind the head."""
        self._report(row.index, "it lies behind the head of the log")

    def _append(self, leaf: bytes) -> None:
        # As `Frontier.appended`, without a new object for each row.
        bits, stack = self.size - self.start, self._subtrees
        while bits & 1:
            leaf, bits = node_hash(stack.pop(), leaf), bits >> 1
        stack.append(leaf)
        self.size += 1

    def _compare_head(self) -> None:
        if self.start:
            self._marks[self.size] = tuple(self._subtrees)
        else:
            self._compare_root(self.size, tuple(self._subtrees))

    def _compare_root(self, size: int, subtrees: tuple[bytes, ...]) -> None:
        for item in self._heads.get(size, ()):
            if item.origin != self.origin:
                self._report(None, f"a checkpoint names another log: {item.origin}")
            elif item.root != folded(subtrees):
                self._report(None, f"the checkpoint of size {item.size} has another root: history was rewritten")

    def _check(self, row: StoredLeaf) -> None:
        if leaf_hash(row.entry) != row.leaf:
            self._report(row.index, "its leaf hash is not that of its entry")
        before = self._before(row)
        if row.stream_seq != before.seq + 1:
            self._report(row.index, f"it should be number {before.seq + 1} of its stream, and is {row.stream_seq}")
        if not self._says(row, before):
            self._report_differences(row, before)
        if self.stream_secrets is not None and self._stream_of(row.tenant_id, row.portfolio_id) != row.stream:
            self._report(row.index, "its stream is not that of its tenant and portfolio")
        self._check_batch(row)
        while self._coming and self._coming[-1].said.first <= row.index:
            self._open.append(self._coming.pop())
        if self._open:
            self._open = [removal for removal in self._open if row.index < removal.said.end]
            for removal in self._open:
                removal.digest.update(row.body_sha256)
        if row.kind == KIND and row.index in self._removals:
            self._announce(row, self._removals[row.index])
        if self.bodies and row.body_found is None:
            self.pruned += 1
            last = self._missing[-1] if self._missing else range(0)
            if len(last) and last.stop == row.index:
                self._missing[-1] = range(last.start, row.index + 1)
            else:
                self._missing.append(range(row.index, row.index + 1))
        elif self.bodies and row.body_found != row.body_sha256:
            self._report(row.index, "its body does not have the recorded digest")
        self._streams[row.stream] = StreamHead(row.stream_seq, row.leaf)

    def _before(self, row: StoredLeaf) -> StreamHead:
        """Entry before this one in its stream; in a segment that which the first one names, to be compared later."""
        before = self._streams.get(row.stream)
        if before is not None:
            return before
        if not self.start:
            return _NONE
        match = _ENTRY.fullmatch(row.entry)
        claimed = StreamHead(row.stream_seq - 1, bytes.fromhex(match[9].decode()) if match else b"")
        self._opening[row.stream] = row.index, claimed
        return claimed

    def _check_batch(self, row: StoredLeaf) -> None:
        """Batches follow one another: `head_size` of a row is where its batch ends."""
        if self.start and row.index == self.start:
            self._opening_end = self._batch_end = row.head_size
        if row.head_size != self._batch_end:
            if not row.index < row.head_size or self._batch_end not in (None, row.index):
                self._report(row.index, "its batch is not one that follows the one before")
            self._batch_end = row.head_size
        elif not row.index < row.head_size:
            self._report(row.index, "its batch ended before it")

    def _announce(self, row: StoredLeaf, removal: _Removal) -> None:
        """Take an announcement on, if it is what the entry holds the digest of."""
        if not answered(row.entry, removal.content):
            return
        removal.entered = True
        if removal.said.end > row.index or removal.said.bodies_sha256 != digest_text(removal.digest.digest()):
            self._report(row.index, "it announced the removal of other bodies than those of its range")
            return
        self._covered.append(range(removal.said.first, removal.said.end))

    def _stream_of(self, tenant_id: str, portfolio_id: str | None) -> bytes | None:
        name = tenant_id, portfolio_id
        if name not in self._names:
            secret = (self.stream_secrets or {}).get(tenant_id)
            self._names[name] = None if secret is None else stream_id(secret, portfolio_id)
        return self._names[name]

    def _says(self, row: StoredLeaf, before: StreamHead) -> bool:
        """Whether the entry is of the usual form and says what the row says: nearly always, and found out fast."""
        match = _ENTRY.fullmatch(row.entry)
        return match is not None and match.groups() == (
            moment(row.recorded_at).encode(),
            row.body_sha256.hex().encode(),
            b"%d" % row.body_length,
            row.event_id.encode(),
            row.kind.encode(),
            self.origin.encode(),
            b"%d" % row.status,
            row.stream.hex().encode(),
            before.leaf.hex().encode(),
            b"%d" % row.stream_seq,
        )

    def _report_differences(self, row: StoredLeaf, before: StreamHead) -> None:
        said = _parsed(row.entry)
        for name, value in self._expected(row, before).items():
            if said.get(name) != value:
                self._report(
                    row.index, f"its entry says {name} = {str(said.get(name))[:80]}, the row {str(value)[:80]}"
                )

    def _expected(self, row: StoredLeaf, before: StreamHead) -> dict[str, Any]:
        return {
            "at": moment(row.recorded_at),
            "body": digest_text(row.body_sha256),
            "body_len": row.body_length,
            "id": row.event_id,
            "kind": row.kind,
            "log": self.origin,
            "status": row.status,
            "stream": f"hmac-sha256:{row.stream.hex()}",
            "stream_prev": digest_text(before.leaf),
            "stream_seq": row.stream_seq,
        }

    def _report(self, index: int | None, what: str) -> None:
        self.found += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(index, what))


def _joined(size: int, before: tuple[bytes, ...], count: int, after: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Complete subtrees of `size` leaves and `count` more, of which `after` are the subtrees: no more than the lowest
    power of two in `size`.
    """
    if not count:
        return before
    if count & (count - 1):
        return (*before, *after)
    stack, [carried], bits = list(before), after, size // count
    while bits & 1:
        carried, bits = node_hash(stack.pop(), carried), bits >> 1
    return (*stack, carried)


def _parsed(entry: bytes) -> dict[str, Any]:
    try:
        value = json.loads(entry)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _outside(missing: range, covered: Iterable[range]) -> list[range]:
    """Parts of a range that no other covers."""
    left = [missing]
    for item in covered:
        parts = ((part, range(part.start, item.start), range(item.stop, part.stop)) for part in left)
        left = [
            piece
            for part, below, above in parts
            for piece in ((below, above) if item.start < part.stop and part.start < item.stop else (part,))
            if len(piece)
        ]
    return left
