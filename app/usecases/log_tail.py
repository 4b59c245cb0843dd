"""Reading on in the audit log, past entries that cannot be read."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import NamedTuple

from app.ports import AuditDamaged, AuditLog, BodyPruned, StoredEntry, TailEntry

logger = logging.getLogger("trimtab")

BATCH = 256
WAIT_SECONDS = 1.0
"""Longest wait for an entry, after which everything else is looked at again."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
"""Bounds of the pause after a failure [s]."""


class Tail(NamedTuple):
    """Entries, and the index up to which the log was read."""

    entries: Sequence[TailEntry]
    reached: int


async def read_on(audit: AuditLog, after: int) -> Tail:
    """The next entries above `after`.

    An entry that does not match its digest is left out and logged: it must not keep those after it from their readers.
    """
    try:
        entries = await audit.tail(after=after, limit=BATCH)
        return Tail(entries, entries[-1].entry.index if entries else after)
    except AuditDamaged:
        pass
    try:
        entries = await audit.tail(after=after, limit=1)
        return Tail(entries, entries[-1].entry.index if entries else after)
    except AuditDamaged as error:
        # Not the one after `after` where bodies were removed: those are passed over.
        index = after + 1 if error.index is None else error.index
        logger.error("audit entry %d is left out of the stream: %s", index, error)
        return Tail((), index)


async def get_kept(audit: AuditLog, tenant_id: str, event_id: str) -> StoredEntry | None:
    """Entry with this event id; None also where its body was pruned: what is that old counts no more."""
    try:
        return await audit.get(tenant_id, event_id)
    except BodyPruned:
        return None


def pause_seconds(failures: int) -> float:
    """Pause after so many failures in a row: doubling, and random, so that processes do not act in step.

    Examples
    --------
    >>> all(0.1 <= pause_seconds(failures) <= 5.0 for failures in range(1, 100))
    True
    """
    longest = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311
