"""Request bodies: how they are read, and how bytes become a JSON value. Nothing here knows a field.

Parsing holds the interpreter's lock, so the cost of the worst body is bounded before it is parsed: one that holds more
values, objects or keys than any legal request is refused by counting bytes (about 1 ms per MiB).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import orjson
from starlette.requests import ClientDisconnect, Request

from app.api_key import holds_key
from app.limits import LINE_BYTES, MAX_CONTAINERS, MAX_KEYS, MAX_KEYS_PER_OBJECT, MAX_VALUES
from app.problems import BrokenRule, RequestProblem

Receive = Callable[[], Awaitable[Any]]
INLINE_BYTES = 256 * 1024
"""Bodies up to this size are parsed on the event loop (under 2 ms); larger ones in a worker thread."""
JSON, NDJSON, ARROW = "application/json", "application/x-ndjson", "application/vnd.apache.arrow.stream"
_CONTAINERS = frozenset({dict, list})
_TOKEN = re.compile(rb'"((?:[^"\\]++|\\.)*+)"(\s*+:)?|[{}\[\]]', re.DOTALL)


async def read_json(request: Request) -> tuple[bytes, Any]:
    """Exact bytes of a body and the JSON value in them.

    Raises
    ------
    RequestProblem
        See `read_body` and `parse_json`.
    """
    raw = await read_body(request)
    if holds_key(raw):  # it would be on record
        raise RequestProblem("misplaced_key", "the body holds an API key")
    parsed = parse_json(raw) if len(raw) <= INLINE_BYTES else await asyncio.to_thread(parse_json, raw)
    return raw, parsed


async def read_body(request: Request, allowed: tuple[str, ...] = (JSON,)) -> bytes:
    """Whole body of a request; its size is capped by `app.middleware` while it streams.

    Raises
    ------
    RequestProblem
        415 for another content type or a compressed body, 408 for one that takes too long, 413 for a large one.
    ClientDisconnect
        If the client went away.
    """
    check_media(request.scope["headers"], allowed)
    chunks = [chunk async for chunk in _chunks(request)]
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def read_whole(receive: Receive, seconds: float) -> tuple[bytes, Receive]:
    """Body of a request, and a `receive` that gives it again.

    Raises
    ------
    RequestProblem
        408 for one that does not arrive in time; what the given `receive` raises.
    ClientDisconnect
        If the client went away.
    """
    parts: list[bytes] = []
    more = True
    try:
        async with asyncio.timeout(seconds):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError:
        detail = f"the body did not arrive within {seconds:g} s"
        raise RequestProblem("body_timeout", detail, headers=(("Connection", "close"),)) from None
    body = b"".join(parts)
    given = False

    async def again() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return body, again


async def read_lines(request: Request) -> AsyncIterator[list[bytes]]:
    """Complete lines of a body as it arrives, some 256 KiB at a time; the body as a whole is never held.

    Raises
    ------
    RequestProblem
        As `read_body`, and 413 for a line beyond 64 KiB.
    ClientDisconnect
        If the client went away.
    """
    parts: list[bytes] = []
    size = 0
    async for chunk in _chunks(request):
        parts.append(chunk)
        size += len(chunk)
        if size >= INLINE_BYTES:
            lines = b"".join(parts).split(b"\n")
            parts = [lines.pop()]
            size = len(parts[0])
            _check_line(parts[0])
            yield lines
    if rest := b"".join(parts):
        yield rest.removesuffix(b"\n").split(b"\n")


def _check_line(line: bytes) -> None:
    if len(line) > LINE_BYTES:
        raise RequestProblem("body_too_large", f"a line may hold {LINE_BYTES} bytes")


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    seconds = request.app.state.settings.body_timeout_seconds
    until = asyncio.get_running_loop().time() + seconds
    more = True
    while more:
        try:
            # Around this wait alone: whoever takes a chunk may wait for other things between two of them.
            async with asyncio.timeout_at(until):
                message = await request.receive()
        except TimeoutError:
            detail = f"the body did not arrive within {seconds:g} s"
            raise RequestProblem("body_timeout", detail, headers=(("Connection", "close"),)) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        more = message.get("more_body", False)


@cache
def arrow_installed() -> bool:
    """Whether the extra `arrow` is there."""
    return find_spec("pyarrow") is not None


def check_media(headers: list[tuple[bytes, bytes]], allowed: tuple[str, ...] = (JSON,), hint: str = "") -> str:
    """Media type of a body, one of `allowed`; refuse another, another charset than UTF-8, and what is compressed.

    `hint` ends what a refused type is told.

    Examples
    --------
    >>> check_media([(b"content-type", b"application/json; charset=UTF-8")])
    'application/json'
    """
    media = encoding = b""
    for name, value in headers:
        if name == b"content-type":
            media = value.replace(b" ", b"").lower()
        elif name == b"content-encoding":
            encoding = value.strip().lower()
    plain, _, charset = media.decode("latin-1").partition(";")
    if plain not in allowed or charset not in ("", "charset=utf-8", 'charset="utf-8"'):
        found = media[:60].decode("latin-1") or "none"
        raise RequestProblem(
            "unsupported_media_type",
            f"Content-Type must be {' or '.join(allowed)} (charset utf-8), found {found!r}{hint}",
        )
    if encoding not in (b"", b"identity"):
        found = encoding[:60].decode("latin-1")
        raise RequestProblem(
            "unsupported_media_type", f"Content-Encoding must be identity, found {found!r}: do not compress"
        )
    return plain


def parse_json(raw: bytes) -> Any:
    """JSON value of a body, strictly: UTF-8, no duplicate keys, no NaN, nothing after the value.

    Raises
    ------
    RequestProblem
        400 `malformed_json`, 413 `body_too_large` (too many values), 422 `duplicate_key`.

    Notes
    -----
    Integers beyond 64 bits become floats; the field's own rule then decides.

    Examples
    --------
    >>> parse_json(b'{"symbol": "BTC/USDT:USDT", "close": [1, 2.5]}')
    {'symbol': 'BTC/USDT:USDT', 'close': [1, 2.5]}
    """
    check_complexity(raw)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RequestProblem("malformed_json", _syntax(error)) from None
    if b"\\" in raw or key_marks(raw) != keys_in(value):
        check_keys(raw, value)
    return value


def _syntax(error: orjson.JSONDecodeError) -> str:
    place = f"line {error.lineno}, column {error.colno}"
    hint = ""
    if error.doc[error.pos : error.pos + 8].lstrip("-").startswith(("NaN", "Inf")):
        hint = ": JSON has no NaN or Infinity; leave such a point out"
    elif error.doc[error.pos : error.pos + 1] == "'":
        hint = ": strings take double quotes"
    return f"{error.msg} at {place}{hint}"


def check_complexity(raw: bytes) -> None:
    """Refuse a body that no legal request resembles, by counting bytes; those inside strings only make it stricter."""
    counts = (
        ("values", raw.count(b","), MAX_VALUES),
        ("objects and lists", raw.count(b"{") + raw.count(b"["), MAX_CONTAINERS),
        ("keys", raw.count(b":"), MAX_KEYS),
    )
    for what, found, limit in counts:
        if found > limit:
            raise RequestProblem("body_too_large", f"the body may hold {limit} {what}, found {found}")


def key_marks(raw: bytes) -> int:
    """Occurrences of ``":`` in a JSON text without white space: one for each key, and for each text that begins so."""
    return raw.translate(None, b" \n\t\r").count(b'":')


