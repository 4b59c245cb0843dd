"""Live portfolios: what is registered once, what a snapshot brings, and the request that the two become."""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Strict, create_model, model_validator
from pydantic_core import PydanticCustomError

from models.api.auto import AutoIn, AutoMemoryIn, AutoMemoryOut, AutoOut, IntentOut
from models.api.base import Interval, Model, Name, Symbol, Time
from models.api.control import PreviousIn
from models.api.evaluation import Assumption, AuditOut, EvaluationRequest, EvaluationResponse
from models.api.execution_report import FeedbackIn, FittedImpactIn
from models.api.market import MAX_SYMBOLS, InstrumentIn
from models.api.policy_choice import PolicyChoice
from models.api.price_sources import MAX_KEYS, PublicKey
from models.api.published import PublishedTargets
from models.api.stored_policy import Comment

MAX_SEQUENCE = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""
SequenceNumber = Annotated[int, Field(ge=0, le=MAX_SEQUENCE, strict=True)]


class PositionDefaultsIn(Model):
    """What positions of every snapshot have in common; a position that says otherwise wins."""

    quantity_unit: Literal["base", "contracts", "quote"] | None = None
    venue: Name | None = None
    account_id: Name | None = None


class LiveOptionsIn(Model):
    """How the targets are told."""

    explain: Annotated[bool, Strict()] = Field(default=True, description="Include steps and binding of each target.")
    view: Literal["full", "compact"] = Field(
        default="full", description="compact: targets (without steps), orders, portfolio volatility."
    )


