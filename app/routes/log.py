"""The tree of the audit log, for anybody who wants to check it."""

from __future__ import annotations

from fastapi import Request, Response

from app.deps import container_of, query_rules, read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import read_log as log
from app.usecases.commit_figures import commit_figures as committed
from app.usecases.disclose import disclose_fields as disclosed
from models.api.query import NoParameters
from models.api.transparency import ConsistencyParameters, InclusionParameters

NOTE = "text/plain; charset=utf-8"


async def read_checkpoint(request: Request) -> Response:
    """Signed head."""
    read_query(request, NoParameters)
    return Response(await log.read_checkpoint(container_of(request)), media_type=NOTE)


async def read_verifier_key(request: Request) -> Response:
    """Public key."""
    read_query(request, NoParameters)
    return Response(await log.read_verifier_key(container_of(request)), media_type=NOTE)


async def prove_inclusion(request: Request) -> Response:
    """Inclusion proof."""
    query = read_query(request, InclusionParameters)
    with query_rules():
        return reply(request, await log.read_inclusion_proof(container_of(request), query.index, query.size))


async def prove_consistency(request: Request) -> Response:
    """Consistency proof."""
    query = read_query(request, ConsistencyParameters)
    with query_rules():
        return reply(request, await log.read_consistency_proof(container_of(request), query.first, query.second))


async def read_tile(request: Request) -> Response:
    """Hashes of a tile."""
    read_query(request, NoParameters)
    hashes = await log.read_log_tile(container_of(request), request.path_params["tile"])
    return Response(hashes, headers=dict([log.FOREVER]), media_type="application/octet-stream")


async def read_entry(request: Request) -> Response:
    """Canonical entry."""
    read_query(request, NoParameters)
    entry = await log.read_entry(container_of(request), request.path_params["evaluation_id"])
    return Response(entry, media_type="application/json")


async def read_receipt(request: Request) -> Response:
    """Receipt."""
    read_query(request, NoParameters)
    text = await log.read_receipt(container_of(request), request.path_params["evaluation_id"])
    return Response(text, media_type=NOTE)


async def disclose_fields(request: Request) -> Response:
    """Some fields of a recorded answer."""
    read_query(request, NoParameters)
    event_id = request.path_params["evaluation_id"]
    return reply(request, await disclosed(container_of(request), event_id, await read_call(request)))


async def commit_figures(request: Request) -> Response:
    """Commitments to figures of a recorded answer."""
    read_query(request, NoParameters)
    event_id = request.path_params["evaluation_id"]
    return reply(request, await committed(container_of(request), event_id, await read_call(request)))


ROUTES = (
    route("GET", "/v1/log/checkpoint", read_checkpoint),
    route("GET", "/v1/log/key", read_verifier_key),
    route("GET", "/v1/log/proof/inclusion", prove_inclusion),
    route("GET", "/v1/log/proof/consistency", prove_consistency),
    route("GET", "/v1/log/tile/{tile:path}", read_tile),
    route("GET", "/v1/audit/entries/{evaluation_id:evaluation_id}/entry", read_entry),
    route("GET", "/v1/audit/entries/{evaluation_id:evaluation_id}/receipt", read_receipt),
    route("POST", "/v1/audit/entries/{evaluation_id:evaluation_id}:disclose", disclose_fields),
    route("POST", "/v1/audit/entries/{evaluation_id:evaluation_id}:commit", commit_figures),
)
