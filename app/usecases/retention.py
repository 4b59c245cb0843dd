"""Retention: bodies leave after their time, entries and the tree stay.

The log announces what will be removed, durably, before anything is: after a crash the next run goes on with what was
announced, and whoever checks the log finds the reason of every body that is not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from app.ids import new_id
from app.log_ports import LogTree
from app.ports import IDEMPOTENCY_RETENTION, AuditLog, AuditRecord, EventKind
from app.retention_port import RetentionStore
from app.version import versions_record
from services.audit.entry import digest_text, moment
from services.audit.retention import KIND, Announcement, answered
from services.core.errors import InvalidInput

PAGE = 2000
KEYS = 5000
APPEND_SECONDS = 10.0
MIN_AGE = IDEMPOTENCY_RETENTION
"""Bodies are kept at least as long as keys answer with them."""


class RemovalRefused(Exception):
    """This process may not remove bodies; the text says who may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Bodies whose time is over: those of the entries from `first` up to `end`, which is left out."""

    first: int
    end: int
    bodies_sha256: str
    stored_bytes: int
    before: datetime

    @property
    def bodies(self) -> int:
        """How many."""
        return self.end - self.first


async def held_announcements(tree: LogTree, known: Container[int] = ()) -> list[bytes]:
    """Announcements that entries of the log really hold, but for those of `known` indices; rows that say so prove
    nothing.
    """
    held = []
    for index, content in await tree.retentions():
        rows = await tree.stored(start=index, limit=1, bodies=False) if index not in known else []
        if rows and (rows[0].index, rows[0].kind) == (index, KIND) and answered(rows[0].entry, content):
            held.append(content)
    return held


async def plan_removal(store: RetentionStore, *, before: datetime, now: datetime) -> Removal:
    """What is older than `before`: from where the last removal ended up to the first entry that is not.

    Entries are taken in the order of the log. So one whose clock was behind is kept with its neighbours, never removed
    before them.

    Raises
    ------
    InvalidInput
        If `before` is less than `MIN_AGE` ago.
    """
    if before > now - MIN_AGE:
        hours = f"{MIN_AGE / timedelta(hours=1):g} hours"
        raise InvalidInput("older_than", f"must be at least {hours}, as long as Idempotency-Keys answer", now - before)
    first = end = await store.kept_from()
    digest, stored_bytes = hashlib.sha256(), 0
    while page := await store.ages(start=end, limit=PAGE):
        for entry in page:
            if entry.recorded_at >= before:
                break
            digest.update(entry.body_sha256)
            end, stored_bytes = entry.index + 1, stored_bytes + entry.stored_bytes
        else:
            continue
        break
    sha256 = digest_text(digest.digest())
    return Removal(first=first, end=end, bodies_sha256=sha256, stored_bytes=stored_bytes, before=before)


async def remove(
    audit: AuditLog, store: RetentionStore, removal: Removal, *, tenant_id: str, actor: str, now: datetime
) -> int | None:
    """Announce a removal in the log, then remove; also what an earlier run announced and left. Index of the entry.

    Raises
    ------
    RemovalRefused
        If this process may not; nothing is announced then.
    """
    if not await store.allowed():
        raise RemovalRefused("this login may not remove bodies: use one that is a member of tt_retention")
    index = None
    if removal.bodies:
        said = Announcement(first=removal.first, end=removal.end, bodies_sha256=removal.bodies_sha256)
        content = said.encoded(before=removal.before, actor=actor, stored_bytes=removal.stored_bytes)
        record = AuditRecord(
            event_id=new_id("ev", now),
            kind=EventKind.RETENTION,
            recorded_at=now,
            tenant_id=tenant_id,
            portfolio_id=None,
            client_reference=None,
            status=200,
            request=orjson.dumps({"before": moment(removal.before)}),
            response=content,
            state=b"",
            versions=versions_record(),
        )
        index = (await audit.append(record, timeout=APPEND_SECONDS)).index
        await store.retain(index, content)
    while await store.sweep():
        pass
    return index


async def keep_house(
    audit: AuditLog, store: RetentionStore, *, tenant_id: str, retention_days: int, now: datetime
) -> Removal | None:
    """What the holder of the lease does from time to time: expired keys, and bodies older than their retention.

    None where nothing was to be removed; 0 days keep bodies for ever.

    Raises
    ------
    RemovalRefused
        If bodies are due and this process may not remove them.
    """
    while await store.forget_keys(before=now - IDEMPOTENCY_RETENTION, limit=KEYS) == KEYS:
        pass
    if not retention_days:
        return None
    # Whole days: an announcement a day is enough.
    before = (now - timedelta(days=retention_days)).replace(hour=0, minute=0, second=0, microsecond=0)
    due = await plan_removal(store, before=before, now=now)
    if due.bodies or await store.allowed():  # what was announced and is still there goes, too
        await remove(audit, store, due, tenant_id=tenant_id, actor="service", now=now)
    return due if due.bodies else None
