"""Ed25519 signatures of oracle prices: the exact bytes that are signed.

The core never sees a signature: it is told the fingerprint of a key, or that something was wrong.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal

from app.translate.answer import time_text

DOMAIN = "trimtab/oracle/v1"
"""First line of every message: a signature made for something else is none here."""
FINGERPRINT_DIGITS = 32


def signed_message(
    *, symbol: str, source: str, currency: str, price: Decimal, confidence: Decimal, as_of: datetime
) -> bytes:
    r"""Bytes that a source signs: seven lines of ASCII, each ended by a line feed.

    Parameters
    ----------
    price, confidence : Decimal
        Written with the digits that were sent: "64000.50" keeps its last zero.
    as_of : datetime
        Written in UTC with six decimals and Z.

    Notes
    -----
    No field can hold a line feed, so that no two observations share a message. What the caller knows of a source
    (upstream, heartbeat, deviation) is not signed: it is the caller's policy.

    Examples
    --------
    >>> from datetime import UTC
    >>> moment = datetime(2026, 11, 20, 0, 0, 5, tzinfo=UTC)
    >>> fields = {"symbol": "BTC-USD", "source": "desk", "currency": "USD", "as_of": moment}
    >>> signed_message(price=Decimal("64000.50"), confidence=Decimal(0), **fields)
    b'trimtab/oracle/v1\nBTC-USD\ndesk\nUSD\n64000.50\n0\n2026-11-20T00:00:05.000000Z\n'
    """
    lines = (DOMAIN, symbol, source, currency, f"{price:f}", f"{confidence:f}", time_text(as_of))
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def fingerprint(key: bytes) -> str:
    """First 32 hexadecimal digits of SHA-256 of a public key (32 bytes)."""
    return hashlib.sha256(key).hexdigest()[:FINGERPRINT_DIGITS]
