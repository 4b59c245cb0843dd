"""Liveness, readiness, metrics."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import PUBLIC, Scope
from app.deps import container_of
from app.problems import RequestProblem
from app.routes.reply import reply_json
from app.routes.routing import identified, route
from app.telemetry import CONTENT_TYPE
from app.usecases.discover import readiness

TOLD = ("status", "degraded")
"""What of `/readyz` everybody may know; the rest is on the internal port, or for callers who may read metrics."""


async def check_live(request: Request) -> Response:
    """The process answers; no store is asked."""
    return reply_json({"status": "live"})


async def check_ready(request: Request) -> Response:
    """Whether requests can be answered; store by store for who may know, where there is no port for that."""
    whole = request.app.state.settings.metrics_port is None and await identified(request, Scope.METRICS_READ)
    return await _ready(request, whole=whole)


async def check_details(request: Request) -> Response:
    """Whether requests can be answered, store by store."""
    return await _ready(request, whole=True)


async def _ready(request: Request, *, whole: bool) -> Response:
    live = request.app.state.live
    report = await readiness(container_of(request), live.checked if live is not None else None)
    for name, found in report["dependencies"].items():
        request.app.state.telemetry.dependency(name, up=found["status"] == "up")
    told = report if whole else {name: report[name] for name in TOLD}
    return reply_json(told, 503 if report["status"] == "unavailable" else 200)


async def read_public_metrics(request: Request) -> Response:
    """Metrics, where there is no port for them."""
    if request.app.state.settings.metrics_port is not None:
        raise RequestProblem("not_found", "there is no such path: compare it with GET /openapi.json")
    return await read_metrics(request)


async def read_metrics(request: Request) -> Response:
    """Metrics in the text format of Prometheus."""
    await request.app.state.vitals.take(container_of(request))
    return Response(request.app.state.telemetry.render(), media_type=CONTENT_TYPE)


ROUTES = (
    route("GET", "/livez", check_live, PUBLIC),
    route("GET", "/readyz", check_ready, PUBLIC),
    route("GET", "/metrics", read_public_metrics, Scope.METRICS_READ),
)
INTERNAL_ROUTES = (
    route("GET", "/livez", check_live, PUBLIC),
    route("GET", "/readyz", check_details, PUBLIC),
    route("GET", "/metrics", read_metrics, PUBLIC),
)
