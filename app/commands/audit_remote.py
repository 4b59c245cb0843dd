"""A part of the log of a running service, read over HTTP: what a witness recomputes."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.commands.client import ServiceClient
from app.commands.console import ExitCode, Failure

if TYPE_CHECKING:
    from app.log_ports import Span
    from services.audit.note import Checkpoint
    from services.audit.span import SpanRow
    from services.audit.tiles import Tile
    from services.audit.verify import Finding

PAGE = 200


class RemoteSpan:
    """`app.log_ports.SpanSource` of a service, as the caller of its key sees it.

    Entries of other tenants are not shown: of these the leaf hash alone is known.
    """

    bodies = True

    def __init__(self, client: ServiceClient, first: int, head: Checkpoint) -> None:
        from app.log_ports import Span
        from services.audit.frontier import Frontier
        from services.audit.merkle import subtrees
        from services.audit.tiles import subtree_reader

        self._client = client
        self._tiles: dict[Tile, bytes] = {}
        # Hashes of the service, not trusted: wrong ones lead to no signed root.
        self._at = subtree_reader(head.size, self._read)
        before = Frontier(first, tuple(self._at(*place) for place in subtrees(0, first)))
        self.span: Span = Span(first, head.size, before, head, ())

    def damaged(self) -> Sequence[Finding]:
        """Nothing is stored here."""
        return ()

    def rows(self) -> Iterator[list[SpanRow]]:
        """Entries in order with their bodies; of what is not shown, the leaf hash."""

        done = self.span.first
        while done < self.span.end:
            after = {"after": str(done - 1)} if done else {}
            page = self._client.call("GET", "/v1/audit/entries", params={"limit": str(PAGE), **after})
            rows: list[SpanRow] = []
            for item in page["items"]:
                if done <= item["index"] < self.span.end:
                    rows += self._hidden(done + len(rows), item["index"])
                    rows.append(self._row(item))
            if page["next"] is None:
                rows += self._hidden(done + len(rows), self.span.end)
            if not rows:
                return
            yield rows
            done += len(rows)

    def _hidden(self, first: int, until: int) -> list[SpanRow]:
        from services.audit.span import SpanRow

        return [SpanRow(index, None, self._at(0, index)) for index in range(first, until)]

    def _row(self, item: Mapping[str, Any]) -> SpanRow:
        from services.audit.body import Body
        from services.audit.span import SpanRow

        event_id = item.get("evaluation_id") or item.get("event_id")
        entry = self._client.text(f"/v1/audit/entries/{event_id}/entry").encode()
        try:
            sent = self._client.call("GET", f"/v1/audit/entries/{event_id}/body")
            parts = (base64.b64decode(sent[name]) for name in ("request", "response", "state", "versions"))
            body: bytes | None = Body(*parts).packed()
        except Failure as failure:
            if failure.code is ExitCode.UNAVAILABLE:
                raise
            body = None  # pruned
        return SpanRow(item["index"], entry, None, body)

    def _read(self, tile: Tile) -> bytes:
        if tile not in self._tiles:
            self._tiles[tile] = self._client.content(f"/v1/log/tile/{tile.path}")
        return self._tiles[tile]
