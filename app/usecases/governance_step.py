"""One step of the governance of a policy: what is read, what comes of it, and how that is told and recorded.

`step` depends on its argument alone, so a recorded step can be taken again, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import orjson

from app.signatures import check_signature
from app.translate.answer import time_text
from app.translate.notes import Notes
from app.translate.policy import fields_sha256, policy_sha256, resolved_json, restored
from app.usecases.check_policies import Chosen, check_report, compare_report
from models.api.governance import GovernanceChecks, GovernanceIn, ProposalRequest, VoteRequest
from models.api.policy import RECORDED_DEFAULTS, PolicyIn
from models.api.verification import CheckPolicyRequest, ComparePoliciesRequest
from services.audit.canonical import base64_bytes, base64_text
from services.audit.entry import moment
from services.audit.governance import (
    DOMAIN,
    Approver,
    Claim,
    Governance,
    Proposal,
    ProposalClosed,
    Rules,
    Status,
    Verdict,
    Vote,
    content_digest,
)
from services.core.errors import InvalidInput
from services.engine.policy import DEFAULTS_VERSION, Policy
from services.verification.ranges import Ranges

Action = Literal["govern", "propose", "approve", "reject", "activate"]
FORM = 1
TIGHTER = {("limits", "max_leverage"), ("limits", "max_margin_use")}
"""Bounds that the whole book is scaled to by one ratio: a lower one makes no row larger, in any book."""
WIDE = Ranges(volatility=(0.01, 10.0), direction=(0.0, 2.0), drawdown=(0.0, 0.95))
"""Ranges over which a tightening must be proved."""
_CHECKS = "trimtab/policy-checks/v1"


class UnknownProposal(Exception):
    """The policy has no such proposal, or it ended long ago."""


class Present(NamedTuple):
    """Newest version of a policy."""

    version: int
    sha256: str
    defaults_version: int
    resolved: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call, and everything that its answer depends on.

    Parameters
    ----------
    before : Governance, optional
        Stored document; None where the policy is not governed.
    present : Present
        Newest version.
    log, stream : str
        What the first document is bound to.
    request : bytes
        Body of the call; its path where it has none.
    defaults_version : int
        Version of the defaults under which a policy in the request is read.
    """

    action: Action
    policy_id: str
    number: int | None
    before: Governance | None
    present: Present
    log: str
    stream: str
    request: bytes
    event_id: str
    fact_id: str
    at: datetime
    defaults_version: int = DEFAULTS_VERSION


class Taken(NamedTuple):
    """The document after a step, and the answer without its audit block. Not changed: the document is the former."""

    after: Governance
    body: bytes
    changed: bool


def step(call: Step) -> Taken:
    """Take a step.

    Raises
    ------
    UnknownProposal
        If there is no proposal of that number.
    ProposalClosed, ProposalEarly, InvalidInput
        If the step may not be taken.
    """
    if call.action == "govern":
        return _govern(call)
    before = call.before
    assert before is not None
    if call.action == "propose":
        return _propose(call, before)
    proposal = find(before, call.number or 0)
    if call.action == "activate":
        _check_signed(proposal)
        claim = Claim(number=proposal.number, event_id=call.event_id, fact_id=call.fact_id, at=call.at)
        after = before.claimed(proposal, claim, check_signature, call.present.version)
        return _answer(call, after, after.activated(), proposal.number, changed=True)
    sent = VoteRequest.model_validate_json(call.request)
    vote = Vote(
        approver=sent.approver, verdict=call.action, signature=base64_bytes(sent.signature, "signature"), at=call.at
    )  # fmt: skip
    after = before.voted(proposal, vote, check_signature, call.present.version)
    return _answer(call, after, after, proposal.number, changed=after is not before)


def _check_signed(proposal: Proposal) -> None:
    """What the votes signed are digests: a stored proposal that says anything else activates nothing.

    Raises
    ------
    ProposalClosed
        If it does.
    """
    if proposal.ended or not proposal.payload:
        return
    payload, report = orjson.loads(proposal.payload), orjson.loads(proposal.report)
    if proposal.kind == "policy":
        made = fields_sha256(orjson.loads(payload["resolved"]), payload["defaults_version"])
    else:
        made = Rules.of(payload).digest
    found = (made, content_digest(_CHECKS, proposal.report.encode()), report["passed"], report["tightens"])
    if found != (proposal.content, proposal.checks, proposal.passed, proposal.tightens):
        raise ProposalClosed(f"proposal {proposal.number} is stored otherwise than it was signed")


