"""Liveness, readiness, metrics."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import PUBLIC, Scope
from app.deps import container_of
from app.routes.reply import reply_json
from app.routes.routing import identified, route
from app.telemetry import CONTENT_TYPE
from app.usecases.discover import log_size, readiness


async def check_live(request: Request) -> Response:
    """The process answers; no store is asked."""
    return reply_json({"status": "live"})


async def check_ready(request: Request) -> Response:
    """Whether requests can be answered."""
    live = request.app.state.live
    report = await readiness(container_of(request), live.checked if live is not None else None)
    for name, found in report["dependencies"].items():
        request.app.state.telemetry.dependency(name, up=found["status"] == "up")
    if not await identified(request, Scope.METRICS_READ):
        report |= {"embedded": [], "dependencies": {}}
    return reply_json(report, 503 if report["status"] == "unavailable" else 200)


async def read_metrics(request: Request) -> Response:
    """Metrics in the text format of Prometheus."""
    telemetry = request.app.state.telemetry
    entries = await log_size(container_of(request))
    telemetry.dependency("audit", up=entries is not None)
    if entries is not None:
        telemetry.log_size(entries)
    telemetry.rates_shared(shared=await container_of(request).doors.recover())
    activity = container_of(request).audit.activity()
    telemetry.audit_activity(activity.waiting, activity.batches, activity.entries)
    return Response(telemetry.render(), media_type=CONTENT_TYPE)


ROUTES = (
    route("GET", "/livez", check_live, PUBLIC),
    route("GET", "/readyz", check_ready, PUBLIC),
    route("GET", "/metrics", read_metrics, Scope.METRICS_READ),
)
