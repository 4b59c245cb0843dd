"""Migrations on both stores, and what a process does with a schema that is not its own."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from app.adapters.database import open_database
from app.adapters.database_url import DatabaseUnreachable, PostgresUrl, SqliteUrl, parse_database_url
from app.adapters.file_lock import DatabaseInUse
from app.adapters.schema import (
    MigrationFailed,
    SchemaMismatch,
    SchemaStatus,
    head_revision,
    migrate,
    run_alembic,
    schema_state,
)
from models.db.tables import audit_entry
from tests.integration.test_key_stores import key as api_key
from tests.integration.test_policy_stores import draft as policy_draft
from tests.integration.test_switch_stores import switch
from tests.servers import run
from tests.support.audit import key, record


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'audit.db'}"
    address: str = request.getfixturevalue("postgres_url")
    return address


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run one statement behind the program's back."""
    target = parse_database_url(url)
    if isinstance(target, SqliteUrl):
        connection = sqlite3.connect(target.path, isolation_level=None)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    async def ask(target: PostgresUrl) -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(target.dsn)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return run(ask(target))


def tables(url: str) -> set[object]:
    sqlite = "SELECT name FROM sqlite_master WHERE type = 'table'"
    postgres = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
    rows = query(url, sqlite if url.startswith("sqlite") else postgres)
    return {row[0] for row in rows}


def contents(url: str) -> list[list[tuple[object, ...]]]:
    return [sorted(query(url, f"SELECT * FROM {name}"), key=repr) for name in sorted(map(str, tables(url)))]


async def populate(url: str) -> None:
    async with open_database(url) as database:
        records = [record(idempotency=key(f"k{n}"), portfolio_id=f"pf_{n % 3}") for n in range(30)]
        await asyncio.gather(*(database.audit.append(item, timeout=20) for item in records))
        await database.instruments.put_many("local", [("", "BTC-PERP", b"{}")])
        await database.policies.add("local", policy_draft("content"))
        await database.portfolios.put("local", "desk", b"{}", expected=None, now=datetime(2026, 11, 20, tzinfo=UTC))
        await database.switches.replace("local", switch(), 0)
        await database.keys.add(api_key())


def test_up_down_up_on_a_populated_database(url: str) -> None:
    assert schema_state(url).status is SchemaStatus.EMPTY
    assert migrate(url).status is SchemaStatus.EMPTY
    run(populate(url))
    made = tables(url)
    before = contents(url)
    assert migrate(url).status is SchemaStatus.CURRENT, "at head nothing happens"
    assert contents(url) == before
    run_alembic(url, lambda config: command.downgrade(config, "base"))
    assert tables(url) == {"alembic_version"}
    assert schema_state(url).status is SchemaStatus.EMPTY
    migrate(url)
    assert tables(url) == made
    run(populate(url))


def test_policies_come_to_a_populated_log_and_go_without_touching_it(url: str) -> None:
    run_alembic(url, lambda config: command.upgrade(config, "0001"))
    before = contents(url)
    assert schema_state(url).status is SchemaStatus.BEHIND
    migrate(url)
    run(populate(url))
    assert query(url, "SELECT policy_id, version FROM stored_policy") == [("desk", 1)]
    entries = query(url, "SELECT size FROM log_head")
    run_alembic(url, lambda config: command.downgrade(config, "0001"))
    assert query(url, "SELECT size FROM log_head") == entries == [(30,)]
    assert len(contents(url)) == len(before)


def test_migrations_make_exactly_the_tables_of_the_models(url: str) -> None:
    migrate(url)
    differences: list[object] = []

    def compare(config: Config) -> None:
        connection = config.attributes["connection"]
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences.extend(compare_metadata(context, audit_entry.metadata))

    run_alembic(url, compare)
    assert differences == []
    assert tables(url) == set(audit_entry.metadata.tables) | {"alembic_version"}


def test_constraint_names_follow_the_convention(postgres_url: str) -> None:
    migrate(postgres_url)
    rows = query(postgres_url, "SELECT conname::text FROM pg_constraint WHERE connamespace = 'public'::regnamespace")
    expected = {constraint.name for table in audit_entry.metadata.tables.values() for constraint in table.constraints}
    own = {str(row[0]) for row in rows if not str(row[0]).endswith(("_not_null", "alembic_version_pkc"))}
    assert own == {str(name) for name in expected if name}


