"""Slow reference of RFC 6962: the definitions of section 2.1 word for word, over the list of entries."""

from __future__ import annotations

import hashlib


def root(entries: list[bytes]) -> bytes:
    """``MTH(D[n])``."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = largest_power_below(len(entries))
    return hashlib.sha256(b"\x01" + root(entries[:k]) + root(entries[k:])).digest()


def path(m: int, entries: list[bytes]) -> list[bytes]:
    """``PATH(m, D[n])``."""
    if len(entries) == 1:
        return []
    k = largest_power_below(len(entries))
    if m < k:
        return [*path(m, entries[:k]), root(entries[k:])]
    return [*path(m - k, entries[k:]), root(entries[:k])]


def proof(m: int, entries: list[bytes], whole: bool = True) -> list[bytes]:
    """``SUBPROOF(m, D[n], b)``; ``PROOF(m, D[n])`` with b true."""
    if m == len(entries):
        return [] if whole else [root(entries)]
    k = largest_power_below(len(entries))
    if m <= k:
        return [*proof(m, entries[:k], whole), root(entries[k:])]
    return [*proof(m - k, entries[k:], False), root(entries[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k
