"""Signed notes and checkpoints as text (C2SP signed-note, tlog-checkpoint, tlog-cosignature).

::

    risk.example/log1                                   origin
    109482                                              number of leaves
    sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=        root
                                                        (an empty line)
    — risk.example/log1 hI2DJw…                         em dash, name of the key, key id and signature

Signing itself is given as a function: no key is held here.

References
----------
C2SP signed-note v1.0.0; C2SP tlog-checkpoint; C2SP tlog-cosignature (Ed25519, and ML-DSA-44 of FIPS 204).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from services.audit.canonical import base64_bytes, base64_text
from services.audit.merkle import HASH_BYTES
from services.core.errors import InvalidInput

ED25519, COSIGNATURE, MLDSA_COSIGNATURE = 0x01, 0x04, 0x06
"""Types of signature."""
KEY_BYTES = {ED25519: 32, COSIGNATURE: 32, MLDSA_COSIGNATURE: 1312}
"""Length of the public key of each."""
MAX_NOTE_BYTES = 64_000
MAX_SIGNATURES = 32
_NAME = re.compile(r"[^\s+]{1,200}\Z")
_WHOLE = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)
_TIME_BYTES = 8

Sign = Callable[[bytes], bytes]
"""Signature of a message, Ed25519 or ML-DSA-44."""
Check = Callable[[bytes, bytes, bytes], bool]
"""Whether (public key, signature, message) is valid; the length of the key tells Ed25519 from ML-DSA-44."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Public key of a log or a witness: name, type of signature, and 32 bytes of Ed25519 or 1,312 of ML-DSA-44.

    Examples
    --------
    >>> key = VerifierKey("risk.example/log1", ED25519, bytes(32))
    >>> VerifierKey.parse(key.text()) == key
    True
    """

    name: str
    kind: int
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise InvalidInput("name", "must hold no space and no plus sign", self.name)
        if self.kind not in KEY_BYTES:
            raise InvalidInput("public", "must be of a known type, 1, 4 or 6", self.kind)
        if len(self.public) != KEY_BYTES[self.kind]:
            raise InvalidInput("public", f"must be {KEY_BYTES[self.kind]} bytes", len(self.public))

    @property
    def key_id(self) -> bytes:
        """``SHA-256(name ‖ 0x0A ‖ type ‖ public key)[:4]``."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes((self.kind,)) + self.public).digest()[:4]

    def text(self) -> str:
        """The key as a vkey: ``name+id+base64(type ‖ key)``."""
        return f"{self.name}+{self.key_id.hex()}+{base64_text(bytes((self.kind,)) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key of a vkey.

        Raises
        ------
        InvalidInput
            If it is none, or its id is not that of its name and key.
        """
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise InvalidInput("vkey", "must be name+id+base64", text)
        raw = base64_bytes(parts[2], "vkey")
        if not raw:
            raise InvalidInput("vkey", "must hold a type and a key", len(raw))
        key = cls(parts[0], raw[0], raw[1:])
        if key.key_id.hex() != parts[1].lower():
            raise InvalidInput("vkey", f"must have the id {key.key_id.hex()} of its name and key", parts[1])
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: `signature` is what follows the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """The line, with its newline."""
        return f"— {self.name} {base64_text(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """Text, which ends in a newline, and its signatures, which are not checked yet."""

    text: str
    signatures: tuple[Signature, ...]

    def encoded(self) -> str:
        """The whole note."""
        return self.text + "\n" + "".join(item.line() for item in self.signatures)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The note of a text.

        Raises
        ------
        InvalidInput
            If it is not one.
        """
        if len(text.encode()) > MAX_NOTE_BYTES:
            raise InvalidInput("note", f"must hold at most {MAX_NOTE_BYTES} bytes", len(text))
        if any(ord(sign) < 0x20 and sign != "\n" for sign in text):
            raise InvalidInput("note", "must hold no control characters but newlines", text)
        body, blank, lines = text.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise InvalidInput("note", "must be a text, an empty line and signature lines", text[-80:])
        rows = lines[:-1].split("\n")
        if len(rows) > MAX_SIGNATURES:
            raise InvalidInput("note", f"must have at most {MAX_SIGNATURES} signatures", len(rows))
        return cls(body + "\n", tuple(_signature(row) for row in rows))

    def signed_by(self, key: VerifierKey, check: Check) -> bool:
        """Whether the note has a valid signature of the key.

        One that names the key and is not valid spoils the note, whatever else it holds.
        """
        found = [item for item in self.signatures if (item.name, item.key_id) == (key.name, key.key_id)]
        return bool(found) and all(_valid(self.text, key, item, check) for item in found)

    def with_signatures(self, added: Iterable[Signature]) -> Self:
        """The note with further signatures; one of the same key replaces the former."""
        kept = {(item.name, item.key_id): item for item in (*self.signatures, *added)}
        return type(self)(self.text, tuple(kept.values()))


def _valid(text: str, key: VerifierKey, item: Signature, check: Check) -> bool:
    if key.kind == ED25519:
        return check(key.public, item.signature, text.encode())
    if len(item.signature) <= _TIME_BYTES:
        return False
    seconds = int.from_bytes(item.signature[:_TIME_BYTES], "big")
    try:
        message = cosigned_message(key, text, seconds)
    except InvalidInput:
        return False
    return check(key.public, item.signature[_TIME_BYTES:], message)


