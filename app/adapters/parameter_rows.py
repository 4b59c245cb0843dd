"""Published parameters as rows: the statements that both stores share.

Parameters are written ``$1``, as PostgreSQL wants them; SQLite takes the same text with ``?1``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from app.parameter_port import StoredPublication

# S608 below: the texts are put together from constants; values go through parameters.
_COLUMNS = "market, version, effective_at, published_at, content"
_OF_MARKET = "FROM published_parameters WHERE tenant_id = $1 AND market = $2"
ADD = f"""
INSERT INTO published_parameters (tenant_id, {_COLUMNS})
SELECT $1, $2, newest.version + 1, $4, $5, $6
FROM (SELECT COALESCE(MAX(version), 0) AS version {_OF_MARKET}) AS newest WHERE newest.version + 1 = $3
ON CONFLICT (tenant_id, market, version) DO NOTHING RETURNING version
"""  # noqa: S608
"""Gives a row only to the writer that knew the newest version, and was first."""
SINCE = (
    f"SELECT {_COLUMNS} {_OF_MARKET} AND version >= "
    f"COALESCE((SELECT MAX(version) {_OF_MARKET} AND effective_at <= $3), 1) ORDER BY version"
)
VERSIONS = f"SELECT {_COLUMNS} {_OF_MARKET} AND version > $3 ORDER BY version LIMIT $4"

Row = Sequence[Any]


def _as_it_is(value: Any) -> Any:
    return value


def arguments(
    tenant_id: str, item: StoredPublication, stored: Callable[[datetime], Any] = _as_it_is
) -> tuple[object, ...]:
    """Arguments of `ADD`; `stored` gives times the form of the store."""
    return tenant_id, item.market, item.version, stored(item.effective_at), stored(item.published_at), item.content


def publication_of(row: Row, moment: Callable[[Any], datetime] = _as_it_is) -> StoredPublication:
    """Row as a record; `moment` reads the store's times."""
    market, version, effective_at, published_at, content = row
    return StoredPublication(
        market=market,
        version=version,
        effective_at=moment(effective_at),
        published_at=moment(published_at),
        content=bytes(content),
    )
