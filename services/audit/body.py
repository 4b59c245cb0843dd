"""Body of a record: four byte strings in one, bound by one digest.

::

    4 lengths, unsigned 32 bit, big endian | request | response | state | versions

The digest of an entry is taken of exactly these bytes, however they are stored or sent.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from services.core.errors import InvalidInput

_LENGTHS = struct.Struct(">4I")


class Body(NamedTuple):
    """Sections of a body, exactly as recorded."""

    request: bytes
    response: bytes
    state: bytes
    versions: bytes

    def packed(self) -> bytes:
        """The bytes that the digest is taken of.

        Examples
        --------
        >>> len(Body(b"{}", b"{}", b"", b"").packed())
        20
        """
        return b"".join((_LENGTHS.pack(*map(len, self)), *self))

    @classmethod
    def unpacked(cls, body: bytes) -> Body:
        """The inverse of `packed`.

        Raises
        ------
        InvalidInput
            If the lengths do not add up.

        Examples
        --------
        >>> Body.unpacked(Body(b"a", b"bc", b"", b"d").packed())
        Body(request=b'a', response=b'bc', state=b'', versions=b'd')
        """
        if len(body) < _LENGTHS.size:
            raise InvalidInput("body", f"must hold at least {_LENGTHS.size} bytes", len(body))
        place, parts = _LENGTHS.size, []
        for length in _LENGTHS.unpack_from(body):
            parts.append(body[place : place + length])
            place += length
        if place != len(body):
            raise InvalidInput("body", f"must hold the {place} bytes that its lengths say", len(body))
        return cls(*parts)
