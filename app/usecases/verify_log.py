"""The whole log checked: rows, streams, tree, tiles, and every head that somebody kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.log_ports import LogTree, SpanSource
from services.audit.note import Checkpoint
from services.audit.span import SpanCheck
from services.audit.tiles import TileHashes
from services.audit.verify import Finding, LogCheck

PAGE = 5000
PAGE_WITH_BODIES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a check found: `pruned` counts bodies that are no longer there, `left_out` findings that are not listed.

    `first` and `end` are the entries that were read, of a log of `size`; `outside` counts kept heads that lie where no
    entry was read and that nothing could be compared with.
    """

    origin: str
    size: int
    root: bytes
    findings: tuple[Finding, ...]
    left_out: int
    bodies_checked: bool
    pruned: int
    checkpoints: int
    first: int
    end: int
    outside: int = 0


async def verify_log(
    tree: LogTree, checkpoints: Sequence[Checkpoint], *, bodies: bool, advance: Callable[[int, int], None]
) -> Verified:
    """Check every row of a log against every other, against its head, and against heads kept elsewhere.

    Parameters
    ----------
    checkpoints : sequence of Checkpoint
        Heads whose signatures were checked; without one, a log that was cut at its end looks like a shorter one.
    bodies : bool
        Also read and hash every body.
    advance : callable
        Told (rows checked, rows in all).
    """
    state = await tree.head()
    announced = dict(await tree.retentions())
    secrets = await tree.stream_secrets()
    check = LogCheck(state.origin, secrets, checkpoints, bodies=bodies, announcements=announced)
    hashes, limit = TileHashes(), PAGE_WITH_BODIES if bodies else PAGE
    while (done := check.size) < state.size:
        rows = await tree.stored(start=done, limit=min(limit, state.size - done), bodies=bodies)
        check.add(rows)
        hashes.add(row.leaf for row in rows[: check.size - done])
        advance(check.size, state.size)
        if check.size - done < len(rows) or not rows:
            break  # rows are missing: what follows cannot be joined to what came before
    check.close(state.size, state.root, state.frontier)
    # A row that the head does not count is there because the log has grown meanwhile, or somebody put it there.
    if (beyond := await tree.stored(start=state.size, limit=1, bodies=False)) and (
        (await tree.head()).size <= beyond[0].index
    ):
        check.beyond(beyond[0])
    wrong = [
        Finding(None, f"tile {level}/{number} is not that of the rows")
        for level, number, stored in await tree.tiles()
        if not hashes.at(level, number).startswith(stored)
    ]
    return Verified(
        origin=state.origin,
        size=state.size,
        root=state.root,
        findings=(*check.findings, *wrong),
        left_out=check.found - len(check.findings),
        bodies_checked=bodies,
        pruned=check.pruned,
        checkpoints=len(checkpoints),
        first=0,
        end=check.size,
    )


def verify_span(
    source: SpanSource,
    checkpoints: Sequence[Checkpoint],
    signed: Checkpoint | None,
    *,
    bodies: bool,
    advance: Callable[[int, int], None],
) -> Verified:
    """Check a part of a log that somebody handed over, against itself and against heads kept elsewhere.

    Parameters
    ----------
    checkpoints : sequence of Checkpoint
        Heads that were kept; one of a size that the part does not hold cannot be compared.
    signed : Checkpoint, optional
        The head that comes with the part, if its signature was checked.
    bodies : bool
        Also hash the bodies.
    advance : callable
        Told (entries checked, entries in all).
    """
    span = source.span
    bodies = bodies and source.bodies
    kept = [item for item in checkpoints if item.size != span.head.size]
    check = SpanCheck(span.head.origin, span.before, kept, bodies=bodies)
    for finding in source.damaged():
        check.report(finding.index, finding.what)
    for rows in source.rows():
        check.add(rows if bodies else [replace(row, body=None) for row in rows])
        advance(check.frontier.size - span.first, span.end - span.first)
    check.close(span.end, span.head, span.consistency)
    newest = [item for item in checkpoints if item.size == span.head.size]
    for item in (*newest, *([signed] if signed is not None else ())):
        if item != span.head:
            check.report(None, f"the head of size {span.head.size} is not the one that was signed")
    return Verified(
        origin=span.head.origin,
        size=span.head.size,
        root=span.head.root,
        findings=tuple(check.findings),
        left_out=check.found - len(check.findings),
        bodies_checked=bodies,
        pruned=check.pruned,
        checkpoints=len(checkpoints),
        first=span.first,
        end=span.end,
        outside=len(kept) - check.compared,
    )
