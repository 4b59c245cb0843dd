"""Ed25519 signatures of prices: the vectors of RFC 8032, the exact message, weak keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.oracle_examples import AS_OF, SIGNED
from app.oracle_signatures import fingerprint, signed_message
from app.signatures import _WEAK, is_signed, is_weak

VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
"""RFC 8032 §7.1, TEST 1 to 3."""
FIELDS: dict[str, Any] = {
    "symbol": "BTC-USD",
    "source": "desk",
    "currency": "USD",
    "price": Decimal("20318.20"),
    "confidence": Decimal("2.5"),
    "as_of": datetime.fromisoformat(AS_OF),
}
PRIME = 2**255 - 19


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_vectors_of_the_standard(key: str, message: str, signature: str) -> None:
    parts = bytes.fromhex(key), bytes.fromhex(signature), bytes.fromhex(message)
    assert is_signed(*parts)
    assert not is_signed(parts[0], parts[1], parts[2] + b"x")
    assert not is_signed(parts[0], bytes(64), parts[2])
    assert not is_signed(bytes([parts[0][0] ^ 1]) + parts[0][1:], parts[1], parts[2])


def test_nonsense_is_no_signature_and_no_error() -> None:
    for key in (b"\xff" * 32, bytes(range(32)), b"short", b""):
        assert not is_signed(key, bytes(64), b"")
    assert not is_signed(bytes.fromhex(VECTORS[0][0]), b"short", b"")


def test_the_message_is_seven_lines() -> None:
    assert signed_message(**FIELDS) == (
        b"trimtab/oracle/v1\nBTC-USD\ndesk\nUSD\n20318.20\n2.5\n2023-03-11T07:17:00.000000Z\n"
    )
    elsewhere = FIELDS["as_of"].astimezone(timezone(timedelta(hours=9)))
    assert signed_message(**{**FIELDS, "as_of": elsewhere}) == signed_message(**FIELDS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("symbol", "ETH-USD"),
        ("source", "relay"),
        ("currency", "USDC"),
        ("price", Decimal("20318.2")),
        ("confidence", Decimal("2.50")),
        ("as_of", datetime(2023, 3, 11, 7, 17, 0, 1, tzinfo=UTC)),
    ],
)
def test_every_field_is_signed(field: str, value: object) -> None:
    secret = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key, signature = secret.public_key().public_bytes_raw(), secret.sign(signed_message(**FIELDS))
    assert is_signed(key, signature, signed_message(**FIELDS))
    assert not is_signed(key, signature, signed_message(**{**FIELDS, field: value}))


def test_the_signature_of_the_example_is_made_by_the_key_of_the_standard() -> None:
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    made = Ed25519PrivateKey.from_private_bytes(secret).sign(signed_message(**FIELDS)).hex()
    assert SIGNED["oracles"][0]["observations"][0]["signature"]["signature"] == made


def doubled(y: int, sign: int) -> tuple[int, int] | None:
    """Point of an encoding doubled three times on the curve of RFC 8032 §5.1; None where there is no such point."""
    d = -121665 * pow(121666, -1, PRIME) % PRIME
    square = (y * y - 1) * pow(d * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    if (x * x - square) % PRIME:
        return None
    if x % 2 != sign:
        x = -x % PRIME
    for _ in range(3):
        product = d * x * x * y * y
        x, y = (
            2 * x * y * pow(1 + product, -1, PRIME) % PRIME,
            (y * y + x * x) * pow(1 - product, -1, PRIME) % PRIME,
        )
    return x, y


@pytest.mark.parametrize("y", sorted(_WEAK))
@pytest.mark.parametrize("sign", [0, 1])
def test_the_weak_keys_are_the_points_of_small_order(y: int, sign: int) -> None:
    assert doubled(y, sign) == (0, 1), "eight times the point is the neutral one"
    assert is_weak((y | sign << 255).to_bytes(32, "little"))
    if y + PRIME < 2**255:
        assert is_weak((y + PRIME | sign << 255).to_bytes(32, "little")), "the same point, spelled otherwise"


def test_a_usual_key_is_not_weak() -> None:
    key = bytes.fromhex(VECTORS[0][0])
    assert doubled(int.from_bytes(key, "little") & (2**255 - 1), key[31] >> 7) != (0, 1)
    assert not is_weak(key)


def test_a_forgery_under_a_weak_key_is_refused_though_the_library_takes_it() -> None:
    """R of order 1 and S = 0 fit every message under the neutral key."""
    neutral = (1).to_bytes(32, "little")
    forged = neutral + bytes(32)
    Ed25519PublicKey.from_public_bytes(neutral).verify(forged, b"anything")
    assert not is_signed(neutral, forged, b"anything")


def test_fingerprints_tell_keys_apart() -> None:
    found = {fingerprint(bytes.fromhex(key)) for key, _, _ in VECTORS}
    assert len(found) == 3 and {len(text) for text in found} == {32}
