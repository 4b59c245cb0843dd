"""Stored policies on both stores: numbered without gaps, never changed, the same content stored once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.adapters.database import Database, open_database
from app.adapters.schema import migrate
from app.governance_port import PolicyGoverned
from app.ports import AuditDamaged, PolicyDraft

START = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)


def draft(content: str, policy_id: str = "desk", **changes: Any) -> PolicyDraft:
    """A policy whose fingerprint is that of a text."""
    fields: dict[str, Any] = {
        "policy_id": policy_id,
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
        "defaults_version": 2,
        "sent": b'{"sent":"%b"}' % content.encode(),
        "resolved": b'{"resolved":"%b"}' % content.encode(),
        "comment": None,
        "created_at": START,
    }
    return PolicyDraft(**(fields | changes))


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'x.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    await asyncio.to_thread(migrate, url)
    async with open_database(url) as database:
        yield database


async def test_nothing_is_stored(database: Database) -> None:
    store = database.policies
    assert await store.newest("local", "desk") is None
    assert await store.get("local", "desk", 1) is None
    assert await store.versions("local", "desk", limit=10) == []
    assert await store.list("local", after=None, limit=10) == []


async def test_a_version_comes_back_exactly_and_belongs_to_its_tenant(database: Database) -> None:
    store = database.policies
    made = draft("a", comment="für den Handel; 'quoted'", created_at=START + timedelta(microseconds=1))
    stored, created = await store.add("local", made)
    assert (created, stored.version) == (True, 1)
    assert [getattr(stored, name) for name in made.__dataclass_fields__] == [
        getattr(made, name) for name in made.__dataclass_fields__
    ]
    for _ in range(2):  # read, and remembered
        assert await store.get("local", "desk", 1) == stored
    assert await store.newest("local", "desk") == stored
    assert await store.get("other", "desk", 1) is None
    assert await store.newest("other", "desk") is None


async def test_the_same_content_is_stored_once_and_a_return_to_an_old_one_is_a_new_version(database: Database) -> None:
    store = database.policies
    first, _ = await store.add("local", draft("a", comment="first"))
    assert await store.add("local", draft("a", comment="again")) == (first, False), "the stored one, comment and all"
    second, created = await store.add("local", draft("b"))
    assert (second.version, created) == (2, True)
    third, created = await store.add("local", draft("a"))
    assert (third.version, created) == (3, True), "it differs from the newest"
    assert await store.get("local", "desk", 1) == first
    assert [item.version for item in await store.versions("local", "desk", limit=2)] == [3, 2]
    assert (await store.add("local", draft("a", policy_id="other")))[0].version == 1


async def test_pages_hold_the_newest_version_of_each_in_the_order_of_bytes(database: Database) -> None:
    store = database.policies
    names = ["b", "B", "a-1", "a.1", "a_1", "A", "9", "aa"]
    for name in names:
        await store.add("local", draft("x", policy_id=name))
        await store.add("local", draft("y", policy_id=name))
    everything = await store.list("local", after=None, limit=100)
    assert [(item.policy_id, item.version) for item in everything] == [(name, 2) for name in sorted(names)]
    found: list[str] = []
    while page := await store.list("local", after=found[-1] if found else None, limit=3):
        found += [item.policy_id for item in page]
    assert found == sorted(names)


async def test_writers_at_once_get_versions_of_their_own_without_gaps(database: Database) -> None:
    added = await asyncio.gather(*(database.policies.add("local", draft(f"content {n}")) for n in range(8)))
    assert sorted(stored.version for stored, _ in added) == list(range(1, 9))
    assert all(created for _, created in added)
    for stored, _ in added:
        assert await database.policies.get("local", "desk", stored.version) == stored


async def test_writers_of_one_content_at_once_store_it_once(database: Database) -> None:
    added = await asyncio.gather(*(database.policies.add("local", draft("same")) for _ in range(8)))
    assert {stored.version for stored, _ in added} == {1}
    assert sum(created for _, created in added) == 1


async def test_two_processes_write_one_id(postgres_url: str) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    async with open_database(postgres_url) as here, open_database(postgres_url) as there:
        stores = [here.policies, there.policies]
        added = await asyncio.gather(*(stores[n % 2].add("local", draft(f"content {n}")) for n in range(8)))
        assert sorted(stored.version for stored, _ in added) == list(range(1, 9))
        assert await here.policies.newest("local", "desk") == await there.policies.newest("local", "desk")


async def test_no_version_comes_in_once_a_policy_is_governed(database: Database) -> None:
    """Not even one that somebody had begun to store: from the answer on, the newest stays the newest."""
    store, governance = database.policies, database.governance
    await store.add("local", draft("first"))

    async def plain(content: str) -> bool:
        try:
            return (await store.add("local", draft(content)))[1]
        except PolicyGoverned:
            return False

    async def govern() -> int:
        assert await governance.replace("local", "desk", 1, b"{}")
        newest = await store.newest("local", "desk")
        assert newest is not None
        return newest.version

    calls = [plain(f"{number}") for number in range(6)]
    *_, version, _, _, _ = await asyncio.gather(*calls[:3], govern(), *calls[3:])
    newest = await store.newest("local", "desk")
    assert newest is not None and newest.version == version
    assert not await governance.replace("local", "desk", 1, b"other")
    assert (await governance.replace("local", "desk", 3, b"x"), await governance.get("local", "desk")) == (False, b"{}")
    assert await governance.replace("local", "desk", 2, b"second")
    assert (await governance.get("local", "desk"), await governance.get("other", "desk")) == (b"second", None)
    decided, created = await store.add("local", draft("decided"), decided=version + 1)
    assert (decided.version, created) == (version + 1, True)
    assert await store.add("local", draft("decided"), decided=version + 1) == (decided, False)
    with pytest.raises(AuditDamaged):
        await store.add("local", draft("another"), decided=version + 1)
    with pytest.raises(PolicyGoverned):
        await store.add("local", draft("plain"))
    assert (await store.add("other", draft("plain")))[1], "another tenant's policy of the same name is not governed"
