"""Metadata with named constraints, and column types that mean the same on PostgreSQL and on strict SQLite tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, DateTime, Integer, LargeBinary, MetaData, SmallInteger, Text, Uuid
from sqlalchemy.dialects import sqlite

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    }
)

_INTEGER = sqlite.INTEGER()

Small = SmallInteger().with_variant(_INTEGER, "sqlite")
Int = Integer().with_variant(_INTEGER, "sqlite")
Big = BigInteger().with_variant(_INTEGER, "sqlite")
String = Text()
Bytes = LargeBinary()
Moment = DateTime(timezone=True).with_variant(_INTEGER, "sqlite")
"""Point in time; in SQLite, microseconds since 1970 UTC."""
EventId = Uuid().with_variant(sqlite.BLOB(), "sqlite")
"""UUID; in SQLite, its 16 bytes."""
