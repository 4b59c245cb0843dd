"""Tiles: their names, their widths, and proofs read from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.merkle import consistency_proof, inclusion_proof, leaf_hash, tree_root
from services.audit.tiles import WIDTH, Tile, subtree_reader, tile_root, tile_width
from services.core.errors import InvalidInput
from tests.support import merkle_reference as reference

ENTRIES = [b"%d" % number for number in range(1030)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def stored(size: int) -> dict[Tile, bytes]:
    """Tiles of two levels, as the definition gives them."""
    tiles = {}
    for number in range(-(-size // WIDTH)):
        width = tile_width(0, number, size)
        tiles[Tile(0, number, width)] = b"".join(LEAVES[number * WIDTH : number * WIDTH + width])
    full = size // WIDTH
    if full:
        roots = [reference.root(ENTRIES[number * WIDTH : (number + 1) * WIDTH]) for number in range(full)]
        tiles[Tile(1, 0, full)] = b"".join(roots)
    return tiles


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 700, 1024, 1030])
def test_roots_and_proofs_from_tiles_are_the_recursive_definition(size: int) -> None:
    at = subtree_reader(size, stored(size).__getitem__)
    entries = ENTRIES[:size]
    assert tree_root(size, at) == reference.root(entries)
    for index in {0, size // 3, size // 2, size - 1}:
        assert inclusion_proof(index, size, at) == reference.path(index, entries)
        assert consistency_proof(index + 1, size, at) == reference.proof(index + 1, entries)


def test_a_full_tile_is_one_hash_of_the_level_above() -> None:
    assert tile_root(b"".join(LEAVES[:WIDTH])) == reference.root(ENTRIES[:WIDTH])
    with pytest.raises(InvalidInput, match="hashes"):
        tile_root(b"".join(LEAVES[:255]))


@given(st.integers(0, 63), st.integers(0, 10**12), st.integers(1, WIDTH))
def test_names_are_read_back(level: int, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    assert Tile.parse(tile.path) == tile


def test_the_example_of_the_specification() -> None:
    # C2SP tlog-tiles: a tree of 70,000 leaves.
    assert [tile_width(0, number, 70_000) for number in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [tile_width(1, number, 70_000) for number in (0, 1, 2)] == [256, 17, 0]
    assert [tile_width(2, number, 70_000) for number in (0, 1)] == [1, 0]
    assert (tile_width(0, 0, 256), tile_width(1, 0, 256)) == (256, 1)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0/0",
        "0/00",
        "00/000",
        "64/000",
        "0/1234",
        "0/x001",
        "0/x000/001",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/000 ",
    ],
)
def test_what_is_no_tile_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="tile"):
        Tile.parse(path)
