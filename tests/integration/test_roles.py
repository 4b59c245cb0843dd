"""Roles in PostgreSQL: what the login of the service is refused, and that the service needs no more than it has."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import httpx
import pytest
from sqlalchemy.engine import make_url

from app.adapters.database import open_database
from app.adapters.database_url import PostgresUrl, parse_database_url
from app.adapters.postgres_roles import APP_RIGHTS, RolesRefused, make_roles, roles_made
from app.adapters.schema import migrate
from app.usecases.retention import RemovalRefused, plan_removal, remove
from app.usecases.verify_log import verify_log
from models.db.tables import audit_entry
from scripts.embedded_servers import find_postgres
from tests.integration.test_audit_log import Store
from tests.integration.test_backup import libpq
from tests.integration.test_migrations import populate
from tests.integration.test_retention import DAY, NOW, aged, fill
from tests.servers import fresh_database, run
from tests.support.partitions import shrink
from tests.support.requests import smallest
from tests.support.service import running


def postgres(url: str) -> PostgresUrl:
    target = parse_database_url(url)
    assert isinstance(target, PostgresUrl)
    return target


def login(url: str) -> str:
    """URL of a login that does not exist yet."""
    named = make_url(url).set(username=f"service_{uuid.uuid4().hex[:12]}", password="it's: a/secret")
    return named.render_as_string(hide_password=False)


async def execute(url: str, statement: str) -> str:
    server = await asyncpg.connect(postgres(url).dsn)
    try:
        return str(await server.execute(statement))
    finally:
        await server.close()


@pytest.fixture
def app_url(postgres_url: str) -> Iterator[str]:
    """URL of a service whose login is a member of tt_app alone, on a log with partitions of ten entries."""
    migrate(postgres_url)
    run(shrink(postgres_url, 10))
    url = login(postgres_url)
    make_roles(postgres(postgres_url), postgres(url))
    yield url
    run(execute(postgres_url, f'DROP ROLE "{make_url(url).username}"'))


@pytest.fixture
async def app(app_url: str) -> AsyncIterator[asyncpg.Connection]:
    await populate(app_url)
    server = await asyncpg.connect(postgres(app_url).dsn)
    yield server
    await server.close()


def test_every_table_has_its_rights() -> None:
    assert APP_RIGHTS.keys() == audit_entry.metadata.tables.keys(), "say in APP_RIGHTS what the service may do with it"


LOG = ("audit_entry", "audit_entry_0", "audit_entry_10", "audit_body", "audit_body_0", "audit_chunk", "audit_retention")
REFUSED = (
    *(f"DELETE FROM {name}" for name in LOG),
    *(f"TRUNCATE {name}" for name in LOG),
    *(f"ALTER TABLE {name} DISABLE TRIGGER ALL" for name in LOG),
    *(f"ALTER TABLE {name} ADD COLUMN x integer" for name in LOG),
    *(f"DROP TABLE {name} CASCADE" for name in LOG),
    *(f"UPDATE {name} SET log_id = 2" for name in (*LOG, "merkle_tile", "log_head")),
    "INSERT INTO audit_retention VALUES (1, 29, 0, 5, ''::bytea)",
    "INSERT INTO audit_entry_10 SELECT * FROM audit_entry LIMIT 1",
    "ALTER TABLE audit_body DETACH PARTITION audit_body_0",
    "UPDATE log_head SET origin = 'another.example'",
    "UPDATE log_head SET room = 0",
    "DELETE FROM log_head",
    "UPDATE tenant SET stream_secret = stream_secret",
    "UPDATE stored_policy SET version = 9",
    "UPDATE idempotency SET idx = 0",
    "TRUNCATE idempotency",
    "DELETE FROM merkle_tile",
    "SELECT audit_sweep(10)",
    "SELECT audit_retain(1, ''::bytea)",
    "SELECT audit_partition('audit_entry', 1000000, 1000001)",
    "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TABLE audit_entry_x (x integer)",
    "SET ROLE tt_owner",
    "SET session_replication_role = replica",
    "GRANT tt_owner TO CURRENT_USER",
    "UPDATE alembic_version SET version_num = '0001'",
)


async def test_the_login_of_the_service_is_refused_everything_but_its_work(app: asyncpg.Connection) -> None:
    for statement in REFUSED:
        try:
            await app.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            continue
        pytest.fail(f"{statement} was not refused")
    room = await app.fetchval("SELECT audit_extend(1000000000000)")
    assert room < 10_100, "partitions can be made for what may come next, not without end"


async def test_the_service_deletes_expired_keys_and_no_others(app_url: str, postgres_url: str) -> None:
    await populate_keys(postgres_url)
    async with open_database(app_url) as database:
        assert await database.retention.forget_keys(before=NOW + 1000 * DAY, limit=10) == 1
        assert await database.retention.forget_keys(before=NOW + 1000 * DAY, limit=10) == 0
    assert await Store(postgres_url).run("SELECT key FROM idempotency") == [("young",)]


async def populate_keys(owner_url: str) -> None:
    rows = ("('old', now() - interval '49 hours')", "('young', now() - interval '47 hours')")
    for row in rows:
        await execute(
            owner_url,
            "INSERT INTO idempotency (tenant_id, route, fingerprint, log_id, idx, key, created_at) "
            f"SELECT 'local', 'r', sha256(''), 1, 0, v.* FROM (VALUES {row}) v",
        )


def test_a_service_runs_on_a_login_that_is_a_member_of_tt_app(app_url: str, tmp_path: Path) -> None:
    with running(tmp_path, database_url=app_url) as service, httpx.Client(base_url=service.url, timeout=60) as http:
        answers = [http.post("/v1/evaluations", json=smallest()).json() for _ in range(12)]
        for answer in answers:
            read = http.get(f"/v1/evaluations/{answer['evaluation_id']}")
            assert (read.status_code, read.json()["audit"]["index"]) == (200, answer["audit"]["index"])
        assert http.get("/readyz").json()["status"] == "ready"


async def test_only_a_login_of_retention_removes_bodies(app_url: str, postgres_url: str) -> None:
    async with open_database(app_url) as database:
        await fill(database, [aged(30 - n) for n in range(25)])
        removal = await plan_removal(database.retention, before=NOW - 10 * DAY, now=NOW)
        with pytest.raises(RemovalRefused, match="tt_retention"):
            await remove(database.audit, database.retention, removal, tenant_id="local", actor="a", now=NOW)
        assert await database.audit.size() == 25, "nothing was announced"
    await execute(postgres_url, f'GRANT tt_retention TO "{make_url(app_url).username}"')
    async with open_database(app_url) as database:
        assert await remove(database.audit, database.retention, removal, tenant_id="local", actor="a", now=NOW) == 25
        found = await verify_log(database.tree, (), bodies=True, advance=lambda done, total: None)
        assert (found.findings, found.pruned) == ((), 20)
    assert await Store(postgres_url).run("SELECT count(*) FROM audit_body") == [(6,)]


def test_roles_are_made_again_and_by_several_at_once(app_url: str, postgres_url: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: make_roles(postgres(postgres_url), postgres(app_url)), range(3)))
    assert roles_made(postgres(postgres_url))
    run(populate(app_url))


def test_a_login_that_may_not_make_roles_is_told_what_to_run(postgres_url: str) -> None:
    poor = login(postgres_url)
    name = make_url(poor).username
    run(execute(postgres_url, f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'it''s: a/secret'"))
    try:
        run(execute(postgres_url, f'GRANT CREATE, USAGE ON SCHEMA public TO "{name}"'))
        migrate(poor)
        with pytest.raises(RolesRefused, match=rf"(?s)GRANT tt_owner TO {name};") as refused:
            make_roles(postgres(poor), postgres(login(postgres_url)))
        assert "secret" not in str(refused.value)
        assert not roles_made(postgres(poor))
    finally:
        run(execute(postgres_url, f'DROP OWNED BY "{name}" CASCADE'))
        run(execute(postgres_url, f'DROP ROLE "{name}"'))


def test_the_next_migration_grants_anew(app_url: str, postgres_url: str) -> None:
    from typer.testing import CliRunner

    from app.cli import application

    run(execute(postgres_url, "REVOKE INSERT ON audit_entry FROM tt_app"))
    done = CliRunner().invoke(application, ["migrate", "--database-url", postgres_url, "--json"])
    assert done.exit_code == 0 and '"roles": true' in done.stdout.replace('":true', '": true'), done.output
    run(populate(app_url))
    assert asyncio.run(_size(app_url)) == 30


async def _size(url: str) -> int:
    async with open_database(url) as database:
        return await database.audit.size()


async def test_a_dump_with_roles_is_restored_without_its_grants(
    app_url: str, postgres_url: str, tmp_path: Path
) -> None:
    """As the runbook says: `--no-acl`, and the roles again."""
    await populate(app_url)
    tools, dump = find_postgres().parent, tmp_path / "trimtab.dump"
    with fresh_database(postgres_url) as restored:
        for command in (
            [str(tools / "pg_dump"), "--format=custom", f"--file={dump}", f"--dbname={libpq(postgres_url)}"],
            [
                str(tools / "pg_restore"),
                "--exit-on-error",
                "--no-owner",
                "--no-acl",
                f"--dbname={libpq(restored)}",
                str(dump),
            ],
        ):
            done = await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        service = make_url(app_url).set(database=make_url(restored).database).render_as_string(hide_password=False)
        await asyncio.to_thread(make_roles, postgres(restored), postgres(service))
        async with open_database(service) as database:
            await fill(database, [aged(0) for _ in range(15)])
            found = await verify_log(database.tree, (), bodies=True, advance=lambda done, total: None)
            assert (found.findings, found.size) == ((), 45)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(service, "DELETE FROM audit_body")
