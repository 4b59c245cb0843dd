"""The audit log: recorded decisions, lists, replay."""

from __future__ import annotations

from fastapi import Request, Response
from starlette.convertors import Convertor, register_url_convertor

from app.caller import Scope
from app.deps import container_of, query_rules, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import compare_evaluations as compare
from app.usecases import read_evaluations as history
from app.usecases import read_permits as permits
from app.usecases import scorecard as scorecards
from models.api.query import DifferenceParameters, EntriesParameters, EvaluationsParameters, NoParameters
from models.api.scorecard import ScorecardParameters


class _EvaluationId(Convertor[str]):
    # Without the colon: else GET on …:replay would be taken for an id that does not exist, instead of a wrong method.
    regex = "[^/:]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("evaluation_id", _EvaluationId())


async def list_evaluations(request: Request) -> Response:
    """Page of decisions."""
    query = history.EntryQuery(**read_query(request, EvaluationsParameters).model_dump())
    return reply(request, await history.list_evaluations(container_of(request), query))


async def list_audit_entries(request: Request) -> Response:
    """Page of the audit log."""
    query = history.EntryQuery(**read_query(request, EntriesParameters).model_dump())
    return reply(request, await history.list_audit_entries(container_of(request), query))


async def replay_evaluation(request: Request) -> Response:
    """Compute a decision again and compare."""
    read_query(request, NoParameters)
    return reply(request, await history.replay_evaluation(container_of(request), request.path_params["evaluation_id"]))


async def compare_evaluations(request: Request) -> Response:
    """What changed between two decisions."""
    against = read_query(request, DifferenceParameters).against
    evaluation_id = request.path_params["evaluation_id"]
    return reply(request, await compare.compare_evaluations(container_of(request), evaluation_id, against))


async def read_evaluation(request: Request) -> Response:
    """A recorded answer."""
    read_query(request, NoParameters)
    return reply(request, await history.read_evaluation(container_of(request), request.path_params["evaluation_id"]))


async def read_permits(request: Request) -> Response:
    """Permits of the orders of a decision."""
    read_query(request, NoParameters)
    return reply(request, await permits.read_permits(container_of(request), request.path_params["evaluation_id"]))


async def read_audit_body(request: Request) -> Response:
    """Recorded bytes."""
    read_query(request, NoParameters)
    return reply(request, await history.read_audit_body(container_of(request), request.path_params["evaluation_id"]))


async def read_scorecard(request: Request) -> Response:
    """How good recorded answers were."""
    query = scorecards.ScorecardQuery(**read_query(request, ScorecardParameters).model_dump())
    with query_rules():
        return reply(request, await scorecards.read_scorecard(container_of(request), query))


ROUTES = (
    route("GET", "/v1/evaluations", list_evaluations, Scope.AUDIT_READ),
    route("GET", "/v1/audit/entries", list_audit_entries, Scope.AUDIT_READ),
    route("GET", "/v1/audit/entries/{evaluation_id:evaluation_id}/body", read_audit_body, Scope.AUDIT_READ),
    route("POST", "/v1/evaluations/{evaluation_id:evaluation_id}:replay", replay_evaluation, Scope.AUDIT_READ),
    route("GET", "/v1/evaluations/{evaluation_id:evaluation_id}:diff", compare_evaluations, Scope.AUDIT_READ),
    route("GET", "/v1/evaluations/{evaluation_id:evaluation_id}/permits", read_permits, Scope.AUDIT_READ),
    route("GET", "/v1/evaluations/{evaluation_id:evaluation_id}", read_evaluation, Scope.AUDIT_READ),
    route("GET", "/v1/scorecard", read_scorecard, Scope.AUDIT_READ),
)
