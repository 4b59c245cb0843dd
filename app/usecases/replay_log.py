"""Recorded decisions of a part of the log computed again and compared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from app.log_ports import LogTree, SpanSource
from app.ports import EventKind, StoredEntry
from app.translate.answer import time_text
from app.usecases.read_evaluations import MAX_DIFFERENCES, REPLAYABLE, NotReplayable, differences, recompute
from app.version import versions_record
from services.audit.body import Body
from services.audit.span import SpanRow
from services.core.errors import InvalidInput

PAGE = 200


class Verdict(StrEnum):
    """What became of an entry that was computed again."""

    IDENTICAL = "identical"
    DIFFERENT = "different"
    FACT = "fact"
    """It records what was sent or set: there is nothing to compute."""
    OTHER_BUILD = "other_build"
    """Another build made it, and it does not come out the same here."""
    NO_BODY = "no_body"
    """Its body is pruned, or was not shown."""


class Judged(NamedTuple):
    """Verdict on an entry, and where it differs."""

    verdict: Verdict
    pointers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Different:
    """A decision that comes out otherwise than it was recorded, and where."""

    index: int
    event_id: str
    pointers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """`skipped` entries record facts, or a state in the form of another build; `pruned` ones have no body any more."""

    entries: int
    same: int
    different: tuple[Different, ...]
    skipped: int
    pruned: int


async def replay_log(tree: LogTree, *, first: int, last: int | None, advance: Callable[[int, int], None]) -> Replayed:
    """Compute the decisions from `first` to `last` again; `advance` is told (entries done, in all)."""
    size = (await tree.head()).size
    end = size if last is None else min(last + 1, size)
    count = _Count(max(end - first, 0))
    async for page in _recorded(tree, first, end):
        for entry in page:
            count.add(entry, await asyncio.to_thread(judge, entry))
        advance(page[-1].index + 1 - first, end - first)
    return count.replayed()


def replay_span(source: SpanSource, *, first: int, last: int | None, advance: Callable[[int, int], None]) -> Replayed:
    """Compute the decisions of a part that was handed over again; that it is the log's own is checked elsewhere.

    Raises
    ------
    InvalidInput
        If an entry or a body is none.
    """
    span = source.span
    begin = max(first, span.first)
    end = span.end if last is None else min(last + 1, span.end)
    count = _Count(max(end - begin, 0))
    for rows in source.rows():
        for row in rows:
            if begin <= row.index < end and row.body is not None and row.entry is not None:
                entry = entry_of(row, orjson.loads(row.entry))
                count.add(entry, judge(entry))
        advance(min(rows[-1].index + 1, end) - begin, end - begin)
    return count.replayed()


def judge(entry: StoredEntry) -> Judged:
    """Compute an entry again and compare, byte for byte.

    A record from which nothing comes out is different, at the whole: the empty pointer.
    """
    if entry.kind not in REPLAYABLE:
        return Judged(Verdict.FACT)
    try:
        again = recompute(entry)
    except NotReplayable:
        return Judged(Verdict.OTHER_BUILD)
    except Exception:  # what a false record can raise has no list
        return Judged(Verdict.DIFFERENT, ("",))
    if again == entry.response:
        return Judged(Verdict.IDENTICAL)
    try:
        rows = differences(orjson.loads(entry.response), orjson.loads(again))[:MAX_DIFFERENCES]
    except orjson.JSONDecodeError:
        rows = []
    return Judged(Verdict.DIFFERENT, tuple(row["pointer"] for row in rows) or ("",))


def judge_row(row: SpanRow, said: dict[str, Any]) -> Judged:
    """Verdict on an entry that was handed over; `said` is what it says.

    The clocks of an answer are taken from its record, so that of its request must be that of the entry. What another
    build recorded and does not come out the same cannot be judged here.
    """
    if row.body is None:
        return Judged(Verdict.NO_BODY)
    try:
        entry = entry_of(row, said)
    except InvalidInput:
        return Judged(Verdict.OTHER_BUILD)
    found = judge(entry)
    if found.verdict is Verdict.IDENTICAL and not _received_then(entry):
        return Judged(Verdict.DIFFERENT, ("/received_at",))
    if found.verdict is Verdict.DIFFERENT and entry.versions != versions_record():
        return Judged(Verdict.OTHER_BUILD, found.pointers)
    return found


def entry_of(row: SpanRow, said: dict[str, Any]) -> StoredEntry:
    """The record of an entry that was handed over with its body.

    Raises
    ------
    InvalidInput
        If it is of a kind that this build does not know, or its body is none.
    """
    body = Body.unpacked(row.body or b"")
    try:
        kind, recorded_at = EventKind(said["kind"]), datetime.fromisoformat(said["at"])
    except ValueError:
        raise InvalidInput("kind", "must be one that this build knows, with a time", said["kind"]) from None
    return StoredEntry(
        index=row.index,
        event_id=said["id"],
        kind=kind,
        recorded_at=recorded_at,
        portfolio_id=None,
        client_reference=None,
        status=said["status"],
        body_sha256=said["body"].removeprefix("sha256:"),
        body_length=said["body_len"],
        stored_bytes=len(row.body or b""),
        **body._asdict(),
    )


def _received_then(entry: StoredEntry) -> bool:
    received = orjson.loads(entry.response).get("received_at")
    return received is None or received == time_text(entry.recorded_at)


async def _recorded(tree: LogTree, first: int, end: int) -> AsyncIterator[list[StoredEntry]]:
    """Entries that have a body: a read goes past those whose body is pruned."""
    done = first
    while done < end and (page := await tree.records(after=done - 1, limit=min(PAGE, end - done))):
        done = page[-1].index + 1
        if found := [entry for entry in page if entry.index < end]:
            yield found


class _Count:
    def __init__(self, entries: int) -> None:
        self.entries, self.seen, self.same, self.skipped = entries, 0, 0, 0
        self.different: list[Different] = []

    def add(self, entry: StoredEntry, judged: Judged) -> None:
        self.seen += 1
        if judged.verdict is Verdict.IDENTICAL:
            self.same += 1
        elif judged.verdict is Verdict.DIFFERENT:
            self.different.append(Different(entry.index, entry.event_id, judged.pointers))
        else:
            self.skipped += 1

    def replayed(self) -> Replayed:
        return Replayed(self.entries, self.same, tuple(self.different), self.skipped, self.entries - self.seen)
