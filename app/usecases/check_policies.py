"""`POST /v1/policies:check`, `POST /v1/policies:compare` and their commands; nothing is stored or recorded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import orjson

from app.container import Container
from app.deadline import in_thread
from app.translate.notes import Notes
from app.translate.policy import NamedPolicy, policy_sha256
from app.usecases.call import Answer, Call
from app.usecases.decide import chosen_policy, tell_policy
from app.usecases.effort import validated
from app.usecases.gather import named_policy
from models.api.policy import PolicyIn
from models.api.policy_choice import PolicyReference
from models.api.verification import CheckPolicyRequest, ComparePoliciesRequest
from services.engine.policy import DEFAULTS_VERSION, Policy
from services.verification import PROVES
from services.verification.check import Finding, check, refines
from services.verification.ranges import Ranges


@dataclass(frozen=True, slots=True)
class Chosen:
    """A policy of a request; `named` where it is a stored one."""

    policy: Policy
    named: NamedPolicy | None = None


async def check_policy(container: Container, call: Call) -> Answer:
    """Prove or refute statements about one policy, in a worker thread."""
    request, notes = await validated(CheckPolicyRequest, call), Notes()
    chosen = await read_choice(container, request.policy, "policy", notes)
    return Answer(200, orjson.dumps(await in_thread(check_report, request, chosen, notes)))


async def compare_policies(container: Container, call: Call) -> Answer:
    """Prove or refute that a policy refines another, in a worker thread."""
    request, notes = await validated(ComparePoliciesRequest, call), Notes()
    new = await read_choice(container, request.new, "new", notes)
    old = await read_choice(container, request.old, "old", notes)
    return Answer(200, orjson.dumps(await in_thread(compare_report, request, new, old, notes)))


async def read_choice(container: Container, choice: PolicyIn | PolicyReference, place: str, notes: Notes) -> Chosen:
    """Policy of a request, read where it is a stored one.

    Raises
    ------
    UnknownPolicy
        If there is none of that name.
    """
    named = await named_policy(container, choice, f"/{place}") if isinstance(choice, PolicyReference) else None
    tell_policy(choice, named, notes, f"/{place}")
    return Chosen(chosen_policy(choice, named, place), named)


def check_report(request: CheckPolicyRequest, chosen: Chosen, notes: Notes) -> dict[str, Any]:
    """Body of the answer: every statement with its verdict."""
    share = max(request.most_boxes // len(request.properties), 1)
    found = [check(chosen.policy, item, request.ranges, most_boxes=share) for item in request.properties]
    verdicts = {item.verdict for item in found}
    rows = zip(request.properties, found, strict=True)
    return {
        **identity(chosen),
        "verdict": next(verdict for verdict in ("refuted", "unknown", "proved") if verdict in verdicts),
        "findings": [{"property": dataclasses.asdict(item), **finding_fields(one)} for item, one in rows],
        **frame(request.ranges, notes),
    }


def compare_report(request: ComparePoliciesRequest, new: Chosen, old: Chosen, notes: Notes) -> dict[str, Any]:
    """Body of the answer: whether the new policy refines the old one."""
    found = refines(new.policy, old.policy, request.ranges, most_boxes=request.most_boxes)
    verdict = "refines" if found.verdict == "proved" else found.verdict
    both = {"new": identity(new), "old": identity(old)}
    return {**finding_fields(found), "verdict": verdict, **both, **frame(request.ranges, notes)}


def identity(chosen: Chosen) -> dict[str, Any]:
    """Which policy it is: the same name and digest as in the answers of evaluations."""
    named = chosen.named
    if named is None:
        return {"policy_resolved_sha256": policy_sha256(chosen.policy, DEFAULTS_VERSION)}
    fields = {"id": named.policy_id, "version": named.version, "sha256": named.sha256}
    return {"policy": fields, "policy_resolved_sha256": policy_sha256(chosen.policy, named.defaults_version)}


def finding_fields(found: Finding) -> dict[str, Any]:
    """A verdict with its counterexample."""
    fields: dict[str, Any] = {
        "verdict": found.verdict, "detail": found.detail, "boxes": found.boxes, "points": found.points
    }  # fmt: skip
    if (violation := found.violation) is not None:
        fields["counterexample"] = {
            "points": [dataclasses.asdict(point) for point in violation.points],
            "figure": violation.figure,
            "values": list(violation.weights),
            "detail": violation.detail,
        }
    return fields


def frame(ranges: Ranges, notes: Notes) -> dict[str, Any]:
    """What verdicts rest on."""
    return {"ranges": dataclasses.asdict(ranges), "proves": PROVES, "assumptions": notes.assumptions}
