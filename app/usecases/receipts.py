"""Receipts inside answers: the entry of the log and its proof, spliced into the audit block."""

from __future__ import annotations

from dataclasses import replace

import orjson

from app.container import Container
from app.ports import Appended, AuditDamaged, Seal
from app.usecases.call import Answer
from app.usecases.prove import receipt_of, signed_head
from services.audit.note import Checkpoint
from services.audit.receipt import Receipt


async def with_receipt(container: Container, answer: Answer, appended: Appended | None) -> Answer:
    """The answer with `audit.entry` and `audit.receipt`.

    Parameters
    ----------
    answer : Answer
        Ends with its audit block.
    appended : Appended, optional
        What was written for it just now, with its proof; without one, or where another writer stored the key first, the
        receipt is read from the tree. Both ways give the same bytes.
    """
    if appended is not None and appended.seal is not None:
        entry, text = _made(container, appended.index, appended.seal)
    else:
        entry, text = await _read(container, answer)
    block = b',"entry":%b,"receipt":%b}}' % (orjson.dumps(entry.decode()), orjson.dumps(text))
    return replace(answer, body=answer.body[:-2] + block)


def _made(container: Container, index: int, seal: Seal) -> tuple[bytes, str]:
    assert container.signer is not None
    origin = orjson.loads(seal.entry)["log"]
    head = signed_head(Checkpoint(origin, seal.size, seal.root), container.signer)
    return seal.entry, Receipt(index, seal.proof, head).text()


async def _read(container: Container, answer: Answer) -> tuple[bytes, str]:
    assert container.signer is not None
    event_id = orjson.loads(answer.body)["evaluation_id"]
    logged = await container.tree.entry_of(container.tenant_id, event_id)
    if logged is None:
        raise AuditDamaged(f"entry {event_id} of a stored key is missing")
    origin = orjson.loads(logged.entry)["log"]
    return logged.entry, await receipt_of(container.tree, logged, origin, container.signer)