def find(governance: Governance, number: int) -> Proposal:
    """Proposal of a number.

    Raises
    ------
    UnknownProposal
        If there is none.
    """
    found = governance.find(number)
    if found is None:
        made = governance.following - 1
        raise UnknownProposal(
            f"policy {governance.policy_id} has had {made} proposals, and shows the last that ended: found {number}"
        )
    return found


def rules_of(sent: GovernanceIn, place: str = "") -> Rules:
    """Rules as the core reads them; `place` is what leads to them in the request.

    Raises
    ------
    InvalidInput
        For a key or a number that is not allowed.
    """
    with _at(place):
        return _rules(sent)


def _rules(sent: GovernanceIn) -> Rules:
    approvers = []
    for number, item in enumerate(sent.approvers):
        with _at(f"approvers.{number}."):
            approvers.append(Approver(name=item.name, public=base64_bytes(item.public_key, "public_key")))
    checks = sent.checks.model_dump(mode="json") if sent.checks is not None else None
    return Rules(
        approvers=tuple(approvers),
        quorum=sent.quorum,
        timelock_seconds=sent.timelock_seconds,
        lifetime_seconds=sent.lifetime_seconds,
        checks="" if checks is None else orjson.dumps(checks, option=orjson.OPT_SORT_KEYS).decode(),
    )


def rules_fields(rules: Rules) -> dict[str, Any]:
    """Rules in the form of the wire."""
    checks = orjson.loads(rules.checks) if rules.checks else None
    return {**rules.fields(), "checks": checks, "sha256": rules.digest}


def _govern(call: Step) -> Taken:
    rules = rules_of(GovernanceIn.model_validate_json(call.request))
    first = Governance(policy_id=call.policy_id, log=call.log, stream=call.stream, rules=rules)
    after = call.before or first
    body = {
        "policy_id": call.policy_id,
        "governance": rules_fields(after.rules),
        "created": call.before is None,
        "event_id": call.event_id,
    }
    return Taken(after, orjson.dumps(body), call.before is None)


