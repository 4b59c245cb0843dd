"""The whole log checked: rows, streams, tree, tiles, and every head that somebody kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.log_ports import LogTree
from services.audit.note import Checkpoint
from services.audit.tiles import TileHashes
from services.audit.verify import Finding, LogCheck

PAGE = 5000
PAGE_WITH_BODIES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a check found: `pruned` counts bodies that are no longer there, `left_out` findings that are not listed."""

    origin: str
    size: int
    root: bytes
    findings: tuple[Finding, ...]
    left_out: int
    bodies_checked: bool
    pruned: int
    checkpoints: int


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
    while (done := check.frontier.size) < state.size:
        rows = await tree.stored(start=done, limit=min(limit, state.size - done), bodies=bodies)
        check.add(rows)
        hashes.add(row.leaf for row in rows[: check.frontier.size - done])
        advance(check.frontier.size, state.size)
        if check.frontier.size - done < len(rows) or not rows:
            break  # rows are missing: what follows cannot be joined to what came before
    check.close(state.size, state.root, state.frontier)
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
    )
