"""Whatever is called in whatever order: what is activated has k distinct valid signatures over exactly it, and is due.

The reference remembers every signature that was ever sent and decides from scratch; it knows nothing of documents,
statuses or claims.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.signatures import check_signature
from services.audit.governance import (
    Approver,
    Claim,
    Governance,
    Proposal,
    ProposalClosed,
    ProposalEarly,
    Rules,
    Verdict,
    Vote,
)
from services.core.errors import InvalidInput

NAMES = ("ann", "ben", "eve")
KEYS = {
    name: Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()) for name in (*NAMES, "mallory")
}
APPROVERS = tuple(Approver(name=name, public=KEYS[name].public_key().public_bytes_raw()) for name in NAMES)
START = datetime(2026, 11, 29, tzinfo=UTC)
HOUR = 3600


def rules_of(quorum: int, hours: int) -> Rules:
    return Rules(approvers=APPROVERS, quorum=quorum, timelock_seconds=hours * HOUR, lifetime_seconds=20 * HOUR)


class Sent(NamedTuple):
    """A signature as the outside world knows it: who signed what, as whom, when."""

    number: int
    approver: str
    verdict: str
    signer: str
    about: tuple[int, str]
    at: datetime


class Reference:
    """When may a proposal be activated? From the definition, in as few words as possible."""

    def __init__(self, rules: Rules) -> None:
        self.rules, self.version, self.generation, self.sent = rules, 1, 1, list[Sent]()
        self.made: dict[int, tuple[int, int, bool, bool, datetime]] = {}
        self.over: set[int] = set()

    def due(self, number: int, now: datetime) -> bool:
        version, generation, passed, tightens, born = self.made[number]
        rules = self.rules
        if number in self.over or not passed or (version, generation) != (self.version, self.generation):
            return False
        if now >= born + timedelta(seconds=rules.lifetime_seconds):
            return False
        approved, rejected = dict[str, datetime](), set[str]()
        for item in self.sent:
            if (
                item.approver not in NAMES
                or item.number != number
                or item.signer != item.approver
                or item.about != (number, item.verdict)
            ):
                continue
            if len(rejected) > len(NAMES) - rules.quorum or item.approver in rejected:
                continue
            if item.verdict == "approve":
                approved.setdefault(item.approver, item.at)
            else:
                rejected.add(item.approver)
                approved.pop(item.approver, None)
        if len(rejected) > len(NAMES) - rules.quorum or len(approved) < rules.quorum:
            return False
        since = sorted(approved.values())[rules.quorum - 1]
        return now >= since + timedelta(seconds=0 if tightens else rules.timelock_seconds)


class Governed(RuleBasedStateMachine):
    """The document and the reference side by side."""

    def __init__(self) -> None:
        super().__init__()
        first = rules_of(2, 4)
        self.governance = Governance(policy_id="desk", log="risk.example/log", stream="00" * 32, rules=first)
        self.reference, self.now, self.version = Reference(first), START, 1

    def number(self, data: st.DataObject) -> int:
        """Mostly one of the last."""
        last = self.governance.following - 1
        return last - data.draw(st.integers(0, min(last - 1, 2)))

    @rule(hours=st.sampled_from([1, 3, 4, 4, 9, 16]))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def restart(self) -> None:
        self.governance = Governance.decoded(self.governance.encoded())

    @rule(
        content=st.integers(0, 3),
        passed=st.sampled_from([True] * 6 + [False]),
        tightens=st.booleans(),
        change=st.sampled_from([None] * 6 + [(1, 4), (3, 4), (2, 0), (2, 4)]),
    )
    def propose(self, content: int, passed: bool, tightens: bool, change: tuple[int, int] | None) -> None:
        wanted = rules_of(*change) if change else None
        if wanted == self.governance.rules:
            return
        proposal = Proposal(
            number=0,
            kind="governance" if wanted else "policy",
            content=wanted.digest if wanted else hashlib.sha256(bytes([content])).hexdigest(),
            checks=hashlib.sha256(bytes([passed, tightens])).hexdigest(),
            rules=self.governance.rules.digest,
            passed=passed or wanted is not None,
            tightens=tightens and wanted is None,
            base_version=self.version,
            generation=self.governance.generation,
            comment=None,
            created_at=self.now,
            expires_at=self.now + timedelta(seconds=self.governance.rules.lifetime_seconds),
            payload=json.dumps(wanted.fields()) if wanted else "{}",
            report="{}",
            event_id="ev",
        )
        number = self.governance.following
        try:
            self.governance = self.governance.proposed(proposal, self.now, self.version)
        except InvalidInput:
            return
        self.reference.made[number] = (
            self.version, self.reference.generation, proposal.passed, proposal.tightens, self.now
        )  # fmt: skip

    @precondition(lambda self: self.governance.proposals)
    @rule(
        data=st.data(),
        approver=st.sampled_from((*NAMES, "mallory")),
        verdict=st.sampled_from(["approve", "approve", "approve", "reject"]),
        honest=st.sampled_from([True, True, True, False]),
    )
    def vote(self, data: st.DataObject, approver: str, verdict: Verdict, honest: bool) -> None:
        number = self.number(data)
        signer, about, said = approver, number, str(verdict)
        if not honest:
            signer = data.draw(st.sampled_from((*NAMES, "mallory")))
            about = self.number(data)
            said = data.draw(st.sampled_from(["approve", "reject"]))
        self.send(number, approver, verdict, signer, (about, said))

    def send(self, number: int, approver: str, verdict: Verdict, signer: str, about: tuple[int, Any]) -> None:
        proposal, named = self.governance.find(number), self.governance.find(about[0])
        if proposal is None or named is None:
            return
        signature = KEYS[signer].sign(self.governance.statement(named, about[1]))
        vote = Vote(approver=approver, verdict=verdict, signature=signature, at=self.now)
        before = self.governance
        try:
            self.governance = before.voted(proposal, vote, check_signature, self.version)
        except (InvalidInput, ProposalClosed):
            assert self.governance is before
        self.reference.sent.append(Sent(number, approver, verdict, signer, about, self.now))

    @precondition(lambda self: self.governance.proposals)
    @rule(data=st.data(), names=st.permutations(NAMES), count=st.integers(1, 3), hours=st.sampled_from([0, 0, 1, 4]))
    def campaign(self, data: st.DataObject, names: list[str], count: int, hours: int) -> None:
        """Several approvals, so that most proposals get somewhere."""
        number = self.number(data)
        for name in names[:count]:
            self.send(number, name, "approve", name, (number, "approve"))
            self.now += timedelta(hours=hours)

    @precondition(lambda self: self.governance.proposals)
    @rule(data=st.data(), halfway=st.booleans())
    def activate(self, data: st.DataObject, halfway: bool) -> None:
        number = self.number(data)
        proposal = self.governance.find(number)
        if proposal is None:
            return
        claim = Claim(number=number, event_id="ev", fact_id="ev", at=self.now)
        due = self.reference.due(number, self.now)
        try:
            claimed = self.governance.claimed(proposal, claim, check_signature, self.version)
        except (ProposalClosed, ProposalEarly):
            assert not due, f"proposal {number} should have been activated"
            return
        assert due, f"proposal {number} was activated without its signatures, or before its time"
        if halfway:  # somebody else finishes it, from what is stored
            claimed = Governance.decoded(claimed.encoded())
        assert claimed.unclaimed() == self.governance
        self.governance = claimed.activated()
        self.reference.over.add(number)
        if proposal.kind == "policy":
            self.version += 1
            self.reference.version += 1
        else:
            self.reference.rules = Rules.of(json.loads(proposal.payload))
            self.reference.generation += 1

    @invariant()
    def the_rules_in_force_are_those_of_the_reference(self) -> None:
        assert self.governance.rules == self.reference.rules
        assert (
            self.version
            == self.reference.version
            == 1 + sum(item.ended == "activated" and item.kind == "policy" for item in self.governance.proposals)
        )


TestGoverned = Governed.TestCase
TestGoverned.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


def test_a_vote_changes_with_every_word_of_what_it_is_about() -> None:
    base = Proposal(
        number=1, kind="policy", content="00", checks="11", rules="22", passed=True, tightens=False, base_version=1,
        generation=1, comment=None, created_at=START, expires_at=START + timedelta(hours=1), payload="{}",
        report="{}", event_id="ev",
    )  # fmt: skip
    governance = Governance(policy_id="desk", log="a", stream="00", rules=rules_of(2, 4))
    changes: list[dict[str, Any]] = [
        {"number": 2}, {"kind": "governance"}, {"content": "01"}, {"checks": "12"}, {"rules": "23"},
        {"base_version": 2}, {"generation": 2}, {"expires_at": START + timedelta(hours=2)},
    ]  # fmt: skip
    statements = {governance.statement(replace(base, **change), "approve") for change in ({}, *changes)}
    statements.add(governance.statement(base, "reject"))
    for other in ({"policy_id": "x"}, {"log": "b"}, {"stream": "01"}):
        statements.add(replace(governance, **other).statement(base, "approve"))
    assert len(statements) == len(changes) + 5
