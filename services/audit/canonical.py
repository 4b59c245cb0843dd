"""Canonical text of what is hashed or signed: RFC 8785 without floating-point numbers, and base64 in its one form.

Strings, whole numbers below 2⁵³ in size, booleans, null, lists, and objects with ASCII keys; keys sorted, no spaces.
Floats are refused, because their canonical text is where implementations differ: send them as strings.

References
----------
RFC 8785 (2020), sections 3.2.1 to 3.2.3; of its sorting by UTF-16 code units nothing is left for ASCII keys.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from services.core.errors import InvalidInput

MAX_WHOLE = 2**53 - 1


def canonical(value: Any) -> bytes:
    """Canonical bytes of a value.

    Raises
    ------
    InvalidInput
        Naming the place of a float, a whole number of 2⁵³ or more, a key that is not ASCII, a lone surrogate, or a type
        that JSON does not have.

    Examples
    --------
    >>> canonical({"b": [1, True, None], "a": "é"}).decode()
    '{"a":"é","b":[1,true,null]}'
    >>> canonical({"a": 0.5})
    Traceback (most recent call last):
    services.core.errors.InvalidInput: /a must not be a float, found 0.5: send it as a string
    """
    check(value, "")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def check(value: Any, place: str) -> None:
    """Refuse what has no canonical form; `place` is the JSON pointer of the value."""
    if value is None or value is True or value is False:
        return
    if type(value) is str:
        _check_text(value, place)
    elif type(value) is int:
        if abs(value) > MAX_WHOLE:
            raise InvalidInput(place, "must lie within ±(2⁵³ − 1)", value, "send it as a string")
    elif type(value) is list or type(value) is tuple:
        for index, item in enumerate(value):
            check(item, f"{place}/{index}")
    elif type(value) is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                raise InvalidInput(place, "must have ASCII keys", key)
            check(item, f"{place}/{key}")
    elif type(value) is float:
        raise InvalidInput(place, "must not be a float", value, "send it as a string")
    else:
        raise InvalidInput(place, "must be what JSON has", type(value).__name__)


def _check_text(value: str, place: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(place, "must not hold a lone surrogate", ascii(value)) from None


def base64_text(value: bytes) -> str:
    """Base64 of RFC 4648 section 4."""
    return base64.b64encode(value).decode()


def base64_bytes(text: str, parameter: str) -> bytes:
    """Bytes of a base64 text; of the texts that mean the same bytes only the canonical one is taken.

    Raises
    ------
    InvalidInput
        At `parameter`.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(parameter, "must be base64", text) from None
    if base64_text(raw) != text:
        raise InvalidInput(parameter, "must be canonical base64, with zero padding bits", text)
    return raw
