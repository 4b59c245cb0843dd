"""Governance of a policy: who must agree to a change, how long it then waits, and what exactly was agreed to.

::

    statement   "trimtab/policy-approval/v1" ‖ 0x0A ‖ canonical JSON (RFC 8785) of what is agreed to
    vote        Ed25519 over the statement, by the key of an approver
    open        fewer than k approvals
    waiting     k approvals; activates at the k-th of them + timelock
    ready       from then on, until the proposal expires

A statement names the log, the policy by the keyed hash of its tenant, the proposal by its number, the version that it
would follow, the digests of the content, of the rules and of the results of the checks, and the expiry. So a vote
counts for one content, once, under one set of rules, and nowhere else.

A proposal is about the version and the rules that were in force when it was made: once either has changed it is
superseded, and no vote counts any more. An approver may take back an approval by a rejection, also while the proposal
waits; a rejection stays. Where fewer than k could still approve, it is rejected.

Everything here is a function of a document that is replaced as a whole (`revision`), so the steps of one policy have an
order. An activation is claimed first: nothing else happens to the policy until what was claimed is on record and in
force, and whoever comes next may finish it.

References
----------
RFC 8032 (2017), Ed25519; RFC 8785 (2020), canonical JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from services.audit.canonical import base64_bytes, base64_text, canonical
from services.audit.entry import moment
from services.audit.note import Check
from services.core.errors import InvalidInput

DOMAIN = b"trimtab/policy-approval/v1\n"
_RULES = b"trimtab/policy-governance/v1\n"
PUBLIC_BYTES, SIGNATURE_BYTES = 32, 64
MAX_APPROVERS = 20
MAX_LIVE = 10
"""Proposals of a policy that may wait for votes at once."""
KEPT = 50
"""Ended proposals that are still shown; the audit log has them all."""
Kind = Literal["policy", "governance"]
Verdict = Literal["approve", "reject"]

_PRIME = 2**255 - 19
_EIGHTH = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL = frozenset({0, 1, _PRIME - 1, _EIGHTH, _PRIME - _EIGHTH})
"""The y of the eight points of small order. A signature under such a key can be made by anybody."""


class ProposalClosed(Exception):
    """The proposal has ended, or what it was about is no more; the text says why."""


class ProposalEarly(Exception):
    """The proposal may not be activated yet; the text says what is missing."""


class Status(StrEnum):
    """What a proposal waits for, or how it ended."""

    FAILED = "failed"
    OPEN = "open"
    WAITING = "waiting"
    READY = "ready"
    ACTIVATING = "activating"
    ACTIVATED = "activated"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"

    @property
    def live(self) -> bool:
        """Whether it can still be activated."""
        return self in (Status.OPEN, Status.WAITING, Status.READY, Status.ACTIVATING)


def weak_key(public: bytes) -> bool:
    """Whether an Ed25519 key is a point of small order, in any of its encodings.

    Examples
    --------
    >>> weak_key(bytes(32)), weak_key(b"\\x01" + bytes(31)), weak_key(b"\\x09" + bytes(31))
    (True, True, False)
    """
    y = int.from_bytes(public, "little") & (2**255 - 1)
    return y % _PRIME in _SMALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Approver:
    """Who may vote; `public` is an Ed25519 key (32 bytes)."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if len(self.public) != PUBLIC_BYTES:
            raise InvalidInput("public_key", f"must be {PUBLIC_BYTES} bytes", len(self.public))
        if weak_key(self.public):
            raise InvalidInput("public_key", "must not be a point of small order", base64_text(self.public))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a change of a policy takes.

    Parameters
    ----------
    approvers : tuple of Approver
        Each name and each key once.
    quorum : int
        Approvers who must agree.
    timelock_seconds : int
        Between the quorum and the activation, unless the change is proved to be a tightening [s].
    lifetime_seconds : int
        Between the proposal and its expiry; longer than the timelock [s].
    checks : str
        Statements that must be proved of a new version, as JSON; empty where none must.
    """

    approvers: tuple[Approver, ...]
    quorum: int
    timelock_seconds: int
    lifetime_seconds: int
    checks: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.approvers) <= MAX_APPROVERS:
            raise InvalidInput("approvers", f"must be 1 to {MAX_APPROVERS}", len(self.approvers))
        names, keys = [item.name for item in self.approvers], [item.public for item in self.approvers]
        for place, item in enumerate(self.approvers):
            if names.index(item.name) < place:
                raise InvalidInput(f"approvers.{place}.name", "must be given once", item.name)
            if keys.index(item.public) < place:
                raise InvalidInput(f"approvers.{place}.public_key", "must be given once", base64_text(item.public))
        if not 1 <= self.quorum <= len(self.approvers):
            raise InvalidInput("quorum", f"must be 1 to {len(self.approvers)}, the approvers", self.quorum)
        if self.timelock_seconds < 0:
            raise InvalidInput("timelock_seconds", "must be >= 0", self.timelock_seconds)
        if self.lifetime_seconds <= self.timelock_seconds:
            raise InvalidInput("lifetime_seconds", "must be above timelock_seconds", self.lifetime_seconds)

    def fields(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "approvers": [{"name": item.name, "public_key": base64_text(item.public)} for item in self.approvers],
            "quorum": self.quorum,
            "timelock_seconds": self.timelock_seconds,
            "lifetime_seconds": self.lifetime_seconds,
            "checks": self.checks,
        }

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Inverse of `fields`."""
        approvers = tuple(
            Approver(name=item["name"], public=base64_bytes(item["public_key"], "public_key"))
            for item in fields["approvers"]
        )
        return cls(**{**fields, "approvers": approvers})

    @property
    def digest(self) -> str:
        """SHA-256 [hex]."""
        return hashlib.sha256(_RULES + canonical(self.fields())).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What an approver has signed."""

    approver: str
    verdict: Verdict
    signature: bytes
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A change that is asked for.

    Parameters
    ----------
    number : int
        From 1, without gaps, by policy.
    kind : {"policy", "governance"}
        Whether a version or the rules are to be replaced.
    content, checks, rules : str
        SHA-256 [hex] of what is proposed, of the results of its checks, and of the rules under which it was.
    passed : bool
        Whether all statements that the rules ask for were proved.
    tightens : bool
        Whether it was proved that the change makes every bound at least as strict; it takes no timelock then.
    base_version, generation : int
        Newest version, and number of the rules, when it was made.
    payload, report : str
        Content, gone once it has ended, and results of the checks; JSON.
    event_id : str
        Audit entry of the proposal, then of its activation.
    """

    number: int
    kind: Kind
    content: str
    checks: str
    rules: str
    passed: bool
    tightens: bool
    base_version: int
    generation: int
    comment: str | None
    created_at: datetime
    expires_at: datetime
    payload: str
    report: str
    event_id: str
    votes: tuple[Vote, ...] = ()
    ended: Literal["", "activated", "rejected"] = ""
    version: int | None = None

    def approvals(self) -> list[Vote]:
        """Approvals that stand, in the order of their times."""
        return sorted((vote for vote in self.votes if vote.verdict == "approve"), key=lambda vote: vote.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An activation that is decided, and not finished: its audit entries have their ids already."""

    number: int
    event_id: str
    fact_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """Rules and proposals of one policy.

    Parameters
    ----------
    log, stream : str
        Origin of the log, and keyed hash of the policy's id under the secret of its tenant [hex].
    generation : int
        Number of the rules in force: those that come back after others are not the same, and revive no proposal.
    revision : int
        Steps so far: the document is replaced where the stored one has the revision before.
    """

    policy_id: str
    log: str
    stream: str
    rules: Rules
    generation: int = 1
    revision: int = 1
    proposals: tuple[Proposal, ...] = ()
    following: int = 1
    claim: Claim | None = None

    def find(self, number: int) -> Proposal | None:
        """Proposal of a number."""
        return next((item for item in self.proposals if item.number == number), None)

    def status(self, proposal: Proposal, at: datetime, version: int) -> Status:
        """What a proposal waits for at a moment, `version` being the newest of the policy."""
        if proposal.ended:
            return Status(proposal.ended)
        if self.claim is not None and self.claim.number == proposal.number:
            return Status.ACTIVATING
        if not proposal.passed:
            return Status.FAILED
        if (proposal.base_version, proposal.generation) != (version, self.generation):
            return Status.SUPERSEDED
        if at >= proposal.expires_at:
            return Status.EXPIRED
        due = self.activates_at(proposal)
        if due is None:
            return Status.OPEN
        return Status.READY if at >= due else Status.WAITING

    def activates_at(self, proposal: Proposal) -> datetime | None:
        """When the timelock ends; None without a quorum."""
        approvals = proposal.approvals()
        if len(approvals) < self.rules.quorum:
            return None
        lock = 0 if proposal.tightens else self.rules.timelock_seconds
        return approvals[self.rules.quorum - 1].at + timedelta(seconds=lock)

    def statement(self, proposal: Proposal, verdict: Verdict) -> bytes:
        """What an approver signs."""
        return DOMAIN + canonical(
            {
                "base_version": proposal.base_version,
                "checks": f"sha256:{proposal.checks}",
                "content": f"sha256:{proposal.content}",
                "expires_at": moment(proposal.expires_at),
                "generation": proposal.generation,
                "governance": f"sha256:{proposal.rules}",
                "kind": proposal.kind,
                "log": self.log,
                "policy_id": self.policy_id,
                "proposal": proposal.number,
                "stream": f"hmac-sha256:{self.stream}",
                "v": 1,
                "verdict": verdict,
            }
        )

    def same(self, proposal: Proposal, at: datetime, version: int) -> Proposal | None:
        """Proposal of the same content that has not ended."""
        return next(
            (
                item
                for item in self.proposals
                if (item.kind, item.content) == (proposal.kind, proposal.content)
                and self.status(item, at, version).live
            ),
            None,
        )

    def proposed(self, proposal: Proposal, at: datetime, version: int) -> Self:
        """With a proposal, which gets the next number.

        Raises
        ------
        InvalidInput
            If too many wait already.
        """
        live = [item for item in self.proposals if self.status(item, at, version).live]
        if len(live) >= MAX_LIVE:
            rule = f"must wait: {MAX_LIVE} proposals of this policy have not ended"
            raise InvalidInput("proposal", rule, proposal.number, "reject some, or let them expire")
        past = [replace(item, payload="") for item in self.proposals if item not in live][-KEPT:]
        kept = sorted((*live, *past, replace(proposal, number=self.following)), key=lambda item: item.number)
        return replace(self, proposals=tuple(kept), following=self.following + 1, revision=self.revision + 1)

    def voted(self, proposal: Proposal, vote: Vote, check: Check, version: int) -> Self:
        """With a vote; the same document where the approver has voted so before.

        Raises
        ------
        InvalidInput
            If the name is none of the approvers, or the signature not that of the statement by its key.
        ProposalClosed
            If no vote counts any more, or the approver has rejected it.
        """
        status = self.status(proposal, vote.at, version)
        if not status.live or status is Status.ACTIVATING:
            raise ProposalClosed(f"proposal {proposal.number} is {status.value}: no vote counts any more")
        known = next((item for item in self.rules.approvers if item.name == vote.approver), None)
        if known is None:
            names = ", ".join(item.name for item in self.rules.approvers)
            raise InvalidInput("approver", f"must be one of {names}", vote.approver)
        if not check(known.public, vote.signature, self.statement(proposal, vote.verdict)):
            rule = f"must be the Ed25519 signature of the statement to {vote.verdict} by the key of {vote.approver}"
            raise InvalidInput("signature", rule, base64_text(vote.signature)[:20])
        former = next((item for item in proposal.votes if item.approver == vote.approver), None)
        if former is not None and former.verdict == vote.verdict:
            return self
        if former is not None and former.verdict == "reject":
            raise ProposalClosed(f"{vote.approver} has rejected proposal {proposal.number}, and a rejection stays")
        votes = (*(item for item in proposal.votes if item.approver != vote.approver), vote)
        lost = sum(item.verdict == "reject" for item in votes) > len(self.rules.approvers) - self.rules.quorum
        return self._with(replace(proposal, votes=votes, ended="rejected" if lost else ""))

    def claimed(self, proposal: Proposal, claim: Claim, check: Check, version: int) -> Self:
        """With an activation that nothing else comes before.

        Every signature is checked again: a stored document that was tampered with activates nothing.

        Raises
        ------
        ProposalClosed
            If it has ended, failed its checks, or is superseded.
        ProposalEarly
            If approvals are missing, or the timelock has not ended.
        """
        status = self.status(proposal, claim.at, version)
        if not status.live:
            raise ProposalClosed(f"proposal {proposal.number} is {status.value}")
        if self.claim is not None:
            raise ProposalEarly(f"proposal {self.claim.number} is being activated: repeat")
        keys = {item.name: item.public for item in self.rules.approvers}
        signed = self.statement(proposal, "approve")
        valid = {
            vote.approver
            for vote in proposal.approvals()
            if vote.approver in keys and check(keys[vote.approver], vote.signature, signed)
        }
        if status is Status.OPEN or len(valid) < self.rules.quorum:
            text = f"proposal {proposal.number} has {len(valid)} of the {self.rules.quorum} approvals that it takes"
            raise ProposalEarly(text)
        if status is Status.WAITING:
            due = self.activates_at(proposal)
            assert due is not None
            raise ProposalEarly(f"the timelock of proposal {proposal.number} ends at {moment(due)}")
        return replace(self, claim=claim, revision=self.revision + 1)

    def unclaimed(self) -> Self:
        """As it was before the activation that is claimed."""
        return replace(self, claim=None, revision=self.revision - 1)

    def activated(self) -> Self:
        """With the claimed activation finished."""
        claim = self.claim
        assert claim is not None
        proposal = self.find(claim.number)
        assert proposal is not None
        made = proposal.base_version + 1 if proposal.kind == "policy" else None
        ended = replace(proposal, ended="activated", version=made, event_id=claim.event_id)
        after = replace(self._with(ended), claim=None)
        if proposal.kind == "policy":
            return after
        return replace(after, rules=Rules.of(json.loads(proposal.payload)), generation=self.generation + 1)

    def _with(self, proposal: Proposal) -> Self:
        rows = tuple(proposal if item.number == proposal.number else item for item in self.proposals)
        return replace(self, proposals=rows, revision=self.revision + 1)

    def encoded(self) -> bytes:
        """Canonical bytes of the document."""
        return canonical(
            {
                "policy_id": self.policy_id,
                "log": self.log,
                "stream": self.stream,
                "rules": self.rules.fields(),
                "generation": self.generation,
                "revision": self.revision,
                "following": self.following,
                "claim": None if self.claim is None else _plain(self.claim),
                "proposals": [
                    {**_plain(item), "votes": [_plain(vote) for vote in item.votes]} for item in self.proposals
                ],
            }
        )

    @classmethod
    def decoded(cls, document: bytes) -> Self:
        """Inverse of `encoded`."""
        said = json.loads(document)
        proposals = tuple(
            Proposal(**_read(item, "created_at", "expires_at", votes=lambda rows: tuple(map(_vote, rows))))
            for item in said["proposals"]
        )
        claim = None if said["claim"] is None else Claim(**_read(said["claim"], "at"))
        return cls(**{**said, "rules": Rules.of(said["rules"]), "proposals": proposals, "claim": claim})


def content_digest(domain: str, text: bytes) -> str:
    """SHA-256 of a document under a domain [hex]."""
    return hashlib.sha256(domain.encode() + b"\n" + text).hexdigest()


def _vote(row: dict[str, Any]) -> Vote:
    return Vote(**_read(row, "at", signature=lambda text: base64_bytes(text, "signature")))


def _plain(item: Proposal | Vote | Claim) -> dict[str, Any]:
    names = [name for name in item.__dataclass_fields__ if name != "votes"]
    return {name: _text(getattr(item, name)) for name in names}


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    return base64_text(value) if isinstance(value, bytes) else value


def _read(row: Mapping[str, Any], *times: str, **others: Callable[[Any], Any]) -> dict[str, Any]:
    made = {name: datetime.fromisoformat(row[name]) for name in times}
    return {**row, **made, **{name: reader(row[name]) for name, reader in others.items()}}
