"""What the holder of the lease does for the log itself: tiles stored as it grows, its newest entries checked.

Neither is needed for an answer. Without stored tiles a proof computes them; without the check damage is found by
whoever runs `trimtab audit verify`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.container import Container
from app.log_ports import LogTree
from app.ports import AuditUnavailable, Clock
from app.telemetry import Telemetry
from app.usecases.log_tail import pause_seconds
from app.usecases.prove import MAX_TILE_BATCH, frontier_at, read_tile
from services.audit.chain import StreamHead
from services.audit.tiles import HEIGHT, WIDTH, Tile
from services.audit.verify import Finding, LogCheck, StoredLeaf
from services.core.errors import InvalidInput

logger = logging.getLogger("trimtab")

TILE_SECONDS = 1.0
"""Time between two looks whether the log has grown."""
STEP_SECONDS = 0.02
"""Pause between two steps of catching up: 16,384 entries are hashed in one."""
CHECK_PAGE = 100
"""Entries that are read and checked at once, with their bodies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check of the newest entries found.

    Parameters
    ----------
    at : datetime
        When it ended.
    first, size : int, int
        Entries `first` to ``size − 1`` were checked.
    findings : tuple of Finding
        Evidence of changes, in the order of the log.
    pruned : int
        Entries whose body is no longer there. That may be rightly so: `trimtab audit verify` tells.
    seconds : float
        How long it took.
    """

    at: datetime
    first: int
    size: int
    findings: tuple[Finding, ...]
    pruned: int
    seconds: float


class LogKeeper:
    """Both tasks, as long as the lease is held; `last` is what the last check found."""

    def __init__(self, container: Container, telemetry: Telemetry) -> None:
        self._container, self._telemetry = container, telemetry
        self.last: CheckReport | None = None

    async def run(self) -> None:
        """Keep the log until cancelled."""
        settings = self._container.settings
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_again_and_again(self._catch_up(), TILE_SECONDS), name="tiles")
            if settings.check_entries:
                tasks.create_task(_again_and_again(self._check, settings.check_seconds), name="log-check")

    def _catch_up(self) -> Callable[[], Awaitable[None]]:
        done = 0

        async def work() -> None:
            nonlocal done
            size = await self._container.audit.size()
            while (reached := await store_tiles(self._container.tree, size, done)) > done:
                done = reached
                await asyncio.sleep(STEP_SECONDS)

        return work

    async def _check(self) -> None:
        try:
            report = await check_newest(
                self._container.tree, self._container.clock, self._container.settings.check_entries
            )
        except Exception:
            self._telemetry.log_check("failed", None)
            raise
        self.last = report
        outcome = "damaged" if report.findings else "ok"
        self._telemetry.log_check(outcome, len(report.findings))
        checked = f"{report.size - report.first} entries up to {report.size} in {report.seconds:.2f} s"
        if report.findings:
            first = report.findings[0]
            where = "the log" if first.index is None else f"entry {first.index}"
            logger.error(
                "the check of the audit log (%s) found %d changes, the first: %s: %s. Copy the database, then run "
                "trimtab audit verify",
                checked,
                len(report.findings),
                where,
                first.what,
            )
        else:
            logger.debug("the check of the audit log found nothing: %s", checked)


async def _again_and_again(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Do the work, then wait, for ever; what fails is tried again, a store that is away sooner."""
    failures = 0
    while True:
        try:
            await work()
            failures = 0
            await asyncio.sleep(seconds)
        except AuditUnavailable:
            failures += 1
            await asyncio.sleep(pause_seconds(failures))
        except Exception:
            failures += 1
            logger.exception("keeping the audit log failed")
            await asyncio.sleep(min(seconds, 60.0))


async def store_tiles(tree: LogTree, size: int, done: int) -> int:
    """One step of storing tiles above the leaves.

    Parameters
    ----------
    size : int
        Entries of the log.
    done : int
        Complete tiles of leaves whose hashes are stored.

    Returns
    -------
    int
        The same after at most `MAX_TILE_BATCH` more. Each tile that a step completes is entered in the level above.
    """
    complete = size >> HEIGHT
    if done >= complete:
        return done
    number, place = divmod(done, WIDTH)
    until = min(place + MAX_TILE_BATCH, WIDTH, complete - number * WIDTH)
    await read_tile(tree, Tile(1, number, until))
    level, width = 1, until
    while width == WIDTH:
        number, place = divmod(number, WIDTH)
        level, width = level + 1, place + 1
        await read_tile(tree, Tile(level, number, width))
    return done - done % WIDTH + until


async def check_newest(tree: LogTree, clock: Clock, entries: int) -> CheckReport:
    """Check the newest entries of the log: each row against its entry, its leaf, its body and its stream, all of them
    against the stored head, from the tree before them as its tiles have it.
    """
    begun = time.perf_counter()
    state = await tree.head()
    first = max(state.size - entries, 0)
    try:
        before = await frontier_at(tree, first)
    except InvalidInput as error:
        finding = Finding(None, f"the tree of the first {first} entries cannot be read: {error}")
        return CheckReport(
            at=clock.now(),
            first=first,
            size=state.size,
            findings=(finding,),
            pruned=0,
            seconds=time.perf_counter() - begun,
        )
    check = LogCheck.following(state.origin, await tree.stream_secrets(), before)
    while (done := check.frontier.size) < state.size:
        rows = await tree.stored(start=done, limit=min(CHECK_PAGE, state.size - done), bodies=True)
        check.know(await _heads_before(tree, first, rows, check))
        await asyncio.to_thread(check.add, rows)
        if check.frontier.size - done < len(rows) or not rows:
            break  # rows are missing: what follows cannot be joined to what came before
    check.believe(content for _, content in await tree.retentions())
    check.close(state.size, state.root, state.frontier)
    return CheckReport(
        at=clock.now(),
        first=first,
        size=state.size,
        findings=tuple(check.findings),
        pruned=check.pruned,
        seconds=time.perf_counter() - begun,
    )


async def _heads_before(
    tree: LogTree, first: int, rows: Sequence[StoredLeaf], check: LogCheck
) -> Mapping[bytes, StreamHead]:
    """Last entry before `first` of each stream that the check meets for the first time."""
    return {
        stream: await tree.stream_head(stream, before=first)
        for stream in {row.stream for row in rows}
        if not check.knows(stream)
    }
