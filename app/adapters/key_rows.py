"""API keys as rows: the statements that both stores share.

Parameters are written ``$1``, as PostgreSQL wants them; SQLite takes the same text with ``?1``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import Any

from app.caller import Scope
from app.key_port import ApiKey, Signing

# S608 below: the texts are put together from constants; values go through parameters.
_COLUMNS = (
    "key_id, tenant_id, scopes, label, created_at, expires_at, revoked_at, networks, signing, public_key, digest, "
    "units_per_second, burst_units"
)
EXIST = "SELECT 1 FROM api_key LIMIT 1"
ONE = f"SELECT {_COLUMNS} FROM api_key WHERE key_id = $1"  # noqa: S608
ALL = f"SELECT {_COLUMNS} FROM api_key"  # noqa: S608
ADD = f"INSERT INTO api_key ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"  # noqa: S608
REVOKE = f"""
UPDATE api_key SET revoked_at = COALESCE(revoked_at, $3) WHERE tenant_id = $1 AND key_id = $2 RETURNING {_COLUMNS}
"""  # noqa: S608

Row = Sequence[Any]


def _as_it_is(value: Any) -> Any:
    return value


def page(bytewise: str) -> str:
    """Statement of a page; `bytewise` is the store's collation by bytes."""
    return (
        f"SELECT {_COLUMNS} FROM api_key WHERE tenant_id = $1 AND key_id COLLATE {bytewise} > $2 "  # noqa: S608
        f"ORDER BY key_id COLLATE {bytewise} LIMIT $3"
    )


def arguments(key: ApiKey, stored: Callable[[Any], Any] = _as_it_is) -> tuple[object, ...]:
    """Arguments of `ADD`; `stored` gives times the form of the store."""
    return (
        key.key_id,
        key.tenant_id,
        " ".join(sorted(key.scopes)),
        key.label,
        stored(key.created_at),
        None if key.expires_at is None else stored(key.expires_at),
        None if key.revoked_at is None else stored(key.revoked_at),
        " ".join(map(str, key.networks)),
        key.signing.value,
        key.public_key,
        key.digest,
        key.units_per_second,
        key.burst_units,
    )


def key_of(row: Row, moment: Callable[[Any], datetime] = _as_it_is) -> ApiKey:
    """Row as a record; `moment` reads the store's times. A scope that this program does not know opens nothing."""
    (
        key_id, tenant_id, scopes, label, created_at, expires_at, revoked_at, networks, signing, public_key, digest,
        units_per_second, burst_units,
    ) = row  # fmt: skip
    known = {scope.value: scope for scope in Scope}
    return ApiKey(
        key_id=key_id,
        tenant_id=tenant_id,
        scopes=frozenset(known[name] for name in scopes.split() if name in known),
        label=label,
        created_at=moment(created_at),
        expires_at=None if expires_at is None else moment(expires_at),
        revoked_at=None if revoked_at is None else moment(revoked_at),
        networks=tuple(map(ip_network, networks.split())),
        signing=Signing(signing),
        public_key=None if public_key is None else bytes(public_key),
        digest=None if digest is None else bytes(digest),
        units_per_second=units_per_second,
        burst_units=burst_units,
    )
