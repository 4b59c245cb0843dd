"""Where the durable store is: ``sqlite:///path`` or ``postgresql://user:password@host/name``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from app.redaction import redact

FORMS = "sqlite:///relative/path.db, sqlite:////absolute/path.db or postgresql+asyncpg://user:password@host:5432/name"
_POSTGRES = re.compile(r"postgres(?:ql)?(?:\+asyncpg)?://", re.ASCII)


class InvalidDatabaseUrl(ValueError):
    """The URL names no store that this program knows. The text holds no password."""


class DatabaseUnreachable(Exception):
    """The database did not answer, or is somebody else's. For the operator; the text holds no password."""


@dataclass(frozen=True, slots=True)
class SqliteUrl:
    """Embedded store in one file."""

    path: Path

    def __str__(self) -> str:
        return f"sqlite:///{self.path}"


@dataclass(frozen=True, slots=True, repr=False)
class PostgresUrl:
    """PostgreSQL server; `dsn` is in the form that asyncpg reads, password included."""

    dsn: str

    def __str__(self) -> str:
        return redact(self.dsn)

    __repr__ = __str__


def parse_database_url(url: str) -> SqliteUrl | PostgresUrl:
    """Store that a URL names.

    Raises
    ------
    InvalidDatabaseUrl
        For any other scheme, and for SQLite in memory, which would lose answered decisions.

    Examples
    --------
    >>> parse_database_url("sqlite:///.run/trimtab.db")
    SqliteUrl(path=PosixPath('.run/trimtab.db'))
    >>> parse_database_url("postgresql+asyncpg://bot:secret@db:5432/trimtab")
    postgresql://bot:***@db:5432/trimtab
    """
    if match := _POSTGRES.match(url):
        # SQLAlchemy's users write ssl=, the driver reads libpq's sslmode=.
        rest = re.sub(
            r"([?&])ssl=(true\b)?",
            lambda found: f"{found[1]}sslmode={'require' if found[2] else ''}",
            url[match.end() :],
        )
        return PostgresUrl(f"postgresql://{rest}")
    if url.startswith("sqlite:///"):
        path = unquote(url.removeprefix("sqlite:///").partition("?")[0])
        if path and path != ":memory:":
            return SqliteUrl(Path(path))
    raise InvalidDatabaseUrl(f"database URL: must be {FORMS}; found {redact(url)}")
