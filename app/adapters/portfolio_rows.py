"""Registered portfolios as rows: the statements that both stores share.

Parameters are written ``$1``, as PostgreSQL wants them; SQLite takes the same text with ``?1``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from app.live_ports import StoredPortfolio, StoredSnapshot

# S608 below: the texts are put together from constants; values go through parameters.
Row = Sequence[Any]
_SAME = "portfolio.specification = excluded.specification AND portfolio.updated_at = excluded.updated_at"
PUT = f"""
INSERT INTO portfolio (tenant_id, portfolio_id, version, specification, updated_at)
SELECT $1, $2, 1, $3, $4
WHERE COALESCE(CAST($5 AS INTEGER), 0) = 0
    OR EXISTS (SELECT 1 FROM portfolio p WHERE p.tenant_id = $1 AND p.portfolio_id = $2)
ON CONFLICT (tenant_id, portfolio_id) DO UPDATE SET
    version = CASE WHEN {_SAME} THEN portfolio.version ELSE portfolio.version + 1 END,
    specification = excluded.specification,
    updated_at = excluded.updated_at
WHERE CAST($5 AS INTEGER) IS NULL
    OR CAST($5 AS INTEGER) = CASE WHEN portfolio.specification IS NULL THEN 0 ELSE portfolio.version END
    OR ({_SAME})
RETURNING version
"""  # noqa: S608
"""Gives a row only where the expected version was stored. A driver that repeats it after a lost answer does no harm:
the same content at the same time is the same call.
"""
END = """
UPDATE portfolio SET specification = NULL, updated_at = $3, snapshot_seq = NULL, snapshot = NULL, received_at = NULL
WHERE tenant_id = $1 AND portfolio_id = $2 AND specification IS NOT NULL
    AND (CAST($4 AS INTEGER) IS NULL OR version = CAST($4 AS INTEGER))
RETURNING version
"""
PUT_SNAPSHOT = """
UPDATE portfolio SET snapshot_seq = $3, snapshot = $4, received_at = $5
WHERE tenant_id = $1 AND portfolio_id = $2 AND specification IS NOT NULL
    AND (snapshot_seq IS NULL OR snapshot_seq < $3)
RETURNING snapshot_seq
"""
_COLUMNS = "portfolio_id, version, specification, updated_at"
_SNAPSHOT = "snapshot_seq, snapshot, received_at"
ONE = (
    f"SELECT {_COLUMNS} FROM portfolio "  # noqa: S608
    "WHERE tenant_id = $1 AND portfolio_id = $2 AND specification IS NOT NULL"
)
SNAPSHOT = (
    f"SELECT portfolio_id, {_SNAPSHOT} FROM portfolio "  # noqa: S608
    "WHERE tenant_id = $1 AND portfolio_id = $2 AND snapshot IS NOT NULL"
)
REGISTERED = (
    f"SELECT {_COLUMNS}, {_SNAPSHOT}, tenant_id FROM portfolio "  # noqa: S608
    "WHERE specification IS NOT NULL"
)


def page(bytewise: str) -> str:
    """Statement of a page; `bytewise` is the store's collation by bytes."""
    return (
        f"SELECT {_COLUMNS} FROM portfolio "  # noqa: S608
        f"WHERE tenant_id = $1 AND portfolio_id COLLATE {bytewise} > $2 AND specification IS NOT NULL "
        f"ORDER BY portfolio_id COLLATE {bytewise} LIMIT $3"
    )


def _as_it_is(value: Any) -> datetime:
    moment: datetime = value
    return moment


def portfolio_of(row: Row, moment: Callable[[Any], datetime] = _as_it_is) -> StoredPortfolio:
    """Row as a record; `moment` reads the store's times."""
    return StoredPortfolio(portfolio_id=row[0], version=row[1], specification=bytes(row[2]), updated_at=moment(row[3]))


def snapshot_of(row: Row, moment: Callable[[Any], datetime] = _as_it_is) -> StoredSnapshot:
    """Row as a record; `moment` reads the store's times."""
    return StoredSnapshot(portfolio_id=row[0], snapshot_seq=row[1], snapshot=bytes(row[2]), received_at=moment(row[3]))


def registered_of(
    row: Row, moment: Callable[[Any], datetime] = _as_it_is
) -> tuple[str, StoredPortfolio, StoredSnapshot | None]:
    """Row of `REGISTERED` as records."""
    snapshot = snapshot_of((row[0], *row[4:7]), moment) if row[4] is not None else None
    return row[7], portfolio_of(row, moment), snapshot
