"""The one layer around every route, in plain ASGI.

Request id, host check, body cap, security headers, metrics, and the last resort for exceptions.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect

from app.caller import CALLER_KEY, LOCAL
from app.errors import CODE_KEY, REQUEST_ID_KEY, internal_error, respond
from app.limits import BATCH_BODIES, BATCH_PATH, MAX_HEAD_BYTES, MAX_URL_BYTES
from app.log_lines import current_request_id
from app.problems import BrokenRule, RequestProblem
from app.settings import Settings, is_loopback
from app.telemetry import Telemetry
from app.tracing import STAGES_KEY, RequestSpan, current_trace_id

Message = Any
Scope = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
DEFAULT_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Set unless the route says otherwise."""
STARTS = frozenset({"http.response.start", "websocket.http.response.start", "websocket.accept"})
"""Messages that begin an answer; the last one is that of an open stream, which counts as no request."""
SWITCHED, SERVER_ERROR = 101, 500
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(rb"[!-~]{1,128}\Z")


class Edge:
    """Everything that holds for all requests.

    Parameters
    ----------
    app : ASGI application
        What it surrounds.
    settings : Settings
        Size of a body; hosts that may be asked for.
    telemetry : Telemetry
        Where requests are counted.
    """

    def __init__(self, app: Any, settings: Settings, telemetry: Telemetry) -> None:
        self.app, self.telemetry = app, telemetry
        self.max_body_bytes = settings.max_body_bytes
        self.hosts = frozenset(settings.allowed_hosts) if is_loopback(settings.host) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, _Briefly(scope, send))
            return
        started = time.perf_counter()
        request_id, problem = request_id_of(scope["headers"])
        scope[REQUEST_ID_KEY] = request_id.decode()
        current_request_id.set(scope[REQUEST_ID_KEY])
        scope[CALLER_KEY] = LOCAL
        tracer = self.telemetry.tracer
        span = tracer.begin(scope["headers"]) if tracer is not None and scope["type"] == "http" else None
        if span is not None:
            current_trace_id.set(span.trace_id)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] in STARTS:
                status = message.get("status", SWITCHED)
                message["headers"] = [*message["headers"], *_missing(message["headers"]), (b"x-request-id", request_id)]
            await send(message)

        try:
            problem = problem or check_head(scope) or self.check_host(scope["headers"])
            if problem is not None:
                await respond(scope, problem)(scope, receive, send_with_headers)
            else:
                capped = _Capped(scope["headers"], receive, self._most_bytes(scope))
                await self.app(scope, capped if scope["type"] == "http" else receive, send_with_headers)
        except ClientDisconnect:
            pass  # nobody waits for an answer; counted as 499
        except Exception as error:  # the last resort: nothing else may answer 500
            if status:
                raise
            await respond(scope, internal_error(error, scope[REQUEST_ID_KEY]))(scope, receive, send_with_headers)
        finally:
            if status != SWITCHED:
                self._count(scope, status, time.perf_counter() - started)
            if span is not None:
                self._trace(span, scope, status)

    def _most_bytes(self, scope: Scope) -> int:
        return self.max_body_bytes * (BATCH_BODIES if scope["path"] == BATCH_PATH else 1)

    def check_host(self, headers: list[tuple[bytes, bytes]]) -> RequestProblem | None:
        """Refuse names that are not this machine's, while only this machine may call.

        A page on the internet can point a name of its own at 127.0.0.1 and then read our answers (DNS rebinding); it
        cannot choose the Host header.
        """
        if self.hosts is None:
            return None
        host = next((value for name, value in headers if name == b"host"), b"localhost").decode("latin-1").lower()
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if is_loopback(name) or name.endswith(".localhost") or name in self.hosts:
            return None
        rule = "must name this machine (127.0.0.1, localhost) or a host of TRIMTAB_ALLOWED_HOSTS"
        return RequestProblem("misdirected_request", f"Host {rule}", [BrokenRule("header:Host", "not_allowed", rule)])

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = _names(scope)
        self.telemetry.request(route, method, status or 499, scope.get(CODE_KEY, ""), seconds)

    def _trace(self, span: RequestSpan, scope: Scope, status: int) -> None:
        """End the span of a request: named by its route, never by its URL, whose parameters are the caller's."""
        (route, method), caller = _names(scope), scope.get(CALLER_KEY)
        said = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status or 499,
            "trimtab.request_id": scope[REQUEST_ID_KEY],
            "trimtab.problem": scope.get(CODE_KEY, ""),
            "trimtab.key_id": (caller.key_id if caller is not None else None) or "",
        }
        attributes = {name: value for name, value in said.items() if value}
        span.end(f"{method} {route}", attributes, scope.get(STAGES_KEY, {}), failed=status >= SERVER_ERROR)


