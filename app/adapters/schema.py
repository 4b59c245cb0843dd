"""State of a database's schema, and the only way to change it: Alembic, one migrator at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any, TypeVar

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, NullPool, create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from app.adapters.database_url import DatabaseUnreachable, PostgresUrl, SqliteUrl, parse_database_url
from app.adapters.file_lock import file_lock
from app.redaction import redact

T = TypeVar("T")

CONNECT_SECONDS = 10.0
LOCK_SECONDS = 120
"""How long one migrator waits for another."""
_LOCK_KEY = 0x7472696D746162
"""PostgreSQL advisory lock of migrators ("trimtab" in ASCII)."""


class SchemaStatus(StrEnum):
    """How a schema stands to this program."""

    CURRENT = "current"
    EMPTY = "empty"
    """No table at all: a new database."""
    BEHIND = "behind"
    """A known, older revision."""
    FOREIGN = "foreign"
    """A revision that this program does not know, or tables without one."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Revision found and revision needed."""

    status: SchemaStatus
    found: str | None
    needed: str


class SchemaMismatch(Exception):
    """The schema is not the one this program was written for. The text names the remedy."""


class MigrationFailed(SchemaMismatch):
    """A migration stopped and was rolled back: the schema is as it was."""


def schema_state(url: str) -> SchemaState:
    """State of the schema at `url`; creates nothing. Blocking: in async code call it in a thread."""
    target = parse_database_url(url)
    if isinstance(target, SqliteUrl) and not target.path.exists():
        return SchemaState(SchemaStatus.EMPTY, None, head_revision())
    return _on_connection(target, _read_state)


def migrate(url: str) -> SchemaState:
    """Bring the schema to this program's revision and return the state found before.

    Two migrators at once take turns; at head nothing is locked or written. Blocking: in async code call it in a thread.

    Raises
    ------
    SchemaMismatch
        If the database was written by a newer program or is not ours.
    DatabaseUnreachable
        If it does not answer.
    """
    before = schema_state(url)
    if before.status is SchemaStatus.FOREIGN:
        raise SchemaMismatch(_mismatch(url, before))
    if before.status is not SchemaStatus.CURRENT:
        run_alembic(url, lambda config: command.upgrade(config, "head"))
    return before


def require_schema(url: str) -> None:
    """Refuse a schema that is not this program's; an embedded file that is new is created.

    Raises
    ------
    SchemaMismatch
        With the remedy.
    """
    state = schema_state(url)
    if state.status is SchemaStatus.EMPTY and isinstance(parse_database_url(url), SqliteUrl):
        migrate(url)
    elif state.status is not SchemaStatus.CURRENT:
        raise SchemaMismatch(_mismatch(url, state))


def run_alembic(url: str, action: Callable[[Config], object]) -> None:
    """Run one Alembic command on the database, under the migrators' lock.

    Raises
    ------
    MigrationFailed
        If the database refuses it.
    """
    target = parse_database_url(url)

    def act(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        try:
            action(config)
            connection.commit()
        except SQLAlchemyError as error:
            raise MigrationFailed(
                f"{target}: the migration failed and was rolled back: {redact(str(error))}"
            ) from error

    if isinstance(target, SqliteUrl):
        target.path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(target.path):
            _on_connection(target, act)
    else:
        _on_connection(target, act, locked=True)


@lru_cache(maxsize=1)
def head_revision() -> str:
    """Newest revision of this program."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("migrations/versions holds no revision")
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _mismatch(url: str, state: SchemaState) -> str:
    where = parse_database_url(url)
    if state.status is SchemaStatus.FOREIGN:
        found = f"revision {state.found}" if state.found else "tables that are not ours"
        remedy = "use a newer program or another database"
        return f"{where} has {found}, which this program does not know (it needs revision {state.needed}): {remedy}"
    found = "no tables" if state.status is SchemaStatus.EMPTY else f"schema revision {state.found}"
    return f"{where} has {found}, this program needs revision {state.needed}: run `trimtab migrate`"


def _read_state(connection: Connection) -> SchemaState:
    needed = head_revision()
    found = MigrationContext.configure(connection).get_current_revision()
    if found == needed:
        return SchemaState(SchemaStatus.CURRENT, found, needed)
    if found is None:
        tables = set(inspect(connection).get_table_names()) - {"alembic_version"}
        return SchemaState(SchemaStatus.FOREIGN if tables else SchemaStatus.EMPTY, None, needed)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return SchemaState(SchemaStatus.BEHIND if found in known else SchemaStatus.FOREIGN, found, needed)


def _on_connection(target: SqliteUrl | PostgresUrl, action: Callable[[Connection], T], *, locked: bool = False) -> T:
    try:
        if isinstance(target, SqliteUrl):
            with _sqlite(target) as connection:
                return action(connection)
        return asyncio.run(_on_postgres(target, action, locked=locked))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
        raise DatabaseUnreachable(f"{target}: {redact(str(error)) or type(error).__name__}") from None


@contextlib.contextmanager
def _sqlite(target: SqliteUrl) -> Iterator[Connection]:
    # Left alone, the driver commits before each DDL statement. Begun by hand, a migration is one transaction.
    location = URL.create("sqlite", database=str(target.path))
    engine = create_engine(location, poolclass=NullPool, connect_args={"isolation_level": None})
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            connection.exec_driver_sql("BEGIN")
            yield connection
    finally:
        engine.dispose()


async def _on_postgres(target: PostgresUrl, action: Callable[[Connection], T], *, locked: bool) -> T:
    async def connect() -> Any:
        return await asyncpg.connect(target.dsn, timeout=CONNECT_SECONDS)

    # The DSN is read by asyncpg in migrations and in the service alike: one place, one meaning.
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection, _advisory_lock(connection) if locked else contextlib.nullcontext():
            return await connection.run_sync(action)
    finally:
        await engine.dispose()


@contextlib.asynccontextmanager
async def _advisory_lock(connection: Any) -> AsyncIterator[None]:
    """Session lock, not a transaction's: a later migration may need to commit in between."""
    await connection.execute(text(f"SET lock_timeout = '{LOCK_SECONDS}s'"))
    await connection.execute(text(f"SELECT pg_advisory_lock({_LOCK_KEY})"))
    await connection.commit()
    try:
        yield
    finally:
        await connection.rollback()
        await connection.execute(text(f"SELECT pg_advisory_unlock({_LOCK_KEY})"))
