r"""Signed requests: the bytes that a client signs, the headers that carry the signature, and whether it holds.

::

    message    v1 LF milliseconds LF nonce LF METHOD LF path?query LF sha256(body) in hexadecimal
    signature  Ed25519 over the message (RFC 8032), or HMAC-SHA256 (RFC 2104), in base64 with padding

Everything is signed as it is sent: the milliseconds and the nonce as the text of their headers, path and query as in
the request line. The message of a stream has `STREAM` in the place of the method, its path, and no body.

Nothing here knows a clock, a store or the framework.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from app.signatures import is_signed as holds

VERSION = "v1"
STREAM = "WS"
"""In the place of the method: a handshake that was seen is no request, and no request is a handshake."""
KEY_ID, TIMESTAMP, NONCE, SIGNATURE = "Trimtab-Key-Id", "Trimtab-Timestamp", "Trimtab-Nonce", "Trimtab-Signature"
HEADERS = (KEY_ID, TIMESTAMP, NONCE, SIGNATURE)
AHEAD_MS = 1000
"""How far the client's clock may be ahead."""
ED25519, HMAC_SHA256 = "ed25519", "hmac-sha256"
LENGTHS = {ED25519: 64, HMAC_SHA256: 32}
"""Bytes of a signature."""
_NAMES = {name.lower().encode(): name for name in HEADERS}
_KEY_ID = re.compile(r"[!-~]{1,64}\Z", re.ASCII)
_MILLISECONDS = re.compile(r"[1-9][0-9]{11,13}\Z", re.ASCII)
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}\Z", re.ASCII)


class BadSignature(Exception):
    """The request is not signed as it must be; the text names the rule, never what would have been right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """What a signed request says besides itself.

    Parameters
    ----------
    milliseconds : str
        Since 1970 by the client's clock, as it was written.
    nonce : str
        16 to 64 letters, digits, ``-`` and ``_``, used once.
    """

    key_id: str
    milliseconds: str
    nonce: str
    signature: bytes

    @property
    def at_ms(self) -> int:
        """When it was signed [ms since 1970]."""
        return int(self.milliseconds)


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a key signs with: `kind` is `ED25519` (then `material` is the public key) or `HMAC_SHA256` (the secret)."""

    kind: str
    material: bytes


def string_to_sign(milliseconds: str, nonce: str, method: str, target: str, body: bytes) -> bytes:
    r"""Bytes that are signed.

    Parameters
    ----------
    target : str
        Path, and query behind a question mark where there is one, percent-encoded as in the request line.

    Examples
    --------
    >>> string_to_sign("1790000000000", "n0nce-of-16-char", "GET", "/v1/time", b"").decode().splitlines()[:5]
    ['v1', '1790000000000', 'n0nce-of-16-char', 'GET', '/v1/time']
    """
    lines = (VERSION, milliseconds, nonce, method, target, hashlib.sha256(body).hexdigest())
    return "\n".join(lines).encode("latin-1")


def target_of(raw_path: bytes, query: bytes) -> str:
    """Path and query of a request line.

    Examples
    --------
    >>> target_of(b"/v1/volatility", b"symbol=BTC%2FUSDT"), target_of(b"/v1/time", b"")
    ('/v1/volatility?symbol=BTC%2FUSDT', '/v1/time')
    """
    return (raw_path + b"?" + query if query else raw_path).decode("latin-1")


def is_signed(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether any header of a signed request is there."""
    return any(name in _NAMES for name, _ in headers)


def signed_head(headers: Iterable[tuple[bytes, bytes]]) -> SignedHead | None:
    """Signature in the headers of a request; None where there is none.

    Raises
    ------
    BadSignature
        If one of the four headers is missing, repeated or ill-formed.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if (known := _NAMES.get(name)) is not None:
            if known in found:
                raise BadSignature(f"{known} must be sent once")
            found[known] = value.decode("latin-1")
    if not found:
        return None
    if missing := [name for name in HEADERS if name not in found]:
        raise BadSignature(f"a signed request carries {', '.join(HEADERS)}: {missing[0]} is missing")
    return head_of(found[KEY_ID], found[TIMESTAMP], found[NONCE], found[SIGNATURE])


def head_of(key_id: str, milliseconds: str, nonce: str, signature: str) -> SignedHead:
    """The four parts of a signature, each in its one form.

    Raises
    ------
    BadSignature
        If a part has another form.
    """
    if not _KEY_ID.match(key_id):
        raise BadSignature("the key id must be 1 to 64 printable ASCII characters")
    if not _MILLISECONDS.match(milliseconds):
        raise BadSignature("the timestamp must be milliseconds since 1970, in digits")
    if not _NONCE.match(nonce):
        raise BadSignature("the nonce must be 16 to 64 letters, digits, - or _")
    return SignedHead(key_id=key_id, milliseconds=milliseconds, nonce=nonce, signature=_signature(signature))


def _signature(text: str) -> bytes:
    """Bytes of a signature in base64. The last character holds bits that mean nothing: only one form is taken."""
    try:
        found = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        found = b""
    if len(found) not in LENGTHS.values() or base64.b64encode(found).decode() != text:
        raise BadSignature("the signature must be 64 bytes (Ed25519) or 32 (HMAC-SHA256) in base64 with padding")
    return found


def skew_ms(head: SignedHead, now_ms: int, window_ms: int) -> int | None:
    """How far the client's clock is off [ms], positive behind ours, where that is more than is borne; else None.

    Examples
    --------
    >>> head = SignedHead(key_id="k", milliseconds="1790000000000", nonce="n" * 16, signature=b"")
    >>> [skew_ms(head, 1790000000000 + late, 5000) for late in (0, 5000, 5001, -1000, -1001)]
    [None, None, 5001, None, -1001]
    """
    late = now_ms - head.at_ms
    return None if -AHEAD_MS <= late <= window_ms else late


def is_signed_by(verifier: Verifier, head: SignedHead, method: str, target: str, body: bytes) -> bool:
    """Whether the signature holds under a key; never raises."""
    message = string_to_sign(head.milliseconds, head.nonce, method, target, body)
    if len(head.signature) != LENGTHS.get(verifier.kind):
        return False
    if verifier.kind == ED25519:
        return len(verifier.material) == 32 and holds(verifier.material, head.signature, message)
    return hmac.compare_digest(hmac.new(verifier.material, message, hashlib.sha256).digest(), head.signature)
