"""Small logs in memory, as a witness is shown them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256

from app.log_ports import Span
from app.ports import StoredEntry
from services.audit.body import Body
from services.audit.entry import FIRST, LogEntry
from services.audit.frontier import Frontier
from services.audit.merkle import leaf_hash
from services.audit.note import Checkpoint
from services.audit.span import SpanRow
from services.audit.verify import Finding

ORIGIN = "risk.example/log1"


class MemorySpan:
    """`app.log_ports.SpanSource` of rows that begin with the first entry of a log."""

    bodies = True

    def __init__(self, rows: Sequence[SpanRow], head: Checkpoint | None = None) -> None:
        frontier = Frontier().appended(leaf_hash(row.entry or b"") for row in rows)
        head = head or Checkpoint(ORIGIN, frontier.size, frontier.root)
        self._rows, self.span = list(rows), Span(0, head.size, Frontier(), head, ())

    def damaged(self) -> Sequence[Finding]:
        """Nothing."""
        return ()

    def rows(self) -> Iterator[list[SpanRow]]:
        """All rows."""
        yield list(self._rows)


def logged(index: int, stored: StoredEntry, response: bytes | None = None, at: datetime | None = None) -> SpanRow:
    """A record as the first entry of a stream of its own, with another answer if one is given."""
    body = Body(stored.request, stored.response if response is None else response, stored.state, stored.versions)
    packed = body.packed()
    entry = LogEntry(
        log=ORIGIN,
        event_id=stored.event_id,
        kind=stored.kind.value,
        recorded_at=at or stored.recorded_at,
        status=stored.status,
        body_sha256=sha256(packed).digest(),
        request_sha256=sha256(body.request).digest(),
        response_sha256=sha256(body.response).digest(),
        fields_sha256=None,
        body_length=len(packed),
        stream=sha256(b"%d" % index).digest(),
        stream_seq=1,
        stream_prev=FIRST,
    ).encoded()
    return SpanRow(index, entry, leaf_hash(entry), packed)
