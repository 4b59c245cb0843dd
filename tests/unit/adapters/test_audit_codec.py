"""The stored body gives back exactly what went in, or says that it is damaged."""

import hashlib
import struct

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.audit_codec import DICTIONARY, decode_body, dictionary_path, encode_body, event_id_text, event_uuid
from app.ports import AuditDamaged
from tests.support.audit import event_id, record

PUBLISHED = {"audit_dictionary_1.zdict": "d6d6cceea812def08d2bef214a882da92b8662058396561fc169f9e0151b5dfe"}
SECTIONS = st.tuples(*[st.binary(max_size=2000)] * 4)


def body_of(sections: tuple[bytes, bytes, bytes, bytes]) -> bytes:
    """The layout as the module's text describes it, written a second time."""
    return b"".join(struct.pack(">I", len(part)) for part in sections) + b"".join(sections)


def dictionary(number: int) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(dictionary_path(number).read_bytes())


def packed(body: bytes) -> bytes:
    return b"\x01" + zstandard.ZstdCompressor(dict_data=dictionary(1)).compress(body)


def unpacked(blob: bytes) -> bytes:
    return zstandard.ZstdDecompressor(dict_data=dictionary(blob[0])).decompress(blob[1:])


def test_published_dictionaries_never_change() -> None:
    """What was stored with a dictionary can be read with this very dictionary only."""
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in dictionary_path(1).parent.glob("*.zdict")
    }
    assert digests == PUBLISHED
    assert dictionary_path(DICTIONARY).name in digests


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
    assert unpacked(encoded.blob) == body


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
    with pytest.raises(AuditDamaged, match="length 1000"):
        decode_body(packed(bytes(50_000_000)), bytes(32), 1000)


@pytest.mark.parametrize(
    "blob", [b"", b"\x01", b"\x01not a frame", b"\x01" + bytes(40), b"\xee" + packed(b"a" * 10)[1:]]
)
def test_what_is_no_body_is_damage(blob: bytes) -> None:
    with pytest.raises(AuditDamaged, match="stored body"):
        decode_body(blob, hashlib.sha256(b"a" * 10).digest(), 10)


def test_lengths_that_do_not_add_up_are_damage() -> None:
    body = struct.pack(">4I", 1, 1, 1, 9) + b"abc"
    with pytest.raises(AuditDamaged, match="lengths"):
        decode_body(packed(body), hashlib.sha256(body).digest(), len(body))


@pytest.mark.parametrize("body", [b"", b"abc"])
def test_a_body_shorter_than_its_header_is_damage(body: bytes) -> None:
    with pytest.raises(AuditDamaged, match="stored body"):
        decode_body(packed(body), hashlib.sha256(body).digest(), len(body))


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
