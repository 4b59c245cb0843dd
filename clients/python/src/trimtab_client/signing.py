"""Signed requests: each attempt carries a signature of its own, made by a key that never leaves this process.

A `Signer` is given to a client in the place of an API key::

    Trimtab(url, signer=Signer.ed25519("key_…", Path("trading.pem").read_bytes()))

`Signer.ed25519` needs the extra ``signing`` (`cryptography`); `Signer.hmac` needs nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

KEY_ID, TIMESTAMP, NONCE, SIGNATURE = "Trimtab-Key-Id", "Trimtab-Timestamp", "Trimtab-Nonce", "Trimtab-Signature"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Signer:
    """What signs the requests of one key.

    Parameters
    ----------
    key_id : str
        Of the key, as the service names it.
    sign : callable
        From a message to its signature: a hardware module may stand behind it.
    now_ms : callable
        Clock of the process [ms since 1970].

    Attributes
    ----------
    offset_ms : int
        What the service's clock is ahead, as far as an answer has told.
    """

    key_id: str
    sign: Callable[[bytes], bytes] = field(repr=False)
    now_ms: Callable[[], int] = field(default=_now_ms, repr=False)
    offset_ms: int = 0

    @classmethod
    def ed25519(cls, key_id: str, pem: bytes, password: bytes | None = None) -> Self:
        """Signer of an Ed25519 private key in PEM (``openssl genpkey -algorithm ed25519``).

        Raises
        ------
        ValueError
            If it holds another key.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(pem, password)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"the key must be an Ed25519 private key, found {type(key).__name__}")
        return cls(key_id, key.sign)

    @classmethod
    def hmac(cls, key_id: str, secret: bytes) -> Self:
        """Signer of a secret that the service shares."""
        return cls(key_id, lambda message: hmac.digest(secret, message, "sha256"))

    def headers(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        """Headers that make a signed request of this one, once.

        Parameters
        ----------
        target : str
            Path and query as they are sent.
        """
        milliseconds, nonce = str(self.now_ms() + self.offset_ms), secrets.token_urlsafe(16)
        lines = ("v1", milliseconds, nonce, method, target, hashlib.sha256(body).hexdigest())
        signature = base64.b64encode(self.sign("\n".join(lines).encode("latin-1"))).decode()
        return {KEY_ID: self.key_id, TIMESTAMP: milliseconds, NONCE: nonce, SIGNATURE: signature}

    def hear(self, server_time: str) -> None:
        """Follow the clock of the service, which said that ours differs."""
        told = datetime.fromisoformat(server_time).timestamp()
        self.offset_ms = round(told * 1000) - self.now_ms()
