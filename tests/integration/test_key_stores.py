"""API keys on both stores: found exactly, revoked everywhere in time, and opened by nothing that is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from app.adapters.database import Database, open_database
from app.adapters.postgres_keys import LOOK_SECONDS, STALENESS_SECONDS, PostgresKeys
from app.adapters.schema import migrate
from app.caller import Scope
from app.key_port import ApiKey, Signing
from app.ports import AuditUnavailable

START = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)
LATER = START + timedelta(days=1)


def key(name: str = "a", **changes: Any) -> ApiKey:
    fields: dict[str, Any] = {
        "tenant_id": "local",
        "scopes": frozenset({Scope.READ, Scope.AUDIT_READ}),
        "label": "für den Handel; 'quoted'",
        "created_at": START,
        "digest": bytes(range(32)),
    }
    return ApiKey(key_id=f"key_{name * 16}", **(fields | changes))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path / 'x.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate(address)
    return str(address)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with open_database(url) as database:
        yield database


KEYS = [
    key(),
    key("b", expires_at=LATER, networks=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))),
    key("c", tenant_id="acme", scopes=frozenset(Scope), units_per_second=5, burst_units=50),
    key("d", signing=Signing.ED25519, public_key=bytes(32), digest=None),
    key("e", signing=Signing.HMAC, digest=None),
]


async def test_keys_come_back_exactly_also_to_the_next_process(url: str) -> None:
    async with open_database(url) as database:
        assert not database.keys.any()
        assert await database.keys.find(KEYS[0].key_id) is None
        for item in KEYS:
            await database.keys.add(item)
        assert database.keys.any()
        assert [await database.keys.find(item.key_id) for item in KEYS] == KEYS
    async with open_database(url) as database:
        assert database.keys.any()
        assert [await database.keys.find(item.key_id) for item in KEYS] == KEYS
        assert await database.keys.list("local", after=None, limit=3) == [KEYS[0], KEYS[1], KEYS[3]]
        assert await database.keys.list("local", after=KEYS[1].key_id, limit=9) == [KEYS[3], KEYS[4]]
        assert await database.keys.list("other", after=None, limit=3) == []


async def test_the_first_revocation_counts_and_only_the_tenant_s_own(database: Database) -> None:
    await database.keys.add(made := key())
    assert await database.keys.revoke("other", made.key_id, LATER) is None
    assert await database.keys.find(made.key_id) == made
    revoked = replace(made, revoked_at=LATER)
    assert await database.keys.revoke("local", made.key_id, LATER) == revoked
    assert await database.keys.revoke("local", made.key_id, LATER + timedelta(days=1)) == revoked
    assert await database.keys.find(made.key_id) == revoked
    assert await database.keys.revoke("local", "key_unknown", LATER) is None


async def until(holds: Any, seconds: float = 20.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await holds():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


async def test_another_process_sees_the_first_key_and_each_revocation(postgres_url: str) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    async with open_database(postgres_url) as one, open_database(postgres_url) as other:
        assert not other.keys.any()
        await one.keys.add(made := key())

        async def seen() -> bool:
            return other.keys.any()

        await until(seen)
        assert await other.keys.find(made.key_id) == made
        await one.keys.revoke("local", made.key_id, LATER)

        async def gone() -> bool:
            found = await other.keys.find(made.key_id)
            return found is not None and found.revoked_at == LATER

        await until(gone)


class Scripted:
    """Reads that fail on demand, and are counted."""

    def __init__(self) -> None:
        self.fails, self.reads, self.row = False, 0, None

    async def fetch_one(self, statement: str, *arguments: object) -> Any:
        self.reads += 1
        if self.fails:
            raise AuditUnavailable("the audit database cannot be reached")
        return self.row


async def test_a_copy_stands_in_for_a_store_that_is_late_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
    readers = Scripted()
    store = PostgresKeys(readers)  # type: ignore[arg-type]
    made = key()
    monkeypatch.setattr("app.adapters.postgres_keys.key_of", lambda row: made)
    readers.row = (1,)  # type: ignore[assignment]
    assert await asyncio.gather(*(store.find(made.key_id) for _ in range(50))) == [made] * 50
    assert readers.reads == 1, "one look for all that wait"
    readers.fails = True
    now[0] += LOOK_SECONDS
    assert await store.find(made.key_id) == made
    now[0] += STALENESS_SECONDS - LOOK_SECONDS
    with pytest.raises(AuditUnavailable):
        await store.find(made.key_id)


def test_the_digest_is_in_no_representation() -> None:
    assert "digest" not in repr(key())
