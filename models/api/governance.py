"""Governance of stored policies: rules, proposals, votes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Strict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from models.api.base import Model, Name, Time
from models.api.evaluation import AuditOut
from models.api.policy import PolicyIn
from models.api.stored_policy import Comment
from models.api.strict import StrictScalars
from models.api.verification import MAX_BOXES, MAX_PROPERTIES, MostBoxes, PropertyIn
from services.audit.governance import MAX_APPROVERS
from services.verification.ranges import Ranges

MAX_SECONDS = 90 * 86_400
Base64Key = Annotated[str, Strict(), StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""32 bytes in base64."""
Base64Signature = Annotated[str, Strict(), StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]
"""64 bytes in base64."""
Status = Literal[
    "failed", "open", "waiting", "ready", "activating", "activated", "rejected", "expired", "superseded"
]  # fmt: skip


class GovernanceChecks(Model):
    """What must be proved of a new version before anybody may approve it."""

    properties: Annotated[list[PropertyIn], Field(min_length=1, max_length=MAX_PROPERTIES)] = Field(
        description="As in POST /v1/policies:check; `leverage_cap` with `cap` bounds the leverage."
    )
    ranges: Annotated[Ranges, StrictScalars()] = Ranges()
    most_boxes: MostBoxes = Field(default=MAX_BOXES, description="As in POST /v1/policies:check.")


class ApproverIn(Model):
    """Who may vote."""

    name: Name
    public_key: Base64Key = Field(description="Ed25519 public key.")


class GovernanceIn(Model):
    """What a change of the policy takes, and a change of this."""

    approvers: Annotated[list[ApproverIn], Field(min_length=1, max_length=MAX_APPROVERS)] = Field(
        description="Each name and each key once."
    )
    quorum: Annotated[int, Field(ge=1, le=MAX_APPROVERS, strict=True)] = Field(description="Approvals that it takes.")
    timelock_seconds: Annotated[int, Field(ge=0, le=MAX_SECONDS, strict=True)] = Field(
        description="From the quorum to the activation; none for a change that is proved to tighten every bound."
    )
    lifetime_seconds: Annotated[int, Field(ge=1, le=MAX_SECONDS, strict=True)] = Field(
        14 * 86_400, description="From the proposal to its expiry; above `timelock_seconds`."
    )
    checks: GovernanceChecks | None = Field(None, description="Default: none must be proved.")


class ProposalRequest(Model):
    """A new version of a governed policy, or new rules; one of the two."""

    policy: PolicyIn | None = None
    governance: GovernanceIn | None = None
    comment: Comment | None = Field(None, description="Why; kept with the version.")

    @model_validator(mode="after")
    def _one(self) -> ProposalRequest:
        if (self.policy is None) == (self.governance is None):
            raise PydanticCustomError("inconsistent", "needs either policy or governance", {"field": "policy"})
        return self


class VoteRequest(Model):
    """Vote of an approver, signed."""

    approver: Name
    signature: Base64Signature = Field(
        description="Ed25519 over the statement that the proposal shows: `trimtab policy proposal approve` makes it."
    )


class GovernanceOut(GovernanceIn):
    """Rules in force."""

    sha256: str = Field(description="Named in every statement: votes under other rules do not count.")


class GovernanceStored(Model):
    """The rules of a policy, on record."""

    policy_id: str
    governance: GovernanceOut
    created: bool = Field(description="False: these rules were in force already.")
    event_id: str
    audit: AuditOut


class ProposalSummary(Model):
    """A proposal without its content."""

    number: int = Field(description="From 1, by policy.")
    kind: Literal["policy", "governance"]
    status: Status
    base_version: int = Field(description="Version that it would follow.")
    content_sha256: str = Field(
        description="`sha256` of the version that it would become, or of the rules that it would bring."
    )
    comment: str | None
    created_at: Time
    expires_at: Time


class GovernanceAnswer(Model):
    """Rules of a policy, and its proposals."""

    policy_id: str
    version: int = Field(description="The newest, which requests by name use.")
    governance: GovernanceOut
    proposals: list[ProposalSummary] = Field(description="Newest first; of those that ended the last 50.")


class VoteOut(Model):
    """A vote that was signed."""

    approver: str
    verdict: Literal["approve", "reject"]
    signature: str
    at: Time


class ProposalChecks(Model):
    """What was found when it was proposed."""

    passed: bool = Field(description="Whether every statement that the rules ask for is proved.")
    tightens: bool = Field(
        description="Whether nothing but `limits.max_leverage` and `limits.max_margin_use` changed, neither upwards, "
        "and POST /v1/policies:compare would answer `refines`: no timelock then."
    )
    required: dict[str, Any] | None = Field(description="As POST /v1/policies:check answers; null: none is asked for.")
    comparison: dict[str, Any] | None = Field(
        description="As POST /v1/policies:compare answers; null: other fields changed, or a bound is looser."
    )
    sha256: str = Field(description="Of these results, named in the statement.")


class ProposalStatements(Model):
    """What approvers sign, byte for byte (UTF-8, with the newline after the first line)."""

    approve: str
    reject: str


class ProposalOut(ProposalSummary):
    """A proposal."""

    policy_id: str
    detail: str = Field(description="What it waits for, or how it ended.")
    quorum: int
    votes: list[VoteOut]
    activates_at: Time | None = Field(description="When its timelock ends; null without a quorum.")
    checks: ProposalChecks
    governance_sha256: str = Field(description="Rules under which it was made.")
    version: int | None = Field(description="Version that it became.")
    statements: ProposalStatements
    policy: dict[str, Any] | None = Field(
        description="As it was sent; null for rules, and for what has long ended: the audit log has it."
    )
    policy_resolved: dict[str, Any] | None = Field(description="With every default written out.")
    defaults_version: int | None = Field(description="Version of the defaults that are written out in it.")
    governance: dict[str, Any] | None = Field(description="The rules that are proposed.")


class ProposalAnswer(ProposalOut):
    """A proposal after a step of it, on record."""

    action: Literal["propose", "approve", "reject", "activate"]
    changed: bool = Field(description="False: it was so already.")
    event_id: str
    audit: AuditOut
