"""Door of the use cases to the governance of stored policies."""

from __future__ import annotations

from typing import Protocol


class PolicyGoverned(Exception):
    """The policy is under governance: its versions come from proposals."""

    def __init__(self, policy_id: str) -> None:
        super().__init__(policy_id)
        self.policy_id = policy_id


class GovernanceStore(Protocol):
    """One document for each governed policy (`services.audit.governance.Governance`), replaced as a whole.

    Every method raises `AuditUnavailable` if the store cannot answer.
    """

    async def get(self, tenant_id: str, policy_id: str) -> bytes | None:
        """Document of a policy; None where it is not governed."""
        ...

    async def replace(self, tenant_id: str, policy_id: str, revision: int, document: bytes) -> bool:
        """Store a revision where the stored one is that before it (1: there is none), durably; say whether it was.

        Once the first is stored, `PolicyStore.add` refuses the policy, also what another process had begun.
        """
        ...
