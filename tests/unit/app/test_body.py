"""Bytes to JSON values: strict, bounded, and never blind to a duplicate key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.body import (
    check_media,
    colons_outside_strings,
    find_duplicate,
    key_marks,
    keys_in,
    parse_json,
    pointer_of,
)
from app.limits import MAX_CONTAINERS, MAX_KEYS_PER_OBJECT, MAX_VALUES
from app.problems import RequestProblem

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
KEYS = st.one_of(st.text(max_size=6), st.sampled_from(["a", "b", ":", '"', "\\", "a:b", '":"']))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


def code_of(raw: bytes) -> str:
    """Code of the refusal."""
    with pytest.raises(RequestProblem) as caught:
        parse_json(raw)
    return caught.value.kind.code


@given(VALUES, st.booleans())
@settings(max_examples=400, deadline=None)
def test_every_legal_value_is_read_as_it_is(value: Any, escaped: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


def with_duplicate(value: Any, choose: Any) -> str | None:
    """JSON text of a value in which one object, chosen, repeats one of its keys; None if no object has a key."""
    objects: list[dict[str, Any]] = []

    def collect(item: Any) -> None:
        if isinstance(item, dict):
            if item:
                objects.append(item)
            for child in item.values():
                collect(child)
        elif isinstance(item, list):
            for child in item:
                collect(child)

    collect(value)
    if not objects:
        return None
    chosen = choose(objects)
    key = choose(sorted(chosen))

    def write(item: Any) -> str:
        if isinstance(item, dict):
            pairs = [f"{json.dumps(name)}: {write(child)}" for name, child in item.items()]
            if item is chosen:
                pairs.append(f"{json.dumps(key)}: 1")
            return "{" + ", ".join(pairs) + "}"
        if isinstance(item, list):
            return "[" + ", ".join(map(write, item)) + "]"
        return json.dumps(item)

    return write(value)


@given(VALUES, st.data())
@settings(max_examples=400, deadline=None)
def test_no_duplicate_hides(value: Any, data: st.DataObject) -> None:
    text = with_duplicate(value, lambda items: data.draw(st.sampled_from(items)))
    if text is not None:
        assert code_of(text.encode()) == "duplicate_key"


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_colons_of_the_text_are_the_keys_of_the_value(value: Any) -> None:
    keys = 0

    def count(item: Any) -> None:
        nonlocal keys
        if isinstance(item, dict):
            keys += len(item)
            for child in item.values():
                count(child)
        elif isinstance(item, list):
            for child in item:
                count(child)

    count(value)
    assert colons_outside_strings(json.dumps(value).encode()) == keys


@pytest.mark.parametrize(
    ("text", "pointer", "key"),
    [
        ('{"a": 1, "a": 2}', "", "a"),
        ('{"a": {"b": 1, "b": 2}}', "/a", "b"),
        ('{"a": [{"b": 1}, {"c": 1, "c": 2}]}', "/a/1", "c"),
        ('{"a/b": {"~": 1, "~": 2}}', "/a~1b", "~"),
        ('{"a": 1, "\\u0061": 2}', "", "a"),
        ('{"x": "\\"a\\": 1, \\"a\\": 2", "a": {}, "a": 1}', "", "a"),
    ],
)
def test_the_duplicate_is_named(text: str, pointer: str, key: str) -> None:
    assert find_duplicate(text.encode()) == (pointer, key)
    with pytest.raises(RequestProblem) as caught:
        parse_json(text.encode())
    assert caught.value.errors[0].pointer == pointer
    assert f"{key!a} appears twice" in caught.value.detail


def test_times_and_symbols_with_colons_need_no_second_look() -> None:
    value = {"as_of": "2026-11-20T00:00:05Z", "rows": [{"symbol": "BTC/USDT:USDT"}], "close": [1.5, 2.0]}
    raw = json.dumps(value).encode()
    assert keys_in(value) == key_marks(raw) == 4


@pytest.mark.parametrize("space", [" ", "\n", "\t", "\r", " \r\n\t "])
def test_space_before_a_colon_hides_nothing(space: str) -> None:
    assert parse_json(f'{{"a"{space}: 1, "b": ":"}}'.encode()) == {"a": 1, "b": ":"}
    assert code_of(f'{{"a": 1, "a": 2, "b"{space}: 3}}'.encode()) == "duplicate_key"


def test_a_text_that_begins_with_a_colon_hides_nothing() -> None:
    assert parse_json(b'{"a": ":", ":": 1}') == {"a": ":", ":": 1}
    assert code_of(b'{"a": ":", ":": 1, ":": 1}') == "duplicate_key"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"a": NaN}', "no NaN or Infinity"),
        (b'{"a": -Infinity}', "no NaN or Infinity"),
        (b'{"a": 1e400}', "infinity"),
        (b"{'a': 1}", "double quotes"),
        (b'{"a": 1,}', "trailing comma"),
        (b"", "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": 1} {}', "after"),
        (b"[" * 2000, "depth"),
    ],
)
def test_syntax_errors_say_what_and_where(raw: bytes, words: str) -> None:
    with pytest.raises(RequestProblem) as caught:
        parse_json(raw)
    assert caught.value.kind.code == "malformed_json"
    assert words in caught.value.detail
    assert "line 1" in caught.value.detail


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b"1," * (MAX_VALUES + 1) + b"1]",
        b"[" + b"[]," * MAX_CONTAINERS + b"[]]",
        json.dumps({str(key): 1 for key in range(MAX_KEYS_PER_OBJECT + 1)}).encode(),
        b'[1, {"a": {' + b", ".join(b'"%d": 1' % key for key in range(MAX_KEYS_PER_OBJECT + 1)) + b"}}]",
    ],
)
def test_more_than_any_legal_request_holds_is_refused(raw: bytes) -> None:
    assert code_of(raw) == "body_too_large"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/json; charset=latin-1")],
        [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")],
    ],
)
def test_other_media_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(RequestProblem) as caught:
        check_media(headers)
    assert caught.value.kind.status == 415


def test_pointers_escape_as_the_standard_says() -> None:
    assert pointer_of(["a", 0, "m~n", "x/y"]) == "/a/0/m~0n/x~1y"
