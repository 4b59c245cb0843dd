"""Group commit: what waits, who gets which index, and what a caller is told.

While one commit is on its way to the disk the next batch fills itself; there is no timer.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.adapters.audit_bases import Base, Bases
from app.adapters.audit_codec import EncodedBody, encode_body, event_uuid
from app.adapters.log_growth import LogGrowth
from app.audit_fields import field_tree
from app.limits import MAX_WAITING_BYTES
from app.ports import Appended, AuditFull, AuditRecord, AuditUnavailable, IdempotencyMismatch, Outcome, Seal
from services.audit.chain import Unchained
from services.audit.entry import stream_id

LOG_ID = 1
MAX_BATCH = 512
INLINE_BYTES = 4096
"""Records up to this size are encoded where they are queued: 0.1 ms on the event loop, while a commit is awaited."""

Verdict = Appended | Exception
"""What becomes of one record."""
Scope = tuple[str, str, str]
"""Tenant, route and idempotency key."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored under an idempotency key."""

    fingerprint: bytes
    index: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, encoded and ready to be placed; `unchained` is what the tree will hold of it."""

    record: AuditRecord
    event: uuid.UUID
    body: EncodedBody
    unchained: Unchained

    @property
    def stream(self) -> bytes:
        """Stream that it continues."""
        return self.unchained.stream

    @property
    def scope(self) -> Scope | None:
        """Idempotency scope, if the record has a key."""
        key = self.record.idempotency
        return (self.record.tenant_id, key.route, key.key) if key else None


@dataclass(frozen=True, slots=True)
class Placement:
    """Decision on one batch: `rows` to write with their indices, and a verdict for each entry in order."""

    rows: list[tuple[int, Entry]]
    verdicts: list[Verdict]

    def sealed(self, seals: Mapping[int, Seal]) -> list[Verdict]:
        """Verdicts with the seals of what was written."""
        return [
            Appended(item.index, seal=seals[item.index]) if isinstance(item, Appended) and not item.replayed else item
            for item in self.verdicts
        ]


class Room:
    """Bytes of the records that somebody waits for. On the event loop only."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, pending: Pending) -> None:
        """Take the room of a record until its caller has been told.

        Raises
        ------
        AuditFull
            If there is none, unless nothing else waits.
        """
        size = size_of(pending.record)
        if self._taken and self._taken + size > MAX_WAITING_BYTES:
            raise AuditFull(f"{self._taken} bytes of records wait already")
        self._taken += size
        pending.future.add_done_callback(lambda _: self._leave(size))

    def _leave(self, size: int) -> None:
        self._taken -= size


@dataclass(slots=True, eq=False)
class Pending:
    """A record whose caller waits.

    Writer and caller race for the token: the writer takes it before it writes, the caller when it gives up.
    So a caller that gave up first knows that nothing will be written.
    """

    record: AuditRecord
    future: asyncio.Future[Verdict]
    encoded: Entry | Exception | None = None
    _token: threading.Lock = field(default_factory=threading.Lock)
    abandoned: bool = False

    def claim(self) -> bool:
        """Take the token; False if the other side has it."""
        return self._token.acquire(blocking=False)

    def resolve(self, verdict: Verdict) -> None:
        """Tell the caller, if it still waits. On the event loop only."""
        if not self.future.done():
            self.future.set_result(verdict)


async def settled(pending: Pending, timeout: float) -> Appended:
    """Wait for the verdict on a record, never on the driver.

    Raises
    ------
    AuditUnavailable
        After `timeout` [s]: `rejected` if the write had not begun, else `unknown`.
    """
    # Not `asyncio.wait`: it costs as much as half of the encoding of a small record.
    guard = asyncio.get_running_loop().call_later(timeout, _give_up, pending, timeout)
    try:
        verdict = await pending.future
    except asyncio.CancelledError:
        pending.abandoned = True
        pending.claim()
        raise
    finally:
        guard.cancel()
    if isinstance(verdict, Exception):
        raise verdict
    return verdict


def _give_up(pending: Pending, timeout: float) -> None:
    if not pending.future.done():
        pending.abandoned = True
        outcome = Outcome.REJECTED if pending.claim() else Outcome.UNKNOWN
        pending.resolve(AuditUnavailable(f"the audit log did not answer within {timeout:g} s", outcome))


