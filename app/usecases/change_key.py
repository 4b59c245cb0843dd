"""Another key for the log: the log says so, under both keys, before its heads are signed with the new one."""

from __future__ import annotations

from datetime import datetime

import orjson

from app.ids import new_id
from app.log_ports import LogSigner, LogTree
from app.ports import AuditLog, AuditRecord, EventKind
from app.version import versions_record
from services.audit.key_change import KeyChange

APPEND_SECONDS = 30.0


class KeyChangeRefused(Exception):
    """The log keeps its key; the text says why."""


async def change_key(
    audit: AuditLog, tree: LogTree, former: LogSigner, key: LogSigner, *, tenant_id: str, actor: str, now: datetime
) -> tuple[str, int]:
    """Record the change, then make it: the statement with both signatures, and the index of its entry.

    After a crash in between the log has its former key still, and the change is made again with an entry of its own.

    Raises
    ------
    KeyChangeRefused
        If the log is not signed with `former`, also since another was faster.
    InvalidInput
        If both are the same.
    """
    head = await tree.head()
    known, change = head.verifier_key, KeyChange(former.public(head.origin), key.public(head.origin))
    if known != change.former.text():
        raise KeyChangeRefused(f"the log is signed with {known or 'no key yet'}, not with {change.former.text()}")
    note = change.signed(former.sign, key.sign)
    record = AuditRecord(
        event_id=new_id("ev", now),
        kind=EventKind.LOG_KEY,
        recorded_at=now,
        tenant_id=tenant_id,
        portfolio_id=None,
        client_reference=None,
        status=200,
        request=orjson.dumps({"actor": actor}),
        response=orjson.dumps({"statement": note}),
        state=b"",
        versions=versions_record(),
    )
    index = (await audit.append(record, timeout=APPEND_SECONDS)).index
    if (now_known := await tree.change_key(change.former.text(), change.key.text())) != change.key.text():
        raise KeyChangeRefused(f"meanwhile the log came to be signed with {now_known}")
    return note, index
