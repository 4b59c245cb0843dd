"""Credentials taken out of texts that are logged or shown."""

from __future__ import annotations

import re

from app.api_key import hide_keys

_USER = re.compile(r"(?<=\w)://[^\s:/@]*:")
_PASSWORD = re.compile(r"(?i)(password=)[^&\s]*")


def redact(text: str) -> str:
    """Text with the password of every URL in it replaced by ``***``, and every API key without its secret.

    Examples
    --------
    >>> redact("cannot reach postgresql://bot:s@cr/et@db/x?password=hunter2&ssl=1")
    'cannot reach postgresql://bot:***@db/x?password=***&ssl=1'
    """
    # Word by word, each looked at once: a long text of a client must not hold the process up.
    return hide_keys(_PASSWORD.sub(r"\1***", re.sub(r"\S+", lambda word: _without_password(word[0]), text)))


def _without_password(word: str) -> str:
    user, end = _USER.search(word), word.rfind("@")
    return f"{word[: user.end()]}***{word[end:]}" if user and end >= user.end() else word
