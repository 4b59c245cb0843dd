"""Problem documents (RFC 9457): what went wrong, where, and how to mend it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.api.base import Model, Time

MAX_ERRORS = 20


class ProblemError(Model):
    """One broken rule."""

    pointer: str = Field(description="JSON pointer into the body; `query:name` or `header:name` for a parameter.")
    code: str = Field(description="Stable code of the rule; listed at GET /v1/errors.")
    detail: str = Field(description="The rule, what was found, and how to mend it.")


class Problem(Model):
    """Problem document. `outcome` says what became of the request: a client that retries can rely on it."""

    type: str = Field(description="Reference to the code's entry at GET /v1/errors.")
    title: str
    status: int = Field(ge=400, le=599)
    code: str = Field(description="Stable code.")
    detail: str
    retryable: bool = Field(description="Whether the same request may succeed later.")
    outcome: Literal["rejected", "recorded", "unknown"] = Field(
        description="rejected: nothing recorded. recorded: durably audited. unknown: retry with the same key."
    )
    request_id: str
    instance: str = Field(description="Path of the request.")
    errors: list[ProblemError] = Field(default=[], max_length=MAX_ERRORS)
    error_count: int = Field(default=0, ge=0, description="Broken rules found; at most 20 are listed.")
    server_time: Time
