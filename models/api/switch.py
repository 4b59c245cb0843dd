"""Wire models of operator's switches."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from models.api.base import NAME_PATTERN, SYMBOL_PATTERN, Model, Time
from models.api.breaker import Text
from models.api.evaluation import AuditOut

_NAME = NAME_PATTERN[1:-1]
SCOPE_PATTERN = rf"^(global|account:{_NAME}|portfolio:{_NAME}|venue:{_NAME}|symbol:{SYMBOL_PATTERN[1:-1]})$"
"""Everything, the rows of an account, a portfolio, the rows on a venue, the rows of a symbol."""
_SCOPE = re.compile(SCOPE_PATTERN[:-1] + r"\Z", re.ASCII)
Mode = Literal["normal", "reduce_only", "halt"]


def _scope(value: str) -> str:
    if not _SCOPE.match(value):
        raise PydanticCustomError(
            "switch_scope",
            "must be global, account:ID, portfolio:ID, venue:NAME or symbol:NAME; percent-encode what a symbol holds "
            "besides letters and digits",
        )
    return value


class SwitchPath(Model):
    """Parameters in the paths of switches."""

    scope: Annotated[str, AfterValidator(_scope)]


class SwitchRequest(Model):
    """What a switch is to be on. `reduce_only`: nothing grows. `halt`: no order at all."""

    mode: Mode
    actor: Text = Field(description="Who sets it; part of the audited request and of every answer that it changes.")
    reason: Text = Field(description="Why.")
    expires_at: Time | None = Field(
        None,
        description="From then on it is on `reduce_only`, whatever it was on. Goes with `normal` and `halt`. Default: "
        "it stands until it is set again.",
    )


class SwitchOut(Model):
    """One switch. A scope that was never set is on `normal`, version 0."""

    scope: str
    mode: Mode = Field(description="As it was set.")
    in_force: Mode = Field(description="What holds now: `reduce_only` once it has expired.")
    actor: str | None
    reason: str | None
    version: int = Field(description="Changes of this scope so far.")
    set_at: Time | None
    expires_at: Time | None


class SwitchPage(Model):
    """Switches that were ever set, by scope."""

    items: list[SwitchOut]
    next: str | None = Field(description="Cursor of the next page; null on the last.")
    staleness_seconds: float = Field(
        description="Age at which a change is surely seen by every process; the one that stored it sees it at once."
    )
    latched_levels: str = Field(description="How a level of a policy's breakers is taken off, which is no switch.")


class SwitchBefore(Model):
    """A switch before a change."""

    mode: Mode
    in_force: Mode
    version: int


class SwitchAnswer(SwitchOut):
    """The switch as it is now on record."""

    loosened: bool = Field(description="Whether more may be done than before, now or later.")
    before: SwitchBefore
    event_id: str
    audit: AuditOut
