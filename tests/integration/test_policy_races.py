"""A policy that is changed while a request is under way: the version that was read is used, said and replayed (S48)."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.lifespan import open_container
from app.ports import PolicyDraft, PolicyStore, StoredPolicy
from app.settings import Settings
from app.translate.policy import policy_sha256, resolved_json
from models.api.policy import PolicyIn
from services.engine.policy import DEFAULTS_VERSION
from tests.support import requests
from tests.support.http import client_of

CAREFUL, BOLD = 0.10, 0.40


def policy(target: float) -> dict[str, Any]:
    return {"sizing": {"method": "volatility_target", "target_volatility": target}}


def draft(target: float) -> PolicyDraft:
    content = PolicyIn.model_validate(policy(target)).resolved()
    return PolicyDraft(
        policy_id="desk",
        sha256=policy_sha256(content, DEFAULTS_VERSION),
        defaults_version=DEFAULTS_VERSION,
        sent=orjson.dumps(policy(target)),
        resolved=resolved_json(content),
        comment=None,
        created_at=datetime(2026, 11, 20, tzinfo=UTC),
    )


class Changed:
    """A store whose every read of the policy is followed at once by a change of it, before the reader goes on."""

    def __init__(self, store: PolicyStore, draft: PolicyDraft) -> None:
        self._store, self._draft, self.changes = store, draft, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def newest(self, tenant_id: str, policy_id: str) -> StoredPolicy | None:
        found = await self._store.newest(tenant_id, policy_id)
        await self._change(tenant_id)
        return found

    async def get(self, tenant_id: str, policy_id: str, version: int) -> StoredPolicy | None:
        found = await self._store.get(tenant_id, policy_id, version)
        await self._change(tenant_id)
        return found

    async def _change(self, tenant_id: str) -> None:
        _, stored = await self._store.add(tenant_id, self._draft)
        self.changes += stored


@pytest.mark.parametrize("named", [{"id": "desk"}, {"id": "desk", "version": 1}])
async def test_the_version_that_was_read_is_the_one_that_is_used(tmp_path: Path, named: dict[str, Any]) -> None:
    async with open_container(Settings(data_dir=tmp_path)) as container:
        async with client_of(container) as http:
            stored = await http.post("/v1/policies", json={"policy_id": "desk", "policy": policy(CAREFUL)})
            assert stored.json()["version"] == 1, stored.text
        racing = Changed(container.policies, draft(BOLD))
        async with client_of(dataclasses.replace(container, policies=racing)) as http:
            body = {**requests.smallest(), "policy": named}
            answer = (await http.post("/v1/evaluations", json=body)).json()
            assert racing.changes == 1
            assert answer["policy"]["version"] == 1
            assert answer["policy_resolved"]["sizing"]["target_volatility"] == CAREFUL
            by_hand = (await http.post("/v1/evaluations", json={**body, "policy": policy(CAREFUL)})).json()
            assert answer["targets"] == by_hand["targets"]
            replayed = (await http.post(f"/v1/evaluations/{answer['evaluation_id']}:replay")).json()
            assert replayed["match"] is True