def resolve_all(results: Iterable[tuple[Pending, Verdict]], growth: LogGrowth) -> None:
    """Tell every caller of a batch, and who waits for the log to grow; one call on the event loop for all."""
    for pending, verdict in results:
        pending.resolve(verdict)
        if isinstance(verdict, Appended):
            growth.tell(verdict.index + 1)


def encode_entry(record: AuditRecord, secret: bytes, bases: Bases | None = None) -> Entry:
    """Encode a record under the secret of its tenant.

    Raises
    ------
    ValueError
        If its event id, time or fingerprint is malformed: a mistake of the program, not of the client.
    """
    event = event_uuid(record.event_id)
    if event is None:
        raise ValueError(f"event_id: must be ev_ and 32 hexadecimal digits; found {record.event_id!r}")
    if record.recorded_at.tzinfo is None:
        raise ValueError(f"recorded_at: must be aware; found {record.recorded_at.isoformat()}")
    if record.idempotency is not None and len(record.idempotency.fingerprint) != 32:
        raise ValueError(f"fingerprint: must be 32 bytes; found {len(record.idempotency.fingerprint)}")
    fields = field_tree(record.kind, record.response, secret, record.event_id)
    body = encode_body(record, bases)
    unchained = Unchained(
        event_id=record.event_id,
        kind=record.kind.value,
        recorded_at=record.recorded_at,
        status=record.status,
        body_sha256=body.sha256,
        request_sha256=body.request_sha256,
        response_sha256=body.response_sha256,
        fields_sha256=fields.digest if fields is not None else None,
        body_length=body.length,
        stream=stream_id(secret, record.portfolio_id),
    )
    return Entry(record, event, body, unchained)


def size_of(record: AuditRecord) -> int:
    """Bytes that encoding a record reads."""
    return len(record.request) + len(record.response) + len(record.state)


def encode_small(pending: Pending, stream_secrets: Mapping[str, bytes]) -> bool:
    """Encode a record that is small and whose tenant is known; whether it was."""
    record = pending.record
    if record.tenant_id not in stream_secrets or size_of(record) > INLINE_BYTES:
        return False
    [pending.encoded] = encode_all((record,), stream_secrets)
    return True


def encode_all(
    records: Sequence[AuditRecord], stream_secrets: Mapping[str, bytes], bases: Bases | None = None
) -> list[Entry | Exception]:
    """Encode each record; one that cannot be encoded does not fail the others.

    All that takes time happens here, before the log is locked; `stream_secrets` holds the secret of every tenant.
    """
    encoded: list[Entry | Exception] = []
    for record in records:
        try:
            encoded.append(encode_entry(record, stream_secrets[record.tenant_id], bases))
        except Exception as error:
            encoded.append(error)
    return encoded


def place(entries: Sequence[Entry], size: int, known: Mapping[Scope, Known]) -> Placement:
    """Give out indices from `size` on, in order.

    An entry whose idempotency key is stored, or used earlier in the batch, takes no index.
    """
    rows: list[tuple[int, Entry]] = []
    verdicts: list[Verdict] = []
    seen = dict(known)
    for entry in entries:
        scope, key = entry.scope, entry.record.idempotency
        if scope is not None and key is not None and scope in seen:
            former = seen[scope]
            replay = former.fingerprint == key.fingerprint
            verdicts.append(Appended(former.index, replayed=True) if replay else IdempotencyMismatch(key.key))
            continue
        index = size + len(rows)
        if scope is not None and key is not None:
            seen[scope] = Known(key.fingerprint, index)
        rows.append((index, entry))
        verdicts.append(Appended(index))
    return Placement(rows, verdicts)


def unknown_bases(rows: Sequence[tuple[int, Entry]], connection: object) -> list[tuple[Base, int]]:
    """Bases of the rows that were not written on this connection yet, each with the first index that needs it."""
    first: dict[bytes, tuple[Base, int]] = {}
    for index, entry in rows:
        if (base := entry.body.base) is not None and base.known_to is not connection:
            first.setdefault(base.sha256, (base, index))
    return list(first.values())
