"""Tiles stored ahead of the first proof: the same proofs, from a few reads however long the log is."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise

import pytest

from app.log_ports import LogState
from app.usecases.keep_log import store_tiles
from app.usecases.prove import MAX_TILE_BATCH, frontier_at, prove_consistency, prove_inclusion
from services.audit.frontier import Frontier
from services.audit.merkle import verify_inclusion
from services.audit.tiles import WIDTH

SIZE = 70_000
LEAVES = [hashlib.sha256(b"%d" % number).digest() for number in range(SIZE)]


class Tree:
    """The part of a stored tree that proofs read; counts what is read."""

    def __init__(self, size: int = SIZE) -> None:
        self.size, self.stored = size, dict[tuple[int, int], bytes]()
        self.read: Counter[str] = Counter()

    async def head(self) -> LogState:
        return LogState(origin="log", size=self.size, root=bytes(32), frontier=b"", verifier_key=None)

    async def leaves(self, start: int, end: int) -> list[bytes]:
        self.read["leaves"] += end - start
        return LEAVES[start:end]

    async def tile(self, level: int, number: int) -> bytes:
        self.read["tiles"] += 1
        return self.stored.get((level, number), b"")

    async def put_tile(self, level: int, number: int, hashes: bytes) -> None:
        if len(hashes) > len(self.stored.get((level, number), b"")):
            self.stored[level, number] = hashes


async def kept(tree: Tree, size: int, done: int = 0) -> list[int]:
    """Steps until the tiles of `size` entries are stored: where each ended."""
    steps = [done]
    while (reached := await store_tiles(tree, size, steps[-1])) > steps[-1]:  # type: ignore[arg-type]
        steps.append(reached)
    return steps


async def test_a_proof_of_a_long_log_reads_a_few_tiles() -> None:
    tree, naive = Tree(), Tree()
    steps = await kept(tree, SIZE)
    assert steps[-1] == SIZE // WIDTH
    assert max(after - before for before, after in pairwise(steps)) <= MAX_TILE_BATCH
    assert sorted((level, number, len(hashes) // 32) for (level, number), hashes in tree.stored.items()) == [
        (1, 0, 256),
        (1, 1, 17),
        (2, 0, 1),
    ]
    root = Frontier().appended(LEAVES).root
    for index in (0, 12_345, 65_535, 65_536, SIZE - 1):
        tree.read.clear()
        proof = await prove_inclusion(tree, index, SIZE)  # type: ignore[arg-type]
        assert verify_inclusion(index, SIZE, LEAVES[index], proof, root)
        assert tree.read["leaves"] <= 2 * WIDTH and tree.read["tiles"] <= 4
    assert proof == await prove_inclusion(naive, SIZE - 1, SIZE)  # type: ignore[arg-type]
    assert naive.read["leaves"] > 17 * WIDTH, "without stored tiles the first proof hashes what nobody has"
    tree.read.clear()
    await prove_consistency(tree, 33_333, SIZE)  # type: ignore[arg-type]
    assert tree.read["leaves"] <= 3 * WIDTH


@pytest.mark.parametrize("sizes", [(255, 256, 257), (16_640, 65_535, 65_536, SIZE), (65_792, 65_792)])
async def test_tiles_grow_with_the_log_whatever_the_steps(sizes: tuple[int, ...]) -> None:
    growing, whole, done = Tree(), Tree(), 0
    for size in sizes:
        done = (await kept(growing, size, done))[-1]
    await kept(whole, sizes[-1])
    assert growing.stored == whole.stored
    assert (await kept(growing, sizes[-1]))[-1] == done, "another holder of the lease finds them and goes on"


async def test_what_is_stored_is_not_hashed_again() -> None:
    tree = Tree()
    await kept(tree, SIZE)
    tree.read.clear()
    await kept(tree, SIZE)
    assert tree.read["leaves"] == 0


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_537, SIZE])
async def test_the_subtrees_of_a_size_are_its_frontier(size: int) -> None:
    found = await frontier_at(Tree(), size)  # type: ignore[arg-type]
    assert found == Frontier().appended(LEAVES[:size])
