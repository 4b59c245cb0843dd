"""What the log says before bodies are removed: which ones, their digests, who, and up to what age.

The announcement is the answer of an entry of its own, so the tree commits to it. It stays when every body is gone, and
tells a body that was removed by rule from one that somebody took away.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.audit.canonical import canonical
from services.audit.entry import digest_text, moment
from services.core.errors import InvalidInput

KIND = "retention"
"""Kind of the entry that announces a removal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """Bodies of the entries from `first` up to `end`, which is left out, may be removed.

    Parameters
    ----------
    first, end : int
        Range of indices.
    bodies_sha256 : str
        `bodies_digest` of the range, as entries write digests.
    """

    first: int
    end: int
    bodies_sha256: str

    def encoded(self, *, before: datetime, actor: str, stored_bytes: int) -> bytes:
        """Canonical bytes: what is recorded as the answer of the entry."""
        return canonical(
            {
                "actor": actor,
                "before": moment(before),
                "bodies_sha256": self.bodies_sha256,
                "end": self.end,
                "first": self.first,
                "stored_bytes": stored_bytes,
            }
        )

    @classmethod
    def parse(cls, content: bytes) -> Announcement:
        """Announcement of recorded bytes.

        Raises
        ------
        InvalidInput
            If they are none.
        """
        try:
            said = json.loads(content)
            first, end, digest = said["first"], said["end"], said["bodies_sha256"]
        except (ValueError, TypeError, KeyError):
            raise InvalidInput("announcement", "must name first, end and bodies_sha256", content[:80]) from None
        if type(first) is not int or type(end) is not int or not 0 <= first < end or not isinstance(digest, str):
            raise InvalidInput("announcement", "must name a range of entries", content[:80])
        return cls(first=first, end=end, bodies_sha256=digest)


def answered(entry: bytes, content: bytes) -> bool:
    """Whether an entry of the log holds the digest of this answer."""
    try:
        said = json.loads(entry)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("response") == digest_text(hashlib.sha256(content).digest())


def announced_ranges(contents: Iterable[bytes]) -> list[range]:
    """Ranges that announcements name; what is none is left out.

    Examples
    --------
    >>> announced_ranges([b'{"first":0,"end":3,"bodies_sha256":"sha256:"}', b"{}"])
    [range(0, 3)]
    """
    found = []
    for content in contents:
        with contextlib.suppress(InvalidInput):
            said = Announcement.parse(content)
            found.append(range(said.first, said.end))
    return found


def bodies_digest(digests: Iterable[bytes]) -> str:
    """SHA-256 over the digests of bodies, in the order of their entries. Entries keep them: anybody can repeat it.

    Examples
    --------
    >>> bodies_digest([bytes(32)]) == bodies_digest([bytes(16), bytes(16)])
    True
    """
    whole = hashlib.sha256()
    for digest in digests:
        whole.update(digest)
    return digest_text(whole.digest())
