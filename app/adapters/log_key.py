"""The key that signs the heads of the log: a PEM file that nobody else may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from app.log_ports import LogTree
from services.audit.note import ED25519, VerifierKey


class LogKeyRefused(Exception):
    """The key of the log cannot be used; the text names the remedy, and nothing of the key."""


class FileSigner:
    """`app.log_ports.LogSigner` of a file."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def public(self, name: str) -> VerifierKey:
        """The public key under the name of the log."""
        return VerifierKey(name, ED25519, self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature."""
        return self._key.sign(message)


def load_signer(path: Path, *, create: bool, name: str = "the log key") -> FileSigner:
    """Signer of a key file; `create` makes a new one where there is none. `name` is what messages call it.

    Raises
    ------
    LogKeyRefused
        If there is none, others may read it, or it holds something else.
    """
    if create and not path.exists():
        _write_new(path)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        raw = path.read_bytes()
    except OSError as error:
        raise LogKeyRefused(f"{name} {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise LogKeyRefused(f"{name} {path} can be read by others (mode {mode:04o}): chmod 600 {path}")
    try:
        key = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise LogKeyRefused(_not_a_key(path)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise LogKeyRefused(_not_a_key(path))
    return FileSigner(key)


async def open_signer(path: Path | None, tree: LogTree) -> FileSigner | None:
    """Signer of a log: the key of the file, which must be the one that the log was signed with so far.

    A new log takes the key that it finds, or a new one; None where no file is named.

    Raises
    ------
    LogKeyRefused
        If the key cannot be used, or is not that of the log.
    """
    if path is None:
        return None
    head = await tree.head()
    signer = load_signer(path, create=head.verifier_key is None)
    mine = signer.public(head.origin).text()
    if (known := await tree.adopt_key(mine)) != mine:
        raise LogKeyRefused(f"the log is signed with the key {known}, and {path} holds another: put that key there")
    return signer


def _not_a_key(path: Path) -> str:
    return f"{path} holds no Ed25519 key in PEM without a password: openssl genpkey -algorithm ed25519 -out {path}"


def _write_new(path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return  # another process was faster; its key is the one
    except OSError as error:
        raise LogKeyRefused(f"the log key {path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
