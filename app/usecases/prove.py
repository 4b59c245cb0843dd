"""Heads, proofs, tiles and receipts of the log."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from app.log_ports import LoggedEntry, LogSigner, LogState, LogTree
from app.ports import AuditUnavailable
from services.audit.frontier import Frontier
from services.audit.merkle import HASH_BYTES, SubtreeHash, consistency_proof, inclusion_proof, subtrees, tree_root
from services.audit.note import Checkpoint, Note, signature
from services.audit.receipt import Receipt
from services.audit.tiles import WIDTH, Tile, subtree_reader, tile_root

T = TypeVar("T")
MAX_TILE_BATCH = 64
"""Tiles of leaves that one call hashes into the level above; a log that was never read is caught up with in steps."""


class LogTooYoung(Exception):
    """The log does not have that many entries yet."""

    def __init__(self, asked: int, size: int) -> None:
        super().__init__(f"the log has {size} entries, not {asked}")
        self.asked, self.size = asked, size


def signed_checkpoint(state: LogState, signer: LogSigner) -> str:
    """Head of the log as a signed note. Ed25519 is deterministic: equal heads give equal bytes."""
    return signed_head(Checkpoint(state.origin, state.size, state.root), signer)


def signed_head(head: Checkpoint, signer: LogSigner) -> str:
    """A head as a signed note; while a former key still signs, under both."""
    text = head.text()
    signers = (signer,) if signer.former is None else (signer, signer.former)
    return Note(text, tuple(signature(one.public(head.origin), one.sign, text) for one in signers)).encoded()


async def prove_inclusion(tree: LogTree, index: int, size: int) -> list[bytes]:
    """Inclusion proof of an entry in the tree of the first `size` entries.

    Raises
    ------
    LogTooYoung
        If the log has fewer.
    InvalidInput
        Unless ``index < size``.
    """
    await _old_enough(tree, size)
    return await from_tiles(tree, size, lambda at: inclusion_proof(index, size, at))


async def prove_consistency(tree: LogTree, first: int, second: int) -> list[bytes]:
    """Proof that the tree of `second` entries begins with that of `first`.

    Raises
    ------
    LogTooYoung
        If the log has fewer than `second`.
    InvalidInput
        Unless ``0 < first ≤ second``.
    """
    await _old_enough(tree, second)
    return await from_tiles(tree, second, lambda at: consistency_proof(first, second, at))


async def frontier_at(tree: LogTree, size: int) -> Frontier:
    """Complete subtrees of the first `size` entries, as tiles and leaves have them.

    Raises
    ------
    LogTooYoung
        If the log has fewer.
    """
    await _old_enough(tree, size)
    return Frontier(size, await from_tiles(tree, size, lambda at: tuple(at(*place) for place in subtrees(0, size))))


async def receipt_of(tree: LogTree, logged: LoggedEntry, origin: str, signer: LogSigner) -> str:
    """Receipt of an entry over the head right after its batch: the same bytes whenever it is made."""
    size = logged.head_size

    def both(at: SubtreeHash) -> tuple[list[bytes], bytes]:
        return inclusion_proof(logged.index, size, at), tree_root(size, at)

    proof, root = await from_tiles(tree, size, both)
    return Receipt(logged.index, tuple(proof), signed_head(Checkpoint(origin, size, root), signer)).text()


async def read_tile(tree: LogTree, tile: Tile) -> bytes:
    """Hashes of a tile, of which `width` must exist; those above the leaves are stored as they are computed."""
    if tile.level == 0:
        start = tile.number * WIDTH
        return b"".join(await tree.leaves(start, start + tile.width))
    stored = await tree.tile(tile.level, tile.number)
    have = len(stored) // HASH_BYTES
    while have < tile.width:
        until = min(have + MAX_TILE_BATCH, tile.width)
        below = [Tile(tile.level - 1, tile.number * WIDTH + place, WIDTH) for place in range(have, until)]
        stored += b"".join([tile_root(await read_tile(tree, item)) for item in below])
        with contextlib.suppress(AuditUnavailable):  # whoever may only read does without
            await tree.put_tile(tile.level, tile.number, stored)
        have = until
    return stored[: tile.width * HASH_BYTES]


async def _old_enough(tree: LogTree, size: int) -> None:
    head = await tree.head()
    if size > head.size:
        raise LogTooYoung(size, head.size)


class _Missing(Exception):
    def __init__(self, tile: Tile) -> None:
        self.tile = tile


async def from_tiles(tree: LogTree, size: int, compute: Callable[[SubtreeHash], T]) -> T:
    """Result of a pure computation on the tree; each tile that it turns out to need is read, two a level at most."""
    known: dict[Tile, bytes] = {}

    def read(tile: Tile) -> bytes:
        if tile not in known:
            raise _Missing(tile)
        return known[tile]

    while True:
        try:
            return compute(subtree_reader(size, read))
        except _Missing as missing:
            known[missing.tile] = await read_tile(tree, missing.tile)
