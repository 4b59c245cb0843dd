"""Signatures as the core wants them: whether one holds, also under a key that anybody may have named."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from services.audit.note import KEY_BYTES, MLDSA_COSIGNATURE

_FIELD = 2**255 - 19
_ORDER_EIGHT = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_WEAK = frozenset({0, 1, _FIELD - 1, _ORDER_EIGHT, _FIELD - _ORDER_EIGHT})
"""y of the points of order 1, 2, 4 and 8: under such a key anybody can sign. All zeros, a usual placeholder, is one."""


def check_signature(public: bytes, signed: bytes, message: bytes) -> bool:
    """Whether a signature is valid: ML-DSA-44 (FIPS 204) for a key of 1,312 bytes, else Ed25519 (RFC 8032).

    Where the library underneath has no ML-DSA no such signature is valid.
    """
    try:
        if len(public) == KEY_BYTES[MLDSA_COSIGNATURE]:
            MLDSA44PublicKey.from_public_bytes(public).verify(signed, message)
        else:
            Ed25519PublicKey.from_public_bytes(public).verify(signed, message)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
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
    return not is_weak(key) and check_signature(key, signature, message)
