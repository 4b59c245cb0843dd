"""Settings of PostgreSQL under which an acknowledged entry could be lost, and what is done about each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.adapters.postgres_audit import durability_warnings
from app.adapters.schema import migrate
from tests.integration.test_audit_log import SECONDS, Store
from tests.support.audit import record

SAFE = {"fsync": "on", "full_page_writes": "on", "data_checksums": "on"}


class Settings:
    """Readers of a server with given settings."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values

    async def fetch(self, statement: str) -> Sequence[tuple[str, str]]:
        return [(name, value) for name, value in self.values.items() if f"'{name}'" in statement]


@pytest.mark.parametrize("name", SAFE)
async def test_each_setting_that_can_lose_data_is_named(name: str) -> None:
    assert await durability_warnings(Settings(SAFE)) == ()  # type: ignore[arg-type]
    [warning] = await durability_warnings(Settings(SAFE | {name: "off"}))  # type: ignore[arg-type]
    assert f"{name} is off" in warning


async def test_the_writer_waits_for_the_disk_whatever_the_server_does_by_default(postgres_url: str) -> None:
    await asyncio.to_thread(migrate, postgres_url)
    store = Store(postgres_url)
    [(name,)] = await store.run("SELECT quote_ident(current_database())")
    for statement in (
        f"ALTER DATABASE {name} SET synchronous_commit = off",
        "CREATE TABLE seen (setting text)",
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$",
        "CREATE TRIGGER see AFTER UPDATE ON log_head FOR EACH ROW EXECUTE FUNCTION see()",
    ):
        await store.run(statement)
    assert await store.run("SHOW synchronous_commit") == [("off",)]
    async with store.open() as database:
        await database.audit.append(record(), timeout=SECONDS)
    assert await store.run("SELECT DISTINCT setting FROM seen") == [("on",)]
