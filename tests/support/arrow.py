"""Arrow streams of accounts, and streams that are bent."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pyarrow as pa

from app.translate.arrow_stream import HEADER, FlatTable

COLUMNS = ("accounts", "equity", "quantities")


def head_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What of a request as JSON goes into the metadata."""
    return {name: value for name, value in body.items() if name not in COLUMNS}


def batch_of(body: Mapping[str, Any], kind: pa.DataType | None = None) -> pa.RecordBatch:
    """A request as JSON, as a record batch with figures of type `kind`."""
    kind = kind or pa.float64()
    arrays = [pa.array(body["accounts"], pa.string()), pa.array(body["equity"], kind)]
    arrays += [pa.array(column, kind) for column in body["quantities"]]
    names = ["account", "equity", *(market["symbol"] for market in body["markets"])]
    return pa.RecordBatch.from_arrays(arrays, names=names).replace_schema_metadata(
        {"trimtab": orjson.dumps(head_of(body))}
    )


def written(batch: pa.RecordBatch, rows: int | None = None, **options: Any) -> bytes:
    """A stream of it, `rows` in each batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(pa.Table.from_batches([batch]), max_chunksize=rows)
    return bytes(sink.getvalue().to_pybytes())


def read(raw: bytes) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Columns of an answer, and what its metadata hold; by the library's own reader."""
    table = pa.ipc.open_stream(raw).read_all()
    return table.to_pydict(), orjson.loads(table.schema.metadata[b"trimtab"])


def messages(raw: bytes) -> Iterator[tuple[int, FlatTable]]:
    """Where the flatbuffer of each message begins in a stream, and its header."""
    source = pa.BufferReader(raw)
    while raw[source.tell() :] != struct.pack("<II", 0xFFFFFFFF, 0):
        start = source.tell() + 8
        yield start, FlatTable.root(pa.ipc.read_message(source).metadata.to_pybytes()).table(HEADER)


def patched(raw: bytes, place: int, form: str, *values: int) -> bytes:
    """A stream with some numbers overwritten."""
    changed = bytearray(raw)
    struct.pack_into(form, changed, place, *values)
    return bytes(changed)
