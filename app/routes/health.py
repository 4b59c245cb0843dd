"""Liveness, readiness, metrics."""

from __future__ import annotations

from fastapi import Request, Response

from app.deps import container_of
from app.problems import RequestProblem
from app.routes.reply import reply_json
from app.routes.routing import route
from app.telemetry import CONTENT_TYPE
from app.usecases.discover import readiness

PUBLIC = ("status", "degraded")
"""What of `/readyz` stays on the public port where there is an internal one."""


async def check_live(request: Request) -> Response:
    """The process answers; no store is asked."""
    return reply_json({"status": "live"})


async def check_ready(request: Request) -> Response:
    """Whether requests can be answered; which store is what, only where there is no port for that."""
    return await _ready(request, whole=request.app.state.settings.metrics_port is None)


async def check_details(request: Request) -> Response:
    """Whether requests can be answered, store by store."""
    return await _ready(request, whole=True)


async def _ready(request: Request, *, whole: bool) -> Response:
    report = await readiness(container_of(request))
    for name, found in report["dependencies"].items():
        request.app.state.telemetry.dependency(name, up=found["status"] == "up")
    told = report if whole else {name: report[name] for name in PUBLIC}
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
    route("GET", "/livez", check_live),
    route("GET", "/readyz", check_ready),
    route("GET", "/metrics", read_public_metrics),
)
INTERNAL_ROUTES = (
    route("GET", "/livez", check_live),
    route("GET", "/readyz", check_details),
    route("GET", "/metrics", read_metrics),
)