def keys_in(value: Any) -> int:
    """Keys of a JSON value, as many as `key_marks` in a text without duplicates and escapes.

    A duplicate makes the text hold more. So does a text that begins with a colon, and so do objects in a list that
    begins with a scalar, which is not searched: `check_keys` then looks closer. No duplicate can hide.
    """
    count = 0
    stack = [value]
    while stack:
        item = stack.pop()
        if type(item) is dict:
            width = len(item)
            if width > MAX_KEYS_PER_OBJECT:
                raise _too_wide(width)
            count += width
            for child in item.values():
                if type(child) is dict or type(child) is list:
                    stack.append(child)
        elif type(item) is list and item and type(item[0]) in _CONTAINERS:
            stack += item
    return count


def check_keys(raw: bytes, value: Any) -> None:
    """Refuse duplicate keys: the text must hold as many colons outside strings as the value holds keys."""
    if colons_outside_strings(raw) != sum(map(len, objects_in(value))):
        pointer, key = find_duplicate(raw)
        detail = f"the key {key[:64]!a} appears twice in this object"
        raise RequestProblem("duplicate_key", detail, [BrokenRule(pointer[:200], "duplicate_key", detail)])


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON value."""
    stack = [value]
    while stack:
        item = stack.pop()
        if type(item) is dict:
            if len(item) > MAX_KEYS_PER_OBJECT:
                raise _too_wide(len(item))
            yield item
            stack.extend(item.values())
        elif type(item) is list and not _CONTAINERS.isdisjoint(map(type, item)):
            stack.extend(child for child in item if type(child) in _CONTAINERS)


def _too_wide(width: int) -> RequestProblem:
    return RequestProblem("body_too_large", f"an object may hold {MAX_KEYS_PER_OBJECT} keys, found {width}")


def colons_outside_strings(raw: bytes) -> int:
    r"""Number of keys in valid JSON text.

    Escapes go first: pairs ``\\``, then ``\"``. A run of backslashes begins at an escape, so pairs count from the left.

    Examples
    --------
    >>> colons_outside_strings(rb'{"a:\"b\\": ":", "c": {}}')
    2
    """
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    text = np.frombuffer(raw, dtype=np.uint8)
    inside = np.bitwise_xor.accumulate(text == ord('"'))
    return int(np.count_nonzero((text == ord(":")) & ~inside))


def find_duplicate(raw: bytes) -> tuple[str, str]:
    """JSON pointer of the first object in valid JSON text that repeats a key, and the key.

    Examples
    --------
    >>> find_duplicate(b'{"a": [{"b": 1}, {"b": 2, "b": 3}]}')
    ('/a/1', 'b')
    """
    frames: list[_Frame] = []
    for token in _TOKEN.finditer(raw):
        mark = token.group()[:1]
        if mark == b'"':
            if token.group(2) is not None and frames[-1].repeats(orjson.loads(b'"%b"' % token.group(1))):
                return pointer_of([frame.part for frame in frames[:-1]]), str(frames[-1].part)
        elif mark in (b"{", b"["):
            if frames:
                frames[-1].enter_child()
            frames.append(_Frame(is_object=mark == b"{"))
        else:
            frames.pop()
    return "", ""


class _Frame:
    """An open object or list: the keys seen, and the key or index at which the text stands."""

    __slots__ = ("keys", "part")

    def __init__(self, *, is_object: bool) -> None:
        self.keys: set[str] | None = set() if is_object else None
        self.part: str | int = "" if is_object else -1

    def repeats(self, key: str) -> bool:
        """Stand at `key`, and say whether it was seen before."""
        assert self.keys is not None, "only objects have keys"
        self.part = key
        if key in self.keys:
            return True
        self.keys.add(key)
        return False

    def enter_child(self) -> None:
        """Stand at the next element; elements that are scalars are not counted."""
        if isinstance(self.part, int):
            self.part += 1


def pointer_of(parts: Iterable[str | int]) -> str:
    """JSON pointer (RFC 6901).

    Examples
    --------
    >>> pointer_of(["a/b", 0, "c~d"])
    '/a~1b/0/c~0d'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
