"""Doors of the use cases to the outside: protocols, and the records and errors that pass through them.

Use cases know only these names; `app.adapters` implements them and `app.lifespan` joins the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from services.volatility.replay import Replay
from services.volatility.state import VolatilityState

IDEMPOTENCY_RETENTION = timedelta(hours=48)
"""How long a key surely answers with its stored bytes (published at ``GET /v1/limits``)."""


class Clock(Protocol):
    """The one source of the current time."""

    def now(self) -> datetime:
        """Current time, aware, UTC."""
        ...


class EventKind(StrEnum):
    """What an audit entry records."""

    EVALUATION = "evaluation"
    TARGETS = "targets"
    MARGIN = "margin"
    HEDGES = "hedges"
    SCALAR = "scalar"
    OBSERVATION = "observation"
    INSTRUMENTS = "instruments"
    POLICY = "policy"
    ORACLE = "oracle"
    GRID = "grid"
    SCHEDULE = "schedule"
    VAULT = "vault"
    ALLOCATION = "allocation"
    WATERFALL = "waterfall"
    ORDER_CHECK = "order_check"
    PORTFOLIO = "portfolio"
    SNAPSHOT = "snapshot"
    LIVE = "live"
    EXECUTIONS = "executions"
    BREAKER = "breaker"
    PARAMETERS = "parameters"
    KEY = "key"
    RETENTION = "retention"
    LOG_KEY = "log_key"
    GOVERNANCE = "governance"


class Outcome(StrEnum):
    """What became of a record whose append failed."""

    REJECTED = "rejected"
    """Nothing was written, and nothing will be."""
    UNKNOWN = "unknown"
    """It may be written, now or later: find out by event id or by repeating the call with its Idempotency-Key."""


class AuditUnavailable(Exception):
    """The audit store is down, full or late.

    Parameters
    ----------
    detail : str
        What happened; holds no credentials.
    outcome : Outcome
        Whether the record is surely absent or in doubt.
    """

    def __init__(self, detail: str, outcome: Outcome = Outcome.REJECTED) -> None:
        super().__init__(detail)
        self.detail = detail
        self.outcome = outcome


class AuditFull(AuditUnavailable):
    """As many records wait for the audit log as may; nothing was written."""


class Overloaded(Exception):
    """More is asked for than can be computed; nothing was recorded. `detail` says what waits."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class IdempotencyMismatch(Exception):
    """The Idempotency-Key was used before with another body."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Idempotency-Key {key!r} was used before with another request body")
        self.key = key


class AuditDamaged(Exception):
    """A stored entry does not match its own digest: it was changed outside this program, or the disk lost it.

    Parameters
    ----------
    detail : str
        What does not fit.
    index : int, optional
        The entry, where one of several was read.
    """

    def __init__(self, detail: str, index: int | None = None) -> None:
        super().__init__(detail)
        self.index = index


class BodyPruned(Exception):
    """The entry is in the log, its body was removed after its retention; the text is its event id."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """One use of an Idempotency-Key: `fingerprint` is SHA-256 of the request (32 bytes)."""

    route: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What a use case wants to make durable before it answers.

    Parameters
    ----------
    event_id : str
        ``ev_`` and the 32 hexadecimal digits of a UUID, unique.
    recorded_at : datetime
        Aware, UTC.
    status : int
        HTTP status of the answer.
    request : bytes
        Exact body of the request; for a GET its canonical query string.
    response : bytes
        Answer without the ``audit`` member, which the use case splices in once the index is known.
    state, versions : bytes
        Canonical bytes of the state read (may be empty) and of the versions that the numbers depend on.
    idempotency : IdempotencyKey, optional
        Made durable in the same transaction.
    proof : bool
        Whether the caller wants the inclusion proof of its entry.
    """

    event_id: str
    kind: EventKind
    recorded_at: datetime
    tenant_id: str
    portfolio_id: str | None
    client_reference: str | None
    status: int
    request: bytes
    response: bytes
    state: bytes
    versions: bytes
    idempotency: IdempotencyKey | None = None
    proof: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySummary:
    """An audit entry without its body.

    `body_sha256` is the digest [hex] of the uncompressed body, `body_length` its length and `stored_bytes` the length
    stored.
    """

    index: int
    event_id: str
    kind: EventKind
    recorded_at: datetime
    portfolio_id: str | None
    client_reference: str | None
    status: int
    body_sha256: str
    body_length: int
    stored_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry(EntrySummary):
    """An audit entry with the exact bytes that were recorded."""

    request: bytes
    response: bytes
    state: bytes
    versions: bytes


