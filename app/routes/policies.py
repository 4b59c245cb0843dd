"""Stored policies."""

from __future__ import annotations

import re

from fastapi import Request, Response

from app.caller import Scope
from app.deps import container_of, cursor_errors, read_call, read_query
from app.routes.reply import conditional, reply
from app.routes.routing import route
from app.usecases import check_policies, policies
from app.usecases.find_policy import UnknownPolicy
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


ROUTES = (
    route("POST", "/v1/policies:check", check_policy, Scope.EVALUATE),
    route("POST", "/v1/policies:compare", compare_policies, Scope.EVALUATE),
    route("POST", "/v1/policies", store_policy, Scope.POLICY_WRITE),
    route("GET", "/v1/policies", list_policies, Scope.READ),
    route("GET", "/v1/policies/{policy_id}", read_policy, Scope.READ),
    route("GET", "/v1/policies/{policy_id}/versions/{version}", read_policy_version, Scope.READ),
)
