"""Merkle tree of RFC 6962: roots, inclusion and consistency proofs, and their verification.

``MTH({}) = H("")``, ``MTH({d}) = H(0x00 ‖ d)``, ``MTH(D[n]) = H(0x01 ‖ MTH(D[0:k]) ‖ MTH(D[k:n]))`` with k the largest
power of two below n. The two prefixes keep a node from being taken for a leaf (second preimages).

Verification needs only what is given and never trusts a length: a proof of the wrong number of hashes is wrong.

References
----------
RFC 6962 (2013), sections 2.1.1 to 2.1.2; RFC 9162 (2021), sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from services.core.errors import InvalidInput

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

SubtreeHash = Callable[[int, int], bytes]
"""Hash of the complete subtree of height h that starts at leaf ``i·2^h``, as a function of (h, i)."""


def leaf_hash(entry: bytes) -> bytes:
    """``H(0x00 ‖ entry)``.

    Examples
    --------
    >>> leaf_hash(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """``H(0x01 ‖ left ‖ right)``."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def subtrees(start: int, end: int) -> list[tuple[int, int]]:
    """Largest complete subtrees that tile the leaves ``start .. end − 1``, left to right, as (height, number).

    `start` must be a multiple of a power of two not below ``end − start``, as the parts of RFC 6962's recursion are.

    Examples
    --------
    >>> subtrees(0, 7)
    [(2, 0), (1, 2), (0, 6)]
    >>> subtrees(4, 7)
    [(1, 2), (0, 6)]
    """
    found = []
    while start < end:
        height = (end - start).bit_length() - 1
        found.append((height, start >> height))
        start += 1 << height
    return found


def range_hash(start: int, end: int, at: SubtreeHash) -> bytes:
    """``MTH(D[start:end])`` of such a part, from its complete subtrees: O(log n) hashes.

    Raises
    ------
    InvalidInput
        If the part is empty.
    """
    parts = [at(height, number) for height, number in subtrees(start, end)]
    if not parts:
        raise InvalidInput("end", f"must lie above start = {start}", end)
    return folded(parts)


def folded(parts: Sequence[bytes]) -> bytes:
    """Root over complete subtrees of falling size: the two rightmost first.

    Examples
    --------
    >>> folded([]) == EMPTY_ROOT
    True
    """
    if not parts:
        return EMPTY_ROOT
    root = parts[-1]
    for left in reversed(parts[:-1]):
        root = node_hash(left, root)
    return root


def tree_root(size: int, at: SubtreeHash) -> bytes:
    """``MTH(D[size])``."""
    return range_hash(0, size, at) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, at: SubtreeHash) -> list[bytes]:
    """``PATH(index, D[size])``: the siblings on the way from the leaf to the root, lowest first.

    Raises
    ------
    InvalidInput
        If the tree has no such leaf.

    References
    ----------
    RFC 6962, section 2.1.1.
    """
    if not 0 <= index < size:
        raise InvalidInput("index", f"must lie from 0 to {size - 1}", index)
    start, end = 0, size
    path = []
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            path.append(range_hash(middle, end, at))
            end = middle
        else:
            path.append(range_hash(start, middle, at))
            start = middle
    return path[::-1]


def consistency_proof(first: int, second: int, at: SubtreeHash) -> list[bytes]:
    """``PROOF(first, D[second])``: what shows that the tree of `second` leaves begins with that of `first`.

    Empty where the two are equal.

    Raises
    ------
    InvalidInput
        Unless ``0 < first ≤ second``.

    References
    ----------
    RFC 6962, section 2.1.2.
    """
    if not 0 < first <= second:
        raise InvalidInput("first", f"must lie from 1 to {second}", first)
    start, end, whole = 0, second, True
    path = []
    while first != end:
        middle = start + split(end - start)
        if first <= middle:
            path.append(range_hash(middle, end, at))
            end = middle
        else:
            path.append(range_hash(start, middle, at))
            start, whole = middle, False
    if not whole:
        path.append(range_hash(start, end, at))
    return path[::-1]


def split(size: int) -> int:
    """Largest power of two below `size` > 1.

    Examples
    --------
    >>> [split(size) for size in (2, 3, 4, 5, 8, 9)]
    [1, 2, 2, 4, 4, 8]
    """
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf hash is number `index` of the tree of `size` leaves with this root.

    References
    ----------
    RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size or not _all_hashes((leaf, root, *proof)):
        return False
    number, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(sibling, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of `second` leaves begins with the tree of `first` leaves.

    A tree of no leaves tells nothing, so `first` = 0 is never consistent.

    References
    ----------
    RFC 9162, section 2.1.4.2.
    """
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    if not _all_hashes((first_root, second_root, *proof)):
        return False
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if len(path) < 2:
        return False
    number, last = first - 1, second - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and before == first_root and after == second_root


def _all_hashes(values: Sequence[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