@dataclass(frozen=True, slots=True)
class TailEntry:
    """A stored entry and whose it is."""

    tenant_id: str
    entry: StoredEntry


@dataclass(frozen=True, slots=True)
class Seal:
    """What the tree holds of a record, and the tree right after the batch that wrote it.

    Parameters
    ----------
    entry : bytes
        Canonical entry.
    leaf : bytes
        Its leaf hash.
    size, root : int, bytes
        Of the tree after the batch.
    proof : tuple of bytes
        Inclusion proof in that tree; empty unless the record asked for it.
    """

    entry: bytes
    leaf: bytes
    size: int
    root: bytes
    proof: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a record lies in the log.

    `replayed`: its idempotency key had been stored before with the same fingerprint; nothing was written, `entry` is
    the stored one and `index` its index. `seal` is there where something was written.
    """

    index: int
    replayed: bool = False
    entry: StoredEntry | None = None
    seal: Seal | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class IdempotentEntry:
    """What is stored under an idempotency key."""

    fingerprint: bytes
    entry: StoredEntry


@dataclass(frozen=True, slots=True)
class AuditActivity:
    """What the writer of this process does: records that wait, and batches and entries it wrote since it started.

    `sizes` counts the batches by the entries that each wrote.
    """

    waiting: int
    batches: int
    entries: int
    sizes: Mapping[int, int] = field(default_factory=dict)


class AuditLog(Protocol):
    """Append-only log: indices start at 0, are contiguous and never reused.

    Every method raises `AuditUnavailable` if the store cannot answer.
    """

    async def append(self, record: AuditRecord, *, timeout: float) -> Appended:
        """Make the record durable, then return its index.

        Raises
        ------
        AuditUnavailable
            After `timeout` [s] at the latest; its `outcome` says what is known.
        IdempotencyMismatch
            If the key is stored with another fingerprint.
        """
        ...

    async def find_idempotent(self, tenant_id: str, route: str, key: str) -> IdempotentEntry | None:
        """Entry stored under the key."""
        ...

    async def get(self, tenant_id: str, event_id: str) -> StoredEntry | None:
        """Entry with this event id; None also for another tenant's.

        Raises
        ------
        BodyPruned
            If its body was removed after its retention.
        """
        ...

    async def entries(
        self,
        tenant_id: str,
        *,
        after: int | None,
        limit: int,
        kind: EventKind | None = None,
        portfolio_id: str | None = None,
        client_reference: str | None = None,
    ) -> list[EntrySummary]:
        """At most `limit` entries with index above `after`, ascending, that match every filter given."""
        ...

    async def tail(self, *, after: int, limit: int) -> list[TailEntry]:
        """At most `limit` entries of every tenant with index above `after`, ascending, with their bytes.

        Contiguous from the first whose body is kept: an entry is never skipped because another writer committed a later
        one first.
        """
        ...

    async def wait(self, *, after: int, timeout: float) -> int:
        """Size of the log as soon as it is above `after + 1`, else after `timeout` [s].

        Appends of this process wake it at once, those of others as soon as the store tells of them.
        """
        ...

    async def previous(self, tenant_id: str, index: int, *, kind: EventKind, portfolio_id: str) -> EntrySummary | None:
        """Last entry of this kind and portfolio below `index`."""
        ...

    async def size(self) -> int:
        """Number of entries of the whole log."""
        ...

    async def ping(self) -> None:
        """Return if the store answers."""
        ...

    def activity(self) -> AuditActivity:
        """What the writer does."""
        ...

    def server_version(self) -> str:
        """Kind and version of the store, such as ``PostgreSQL 18.6``."""
        ...

    def warnings(self) -> tuple[str, ...]:
        """Settings of the store under which an acknowledged entry could be lost in a crash; empty if none."""
        ...


InstrumentKey = tuple[str, str]
"""Venue (empty if none) and symbol."""


class InstrumentStore(Protocol):
    """Registered instruments, as the canonical JSON bytes of their specification.

    Reads come from a copy in the process: a change made through this store is seen at once, one made by another process
    after at most `staleness_seconds`.
    """

    staleness_seconds: float

    async def put_many(self, tenant_id: str, rows: Sequence[tuple[str, str, bytes]]) -> None:
        """Create or replace rows of (venue, symbol, specification), all or none."""
        ...

    async def get_many(self, tenant_id: str, keys: Sequence[InstrumentKey]) -> Mapping[InstrumentKey, bytes]:
        """Specifications of the keys that are registered."""
        ...

    async def list(self, tenant_id: str, *, after: InstrumentKey | None, limit: int) -> list[tuple[str, str, bytes]]:
        """At most `limit` rows above `after`, ordered by (venue, symbol)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDraft:
    """A policy to be stored.

    Parameters
    ----------
    sha256 : str
        Fingerprint of the resolved policy and the version of the defaults [hex].
    sent, resolved : bytes
        JSON as the client wrote it, and with every default written out.
    """

    policy_id: str
    sha256: str
    defaults_version: int
    sent: bytes
    resolved: bytes
    comment: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy(PolicyDraft):
    """One version of a stored policy: numbered from 1 without gaps, never changed, never deleted."""

    version: int


