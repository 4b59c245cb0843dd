"""What a door hands to a use case, and what it gets back: bytes and plain values, no HTTP objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from app.ports import EventKind


class Door(Enum):
    """Ways into the engine: the full call, its narrow variants, and registered portfolios; the value is the scope of
    idempotency keys.
    """

    EVALUATIONS = "POST /v1/evaluations"
    TARGETS = "POST /v1/targets"
    MARGIN = "POST /v1/margin"
    HEDGES = "POST /v1/hedges"
    LIVE = "the live engine"

    @property
    def kind(self) -> EventKind:
        """Kind of audit entry that an answer through this door makes.

        Examples
        --------
        >>> Door.EVALUATIONS.kind.value
        'evaluation'
        """
        return _KINDS[self]


_KINDS = {
    Door.EVALUATIONS: EventKind.EVALUATION,
    Door.TARGETS: EventKind.TARGETS,
    Door.MARGIN: EventKind.MARGIN,
    Door.HEDGES: EventKind.HEDGES,
    Door.LIVE: EventKind.LIVE,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request with a body.

    Parameters
    ----------
    body : bytes
        Exact bytes, as received: they are hashed and audited.
    parsed : object
        The JSON value in `body`.
    idempotency_key : str or None
        Header `Idempotency-Key`.
    received_at : datetime
        Aware, UTC.
    timeout_seconds : float
        Time left for the durable write.
    """

    body: bytes
    parsed: object
    idempotency_key: str | None
    received_at: datetime
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes to send back.

    Parameters
    ----------
    status : int
        HTTP status.
    body : bytes
        JSON.
    headers : tuple of (name, value)
        Extra headers, such as `Idempotency-Replayed`.
    timings : dict
        Stage to seconds; shown as `Server-Timing` and measured.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
