"""Signatures as the core wants them: a function from key, signature and message to whether it holds."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from services.audit.note import KEY_BYTES, MLDSA_COSIGNATURE


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
