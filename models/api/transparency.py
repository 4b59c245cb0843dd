"""Answers about the tree of the audit log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model
from models.api.query import QueryWhole

Hash = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""32 bytes in base64."""


class CheckpointParameters(Model):
    """Parameters of `GET /v1/log/checkpoint`."""

    cosigned: Literal["true", "false", "pending"] = Field(
        "false",
        description="`true`: the newest head that enough witnesses have signed. `pending`: the newest that some have "
        "signed and not yet enough, so that witnesses of a growing log meet; the newest of all where there is none.",
    )


class LogKeyParameters(Model):
    """Parameters of `GET /v1/log/key`."""

    algorithm: Literal["ed25519", "ml-dsa-44"] = Field(
        "ed25519", description="The second signs heads besides, where the operator named such a key."
    )


class CosignaturesRequest(Model):
    """Head of the log as witnesses signed it."""

    note: Annotated[str, Strict(), StringConstraints(min_length=1, max_length=64_000)] = Field(
        description="The note of `GET /v1/log/checkpoint` with lines of witnesses (C2SP `tlog-cosignature`)."
    )


class CosignaturesAnswer(Model):
    """What was taken, and how far the head is from a quorum."""

    size: int = Field(description="Size of the head.")
    accepted: list[str] = Field(description="Witnesses whose signatures were taken.")
    witnesses: int = Field(description="Witnesses that have signed this head so far.")
    quorum: int = Field(description="Witnesses that make it valid.")
    reached: bool


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


Pointer = Annotated[str, Strict(), StringConstraints(pattern=r"^(/[^\n]*)?$", max_length=400)]
"""JSON pointer (RFC 6901); empty: the whole."""


class DiscloseRequest(Model):
    """Which fields of a recorded answer are to be shown."""

    fields: Annotated[list[Pointer], Field(min_length=1, max_length=200)] = Field(
        description="JSON pointers: a field, or what holds some. A member of an item of a list is one field."
    )


class ShownFieldOut(Model):
    """A field that is shown."""

    pointer: str
    value: str = Field(description="JSON text, as it was committed to.")
    salt: str = Field(description="16 bytes in base64.")


class FieldBucketOut(Model):
    """Commitments of 16 fields, and their way to the root."""

    number: int
    commitments: list[Hash] = Field(description="SHA-256 of salt, pointer, newline and value; sorted.")
    path: list[Hash] = Field(description="Inclusion proof (RFC 6962) in the tree over the buckets.")


class DisclosureAnswer(Model):
    """Some fields of a recorded answer, checked by `trimtab audit check-disclosure` without a service."""

    format: Literal["trimtab/disclosure/v1"]
    entry: str = Field(description="What the tree holds of the answer; `fields` in it commits to all fields.")
    receipt: str = Field(description="A C2SP `tlog-proof` of the entry.")
    field_count: int = Field(description="Fields of the whole answer.")
    root: Hash = Field(description="Root of the tree over the buckets.")
    fields: list[ShownFieldOut]
    buckets: list[FieldBucketOut]


FIGURE_PATTERN = r"^(gross_exposure|(answer|request):/[^\n]*)$"
Unit = Annotated[str, Strict(), StringConstraints(pattern=r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,12})?$")]


class FigureIn(Model):
    """A figure of a recorded answer that is to be committed to."""

    figure: Annotated[str, Strict(), StringConstraints(pattern=FIGURE_PATTERN, max_length=400)] = Field(
        description="`gross_exposure`: the sum of |target_notional|. Else a number of 0 or more at a JSON pointer in "
        "the answer or in the request, such as `request:/account/equity`."
    )
    unit: Unit = Field("0.01", description="Committed is a whole number of these, below 2^64.")
    rounding: Literal["up", "down"] = Field(
        "up", description="`up` for what is to be bounded from above, `down` for the equity under a leverage."
    )


class CommitRequest(Model):
    """Figures of one recorded answer."""

    figures: Annotated[list[FigureIn], Field(min_length=1, max_length=20)] = Field(description="Each once.")

    @model_validator(mode="after")
    def _once(self) -> CommitRequest:
        names = [item.figure for item in self.figures]
        if len(set(names)) < len(names):
            raise PydanticCustomError("inconsistent", "must hold each figure once", {"field": "figures"})
        return self


class CommittedOut(Model):
    """A Pedersen commitment to a figure."""

    figure: str
    unit: str
    rounding: Literal["up", "down"]
    commitment: Hash


class CommitmentsOut(Model):
    """What may be shown to anybody."""

    format: Literal["trimtab/commitments/v1"]
    entry: str = Field(description="What the tree holds of the answer.")
    receipt: str = Field(description="A C2SP `tlog-proof` of the entry.")
    commitments: list[CommittedOut]
    signature: str = Field(description="Ed25519 by the key of the log over digest of the entry and commitments.")


class OpeningOut(Model):
    """What a commitment holds. Whoever has it knows the figure."""

    figure: str
    value: str = Field(description="Whole units.")
    blind: Hash


class CommitAnswer(Model):
    """Commitments and their openings. The service keeps neither: the openings are not given again."""

    commitments: CommitmentsOut
    openings: list[OpeningOut] = Field(description="For the holder alone; `trimtab audit prove` makes proofs of them.")


class LogEntryOut(Model):
    """What the tree holds of a record."""

    at: str = Field(description="Time of recording, UTC, with microseconds.")
    body: str = Field(description="Digest of request, answer, state and versions.")
    body_len: int
    fields: str | None = Field(
        None, description="Digest of the commitments to the fields of the answer; facts and version 1 have none."
    )
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
