"""A part of the log as whoever has no database needs it: entries, bodies, and the hashes that join them to a head."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from app.log_ports import LogTree, Span
from app.ports import AuditDamaged, StoredEntry
from app.usecases.prove import frontier_at, prove_consistency
from app.usecases.retention import held_announcements
from services.audit.body import Body
from services.audit.note import Checkpoint
from services.audit.retention import announced_ranges
from services.audit.span import SpanRow
from services.core.errors import InvalidInput

PAGE = 256
UNREADABLE = b""
"""Body of an entry whose stored body cannot be read any more: no body has this digest, so every check finds it."""


async def span_of(tree: LogTree, first: int, last: int | None) -> Span:
    """The part of the log from `first` to `last`, both of them included; None: the newest.

    Raises
    ------
    InvalidInput
        If the log does not have these entries.
    """
    state = await tree.head()
    end = state.size if last is None else last + 1
    if not first < end <= state.size:
        raise InvalidInput("range", f"must lie from 0 to {state.size - 1}, the last entry", f"{first} to {end - 1}")
    consistency = await prove_consistency(tree, end, state.size)
    head = Checkpoint(state.origin, state.size, state.root)
    return Span(first, end, await frontier_at(tree, first), head, tuple(consistency))


async def rows_of(tree: LogTree, span: Span, *, bodies: bool) -> AsyncIterator[list[SpanRow]]:
    """Entries of the part, some at a time, each with its leaf hash and its body; None for a pruned one."""
    done = span.first
    removed = announced_ranges(await held_announcements(tree)) if bodies else []
    while done < span.end:
        rows = await tree.stored(start=done, limit=min(PAGE, span.end - done), bodies=False)
        found = await _bodies(tree, done, rows[-1].index, removed) if bodies and rows else {}
        if not rows:
            return
        yield [SpanRow(row.index, row.entry, row.leaf, found.get(row.index)) for row in rows]
        done = rows[-1].index + 1


async def _bodies(tree: LogTree, first: int, last: int, removed: Sequence[range]) -> dict[int, bytes]:
    """Bodies by index; of one that is missing although nothing was announced, or is damaged, what no digest fits."""
    found: dict[int, bytes] = {}
    done = first
    while done <= last:
        try:
            page = await tree.records(after=done - 1, limit=last - done + 1)
        except AuditDamaged:
            page = []
        if page:
            found |= {entry.index: body_bytes(entry) for entry in page}
            done = page[-1].index + 1
            continue
        # Damaged, or all pruned as far as one read goes: one by one.
        try:
            if not any(done in item for item in removed):
                found |= {entry.index: body_bytes(entry) for entry in await tree.records(after=done - 1, limit=1)}
        except AuditDamaged:
            found[done] = UNREADABLE
        done += 1
    for index in range(first, last + 1):
        if index not in found and not any(index in item for item in removed):
            found[index] = UNREADABLE
    return found


def body_bytes(entry: StoredEntry) -> bytes:
    """Body of a record, as its digest is taken."""
    return Body(entry.request, entry.response, entry.state, entry.versions).packed()
