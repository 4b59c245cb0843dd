"""A log as one of several tenants sees it: own entries whole, of the others the hashes."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from app.commands import audit_remote
from app.commands.audit_remote import RemoteSpan
from app.commands.console import ExitCode, Failure
from services.audit.body import Body
from services.audit.frontier import Frontier
from services.audit.merkle import HASH_BYTES, leaf_hash
from services.audit.note import Checkpoint
from services.audit.span import SpanCheck
from services.audit.tiles import WIDTH, Tile, TileHashes
from tests.support.audit import event_id

ORIGIN = "risk.example/log1"
SIZE = 600


def entry(index: int) -> bytes:
    return b'{"n":%d}' % index


class Service:
    """What a service answers to the caller of one tenant."""

    def __init__(self, shown: set[int], pruned: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        self.shown, self.pruned = sorted(shown), pruned
        self.leaves = [leaf_hash(entry(index)) for index in range(SIZE)]
        self.above = TileHashes()
        self.above.add(self.leaves)

    def call(self, method: str, path: str, *, params: dict[str, str] | None = None) -> Any:
        if path == "/v1/audit/entries":
            assert params is not None
            limit, after = int(params["limit"]), int(params.get("after", -1))
            found = [index for index in self.shown if index > after][:limit]
            items = [{"index": index, "event_id": event_id(index)} for index in found]
            return {"items": items, "next": str(found[-1]) if len(found) == limit else None}
        index = int(path.split("/")[-2].removeprefix("ev_"), 16)
        if index in self.pruned:
            raise Failure(ExitCode.REFUSED, "not found")
        return {name: base64.b64encode(name.encode()).decode() for name in ("request", "response", "state", "versions")}

    def text(self, path: str) -> str:
        return entry(int(path.split("/")[-2].removeprefix("ev_"), 16)).decode()

    def content(self, path: str) -> bytes:
        tile = Tile.parse(path.removeprefix("/v1/log/tile/"))
        if tile.level:
            return self.above.at(tile.level, tile.number)[: tile.width * HASH_BYTES]
        return b"".join(self.leaves[tile.number * WIDTH : tile.number * WIDTH + tile.width])


@pytest.mark.parametrize("first", [0, 1, 255, 256, 300, SIZE - 1])
@pytest.mark.parametrize("every", [1, 3, 250, 10_000])
def test_all_entries_come_in_order_and_lead_to_the_head(
    first: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_remote, "PAGE", 50)
    service = Service(set(range(7, SIZE, every)), pruned={7})
    tree = Frontier().appended(service.leaves)
    span = RemoteSpan(service, first, Checkpoint(ORIGIN, SIZE, tree.root))  # type: ignore[arg-type]
    rows = [row for page in span.rows() for row in page]
    assert [row.index for row in rows] == list(range(first, SIZE))
    assert {row.index for row in rows if row.entry is not None} == {n for n in service.shown if n >= first}
    assert {row.index for row in rows if row.entry is not None and row.body is None} == {7} - set(range(first))
    body = Body(b"request", b"response", b"state", b"versions").packed()
    assert all(row.body == body for row in rows if row.entry is not None and row.index != 7)
    check = SpanCheck(ORIGIN, span.span.before)
    check.add(row for row in rows)
    assert check.frontier.root == tree.root
