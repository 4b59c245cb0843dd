"""Tickets with which a page opens the stream."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.api.base import Model, Time
from models.api.key import ScopeName


class TicketRequest(Model):
    """What the ticket shall open."""

    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=20)] | None = Field(
        None, description="Some of the caller's scopes; all of them where it is left out."
    )


class TicketAnswer(Model):
    """A ticket: `{"op":"auth","id":"1","ticket":"…"}` on the stream, once."""

    ticket: str
    expires_at: Time = Field(description="It must be used before.")
    tenant: str
    scopes: list[str]
