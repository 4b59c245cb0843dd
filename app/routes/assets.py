"""Files of the pages: read once, typed, with an entity tag and a policy without inline code."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from fastapi import Request, Response

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
MEDIA_TYPES = {"js": "text/javascript", "css": "text/css", "png": "image/png", "html": "text/html", "txt": "text/plain"}


@cache
def _asset(path: str) -> tuple[bytes, str]:
    content = (files("app") / "static" / path).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def send_file(request: Request, path: str, cache_control: str, policy: str = POLICY) -> Response:
    """A file under `app/static`; 304 without it where `If-None-Match` names its tag."""
    content, tag = _asset(path)
    headers = {"ETag": tag, "Cache-Control": cache_control, "Content-Security-Policy": policy}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[path.rpartition(".")[2]])
