"""Spans of requests: one for each with its stages, as part of the caller's trace, without what the caller sent."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from app.adapters import otlp
from app.adapters.otlp import OtlpTracer, TracingMissing, open_tracer
from app.lifespan import open_container
from app.log_lines import JsonLines, RequestOf
from app.main import create_app
from app.settings import Settings
from app.tracing import current_trace_id
from tests.support.requests import smallest
from tests.support.service import running

CANARY = "ttb_live_CANARY_0123456789"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Kept(SpanExporter):
    """Keeps spans."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


@asynccontextmanager
async def traced(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Kept]]:
    """A service whose spans are there after the block."""
    kept = Kept()
    async with open_container(Settings(data_dir=folder)) as container:
        app = create_app(container.settings, container)
        app.state.telemetry.tracer = OtlpTracer(kept)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as http:
            yield http, kept
        app.state.telemetry.tracer.close()


def by_name(kept: Kept) -> dict[str, ReadableSpan]:
    return {span.name: span for span in kept.spans}


async def test_an_evaluation_is_one_span_with_its_stages(tmp_path: Path) -> None:
    async with traced(tmp_path) as (http, kept):
        answer = await http.post("/v1/evaluations", json=smallest(), headers={"X-Request-Id": "mine"})
    spans = by_name(kept)
    assert spans.keys() == {"POST /v1/evaluations", "compute", "audit"} and len(kept.spans) == 3
    whole = spans["POST /v1/evaluations"]
    assert whole.parent is None and whole.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/evaluations",
        "http.response.status_code": 200,
        "trimtab.request_id": "mine",
    }
    told = dict(part.split(";dur=") for part in answer.headers["Server-Timing"].split(", "))
    for name in ("compute", "audit"):
        child = spans[name]
        assert child.parent is not None and child.parent.span_id == whole.context.span_id
        assert whole.start_time <= child.start_time <= child.end_time <= whole.end_time
        assert (child.end_time - child.start_time) / 1e6 == pytest.approx(float(told[name]), rel=1e-3, abs=1e-3)
    assert spans["compute"].end_time == spans["audit"].start_time


async def test_the_caller_s_trace_goes_on_and_its_choice_holds(tmp_path: Path) -> None:
    async with traced(tmp_path) as (http, kept):
        await http.get("/livez", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        await http.get("/v1/time", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        await http.get("/v1/limits", headers={"traceparent": "00-not-a-trace"})
    spans = by_name(kept)
    assert spans.keys() == {"GET /livez", "GET /v1/limits"}, "a caller that does not record is not recorded"
    parent = spans["GET /livez"].parent
    assert parent is not None and (f"{parent.trace_id:032x}", f"{parent.span_id:016x}") == (TRACE, PARENT)
    assert spans["GET /v1/limits"].parent is None


async def test_nothing_that_a_caller_sends_is_in_a_span(tmp_path: Path) -> None:
    async with traced(tmp_path) as (http, kept):
        headers = {
            "Authorization": f"Bearer {CANARY}",
            "Cookie": CANARY,
            "Idempotency-Key": CANARY,
            "tracestate": "a=1",
        }
        await http.post(f"/v1/evaluations?key={CANARY}", json=smallest(client_reference=CANARY), headers=headers)
        await http.get(f"/v1/{CANARY}", headers=headers)
        await http.post("/v1/evaluations", content=CANARY.encode(), headers=headers)
    assert len(kept.spans) >= 3
    assert all(CANARY not in span.to_json() for span in kept.spans)
    assert {span.attributes["trimtab.problem"] for span in kept.spans if span.attributes} >= {"not_found"}


async def test_a_failure_of_ours_is_an_error_and_a_caller_s_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with traced(tmp_path) as (http, kept):
        await http.get("/nowhere")

        async def broken() -> None:
            raise RuntimeError

        for route in http._transport.app.routes:  # type: ignore[attr-defined]
            if getattr(route, "path", "") == "/livez":
                monkeypatch.setattr(route, "app", lambda *_: broken())
        assert (await http.get("/livez")).status_code == 500
    codes = {span.attributes["http.response.status_code"]: span.status.is_ok for span in kept.spans if span.attributes}
    assert codes == {404: True, 500: False}


async def test_lines_of_the_log_name_the_trace(tmp_path: Path) -> None:
    record = logging.LogRecord("trimtab", logging.INFO, __file__, 1, "said", None, None)
    token = current_trace_id.set(TRACE)
    try:
        RequestOf().filter(record)
    finally:
        current_trace_id.reset(token)
    assert json.loads(JsonLines().format(record))["trace_id"] == TRACE
    RequestOf().filter(record)
    assert "trace_id" not in json.loads(JsonLines().format(record))


class Collector(HTTPServer):
    """A collector of OTLP over HTTP on a free port."""

    def __init__(self) -> None:
        self.received: list[ExportTraceServiceRequest] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/traces"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_real_service_sends_its_spans_before_it_ends(tmp_path: Path, collector: Collector) -> None:
    with running(
        tmp_path / "data", environment={"TRIMTAB_OTLP_ENDPOINT": collector.url}, start_seconds=240.0
    ) as process:
        assert httpx.post(f"{process.url}/v1/evaluations", json=smallest(), trust_env=False).status_code == 200
        assert process.stop() in (0, -signal.SIGTERM)  # uvicorn ends by the signal that it was sent
    resources = [item for request in collector.received for item in request.resource_spans]
    names = [span.name for item in resources for scope in item.scope_spans for span in scope.spans]
    assert {"POST /v1/evaluations", "compute", "audit"} <= set(names)
    assert all("receive" not in name and "send" not in name for name in names)
    assert any(
        field.key == "service.name" and field.value.string_value == "trimtab"
        for field in resources[0].resource.attributes
    )


def test_a_collector_that_is_not_there_costs_no_answer(tmp_path: Path) -> None:
    nobody = {"TRIMTAB_OTLP_ENDPOINT": "http://127.0.0.1:9/v1/traces"}
    with running(tmp_path / "data", environment=nobody, start_seconds=240.0) as process:
        for _ in range(3):
            assert httpx.post(f"{process.url}/v1/evaluations", json=smallest(), trust_env=False).status_code == 200


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TracingMissing, match=r"pip install 'trimtab\[otel\]'"):
        open_tracer("http://127.0.0.1:4318/v1/traces")
    assert otlp.TracingMissing in __import__("app.lifespan").lifespan.REFUSALS
