"""Canonical entries against an independent implementation of RFC 8785."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.audit.canonical import MAX_WHOLE, canonical
from services.audit.entry import FIRST, LogEntry, stream_id
from services.core.errors import InvalidInput

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(codec="ascii"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_WHOLE, MAX_WHOLE) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
)

ENTRY = LogEntry(
    log="risk.example/log1",
    event_id="ev_01a1fb67180070008000000000000001",
    kind="evaluation",
    recorded_at=datetime(2026, 11, 21, 10, 0, 0, 123456, UTC),
    status=200,
    body_sha256=bytes([1]) * 32,
    request_sha256=bytes([2]) * 32,
    response_sha256=bytes([3]) * 32,
    fields_sha256=bytes([5]) * 32,
    body_length=2613,
    stream=bytes([4]) * 32,
    stream_seq=1,
    stream_prev=FIRST,
)


@given(VALUES)
def test_canonical_is_rfc_8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (0.5, ""),
        ({"a": [1, 2.0]}, "/a/1"),
        ({"a": MAX_WHOLE + 1}, "/a"),
        ({"é": 1}, ""),
        ({1: 1}, ""),
        (["\ud800"], "/0"),
        ({"a": b""}, "/a"),
        (float("nan"), ""),
    ],
)
def test_what_has_no_canonical_form_is_refused_at_its_place(value: Any, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        canonical(value)
    assert caught.value.parameter == place


def test_an_entry_is_canonical_and_holds_digests_only() -> None:
    raw = ENTRY.encoded()
    assert raw.startswith(b'{"at":"2026-11-21T10:00:00.123456Z","body":"sha256:0101')
    assert b'"v":2}' in raw and len(raw) < 1024
    assert ENTRY.leaf == hashlib.sha256(b"\x00" + raw).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"log": "risk.example/log2"},
        {"event_id": "ev_01a1fb67180070008000000000000002"},
        {"kind": "margin"},
        {"recorded_at": datetime(2026, 11, 21, 10, 0, 0, 123457, UTC)},
        {"status": 201},
        {"body_sha256": bytes(32)},
        {"request_sha256": bytes(32)},
        {"response_sha256": bytes(32)},
        {"fields_sha256": bytes(32)},
        {"fields_sha256": None},
        {"body_length": 2614},
        {"stream": bytes(32)},
        {"stream_seq": 2, "stream_prev": bytes([9]) * 32},
    ],
)
def test_every_field_is_in_the_leaf(change: dict[str, Any]) -> None:
    assert replace(ENTRY, **change).leaf != ENTRY.leaf


def test_a_stream_begins_with_zero_and_goes_on_with_a_hash() -> None:
    with pytest.raises(InvalidInput, match="stream_prev"):
        replace(ENTRY, stream_seq=2)
    with pytest.raises(InvalidInput, match="stream_prev"):
        replace(ENTRY, stream_prev=bytes([1]) * 32)
    with pytest.raises(InvalidInput, match="stream_seq"):
        replace(ENTRY, stream_seq=0)


def test_streams_of_tenants_and_portfolios_have_nothing_in_common() -> None:
    secrets, names = (bytes(32), bytes([1]) * 32), (None, "", "pf_a", "pf_b")
    assert len({stream_id(secret, name) for secret in secrets for name in names}) == 8
