"""Signed requests: nothing but what was signed passes, under Ed25519 and HMAC."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app import request_signature as signing

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SECRET = b"s" * 32
AT = "1790000000000"
KINDS = (signing.ED25519, signing.HMAC_SHA256)
PARTS = ("timestamp", "nonce", "method", "target", "body", "signature")
nonces = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=16, max_size=64)
targets = st.text([chr(code) for code in range(33, 127)], min_size=1, max_size=40).map("/v1/".__add__)
requests = st.tuples(nonces, st.sampled_from(["GET", "POST", "PUT", "DELETE", "WS"]), targets, st.binary(max_size=60))


def verifier(kind: str) -> signing.Verifier:
    public = PRIVATE.public_key().public_bytes_raw()
    return signing.Verifier(kind, public if kind == signing.ED25519 else SECRET)


def signed(kind: str, nonce: str, method: str, target: str, body: bytes) -> bytes:
    """Signature as the specification words it, without the module under test."""
    message = f"v1\n{AT}\n{nonce}\n{method}\n{target}\n{hashlib.sha256(body).hexdigest()}".encode()
    made = PRIVATE.sign(message) if kind == signing.ED25519 else hmac.digest(SECRET, message, "sha256")
    return base64.b64encode(made)


def passes(kind: str, parts: dict[str, bytes]) -> bool:
    """Whether a request of these bytes is let in."""
    headers = [
        (b"trimtab-key-id", b"key_1"),
        (b"trimtab-timestamp", parts["timestamp"]),
        (b"trimtab-nonce", parts["nonce"]),
        (b"trimtab-signature", parts["signature"]),
    ]
    try:
        head = signing.signed_head(headers)
    except signing.BadSignature:
        return False
    assert head is not None
    if signing.skew_ms(head, int(AT), 5000) is not None:
        return False
    target = parts["target"].decode("latin-1")
    return signing.is_signed_by(verifier(kind), head, parts["method"].decode("latin-1"), target, parts["body"])


@given(st.sampled_from(KINDS), requests, st.data())
def test_any_flipped_bit_of_any_part_is_refused(
    kind: str, request: tuple[str, str, str, bytes], data: st.DataObject
) -> None:
    nonce, method, target, body = request
    made = signed(kind, nonce, method, target, body)
    whole = (AT, nonce, method, target, body, made)
    parts = dict(zip(PARTS, (item.encode() if isinstance(item, str) else item for item in whole), strict=True))
    assert passes(kind, parts)
    name = data.draw(st.sampled_from([part for part in PARTS if parts[part]]))
    place = data.draw(st.integers(0, 8 * len(parts[name]) - 1))
    changed = bytearray(parts[name])
    changed[place // 8] ^= 1 << place % 8
    assert not passes(kind, {**parts, name: bytes(changed)})


@given(requests)
def test_a_signature_of_one_kind_is_none_of_the_other(request: tuple[str, str, str, bytes]) -> None:
    nonce, method, target, body = request
    for kind, other in (KINDS, KINDS[::-1]):
        head = signing.head_of("key_1", AT, nonce, signed(kind, nonce, method, target, body).decode())
        assert signing.is_signed_by(verifier(kind), head, method, target, body)
        assert not signing.is_signed_by(verifier(other), head, method, target, body)


def test_the_spare_bits_of_base64_say_nothing_else() -> None:
    made = signed(signing.ED25519, "n" * 16, "GET", "/v1/time", b"").decode()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = made[:85] + alphabet[alphabet.index(made[85]) ^ 1] + "=="
    assert base64.b64decode(twin) == base64.b64decode(made)
    with pytest.raises(signing.BadSignature, match="base64"):
        signing.head_of("key_1", AT, "n" * 16, twin)


@pytest.mark.parametrize("missing", signing.HEADERS)
def test_all_four_headers_or_none(missing: str) -> None:
    whole = dict.fromkeys(signing.HEADERS, b"x")
    pairs = [(name.lower().encode(), value) for name, value in whole.items() if name != missing]
    with pytest.raises(signing.BadSignature, match=missing):
        signing.signed_head(pairs)
    assert signing.signed_head([(b"host", b"x")]) is None
    with pytest.raises(signing.BadSignature, match="once"):
        signing.signed_head([*pairs, pairs[0]])


@pytest.mark.parametrize("key", [bytes(32), b"", b"k" * 31])
def test_a_key_under_which_anybody_could_sign_verifies_nothing(key: bytes) -> None:
    head = signing.head_of("key_1", AT, "n" * 16, base64.b64encode(bytes(64)).decode())
    assert not signing.is_signed_by(signing.Verifier(signing.ED25519, key), head, "GET", "/v1/time", b"")
