"""Operator's switches as rows: the statements that both stores share.

Parameters are written ``$1``, as PostgreSQL wants them; SQLite takes the same text with ``?1``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from services.guards.switches import Switch, SwitchMode

# S608 below: the texts are put together from constants; values go through parameters.
_COLUMNS = "scope, version, mode, actor, reason, set_at, expires_at"
ACTING = (
    f"SELECT {_COLUMNS} FROM breaker_switch "  # noqa: S608
    "WHERE tenant_id = $1 AND (mode <> 'normal' OR expires_at IS NOT NULL)"
)
ONE = f"SELECT {_COLUMNS} FROM breaker_switch WHERE tenant_id = $1 AND scope = $2"  # noqa: S608
ADD = f"""
INSERT INTO breaker_switch (tenant_id, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant_id, scope) DO NOTHING RETURNING version
"""  # noqa: S608
"""Gives a row only to the writer that was first."""
CHANGE = """
UPDATE breaker_switch SET version = $3, mode = $4, actor = $5, reason = $6, set_at = $7, expires_at = $8
WHERE tenant_id = $1 AND scope = $2 AND version = $9 RETURNING version
"""
"""Gives a row only to the writer that knew the stored version."""

Row = Sequence[Any]


def _as_it_is(value: Any) -> Any:
    return value


def page(bytewise: str) -> str:
    """Statement of a page; `bytewise` is the store's collation by bytes."""
    return (
        f"SELECT {_COLUMNS} FROM breaker_switch WHERE tenant_id = $1 AND scope COLLATE {bytewise} > $2 "  # noqa: S608
        f"ORDER BY scope COLLATE {bytewise} LIMIT $3"
    )


def replacing(
    tenant_id: str, switch: Switch, expected: int, stored: Callable[[Any], Any] = _as_it_is
) -> tuple[str, tuple[object, ...]]:
    """Statement that stores a switch, and its arguments; `stored` gives times the form of the store."""
    ends = None if switch.expires_at is None else stored(switch.expires_at)
    said = (switch.version, switch.mode.value, switch.actor, switch.reason, stored(switch.set_at), ends)
    row = (tenant_id, switch.scope, *said)
    return (CHANGE, (*row, expected)) if expected else (ADD, row)


def switch_of(row: Row, moment: Callable[[Any], datetime] = _as_it_is) -> Switch:
    """Row as a record; `moment` reads the store's times."""
    scope, version, mode, actor, reason, set_at, expires_at = row
    return Switch(
        scope=scope,
        version=version,
        mode=SwitchMode(mode),
        actor=actor,
        reason=reason,
        set_at=moment(set_at),
        expires_at=None if expires_at is None else moment(expires_at),
    )
