"""Channels, positions in them, and one published state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from services.core.errors import InvalidInput


class Mode(StrEnum):
    """What a channel may leave out for a slow reader."""

    LATEST = "latest"
    """All but the newest state: a reader that falls behind is sent the newest, and told how many were skipped."""
    EVERY = "every"
    """Nothing: a reader that falls too far behind is cut, and catches up from its position."""


class Kind(StrEnum):
    """What a channel tells; all but `AUDIT` and `STATUS` tell it of one subject, as in ``targets:pf_main``."""

    TARGETS = "targets"
    MARGIN = "margin"
    VOLATILITY = "volatility"
    HEDGES = "hedges"
    BREAKERS = "breakers"
    AUDIT = "audit"
    STATUS = "status"

    @property
    def mode(self) -> Mode:
        """What the channel may leave out."""
        return Mode.LATEST if self in (Kind.TARGETS, Kind.MARGIN, Kind.VOLATILITY) else Mode.EVERY

    @property
    def has_subject(self) -> bool:
        """Whether the name of the channel says of what it tells."""
        return self not in (Kind.AUDIT, Kind.STATUS)


COMMON = ""
"""In the place of a tenant: of the channel that tells the same to all."""


class Channel(NamedTuple):
    """One stream of states: `subject` is a portfolio id, a symbol (``volatility``), or empty.

    Examples
    --------
    >>> Channel.parse("local", "volatility:BTC/USDT:USDT").subject
    'BTC/USDT:USDT'
    >>> Channel.parse("a", "status") == Channel.parse("b", "status"), Channel.parse("a", "audit").tenant_id
    (True, 'a')
    >>> Channel("local", Kind.TARGETS, "pf_main").name
    'targets:pf_main'
    """

    tenant_id: str
    kind: Kind
    subject: str = ""

    @property
    def name(self) -> str:
        """Name on the wire, which never tells the tenant."""
        return f"{self.kind}:{self.subject}" if self.kind.has_subject else str(self.kind)

    @classmethod
    def parse(cls, tenant_id: str, name: str) -> Channel:
        """Channel of a name on the wire.

        Raises
        ------
        InvalidInput
            If there is no such kind, or the subject is missing, too long or out of place.
        """
        kind_text, colon, subject = name.partition(":")
        if kind_text not in set(Kind):
            raise InvalidInput("ch", f"must start with one of {', '.join(Kind)}", kind_text[:64])
        kind = Kind(kind_text)
        if kind.has_subject != bool(subject) or len(subject) > 64 or (colon and not subject):
            rule = "must name a subject of at most 64 characters" if kind.has_subject else "must name no subject"
            raise InvalidInput("ch", f"{rule} after {kind}", subject[:64])
        return cls(COMMON if kind is Kind.STATUS else tenant_id, kind, subject)


class Position(NamedTuple):
    """How far a reader has come: sequences of different epochs cannot be compared."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A state that a channel is to tell: an `Update` before it has its position; see there."""

    channel: Channel
    version: int
    at: datetime
    data: bytes
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One published state of a channel.

    Parameters
    ----------
    position : Position
        Where it stands; `seq` starts at 1.
    version : int
        Index of the audit entry that it was made of: two updates of one channel with the same version are one.
    at : datetime
        When it was decided, aware, UTC.
    valid_until : datetime, optional
        From when it must not be acted on.
    data : bytes
        The state as a JSON object.
    """

    channel: Channel
    position: Position
    version: int
    at: datetime
    valid_until: datetime | None
    data: bytes
