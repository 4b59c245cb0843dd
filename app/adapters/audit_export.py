"""A part of the log as files: written once, in order, and read in order without a database.

::

    manifest.json              what the export holds, and the SHA-256 of every file; written last
    checkpoint                 the signed head that the entries lead to (C2SP tlog-checkpoint)
    log.vkey                   the public key of the log
    entries/0000000000.jsonl   canonical entries, one a line; the name is the index of the first
    leaves/0000000000.bin      their leaf hashes, 32 bytes each
    bodies/0000000000.zst      their bodies, one Zstandard frame: 4 bytes length, big endian, and the body; length
                               0xFFFFFFFF stands for a body that is pruned, 0 for one that cannot be read any more

A file holds entries up to the next multiple of 1,024. `start` of the manifest holds the complete subtrees before the
first entry, `consistency` the proof from the last entry to the head. `checkpoint` and `log.vkey` are not there where
nobody signs the log, `bodies` where they were left out.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import orjson
import zstandard

from app.adapters.audit_codec import MAX_BODY_BYTES
from app.log_ports import Span
from services.audit.frontier import Frontier
from services.audit.merkle import HASH_BYTES
from services.audit.note import MAX_NOTE_BYTES, Checkpoint
from services.audit.span import MAX_ENTRY_BYTES, SpanRow
from services.audit.verify import Finding
from services.core.errors import InvalidInput

FORMAT = "trimtab/audit-export/v1"
MANIFEST, CHECKPOINT, KEY = "manifest.json", "checkpoint", "log.vkey"
PER_FILE = 1024
PAGE = 256
MAX_PAGE_BYTES = 8 * 1024 * 1024
"""Bytes of bodies that one page of rows holds, or one body: what a check must hold at once stays bounded."""
MAX_MANIFEST_BYTES = 256 * 1024 * 1024
_LENGTH = struct.Struct(">I")
_PRUNED = 0xFFFFFFFF
_BLOCK = 64 * 1024
_KINDS = {"entries": "jsonl", "leaves": "bin", "bodies": "zst"}


class ExportRefused(Exception):
    """The folder cannot be written, or is no export; the text says why."""


class ExportWriter:
    """Writes an export into an empty folder; nothing is one before `finish`."""

    def __init__(self, folder: Path, span: Span, *, bodies: bool) -> None:
        self._folder, self._span, self._bodies = folder, span, bodies
        self._files: list[dict[str, Any]] = []
        self._open: dict[str, _Hashed] = {}
        self._pruned = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise ExportRefused(f"{folder} is not empty: name a new folder")
            for kind in self._kinds():
                (folder / kind).mkdir()
        except OSError as error:
            raise ExportRefused(f"{folder} cannot be written: {error.strerror}") from None

    def add(self, rows: Iterable[SpanRow]) -> None:
        """Write further entries."""
        try:
            for row in rows:
                if row.index == self._span.first or row.index % PER_FILE == 0:
                    self._next(row.index)
                self._write(row)
        except OSError as error:
            raise ExportRefused(f"{self._folder} cannot be written: {error.strerror}") from None

    def finish(self, checkpoint: str | None, key: str | None) -> None:
        """Write head, key and manifest."""
        try:
            self._close()
            for name, text in ((CHECKPOINT, checkpoint), (KEY, key)):
                if text is not None:
                    with _Hashed(self._folder, name) as file:
                        file.write(text.encode())
                    self._files.append(file.described())
            fresh = self._folder / (MANIFEST + ".new")
            with fresh.open("wb") as manifest:
                manifest.write(orjson.dumps(self._manifest(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
                manifest.flush()
                os.fsync(manifest.fileno())
            fresh.replace(self._folder / MANIFEST)
        except OSError as error:
            raise ExportRefused(f"{self._folder} cannot be written: {error.strerror}") from None

    def _kinds(self) -> tuple[str, ...]:
        return tuple(kind for kind in _KINDS if kind != "bodies" or self._bodies)

    def _next(self, index: int) -> None:
        self._close()
        for kind in self._kinds():
            self._open[kind] = _Hashed(self._folder, _name(kind, index), compressed=kind == "bodies")

    def _close(self) -> None:
        for file in self._open.values():
            file.close()
            self._files.append(file.described())
        self._open = {}

    def _write(self, row: SpanRow) -> None:
        assert row.entry is not None
        assert row.leaf is not None
        self._open["entries"].write(row.entry + b"\n")
        self._open["leaves"].write(row.leaf)
        if self._bodies:
            self._pruned += row.body is None
            self._open["bodies"].write(_LENGTH.pack(_PRUNED if row.body is None else len(row.body)))
            self._open["bodies"].write(row.body or b"")

    def _manifest(self) -> dict[str, Any]:
        span = self._span
        return {
            "format": FORMAT,
            "log": span.head.origin,
            "from": span.first,
            "to": span.end - 1,
            "size": span.head.size,
            "root": _text(span.head.root),
            "start": [_text(item) for item in span.before.subtrees],
            "consistency": [_text(item) for item in span.consistency],
            "bodies": self._bodies,
            "bodies_pruned": self._pruned,
            "files": self._files,
        }


class _Hashed:
    """A file that is hashed while it is written."""

    def __init__(self, folder: Path, name: str, *, compressed: bool = False) -> None:
        self._name, self._hash, self._length = name, hashlib.sha256(), 0
        self._file = (folder / name).open("xb")
        self._compressor = zstandard.ZstdCompressor(level=3).compressobj() if compressed else None

    def write(self, data: bytes) -> None:
        self._put(self._compressor.compress(data) if self._compressor else data)

    def _put(self, data: bytes) -> None:
        self._hash.update(data)
        self._length += len(data)
        self._file.write(data)

    def close(self) -> None:
        if self._compressor:
            self._put(self._compressor.flush())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def described(self) -> dict[str, Any]:
        return {"path": self._name, "bytes": self._length, "sha256": self._hash.hexdigest()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Export:
    """An export as its manifest says it is; nothing of it is checked yet."""

    folder: Path
    span: Span
    bodies: bool
    checkpoint: str | None
    key: str | None
    digests: Mapping[str, tuple[int, str]]

    def names(self) -> list[str]:
        """Files that it must hold, whatever the manifest lists."""
        starts = [self.span.first, *range((self.span.first // PER_FILE + 1) * PER_FILE, self.span.end, PER_FILE)]
        kinds = [kind for kind in _KINDS if kind != "bodies" or self.bodies]
        return [_name(kind, start) for start in starts for kind in kinds]

    def damaged(self) -> list[Finding]:
        """Files that are missing, or are not those that the manifest describes."""
        found = []
        for name in sorted({*self.names(), *self.digests}):
            described = self.digests.get(name)
            if described is None:
                found.append(Finding(None, f"{name} is not in the manifest"))
            elif (actual := _digest(self.folder / name)) != described:
                what = "is missing or cannot be read" if actual is None else "is not the file of the manifest"
                found.append(Finding(None, f"{name} {what}"))
        return found

    def rows(self) -> Iterator[list[SpanRow]]:
        """Entries in order, some at a time; ends early where a file ends early."""
        page: list[SpanRow] = []
        held, index = 0, self.span.first
        while index < self.span.end:
            until = min((index // PER_FILE + 1) * PER_FILE, self.span.end)
            for row in self._file_rows(index, until):
                page.append(row)
                held += len(row.body or b"")
                if len(page) == PAGE or held > MAX_PAGE_BYTES:
                    yield page
                    page, held = [], 0
            index = until
        if page:
            yield page

    def _file_rows(self, first: int, until: int) -> Iterator[SpanRow]:
        """Entries of a file; what lies beyond the last one comes as one more, which no check passes."""
        with contextlib.ExitStack() as stack:
            files = {kind: _opened(stack, self.folder / _name(kind, first)) for kind in _KINDS}
            if files["entries"] is None:
                return
            bodies = _bodies(files["bodies"]) if self.bodies and files["bodies"] else iter(())
            for index in range(first, until + 1):
                line = files["entries"].readline(MAX_ENTRY_BYTES + 2)
                leaf = files["leaves"].read(HASH_BYTES) if files["leaves"] else b""
                body = next(bodies, b"") if self.bodies else None
                if not line and (index < until or not (leaf or body or (self.bodies and body is None))):
                    return
                yield SpanRow(index, line.removesuffix(b"\n"), leaf, body)


def read_export(folder: Path) -> Export:
    """The export of a folder.

    Raises
    ------
    ExportRefused
        If it has no manifest of one.
    """
    try:
        with (folder / MANIFEST).open("rb") as file:
            raw = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise ExportRefused(f"{folder} holds no export: {MANIFEST}: {error.strerror}") from None
    try:
        return _parsed(folder, orjson.loads(raw))
    except (ValueError, KeyError, TypeError, InvalidInput) as error:
        raise ExportRefused(f"{folder / MANIFEST} is no manifest of an export: {error}") from None


def _parsed(folder: Path, said: dict[str, Any]) -> Export:
    if said["format"] != FORMAT:
        raise InvalidInput("format", f"must be {FORMAT}", said["format"])
    first, end, size = said["from"], said["to"] + 1, said["size"]
    if not all(type(item) is int for item in (first, end, size)) or not 0 <= first < end <= size < 2**53:
        raise InvalidInput("from", "must lie from 0 to `to`, and `to` below `size`", f"{first}, {end - 1}, {size}")
    if type(said["bodies"]) is not bool:
        raise InvalidInput("bodies", "must be true or false", said["bodies"])
    head = Checkpoint(said["log"], size, _hash(said["root"]))
    before = Frontier(first, tuple(_hash(item) for item in said["start"]))
    span = Span(first, end, before, head, tuple(_hash(item) for item in said["consistency"]))
    digests = {item["path"]: (item["bytes"], item["sha256"]) for item in said["files"]}
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in digests):
        raise InvalidInput("files", "must lie within the folder", "another path")
    texts = [_text_of(folder / name) if name in digests else None for name in (CHECKPOINT, KEY)]
    return Export(folder, span, said["bodies"], texts[0], texts[1], digests)


def _name(kind: str, index: int) -> str:
    return f"{kind}/{index:010d}.{_KINDS[kind]}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _hash(text: str) -> bytes:
    value = base64.b64decode(text, validate=True)
    if len(value) != HASH_BYTES:
        raise InvalidInput("hash", f"must be {HASH_BYTES} bytes", len(value))
    return value


def _text_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_NOTE_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError):
        return None


def _digest(path: Path) -> tuple[int, str] | None:
    length, found = 0, hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                length += len(block)
                found.update(block)
    except OSError:
        return None
    return length, found.hexdigest()


def _opened(stack: contextlib.ExitStack, path: Path) -> Any:
    try:
        return stack.enter_context(path.open("rb"))
    except OSError:
        return None


def _bodies(file: IO[bytes]) -> Iterator[bytes | None]:
    """Bodies of a file; what cannot be read any more is a body that no digest fits."""
    reader = zstandard.ZstdDecompressor().stream_reader(file)
    while head := _exactly(reader, _LENGTH.size):
        length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else -1
        if length == _PRUNED:
            yield None
            continue
        body = _exactly(reader, length) if 0 <= length <= MAX_BODY_BYTES else b""
        if len(body) != length:
            return  # nothing can be told apart from here on
        yield body


def _exactly(reader: Any, length: int) -> bytes:
    """So many bytes, or fewer where there are no more that can be read."""
    parts: list[bytes] = []
    try:
        while length > 0 and (part := reader.read(min(length, _BLOCK))):
            parts.append(part)
            length -= len(part)
    except zstandard.ZstdError:
        return b""
    return b"".join(parts)
