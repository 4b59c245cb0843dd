"""Roles in PostgreSQL: who owns, who writes, who removes, who reads. Made by `trimtab migrate --roles`, again at will.

`tt_owner` owns every table and logs in nowhere: so not even a stolen password of the service can change a row of the
log, take a guard off, or drop a partition. What a service needs beyond its rights (the next partition) and what removes
bodies is done by functions of the owner, which check what they are asked for.

What this cannot do: the server's superuser may do everything. That is found out by whoever kept a head or a receipt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import unquote, urlsplit

import asyncpg

from app.adapters.database_url import DatabaseUnreachable, PostgresUrl
from app.adapters.schema import CONNECT_SECONDS
from app.redaction import redact

OWNER, APP, RETENTION, READER = ROLES = ("tt_owner", "tt_app", "tt_retention", "tt_reader")

APP_RIGHTS = {
    "api_key": "SELECT, INSERT, UPDATE (revoked_at)",
    "audit_body": "SELECT, INSERT",
    "audit_chunk": "SELECT, INSERT",
    "audit_entry": "SELECT, INSERT",
    "audit_retention": "SELECT",
    "breaker_switch": "SELECT, INSERT, UPDATE (version, mode, actor, reason, set_at, expires_at)",
    "cosignature": "SELECT, INSERT",
    "idempotency": "SELECT, INSERT, DELETE",
    "instrument": "SELECT, INSERT, UPDATE (specification)",
    "instrument_generation": "SELECT, INSERT, UPDATE (generation)",
    "log_head": "SELECT, UPDATE (size, frontier, root, verifier_key)",
    "merkle_tile": "SELECT, INSERT, UPDATE (hashes)",
    "policy_governance": "SELECT, INSERT, UPDATE (revision, document)",
    "portfolio": "SELECT, INSERT, UPDATE (version, specification, updated_at, snapshot_seq, snapshot, received_at)",
    "published_parameters": "SELECT, INSERT",
    "stored_policy": "SELECT, INSERT",
    "tenant": "SELECT, INSERT",
}
"""What `tt_app` may do with each table; a policy lets it delete expired idempotency keys alone."""
APP_FUNCTIONS, RETENTION_FUNCTIONS = ("audit_extend(bigint)",), ("audit_retain(bigint, bytea)", "audit_sweep(bigint)")

# The name that exists already was made by another migrator of the same server.
_CREATE = (
    "DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
)
_TABLES = (
    "SELECT quote_ident(c.relname), c.relispartition, pg_get_userbyid(c.relowner) FROM pg_class c "
    "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace"
)
_FUNCTIONS = (
    "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace "
    "AND p.proname LIKE 'audit\\_%'"
)
_OWNED = (
    "SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'log_head' AND relnamespace = current_schema()::regnamespace "
    "AND pg_get_userbyid(relowner) = $1 AND pg_has_role(relowner, 'USAGE'))"
)
_LOCK = "SELECT pg_advisory_xact_lock(32210718)"
_POLICIES = {
    "keys_are_read": "FOR SELECT USING (true)",
    "keys_are_added": "FOR INSERT WITH CHECK (true)",
    "keys_leave_expired": "FOR DELETE USING (created_at < now() - interval '48 hours')",
}
_KNOWN_POLICIES = (
    "SELECT polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid AND c.relrowsecurity "
    "WHERE c.relname = 'idempotency' AND c.relnamespace = current_schema()::regnamespace"
)


class RolesRefused(Exception):
    """This login may not make the roles; the text holds what a superuser has to run instead."""


def roles_made(target: PostgresUrl) -> bool:
    """Whether the tables belong to `tt_owner`, in whose name this login acts. Blocking.

    Raises
    ------
    DatabaseUnreachable
        If the server does not answer.
    """

    async def ask(connection: asyncpg.Connection) -> bool:
        return bool(await connection.fetchval(_OWNED, OWNER))

    return asyncio.run(_connected(target, ask))


def make_roles(target: PostgresUrl, app_url: PostgresUrl | None = None) -> None:
    """Make the roles, hand the tables to their owner and grant exactly what each needs. Blocking; all or nothing.

    Parameters
    ----------
    app_url : PostgresUrl, optional
        The URL that the service will have: its login is made with its password, a member of `tt_app` alone.

    Raises
    ------
    RolesRefused
        If this login may not.
    DatabaseUnreachable
        If the server does not answer.
    """

    async def make(connection: asyncpg.Connection) -> bool:
        try:
            async with connection.transaction():
                await connection.execute(_LOCK)
                # What waits for a lock holds up whoever comes after it, the service first.
                await connection.execute("SET LOCAL lock_timeout = '2s'")
                await _make(connection)
                if app_url is not None:
                    await _make_login(connection, app_url)
        except asyncpg.LockNotAvailableError:
            raise DatabaseUnreachable("the tables are in use, by a dump perhaps: repeat `trimtab migrate`") from None
        except asyncpg.InsufficientPrivilegeError as error:
            raise RolesRefused(await _remedy(connection, str(error))) from None
        return True

    asyncio.run(_connected(target, make))


async def _connected(target: PostgresUrl, work: Callable[[asyncpg.Connection], Awaitable[bool]]) -> bool:
    try:
        connection = await asyncpg.connect(target.dsn, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnreachable(f"{target}: {redact(str(error)) or type(error).__name__}") from None
    try:
        return await work(connection)
    finally:
        await connection.close()


async def _make(connection: asyncpg.Connection) -> None:
    known = {row[0] for row in await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname LIKE 'tt\\_%'")}
    for role in ROLES:
        if role not in known:
            await connection.execute(_CREATE.format(role=role))
    newer = connection.get_server_version().major >= 16
    for role, member in ((OWNER, await connection.fetchval("SELECT quote_ident(current_user)")), (APP, RETENTION)):
        if not await connection.fetchval(f"SELECT pg_has_role('{member}', '{role}', 'USAGE')"):
            await connection.execute(f"GRANT {role} TO {member}{' WITH INHERIT TRUE, SET TRUE' if newer else ''}")
    schema = await connection.fetchval("SELECT quote_ident(current_schema())")
    await connection.execute(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {OWNER}")
    await connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {APP}, {READER}")
    tables = await connection.fetch(_TABLES)
    for name, _, owner in tables:
        if owner != OWNER:  # it would lock the table, whoever owns it
            await connection.execute(f"ALTER TABLE {name} OWNER TO {OWNER}")
        await connection.execute(f"REVOKE ALL ON {name} FROM PUBLIC, {APP}, {RETENTION}, {READER}")
    for row in await connection.fetch(_FUNCTIONS):
        await connection.execute(f"ALTER FUNCTION {row[0]} OWNER TO {OWNER}")
        await connection.execute(f"REVOKE ALL ON FUNCTION {row[0]} FROM PUBLIC, {APP}, {RETENTION}, {READER}")
    for name in (name for name, partition, _ in tables if not partition):
        await connection.execute(f"GRANT SELECT ON {name} TO {READER}")
        await connection.execute(f"GRANT {APP_RIGHTS.get(name, 'SELECT')} ON {name} TO {APP}")
    for role, functions in ((APP, APP_FUNCTIONS), (RETENTION, RETENTION_FUNCTIONS)):
        for function in functions:
            await connection.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {role}")
    policies = {row[0] for row in await connection.fetch(_KNOWN_POLICIES)}
    if policies == _POLICIES.keys():
        return
    await connection.execute("ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY")
    for name, rule in _POLICIES.items():
        await connection.execute(f"DROP POLICY IF EXISTS {name} ON idempotency")
        await connection.execute(f"CREATE POLICY {name} ON idempotency {rule}")


async def _make_login(connection: asyncpg.Connection, url: PostgresUrl) -> None:
    parts = urlsplit(url.dsn)
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not name or not password:
        raise RolesRefused("the URL of the service must name a login and its password")
    known = await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", name)
    if name == await connection.fetchval("SELECT current_user"):
        raise RolesRefused("the URL of the service must name another login than that of the migration")
    # A password is no parameter of a statement: the server quotes it.
    text = await connection.fetchval("SELECT format('%I LOGIN PASSWORD %L', $1::text, $2::text)", name, password)
    await connection.execute(f"{'ALTER' if known else 'CREATE'} ROLE {text}")
    quoted = await connection.fetchval("SELECT quote_ident($1)", name)
    await connection.execute(f"GRANT {APP} TO {quoted}")


async def _remedy(connection: asyncpg.Connection, reason: str) -> str:
    login = await connection.fetchval("SELECT quote_ident(current_user)")
    statements = [*(f"CREATE ROLE {role} NOLOGIN;" for role in ROLES), f"GRANT {APP} TO {RETENTION};"]
    statements.append(f"GRANT {OWNER} TO {login};")
    return f"{redact(reason)}. A superuser can run this once, then repeat the command: {' '.join(statements)}"