def _names(scope: Scope) -> tuple[str, str]:
    """Route and method of a request, both from a closed set."""
    given = scope.get("method", "GET")  # a handshake has none in ASGI
    return getattr(scope.get("route"), "path", "unmatched"), given if given in METHODS else "other"


class _Briefly:
    """`send` of the lifespan that gives the reason not to start, where there is one, instead of a traceback."""

    __slots__ = ("scope", "send")

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope, self.send = scope, send

    async def __call__(self, message: Message) -> None:
        refusal = self.scope["app"].state.refusal
        if message["type"] == "lifespan.startup.failed" and refusal is not None:
            message = {**message, "message": refusal}
        await self.send(message)


def check_head(scope: Scope) -> RequestProblem | None:
    """Refuse a URL or headers that no client of ours sends."""
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL_BYTES:
        return RequestProblem("uri_too_long", f"path and query may hold {MAX_URL_BYTES} bytes")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEAD_BYTES:
        return RequestProblem("headers_too_large", f"the headers may hold {MAX_HEAD_BYTES} bytes")
    return None


class _Capped:
    """`receive` that refuses a body above the cap: at once where Content-Length says so, else once it is exceeded."""

    __slots__ = ("left", "limit", "receive", "too_large")

    def __init__(self, headers: list[tuple[bytes, bytes]], receive: Receive, limit: int) -> None:
        self.receive, self.limit, self.left = receive, limit, limit
        declared = next((value for name, value in headers if name == b"content-length"), b"0")
        self.too_large = not declared.isdigit() or int(declared[:20]) > limit

    async def __call__(self) -> Message:
        if self.too_large:
            raise self._problem()
        message = await self.receive()
        if message["type"] == "http.request":
            self.left -= len(message.get("body", b""))
            if self.left < 0:
                raise self._problem()
        return message

    def _problem(self) -> RequestProblem:
        return RequestProblem("body_too_large", f"the body may hold {self.limit} bytes")


def request_id_of(headers: list[tuple[bytes, bytes]]) -> tuple[bytes, RequestProblem | None]:
    """Request id: the client's `X-Request-Id`, or a random one; with a problem where the client's is illegal."""
    given = [value for name, value in headers if name == b"x-request-id"]
    if not given:
        return secrets.token_hex(12).encode(), None
    if len(given) == 1 and _REQUEST_ID.match(given[0]):
        return given[0], None
    rule = "must be sent once, as 1 to 128 printable ASCII characters without spaces"
    problem = RequestProblem(
        "invalid_header", f"X-Request-Id {rule}", [BrokenRule("header:X-Request-Id", "bad_format", rule)]
    )
    return secrets.token_hex(12).encode(), problem


def _missing(headers: list[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    present = {name for name, _ in headers}
    if present.isdisjoint(name for name, _ in DEFAULT_HEADERS):
        return SECURITY_HEADERS + DEFAULT_HEADERS
    return (*SECURITY_HEADERS, *(pair for pair in DEFAULT_HEADERS if pair[0] not in present))
