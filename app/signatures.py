"""Ed25519: whether a signature holds, as the core wants it, and under a key that anybody may have named."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_FIELD = 2**255 - 19
_ORDER_EIGHT = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_WEAK = frozenset({0, 1, _FIELD - 1, _ORDER_EIGHT, _FIELD - _ORDER_EIGHT})
"""y of the points of order 1, 2, 4 and 8: under such a key anybody can sign. All zeros, a usual placeholder, is one."""


def check_signature(public: bytes, signed: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature is valid (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signed, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_weak(key: bytes) -> bool:
    """Whether a public key (32 bytes) is of small order, under which anybody can sign.

    Examples
    --------
    >>> is_weak(bytes(32)), is_weak(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
    (True, False)
    """
    return (int.from_bytes(key, "little") & (2**255 - 1)) % _FIELD in _WEAK


def is_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature (64 bytes) of a message is good under a key (32 bytes); never raises (RFC 8032 §5.1.7)."""
    if is_weak(key):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
