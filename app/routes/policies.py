"""Stored policies."""

from __future__ import annotations

import re

from fastapi import Request, Response

from app.caller import Scope
from app.deps import container_of, cursor_errors, now, read_call, read_empty_call, read_query
from app.routes.reply import conditional, reply
from app.routes.routing import route
from app.usecases import check_policies, policies
from app.usecases import govern_policy as governance
from app.usecases.find_policy import UnknownPolicy
from app.usecases.governance_step import UnknownProposal
from models.api.query import NoParameters, PageParameters

_VERSION = re.compile(r"[1-9][0-9]{0,8}\Z", re.ASCII)


async def store_policy(request: Request) -> Response:
    """Store a policy."""
    read_query(request, NoParameters)
    return reply(request, await policies.store_policy(container_of(request), await read_call(request)))


async def list_policies(request: Request) -> Response:
    """Page of policies."""
    page = read_query(request, PageParameters)
    with cursor_errors():
        return reply(request, await policies.list_policies(container_of(request), page.after, page.limit))


async def read_policy(request: Request) -> Response:
    """The newest version."""
    read_query(request, NoParameters)
    return conditional(request, await policies.read_policy(container_of(request), request.path_params["policy_id"]))


async def read_policy_version(request: Request) -> Response:
    """One version."""
    read_query(request, NoParameters)
    policy_id, version = request.path_params["policy_id"], request.path_params["version"]
    if not _VERSION.match(version):
        raise UnknownPolicy("a version is a whole number from 1 on, without leading zeros")
    return conditional(request, await policies.read_version(container_of(request), policy_id, int(version)))


async def check_policy(request: Request) -> Response:
    """Prove or refute statements about a policy."""
    read_query(request, NoParameters)
    return reply(request, await check_policies.check_policy(container_of(request), await read_call(request)))


async def compare_policies(request: Request) -> Response:
    """Prove or refute that one policy refines another."""
    read_query(request, NoParameters)
    return reply(request, await check_policies.compare_policies(container_of(request), await read_call(request)))


async def govern_policy(request: Request) -> Response:
    """Put a policy under governance."""
    read_query(request, NoParameters)
    policy_id = request.path_params["policy_id"]
    return reply(request, await governance.govern_policy(container_of(request), await read_call(request), policy_id))


async def read_governance(request: Request) -> Response:
    """Rules of a policy, and its proposals."""
    read_query(request, NoParameters)
    policy_id = request.path_params["policy_id"]
    return reply(request, await governance.read_governance(container_of(request), policy_id, now(request)))


async def propose(request: Request) -> Response:
    """Ask for a new version."""
    read_query(request, NoParameters)
    policy_id = request.path_params["policy_id"]
    return reply(request, await governance.propose(container_of(request), await read_call(request), policy_id))


async def read_proposal(request: Request) -> Response:
    """One proposal."""
    read_query(request, NoParameters)
    policy_id, number = _proposal(request)
    return reply(request, await governance.read_proposal(container_of(request), policy_id, number, now(request)))


async def approve_proposal(request: Request) -> Response:
    """Vote for a proposal."""
    read_query(request, NoParameters)
    place = _proposal(request)
    return reply(request, await governance.approve(container_of(request), await read_call(request), *place))


async def reject_proposal(request: Request) -> Response:
    """Vote against a proposal."""
    read_query(request, NoParameters)
    place = _proposal(request)
    return reply(request, await governance.reject(container_of(request), await read_call(request), *place))


async def activate_proposal(request: Request) -> Response:
    """Bring a proposal into force."""
    read_query(request, NoParameters)
    return reply(
        request, await governance.activate(container_of(request), read_empty_call(request), *_proposal(request))
    )


def _proposal(request: Request) -> tuple[str, int]:
    number = request.path_params["number"]
    if not _VERSION.match(number):
        raise UnknownProposal("the number of a proposal is a whole number from 1 on, without leading zeros")
    return request.path_params["policy_id"], int(number)


_PROPOSAL = "/v1/policies/{policy_id}/proposals/{number:evaluation_id}"
ROUTES = (
    route("PUT", "/v1/policies/{policy_id}/governance", govern_policy, Scope.POLICY_WRITE),
    route("GET", "/v1/policies/{policy_id}/governance", read_governance, Scope.READ),
    route("POST", "/v1/policies/{policy_id}/proposals", propose, Scope.POLICY_WRITE),
    route("GET", _PROPOSAL, read_proposal, Scope.READ),
    route("POST", f"{_PROPOSAL}:approve", approve_proposal, Scope.POLICY_WRITE),
    route("POST", f"{_PROPOSAL}:reject", reject_proposal, Scope.POLICY_WRITE),
    route("POST", f"{_PROPOSAL}:activate", activate_proposal, Scope.POLICY_WRITE),
    route("POST", "/v1/policies:check", check_policy, Scope.EVALUATE),
    route("POST", "/v1/policies:compare", compare_policies, Scope.EVALUATE),
    route("POST", "/v1/policies", store_policy, Scope.POLICY_WRITE),
    route("GET", "/v1/policies", list_policies, Scope.READ),
    route("GET", "/v1/policies/{policy_id}", read_policy, Scope.READ),
    route("GET", "/v1/policies/{policy_id}/versions/{version}", read_policy_version, Scope.READ),
)
