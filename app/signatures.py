"""Ed25519 as the core wants it: a function from key, signature and message to whether it holds."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def check_signature(public: bytes, signed: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature is valid (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signed, message)
    except (InvalidSignature, ValueError):
        return False
    return True
