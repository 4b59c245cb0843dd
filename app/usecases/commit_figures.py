"""Signed commitments to figures of a recorded answer. Nothing is recorded of them, and nothing kept."""

from __future__ import annotations

import hashlib
import importlib.util
import secrets

import orjson

from app.container import Container
from app.deadline import in_thread
from app.ports import AuditDamaged
from app.usecases.call import Answer, Call
from app.usecases.disclose import NotDisclosable
from app.usecases.effort import validated
from app.usecases.prove import receipt_of
from app.usecases.read_evaluations import UnknownEntry
from app.usecases.read_log import signer_of
from models.api.transparency import CommitRequest
from services.audit.entry import digest_text


class CommitmentsMissing(Exception):
    """The extra `commitments` is not installed."""


async def commit_figures(container: Container, event_id: str, call: Call) -> Answer:
    """Commitments to figures of a recorded answer, and their openings, whose blinds are made here and forgotten.

    Raises
    ------
    CommitmentsMissing
        Without the extra.
    UnknownEntry
        If there is no such entry of this tenant.
    NotDisclosable
        If the entry does not commit to request and answer.
    AuditDamaged
        If what is stored is not what the entry commits to.
    """
    request = await validated(CommitRequest, call)
    if importlib.util.find_spec("nacl") is None:
        raise CommitmentsMissing("the service runs without the extra: pip install 'trimtab[commitments]'")
    signer = signer_of(container)
    logged = await container.tree.entry_of(container.tenant_id, event_id)
    if logged is None:
        raise UnknownEntry(event_id)
    said = orjson.loads(logged.entry)
    found = await container.tree.records(after=logged.index - 1, limit=1)
    if not found or found[0].index != logged.index:
        raise NotDisclosable("the answer of the entry is pruned")
    (stored,) = found
    for name, body in (("request", stored.request), ("response", stored.response)):
        if name not in said:
            raise NotDisclosable(f"an entry of version {said['v']} does not commit to its {name}")
        if said[name] != digest_text(hashlib.sha256(body).digest()):
            raise AuditDamaged(f"entry {event_id} commits to another {name} than the one that is stored")
    receipt = await receipt_of(container.tree, logged, said["log"], signer)

    def make() -> bytes:
        from services.audit.commitments import commit
        from services.audit.pedersen import scalar_text

        shown, openings = commit(
            [(item.figure, item.unit, item.rounding) for item in request.figures],
            _json(stored.request),
            _json(stored.response),
            entry=logged.entry.decode(),
            receipt=receipt,
            sign=signer.sign,
            random=secrets.token_bytes,
        )
        held = [
            {"figure": row.figure, "value": str(item.value), "blind": scalar_text(item.blind)}
            for row, item in zip(shown.rows, openings, strict=True)
        ]
        return orjson.dumps({"commitments": shown.document(), "openings": held})

    return Answer(200, await in_thread(make), (("Cache-Control", "no-store"),))


def _json(raw: bytes) -> object:
    try:
        found: object = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return found
