"""Spans to an OpenTelemetry collector by OTLP over HTTP; needs the extra `otel`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.tracing import RequestSpan, Tracer
from app.version import ENGINE_VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

NANOSECONDS = 1e9
PROPAGATED = frozenset({b"traceparent", b"tracestate"})
SEND_SECONDS = 2.0
"""Longest wait for the collector, in the thread that sends."""


class TracingMissing(Exception):
    """The extra `otel` is not installed."""

    def __init__(self) -> None:
        super().__init__("TRIMTAB_OTLP_ENDPOINT needs OpenTelemetry: pip install 'trimtab[otel]', or unset it")


class OtlpSpan:
    """One open span."""

    __slots__ = ("_span", "_tracer", "trace_id")

    def __init__(self, tracer: Any, span: Any) -> None:
        self._tracer, self._span = tracer, span
        self.trace_id = f"{span.get_span_context().trace_id:032x}"

    def end(self, name: str, attributes: Mapping[str, str | int], stages: Mapping[str, float], *, failed: bool) -> None:
        """See `RequestSpan`."""
        from opentelemetry.trace import StatusCode, set_span_in_context

        ended = time.time_ns()
        span = self._span
        if span.is_recording():
            span.update_name(name)
            span.set_attributes(dict(attributes))
            if failed:
                span.set_status(StatusCode.ERROR)
            context, end = set_span_in_context(span), ended
            for stage, seconds in reversed(list(stages.items())):
                start = end - round(seconds * NANOSECONDS)
                self._tracer.start_span(stage, context, start_time=start).end(end)
                end = start
        span.end(ended)


class OtlpTracer:
    """Tracer that sends batches of spans from a thread of its own; what it cannot send is dropped.

    Parameters
    ----------
    exporter : SpanExporter
        Where to.

    Notes
    -----
    A caller that sends `traceparent` decides whether its trace is recorded; all others are. Standard variables of
    OpenTelemetry (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`) hold for what is not said here.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create({"service.name": "trimtab", "service.version": ENGINE_VERSION})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("trimtab", ENGINE_VERSION)
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, headers: list[tuple[bytes, bytes]]) -> RequestSpan:
        """See `Tracer`."""
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        sent = {name.decode(): value.decode("latin-1") for name, value in headers if name in PROPAGATED}
        # An empty context: whatever else is traced in this process, a request is nobody's child but the caller's.
        context = self._propagator.extract(sent, Context()) if sent else Context()
        return OtlpSpan(self._tracer, self._tracer.start_span("request", context, SpanKind.SERVER))

    def close(self) -> None:
        """See `Tracer`."""
        self._provider.shutdown()


def open_tracer(endpoint: str) -> Tracer:
    """Tracer that sends to a collector, such as ``http://collector:4318/v1/traces``.

    Raises
    ------
    TracingMissing
        If OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise TracingMissing from None
    return OtlpTracer(OTLPSpanExporter(endpoint=endpoint, timeout=SEND_SECONDS))
