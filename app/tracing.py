"""What a request tells a tracer, where there is one: a span for itself and for each stage of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Protocol

STAGES_KEY = "trimtab.stages"
"""Place of the timings of an answer in the scope of its request."""
current_trace_id: ContextVar[str | None] = ContextVar("current_trace_id", default=None)
"""Trace of the request that this task answers [32 hexadecimal digits]; None where nothing is traced."""


class RequestSpan(Protocol):
    """An open span of one request."""

    trace_id: str

    def end(self, name: str, attributes: Mapping[str, str | int], stages: Mapping[str, float], *, failed: bool) -> None:
        """End it, with a child for each stage [s].

        The stages are those that the header `Server-Timing` tells, laid end to end before the end of the request.
        """
        ...


class Tracer(Protocol):
    """Makes spans and sends them away; it never fails a request, and never makes one wait."""

    def begin(self, headers: list[tuple[bytes, bytes]]) -> RequestSpan:
        """Span of a request, as a part of the trace that its header `traceparent` names (W3C Trace Context)."""
        ...

    def close(self) -> None:
        """Send what waits, for at most a few seconds."""
        ...
