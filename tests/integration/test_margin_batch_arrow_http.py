"""`POST /v1/margin:batch` as Arrow streams: the same figures as JSON, what is refused and how, and bent streams."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pyarrow as pa
import pytest

from app.limits import ARROW_BATCHES, ARROW_METADATA_BYTES
from app.margin_examples import BATCH, BATCH_LINES
from app.routes import margin as route
from app.translate.arrow_stream import FlatTable
from models.api.margin_batch import LARGEST, MAX_ACCOUNTS
from tests.support.arrow import batch_of, head_of, messages, patched, read, written
from tests.support.documents import ROOT
from tests.support.http import client

JSON = dict[str, Any]
PATH, STREAM = "/v1/margin:batch", "application/vnd.apache.arrow.stream"
FIGURES = ("initial_margin", "maintenance_margin", "ratio", "status")


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


async def posted(http: httpx.AsyncClient, content: bytes, **headers: str) -> httpx.Response:
    return await http.post(PATH, content=content, headers={"Content-Type": STREAM, **headers})


async def answered(http: httpx.AsyncClient, content: bytes) -> tuple[dict[str, list[Any]], JSON]:
    answer = await posted(http, content)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == STREAM
    return read(answer.content)


async def refused(http: httpx.AsyncClient, content: bytes) -> tuple[int, str, str]:
    """Status, code and text of a refusal."""
    answer = await posted(http, content)
    problem = answer.json()
    assert answer.status_code == problem["status"]
    return problem["status"], problem["code"], problem["detail"] + str(problem.get("errors", ""))


def many(accounts: int, markets: int) -> JSON:
    """A request of random accounts."""
    generator = np.random.default_rng(3)
    return {
        "as_of": "2024-01-05T08:00:00Z",
        "markets": [
            {"symbol": f"M{place}", "mark_price": "100", "volatility": 0.3 + place / 10, "netting_offset": 0.5}
            for place in range(markets)
        ],
        "accounts": [f"a{place}" for place in range(accounts)],
        "equity": generator.uniform(-10.0, 5_000.0, accounts).tolist(),
        "quantities": generator.normal(size=(markets, accounts)).tolist(),
    }


@pytest.mark.parametrize("preset", [None, "derive_pmrm2", "span16", "regime"])
@pytest.mark.parametrize("rows", [None, 7])
async def test_the_answer_is_the_one_in_json_to_the_last_bit(
    http: httpx.AsyncClient, preset: str | None, rows: int | None
) -> None:
    for body in (BATCH, many(40, 20)):
        asked = body | {"preset": preset}
        columns, rest = await answered(http, written(batch_of(asked), rows))
        whole = (await http.post(PATH, json=asked)).json()
        assert columns == {"account": asked["accounts"], **{name: whole[name] for name in FIGURES}}
        assert rest == {name: value for name, value in whole.items() if name not in FIGURES}


async def test_any_form_in_any_form_out(http: httpx.AsyncClient) -> None:
    whole = (await http.post(PATH, json=BATCH)).json()
    as_json = await posted(http, written(batch_of(BATCH)), Accept="application/json")
    assert as_json.json() == whole
    as_lines = await posted(http, written(batch_of(BATCH)), Accept="application/x-ndjson")
    assert [orjson.loads(line)["status"] for line in as_lines.content.splitlines()[1:-1]] == whole["status"]
    columns, rest = read((await http.post(PATH, json=BATCH, headers={"Accept": f"{STREAM}, */*;q=0.1"})).content)
    assert columns["maintenance_margin"] == whole["maintenance_margin"]
    assert rest["counts"] == whole["counts"]
    headers = {"Content-Type": "application/x-ndjson", "Accept": STREAM}
    columns, rest = read((await http.post(PATH, content=BATCH_LINES + "{}\n", headers=headers)).content)
    assert columns["status"] == ["ok", "below_maintenance"]
    assert [(one["line"], one["code"]) for one in rest["refused"]] == [(4, "not_an_account")]


def values(kind: pa.DataType, change: Callable[[Any], Any], body: JSON) -> bytes:
    """A request whose figures were changed and have a type."""

    def of(column: list[Any]) -> list[Any]:
        return [None if value is None else change(value) for value in column]

    return written(
        batch_of(body | {"equity": of(body["equity"]), "quantities": list(map(of, body["quantities"]))}, kind)
    )


async def test_decimals_and_texts_are_the_nearest_numbers(http: httpx.AsyncClient) -> None:
    body = many(500, 2)
    cents = np.random.default_rng(4).integers(-(10**14), 10**14, (2, 500))
    body |= {"quantities": [[float(Decimal(int(value)).scaleb(-9)) for value in column] for column in cents]}
    body |= {"equity": [round(value, 6) for value in body["equity"]]}
    whole = (await http.post(PATH, json=body)).json()
    for kind, change in (
        (pa.decimal128(38, 12), lambda value: round(Decimal(repr(value)), 12)),
        (pa.decimal256(60, 12), lambda value: round(Decimal(repr(value)), 12)),
        (pa.string(), lambda value: f"{Decimal(repr(value)):f}"),
        (pa.large_string(), lambda value: f"{Decimal(repr(value)):f}"),
    ):
        columns, _ = await answered(http, values(kind, change, body))
        assert {name: columns[name] for name in FIGURES} == {name: whole[name] for name in FIGURES}, kind


async def test_whole_and_short_numbers(http: httpx.AsyncClient) -> None:
    body = BATCH | {"quantities": [[1, -6, 0, 1, 1], [-10, 0, 6, 0, 0]]}
    whole = (await http.post(PATH, json=body)).json()
    for kind in (pa.int16(), pa.int64(), pa.float16(), pa.float32(), pa.decimal64(12, 2)):
        columns, _ = await answered(http, values(kind, lambda value: value, body))
        assert columns["initial_margin"] == whole["initial_margin"], kind


async def test_what_is_no_number_is_an_outcome_of_its_account(http: httpx.AsyncClient) -> None:
    bad = [math.nan, math.inf, -math.inf, None, 2 * LARGEST]
    body = BATCH | {"equity": [1e6] * 5, "quantities": [bad, [0.0] * 5]}
    columns, rest = await answered(http, written(batch_of(body)))
    assert columns["status"] == ["unknown"] * 5
    assert columns["initial_margin"] == [None] * 5
    assert {row["reason"] for row in rest["unknown"]} == {"unusable_data"}
    texts = ["nan", "1e3", " 1", "1\n", "0x1"]
    plain = batch_of(
        BATCH | {"equity": [repr(value) for value in range(5)], "quantities": [["0"] * 5, texts]}, pa.string()
    )
    columns, _ = await answered(http, written(plain))
    assert columns["status"] == ["unknown"] * 5


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
async def test_compressed_buffers_are_refused_unread(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    """20,000 accounts of 20 markets, all 0, are 3.5 MB; here they are sent as a small part of it."""
    zeros: JSON = many(1, 20) | {"equity": [0.0] * MAX_ACCOUNTS, "quantities": [[0.0] * MAX_ACCOUNTS] * 20}
    packed = written(batch_of(zeros | {"accounts": [f"a{place}" for place in range(MAX_ACCOUNTS)]}), compression=codec)
    assert len(packed) < 0.1 * 3.5e6

    def decode(*_: Any) -> None:
        raise AssertionError("must not be decoded")

    monkeypatch.setattr(pa.ipc, "read_record_batch", decode)
    status, code, text = await refused(http, packed)
    assert (status, code) == (415, "unsupported_media_type")
    assert "compressed" in text


def renamed(name: str, place: int = 2) -> pa.RecordBatch:
    plain = batch_of(BATCH)
    names = [name if column == place else old for column, old in enumerate(plain.schema.names)]
    return plain.rename_columns(names).replace_schema_metadata(plain.schema.metadata)


def typed(array: pa.Array, place: int = 1) -> pa.RecordBatch:
    plain = batch_of(BATCH)
    arrays = [array if column == place else old for column, old in enumerate(plain.columns)]
    return pa.RecordBatch.from_arrays(arrays, names=plain.schema.names).replace_schema_metadata(plain.schema.metadata)


def headed(head: bytes | None) -> pa.RecordBatch:
    return batch_of(BATCH).replace_schema_metadata(None if head is None else {"trimtab": head})


FIVE = pa.array([1.0] * 5)
BEFORE = orjson.dumps(head_of(BATCH) | {"as_of": "2199-01-01T00:00:00Z"})
UNION = pa.UnionArray.from_sparse(pa.array([0] * 5, pa.int8()), [FIVE])
SHAPES = {
    "another market": (renamed("BTC"), "/quantities/0", "must be BTC-PERP"),
    "another name": (renamed("name", 0), "/accounts", "must be account"),
    "another order": (batch_of(BATCH).select([0, 1, 3, 2]), "/quantities/0", "must be BTC-PERP"),
    "a column less": (batch_of(BATCH).select([0, 1, 2]), "", "must have 4 columns"),
    "flags": (typed(pa.array([True] * 5)), "/equity", "found 'bool'"),
    "no type": (typed(pa.nulls(5)), "/equity", "found 'null'"),
    "times": (typed(pa.array([1] * 5, pa.timestamp("s"))), "/equity", "found 'timestamp"),
    "lists": (typed(pa.array([[1.0]] * 5)), "/equity", "found 'list<"),
    "structs": (typed(pa.array([{"a": 1}] * 5)), "/equity", "found 'struct<"),
    "bytes": (typed(pa.array([b"1"] * 5)), "/equity", "found 'binary'"),
    "views": (typed(pa.array(["1"] * 5, pa.string_view())), "/equity", "found 'string_view'"),
    "dictionaries": (typed(FIVE.dictionary_encode()), "/equity", "found 'dictionary<"),
    "runs": (typed(pa.RunEndEncodedArray.from_arrays([5], [1.0])), "/equity", "found 'run_end"),
    "unions": (typed(UNION), "/equity", "union"),
    "a scale below 0": (typed(pa.array([Decimal(100)] * 5, pa.decimal128(10, -2))), "/equity", "found 'decimal128(10"),
    "numbers for names": (typed(FIVE, 0), "/accounts", "must be of type utf8"),
    "a name twice": (typed(pa.array(["a", "a", "b", "c", "d"]), 0), "", "unique"),
    "no name": (typed(pa.array(["a", "b c", "d", "e", "f"]), 0), "/accounts/1", "letters, digits"),
    "a name that is missing": (typed(pa.array(["a", "b", None, "e", "f"]), 0), "/accounts/2", "string"),
    "no account": (batch_of(BATCH).slice(0, 0), "/accounts", "at least 1"),
    "no head": (headed(None), "", "under the key trimtab"),
    "an empty head": (headed(b"{}"), "/markets", "required"),
    "columns in the head": (headed(orjson.dumps(BATCH)), "/accounts", "unknown"),
    "the future": (headed(BEFORE), "/as_of", "future"),
}


async def test_other_columns_and_heads_are_named(http: httpx.AsyncClient) -> None:
    for name, (batch, pointer, text) in SHAPES.items():
        answer = await posted(http, written(batch))
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "invalid_request"), (name, answer.text)
        assert problem["errors"][0]["pointer"] == pointer, (name, answer.text)
        assert text in problem["errors"][0]["detail"], (name, answer.text)


async def test_a_head_is_strict_json(http: httpx.AsyncClient) -> None:
    assert (await refused(http, written(headed(b'{"markets": NaN}'))))[:2] == (400, "malformed_json")
    assert (await refused(http, written(headed(b'{"currency": "A", "currency": "B"}'))))[:2] == (422, "duplicate_key")


async def test_a_market_may_be_called_equity(http: httpx.AsyncClient) -> None:
    """Places tell columns apart, not names."""
    body = BATCH | {"markets": [BATCH["markets"][0] | {"symbol": "equity"}, BATCH["markets"][1]]}
    columns, _ = await answered(http, written(batch_of(body)))
    assert columns["initial_margin"] == (await http.post(PATH, json=body)).json()["initial_margin"]


RAW = written(batch_of(BATCH))
(SCHEMA_AT, SCHEMA), (BATCH_AT, RECORD) = messages(RAW)
NODES, BUFFERS = (BATCH_AT + RECORD.vector(number)[1] for number in (1, 2))
LENGTH = BATCH_AT + (RECORD.field(0) or 0)


def shifted() -> bytes:
    """Two batches, the first 4 bytes longer, so that the second lies between words."""
    two = written(batch_of(BATCH), 3)
    (_, _), (first, record), (second, _) = messages(two)
    place = first + (FlatTable.root(record.data).field(3) or 0)
    longer = patched(two, place, "<q", struct.unpack_from("<q", two, place)[0] + 4)
    return longer[: second - 8] + b"\0" * 4 + longer[second - 8 :]


STREAMS = {
    "nothing": (b"", "end-of-stream"),
    "the file format": (b"ARROW1\0\0" + RAW, "no message begins at byte 0"),
    "JSON": (orjson.dumps(BATCH), "no message begins"),
    "not closed": (RAW[:-8], "end-of-stream"),
    "cut in a batch": (RAW[:-16], "message body"),
    "more than a stream": (RAW + b"\0" * 8, "after the end"),
    "no schema": (RAW[: SCHEMA_AT - 8] + RAW[BATCH_AT - 8 :], "of type schema"),
    "two schemas": (RAW[:-8] + RAW, "of type record batch"),
    "a column with fewer rows": (patched(RAW, NODES, "<q", 4), "each with all rows"),
    "more nulls than rows": (patched(RAW, NODES + 8, "<q", 6), "no more nulls than rows"),
    "rows below 0": (patched(RAW, LENGTH, "<q", -1), "all rows"),
    "a buffer without end": (patched(RAW, BUFFERS + 24, "<q", 2**63 - 1), "lie within"),
    "a buffer elsewhere": (patched(RAW, BUFFERS + 16, "<q", 2**62), "lie within"),
    "a buffer before its message": (patched(RAW, BUFFERS + 16, "<q", -8), "lie within"),
    "a buffer between words": (patched(RAW, BUFFERS + 16, "<q", 4), "aligned"),
    "buffers that share bytes": (patched(RAW, BUFFERS + 16, "<qqqqqq", 0, 160, 0, 0, 0, 160), "apart"),
    "a message between words": (shifted(), "no message begins"),
    "metadata of 12 bytes": (patched(RAW, SCHEMA_AT - 4, "<I", 12), "padded"),
}


async def test_streams_that_are_none_are_told_why(http: httpx.AsyncClient) -> None:
    for name, (content, text) in STREAMS.items():
        status, code, told = await refused(http, content)
        assert (status, code) == (400, "malformed_arrow"), (name, told)
        assert text in told, (name, told)


async def test_text_that_is_no_text_is_refused(http: httpx.AsyncClient) -> None:
    assert (await refused(http, RAW.replace(b"a1a2a3", b"a1\xff\xfea3")))[:2] == (400, "malformed_arrow")
    assert (await refused(http, RAW.replace(b"ETH-PERP\0", b"ETH\xffPERP\0")))[:2] == (400, "malformed_arrow")


async def test_extension_types_are_refused(http: httpx.AsyncClient) -> None:
    plain = batch_of(BATCH)
    for key in ("unknown.type", "arrow.opaque", "arrow.py_extension_type"):
        field = pa.field("equity", pa.float64(), metadata={"ARROW:extension:name": key, "ARROW:extension:metadata": ""})
        schema = plain.schema.set(1, field)
        status, code, text = await refused(http, written(pa.RecordBatch.from_arrays(plain.columns, schema=schema)))
        assert (status, code) == (400, "malformed_arrow")
        assert "extension" in text


@pytest.mark.parametrize(("order", "status", "text"), [(0, 422, "under the key trimtab"), (1, 400, "little-endian")])
async def test_big_endian_numbers_are_refused(http: httpx.AsyncClient, order: int, status: int, text: str) -> None:
    """A schema written by hand, as the library writes none with another byte order: no field, no metadata."""
    message = struct.pack("<I HHHHH xx i h B x I", 16, 10, 12, 4, 6, 8, 12, 4, 1, 12)
    schema = struct.pack("<HHHH i h xx I I xxxx", 8, 12, 4, 8, 8, order, 4, 0)
    end = struct.pack("<II", 0xFFFFFFFF, 0)
    found = await refused(http, struct.pack("<II", 0xFFFFFFFF, 56) + message + schema + end)
    assert found[0] == status
    assert text in found[2]


async def test_a_head_that_is_there_twice_is_refused(http: httpx.AsyncClient) -> None:
    head = orjson.dumps(head_of(BATCH))
    twice = pa.KeyValueMetadata([("trimtab", head), ("other", b"x"), ("trimtab", head)])
    status, code, text = await refused(http, written(batch_of(BATCH).replace_schema_metadata(twice)))
    assert (status, code) == (400, "malformed_arrow"), text
    assert "twice" in text


async def test_rows_batches_columns_and_metadata_have_limits(http: httpx.AsyncClient) -> None:
    body = many(MAX_ACCOUNTS, 1)
    assert len((await answered(http, written(batch_of(body))))[0]["account"]) == MAX_ACCOUNTS
    more = many(MAX_ACCOUNTS + 1, 1)
    for rows in (None, 5_000):
        assert (await refused(http, written(batch_of(more), rows)))[:2] == (413, "body_too_large")
    declared = patched(RAW, LENGTH, "<q", 2**40)
    for place in range(len(BATCH["markets"]) + 2):
        declared = patched(declared, NODES + 16 * place, "<q", 2**40)
    assert (await refused(http, declared))[:2] == (413, "body_too_large")
    one = many(ARROW_BATCHES + 1, 1)
    assert (await refused(http, written(batch_of(one), 1)))[:2] == (413, "body_too_large")
    wide = batch_of(many(1, 201))
    assert (await refused(http, written(wide)))[:2] == (413, "body_too_large")
    head = orjson.dumps(head_of(BATCH)) + b" " * ARROW_METADATA_BYTES
    assert (await refused(http, written(headed(head))))[:2] == (413, "body_too_large")


async def test_without_the_extra_its_name_is_told(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "arrow_installed", lambda: False)
    status, code, text = await refused(http, RAW)
    assert (status, code) == (415, "unsupported_media_type")
    assert "pip install 'trimtab[arrow]'" in text
    answer = await http.post(PATH, json=BATCH, headers={"Accept": STREAM})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    assert "pip install 'trimtab[arrow]'" in answer.json()["detail"]
    other = await http.post(PATH, json=BATCH, headers={"Accept": f"{STREAM}, application/json;q=0.5"})
    assert other.headers["content-type"] == "application/json"


def test_the_service_starts_without_the_extra() -> None:
    """Nothing imports the library before a stream comes."""
    told = "import sys; sys.modules['pyarrow'] = None; import app.main; app.main.create_app"
    subprocess.run([sys.executable, "-c", told], cwd=ROOT, check=True, timeout=120)


def test_bent_streams_are_read_right_or_refused() -> None:
    """In a process of its own: a fault of the library is an exit code here."""
    words = [sys.executable, "-X", "faulthandler", "-m", "tests.support.arrow_fuzz", "1", "10000"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    told = orjson.loads(done.stdout)
    outcomes = told["outcomes"]
    assert {name: outcomes.pop(name) for name in list(outcomes) if name.startswith("unbent")} == {
        "unbent read": 9,
        "unbent 415": 2,
        "unbent 422": 1,
    }
    assert outcomes.keys() == {"read", "400", "413", "415", "422"}
    assert sum(outcomes.values()) == 10_000
    # The largest of these streams holds 3 kB: nothing is inflated.
    assert told["most_bytes"] < 100_000
