"""Tiles of the tree: 256 consecutive hashes of one level, and proofs read from them.

Tile n of level l holds ``MTH(D[(256 n + i) 256^l : (256 n + i + 1) 256^l])`` for i from 0 to 255. A full tile never
changes; the last one of a level is partial. A proof needs at most two tiles a level.

References
----------
C2SP tlog-tiles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from services.audit.merkle import HASH_BYTES, SubtreeHash, node_hash
from services.core.errors import InvalidInput

WIDTH = 256
HEIGHT = 8
MAX_LEVEL = 63
_PATH = re.compile(r"(0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z", re.ASCII)


class Tile(NamedTuple):
    """Name of a tile: `width` hashes of `level`, from hash ``256 number`` on.

    Examples
    --------
    >>> Tile(0, 1234067, 256).path, Tile(1, 3, 7).path
    ('0/x001/x234/067', '1/003.p/7')
    >>> Tile.parse("0/x001/x234/067")
    Tile(level=0, number=1234067, width=256)
    """

    level: int
    number: int
    width: int

    @property
    def path(self) -> str:
        """Path below the prefix of the log's tiles."""
        digits = f"{self.number:d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[place : place + 3] for place in range(0, len(digits), 3)]
        name = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
        return f"{self.level}/{name}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @classmethod
    def parse(cls, path: str) -> Tile:
        """Tile of a path.

        Raises
        ------
        InvalidInput
            If it is none.
        """
        match = _PATH.match(path)
        level, number, width = (match[1], match[2], match[3]) if match else ("64", "000", None)
        found = cls(int(level), int(number.replace("x", "").replace("/", "")), int(width or WIDTH))
        if found.level > MAX_LEVEL or (width and found.width >= WIDTH) or found.path != path:
            raise InvalidInput("tile", "must be level/number or level/number.p/width", path)
        return found


def tile_width(level: int, number: int, size: int) -> int:
    """Hashes that tile `number` of a level holds in a tree of `size` leaves: 256, fewer for the last, 0 for none.

    Examples
    --------
    >>> tile_width(0, 273, 70_000), tile_width(1, 1, 70_000), tile_width(2, 0, 70_000)
    (112, 17, 1)
    """
    return min(max((size >> HEIGHT * level) - WIDTH * number, 0), WIDTH)


def tile_root(hashes: bytes) -> bytes:
    """Hash of a full tile, as the level above holds it.

    Raises
    ------
    InvalidInput
        If the tile is not full.
    """
    if len(hashes) != WIDTH * HASH_BYTES:
        raise InvalidInput("hashes", f"must be {WIDTH * HASH_BYTES} bytes", len(hashes))
    return _subtree(hashes, 0, HEIGHT)


def subtree_reader(size: int, read: Callable[[Tile], bytes]) -> SubtreeHash:
    """Complete subtrees of a tree of `size` leaves, from its tiles; `read` gives the bytes of one."""

    def at(height: int, number: int) -> bytes:
        level, above = divmod(height, HEIGHT)
        first = number << above
        tile = first // WIDTH
        hashes = read(Tile(level, tile, tile_width(level, tile, size)))
        return _subtree(hashes, first % WIDTH, above)

    return at


def _subtree(hashes: bytes, first: int, height: int) -> bytes:
    """Hash of ``2^height`` hashes of a tile."""
    level = [hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES] for place in range(first, first + (1 << height))]
    while len(level) > 1:
        level = [node_hash(level[place], level[place + 1]) for place in range(0, len(level), 2)]
    return level[0]


class TileHashes:
    """Hashes of every level above the leaves, from the leaves in order: 32 bytes for 256 entries.

    Examples
    --------
    >>> found = TileHashes()
    >>> found.add([bytes(32)] * 600)
    >>> len(found.at(1, 0)) // 32, found.at(2, 0)
    (2, b'')
    """

    def __init__(self) -> None:
        self._levels: list[bytearray] = [bytearray()]
        self._pending = bytearray()

    def add(self, leaves: Iterable[bytes]) -> None:
        """Take further leaf hashes."""
        for leaf in leaves:
            self._pending += leaf
            if len(self._pending) == WIDTH * HASH_BYTES:
                self._append(0, tile_root(bytes(self._pending)))
                self._pending.clear()

    def add_roots(self, roots: bytes) -> None:
        """Take roots of further full tiles of leaves, where no leaf is pending."""
        for place in range(0, len(roots), HASH_BYTES):
            self._append(0, roots[place : place + HASH_BYTES])

    @property
    def roots(self) -> bytes:
        """Roots of the full tiles of leaves so far."""
        return bytes(self._levels[0])

    def at(self, level: int, number: int) -> bytes:
        """Hashes of a tile so far."""
        if not 1 <= level <= len(self._levels):
            return b""
        return bytes(self._levels[level - 1][number * WIDTH * HASH_BYTES : (number + 1) * WIDTH * HASH_BYTES])

    def _append(self, place: int, value: bytes) -> None:
        if place == len(self._levels):
            self._levels.append(bytearray())
        row = self._levels[place]
        row += value
        if len(row) % (WIDTH * HASH_BYTES) == 0:
            self._append(place + 1, tile_root(bytes(row[-WIDTH * HASH_BYTES :])))
