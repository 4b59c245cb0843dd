"""What the tree holds of one record: its canonical entry, without any business data.

An entry names digests, never contents: it may be shown to anybody, and stays when the body was pruned. The portfolio
appears as a keyed hash, so that nobody who does not hold the tenant's secret can tell which entries belong together.

`stream_seq` and `stream_prev` chain the entries of one portfolio. The tree alone shows that an entry is present; the
chain shows that none is missing between two of them.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

from services.audit.canonical import canonical
from services.audit.merkle import HASH_BYTES, leaf_hash
from services.core.errors import InvalidInput

ENTRY_VERSION = 2
"""Version 1 had no `fields`; its entries stay as they are."""
FIRST = bytes(HASH_BYTES)
"""`stream_prev` of the first entry of a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One entry of the log.

    Parameters
    ----------
    log : str
        Origin of the log, as its checkpoints name it.
    event_id : str
        Id of the recorded event.
    kind : str
        What was recorded.
    recorded_at : datetime
        Aware.
    status : int
        HTTP status of the answer.
    body_sha256 : bytes
        Digest of the whole body.
    request_sha256, response_sha256 : bytes, optional
        Digests of the request and of the answer without its `audit` member; entries made before there was a tree have
        none.
    fields_sha256 : bytes, optional
        Digest of the field tree of the answer (`services.audit.disclosure`); facts have none.
    body_length : int
        Bytes of the body.
    stream : bytes
        `stream_id` of the portfolio.
    stream_seq : int
        Number of the entry in its stream, from 1.
    stream_prev : bytes
        Leaf hash of the entry before it in its stream; `FIRST` of the first.
    """

    log: str
    event_id: str
    kind: str
    recorded_at: datetime
    status: int
    body_sha256: bytes
    request_sha256: bytes | None
    response_sha256: bytes | None
    fields_sha256: bytes | None
    body_length: int
    stream: bytes
    stream_seq: int
    stream_prev: bytes

    def __post_init__(self) -> None:
        for name in ("body_sha256", "request_sha256", "response_sha256", "fields_sha256", "stream", "stream_prev"):
            value = getattr(self, name)
            if value is not None and len(value) != HASH_BYTES:
                raise InvalidInput(name, f"must be {HASH_BYTES} bytes", len(value))
        if self.stream_seq < 1:
            raise InvalidInput("stream_seq", "must be >= 1", self.stream_seq)
        if (self.stream_seq == 1) != (self.stream_prev == FIRST):
            raise InvalidInput("stream_prev", "must be zero for the first entry of a stream only", self.stream_seq)

    def encoded(self) -> bytes:
        """Canonical bytes: what the leaf hash is taken of."""
        parts = {"fields": self.fields_sha256, "request": self.request_sha256, "response": self.response_sha256}
        return canonical(
            {
                **{name: digest_text(digest) for name, digest in parts.items() if digest is not None},
                "at": moment(self.recorded_at),
                "body": digest_text(self.body_sha256),
                "body_len": self.body_length,
                "id": self.event_id,
                "kind": self.kind,
                "log": self.log,
                "status": self.status,
                "stream": f"hmac-sha256:{self.stream.hex()}",
                "stream_prev": digest_text(self.stream_prev),
                "stream_seq": self.stream_seq,
                "v": ENTRY_VERSION,
            }
        )

    @property
    def leaf(self) -> bytes:
        """Leaf hash."""
        return leaf_hash(self.encoded())


def stream_id(secret: bytes, portfolio_id: str | None) -> bytes:
    """HMAC-SHA-256 of the portfolio under the tenant's secret; entries without a portfolio form one stream.

    Examples
    --------
    >>> stream_id(bytes(32), "pf_main") == stream_id(bytes(32), None)
    False
    """
    name = b"" if portfolio_id is None else b"portfolio:" + portfolio_id.encode()
    return hmac.new(secret, name, hashlib.sha256).digest()


def digest_text(digest: bytes) -> str:
    """Digest as entries write it.

    Examples
    --------
    >>> digest_text(bytes(2))
    'sha256:0000'
    """
    return f"sha256:{digest.hex()}"


def moment(value: datetime) -> str:
    """RFC 3339, UTC, always with microseconds.

    Examples
    --------
    >>> moment(datetime(2026, 11, 20, tzinfo=UTC))
    '2026-11-20T00:00:00.000000Z'
    """
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