def _propose(call: Step, before: Governance) -> Taken:
    context = {RECORDED_DEFAULTS: call.defaults_version}
    sent = ProposalRequest.model_validate(orjson.loads(call.request), context=context)
    if sent.policy is not None:
        policy = sent.policy.resolved()
        content = policy_sha256(policy, call.defaults_version)
        if content == call.present.sha256:
            raise InvalidInput("policy", f"must differ from version {call.present.version}", content)
        report = _report(before.rules, sent.policy, policy, call)
        raw = orjson.loads(call.request)["policy"]
        payload: dict[str, Any] = {
            "sent": orjson.dumps(raw).decode(),
            "resolved": resolved_json(policy).decode(),
            "defaults_version": call.defaults_version,
        }
    else:
        assert sent.governance is not None
        rules = rules_of(sent.governance, "governance.")
        content = rules.digest
        if content == before.rules.digest:
            raise InvalidInput("governance", "must differ from the rules in force", content)
        report = {"passed": True, "tightens": False, "required": None, "comparison": None}
        payload = rules.fields()
    text = orjson.dumps(report, option=orjson.OPT_SORT_KEYS)
    proposal = Proposal(
        number=before.following,
        kind="policy" if sent.policy is not None else "governance",
        content=content,
        checks=content_digest(_CHECKS, text),
        rules=before.rules.digest,
        passed=report["passed"],
        tightens=report["tightens"],
        base_version=call.present.version,
        generation=before.generation,
        comment=sent.comment,
        created_at=call.at,
        expires_at=call.at + timedelta(seconds=before.rules.lifetime_seconds),
        payload=orjson.dumps(payload).decode(),
        report=text.decode(),
        event_id=call.event_id,
    )
    known = before.same(proposal, call.at, call.present.version)
    if known is not None:
        return _answer(call, before, before, known.number, changed=False)
    after = before.proposed(proposal, call.at, call.present.version)
    return _answer(call, after, after, proposal.number, changed=True)


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Errors of a part named by its place in the request."""
    try:
        yield
    except InvalidInput as error:
        error.parameter = f"{place}{error.parameter}"
        raise


def _report(rules: Rules, sent: PolicyIn, policy: Policy, call: Step) -> dict[str, Any]:
    """Results of the checks of a new version."""
    required = None
    if rules.checks:
        checks = GovernanceChecks.model_validate_json(rules.checks)
        asked = CheckPolicyRequest(
            policy=sent, properties=checks.properties, ranges=checks.ranges, most_boxes=checks.most_boxes
        )
        required = check_report(asked, Chosen(policy), Notes())
    comparison = None
    if bounds_no_looser(policy, call.present, call.defaults_version):
        old = PolicyIn.model_validate(orjson.loads(call.present.resolved))
        wide = ComparePoliciesRequest(new=sent, old=old, ranges=WIDE)
        comparison = compare_report(wide, Chosen(policy), Chosen(restored(call.present.resolved)), Notes())
    return {
        "passed": required is None or required["verdict"] == "proved",
        "tightens": comparison is not None and comparison["verdict"] == "refines",
        "required": required,
        "comparison": comparison,
    }


def bounds_no_looser(policy: Policy, present: Present, defaults_version: int) -> bool:
    """Whether a policy is the present one but for bounds in `TIGHTER`, none of which is higher."""
    if present.defaults_version != defaults_version:
        return False
    new, old = orjson.loads(resolved_json(policy)), orjson.loads(present.resolved)
    for block, name in TIGHTER:
        if not new[block][name] <= old[block][name]:
            return False
        new[block][name] = old[block][name]
    return bool(new == old)


def _answer(call: Step, after: Governance, shown: Governance, number: int, *, changed: bool) -> Taken:
    proposal = find(shown, number)
    # A version that the step itself makes is not yet the newest; what was activated does not look at it.
    body = {
        **proposal_fields(shown, proposal, call.at, call.present.version),
        "action": call.action,
        "changed": changed,
        "event_id": call.event_id,
    }
    return Taken(after, orjson.dumps(body), changed)


def summary_fields(governance: Governance, proposal: Proposal, at: datetime, version: int) -> dict[str, Any]:
    """A proposal without its content."""
    return {
        "number": proposal.number,
        "kind": proposal.kind,
        "status": governance.status(proposal, at, version),
        "base_version": proposal.base_version,
        "content_sha256": proposal.content,
        "comment": proposal.comment,
        "created_at": time_text(proposal.created_at),
        "expires_at": time_text(proposal.expires_at),
    }


def proposal_fields(governance: Governance, proposal: Proposal, at: datetime, version: int) -> dict[str, Any]:
    """A proposal in the form of the wire."""
    payload = orjson.loads(proposal.payload) if proposal.payload else {}
    policy, resolved = (orjson.Fragment(payload[name]) if name in payload else None for name in ("sent", "resolved"))
    due = governance.activates_at(proposal)
    rules = rules_fields(Rules.of(payload)) if payload and proposal.kind == "governance" else None
    status = governance.status(proposal, at, version)
    return {
        **summary_fields(governance, proposal, at, version),
        "policy_id": governance.policy_id,
        "detail": _detail(governance, proposal, status, version),
        "quorum": governance.rules.quorum,
        "votes": [
            {
                "approver": vote.approver,
                "verdict": vote.verdict,
                "signature": base64_text(vote.signature),
                "at": time_text(vote.at),
            }
            for vote in proposal.votes
        ],
        "activates_at": time_text(due) if due is not None and status.live else None,
        "checks": {**orjson.loads(proposal.report), "sha256": proposal.checks},
        "governance_sha256": proposal.rules,
        "version": proposal.version,
        "statements": {name: governance.statement(proposal, name).decode() for name in ("approve", "reject")},
        "policy": policy,
        "policy_resolved": resolved,
        "defaults_version": payload.get("defaults_version"),
        "governance": rules,
    }


def _detail(governance: Governance, proposal: Proposal, status: Status, version: int) -> str:
    count, quorum = len(proposal.approvals()), governance.rules.quorum
    texts = {
        Status.FAILED: "not every statement that the rules ask for is proved",
        Status.OPEN: f"{count} of {quorum} approvals",
        Status.WAITING: f"{count} of {quorum} approvals; the timelock has not ended",
        Status.READY: f"{count} of {quorum} approvals; may be activated",
        Status.ACTIVATING: "is being activated; activate it again to finish that",
        Status.ACTIVATED: "is in force" if proposal.version is None else f"became version {proposal.version}",
        Status.REJECTED: f"fewer than {quorum} approvers could still approve it",
        Status.EXPIRED: "was not activated in time",
        Status.SUPERSEDED: f"was made on version {proposal.base_version}; the newest is {version}"
        if proposal.base_version != version
        else "was made under other rules",
    }
    return texts[status]


def shown_statement(shown: dict[str, Any], verdict: Verdict) -> bytes:
    """What to sign of a proposal as it is shown: only a statement on exactly what is shown beside it.

    Raises
    ------
    InvalidInput
        If the statement is about another content, other checks or other rules, or the content is not shown.
    """
    statement: bytes = shown["statements"][verdict].encode()
    if not statement.startswith(DOMAIN):
        raise InvalidInput("statements", "must be a statement on a proposal", statement[:40])
    said = orjson.loads(statement.removeprefix(DOMAIN))
    if (resolved := shown.get("policy_resolved")) is not None:
        content = fields_sha256(resolved, shown["defaults_version"])
    elif (rules := shown.get("governance")) is not None:
        content = _shown_rules(rules).digest
    else:
        raise InvalidInput("policy_resolved", "must be shown: nobody signs what he does not see", None)
    results = {name: shown["checks"][name] for name in ("passed", "tightens", "required", "comparison")}
    expected = {
        "base_version": shown["base_version"],
        "checks": f"sha256:{content_digest(_CHECKS, orjson.dumps(results, option=orjson.OPT_SORT_KEYS))}",
        "content": f"sha256:{content}",
        "expires_at": moment(datetime.fromisoformat(shown["expires_at"])),
        "governance": f"sha256:{shown['governance_sha256']}",
        "kind": shown["kind"],
        "policy_id": shown["policy_id"],
        "proposal": shown["number"],
        "v": 1,
        "verdict": verdict,
    }
    for name, value in expected.items():
        if said.get(name) != value:
            raise InvalidInput(f"statements.{verdict}", f"must be about what is shown: {name} {value}", said.get(name))
    return statement


def _shown_rules(fields: dict[str, Any]) -> Rules:
    checks = fields["checks"]
    text = "" if checks is None else orjson.dumps(checks, option=orjson.OPT_SORT_KEYS).decode()
    return Rules.of({**{name: fields[name] for name in fields if name != "sha256"}, "checks": text})


def encode_step(call: Step) -> bytes:
    """What was read, for the record."""
    before = None if call.before is None else orjson.Fragment(call.before.encoded())
    version, sha256, defaults_version, resolved = call.present
    return orjson.dumps(
        {
            "form": FORM,
            "action": call.action,
            "policy_id": call.policy_id,
            "number": call.number,
            "before": before,
            "present": {
                "version": version,
                "sha256": sha256,
                "defaults_version": defaults_version,
                "resolved": resolved.decode(),
            },
            "log": call.log,
            "stream": call.stream,
            "defaults_version": call.defaults_version,
        }
    )


def decode_step(state: bytes, request: bytes, event_id: str, at: datetime) -> Step | None:
    """Inverse of `encode_step`; None for the form of another build."""
    said = orjson.loads(state)
    if said.pop("form") != FORM:
        return None
    present, before = said.pop("present"), said.pop("before")
    return Step(
        **said,
        before=None if before is None else Governance.decoded(orjson.dumps(before)),
        present=Present(**{**present, "resolved": present["resolved"].encode()}),
        request=request,
        event_id=event_id,
        fact_id="",
        at=at,
    )
