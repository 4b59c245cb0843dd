"""The durable stores of a process over one URL: audit log, instruments, policies, portfolios, switches, keys …"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg

from app.adapters import postgres_audit, sqlite_audit
from app.adapters.database_url import DatabaseUnreachable, PostgresUrl, SqliteUrl, parse_database_url
from app.adapters.file_lock import file_lock
from app.adapters.log_growth import LogGrowth
from app.adapters.postgres_audit import PostgresAuditLog, durability_warnings
from app.adapters.postgres_connection import CONNECTION_ERRORS, PostgresReaders
from app.adapters.postgres_governance import PostgresGovernance
from app.adapters.postgres_instruments import PostgresInstruments
from app.adapters.postgres_keys import PostgresKeys
from app.adapters.postgres_lease import PostgresLease
from app.adapters.postgres_log import PostgresLogTree
from app.adapters.postgres_notices import POLL_SECONDS, PostgresNotices
from app.adapters.postgres_parameters import PostgresParameters
from app.adapters.postgres_policies import PostgresPolicies
from app.adapters.postgres_portfolios import PostgresPortfolios
from app.adapters.postgres_retention import PostgresRetention
from app.adapters.postgres_switches import PostgresSwitches
from app.adapters.postgres_writer import PostgresWriter
from app.adapters.schema import require_schema
from app.adapters.sqlite_audit import SqliteAuditLog
from app.adapters.sqlite_connection import SqliteReaders
from app.adapters.sqlite_governance import SqliteGovernance
from app.adapters.sqlite_instruments import SqliteInstruments
from app.adapters.sqlite_keys import SqliteKeys
from app.adapters.sqlite_lease import SqliteLease
from app.adapters.sqlite_log import SqliteLogTree
from app.adapters.sqlite_parameters import SqliteParameters
from app.adapters.sqlite_policies import SqlitePolicies
from app.adapters.sqlite_portfolios import SqlitePortfolios
from app.adapters.sqlite_retention import SqliteRetention
from app.adapters.sqlite_switches import SqliteSwitches
from app.adapters.sqlite_writer import SqliteWriter
from app.governance_port import GovernanceStore
from app.key_port import KeyStore
from app.live_ports import Lease, PortfolioStore
from app.log_ports import LogTree
from app.parameter_port import ParameterStore
from app.ports import AuditLog, InstrumentStore, PolicyStore
from app.redaction import redact
from app.retention_port import RetentionStore
from app.switch_port import SwitchStore


@dataclass(frozen=True, slots=True)
class Database:
    """Ports of one open store."""

    audit: AuditLog
    instruments: InstrumentStore
    policies: PolicyStore
    governance: GovernanceStore
    portfolios: PortfolioStore
    lease: Lease
    tree: LogTree
    switches: SwitchStore
    parameters: ParameterStore
    keys: KeyStore
    retention: RetentionStore


@contextlib.asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Open the store at `url` and close it afterwards; what was accepted is written first.

    Raises
    ------
    InvalidDatabaseUrl
        For a URL of another kind.
    SchemaMismatch
        If the schema is not this program's; an embedded file that is new is created.
    DatabaseUnreachable
        If the store does not answer.
    DatabaseInUse
        If another process holds the embedded file.
    """
    target = parse_database_url(url)
    await asyncio.to_thread(require_schema, url)
    async with _open_sqlite(target) if isinstance(target, SqliteUrl) else _open_postgres(target) as database:
        yield database


@contextlib.asynccontextmanager
async def open_tree(url: str) -> AsyncIterator[LogTree]:
    """Open the tree of a log to read it, also beside a running service; an embedded file is opened read-only.

    Raises
    ------
    InvalidDatabaseUrl, SchemaMismatch, DatabaseUnreachable
        As `open_database`.
    """
    target = parse_database_url(url)
    if isinstance(target, SqliteUrl) and not target.path.exists():
        raise DatabaseUnreachable(f"{target}: there is no such file")
    await asyncio.to_thread(require_schema, url)
    if isinstance(target, SqliteUrl):
        readers = SqliteReaders(target.path)
        try:
            yield SqliteLogTree(None, readers)
        finally:
            await asyncio.to_thread(readers.close)
        return
    async with _postgres_readers(target) as pool:
        yield PostgresLogTree(pool)


@contextlib.asynccontextmanager
async def _postgres_readers(target: PostgresUrl) -> AsyncIterator[PostgresReaders]:
    try:
        readers = await PostgresReaders.open(target)
    except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
        raise DatabaseUnreachable(f"{target}: {redact(str(error)) or type(error).__name__}") from None
    try:
        yield readers
    finally:
        await readers.close()


@contextlib.asynccontextmanager
async def _open_sqlite(target: SqliteUrl) -> AsyncIterator[Database]:
    with file_lock(target.path):
        growth = LogGrowth()
        try:
            writer = SqliteWriter(
                target.path, sqlite_audit.write_entries, sqlite_audit.tenant_secret, asyncio.get_running_loop(), growth
            )
        except sqlite3.Error as error:
            raise DatabaseUnreachable(f"{target}: {error}") from None
        readers = SqliteReaders(target.path)
        try:
            yield Database(
                audit=SqliteAuditLog(writer, readers, growth),
                tree=SqliteLogTree(writer, readers),
                instruments=SqliteInstruments(writer, readers),
                policies=SqlitePolicies(writer, readers),
                governance=SqliteGovernance(writer, readers),
                portfolios=SqlitePortfolios(writer, readers),
                lease=SqliteLease(),
                switches=SqliteSwitches(writer, readers),
                parameters=SqliteParameters(writer, readers),
                keys=await SqliteKeys.open(writer, readers),
                retention=SqliteRetention(writer, readers),
            )
        finally:
            await asyncio.to_thread(writer.close)
            await asyncio.to_thread(readers.close)


@contextlib.asynccontextmanager
async def _open_postgres(target: PostgresUrl) -> AsyncIterator[Database]:
    async with _postgres_readers(target) as readers, _on_postgres(target, readers) as database:
        yield database


@contextlib.asynccontextmanager
async def _on_postgres(target: PostgresUrl, readers: PostgresReaders) -> AsyncIterator[Database]:
    keys, growth = await PostgresKeys.open(readers), LogGrowth(POLL_SECONDS)
    writer = PostgresWriter(
        target, postgres_audit.write_entries, postgres_audit.any_written, postgres_audit.tenant_secrets, growth
    )
    notices, lease = PostgresNotices(target, growth), PostgresLease(target)
    try:
        warnings = await durability_warnings(readers)
        yield Database(
            audit=PostgresAuditLog(writer, readers, notices, await readers.server_version(), warnings),
            tree=PostgresLogTree(readers),
            instruments=PostgresInstruments(readers),
            policies=PostgresPolicies(readers),
            governance=PostgresGovernance(readers),
            portfolios=PostgresPortfolios(readers),
            lease=lease,
            switches=PostgresSwitches(readers),
            parameters=PostgresParameters(readers),
            keys=keys,
            retention=PostgresRetention(readers),
        )
    finally:
        await keys.close()
        await lease.release()
        await notices.close()
        await writer.close()
