"""The console at `/`: live targets, margin, switches, the stream. Its files are ours, its data comes over the API."""

from __future__ import annotations

from fastapi import Request, Response

from app.caller import PUBLIC
from app.problems import RequestProblem
from app.routes.assets import send_file
from app.routes.routing import route

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Text stays text: with `trusted-types 'none'` the browser refuses every way of making markup of a string."""
FRESH = "no-cache"
"""The modules belong together, so each is asked for again: after an upgrade none is the former one."""
SERVED = frozenset(
    {
        "chart.js",
        "console.css",
        "console.js",
        "decisions.js",
        "dom.js",
        "margin.js",
        "service.js",
        "stream.js",
        "switches.js",
        "targets.js",
        "uPlot.iife.min.js",
        "uPlot.min.css",
        "uPlot.LICENSE.txt",
    }
)


async def read_console(request: Request) -> Response:
    """The page."""
    return send_file(request, "console/console.html", FRESH, POLICY)


async def read_console_file(request: Request) -> Response:
    """A file of it."""
    name = request.path_params["name"]
    if name not in SERVED:
        raise RequestProblem("not_found", "there is no such file")
    return send_file(request, f"console/{name}", FRESH, POLICY)


ROUTES = (
    route("GET", "/", read_console, PUBLIC),
    route("GET", "/console/{name}", read_console_file, PUBLIC),
)
