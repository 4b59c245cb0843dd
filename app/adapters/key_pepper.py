"""The pepper of API keys: a file of 64 hexadecimal digits that nobody else may read."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from pathlib import Path

from app.adapters.secret_file import SecretRefused, read_secret, write_secret

WHAT = "the pepper of API keys"
BYTES = 32
_HEX = re.compile(rb"[0-9a-fA-F]{64,256}\s*\Z")


class FilePepper:
    """`app.key_port.Pepper` of a file."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def digest(self, key: str) -> bytes:
        """HMAC-SHA256 of the whole text of a key."""
        return self._mac(b"bearer", key)

    def signing_secret(self, key_id: str) -> bytes:
        """Secret of a key that signs by HMAC."""
        return self._mac(b"signing", key_id)

    def _mac(self, purpose: bytes, text: str) -> bytes:
        return hmac.digest(self._secret, purpose + b"\0" + text.encode(), hashlib.sha256)


def open_pepper(path: Path | None, *, keys_exist: bool) -> FilePepper | None:
    """Pepper of a file; a new one where there is none and no key needs the old one. None where no file is named.

    Raises
    ------
    SecretRefused
        If it cannot be used, or is missed: a new one would open no key that exists.
    """
    if path is None:
        return None
    if not path.exists():
        if keys_exist:
            raise SecretRefused(
                f"{WHAT} {path} is missing, and the keys in the database are worth nothing without it: put it back, or "
                "name it in TRIMTAB_KEY_PEPPER_FILE"
            )
        write_secret(path, secrets.token_hex(BYTES).encode() + b"\n", WHAT)
    raw = read_secret(path, WHAT)
    if not _HEX.match(raw):
        raise SecretRefused(f"{path} holds no {WHAT.removeprefix('the ')}: 64 hexadecimal digits, openssl rand -hex 32")
    return FilePepper(bytes.fromhex(raw.decode()))
