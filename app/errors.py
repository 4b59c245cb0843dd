"""Every exception as a problem document (RFC 9457).

The input is never echoed beyond a short scalar; no document exceeds 8 kB.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Match

from app.api_key import hide_keys
from app.deadline import DeadlinePassed
from app.governance_port import PolicyGoverned
from app.live_ports import VersionConflict
from app.operations import REQUEST_MODELS
from app.ports import (
    AuditFull,
    AuditUnavailable,
    BodyPruned,
    IdempotencyMismatch,
    Outcome,
    Overloaded,
    StateUnavailable,
)
from app.problems import PROBLEMS, BrokenRule, RequestProblem
from app.translate.answer import time_text
from app.usecases.commit_figures import CommitmentsMissing
from app.usecases.compare_evaluations import NotComparable, NothingBefore
from app.usecases.cosign import ForeignHead, NotCosigned
from app.usecases.decide import AssumptionsRefused
from app.usecases.disclose import NotDisclosable
from app.usecases.find_policy import UnknownPolicy
from app.usecases.find_portfolio import UnknownPortfolio
from app.usecases.govern_policy import NotGoverned
from app.usecases.governance_step import UnknownProposal
from app.usecases.portfolios import NotEvaluated, SnapshotConflict, StaleSnapshot
from app.usecases.prove import LogTooYoung
from app.usecases.publish_parameters import UnknownMarket
from app.usecases.read_evaluations import NotReplayable, UnknownEntry
from app.usecases.read_log import LogNotSigned, NoSuchTile
from app.usecases.switches import PreconditionFailed
from app.validation import broken_rules, core_rule
from models.api.problem import MAX_ERRORS
from services.audit.governance import ProposalClosed, ProposalEarly
from services.core.errors import InvalidInput

MAX_BYTES = 7500
MEDIA_TYPE = "application/problem+json"
CODE_KEY = "trimtab.code"
REQUEST_ID_KEY = "trimtab.request_id"
_LOGGER = logging.getLogger("trimtab")


def install(app: FastAPI) -> None:
    """Register the handlers."""
    for kind, translate in _TRANSLATIONS.items():
        app.add_exception_handler(kind, _handler(translate))


def problem_of(connection: HTTPConnection, error: Exception) -> RequestProblem:
    """The problem that an exception of a use case is."""
    for kind in type(error).__mro__:
        if kind in _TRANSLATIONS:
            found: RequestProblem = _TRANSLATIONS[kind](connection, error)
            return found
    return internal_error(error, connection.scope.get(REQUEST_ID_KEY, ""))


def _handler(translate: Any) -> Any:
    async def handle(request: Request, error: Exception) -> Response:
        return respond(request.scope, translate(request, error))

    return handle


def respond(scope: Any, problem: RequestProblem) -> Response:
    """Problem document as a response; its code is left in the scope for the metrics."""
    kind = problem.kind
    scope[CODE_KEY] = kind.code
    document = {
        "type": f"/v1/errors#{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
        "detail": problem.detail,
        "retryable": kind.retryable,
        "outcome": problem.outcome,
        "request_id": scope.get(REQUEST_ID_KEY, ""),
        "instance": scope["path"][:200],
        "errors": [
            {"pointer": rule.pointer, "code": rule.code, "detail": rule.detail} for rule in problem.errors[:MAX_ERRORS]
        ],
        "error_count": problem.error_count,
        "server_time": time_text(datetime.now(UTC)),
    }
    headers = dict(problem.headers)
    if kind.retryable and kind.status >= 500:
        headers["Retry-After"] = "1"
    return Response(_bounded(document), kind.status, headers, MEDIA_TYPE)


def _bounded(document: dict[str, Any]) -> bytes:
    body = _without_keys(document)
    while len(body) > MAX_BYTES and document["errors"]:
        document["errors"].pop()
        body = _without_keys(document)
    return body


def _without_keys(document: dict[str, Any]) -> bytes:
    body = orjson.dumps(document)
    return hide_keys(body.decode()).encode() if b"ttb_" in body else body


def internal_error(error: Exception, request_id: str) -> RequestProblem:
    """Problem of an unforeseen exception, which goes to the log, never to the client."""
    _LOGGER.error("request %s failed", request_id, exc_info=error)
    return RequestProblem("internal_error", f"it is in the log under request id {request_id}")


def _validation(request: Request, error: ValidationError) -> RequestProblem:
    root = REQUEST_MODELS.get(error.title)
    if root is None:  # not the client's body, but bytes that we had stored
        return internal_error(error, request.scope.get(REQUEST_ID_KEY, ""))
    rules, count = broken_rules(error, root)
    return RequestProblem("invalid_request", _summary(rules, count), rules, error_count=count)


def _summary(rules: Sequence[BrokenRule], count: int) -> str:
    if not rules:
        return "the request breaks a rule"
    first = f"{rules[0].pointer or 'the body'} {rules[0].detail}"
    return first if count == 1 else f"{first} (and {count - 1} more)"


def _core(request: Request, error: InvalidInput) -> RequestProblem:
    rule = core_rule(error)
    return RequestProblem("invalid_request", _summary([rule], 1), [rule])


def _assumptions(request: Request, error: AssumptionsRefused) -> RequestProblem:
    rules = [
        BrokenRule(item["pointer"], "assumption", f"{item['value']}: {item['effect']}") for item in error.assumptions
    ]
    detail = f"options.strict is true and {len(rules)} assumptions would be needed"
    return RequestProblem("assumptions_refused", detail, rules)


def _audit(request: Request, error: AuditUnavailable) -> RequestProblem:
    if error.outcome is Outcome.UNKNOWN:
        return RequestProblem("deadline_exceeded", error.detail)
    return RequestProblem("audit_unavailable", error.detail)


def _late(request: Request, error: DeadlinePassed) -> RequestProblem:
    return RequestProblem("timed_out", str(error))


def _full(request: Request, error: AuditFull | Overloaded) -> RequestProblem:
    return RequestProblem("overloaded", error.detail)


def _state(request: Request, error: StateUnavailable) -> RequestProblem:
    return RequestProblem("vol_state_unavailable", error.detail)


def _mismatch(request: Request, error: IdempotencyMismatch) -> RequestProblem:
    return RequestProblem("idempotency_mismatch", str(error))


def _precondition(request: Request, error: PreconditionFailed) -> RequestProblem:
    return RequestProblem("precondition_failed", error.detail, headers=(("ETag", error.tag),))


def _unknown(request: Request, error: UnknownEntry) -> RequestProblem:
    return RequestProblem("not_found", "there is no entry with this id")


def _pruned(request: Request, error: BodyPruned) -> RequestProblem:
    return RequestProblem("body_pruned", f"the body of {error} was removed after its retention")


def _market(request: Request, error: UnknownMarket) -> RequestProblem:
    return RequestProblem("not_found", "nothing was ever published for this market: PUT /v1/parameters/{market}")


def _governed(request: Request, error: PolicyGoverned) -> RequestProblem:
    way = f"POST /v1/policies/{error.policy_id}/proposals"
    return RequestProblem("policy_governed", f"policy {error.policy_id} is under governance: {way}")


def _lost(request: Request, error: NotGoverned | UnknownProposal) -> RequestProblem:
    return RequestProblem("not_found", str(error))


def _closed(request: Request, error: ProposalClosed) -> RequestProblem:
    return RequestProblem("proposal_closed", str(error))


def _not_yet(request: Request, error: ProposalEarly) -> RequestProblem:
    return RequestProblem("proposal_early", str(error))


def _policy(request: Request, error: UnknownPolicy) -> RequestProblem:
    if not error.pointer:
        return RequestProblem("not_found", error.detail)
    rule = BrokenRule(error.pointer, "unknown_policy", error.detail)
    return RequestProblem("invalid_request", _summary([rule], 1), [rule])


def _comparison(request: Request, error: NotComparable) -> RequestProblem:
    return RequestProblem("not_comparable", f"the entry is of kind {error}")


def _alone(request: Request, error: NothingBefore) -> RequestProblem:
    rule = BrokenRule("query:against", "required", f"is required: {error}")
    return RequestProblem("invalid_request", _summary([rule], 1), [rule])


def _fact(request: Request, error: NotReplayable) -> RequestProblem:
    return RequestProblem("not_replayable", f"the entry is of kind {error}")


def _whole(request: Request, error: NotDisclosable) -> RequestProblem:
    return RequestProblem("not_disclosable", str(error))


def _without(request: Request, error: CommitmentsMissing) -> RequestProblem:
    return RequestProblem("commitments_missing", str(error))


def _portfolio(request: Request, error: UnknownPortfolio) -> RequestProblem:
    return RequestProblem("unknown_portfolio", "no portfolio of this id is registered")


def _early(request: Request, error: NotEvaluated) -> RequestProblem:
    return RequestProblem("not_evaluated", str(error))


def _sequence(request: Request, error: SnapshotConflict | StaleSnapshot) -> RequestProblem:
    code = "snapshot_conflict" if isinstance(error, SnapshotConflict) else "stale_snapshot"
    rule = BrokenRule("/snapshot_seq", code, str(error))
    return RequestProblem(code, str(error), [rule])


def _version(request: Request, error: VersionConflict) -> RequestProblem:
    if error.current is None:
        return RequestProblem("precondition_failed", "there is no present version")
    tag = f'"{error.current}"'
    return RequestProblem("precondition_failed", f"the present version is {error.current}", headers=(("ETag", tag),))


def _young(request: Request, error: LogTooYoung) -> RequestProblem:
    return RequestProblem("log_too_young", str(error))


def _unsigned(request: Request, error: LogNotSigned) -> RequestProblem:
    return RequestProblem("log_not_signed", "no key is configured")


def _uncosigned(request: Request, error: NotCosigned) -> RequestProblem:
    return RequestProblem("not_cosigned", "no head has enough signatures of witnesses yet")


def _foreign_head(request: Request, error: ForeignHead) -> RequestProblem:
    return RequestProblem("foreign_head", str(error))


def _tile(request: Request, error: NoSuchTile) -> RequestProblem:
    return RequestProblem("not_found", "the tree has no such tile")


def _known(request: Request, error: RequestProblem) -> RequestProblem:
    return error


def _http(request: Request, error: HTTPException) -> RequestProblem:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(allowed_methods(request))
        detail = f"{request.method[:20]} is not among {allowed}"
        return RequestProblem("method_not_allowed", detail, headers=(("Allow", allowed),))
    if error.status_code == HTTPStatus.NOT_FOUND:
        return RequestProblem("not_found", "there is no such path: compare it with GET /openapi.json")
    code = next((code for code, kind in PROBLEMS.items() if kind.status == error.status_code), "internal_error")
    return RequestProblem(code, str(error.detail)[:200])


def allowed_methods(request: Request) -> list[str]:
    """Methods of every route that matches the path."""
    methods: set[str] = set()
    for route in request.app.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= set(getattr(route, "methods", None) or ())
    return sorted(methods)


_TRANSLATIONS: dict[type[Exception], Any] = {
    RequestProblem: _known,
    ValidationError: _validation,
    InvalidInput: _core,
    AssumptionsRefused: _assumptions,
    AuditFull: _full,
    Overloaded: _full,
    AuditUnavailable: _audit,
    DeadlinePassed: _late,
    StateUnavailable: _state,
    IdempotencyMismatch: _mismatch,
    LogTooYoung: _young,
    LogNotSigned: _unsigned,
    NoSuchTile: _tile,
    NotCosigned: _uncosigned,
    ForeignHead: _foreign_head,
    PreconditionFailed: _precondition,
    UnknownEntry: _unknown,
    BodyPruned: _pruned,
    UnknownPolicy: _policy,
    PolicyGoverned: _governed,
    NotGoverned: _lost,
    UnknownProposal: _lost,
    ProposalClosed: _closed,
    ProposalEarly: _not_yet,
    UnknownMarket: _market,
    NotReplayable: _fact,
    NotDisclosable: _whole,
    CommitmentsMissing: _without,
    NotComparable: _comparison,
    NothingBefore: _alone,
    UnknownPortfolio: _portfolio,
    NotEvaluated: _early,
    SnapshotConflict: _sequence,
    StaleSnapshot: _sequence,
    VersionConflict: _version,
    HTTPException: _http,
}
