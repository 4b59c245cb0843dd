"""API keys of the caller's tenant."""

from __future__ import annotations

from fastapi import Request, Response
from starlette.convertors import Convertor, register_url_convertor

from app.caller import ANY_KEY, Scope, caller_of
from app.deps import container_of, read_call, read_empty_call, read_query
from app.routes.reply import reply
from app.routes.routing import route
from app.usecases import keys
from models.api.query import NoParameters, PageParameters


class _KeyId(Convertor[str]):
    # `current` is a path of its own, whatever the method.
    regex = "(?!current$)[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("key_id", _KeyId())


async def read_current_key(request: Request) -> Response:
    """Who calls."""
    read_query(request, NoParameters)
    return reply(request, await keys.read_current(container_of(request), caller_of(request.scope)))


async def list_keys(request: Request) -> Response:
    """Page of keys."""
    page = read_query(request, PageParameters)
    return reply(request, await keys.list_keys(container_of(request), page.after, page.limit))


async def create_key(request: Request) -> Response:
    """A new key."""
    read_query(request, NoParameters)
    caller = caller_of(request.scope)
    return reply(request, await keys.create_key(container_of(request), await read_call(request), caller))


async def revoke_key(request: Request) -> Response:
    """End a key."""
    read_query(request, NoParameters)
    key_id, caller = request.path_params["key_id"], caller_of(request.scope)
    return reply(request, await keys.revoke_key(container_of(request), read_empty_call(request), key_id, caller.key_id))


ROUTES = (
    route("GET", "/v1/keys/current", read_current_key, ANY_KEY),
    route("GET", "/v1/keys", list_keys, Scope.ADMIN),
    route("POST", "/v1/keys", create_key, Scope.ADMIN),
    route("DELETE", "/v1/keys/{key_id:key_id}", revoke_key, Scope.ADMIN),
)
