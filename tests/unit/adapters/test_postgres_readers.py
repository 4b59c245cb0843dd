"""A read that is cut off at its deadline is refused by name, whatever the driver makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest

from app.adapters import postgres_connection
from app.adapters.postgres_connection import PostgresReaders
from app.ports import AuditUnavailable


class CutOff:
    """A connection that is ended while it waits, and then misses its protocol, as the driver's does."""

    def __init__(self, *, closed: bool) -> None:
        self._closed = closed
        self.ended = asyncio.Event()

    def terminate(self) -> None:
        self.ended.set()

    def is_closed(self) -> bool:
        return self._closed and self.ended.is_set()

    async def fetch(self, *_: object) -> None:
        await self.ended.wait()
        raise AttributeError("'NoneType' object has no attribute 'bind_execute'")


class Pool:
    """A pool of one."""

    def __init__(self, connection: CutOff) -> None:
        self._connection = connection

    @asynccontextmanager
    async def acquire(self, *, timeout: float) -> AsyncIterator[CutOff]:
        yield self._connection


def readers(*, closed: bool) -> PostgresReaders:
    return PostgresReaders(cast(asyncpg.Pool, Pool(CutOff(closed=closed))))


async def test_a_read_that_is_cut_off_between_two_messages_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "READ_SECONDS", 0.02)
    with pytest.raises(AuditUnavailable, match="did not answer in time"):
        await readers(closed=True).fetch("SELECT 1")


async def test_a_defect_of_ours_is_not_taken_for_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "READ_SECONDS", 0.02)
    found: Any = readers(closed=False)
    with pytest.raises(AttributeError):
        await found.fetch("SELECT 1")
