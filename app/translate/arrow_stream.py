"""Arrow IPC streams, read with suspicion: what a body may become is bounded before it is decoded. Knows no field.

Of a message the library checks that its flatbuffer is sound; everything that decides how much is decoded, and from
where, is read from that flatbuffer here, before any column is made of it.

References
----------
Apache Arrow, columnar format 1.5, "Encapsulated message format" and "IPC streaming format"; format/Message.fbs and
format/Schema.fbs, whose field numbers are those below. FlatBuffers, "Internals": tables, vtables and vectors.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.limits import ARROW_BATCHES, ARROW_METADATA_BYTES
from app.problems import RequestProblem

CONTINUATION = 0xFFFFFFFF
END = struct.pack("<II", CONTINUATION, 0)
ALIGNMENT = 8
HEADER = 2
"""Of a Message."""
ENDIANNESS, FIELDS, METADATA = 0, 1, 2
"""Of a Schema."""
LENGTH, NODES, BUFFERS, COMPRESSION = 0, 1, 2, 3
"""Of a RecordBatch."""
_EXTENSION = b"ARROW:extension"
Pairs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FlatTable:
    """A table of a flatbuffer: at `place` the way back to its vtable, which holds where each field lies from there."""

    data: bytes
    place: int

    @classmethod
    def root(cls, data: bytes) -> FlatTable:
        """Table that a buffer holds."""
        return cls(data, _number("<I", data, 0))

    def field(self, number: int) -> int | None:
        """Where a field lies; None where it has its default."""
        vtable = self.place - _number("<i", self.data, self.place)
        slot = 4 + 2 * number
        offset = _number("<H", self.data, vtable + slot) if slot < _number("<H", self.data, vtable) else 0
        return self.place + offset if offset else None

    def scalar(self, number: int, form: str) -> int:
        """A number, 0 by default."""
        place = self.field(number)
        return 0 if place is None else _number(form, self.data, place)

    def table(self, number: int) -> FlatTable:
        """A table within this one.

        Raises
        ------
        ValueError
            If it is absent.
        """
        place = self.field(number)
        if place is None:
            raise ValueError("a message lacks its header")
        return FlatTable(self.data, place + _number("<I", self.data, place))

    def vector(self, number: int) -> tuple[int, int]:
        """Items of a vector, and where the first one lies."""
        place = self.field(number)
        if place is None:
            return 0, 0
        start = place + _number("<I", self.data, place)
        return _number("<I", self.data, start), start + 4

    def pairs(self, number: int) -> Pairs:
        """Vector of structs of two 64-bit numbers, a row each."""
        count, start = self.vector(number)
        return np.frombuffer(self.data, "<i8", 2 * count, start).reshape(count, 2)


class ArrowStream:
    """A stream in memory, of which the schema has been read.

    Parameters
    ----------
    raw : bytes
        All of it, the mark at its end included.
    most_columns : int
        Columns that it may have.

    Attributes
    ----------
    columns : list of (name, type, its text)
        Without extension types; the caller judges the others before it asks for `table`.

    Raises
    ------
    RequestProblem
        400 `malformed_arrow`, 413 `body_too_large`.
    """

    def __init__(self, raw: bytes, most_columns: int) -> None:
        self._raw, self._source = raw, pa.BufferReader(raw)
        with _told():
            message = self._next("schema")
            found = FlatTable.root(message.metadata.to_pybytes()).table(HEADER)
            if found.vector(FIELDS)[0] > most_columns:
                raise RequestProblem("body_too_large", f"a stream may have {most_columns} columns")
            if found.scalar(ENDIANNESS, "<h") != 0:
                raise ValueError("numbers must be little-endian")
            # Before the library looks for the class of one.
            if _EXTENSION in found.data:
                raise ValueError("extension types are not taken: send the storage type")
            self._keys = _keys(found)
            self._schema = pa.ipc.read_schema(message)
            # A name that is no UTF-8 fails here, and one within a type.
            self.columns: list[tuple[str, pa.DataType, str]] = [
                (field.name, field.type, str(field.type)) for field in self._schema
            ]

    def metadata(self, key: bytes) -> bytes | None:
        """Value of a key of the schema's metadata; None where it is absent.

        Raises
        ------
        RequestProblem
            400 `malformed_arrow` where it is there twice.
        """
        if self._keys.count(key) > 1:
            raise RequestProblem("malformed_arrow", f"the schema's metadata hold {key.decode()} twice")
        value: bytes | None = (self._schema.metadata or {}).get(key)
        return value

    def table(self, most_rows: int) -> pa.Table:
        """Rows of all batches, fully validated.

        Raises
        ------
        RequestProblem
            400 `malformed_arrow`, 413 `body_too_large`, 415 `unsupported_media_type` for compressed buffers.
        """
        with _told():
            return pa.Table.from_batches(list(self._batches(most_rows)), self._schema)

    def _batches(self, most_rows: int) -> Iterator[pa.RecordBatch]:
        rows = count = 0
        while not self._at_end():
            message = self._next("record batch")
            rows, count = rows + _rows(message, len(self._schema)), count + 1
            if rows > most_rows:
                raise RequestProblem("body_too_large", f"a stream may hold {most_rows} rows")
            if count > ARROW_BATCHES:
                raise RequestProblem("body_too_large", f"a stream may hold {ARROW_BATCHES} record batches")
            batch = pa.ipc.read_record_batch(message, self._schema)
            batch.validate(full=True)
            yield batch

    def _at_end(self) -> bool:
        place = self._source.tell()
        if self._raw[place : place + len(END)] != END:
            return False
        if place + len(END) != len(self._raw):
            raise ValueError("there are bytes after the end of the stream")
        return True

    def _next(self, kind: str) -> Any:
        """The next message.

        A stream that ends without its mark may have lost batches on the way, and their accounts with them: the format
        allows it, and it is refused here.
        """
        place = self._source.tell()
        if place + len(END) > len(self._raw):
            raise ValueError("the stream must end with the end-of-stream mark: close the writer")
        mark, size = struct.unpack_from("<II", self._raw, place)
        if mark != CONTINUATION or place % ALIGNMENT:
            raise ValueError(f"no message begins at byte {place}")
        if size > ARROW_METADATA_BYTES:
            raise RequestProblem("body_too_large", f"metadata of a message may hold {ARROW_METADATA_BYTES} bytes")
        if size % ALIGNMENT:
            raise ValueError(f"metadata of a message must be padded to {ALIGNMENT} bytes, found {size}")
        message = pa.ipc.read_message(self._source)
        if message.type != kind:
            raise ValueError(f"must be a message of type {kind}, found {message.type}")
        return message


def _rows(message: Any, columns: int) -> int:
    """Rows of a record batch, whose buffers are plain, within the message and together no larger than it.

    That they are aligned within it is checked by the library.
    """
    found = FlatTable.root(message.metadata.to_pybytes()).table(HEADER)
    if found.field(COMPRESSION) is not None:
        raise RequestProblem("unsupported_media_type", "the buffers of a stream must not be compressed")
    rows, size = found.scalar(LENGTH, "<q"), message.body.size if message.body is not None else 0
    nodes, buffers = found.pairs(NODES), found.pairs(BUFFERS)
    if nodes.shape[0] != columns or not (nodes[:, 0] == rows).all():
        raise ValueError("a record batch must hold each column once, each with all rows")
    if rows < 0 or not ((nodes[:, 1] >= 0) & (nodes[:, 1] <= rows)).all():
        raise ValueError("a record batch must hold 0 rows or more, and no more nulls than rows")
    starts, lengths = buffers[:, 0], buffers[:, 1]
    # In this order nothing overflows.
    inside = (starts >= 0) & (lengths >= 0) & (starts <= size) & (lengths <= size)
    if not (inside.all() and (starts + lengths <= size).all() and int(lengths.sum()) <= size):
        raise ValueError("the buffers of a record batch must lie within it, apart from one another")
    return rows


def _keys(schema: FlatTable) -> list[bytes]:
    """Keys of a schema's metadata, a table each with the key as its first field."""
    count, start = schema.vector(METADATA)
    keys = []
    for place in range(start, start + 4 * count, 4):
        pair = FlatTable(schema.data, place + _number("<I", schema.data, place))
        size, first = pair.vector(0)
        keys.append(schema.data[first : first + size])
    return keys


def _number(form: str, data: bytes, place: int) -> int:
    if place < 0:
        raise ValueError("a flatbuffer points before its beginning")
    found: int = struct.unpack_from(form, data, place)[0]
    return found


@contextmanager
def _told() -> Iterator[None]:
    """What the library finds wrong, as a problem: its first line, in ASCII."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, ValueError, struct.error) as error:
        text = str(error).partition("\n")[0][:200].encode("ascii", "replace").decode()
        raise RequestProblem("malformed_arrow", text or "the body is no Arrow stream") from None
