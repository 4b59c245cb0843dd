"""Checking a part of a log from its entries alone: what an export holds, or what a witness was sent.

Nothing but the entries, hashes of what lies before them and a head is needed: no database, no secret. The hashes before
the part are not trusted either: with wrong ones no root comes out right.

References
----------
RFC 6962 (2013), section 2.1; Crosby & Wallach (2009), section 2.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.audit.body import Body
from services.audit.chain import StreamHead
from services.audit.entry import FIRST, digest_text
from services.audit.frontier import Frontier
from services.audit.merkle import HASH_BYTES, leaf_hash, verify_consistency
from services.audit.note import Checkpoint
from services.audit.verify import MAX_FINDINGS, Finding
from services.core.errors import InvalidInput

MAX_ENTRY_BYTES = 16 * 1024
"""Far above any entry: they hold digests and names."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z", re.ASCII)
_TEXTS = ("at", "body", "id", "kind", "log", "stream", "stream_prev")
_WHOLES = ("body_len", "status", "stream_seq", "v")


@dataclass(frozen=True, slots=True)
class SpanRow:
    """An entry as it was handed over, or its leaf hash alone; what was not handed over is None."""

    index: int
    entry: bytes | None
    leaf: bytes | None = None
    body: bytes | None = None


@dataclass(slots=True)
class SpanCheck:
    """State of a check that has seen the entries from `start.size` up to `frontier.size`.

    Parameters
    ----------
    origin : str
        Name of the log.
    start : Frontier
        Complete subtrees of what lies before the part.
    checkpoints : iterable of Checkpoint
        Heads that somebody kept; those that lie before the part or after its last entry cannot be compared.
    bodies : bool
        Whether bodies were handed over: an entry without one then counts as pruned.
    """

    origin: str
    start: Frontier
    checkpoints: Iterable[Checkpoint] = ()
    bodies: bool = False
    frontier: Frontier = field(init=False)
    findings: list[Finding] = field(default_factory=list)
    found: int = 0
    pruned: int = 0
    compared: int = 0
    _streams: dict[str, StreamHead] = field(default_factory=dict)
    _heads: dict[int, list[Checkpoint]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frontier = self.start
        for item in self.checkpoints:
            self._heads.setdefault(item.size, []).append(item)
        self._compare_head()

    def add(self, rows: Iterable[SpanRow]) -> list[dict[str, Any] | None]:
        """Check further entries; what each says, None where it is none or was not shown."""
        said = []
        for row in rows:
            if row.index != self.frontier.size:
                self.report(row.index, f"its index should be {self.frontier.size}: entries are missing or out of order")
                break
            leaf = leaf_hash(row.entry) if row.entry is not None else row.leaf
            if leaf is None or len(leaf) != HASH_BYTES:
                self.report(row.index, "neither its entry nor its leaf hash is there")
                break
            said.append(self._check(row, row.entry, leaf) if row.entry is not None else None)
            self.frontier = self.frontier.appended((leaf,))
            self._compare_head()
        return said

    def close(self, end: int, head: Checkpoint, consistency: Sequence[bytes]) -> None:
        """Compare with a head, once every entry is in.

        Parameters
        ----------
        end : int
            Number of entries that the log has up to the last of the part.
        head : Checkpoint
            Head of the log then or later.
        consistency : sequence of bytes
            Proof that the tree of `end` entries is the beginning of that of the head; empty where they are the same.
        """
        if self.frontier.size != end:
            self.report(None, f"entries {self.frontier.size} to {end - 1} are missing")
        elif head.origin != self.origin:
            self.report(None, f"the head names another log: {head.origin}")
        elif not verify_consistency(end, head.size, self.frontier.root, head.root, consistency):
            self.report(None, f"the entries do not lead to the head of size {head.size}")

    def report(self, index: int | None, what: str) -> None:
        """Add a finding."""
        self.found += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(index, what))

    def _compare_head(self) -> None:
        for item in self._heads.get(self.frontier.size, ()):
            self.compared += 1
            if item.origin != self.origin:
                self.report(None, f"a checkpoint names another log: {item.origin}")
            elif item.root != self.frontier.root:
                self.report(None, f"the checkpoint of size {item.size} has another root: history was rewritten")

    def _check(self, row: SpanRow, entry: bytes, leaf: bytes) -> dict[str, Any] | None:
        if row.leaf is not None and row.leaf != leaf:
            self.report(row.index, "its leaf hash is not that of its entry")
        said = _parsed(entry)
        if said is None:
            self.report(row.index, "its entry is none")
            return None
        if said["log"] != self.origin:
            self.report(row.index, f"its entry is of another log: {said['log'][:80]}")
        self._check_stream(row.index, said)
        self._streams[said["stream"]] = StreamHead(said["stream_seq"], leaf)
        if row.body is not None:
            for what in body_faults(said, row.body):
                self.report(row.index, what)
        elif self.bodies:
            self.pruned += 1
        return said

    def _check_stream(self, index: int, said: dict[str, Any]) -> None:
        before = self._streams.get(said["stream"])
        if before is None:
            begins = said["stream_seq"] == 1
            if begins != (said["stream_prev"] == digest_text(FIRST)) or (self.start.size == 0 and not begins):
                self.report(index, "its stream does not begin where its entry says")
        elif said["stream_seq"] != before.seq + 1:
            self.report(index, f"it should be number {before.seq + 1} of its stream, and is {said['stream_seq']}")
        elif said["stream_prev"] != digest_text(before.leaf):
            self.report(index, "its entry does not name the one before it in its stream")


def body_faults(said: dict[str, Any], body: bytes) -> list[str]:
    """In what a body is not the one that its entry names: empty where it is."""
    if digest_text(hashlib.sha256(body).digest()) != said["body"] or len(body) != said["body_len"]:
        return ["its body does not have the recorded digest"]
    try:
        parts = Body.unpacked(body)
    except InvalidInput:
        return ["its body has no sections"]
    wrong = []
    for name, section in (("request", parts.request), ("response", parts.response)):
        if name in said and said[name] != digest_text(hashlib.sha256(section).digest()):
            wrong.append(f"its {name} does not have the recorded digest")
    return wrong


def _parsed(entry: bytes) -> dict[str, Any] | None:
    if len(entry) > MAX_ENTRY_BYTES:
        return None
    try:
        said = json.loads(entry)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    whole = all(type(said.get(name)) is int and said[name] >= 0 for name in _WHOLES)
    texts = all(isinstance(said.get(name), str) for name in _TEXTS)
    return said if whole and texts and _DIGEST.match(said["body"]) else None
