"""The key that signs the heads of the log: a PEM file that nobody else may read."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from app.adapters.secret_file import SecretRefused, read_secret, write_secret
from app.log_ports import LogTree
from services.audit.note import COSIGNATURE, ED25519, MLDSA_COSIGNATURE, VerifierKey

WHAT = "the log key"


class LogKeyRefused(Exception):
    """The key of the log cannot be used; the text names the remedy, and nothing of the key."""


class FileSigner:
    """`app.log_ports.LogSigner` of a file, and of another for the key before."""

    def __init__(self, key: Ed25519PrivateKey, former: FileSigner | None = None) -> None:
        self._key, self.former = key, former

    def public(self, name: str) -> VerifierKey:
        """The public key under the name of the log."""
        return VerifierKey(name, ED25519, self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature."""
        return self._key.sign(message)


def load_signer(path: Path, *, create: bool, name: str = "the log key", former: FileSigner | None = None) -> FileSigner:
    """Signer of a key file; `create` makes a new one where there is none. `name` is what messages call it.

    Raises
    ------
    LogKeyRefused
        If there is none, others may read it, or it holds something else.
    """
    if create and not path.exists():
        write_new(path)
    key = _private_key(path, name)
    if not isinstance(key, Ed25519PrivateKey):
        raise LogKeyRefused(_not_a_key(path))
    return FileSigner(key, former)


class FileCosigner:
    """`app.log_ports.LogCosigner` of a file: Ed25519 or ML-DSA-44."""

    def __init__(self, key: Ed25519PrivateKey | MLDSA44PrivateKey) -> None:
        self._key = key

    def public(self, name: str) -> VerifierKey:
        """The public key under a name."""
        kind = COSIGNATURE if isinstance(self._key, Ed25519PrivateKey) else MLDSA_COSIGNATURE
        return VerifierKey(name, kind, self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Signature; those of ML-DSA-44 differ from call to call."""
        return self._key.sign(message)


def load_cosigner(path: Path, *, mldsa: bool = False) -> FileCosigner:
    """Cosigner of a key file; with `mldsa` none but an ML-DSA-44 key will do.

    Raises
    ------
    LogKeyRefused
        If there is none, others may read it, it holds something else, or the library underneath has no ML-DSA.
    """
    key = _private_key(path)
    if isinstance(key, MLDSA44PrivateKey) or (isinstance(key, Ed25519PrivateKey) and not mldsa):
        return FileCosigner(key)
    kinds = "no ML-DSA-44 key" if mldsa else "neither an Ed25519 nor an ML-DSA-44 key"
    raise LogKeyRefused(f"{path} holds {kinds} in PEM without a password: openssl genpkey -algorithm ML-DSA-44")


def _private_key(path: Path, name: str = WHAT) -> object:
    try:
        raw = read_secret(path, name)
    except SecretRefused as error:
        raise LogKeyRefused(str(error)) from None
    try:
        return load_pem_private_key(raw, password=None)
    except UnsupportedAlgorithm as error:
        text = f"the key {path} is of a kind that the cryptographic library of this machine does not have: {error}"
        raise LogKeyRefused(text) from None
    except (ValueError, TypeError):
        raise LogKeyRefused(_not_a_key(path)) from None


async def open_signer(path: Path | None, former_path: Path | None, tree: LogTree) -> FileSigner | None:
    """Signer of a log: the key of the file, which must be the one that the log is signed with.

    A new log takes the key that it finds, or a new one; None where no file is named. The key of `former_path` signs
    heads beside it.

    Raises
    ------
    LogKeyRefused
        If the key cannot be used, or is not that of the log.
    """
    if path is None:
        return None
    head = await tree.head()
    former = load_signer(former_path, create=False, name="the former log key") if former_path else None
    signer = load_signer(path, create=head.verifier_key is None, former=former)
    if former is not None and former.public(head.origin) == signer.public(head.origin):
        raise LogKeyRefused(f"{former_path} holds the same key as {path}: the former key is another one")
    mine = signer.public(head.origin).text()
    if (known := await tree.adopt_key(mine)) != mine:
        raise LogKeyRefused(f"the log is signed with the key {known}, and {path} holds another: put that key there")
    return signer


def _not_a_key(path: Path) -> str:
    return f"{path} holds no Ed25519 key in PEM without a password: openssl genpkey -algorithm ed25519 -out {path}"


def write_new(path: Path, *, mldsa: bool = False) -> None:
    """Make a key file that nobody else may read; one that is there already stays.

    Raises
    ------
    LogKeyRefused
        If it cannot be written, or the library underneath has no ML-DSA.
    """
    try:
        key = MLDSA44PrivateKey.generate() if mldsa else Ed25519PrivateKey.generate()
    except UnsupportedAlgorithm as error:
        raise LogKeyRefused(f"the cryptographic library of this machine has no ML-DSA: {error}") from None
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        write_secret(path, pem, WHAT)
    except SecretRefused as error:
        raise LogKeyRefused(str(error)) from None
