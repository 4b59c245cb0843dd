"""Doors of the live part to the outside: portfolios, the bus of updates, and who may run the one live engine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.ports import EventKind, IdempotencyKey, TailEntry
from services.streaming.update import Channel, Position, Publication, Update


class VersionConflict(Exception):
    """The portfolio is at another version than the writer expected; `current` is None where there is none."""

    def __init__(self, current: int | None) -> None:
        super().__init__(f"the stored version is {current}")
        self.current = current


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPortfolio:
    """A registered portfolio.

    Parameters
    ----------
    version : int
        Counts its changes from 1; a deletion ends it, and a later registration goes on counting.
    specification : bytes
        Canonical JSON of what was registered.
    """

    portfolio_id: str
    version: int
    specification: bytes
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshot:
    """The newest snapshot of a portfolio: account, positions and marks, as canonical JSON."""

    portfolio_id: str
    snapshot_seq: int
    snapshot: bytes
    received_at: datetime


class CursorLost(Exception):
    """The bus began anew since its cursor was read: what was published before is not on it."""


class PortfolioStore(Protocol):
    """Registered portfolios and their newest snapshots.

    Every method raises `AuditUnavailable` if the store cannot answer.
    """

    async def put(
        self, tenant_id: str, portfolio_id: str, specification: bytes, *, expected: int | None, now: datetime
    ) -> StoredPortfolio:
        """Create or replace, as the next version.

        Parameters
        ----------
        expected : int, optional
            Version that must be stored now: 0 for none, None for any.

        Raises
        ------
        VersionConflict
            If another version is stored.
        """
        ...

    async def get(self, tenant_id: str, portfolio_id: str) -> StoredPortfolio | None:
        """The portfolio, if registered."""
        ...

    async def delete(self, tenant_id: str, portfolio_id: str, *, expected: int | None, now: datetime) -> bool:
        """Forget the portfolio and its snapshot; False if there was none.

        Raises
        ------
        VersionConflict
            If another version is stored.
        """
        ...

    async def put_snapshot(self, tenant_id: str, snapshot: StoredSnapshot) -> StoredSnapshot | None:
        """Keep the snapshot if its sequence is above the stored one; return what is stored afterwards.

        None where the portfolio is not registered: nothing is stored then.
        """
        ...

    async def get_snapshot(self, tenant_id: str, portfolio_id: str) -> StoredSnapshot | None:
        """The newest snapshot, if there is one."""
        ...

    async def registered(self) -> list[tuple[str, StoredPortfolio, StoredSnapshot | None]]:
        """Every portfolio of every tenant with its newest snapshot; for the live engine when it begins."""
        ...

    async def list(self, tenant_id: str, *, after: str | None, limit: int) -> list[StoredPortfolio]:
        """At most `limit` portfolios above `after`, in the order of the bytes of their ids."""
        ...


class Lease(Protocol):
    """Who runs the one live engine of a deployment: the holder of the lease.

    A lease alone cannot keep a process that was frozen between its last check and its write from writing too late. So
    every live entry names the one that it continues in its idempotency key (`continuation`): of two entries that
    continue the same one the log keeps the first, whoever holds the lease.
    """

    async def acquire(self) -> bool:
        """Take the lease if nobody holds it; True also while this process holds it. Never waits for another."""
        ...

    async def held(self) -> bool:
        """Whether this process still holds it, as the store knows it; False if the store cannot be asked."""
        ...

    async def release(self) -> None:
        """Give it back; it is also free as soon as the process or its connection ends."""
        ...


def continuation(portfolio_id: str, previous: int | None) -> IdempotencyKey:
    """Key of the live entry of a portfolio that follows its live entry at index `previous`, or is its first.

    An append under a key that was used returns the stored entry (`Appended.replayed`): another process was faster, and
    what it stored is the state to go on from. Keys live for 48 hours, longer than a process can be taken for alive.

    Examples
    --------
    >>> continuation("pf_main", 41).key
    'pf_main after 41'
    """
    name = f"{portfolio_id} after {'nothing' if previous is None else previous}"
    return IdempotencyKey(EventKind.LIVE, name, hashlib.sha256(name.encode()).digest())


class BusListener(Protocol):
    """What a process does with updates. Its methods return at once: the bus never waits for a reader."""

    def updated(self, update: Update) -> None:
        """A new state of a followed channel: in order, none missing since the last one or since `follow`."""
        ...

    def reset(self, channel: Channel, newest: Update | None) -> None:
        """History of a followed channel was lost: `newest` is the state of the new epoch, if known."""
        ...

    def health(self, *, degraded: bool, detail: str) -> None:
        """The bus lost or regained its connection; while degraded, updates come from this process alone."""
        ...


class UpdateBus(Protocol):
    """Channels of absolute states, each with an epoch, a sequence and a bounded history.

    No method fails because the shared store is down: the bus then works within the process and says so to its listener.
    """

    @property
    def shared(self) -> bool:
        """Whether other processes read what is published here; False also while the shared store is down."""
        ...

    async def publish(
        self, channel: Channel, *, version: int, at: datetime, data: bytes, valid_until: datetime | None = None
    ) -> Update | None:
        """Give the state the next sequence and tell every listener; None for a version that was published before."""
        ...

    async def publish_many(
        self, publications: Sequence[Publication], *, after: int | None = None
    ) -> list[Update | None]:
        """Publish in order, in as few round trips as possible; one answer for each, as `publish` gives it.

        Parameters
        ----------
        after : int, optional
            Cursor that they go on from: what lies between it and them is published, so that no channel gets a hole.

        Raises
        ------
        CursorLost
            If the cursor lies below `after` or is lost: the bus began anew. What came before the loss is published.
        """
        ...

    async def latest(self, channel: Channel) -> Update | None:
        """Newest state."""
        ...

    async def since(self, channel: Channel, position: Position) -> Sequence[Update] | None:
        """States after a position, oldest first; None if its epoch is over or the history no longer reaches back."""
        ...

    async def follow(self, channel: Channel) -> Update | None:
        """Tell the listener of this channel from now on; returns the newest state, which the next one continues."""
        ...

    async def unfollow(self, channel: Channel) -> None:
        """Stop telling the listener."""
        ...

    def listen(self, listener: BusListener) -> None:
        """Set the one listener of this process."""
        ...

    async def cursor(self) -> int | None:
        """Audit index up to which everything was published; None where nobody knows, as after a loss."""
        ...

    async def advance(self, index: int, *, after: int | None = None) -> None:
        """Note that everything up to an audit index is published.

        Raises
        ------
        CursorLost
            As `publish_many`.
        """
        ...

    async def forget(self) -> None:
        """Begin every channel anew, without a cursor: the audit log is another one than was published, or a shorter."""
        ...


class LogConsumer(Protocol):
    """Part of the live engine that acts on what the audit log holds; runs only where the lease is held."""

    async def begin(self, size: int) -> None:
        """The lease is held, and the log has `size` entries; what came before may or may not have been acted on."""
        ...

    async def saw(self, entries: Sequence[TailEntry]) -> None:
        """Further entries, in order, each once."""
        ...

    async def sweep(self) -> None:
        """Look for what changed without an entry; called from time to time."""
        ...

    async def end(self) -> None:
        """The lease is lost or given back: stop at once; what is under way is finished or forgotten."""
        ...
