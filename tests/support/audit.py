"""Audit records for tests of the stores."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from app.ports import AuditRecord, EventKind, IdempotencyKey

START = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)
_numbers = count(1)


def event_id(number: int) -> str:
    """Event id that holds a number."""
    return f"ev_{number:032x}"


def record(**changes: Any) -> AuditRecord:
    """A record with an event id of its own; `changes` replace fields."""
    number = next(_numbers)
    fields: dict[str, Any] = {
        "event_id": event_id(number),
        "kind": EventKind.EVALUATION,
        "recorded_at": START + timedelta(microseconds=number),
        "tenant_id": "local",
        "portfolio_id": None,
        "client_reference": None,
        "status": 200,
        "request": b'{"number":%d}' % number,
        "response": b'{"answer":%d}' % number,
        "state": b"",
        "versions": b'{"engine":"0.1.0"}',
        "idempotency": None,
    }
    return AuditRecord(**(fields | changes))


def key(name: str, body: bytes = b"body", route: str = "evaluations") -> IdempotencyKey:
    """Idempotency key of a request body."""
    return IdempotencyKey(route, name, hashlib.sha256(body).digest())