def test_sqlite_tables_are_strict(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    migrate(url)
    loose = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0"
    assert set(query(url, loose)) == {("alembic_version",), ("sqlite_schema",)}
    with pytest.raises(sqlite3.IntegrityError):
        query(url, "UPDATE log_head SET size = 'many'")


def test_two_migrators_at_once(postgres_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(migrate, [postgres_url] * 4))
    assert SchemaStatus.EMPTY in {state.status for state in states}
    assert schema_state(postgres_url).status is SchemaStatus.CURRENT
    assert query(postgres_url, "SELECT log_id, size FROM log_head") == [(1, 0)]


def test_a_migration_that_the_database_refuses_is_rolled_back(url: str) -> None:
    query(url, "CREATE TABLE idempotency (id integer)")  # in the way of the third table
    with pytest.raises(MigrationFailed, match=r"(?s)rolled back.*idempotency.*already exists"):
        run_alembic(url, lambda config: command.upgrade(config, "head"))
    assert tables(url) == {"idempotency"}


async def test_a_new_embedded_file_is_made_at_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'audit.db'}"
    async with open_database(url) as database:
        assert await database.audit.size() == 0
    assert schema_state(url).status is SchemaStatus.CURRENT


async def test_a_server_without_tables_is_refused_with_the_remedy(postgres_url: str) -> None:
    with pytest.raises(SchemaMismatch, match="run `trimtab migrate`") as refused:
        async with open_database(postgres_url):
            pass
    assert head_revision() in str(refused.value)
    assert_no_password(postgres_url, str(refused.value))


async def test_a_newer_schema_is_refused_and_not_touched(url: str) -> None:
    await asyncio.to_thread(migrate, url)
    change = "UPDATE alembic_version SET version_num = '9999'"
    await asyncio.to_thread(query, url, change)
    assert (await asyncio.to_thread(schema_state, url)).status is SchemaStatus.FOREIGN
    with pytest.raises(SchemaMismatch, match=r"9999.*newer program"):
        async with open_database(url):
            pass
    with pytest.raises(SchemaMismatch, match="9999"):
        await asyncio.to_thread(migrate, url)


async def test_somebody_elses_database_is_not_touched(url: str) -> None:
    await asyncio.to_thread(query, url, "CREATE TABLE orders (id integer)")
    with pytest.raises(SchemaMismatch, match="not ours"):
        await asyncio.to_thread(migrate, url)
    with pytest.raises(SchemaMismatch, match="not ours"):
        async with open_database(url):
            pass
    assert await asyncio.to_thread(tables, url) == {"orders"}


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("these are my notes, and there are many of them " * 100)
    with pytest.raises(DatabaseUnreachable, match="not a database"):
        async with open_database(f"sqlite:///{path}"):
            pass
    assert path.read_text().startswith("these are my notes")


async def test_a_running_embedded_service_is_not_migrated_under_its_feet(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    async with open_database(url):
        with pytest.raises(DatabaseInUse):
            await asyncio.to_thread(run_alembic, url, lambda config: command.downgrade(config, "base"))


@pytest.mark.parametrize("change", ["password", "port", "database"])
async def test_a_server_that_cannot_be_used_is_named_without_its_password(postgres_url: str, change: str) -> None:
    password, port = password_of(postgres_url), postgres_url.rsplit(":", 1)[1].split("/")[0]
    wrong = {
        "password": postgres_url.replace(password, "hunter2"),
        "port": postgres_url.replace(f":{port}/", ":1/"),
        "database": postgres_url + "_missing",
    }[change]
    with pytest.raises(DatabaseUnreachable) as refused:
        async with open_database(wrong):
            pass
    assert "postgresql://trimtab:***@" in str(refused.value)
    assert_no_password(wrong, str(refused.value))


def password_of(url: str) -> str:
    return url.split("://trimtab:")[1].split("@")[0]


def assert_no_password(url: str, text: str) -> None:
    assert password_of(url) not in text
