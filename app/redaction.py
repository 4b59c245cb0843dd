"""Credentials taken out of texts that are logged or shown."""

from __future__ import annotations

import re

from app.api_key import hide_keys


def redact(text: str) -> str:
    """Text with the password of every URL in it replaced by ``***``, and every API key without its secret.

    Examples
    --------
    >>> redact("cannot reach postgresql://bot:s@cr/et@db/x?password=hunter2&ssl=1")
    'cannot reach postgresql://bot:***@db/x?password=***&ssl=1'
    """
    text = re.sub(r"(\w+://[^\s:/@]*):\S*@", r"\1:***@", text)
    return hide_keys(re.sub(r"(?i)(password=)[^&\s]*", r"\1***", text))
