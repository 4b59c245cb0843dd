"""A log on a server with small partitions."""

from __future__ import annotations

import asyncpg

from app.adapters.database_url import PostgresUrl, parse_database_url


async def shrink(url: str, rows: int) -> None:
    """Give an empty log partitions of so many entries each, as its owner can."""
    target = parse_database_url(url)
    assert isinstance(target, PostgresUrl)
    server = await asyncpg.connect(target.dsn)
    try:
        for table in ("audit_entry", "audit_body"):
            for row in await server.fetch(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::regclass", table
            ):
                await server.execute(f"DROP TABLE {row[0]}")
        await server.execute("UPDATE log_head SET room = 0, partition_rows = $1", rows)
        await server.fetch("SELECT audit_extend(0)")
    finally:
        await server.close()
