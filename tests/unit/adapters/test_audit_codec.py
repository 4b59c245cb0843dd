"""The stored body gives back exactly what went in, or says that it is damaged."""

import hashlib
import struct

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.audit_codec import decode_body, encode_body, event_id_text, event_uuid
from app.ports import AuditDamaged
from tests.support.audit import event_id, record

SECTIONS = st.tuples(*[st.binary(max_size=2000)] * 4)


def body_of(sections: tuple[bytes, bytes, bytes, bytes]) -> bytes:
    """The layout as the module's text describes it, written a second time."""
    return b"".join(struct.pack(">I", len(part)) for part in sections) + b"".join(sections)


@given(SECTIONS)
def test_sections_come_back_exactly(sections: tuple[bytes, bytes, bytes, bytes]) -> None:
    request, response, state, versions = sections
    encoded = encode_body(record(request=request, response=response, state=state, versions=versions))
    assert decode_body(encoded.blob, encoded.sha256, encoded.length) == sections


@given(SECTIONS)
def test_layout_is_the_documented_one(sections: tuple[bytes, bytes, bytes, bytes]) -> None:
    request, response, state, versions = sections
    encoded = encode_body(record(request=request, response=response, state=state, versions=versions))
    body = body_of(sections)
    assert (encoded.sha256, encoded.length) == (hashlib.sha256(body).digest(), len(body))
    assert encoded.blob[0] == 1
    assert zstandard.ZstdDecompressor().decompress(encoded.blob[1:]) == body


def test_no_changed_byte_goes_unnoticed() -> None:
    encoded = encode_body(record(request=b"request" * 9, response=bytes(range(256)), state=b"state"))
    for place in range(len(encoded.blob)):
        changed = bytearray(encoded.blob)
        changed[place] ^= 0x40
        try:
            sections = decode_body(bytes(changed), encoded.sha256, encoded.length)
        except AuditDamaged:
            continue
        # A bit of the frame that carries no content (an unused flag) may change; the content may not.
        assert sections == decode_body(encoded.blob, encoded.sha256, encoded.length)


def test_a_frame_that_claims_to_be_huge_is_not_unpacked() -> None:
    bomb = b"\x01" + zstandard.ZstdCompressor().compress(bytes(50_000_000))
    with pytest.raises(AuditDamaged):
        decode_body(bomb, bytes(32), 1000)


@pytest.mark.parametrize("blob", [b"", b"\x00abc", b"\x02" + b"x" * 20, b"\x01not a frame"])
def test_unknown_formats_are_damage(blob: bytes) -> None:
    with pytest.raises(AuditDamaged, match="stored body"):
        decode_body(blob, bytes(32), 10)


def test_lengths_that_do_not_add_up_are_damage() -> None:
    body = struct.pack(">4I", 1, 1, 1, 9) + b"abc"
    blob = b"\x01" + zstandard.ZstdCompressor().compress(body)
    with pytest.raises(AuditDamaged, match="lengths"):
        decode_body(blob, hashlib.sha256(body).digest(), len(body))


@given(st.integers(0, 2**128 - 1))
def test_event_ids_and_uuids_are_one_to_one(number: int) -> None:
    value = event_uuid(event_id(number))
    assert value is not None
    assert value.int == number
    assert event_id_text(value) == event_id(number)


@pytest.mark.parametrize(
    "text", ["", "ev_", "ev_" + "0" * 31, "ev_" + "0" * 33, "ev_" + "A" * 32, "pf_" + "0" * 32, "ev_" + "0" * 32 + "\n"]
)
def test_other_texts_are_no_event_ids(text: str) -> None:
    assert event_uuid(text) is None
