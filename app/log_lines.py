"""Lines of the log as JSON, each with the request in which it was written."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

from app.redaction import redact
from app.tracing import current_trace_id

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)
"""Id of the request that this task answers; None outside of requests."""

current_key_id: ContextVar[str | None] = ContextVar("current_key_id", default=None)
"""API key of that request; None where there is none."""


class RequestOf(logging.Filter):
    """Notes the request of a line where it is written: the formatter may run elsewhere."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every line pass."""
        record.request_id, record.key_id = current_request_id.get(), current_key_id.get()
        record.trace_id = current_trace_id.get()
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message; request, key and trace, and `error` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """A line, without the credentials of URLs."""
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        for name in ("request_id", "key_id", "trace_id"):
            if (found := getattr(record, name, None)) is not None:
                said[name] = found
        if record.exc_info:
            said["error"] = redact(self.formatException(record.exc_info))
        return orjson.dumps(said).decode()
