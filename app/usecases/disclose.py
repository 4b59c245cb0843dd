"""Some fields of a recorded answer, with what proves to a stranger that they were recorded."""

from __future__ import annotations

import orjson

from app.audit_fields import field_tree
from app.container import Container
from app.deadline import in_thread
from app.log_ports import LogSigner, LogTree
from app.ports import AuditDamaged, BodyPruned
from app.usecases.call import Answer, Call
from app.usecases.effort import validated
from app.usecases.prove import receipt_of
from app.usecases.read_evaluations import UnknownEntry
from app.usecases.read_log import signer_of
from models.api.transparency import DiscloseRequest
from services.audit.disclosure import Disclosure
from services.audit.entry import digest_text


class NotDisclosable(Exception):
    """The entry does not commit to fields, or its answer is not stored any more."""


async def disclose_fields(container: Container, event_id: str, call: Call) -> Answer:
    """Fields of a recorded answer; nothing is recorded of it."""
    request = await validated(DiscloseRequest, call)
    shown = await disclose(container.tree, container.tenant_id, signer_of(container), event_id, request.fields)
    return Answer(200, orjson.dumps(shown.document()))


async def disclose(tree: LogTree, tenant_id: str, signer: LogSigner, event_id: str, pointers: list[str]) -> Disclosure:
    """Fields at these pointers with their proofs.

    Raises
    ------
    UnknownEntry
        If there is no such entry of this tenant.
    NotDisclosable
        If nothing of it can be shown.
    BodyPruned
        If its answer was removed after its retention.
    InvalidInput
        Naming the pointer that is none of its answer.
    AuditDamaged
        If the stored answer does not have the fields that its entry commits to.
    """
    logged = await tree.entry_of(tenant_id, event_id)
    if logged is None:
        raise UnknownEntry(event_id)
    said = orjson.loads(logged.entry)
    if "fields" not in said:
        raise NotDisclosable(f"an entry of kind {said['kind']} and version {said['v']} does not commit to fields")
    stored = await tree.records(after=logged.index - 1, limit=1)
    if not stored or stored[0].index != logged.index:
        raise BodyPruned(event_id)
    secret = (await tree.stream_secrets())[tenant_id]
    fields = await in_thread(field_tree, stored[0].kind, stored[0].response, secret, event_id)
    if fields is None or digest_text(fields.digest) != said["fields"]:
        raise AuditDamaged(f"entry {event_id} commits to other fields than those of its answer")
    receipt = await receipt_of(tree, logged, said["log"], signer)
    return fields.disclosed(pointers, logged.entry.decode(), receipt)