def cosigned_message(key: VerifierKey, text: str, seconds: int) -> bytes:
    """What a witness signs: that it saw this checkpoint, consistent with all before, at a time [s since 1970].

    With ML-DSA-44 the message names the witness, and 0 s say nothing of the time.

    Raises
    ------
    InvalidInput
        If the time or a name cannot be written down, or the text is no checkpoint.
    """
    if not 0 <= seconds < 2**63:
        raise InvalidInput("seconds", "must lie from 0 to 2^63 - 1", seconds)
    if key.kind != MLDSA_COSIGNATURE:
        return f"cosignature/v1\ntime {seconds}\n{text}".encode()
    head = Checkpoint.parse(text)
    time, start, end = (value.to_bytes(8, "big") for value in (seconds, 0, head.size))
    return b"".join((b"subtree/v1\n\0", _counted(key.name), time, _counted(head.origin), start, end, head.root))


def _counted(text: str) -> bytes:
    raw = text.encode()
    if not 0 < len(raw) < 256:
        raise InvalidInput("name", "must hold 1 to 255 bytes", len(raw))
    return bytes((len(raw),)) + raw


def signature(key: VerifierKey, sign: Sign, text: str) -> Signature:
    """Signature of a log on a text."""
    return Signature(key.name, key.key_id, sign(text.encode()))


def cosignature(key: VerifierKey, sign: Sign, text: str, seconds: int) -> Signature:
    """Signature of a witness on the text of a checkpoint."""
    signed = sign(cosigned_message(key, text, seconds))
    return Signature(key.name, key.key_id, seconds.to_bytes(_TIME_BYTES, "big") + signed)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Head of a log: `size` leaves with the Merkle root `root`.

    Examples
    --------
    >>> print(Checkpoint("risk.example/log1", 3, bytes(32)).text(), end="")
    risk.example/log1
    3
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Text of the note."""
        return f"{self.origin}\n{self.size}\n{base64_text(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checkpoint of the text of a note; lines of extension are passed over.

        Raises
        ------
        InvalidInput
            If it is none.
        """
        lines = text.split("\n")
        if len(lines) < 4 or not all(lines[:-1]) or lines[-1]:
            raise InvalidInput("checkpoint", "must be origin, size and root, a line each", text)
        if not _WHOLE.match(lines[1]):
            raise InvalidInput("checkpoint", "must have a whole number as its size", lines[1])
        root = base64_bytes(lines[2], "checkpoint")
        if len(root) != HASH_BYTES:
            raise InvalidInput("checkpoint", f"must have a root of {HASH_BYTES} bytes", len(root))
        return cls(lines[0], int(lines[1]), root)


def verified_checkpoint(
    text: str, log: VerifierKey, check: Check, *, witnesses: Sequence[VerifierKey] = (), quorum: int = 0
) -> Checkpoint:
    """Checkpoint of a signed note that the log, and enough witnesses, have signed.

    Raises
    ------
    InvalidInput
        If it is no checkpoint of this log, or a signature is missing or not valid.
    """
    note = Note.parse(text)
    if not note.signed_by(log, check):
        raise InvalidInput("checkpoint", f"must carry a valid signature of {log.text()}", note.text)
    found = Checkpoint.parse(note.text)
    if found.origin != log.name:
        raise InvalidInput("checkpoint", f"must have the origin {log.name}", found.origin)
    signed = witnesses_of([key for key in witnesses if note.signed_by(key, check)])
    if signed < quorum:
        raise InvalidInput("checkpoint", f"must be signed by {quorum} of {len(witnesses)} witnesses", signed)
    return found


def check_cosigned(text: str, key: VerifierKey, check: Check) -> None:
    """Refuse a note that a key has not signed.

    Raises
    ------
    InvalidInput
        If its signature is missing or not valid.
    """
    if not Note.parse(text).signed_by(key, check):
        raise InvalidInput(
            "checkpoint", f"must carry a valid signature of {key.name}, key {key.key_id.hex()}", text[:200]
        )


def witnesses_of(keys: Iterable[VerifierKey]) -> int:
    """How many witnesses hold these keys: two keys of one name are one, and so are two names of one key.

    Examples
    --------
    >>> pairs = [("a", b"1"), ("a", b"2"), ("b", b"1")]
    >>> witnesses_of([VerifierKey(name, COSIGNATURE, bytes(31) + end) for name, end in pairs])
    1
    """
    groups: list[tuple[set[str], set[bytes]]] = []
    for key in keys:
        names, publics = {key.name}, {key.public}
        apart = []
        for group in groups:
            if key.name in group[0] or key.public in group[1]:
                names |= group[0]
                publics |= group[1]
            else:
                apart.append(group)
        groups = [*apart, (names, publics)]
    return len(groups)


def _signature(row: str) -> Signature:
    dash, _, rest = row.partition(" ")
    name, space, encoded = rest.partition(" ")
    if dash != "—" or not space or not _NAME.match(name):
        raise InvalidInput("note", "must have signature lines of the form — name base64", row)
    raw = base64_bytes(encoded, "note")
    if len(raw) < 5:
        raise InvalidInput("note", "must have signatures with a key id", row)
    return Signature(name, raw[:4], raw[4:])
