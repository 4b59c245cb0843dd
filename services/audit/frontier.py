"""The tree as a writer carries it: one hash for each complete subtree of the leaves so far.

A tree of n leaves has one complete subtree for each bit of n. Appending a leaf merges subtrees of equal size, like
adding one to a binary number: at most log₂ n hashes, one on average.

References
----------
RFC 6962 (2013), section 2.1; Crosby & Wallach (2009), "Efficient data structures for
tamper-evident logging", section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from services.audit.merkle import HASH_BYTES, folded, node_hash
from services.core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Frontier:
    """Size of a tree and its complete subtrees, largest first.

    Examples
    --------
    >>> Frontier().appended([bytes(32)] * 7).size
    7
    >>> len(Frontier().appended([bytes(32)] * 7).subtrees)
    3
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.subtrees) != self.size.bit_count():
            raise InvalidInput("subtrees", f"must be {max(self.size, 0).bit_count()} hashes", len(self.subtrees))

    def appended(self, leaves: Iterable[bytes]) -> Self:
        """The tree with further leaf hashes."""
        size, stack = self.size, list(self.subtrees)
        for leaf in leaves:
            carried, bits = leaf, size
            while bits & 1:
                carried, bits = node_hash(stack.pop(), carried), bits >> 1
            stack.append(carried)
            size += 1
        return type(self)(size, tuple(stack))

    @property
    def root(self) -> bytes:
        """Root of the tree."""
        return folded(self.subtrees)

    def packed(self) -> bytes:
        """The subtrees in one byte string."""
        return b"".join(self.subtrees)

    @classmethod
    def unpacked(cls, size: int, packed: bytes) -> Self:
        """The inverse of `packed`.

        Raises
        ------
        InvalidInput
            If the bytes are not as many hashes as `size` has bits.
        """
        return cls(size, tuple(_cut(packed)))


def _cut(packed: bytes) -> Sequence[bytes]:
    if len(packed) % HASH_BYTES:
        raise InvalidInput("packed", f"must be a multiple of {HASH_BYTES} bytes", len(packed))
    return [packed[place : place + HASH_BYTES] for place in range(0, len(packed), HASH_BYTES)]
