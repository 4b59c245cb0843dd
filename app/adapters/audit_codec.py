"""Body of an audit entry as stored: four byte strings in one compressed block, bound by one digest.

Body (hashed)::

    4 lengths, unsigned 32 bit, big endian | request | response | state | versions

Blob (stored)::

    1 byte format | content;  format 1: one Zstandard frame (RFC 8878)

The digest is taken over the uncompressed body: a later format may compress differently without changing what was
recorded.
"""

from __future__ import annotations

import hashlib
import re
import struct
import threading
import uuid
from dataclasses import dataclass

import zstandard

from app.ports import AuditDamaged, AuditRecord

FORMAT_ZSTD = 1
LEVEL = 3
MAX_BODY_BYTES = 64 * 1024 * 1024
"""Far above request cap plus answer; bounds what a damaged frame can make us allocate."""

_LENGTHS = struct.Struct(">4I")
_EVENT_ID = re.compile(r"ev_([0-9a-f]{32})\Z", re.ASCII)
_local = threading.local()


@dataclass(frozen=True, slots=True)
class EncodedBody:
    """Stored form of a body: `sha256` (32 bytes) and `length` are those of the uncompressed body."""

    sha256: bytes
    length: int
    blob: bytes


def encode_body(record: AuditRecord) -> EncodedBody:
    """Body of a record, ready to store. About 5 µs a kilobyte; hashing and compression release the interpreter lock.

    Raises
    ------
    ValueError
        If it exceeds `MAX_BODY_BYTES`.
    """
    sections = (record.request, record.response, record.state, record.versions)
    body = b"".join((_LENGTHS.pack(*map(len, sections)), *sections))
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"audit body: must be at most {MAX_BODY_BYTES} bytes; found {len(body)}")
    return EncodedBody(hashlib.sha256(body).digest(), len(body), bytes((FORMAT_ZSTD,)) + _compressor().compress(body))


def decode_body(blob: bytes, sha256: bytes, length: int) -> tuple[bytes, bytes, bytes, bytes]:
    """Request, response, state and versions, exactly as recorded.

    Raises
    ------
    AuditDamaged
        If the format is unknown, or the body does not have the recorded length and digest.
    """
    if blob[:1] != bytes((FORMAT_ZSTD,)):
        raise AuditDamaged(f"stored body: unknown format {blob[:1].hex()!r}")
    try:
        body = zstandard.ZstdDecompressor().decompress(blob[1:], max_output_size=min(length, MAX_BODY_BYTES) or 1)
    except zstandard.ZstdError as error:
        raise AuditDamaged(f"stored body: {error}") from None
    if len(body) != length or hashlib.sha256(body).digest() != sha256:
        raise AuditDamaged("stored body: does not match its recorded SHA-256")
    return _sections(body)


def _sections(body: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    first, second, third, fourth = _LENGTHS.unpack_from(body)
    a = _LENGTHS.size
    b, c, d = a + first, a + first + second, a + first + second + third
    if d + fourth != len(body):
        raise AuditDamaged("stored body: section lengths do not add up")
    return body[a:b], body[b:c], body[c:d], body[d:]


def _compressor() -> zstandard.ZstdCompressor:
    """One compressor a thread: they are expensive to make and not safe to share."""
    compressor: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=LEVEL)
    return compressor


def event_uuid(event_id: str) -> uuid.UUID | None:
    """UUID of an event id; None if the text is not one.

    Examples
    --------
    >>> event_uuid("ev_01a1fb67180070008000000000000001")
    UUID('01a1fb67-1800-7000-8000-000000000001')
    >>> event_uuid("ev_1") is None
    True
    """
    match = _EVENT_ID.match(event_id)
    return uuid.UUID(hex=match[1]) if match else None


def event_id_text(value: uuid.UUID) -> str:
    """Event id of a UUID, the inverse of `event_uuid`."""
    return f"ev_{value.hex}"
