"""Answers of use cases as responses."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Request, Response

from app.deps import known_tags
from app.telemetry import server_timing
from app.tracing import STAGES_KEY
from app.usecases.call import Answer


def reply(request: Request, answer: Answer) -> Response:
    """Bytes of a use case, with its headers and timings."""
    headers = dict(answer.headers)
    if answer.timings:
        request.scope[STAGES_KEY] = answer.timings
        headers["Server-Timing"] = server_timing(answer.timings)
        request.app.state.telemetry.timings(answer.timings)
    return Response(answer.body, answer.status, headers, "application/json")


def conditional(request: Request, answer: Answer) -> Response:
    """Bytes of a use case; 304 without them where `If-None-Match` names their `ETag`."""
    tag = dict(answer.headers)["ETag"]
    if not known_tags(request).isdisjoint((tag, "*")):
        return Response(status_code=304, headers={"ETag": tag})
    return reply(request, answer)


def reply_json(value: Any, status: int = 200) -> Response:
    """A plain value."""
    return Response(orjson.dumps(value), status, media_type="application/json")
