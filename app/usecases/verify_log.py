"""The whole log checked: rows, streams, tree, tiles, and every head that somebody kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from app.log_ports import LogState, LogTree, SpanSource
from app.usecases.retention import held_announcements
from services.audit.note import Checkpoint
from services.audit.span import SpanCheck
from services.audit.tiles import HEIGHT, TileHashes
from services.audit.verify import Finding, LogCheck, Segment

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
    announced = dict(await tree.retentions())  # before the head: what they name is then among the rows
    state, secrets = await tree.head(), await tree.stream_secrets()
    check = LogCheck(state.origin, secrets, checkpoints, bodies=bodies, announcements=announced)
    hashes = TileHashes()
    await _read(tree, check, hashes, state.size, lambda done: advance(done, state.size))
    check.believe(await held_announcements(tree, announced))  # a removal that came while rows were read
    return await _verified(tree, state, check, hashes, len(checkpoints))


Part = tuple[Segment, bytes]
"""What was found of a segment, and the roots of its full tiles."""


async def verify_segment(
    tree: LogTree, start: int, end: int, checkpoints: Sequence[Checkpoint], *, bodies: bool
) -> Part:
    """Check the rows from `start` to `end`, one of `segments`, alone; of a log that removed no bodies."""
    state, hashes = await tree.head(), TileHashes()
    check = LogCheck(state.origin, await tree.stream_secrets(), checkpoints, bodies=bodies, start=start)
    await _read(tree, check, hashes, end, lambda done: None)
    return check.segment(), hashes.roots


async def join_segments(
    tree: LogTree,
    state: LogState,
    checkpoints: Sequence[Checkpoint],
    parts: AsyncIterator[Part],
    *,
    bodies: bool,
    advance: Callable[[int, int], None],
) -> Verified:
    """What `verify_log` finds, from the parts in order; `state` is the head that they were laid out for."""
    check, hashes = LogCheck(state.origin, None, checkpoints, bodies=bodies), TileHashes()
    async for segment, roots in parts:
        if not check.join(segment):
            break
        hashes.add_roots(roots)
        advance(check.size, state.size)
    check.believe(await held_announcements(tree))
    return await _verified(tree, state, check, hashes, len(checkpoints))


def segments(size: int, height: int) -> list[tuple[int, int]]:
    """Parts of ``2^height`` rows, a multiple of a tile, that can be checked apart; the last may be shorter.

    Examples
    --------
    >>> segments(600, 8)
    [(0, 256), (256, 512), (512, 600)]
    """
    width = 1 << max(height, HEIGHT)
    return [(start, min(start + width, size)) for start in range(0, size, width)]


async def _read(tree: LogTree, check: LogCheck, hashes: TileHashes, end: int, advance: Callable[[int], None]) -> None:
    limit = PAGE_WITH_BODIES if check.bodies else PAGE
    while (done := check.size) < end:
        rows = await tree.stored(start=done, limit=min(limit, end - done), bodies=check.bodies)
        check.add(rows)
        hashes.add(row.leaf for row in rows[: check.size - done])
        advance(check.size)
        if check.size - done < len(rows) or not rows:
            break  # rows are missing: what follows cannot be joined to what came before


async def _verified(tree: LogTree, state: LogState, check: LogCheck, hashes: TileHashes, kept: int) -> Verified:
    check.close(state.size, state.root, state.frontier)
    # A row that the head does not count is there because the log has grown meanwhile, or somebody put it there.
    if (beyond := await tree.stored(start=state.size, limit=1, bodies=False)) and (
        (await tree.head()).size <= beyond[0].index
    ):
        check.beyond(beyond[0])
    tiles = await tree.tiles()
    grown = (await tree.head()).size > state.size
    wrong = [
        Finding(None, f"tile {level}/{number} is not that of the rows")
        for level, number, stored in tiles
        if not _same_tile(hashes.at(level, number), stored, grown=grown)
    ]
    return Verified(
        origin=state.origin,
        size=state.size,
        root=state.root,
        findings=(*check.findings, *wrong),
        left_out=check.found - len(check.findings),
        bodies_checked=check.bodies,
        pruned=check.pruned,
        checkpoints=kept,
        first=0,
        end=check.size,
    )


def _same_tile(found: bytes, stored: bytes, *, grown: bool) -> bool:
    """Whether a stored tile is that of the rows; beside a writer it may hold hashes of later ones."""
    return found.startswith(stored) or (grown and stored.startswith(found))


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
