"""Stored policies as rows: the statements that both stores share.

Parameters are written ``$1``, as PostgreSQL wants them; SQLite takes the same text with ``?1``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from app.ports import AuditDamaged, AuditUnavailable, PolicyDraft, StoredPolicy

# S608 below: the texts are put together from constants; values go through parameters.
_COLUMNS = "policy_id, version, sha256, defaults_version, sent, resolved, comment, created_at"
ADD = """
INSERT INTO stored_policy
    (tenant_id, policy_id, version, sha256, defaults_version, sent, resolved, comment, created_at)
SELECT $1, $2, newest.version + 1, $3, $4, $5, $6, $7, $8
FROM (SELECT COALESCE(MAX(version), 0) AS version FROM stored_policy WHERE tenant_id = $1 AND policy_id = $2) AS newest
WHERE NOT EXISTS (
    SELECT 1 FROM stored_policy p
    WHERE p.tenant_id = $1 AND p.policy_id = $2 AND p.version = newest.version AND p.sha256 = $3
) AND (
    newest.version + 1 = CAST($9 AS INTEGER)
    OR CAST($9 AS INTEGER) = 0
    AND NOT EXISTS (SELECT 1 FROM policy_governance g WHERE g.tenant_id = $1 AND g.policy_id = $2)
)
ON CONFLICT (tenant_id, policy_id, version) DO NOTHING
RETURNING version
"""
"""Gives a row only to the writer that stored: not where the newest is the same, nor where another was first.

The last parameter is the one version that it may become, which governance has decided on; 0 where none has, and then
not of a governed policy.
"""
NEWEST = (
    f"SELECT {_COLUMNS} FROM stored_policy WHERE tenant_id = $1 AND policy_id = $2 "  # noqa: S608
    "ORDER BY version DESC LIMIT 1"
)
VERSIONS = (
    f"SELECT {_COLUMNS} FROM stored_policy WHERE tenant_id = $1 AND policy_id = $2 "  # noqa: S608
    "ORDER BY version DESC LIMIT $3"
)
ONE = f"SELECT {_COLUMNS} FROM stored_policy WHERE tenant_id = $1 AND policy_id = $2 AND version = $3"  # noqa: S608
ATTEMPTS = 20
"""Writers of one id that may be first, one after the other, before one gives up."""

Row = Sequence[Any]


def _as_it_is(value: Any) -> datetime:
    moment: datetime = value
    return moment


def page(bytewise: str) -> str:
    """Statement of a page of newest versions; `bytewise` is the store's collation by bytes."""
    return (
        f"SELECT {_COLUMNS} FROM stored_policy p WHERE tenant_id = $1 AND policy_id COLLATE {bytewise} > $2 "  # noqa: S608
        "AND version = (SELECT MAX(version) FROM stored_policy q "
        "WHERE q.tenant_id = p.tenant_id AND q.policy_id = p.policy_id) "
        f"ORDER BY policy_id COLLATE {bytewise} LIMIT $3"
    )


def arguments(tenant_id: str, draft: PolicyDraft, created_at: object, decided: int | None) -> tuple[object, ...]:
    """Arguments of `ADD`; `created_at` in the form of the store."""
    return (
        tenant_id,
        draft.policy_id,
        bytes.fromhex(draft.sha256),
        draft.defaults_version,
        draft.sent,
        draft.resolved,
        draft.comment,
        created_at,
        decided or 0,
    )


def numbered(draft: PolicyDraft, version: int) -> StoredPolicy:
    """Draft as the version that it became."""
    fields = {field.name: getattr(draft, field.name) for field in dataclasses.fields(draft)}
    return StoredPolicy(**fields, version=version)


def policy_of(row: Row, moment: Callable[[Any], datetime] = _as_it_is) -> StoredPolicy:
    """Row as a record; `moment` reads the store's times."""
    return StoredPolicy(
        policy_id=row[0],
        version=row[1],
        sha256=bytes(row[2]).hex(),
        defaults_version=row[3],
        sent=bytes(row[4]),
        resolved=bytes(row[5]),
        comment=row[6],
        created_at=moment(row[7]),
    )


def known(stored: StoredPolicy | None, draft: PolicyDraft) -> StoredPolicy:
    """The version that governance had decided on, and somebody has stored.

    Raises
    ------
    AuditDamaged
        If another content stands in its place.
    """
    if stored is None or stored.sha256 != draft.sha256:
        raise AuditDamaged(f"policy {draft.policy_id} does not hold the version that was decided on")
    return stored


def crowded(policy_id: str) -> AuditUnavailable:
    """Others were first every time."""
    return AuditUnavailable(f"{ATTEMPTS} other writers of policy {policy_id} came first: repeat")


class PolicyMemo:
    """Versions that were read. They never change, so there is nothing to check again."""

    size = 1024

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int], StoredPolicy] = {}

    def get(self, tenant_id: str, policy_id: str, version: int) -> StoredPolicy | None:
        """Version that was read before."""
        return self._known.get((tenant_id, policy_id, version))

    def keep(self, tenant_id: str, policy: StoredPolicy) -> None:
        """Remember a version."""
        if len(self._known) >= self.size:
            self._known.clear()
        self._known[tenant_id, policy.policy_id, policy.version] = policy
