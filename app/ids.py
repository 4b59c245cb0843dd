"""Identifiers: UUIDv7 behind a prefix, so that ids sort by time."""

from __future__ import annotations

import secrets
from datetime import datetime


def new_id(prefix: str, moment: datetime) -> str:
    """`prefix` and 32 hexadecimal digits of a UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, 74 random bits.

    Examples
    --------
    >>> from datetime import UTC
    >>> new_id("ev", datetime(2026, 11, 21, tzinfo=UTC))[:15]
    'ev_01a1fb671800'
    """
    milliseconds = int(moment.timestamp() * 1000)
    random = secrets.randbits(74)
    value = milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return f"{prefix}_{value:032x}"
