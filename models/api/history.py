"""Answers of the history: audit entries, stored evaluations, replays; and of the instrument register."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from models.api.base import Model, Time
from models.api.evaluation import AuditOut, PermitOut
from models.api.market import InstrumentIn


class EntryOut(Model):
    """One entry of the audit log, without its body."""

    index: int = Field(description="Position in the log: contiguous from 0, never reused.")
    evaluation_id: str | None = Field(None, description="Of entries that can be replayed.")
    event_id: str | None = Field(None, description="Of all others.")
    kind: str
    recorded_at: Time
    portfolio_id: str | None
    client_reference: str | None
    status: int = Field(description="HTTP status of the answer.")
    body_sha256: str = Field(description="Digest of request, answer, state and versions.")
    body_length: int = Field(description="Bytes of these, uncompressed.")
    stored_bytes: int = Field(description="Bytes as stored.")


class EntryPage(Model):
    """Entries in the order of the log."""

    items: list[EntryOut]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class EntryBody(Model):
    """Recorded bytes of one entry, each as base64."""

    request: str = Field(description="Body of the request as it was received; of a GET its canonical query string.")
    response: str = Field(description="Answer without its `audit` member.")
    state: str = Field(description="What was read besides the request: one line of JSON, then little-endian numbers.")
    versions: str = Field(description="JSON of the versions that the numbers depend on.")


class DifferenceOut(Model):
    """A place at which the recomputed answer differs."""

    pointer: str
    recorded: Any
    recomputed: Any


class VersionsOut(Model):
    """Versions that the numbers depend on, then and now."""

    recorded: dict[str, Any]
    running: dict[str, Any]


class PermitsAnswer(Model):
    """Permits of a recorded decision that may still be used."""

    evaluation_id: str
    permits: list[PermitOut] = Field(description="Of orders that have not expired, under the switches as they are now.")


class ReplayAnswer(Model):
    """Whether a recorded decision, computed again, gives the same bytes."""

    evaluation_id: str
    match: bool
    differences: list[DifferenceOut] = Field(max_length=20)
    versions: VersionsOut


class InstrumentsAnswer(Model):
    """What was registered."""

    event_id: str
    registered: int
    audit: AuditOut


class InstrumentPage(Model):
    """Registered instruments."""

    items: list[InstrumentIn]
    next: str | None = Field(description="Cursor of the next page; null on the last.")
