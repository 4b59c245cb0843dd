"""The tree of the audit log, for anybody who wants to check it."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import PUBLIC, Scope
from app.deps import container_of, query_rules, read_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import cosign
from app.usecases import read_log as log
from app.usecases.commit_figures import commit_figures as committed
from app.usecases.disclose import disclose_fields as disclosed
from models.api.query import NoParameters
from models.api.transparency import CheckpointParameters, ConsistencyParameters, InclusionParameters, LogKeyParameters

NOTE = "text/plain; charset=utf-8"


async def read_checkpoint(request: Request) -> Response:
    """Signed head."""
    query = read_query(request, CheckpointParameters)
    note = await cosign.read_checkpoint(container_of(request), cosigned=query.cosigned)
    return Response(note, media_type=NOTE)


async def add_cosignatures(request: Request) -> Response:
    """Signatures of witnesses."""
    read_query(request, NoParameters)
    return reply(request, await cosign.add_cosignatures(container_of(request), await read_call(request)))


async def read_verifier_key(request: Request) -> Response:
    """Public key."""
    query = read_query(request, LogKeyParameters)
    return Response(await log.read_verifier_key(container_of(request), query.algorithm), media_type=NOTE)


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
    container = container_of(request)
    logged = await log.logged_entry(container, request.path_params["evaluation_id"])
    return Response(await cosign.read_receipt(container, logged), media_type=NOTE)


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
    route("GET", "/v1/log/checkpoint", read_checkpoint, PUBLIC),
    route("POST", "/v1/log/cosignatures", add_cosignatures, PUBLIC),
    route("GET", "/v1/log/key", read_verifier_key, PUBLIC),
    route("GET", "/v1/log/proof/inclusion", prove_inclusion, PUBLIC),
    route("GET", "/v1/log/proof/consistency", prove_consistency, PUBLIC),
    route("GET", "/v1/log/tile/{tile:path}", read_tile, PUBLIC),
    route("GET", "/v1/audit/entries/{evaluation_id:evaluation_id}/entry", read_entry, Scope.AUDIT_READ),
    route("GET", "/v1/audit/entries/{evaluation_id:evaluation_id}/receipt", read_receipt, Scope.AUDIT_READ),
    route("POST", "/v1/audit/entries/{evaluation_id:evaluation_id}:disclose", disclose_fields, Scope.AUDIT_READ),
    route("POST", "/v1/audit/entries/{evaluation_id:evaluation_id}:commit", commit_figures, Scope.AUDIT_READ),
)
