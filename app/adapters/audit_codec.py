"""Body of an audit entry as stored: four byte strings in one compressed block, bound by one digest.

The body, which is hashed, is that of `services.audit.body`. Blob (stored)::

    1 byte number of the dictionary, 0 for the base that is named beside it | Zstandard frame (RFC 8878), with its
    content size

The digest is taken over the uncompressed body: a later format may compress differently without changing what was
recorded.
"""

from __future__ import annotations

import hashlib
import re
import threading
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import zstandard

from app.adapters.audit_bases import Base, Bases
from app.ports import AuditDamaged, AuditRecord
from services.audit.body import Body
from services.core.errors import InvalidInput

DICTIONARY = 1
"""Dictionary for new bodies (`scripts.train_audit_dictionary`). Former ones stay beside it: old bodies need them."""
ON_BASE = 0
"""In its place: the frame needs the base of the body (`app.adapters.audit_bases`)."""
LEVEL = 3
MAX_BODY_BYTES = 64 * 1024 * 1024
"""Far above request cap plus answer; bounds what a damaged frame can make us allocate."""

_EVENT_ID = re.compile(r"ev_([0-9a-f]{32})\Z", re.ASCII)
_local = threading.local()


@dataclass(frozen=True, slots=True)
class EncodedBody:
    """Stored form of a body: `sha256` (32 bytes) and `length` are those of the uncompressed body.

    `request_sha256` and `response_sha256` are those of two of its sections; `base` is what it takes to read `blob`.
    """

    sha256: bytes
    request_sha256: bytes
    response_sha256: bytes
    length: int
    blob: bytes
    base: Base | None = None


def encode_body(record: AuditRecord, bases: Bases | None = None) -> EncodedBody:
    """Body of a record, ready to store. About 15 µs a kilobyte whole, 2 µs on a base; hashing and compression release
    the interpreter lock.

    Raises
    ------
    ValueError
        If it exceeds `MAX_BODY_BYTES`.
    """
    sections = (record.request, record.response, record.state, record.versions)
    body = Body(*sections).packed()
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"audit body: must be at most {MAX_BODY_BYTES} bytes; found {len(body)}")
    whole, request, response = (hashlib.sha256(item).digest() for item in (body, record.request, record.response))
    family = (record.tenant_id, record.kind)
    if bases and (found := bases.compress(family, record.portfolio_id, body, whole, record.recorded_at)):
        base, frame = found
        return EncodedBody(whole, request, response, len(body), bytes((ON_BASE,)) + frame, base)
    return EncodedBody(whole, request, response, len(body), bytes((DICTIONARY,)) + _compressor().compress(body))


def decode_body(blob: bytes, sha256: bytes, length: int, base: bytes | None = None) -> Body:
    """Request, response, state and versions, exactly as recorded; `base` is the body that this one was stored on.

    Raises
    ------
    AuditDamaged
        If its dictionary is unknown, or it does not give a body of the recorded length and digest.
    """
    frame = blob[1:]
    try:
        # The driver would allocate whatever the frame claims: compare before.
        if zstandard.frame_content_size(frame) != length:
            raise AuditDamaged(f"stored body: its frame does not claim the recorded length {length}")
        body = _decompressor(blob[0], base).decompress(frame)
    except FileNotFoundError:
        raise AuditDamaged(f"stored body: unknown dictionary {blob[0]}") from None
    except zstandard.ZstdError as error:
        raise AuditDamaged(f"stored body: {error}") from None
    if len(body) != length or hashlib.sha256(body).digest() != sha256:
        raise AuditDamaged("stored body: does not match its recorded SHA-256")
    return _sections(body)


def body_digest(blob: bytes, length: int, base: bytes | None = None) -> bytes:
    """Digest of a stored body as it is now; empty for one that cannot be read any more."""
    try:
        if zstandard.frame_content_size(blob[1:]) != length:
            return b""
        return hashlib.sha256(_decompressor(blob[0], base).decompress(blob[1:])).digest()
    except (AuditDamaged, IndexError, FileNotFoundError, zstandard.ZstdError):
        return b""


def _sections(body: bytes) -> Body:
    try:
        return Body.unpacked(body)
    except InvalidInput as error:
        raise AuditDamaged(f"stored body: {error}") from None


def dictionary_path(number: int) -> Path:
    """File of a dictionary."""
    return Path(__file__).with_name(f"audit_dictionary_{number}.zdict")


@lru_cache
def _dictionary(number: int) -> zstandard.ZstdCompressionDict:
    dictionary = zstandard.ZstdCompressionDict(dictionary_path(number).read_bytes())
    dictionary.precompute_compress(LEVEL)
    return dictionary


def _compressor() -> zstandard.ZstdCompressor:
    """One compressor a thread: they are expensive to make and not safe to share."""
    compressor: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=_dictionary(DICTIONARY))
    return compressor


def _decompressor(number: int, base: bytes | None) -> zstandard.ZstdDecompressor:
    """One decompressor a thread and dictionary, or one for a base."""
    if number == ON_BASE:
        if base is None:
            raise AuditDamaged("stored body: the chunk that it needs is missing or cannot be read")
        return zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(base, zstandard.DICT_TYPE_RAWCONTENT))
    decompressors: dict[int, zstandard.ZstdDecompressor] = _local.__dict__.setdefault("decompressors", {})
    if number not in decompressors:
        decompressors[number] = zstandard.ZstdDecompressor(dict_data=_dictionary(number))
    return decompressors[number]


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
