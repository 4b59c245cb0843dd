"""Wire models of `POST /v1/policies:check` and `POST /v1/policies:compare`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.api.base import Model, Number
from models.api.evaluation import Assumption, NamedPolicyOut
from models.api.policy_choice import PolicyChoice
from models.api.strict import StrictScalars
from services.verification.properties import DEFAULT_PROPERTIES, Property
from services.verification.ranges import Ranges

MAX_PROPERTIES, MAX_BOXES = 20, 4_000
PropertyIn = Annotated[Property, StrictScalars(), Field(discriminator="method")]
MostBoxes = Annotated[int, Field(ge=1, le=MAX_BOXES, strict=True)]
_MOST_BOXES = "Boxes of inputs after which a proof is given up as unknown; the statements of a request share them."
_DEFAULT_PROPERTIES = "Default: leverage cap, size that falls with volatility, 20 % shock, no increase from tier 3."


class CheckPolicyRequest(Model):
    """A policy, and what is to be proved or refuted of it; nothing is stored."""

    policy: PolicyChoice
    properties: Annotated[list[PropertyIn], Field(min_length=1, max_length=MAX_PROPERTIES)] = Field(
        default_factory=lambda: list(DEFAULT_PROPERTIES), description=_DEFAULT_PROPERTIES
    )
    ranges: Annotated[Ranges, StrictScalars()] = Ranges()
    most_boxes: MostBoxes = Field(default=MAX_BOXES, description=_MOST_BOXES)


class ComparePoliciesRequest(Model):
    """Two policies: does the new one never size larger, nor margin lower, than the old one? Nothing is stored."""

    new: PolicyChoice
    old: PolicyChoice
    ranges: Annotated[Ranges, StrictScalars()] = Ranges()
    most_boxes: MostBoxes = Field(default=MAX_BOXES, description=_MOST_BOXES)


class PointOut(Model):
    """Inputs of one decision."""

    volatility: Number
    direction: Number
    current_weight: Number
    drawdown: Number
    breaker_tier: int


class CounterexampleOut(Model):
    """Where a statement fails. The engine itself decided every figure, at exactly these inputs."""

    points: list[PointOut] = Field(description="One point, or two that differ in the input that the statement is on.")
    figure: Literal["weight", "initial_margin_rate"] = Field(description="What `values` are; weights are over equity.")
    values: list[Number] = Field(description="In the order in which `detail` names them.")
    detail: str


class FindingOut(Model):
    """What became of a statement."""

    detail: str = Field(description="What is missing for a proof, or how the statement fails; empty where proved.")
    boxes: int = Field(description="Boxes of inputs that were looked at.")
    points: int = Field(description="Points that the engine decided.")
    counterexample: CounterexampleOut | None = Field(None, description="Where refuted.")


class CheckedOut(FindingOut):
    """One statement and its verdict."""

    property: Annotated[Property, Field(discriminator="method")]
    verdict: Literal["proved", "refuted", "unknown"]


class CheckedPolicyOut(Model):
    """Which policy a verdict is about."""

    policy: NamedPolicyOut | None = Field(None, description="Where a stored one was named.")
    policy_resolved_sha256: str = Field(description="As in the answers of evaluations that use it.")


class CheckPolicyAnswer(CheckedPolicyOut):
    """Verdicts, in the order of the statements."""

    verdict: Literal["proved", "refuted", "unknown"] = Field(
        description="`refuted` where any statement is, else `unknown` where any is, else `proved`."
    )
    findings: list[CheckedOut]
    ranges: Ranges
    proves: str = Field(description="What exactly a proof says, and what it does not.")
    assumptions: list[Assumption]


class ComparePoliciesAnswer(FindingOut):
    """Whether the new policy refines the old one."""

    verdict: Literal["refines", "refuted", "unknown"]
    new: CheckedPolicyOut
    old: CheckedPolicyOut
    ranges: Ranges
    proves: str = Field(description="What exactly a proof says, and what it does not.")
    assumptions: list[Assumption]
