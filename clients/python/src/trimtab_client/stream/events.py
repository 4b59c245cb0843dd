"""What a stream tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from trimtab_client.base import Model

M = TypeVar("M", bound=Model)


class Position(NamedTuple):
    """How far a channel was read: sequences of different epochs cannot be compared."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A state of a channel: absolute, so that it replaces all before.

    Parameters
    ----------
    data : mapping
        The state, as REST answers it.
    valid_until : datetime, optional
        From when it must not be acted on.
    conflated : int
        States that were left out before it because they were superseded.
    snapshot : bool
        Whether it came with the subscription: what lay between it and the last one, if anything, is not told.
    """

    channel: str
    position: Position
    data: Mapping[str, Any]
    valid_until: datetime | None = None
    conflated: int = 0
    snapshot: bool = False
    _now: Callable[[], datetime] = field(repr=False, compare=False)

    @property
    def expired(self) -> bool:
        """Whether its time is over now, by the clock of the service: ask again before each use."""
        return self.valid_until is not None and self._now() >= self.valid_until

    def parse(self, model: type[M]) -> M:
        """The state as a model: `PublishedTargets` for ``targets:…``, `PublishedMargin` for ``margin:…``, and so on."""
        return model.model_validate(self.data)


@dataclass(frozen=True, slots=True)
class Gap:
    """States of a channel were lost; the stream asks for them again. `lost_from` is what was read last."""

    channel: str
    lost_from: Position | None
    found: Position
    why: str


@dataclass(frozen=True, slots=True)
class Expired:
    """The newest state of a channel is over and no newer one came: reduce only, from now on."""

    channel: str
    position: Position
    valid_until: datetime | None
    update: Update | None = None
    """The state; None where the service told it of one that this client does not hold."""


@dataclass(frozen=True, slots=True)
class Notice:
    """The service says something about the connection, such as ``draining``."""

    code: str
    frame: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Degraded:
    """The service lost or regained part of itself, or this client the service (`detail` says which)."""

    degraded: bool
    detail: str


Event = Update | Gap | Expired | Notice | Degraded
