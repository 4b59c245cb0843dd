"""The text of an API key: how it is made, and what can be told from it without a store.

``ttb_<environment>_<id>_<secret><check>``: `id` is 16 letters of base 32, `secret` 43 characters of base64url (32
random bytes), `check` the CRC-32 (IEEE 802.3, as in zlib) of all before it, six digits of base 62 (``0-9A-Za-z``). The
prefix lets secret scanners find a key that has leaked; the check tells a slip of the pen, and a scanner's false alarm,
from a key that was revoked, without asking the store.
"""

from __future__ import annotations

import base64
import re
import secrets
import string
import zlib
from dataclasses import dataclass

KEY_PATTERN = r"ttb_[a-z0-9]{1,12}_[a-z2-7]{16}_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}"
"""Published in the documentation, for scanners of repositories and logs."""
ENVIRONMENT_PATTERN = r"[a-z0-9]{1,12}"
CHECK_DIGITS = 6
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_KEY = re.compile(rf"ttb_{ENVIRONMENT_PATTERN}_(?P<id>[a-z2-7]{{16}})_[A-Za-z0-9_-]{{43}}[0-9A-Za-z]{{6}}\Z", re.ASCII)
_IN_BYTES = re.compile(KEY_PATTERN.encode("ascii"))
_ANYWHERE = re.compile(r"(ttb_[a-z0-9]{1,12}_[a-z2-7]{16}_)[A-Za-z0-9_-]{8,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeyText:
    """A new key: `text` is what its owner is shown once, `key_id` the name that it has everywhere else."""

    key_id: str
    text: str

    def __repr__(self) -> str:
        """Without the secret: it is printed in one place, on purpose."""
        return f"KeyText({self.key_id!r})"


class NotAKey(ValueError):
    """The text is no key: it has another form, or its check does not fit."""


def new_key(environment: str = "live") -> KeyText:
    """A key of 256 random bits."""
    name = new_name()
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    body = f"ttb_{environment}_{name}_{secret}"
    return KeyText(f"key_{name}", body + check(body))


def new_name() -> str:
    """80 random bits as 16 letters of base 32: what follows ``key_`` in an id."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def id_of(text: str) -> str:
    """Id of the key that a text is.

    Raises
    ------
    NotAKey
        If it is none; nothing of the text is in the message.

    Examples
    --------
    >>> id_of("ttb_live_abcdefghijklmnop_" + 43 * "A" + check("ttb_live_abcdefghijklmnop_" + 43 * "A"))
    'key_abcdefghijklmnop'
    >>> id_of("ttb_live_abcdefghijklmnop_" + 43 * "A" + "000000")
    Traceback (most recent call last):
    app.api_key.NotAKey: not a key of ours: check for a missing or changed character
    """
    found = _KEY.match(text)
    if found is None or check(text[:-CHECK_DIGITS]) != text[-CHECK_DIGITS:]:
        raise NotAKey("not a key of ours: check for a missing or changed character")
    return f"key_{found['id']}"


def check(body: str) -> str:
    """CRC-32 of the text in base 62, six digits, the highest first.

    Examples
    --------
    >>> check("123456789")  # CRC-32 of this text is 0xCBF43926, the check value of the algorithm
    '3jZRME'
    """
    number, digits = zlib.crc32(body.encode("ascii")), ""
    for _ in range(CHECK_DIGITS):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def holds_key(raw: bytes) -> bool:
    """Whether there is a whole key in what was sent."""
    return b"ttb_" in raw and _IN_BYTES.search(raw) is not None


def hide_keys(text: str) -> str:
    """Text in which every key, whole or cut, has lost its secret.

    Examples
    --------
    >>> hide_keys("sent ttb_live_abcdefghijklmnop_0123456789abcdef by mistake")
    'sent ttb_live_abcdefghijklmnop_*** by mistake'
    """
    return _ANYWHERE.sub(r"\1***", text) if "ttb_" in text else text
