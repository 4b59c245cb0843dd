"""OpenAPI and its explorer: vendored files, no network, no inline script."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

import orjson
from fastapi import Request, Response

from app.asyncapi import asyncapi_document
from app.openapi import openapi_document
from app.problems import RequestProblem
from app.routes.routing import route

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
MEDIA_TYPES = {"js": "text/javascript", "css": "text/css", "png": "image/png", "html": "text/html", "txt": "text/plain"}
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
def _asset(name: str) -> tuple[bytes, str]:
    content = (files("app") / "static" / name).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@cache
def _document() -> bytes:
    return orjson.dumps(openapi_document())


@cache
def _stream_document() -> bytes:
    return orjson.dumps(asyncapi_document())


def _send(request: Request, name: str, cache_control: str) -> Response:
    content, tag = _asset(name)
    headers = {"ETag": tag, "Cache-Control": cache_control, "Content-Security-Policy": POLICY}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[name.rpartition(".")[2]])


async def read_openapi(request: Request) -> Response:
    """The contract."""
    return Response(_document(), media_type="application/json")


async def read_asyncapi(request: Request) -> Response:
    """The contract of the stream."""
    return Response(_stream_document(), media_type="application/json")


async def read_stream_docs(request: Request) -> Response:
    """The page of the stream."""
    return _send(request, "stream.html", "no-cache")


async def read_docs(request: Request) -> Response:
    """The explorer."""
    return _send(request, "docs.html", "no-cache")


async def read_docs_file(request: Request) -> Response:
    """A file of the explorer."""
    name = request.path_params["name"]
    if name not in SERVED:
        raise RequestProblem("not_found", "there is no such file")
    return _send(request, name, "public, max-age=3600")


async def read_favicon(request: Request) -> Response:
    """Icon that browsers ask for."""
    return _send(request, "favicon-32x32.png", "public, max-age=86400")


ROUTES = (
    route("GET", "/openapi.json", read_openapi),
    route("GET", "/docs", read_docs),
    route("GET", "/asyncapi.json", read_asyncapi),
    route("GET", "/docs/ws", read_stream_docs),
    route("GET", "/docs/{name}", read_docs_file),
    route("GET", "/favicon.ico", read_favicon),
)