class PolicyStore(Protocol):
    """Stored policies, by id and version. There is no way to change one.

    Every method raises `AuditUnavailable` if the store cannot answer.
    """

    async def add(self, tenant_id: str, draft: PolicyDraft, *, decided: int | None = None) -> tuple[StoredPolicy, bool]:
        """Store as the next version, durably, unless the newest has the same fingerprint; say whether it was stored.

        Writers at once each get a version of their own, without gaps. `decided` is the version that governance has
        decided on: the draft becomes that one or, where there is one already, none, and that one is given back.

        Raises
        ------
        PolicyGoverned
            For a policy under governance, without `decided`.
        """
        ...

    async def newest(self, tenant_id: str, policy_id: str) -> StoredPolicy | None:
        """Newest version, as of now."""
        ...

    async def get(self, tenant_id: str, policy_id: str, version: int) -> StoredPolicy | None:
        """One version."""
        ...

    async def versions(self, tenant_id: str, policy_id: str, *, limit: int) -> list[StoredPolicy]:
        """At most `limit` versions, newest first."""
        ...

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> list[StoredPolicy]:
        """Newest versions of at most `limit` policies above `after`, in the order of the bytes of their ids."""
        ...


class StateUnavailable(Exception):
    """The store of volatility states is down or late; `detail` names no address."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class StateKey(NamedTuple):
    """Name of one volatility state; `venue` is empty where none was given."""

    tenant_id: str
    venue: str
    symbol: str
    bar_seconds: int
    model_version: str


@dataclass(frozen=True, slots=True)
class StateDamaged:
    """Found in the place of a state that cannot be read; all others can. `cause` says what is wrong with its bytes.

    It is mended by a reset or by `trimtab state rebuild`, never by feeding: it would begin anew without a word.
    """

    key: StateKey
    cause: str


class FedState(NamedTuple):
    """A state and what it takes to merge late bars into it."""

    state: VolatilityState
    replay: Replay


class StateChange(NamedTuple):
    """A new state, its replay, and the version that they were made from; None: the key held none."""

    key: StateKey
    expected_version: int | None
    state: VolatilityState
    replay: Replay


class VolatilityStore(Protocol):
    """Volatility states, by key. A state is replaced only by one that was made from it.

    Every method raises `StateUnavailable` if the store cannot answer. States are a cache of what was observed: losing
    one costs a refusal until it is fed again, never a wrong size. A state that cannot be read is a `StateDamaged` in
    its place, and fails no other.
    """

    async def load(self, keys: Sequence[StateKey]) -> list[VolatilityState | StateDamaged | None]:
        """States in the order of the keys, in one read; None where there is none."""
        ...

    async def load_for_update(self, keys: Sequence[StateKey]) -> list[FedState | StateDamaged | None]:
        """States with their replays, each pair as it was stored; a replay that was lost is one without bars."""
        ...

    async def compare_and_set(self, changes: Sequence[StateChange]) -> list[bool]:
        """Store each state, with its replay, whose key still holds the expected version; say which were stored.

        Each change is atomic and independent of the others. After `StateUnavailable` some may have been stored.
        """
        ...

    async def delete(self, key: StateKey) -> bool:
        """Forget a state; False if there was none."""
        ...

    async def list(
        self, tenant_id: str, *, after: StateKey | None, limit: int
    ) -> list[tuple[StateKey, VolatilityState | StateDamaged]]:
        """At most `limit` states above `after`, in a fixed order of keys."""
        ...

    async def ping(self) -> None:
        """Return if the store answers."""
        ...

    def server_version(self) -> str:
        """Kind and version of the store, such as ``Valkey 9.0.1``."""
        ...

    def warnings(self) -> tuple[str, ...]:
        """Settings of the store under which states could be lost; empty if none."""
        ...
