"""One process per embedded database file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from app.adapters.database_url import DatabaseUnreachable


class DatabaseInUse(DatabaseUnreachable):
    """Another process holds the database file."""


@contextlib.contextmanager
def file_lock(database: Path) -> Iterator[None]:
    """Hold ``<database>.lock`` for this process; the system frees it however the process ends.

    Raises
    ------
    DatabaseInUse
        If another process (or another opening in this one) holds it.
    """
    descriptor = os.open(database.with_name(database.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            _lock(descriptor)
        except OSError:
            raise DatabaseInUse(
                f"{database} is in use by another process: stop it first, "
                "or run several on a PostgreSQL server that DATABASE_URL names"
            ) from None
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
