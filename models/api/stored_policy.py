"""Storing policies, and what is answered of stored ones."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, Strict, StringConstraints

from models.api.base import Model, Name, Time
from models.api.evaluation import AuditOut
from models.api.policy import PolicyIn

COMMENT_PATTERN = r"^[^\x00-\x1f\x7f]{1,500}$"
Comment = Annotated[str, Strict(), StringConstraints(pattern=COMMENT_PATTERN)]
"""One line of text."""


class StorePolicyRequest(Model):
    """A policy to store. It can be named in evaluations from then on, and never changes."""

    policy_id: Name | None = Field(None, description="Default: made up, `pol_` and 32 hexadecimal digits.")
    policy: PolicyIn
    comment: Comment | None = Field(None, description="Why this version; kept with it.")


class PolicySummary(Model):
    """One version of a policy, without its content."""

    policy_id: str
    version: int = Field(description="From 1, without gaps.")
    sha256: str = Field(description="Of the resolved policy: `policy_resolved_sha256` of an evaluation that sends it.")
    defaults_version: int = Field(description="Version of the defaults that are written out in it.")
    comment: str | None
    created_at: Time


class PolicyVersion(PolicySummary):
    """One version of a policy."""

    policy: dict[str, Any] = Field(description="As it was sent.")
    policy_resolved: dict[str, Any] = Field(description="With every default written out: what evaluations use.")


class PolicyStored(PolicyVersion):
    """The version that holds what was sent."""

    created: bool = Field(description="False: the newest version held the same content already.")
    event_id: str
    audit: AuditOut


class PolicyAnswer(PolicyVersion):
    """The newest version of a policy, and which others there are."""

    versions: list[PolicySummary] = Field(description="Newest first, at most 100; the others are read by number.")


class PolicyPage(Model):
    """Newest versions, in the order of their ids."""

    items: list[PolicySummary]
    next: str | None = Field(description="Cursor of the next page; null on the last.")
