"""`POST /v1/margin:batch` as lines: the same figures as columns, bad lines refused alone, media types, limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from app.limits import LINE_BYTES
from app.margin_examples import BATCH, BATCH_LINES
from app.translate.account_lines import MAX_LINES
from models.api.margin_batch import MAX_ACCOUNTS, MarginBatchAnswer
from tests.support.http import client

JSON = dict[str, Any]
PATH, LINES = "/v1/margin:batch", "application/x-ndjson"
HEAD = {name: BATCH[name] for name in ("as_of", "currency", "markets")}
SYMBOLS = [market["symbol"] for market in BATCH["markets"]]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def rows() -> list[JSON]:
    """The documented example, an account a line; positions of nothing are left out."""
    held = np.array(BATCH["quantities"]).T.tolist()
    return [
        {"account": name, "equity": equity, "quantities": {s: q for s, q in zip(SYMBOLS, row, strict=True) if q}}
        for name, equity, row in zip(BATCH["accounts"], BATCH["equity"], held, strict=True)
    ]


def written(*lines: JSON | bytes) -> bytes:
    return b"\n".join(line if isinstance(line, bytes) else orjson.dumps(line) for line in lines) + b"\n"


async def posted(http: httpx.AsyncClient, content: bytes, **headers: str) -> httpx.Response:
    return await http.post(PATH, content=content, headers={"Content-Type": LINES, **headers})


async def answered(http: httpx.AsyncClient, *lines: JSON | bytes) -> list[JSON]:
    answer = await posted(http, written(*lines))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(LINES)
    return [orjson.loads(line) for line in answer.content.splitlines()]


async def test_lines_are_the_columns(http: httpx.AsyncClient) -> None:
    head, *found, tail = await answered(http, HEAD, *rows())
    whole = (await http.post(PATH, json=BATCH)).json()
    assert {name: whole[name] for name in head} == head
    assert {name: whole[name] for name in tail} == tail
    assert head.keys() | tail.keys() | {"initial_margin", "maintenance_margin", "ratio", "status"} == whole.keys()
    assert [row["line"] for row in found] == [2, 3, 4, 5, 6]
    assert [row["account"] for row in found] == BATCH["accounts"]
    for name in ("initial_margin", "maintenance_margin", "ratio", "status"):
        assert [row[name] for row in found] == whole[name]


async def test_the_documented_lines(http: httpx.AsyncClient) -> None:
    answer = await posted(http, BATCH_LINES.encode())
    assert [orjson.loads(line).get("status") for line in answer.content.splitlines()] == [
        None,
        "ok",
        "below_maintenance",
        None,
    ]


async def test_a_bad_line_is_one_refused_row(http: httpx.AsyncClient) -> None:
    good = rows()
    bad: list[JSON | bytes] = [
        b'{"account": "x", "equity": NaN, "quantities": {}}',
        b'{"account": "x", "account": "y", "equity": 1, "quantities": {}}',
        b"[1, 2]",
        {"account": "x", "equity": 1},
        {"account": "x y", "equity": 1, "quantities": {}},
        {"account": "x", "equity": 1, "quantities": {"DOGE": 1}},
        {"account": "a1", "equity": 1, "quantities": {}},
        b'{"account": "x", "equity": 1, "quantities": {}, "note": "' + b"z" * LINE_BYTES + b'"}',
        b"\xff",
    ]
    _, *found, tail = await answered(http, HEAD, good[0], *bad, b"", *good[1:])
    refused = [row for row in found if row["status"] == "refused"]
    assert [(row["line"], row["code"]) for row in refused] == list(
        zip(
            range(3, 12),
            ["malformed_json", "duplicate_key", *["not_an_account"] * 3, "unknown_market", "duplicate_account",
             "body_too_large", "malformed_json"],
            strict=True,
        )
    )  # fmt: skip
    assert all(row["detail"] for row in refused)
    # In the order of the body; the empty line counts and is passed over.
    assert [row["line"] for row in found] == [*range(2, 12), *range(13, 17)]
    assert sum(tail["counts"].values()) == 5
    assert {one["code"] for one in tail["warnings"]} == {"margin_unknown", "lines_refused"}


async def test_the_answer_takes_the_form_that_is_asked_for(http: httpx.AsyncClient) -> None:
    columns = await posted(http, written(HEAD, *rows(), b"{}"), Accept="application/json")
    found = MarginBatchAnswer.model_validate_json(columns.content)
    whole = (await http.post(PATH, json=BATCH)).json()
    assert found.accounts == BATCH["accounts"]
    assert found.refused is not None
    assert [(one.line, one.code) for one in found.refused] == [(7, "not_an_account")]
    assert columns.json()["initial_margin"] == whole["initial_margin"]
    lines = await http.post(PATH, json=BATCH, headers={"Accept": f"application/json;q=0.5, {LINES}"})
    rows_ = [orjson.loads(line) for line in lines.content.splitlines()][1:-1]
    assert [row["index"] for row in rows_] == [0, 1, 2, 3, 4]
    assert [row["status"] for row in rows_] == whole["status"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", LINES),
        ("application/*", LINES),
        ("application/json, */*;q=0.1", "application/json"),
        (f"{LINES};q=0, */*", "application/json"),
        ("text/csv", None),
        ("application/json;q=high", None),
    ],
)
async def test_what_is_accepted(http: httpx.AsyncClient, accept: str, expected: str | None) -> None:
    answer = await posted(http, written(HEAD, *rows()), Accept=accept)
    if expected is None:
        assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    else:
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, expected)


@pytest.mark.parametrize(
    ("content", "status", "pointer"),
    [
        (b"", 422, ""),
        (written(HEAD), 422, ""),
        (written(HEAD, b"{}"), 422, ""),
        (written({"currency": "USD"}, *rows()), 422, "/markets"),
        (written({**HEAD, "preset": "derive"}, *rows()), 422, "/preset"),
        (written({**HEAD, "as_of": "2999-01-01T00:00:00Z"}, *rows()), 422, "/as_of"),
        (written(b"{", *rows()), 400, None),
    ],
)
async def test_a_request_without_a_head_or_accounts_is_refused(
    http: httpx.AsyncClient, content: bytes, status: int, pointer: str | None
) -> None:
    answer = await posted(http, content)
    assert answer.status_code == status, answer.text
    if pointer is not None:
        assert pointer in [one["pointer"] for one in answer.json()["errors"]]


async def test_other_media_types_name_those_that_are_taken(http: httpx.AsyncClient) -> None:
    for media in ("text/csv", "application/vnd.apache.arrow.file", "application/x-ndjson; charset=latin-1"):
        answer = await http.post(PATH, content=b"x", headers={"Content-Type": media})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
        assert LINES in answer.json()["detail"]
    # Elsewhere lines are no body.
    elsewhere = await http.post("/v1/margin:scenario", content=b"{}\n", headers={"Content-Type": LINES})
    assert elsewhere.status_code == 415
    packed = await posted(http, written(HEAD, *rows()), **{"Content-Encoding": "gzip"})
    assert packed.status_code == 415


async def test_accounts_beyond_the_limit_are_refused_and_lines_beyond_theirs_end_the_request(
    http: httpx.AsyncClient,
) -> None:
    def many(count: int) -> Iterator[bytes]:
        return (b'{"account":"b%d","equity":1,"quantities":{}}' % place for place in range(count))

    _, *found, tail = await answered(http, HEAD, *many(MAX_ACCOUNTS + 2))
    assert [row["code"] for row in found[-2:]] == ["too_many_accounts"] * 2
    assert sum(tail["counts"].values()) == MAX_ACCOUNTS
    answer = await posted(http, written(HEAD, *(b"{}" for _ in range(MAX_LINES + 1))))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_chunks_of_any_size_are_the_same_lines(http: httpx.AsyncClient) -> None:
    body = written(HEAD, *rows(), *({"account": f"c{n}", "equity": n, "quantities": {}} for n in range(9_000)))
    whole = await posted(http, body)

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    for size in (997, 300_001):
        answer = await http.post(PATH, content=pieces(size), headers={"Content-Type": LINES})
        assert answer.content == whole.content
