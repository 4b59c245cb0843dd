"""What the writers of the log do in a hurry gives the bytes of the plain way."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.audit_fields import field_tree, text_for
from app.ports import EventKind
from services.audit.chain import Unchained
from services.audit.disclosure import json_text
from services.audit.entry import FIRST, LogEntry
from tests.support import disclosure_reference as reference

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
HASHES = st.binary(min_size=32, max_size=32)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FLOATS | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5), max_leaves=30
)
SECRET, EVENT = bytes(range(32)), "ev_01a1fb67180070008000000000000001"


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=6))
def test_the_fast_text_of_an_answer_is_the_plain_one(answer: dict[str, Any]) -> None:
    text = text_for(answer)
    for value in answer.values():
        assert text(value) == json_text(value)
        assert text(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@given(FLOATS)
@example(1e-5)
@example(1.234e-5)
@example(9.999e-5)
@example(1e-4)
@example(1e15)
@example(1e16)
@example(9999999999999998.0)
@example(1e22)
@example(-0.0)
@example(5e-324)
@example(-1.5e300)
def test_every_float_has_one_text(value: float) -> None:
    for answer in ({"a": value}, {"a": [{"b": value}]}, {"a": [value, {"b": {"c": [value]}}]}):
        tree = field_tree(EventKind.EVALUATION, orjson.dumps(answer), SECRET, EVENT)
        assert tree is not None and tree.digest == reference.digest(answer, SECRET, EVENT)


RECORD = Unchained(
    event_id=EVENT,
    kind="evaluation",
    recorded_at=datetime(2026, 11, 21, 10, 0, tzinfo=UTC),
    status=200,
    body_sha256=bytes([1]) * 32,
    request_sha256=bytes([2]) * 32,
    response_sha256=bytes([3]) * 32,
    fields_sha256=None,
    body_length=2613,
    stream=bytes([4]) * 32,
)
MOMENTS = st.integers(0, 7 * 10**15).map(lambda count: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=count))
ZONES = st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(
    st.tuples(TEXT, TEXT, TEXT),
    st.builds(datetime.astimezone, MOMENTS, ZONES),
    st.integers(100, 599),
    st.tuples(HASHES, HASHES, HASHES, HASHES),
    st.none() | HASHES,
    st.integers(0, 2**53 - 1),
    st.integers(1, 2**53 - 1),
    HASHES.filter(lambda value: value != FIRST),
)
def test_an_entry_written_by_hand_is_the_canonical_one(
    texts: tuple[str, str, str],
    at: datetime,
    status: int,
    hashes: tuple[bytes, bytes, bytes, bytes],
    fields: bytes | None,
    length: int,
    seq: int,
    before: bytes,
) -> None:
    log, event, kind = texts
    known: dict[str, Any] = {
        "event_id": event,
        "kind": kind,
        "recorded_at": at,
        "status": status,
        **dict(zip(("body_sha256", "request_sha256", "response_sha256", "stream"), hashes, strict=True)),
        "fields_sha256": fields,
        "body_length": length,
    }
    before = FIRST if seq == 1 else before
    plain = LogEntry(log=log, stream_seq=seq, stream_prev=before, **known).encoded()
    written = replace(RECORD, **known).text.encoded(json.dumps(log, ensure_ascii=False), seq, before)
    assert written == plain


@pytest.mark.parametrize("name", ["event_id", "kind"])
def test_a_lone_surrogate_has_no_bytes(name: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        replace(RECORD, **{name: "\ud800"}).text.encoded('"log"', 1, FIRST)
