"""The stored body gives back exactly what went in, or says that it is damaged."""

import hashlib
import random
import struct

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.audit_bases import LIFE, Bases, base_body
from app.adapters.audit_codec import (
    DICTIONARY,
    body_digest,
    decode_body,
    dictionary_path,
    encode_body,
    event_id_text,
    event_uuid,
)
from app.ports import AuditDamaged
from tests.support.audit import START, event_id, record

PUBLISHED = {"audit_dictionary_1.zdict": "d6d6cceea812def08d2bef214a882da92b8662058396561fc169f9e0151b5dfe"}
LONG = random.Random(3).randbytes(30_000).hex().encode()
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


@settings(max_examples=60)
@given(st.lists(st.tuples(st.binary(max_size=300), st.integers(0, 40_000), st.booleans()), min_size=2, max_size=8))
def test_bodies_on_a_base_come_back_exactly(bodies: list[tuple[bytes, int, bool]]) -> None:
    """Windows of one long byte string with arbitrary bytes put in: each comes back from its blob and its base alone."""
    bases, stored = Bases(), {}
    for added, place, moved in bodies:
        request = LONG[: place % 20_000] + added + LONG[place % 20_000 : 20_000] if moved else added + LONG[:20_000]
        encoded = encode_body(record(request=request, portfolio_id="pf"), bases)
        if encoded.base is not None:
            stored[encoded.base.sha256] = encoded.base.chunk
        base = base_body(stored[encoded.base.sha256]) if encoded.base else None
        assert decode_body(encoded.blob, encoded.sha256, encoded.length, base)[0] == request
        assert body_digest(encoded.blob, encoded.length, base) == encoded.sha256


def test_the_second_body_of_a_stream_brings_its_base() -> None:
    bases, at = Bases(), START
    first, second, third = (
        encode_body(record(request=LONG[n : n + 20_000], portfolio_id="pf", recorded_at=at), bases) for n in range(3)
    )
    assert first.base is None
    assert second.base is not None and third.base is second.base
    assert len(third.blob) < 0.05 * len(first.blob)
    other = encode_body(record(request=LONG[4:20_004], portfolio_id="pf_b", recorded_at=at), bases)
    assert other.base is second.base, "portfolios of one desk send the same prices"
    foreign = encode_body(record(request=LONG[4:20_004], tenant_id="other", recorded_at=at), bases)
    assert foreign.base is None, "never another tenant's"
    later = encode_body(record(request=LONG[4:20_004], portfolio_id="pf", recorded_at=at + LIFE), bases)
    assert later.base is not None and later.base is not second.base, "the chunk of the former may be gone soon"


def test_bodies_that_share_nothing_have_no_base() -> None:
    bases, rng = Bases(), random.Random(5)
    found = [encode_body(record(request=rng.randbytes(20_000), portfolio_id="pf"), bases) for _ in range(6)]
    assert all(item.base is None for item in found)


def test_a_base_is_replaced_before_it_serves_no_more() -> None:
    """The window moves on by a fortieth at a time: the mean over all bodies stays far below a whole one."""
    bases = Bases()
    found = [encode_body(record(request=LONG[500 * n : 500 * n + 20_000], portfolio_id="pf"), bases) for n in range(40)]
    chunks = {item.base.sha256: len(item.base.chunk) for item in found if item.base}
    assert 2 <= len(chunks) <= 20
    assert sum(chunks.values()) + sum(len(item.blob) for item in found) < 0.4 * len(found) * len(found[0].blob)


def test_a_blob_without_its_base_is_damaged() -> None:
    bases = Bases()
    encoded = [encode_body(record(request=LONG[:20_000], portfolio_id="pf"), bases) for _ in range(2)][1]
    with pytest.raises(AuditDamaged, match="chunk"):
        decode_body(encoded.blob, encoded.sha256, encoded.length)
    for wrong in (b"", LONG[5:15_000]):
        with pytest.raises(AuditDamaged):
            decode_body(encoded.blob, encoded.sha256, encoded.length, wrong)
        assert body_digest(encoded.blob, encoded.length, wrong) != encoded.sha256
    assert base_body(b"no frame") is None
    assert base_body(zstandard.compress(bytes(3 * 1024 * 1024))) is None, "larger than any base"
