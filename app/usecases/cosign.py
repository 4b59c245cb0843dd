"""Heads of the log that witnesses signed too: taking their signatures, and showing them with heads and receipts."""

from __future__ import annotations

import orjson

from app.container import Container
from app.log_ports import LoggedEntry, LogTree
from app.signatures import check_signature
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from app.usecases.prove import LogTooYoung, from_tiles, receipt_of, signed_head
from app.usecases.read_log import signer_of
from models.api.transparency import CosignaturesRequest
from services.audit.merkle import inclusion_proof, tree_root
from services.audit.note import Checkpoint, Note, Signature, VerifierKey, cosignature, witnesses_of
from services.audit.receipt import Receipt
from services.core.errors import InvalidInput

LOOKED_AT = 32
"""Heads that one query gives, where the quorum may have been another one when they were signed."""


class ForeignHead(Exception):
    """Somebody signed a head that this log never had."""


class NotCosigned(Exception):
    """No head has enough signatures of witnesses yet."""


async def read_checkpoint(container: Container, *, cosigned: str = "false") -> str:
    """Signed head of the log as it is now; `cosigned` "true": the newest that enough witnesses have signed, "pending":
    the newest that some have signed and not yet enough, if there is one.

    Raises
    ------
    NotCosigned
        If there is no such head.
    """
    signer_of(container)
    state = await container.tree.head()
    head = Checkpoint(state.origin, state.size, state.root)
    if cosigned == "pending":
        done = await _quorum_size(container, least=1, newest=True) or 0
        if sizes := await container.tree.cosigned_sizes(least=done + 1, signatures=1, newest=True, limit=1):
            head = await _head_at(container.tree, state.origin, sizes[0])
    elif cosigned == "true":
        size = await _quorum_size(container, least=1, newest=True)
        if size is None:
            raise NotCosigned
        head = await _head_at(container.tree, state.origin, size)
    return (await _shown(container, head)).encoded()


async def read_receipt(container: Container, logged: LoggedEntry) -> str:
    """Receipt of an entry: over the first head with it that enough witnesses have signed; until there is one, over the
    head right after the batch that wrote it.
    """
    signer = signer_of(container)
    state = await container.tree.head()
    size = await _quorum_size(container, least=logged.index + 1, newest=False)
    if size is None:
        text = await receipt_of(container.tree, logged, state.origin, signer)
        return _postquantum(container, text) if container.cosigner is not None else text
    head = await _head_at(container.tree, state.origin, size)
    proof = await from_tiles(container.tree, size, lambda at: inclusion_proof(logged.index, size, at))
    return Receipt(logged.index, tuple(proof), (await _shown(container, head)).encoded()).text()


async def add_cosignatures(container: Container, call: Call) -> Answer:
    """Store what configured witnesses signed of a head of this log; nothing is recorded of it.

    Raises
    ------
    LogTooYoung
        If the log is not that long yet.
    ForeignHead
        If the log had another root at that size.
    InvalidInput
        If it is no head, or no configured witness has signed it.
    """
    signer_of(container)
    request = await validated(CosignaturesRequest, call)
    note = Note.parse(request.note)
    claimed = Checkpoint.parse(note.text)
    state = await container.tree.head()
    if claimed.origin != state.origin:
        raise InvalidInput("note", f"must be a head of {state.origin}", claimed.origin[:200])
    if not 1 <= claimed.size:
        raise InvalidInput("note", "must be a head of at least one entry", claimed.size)
    if claimed.size > state.size:
        raise LogTooYoung(claimed.size, state.size)
    head = await _head_at(container.tree, state.origin, claimed.size)
    if note.text != head.text():
        raise ForeignHead(
            f"at {claimed.size} entries the root is {head.root.hex()}, and {claimed.root.hex()} is signed"
        )
    accepted = _accepted(container.settings.witness_keys, note)
    await container.tree.add_cosignatures(head.size, accepted)
    witnesses = _witnesses(container.settings.witness_keys, await container.tree.cosignatures(head.size))
    quorum = container.settings.quorum
    body = {
        "size": head.size,
        "accepted": sorted({item.name for item in accepted}),
        "witnesses": witnesses,
        "quorum": quorum,
        "reached": witnesses >= quorum,
    }
    return Answer(200, orjson.dumps(body))


def _accepted(keys: tuple[VerifierKey, ...], note: Note) -> list[Signature]:
    known = {(key.name, key.key_id): key for key in keys}
    # One of a key: anybody may send many copies of a line, and each check costs.
    found = list({key: item for item in note.signatures if (key := (item.name, item.key_id)) in known}.values())
    if not found:
        raise InvalidInput("note", "must be signed by one of the configured witnesses (TRIMTAB_WITNESS_KEYS)", "none")
    for item in found:
        if not note.signed_by(known[item.name, item.key_id], check_signature):
            raise InvalidInput("note", f"must carry valid signatures of {item.name}", "one that is not")
    return found


def _witnesses(keys: tuple[VerifierKey, ...], signatures: list[Signature]) -> int:
    """Configured witnesses among the signers."""
    known = {(key.name, key.key_id): key for key in keys}
    signed = [known[item.name, item.key_id] for item in signatures if (item.name, item.key_id) in known]
    return witnesses_of(signed)


async def _quorum_size(container: Container, *, least: int, newest: bool) -> int | None:
    """Size of the first head from `least` on, or the newest, that enough of today's witnesses have signed."""
    keys, quorum = container.settings.witness_keys, container.settings.quorum
    while quorum:
        sizes = await container.tree.cosigned_sizes(least=least, signatures=quorum, newest=newest, limit=LOOKED_AT)
        for size in sizes:
            if _witnesses(keys, await container.tree.cosignatures(size)) >= quorum:
                return size
        if newest or len(sizes) < LOOKED_AT:
            break
        least = sizes[-1] + 1
    return None


async def _head_at(tree: LogTree, origin: str, size: int) -> Checkpoint:
    return Checkpoint(origin, size, await from_tiles(tree, size, lambda at: tree_root(size, at)))


async def _shown(container: Container, head: Checkpoint) -> Note:
    """A head with every signature that there is on it."""
    note = Note.parse(signed_head(head, signer_of(container)))
    keys = {(key.name, key.key_id) for key in container.settings.witness_keys}
    stored = await container.tree.cosignatures(head.size) if keys else []
    witnesses = [item for item in stored if (item.name, item.key_id) in keys]
    return note.with_signatures([*_own(container, head), *witnesses])


def _postquantum(container: Container, receipt: str) -> str:
    parsed = Receipt.parse(receipt)
    note = Note.parse(parsed.checkpoint)
    signed = note.with_signatures(_own(container, Checkpoint.parse(note.text))).encoded()
    return Receipt(parsed.index, parsed.proof, signed).text()


def _own(container: Container, head: Checkpoint) -> list[Signature]:
    """ML-DSA-44 signature of the log itself; its time is 0, because it says nothing of newer heads."""
    cosigner = container.cosigner
    if cosigner is None or head.size == 0:
        return []
    return [cosignature(cosigner.public(head.origin), cosigner.sign, head.text(), 0)]
