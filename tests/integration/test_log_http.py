"""The log over HTTP, as somebody checks it who trusts nobody: with a key, hashes, and what was sent and received."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.examples import SMALLEST
from app.signatures import check_signature
from services.audit.merkle import leaf_hash, tree_root, verify_consistency, verify_inclusion
from services.audit.note import VerifierKey, verified_checkpoint
from services.audit.receipt import check_receipt
from services.audit.tiles import Tile, subtree_reader, tile_width
from tests.support.http import client

RECEIPT: dict[str, Any] = {**SMALLEST, "options": {"receipt": "proof"}}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(tmp_path) as found:
        yield found


async def text(http: httpx.AsyncClient, path: str, **query: int) -> str:
    answer = await http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


async def key_of(http: httpx.AsyncClient) -> VerifierKey:
    return VerifierKey.parse(await text(http, "/v1/log/key"))


def hashes(answer: httpx.Response) -> list[bytes]:
    assert answer.status_code == 200, answer.text
    return [base64.b64decode(item) for item in answer.json()["hashes"]]


async def test_an_answer_carries_its_receipt_and_the_receipt_holds_without_the_service(http: httpx.AsyncClient) -> None:
    key = await key_of(http)
    sent = json.dumps(RECEIPT).encode()
    answer = await http.post("/v1/evaluations", content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    audit = answer.json()["audit"]
    index, head = check_receipt(audit["receipt"], audit["entry"].encode(), key, check_signature)
    assert (index, head.size) == (audit["index"], audit["index"] + 1)
    entry = json.loads(audit["entry"])
    assert entry["id"] == answer.json()["evaluation_id"]
    assert entry["request"] == "sha256:" + hashlib.sha256(sent).hexdigest()
    without_audit = answer.content[: answer.content.rindex(b',"audit":')] + b"}"
    assert entry["response"] == "sha256:" + hashlib.sha256(without_audit).hexdigest()


async def test_a_receipt_is_the_same_later_and_under_the_same_key(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "a"}
    first = await http.post("/v1/evaluations", json=RECEIPT, headers=headers)
    await asyncio.gather(*(http.post("/v1/evaluations", json=SMALLEST) for _ in range(5)))
    again = await http.post("/v1/evaluations", json=RECEIPT, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true" and again.content == first.content
    found = first.json()
    path = f"/v1/audit/entries/{found['evaluation_id']}"
    assert await text(http, f"{path}/receipt") == found["audit"]["receipt"]
    assert await text(http, f"{path}/entry") == found["audit"]["entry"]


async def test_heads_follow_one_another_and_proofs_join_them(http: httpx.AsyncClient) -> None:
    key = await key_of(http)
    heads = []
    for count in (1, 3, 4):
        await asyncio.gather(*(http.post("/v1/evaluations", json=SMALLEST) for _ in range(count)))
        heads.append(verified_checkpoint(await text(http, "/v1/log/checkpoint"), key, check_signature))
    assert [head.size for head in heads] == [1, 4, 8]
    for first in heads:
        for second in heads:
            if first.size <= second.size:
                query = {"first": first.size, "second": second.size}
                proof = hashes(await http.get("/v1/log/proof/consistency", params=query))
                assert verify_consistency(first.size, second.size, first.root, second.root, proof)
    listed = (await http.get("/v1/audit/entries")).json()["items"]
    for item in listed:
        entry = (await text(http, f"/v1/audit/entries/{item['evaluation_id']}/entry")).encode()
        proof = hashes(await http.get("/v1/log/proof/inclusion", params={"index": item["index"], "size": 8}))
        assert verify_inclusion(item["index"], 8, leaf_hash(entry), proof, heads[-1].root)


async def test_the_root_can_be_computed_from_the_tiles_alone(http: httpx.AsyncClient) -> None:
    await asyncio.gather(*(http.post("/v1/evaluations", json=SMALLEST) for _ in range(5)))
    head = verified_checkpoint(await text(http, "/v1/log/checkpoint"), await key_of(http), check_signature)
    tile = Tile(0, 0, tile_width(0, 0, head.size))
    answer = await http.get(f"/v1/log/tile/{tile.path}")
    assert (
        answer.headers["content-type"] == "application/octet-stream" and "immutable" in answer.headers["cache-control"]
    )
    assert tree_root(head.size, subtree_reader(head.size, {tile: answer.content}.__getitem__)) == head.root


@pytest.mark.parametrize("path", ["0/000.p/3", "0/001", "1/000.p/1", "nonsense", "0/0", "64/000"])
async def test_what_is_not_there_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    await http.post("/v1/evaluations", json=SMALLEST)
    answer = await http.get(f"/v1/log/tile/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_size_that_the_log_does_not_have_is_told_from_a_mistake(http: httpx.AsyncClient) -> None:
    await http.post("/v1/evaluations", json=SMALLEST)
    young = await http.get("/v1/log/proof/inclusion", params={"index": 0, "size": 2})
    assert (young.status_code, young.json()["code"]) == (404, "log_too_young")
    assert young.json()["detail"] == "the log has 1 entries, not 2"
    outside = await http.get("/v1/log/proof/inclusion", params={"index": 1, "size": 1})
    assert (outside.status_code, outside.json()["errors"][0]["pointer"]) == (422, "query:index")
    backwards = await http.get("/v1/log/proof/consistency", params={"first": 2, "second": 1})
    assert (backwards.status_code, backwards.json()["errors"][0]["pointer"]) == (422, "query:first")


async def test_a_log_without_a_key_is_kept_and_says_that_nobody_signs_it(tmp_path: Path) -> None:
    async with client(tmp_path, signer=None) as http:
        answer = await http.post("/v1/evaluations", json=SMALLEST)
        entry = await text(http, f"/v1/audit/entries/{answer.json()['evaluation_id']}/entry")
        assert json.loads(entry)["stream_seq"] == 1
        for path in ("/v1/log/checkpoint", "/v1/log/key"):
            refused = await http.get(path)
            assert (refused.status_code, refused.json()["code"]) == (404, "log_not_signed")
        refused = await http.post("/v1/evaluations", json=RECEIPT)
        assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == "/options/receipt"


async def test_entries_of_nobody_have_no_receipt(http: httpx.AsyncClient) -> None:
    for name in ("entry", "receipt"):
        answer = await http.get(f"/v1/audit/entries/ev_{'0' * 32}/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_portfolios_are_chained_apart_and_their_names_are_not_told(http: httpx.AsyncClient) -> None:
    said = []
    for name in ("pf_a", "pf_b", "pf_a", None):
        body = {**SMALLEST, **({"portfolio_id": name} if name else {})}
        answer = (await http.post("/v1/evaluations", json=body)).json()
        entry = await text(http, f"/v1/audit/entries/{answer['evaluation_id']}/entry")
        assert "pf_" not in entry
        said.append((json.loads(entry), leaf_hash(entry.encode())))
    assert [entry["stream_seq"] for entry, _ in said] == [1, 1, 2, 1]
    assert len({entry["stream"] for entry, _ in said}) == 3
    assert said[2][0]["stream_prev"] == "sha256:" + said[0][1].hex()
