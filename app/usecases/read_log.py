"""What anybody may know of the log: its signed head, proofs, tiles; and of their own entries, entry and receipt."""

from __future__ import annotations

import orjson

from app.container import Container
from app.log_ports import LoggedEntry, LogSigner
from app.usecases.call import Answer
from app.usecases.prove import prove_consistency, prove_inclusion, read_tile
from app.usecases.read_evaluations import UnknownEntry
from services.audit.canonical import base64_text
from services.audit.tiles import Tile, tile_width
from services.core.errors import InvalidInput

ED25519, MLDSA = "ed25519", "ml-dsa-44"
FOREVER = ("Cache-Control", "public, max-age=31536000, immutable")


class LogNotSigned(Exception):
    """No key signs the heads of this log."""


class NoSuchTile(Exception):
    """The tree has no such tile."""


def signer_of(container: Container) -> LogSigner:
    """The one who signs.

    Raises
    ------
    LogNotSigned
        If nobody does.
    """
    if container.signer is None:
        raise LogNotSigned
    return container.signer


async def read_verifier_key(container: Container, algorithm: str = ED25519) -> str:
    """Public key of the log.

    Raises
    ------
    LogNotSigned
        If no key of this algorithm signs.
    """
    signer = signer_of(container) if algorithm == ED25519 else container.cosigner
    if signer is None:
        raise LogNotSigned
    return signer.public((await container.tree.head()).origin).text() + "\n"


async def read_inclusion_proof(container: Container, index: int, size: int) -> Answer:
    """Inclusion proof."""
    proof = await prove_inclusion(container.tree, index, size)
    return Answer(200, orjson.dumps({"index": index, "size": size, "hashes": [base64_text(item) for item in proof]}))


async def read_consistency_proof(container: Container, first: int, second: int) -> Answer:
    """Consistency proof."""
    proof = await prove_consistency(container.tree, first, second)
    body = {"first": first, "second": second, "hashes": [base64_text(item) for item in proof]}
    return Answer(200, orjson.dumps(body))


async def read_log_tile(container: Container, path: str) -> bytes:
    """Hashes of a tile.

    Raises
    ------
    NoSuchTile
        If it is no name of a tile, or the tree is not that large yet.
    """
    try:
        tile = Tile.parse(path)
    except InvalidInput:
        raise NoSuchTile(path) from None
    head = await container.tree.head()
    if tile_width(tile.level, tile.number, head.size) < tile.width:
        raise NoSuchTile(tile.path)
    return await read_tile(container.tree, tile)


async def read_entry(container: Container, event_id: str) -> bytes:
    """Canonical bytes that the tree holds of a record."""
    return (await logged_entry(container, event_id)).entry


async def logged_entry(container: Container, event_id: str) -> LoggedEntry:
    """Place of a record in the tree.

    Raises
    ------
    UnknownEntry
        If there is none for this tenant.
    """
    found = await container.tree.entry_of(container.tenant_id, event_id)
    if found is None:
        raise UnknownEntry(event_id)
    return found
