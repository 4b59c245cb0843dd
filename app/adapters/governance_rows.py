"""Governance of stored policies as rows: the statements that both stores share.

Parameters are written ``$1``, as PostgreSQL wants them; SQLite takes the same text with ``?1``.
"""

from __future__ import annotations

GET = "SELECT document FROM policy_governance WHERE tenant_id = $1 AND policy_id = $2"
ADD = """
INSERT INTO policy_governance (tenant_id, policy_id, revision, document) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, policy_id) DO NOTHING RETURNING revision
"""
"""Gives a row only to the writer that was first."""
CHANGE = """
UPDATE policy_governance SET revision = $3, document = $4
WHERE tenant_id = $1 AND policy_id = $2 AND revision = $3 - 1 RETURNING revision
"""
"""Gives a row only to the writer that knew the stored revision."""


def replacing(revision: int) -> str:
    """Statement that stores a revision."""
    return ADD if revision == 1 else CHANGE


def policy_lock(tenant_id: str, policy_id: str) -> str:
    """Name of the lock under which versions of a policy are stored, and it is put under governance."""
    return f"trimtab policy {len(tenant_id)} {tenant_id} {policy_id}"
