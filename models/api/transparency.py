"""Answers about the tree of the audit log."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.api.base import Model
from models.api.query import QueryWhole

Hash = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""32 bytes in base64."""


class InclusionParameters(Model):
    """Parameters of `GET /v1/log/proof/inclusion`."""

    index: QueryWhole = Field(description="Index of the entry.")
    size: QueryWhole = Field(description="Size of the tree, as a checkpoint names it.")


class ConsistencyParameters(Model):
    """Parameters of `GET /v1/log/proof/consistency`."""

    first: Annotated[QueryWhole, Field(ge=1)] = Field(description="Size of the earlier tree.")
    second: QueryWhole = Field(description="Size of the later tree.")


class InclusionAnswer(Model):
    """Path from the leaf of an entry to the root of a tree (RFC 6962, section 2.1.1)."""

    index: int
    size: int
    hashes: list[Hash] = Field(description="The leaf's sibling first.")


class ConsistencyAnswer(Model):
    """What shows that one tree begins with another (RFC 6962, section 2.1.2)."""

    first: int
    second: int
    hashes: list[Hash]


class LogEntryOut(Model):
    """What the tree holds of a record."""

    at: str = Field(description="Time of recording, UTC, with microseconds.")
    body: str = Field(description="Digest of request, answer, state and versions.")
    body_len: int
    id: str
    kind: str
    log: str = Field(description="Origin of the log.")
    request: str | None = Field(
        None, description="Digest of the request's body; entries older than the tree have none."
    )
    response: str | None = Field(None, description="Digest of the answer without its `audit` member.")
    status: int
    stream: str = Field(description="Keyed hash of the portfolio: it tells nobody else which one it is.")
    stream_prev: str = Field(description="Leaf hash of the portfolio's entry before; zero for its first.")
    stream_seq: int = Field(description="Number of the entry within its portfolio: none is missing between two.")
    v: int
