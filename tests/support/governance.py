"""Approvers with keys, and a governed policy behind an HTTP client."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

POLICY: dict[str, Any] = {
    "sizing": {"method": "volatility_target", "target_volatility": 0.2},
    "limits": {"max_leverage": 2},
}
NAMES = ("ann", "ben", "eve")
DAY = 86_400


def key_of(name: str) -> Ed25519PrivateKey:
    """Key of an approver: any name has one."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public_of(name: str) -> str:
    """Public key in base64."""
    return base64.b64encode(key_of(name).public_key().public_bytes_raw()).decode()


def rules(**changes: Any) -> dict[str, Any]:
    """Two of three, a day."""
    approvers = [{"name": name, "public_key": public_of(name)} for name in NAMES]
    return {"approvers": approvers, "quorum": 2, "timelock_seconds": DAY, **changes}


def limited(**limits: Any) -> dict[str, Any]:
    """The policy with other limits."""
    return {**POLICY, "limits": {**POLICY["limits"], **limits}}


def vote(proposal: dict[str, Any], name: str, verdict: str = "approve", **changes: Any) -> dict[str, Any]:
    """Signed vote on a proposal as it is shown."""
    signature = key_of(name).sign(proposal["statements"][verdict].encode())
    return {"approver": name, "signature": base64.b64encode(signature).decode(), **changes}


class Desk:
    """Calls on one policy."""

    def __init__(self, http: httpx.AsyncClient, policy_id: str = "desk") -> None:
        self.http, self.base, self.policy_id = http, f"/v1/policies/{policy_id}", policy_id

    async def store(self, policy: dict[str, Any] = POLICY) -> httpx.Response:
        """The plain way."""
        return await self.http.post("/v1/policies", json={"policy_id": self.policy_id, "policy": policy})

    async def govern(self, **changes: Any) -> httpx.Response:
        """Put it under governance."""
        return await self.http.put(f"{self.base}/governance", json=rules(**changes))

    async def start(self, **changes: Any) -> None:
        """A governed policy with one version."""
        assert (await self.store()).status_code == 200
        answer = await self.govern(**changes)
        assert answer.status_code == 200, answer.text

    async def propose(self, policy: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """A proposal that is taken."""
        body = fields if policy is None else {"policy": policy, **fields}
        answer = await self.http.post(f"{self.base}/proposals", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def vote(self, proposal: dict[str, Any], name: str, verdict: str = "approve") -> httpx.Response:
        """A vote."""
        return await self.send(proposal["number"], verdict, vote(proposal, name, verdict))

    async def send(self, number: int, verdict: str, body: Any) -> httpx.Response:
        """Any vote."""
        return await self.http.post(f"{self.base}/proposals/{number}:{verdict}", json=body)

    async def approved(self, proposal: dict[str, Any], *names: str) -> None:
        """Approvals that are taken."""
        for name in names:
            answer = await self.vote(proposal, name)
            assert answer.status_code == 200, answer.text

    async def activate(self, number: int) -> httpx.Response:
        """An activation."""
        return await self.http.post(f"{self.base}/proposals/{number}:activate")

    async def read(self, number: int) -> dict[str, Any]:
        """A proposal."""
        found: dict[str, Any] = (await self.http.get(f"{self.base}/proposals/{number}")).json()
        return found

    async def version(self) -> int:
        """The newest version."""
        found: int = (await self.http.get(self.base)).json()["version"]
        return found