class RegisterPortfolioRequest(Model):
    """A portfolio whose targets are kept up to date: everything of an evaluation that is no snapshot."""

    policy: PolicyChoice
    mode: Literal["manual", "auto"] = Field(
        default="manual",
        description="manual: whoever reads the targets acts on them. auto: orders are made by the rules of `auto`, as "
        "unsigned intents. Nothing is ever sent to a venue.",
    )
    auto: AutoIn | None = Field(None, description="Rules of mode auto, and its budget of a day.")
    feedback: FeedbackIn = FeedbackIn()
    interval: Interval | None = Field(None, description="Bar of the cached volatility states; default P1D.")
    max_snapshot_age: Interval | None = Field(
        None,
        description="Age from which a snapshot must not be acted on: targets expire then, unless a newer one came. "
        "Default: `interval`, listed as an assumption.",
    )
    refresh: Interval | None = Field(
        None,
        description="Evaluate again after so long without a change, while the data is fresh: for what moves with the "
        "clock alone, such as the half-life of a signal. Default: only when something changes.",
    )
    symbols: Annotated[list[Symbol], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = Field(
        default_factory=list,
        description="Markets whose observations lead to an evaluation too, beside those that the book depends on.",
    )
    instruments: Annotated[list[InstrumentIn], Field(max_length=MAX_SYMBOLS, fail_fast=True)] = Field(
        default_factory=list, description="Contracts of this portfolio; others are those of PUT /v1/instruments."
    )
    oracle_keys: Annotated[list[PublicKey], Field(max_length=MAX_KEYS, fail_fast=True)] = Field(
        default_factory=list, description="Ed25519 public keys whose signatures count."
    )
    position_defaults: PositionDefaultsIn = PositionDefaultsIn()
    options: LiveOptionsIn = LiveOptionsIn()
    previous: PreviousIn | None = Field(
        None,
        description="Control state to start from. Read once, where none is on record: afterwards it is that of the "
        "last evaluation, also over a deletion.",
    )
    comment: Comment | None = Field(None, description="Kept with it.")

    @model_validator(mode="after")
    def _rules_of_auto(self) -> RegisterPortfolioRequest:
        if (self.mode == "auto") != (self.auto is not None):
            raise PydanticCustomError("inconsistent", "auto goes with mode auto: send both or neither")
        if self.auto is not None and self.auto.triggers.margin_ratio is not None and self.options.view == "compact":
            raise PydanticCustomError("inconsistent", "auto.triggers.margin_ratio needs options.view full")
        if self.feedback.impact and self.options.view == "compact":
            raise PydanticCustomError("inconsistent", "feedback.impact needs options.view full")
        return self

    @model_validator(mode="after")
    def _one_of_each(self) -> RegisterPortfolioRequest:
        for field, keys in (
            ("instruments", [(row.symbol, row.venue) for row in self.instruments]),
            ("symbols", self.symbols),
        ):
            if twice := [key for index, key in enumerate(keys) if key in keys[:index]]:
                named = twice[0] if isinstance(twice[0], str) else ", ".join(part for part in twice[0] if part)
                text = "{field} holds {key} more than once: send one row for each"
                raise PydanticCustomError("duplicate_row", text, {"field": field, "key": named})
        return self


REGISTERED = tuple(name for name in RegisterPortfolioRequest.model_fields if name in EvaluationRequest.model_fields)
"""Fields of an evaluation that are registered."""
_NOT_SENT = {*REGISTERED, "portfolio_id", "series"}


class SnapshotHead(Model):
    """Order and time of a snapshot."""

    snapshot_seq: SequenceNumber = Field(description="Chosen by the client, increasing: an older one is refused.")
    as_of: Time | None = Field(None, description="When the account was so; default: the time of receipt.")


SnapshotRequest = create_model(
    "SnapshotRequest",
    __base__=SnapshotHead,
    __module__=__name__,
    __doc__="What an evaluation needs of the account now: a whole snapshot, never a change of the last one.",
    **{  # type: ignore[call-overload]
        name: (field.annotation, copy.copy(field))
        for name, field in EvaluationRequest.model_fields.items()
        if name not in _NOT_SENT and name not in SnapshotHead.model_fields
    },
)
"""Every block of an evaluation that is not registered, so that a new block can be sent in snapshots by itself.

Without `series`: prices come through POST /v1/observations, once for all portfolios.
"""


class LiveRequest(EvaluationRequest):
    """A registered portfolio and its newest snapshot as one request: what is evaluated, recorded and replayed."""

    may_be_empty: ClassVar[bool] = True

    portfolio_version: Annotated[int, Field(ge=1, strict=True)]
    snapshot_seq: SequenceNumber
    snapshot_as_of: Time
    snapshot_expires_at: Time
    auto: AutoIn | None = None
    auto_memory: AutoMemoryIn | None = None
    fitted_impact: FittedImpactIn | None = None
    open_intents: Annotated[list[dict[str, Any]], Field(default_factory=list)]

    @property
    def taken_at(self) -> datetime:
        """When the account was so."""
        return self.snapshot_as_of


class LiveResponse(EvaluationResponse):
    """Answer of an evaluation of a live portfolio, as it is recorded."""

    portfolio_version: int = Field(description="Version of the registered portfolio that was evaluated.")
    snapshot_seq: int = Field(description="Snapshot that was evaluated.")
    auto: AutoOut | None = Field(None, description="Present in mode auto.")
    intents: list[IntentOut] | None = Field(
        None,
        description="What may be sent now: `orders` for their venues, or those "
        "of the last decision with orders on the same snapshot until they expire. Present in mode auto.",
    )
    auto_memory: AutoMemoryOut | None = Field(None, description="Present where mode is or was auto.")


class PortfolioSummary(Model):
    """A registered portfolio, without its content."""

    portfolio_id: str
    version: int = Field(description="Counts the changes from 1, and goes on counting after a deletion.")
    updated_at: Time
    comment: str | None


class PortfolioAnswer(PortfolioSummary):
    """A registered portfolio."""

    portfolio: dict[str, Any] = Field(description="As it was sent.")


class PortfolioRegistered(PortfolioAnswer):
    """What was registered, and what follows from it."""

    created: bool = Field(description="Whether there was none before.")
    policy_resolved_sha256: str = Field(description="Of the policy as it is now, defaults written out.")
    policy_version: int | None = Field(None, description="Version of the stored policy that it names.")
    requires: list[str] = Field(description="What the methods of the policy read: send it with snapshots.")
    assumptions: list[Assumption]
    event_id: str
    audit: AuditOut


class PortfolioDeleted(Model):
    """What was deleted."""

    portfolio_id: str
    deleted: Literal[True]
    event_id: str
    audit: AuditOut


class PortfolioPage(Model):
    """Registered portfolios, in the order of their ids."""

    items: list[PortfolioSummary]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class SnapshotTaken(Model):
    """A snapshot is stored; its evaluation follows."""

    portfolio_id: str
    snapshot_seq: int
    duplicate: bool = Field(description="The same snapshot was stored before.")
    as_of: Time
    received_at: Time
    expires_at: Time = Field(description="Targets that are made of it expire then at the latest.")
    event_id: str
    audit: AuditOut


class TargetsAnswer(PublishedTargets):
    """The newest published targets of a portfolio, and where they stand in its channel."""

    epoch: str
    seq: int
    expired: bool = Field(description="`valid_until` has passed: positions may only be reduced.")
