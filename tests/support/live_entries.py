"""Entries of the audit log as the live part writes them, small."""

from __future__ import annotations

from typing import Any

import orjson

from app.ports import AuditRecord, EventKind
from tests.support.audit import record


def decision(portfolio_id: str, number: int = 0, **changes: Any) -> AuditRecord:
    """A live entry whose targets hold a number."""
    answer: dict[str, Any] = {
        "evaluation_id": f"ev_{number:032x}",
        "portfolio_id": portfolio_id,
        "as_of": "2026-11-21T10:00:00.000000Z",
        "data_as_of": None,
        "computed_at": "2026-11-21T10:00:00.500000Z",
        "valid_until": "2026-11-21T10:05:00.000000Z",
        "on_expiry": "reduce_only",
        "degraded": [],
        "portfolio_version": 1,
        "snapshot_seq": number,
        "targets": [{"number": number}],
        "orders": [],
        "portfolio": {},
        "assumptions": [],
        "warnings": [],
    }
    response = orjson.dumps(answer | changes)
    return record(kind=EventKind.LIVE, portfolio_id=portfolio_id, response=response)
