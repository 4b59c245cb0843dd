"""OpenAPI and its explorer: vendored files, no network, no inline script."""

from __future__ import annotations

from functools import cache

import orjson
from fastapi import Request, Response

from app.asyncapi import asyncapi_document
from app.caller import PUBLIC
from app.openapi import openapi_document
from app.problems import RequestProblem
from app.routes.assets import send_file
from app.routes.routing import route

SERVED = frozenset(
    {
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "favicon-32x32.png",
        "docs.css",
        "docs.js",
        "stream.css",
        "stream.js",
        "LICENSE.txt",
    }
)


@cache
def _document() -> bytes:
    return orjson.dumps(openapi_document())


@cache
def _stream_document() -> bytes:
    return orjson.dumps(asyncapi_document())


async def read_openapi(request: Request) -> Response:
    """The contract."""
    return Response(_document(), media_type="application/json")


async def read_asyncapi(request: Request) -> Response:
    """The contract of the stream."""
    return Response(_stream_document(), media_type="application/json")


async def read_stream_docs(request: Request) -> Response:
    """The page of the stream."""
    return send_file(request, "stream.html", "no-cache")


async def read_docs(request: Request) -> Response:
    """The explorer."""
    return send_file(request, "docs.html", "no-cache")


async def read_docs_file(request: Request) -> Response:
    """A file of the explorer."""
    name = request.path_params["name"]
    if name not in SERVED:
        raise RequestProblem("not_found", "there is no such file")
    return send_file(request, name, "public, max-age=3600")


async def read_favicon(request: Request) -> Response:
    """Icon that browsers ask for."""
    return send_file(request, "favicon-32x32.png", "public, max-age=86400")


ROUTES = (
    route("GET", "/openapi.json", read_openapi, PUBLIC),
    route("GET", "/docs", read_docs, PUBLIC),
    route("GET", "/asyncapi.json", read_asyncapi, PUBLIC),
    route("GET", "/docs/ws", read_stream_docs, PUBLIC),
    route("GET", "/docs/{name}", read_docs_file, PUBLIC),
    route("GET", "/favicon.ico", read_favicon, PUBLIC),
)
