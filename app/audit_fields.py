"""Which recorded answers have a field tree, and the tree of one: the writer and whoever discloses must agree."""

from __future__ import annotations

import orjson

from app.ports import EventKind
from services.audit.disclosure import FieldTree

FACTS = frozenset(
    {
        EventKind.OBSERVATION,
        EventKind.INSTRUMENTS,
        EventKind.POLICY,
        EventKind.PORTFOLIO,
        EventKind.SNAPSHOT,
        EventKind.EXECUTIONS,
        EventKind.BREAKER,
        EventKind.PARAMETERS,
        EventKind.RETENTION,
    }
)
"""What is recorded and not decided: their answers say little more than that they were taken."""


def field_tree(kind: EventKind, response: bytes, secret: bytes, event_id: str) -> FieldTree | None:
    """Field tree of a recorded answer; None for a fact, and for what is no JSON object."""
    if kind in FACTS:
        return None
    try:
        answer = orjson.loads(response)
    except orjson.JSONDecodeError:
        return None
    return FieldTree.of(answer, secret, event_id) if type(answer) is dict else None
