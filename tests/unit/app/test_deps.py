"""Headers of a call: what is taken, and what is refused."""

from __future__ import annotations

import pytest
from fastapi import FastAPI, Request

from app.deps import idempotency_key, timeout_seconds
from app.problems import RequestProblem
from app.settings import Settings


def request(*headers: tuple[str, str]) -> Request:
    """A request with headers."""
    app = FastAPI()
    app.state.settings = Settings(request_timeout_seconds=2.5)
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "headers": raw, "app": app})


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("c0b3", "c0b3"),
        ('"c0b3"', "c0b3"),
        ("a b", "a b"),
        ('"', '"'),
        ('""', '""'),
        ("x" * 255, "x" * 255),
        ("~", "~"),
    ],
)
def test_keys_are_taken_with_or_without_quotes(value: str, key: str) -> None:
    assert idempotency_key(request(("Idempotency-Key", value))) == key


@pytest.mark.parametrize("value", ["", " ", "x" * 256, "caf\xe9", "a\tb", " a"])
def test_other_keys_are_refused(value: str) -> None:
    with pytest.raises(RequestProblem, match="Idempotency-Key must be 1 to 255"):
        idempotency_key(request(("Idempotency-Key", value)))


@pytest.mark.parametrize(("value", "seconds"), [("1", 0.001), ("250", 0.25), ("60000", 60.0), ("0010", 0.01)])
def test_deadlines_are_milliseconds(value: str, seconds: float) -> None:
    assert timeout_seconds(request(("Request-Timeout-Ms", value))) == seconds


@pytest.mark.parametrize("value", ["0", "60001", "-1", "1.5", "", "1e3", "٣", "999999999"])
def test_other_deadlines_are_refused(value: str) -> None:
    text = value if value.isascii() else "\xb3"
    with pytest.raises(RequestProblem, match="whole number from 1 to 60000"):
        timeout_seconds(request(("Request-Timeout-Ms", text)))


def test_without_headers_the_settings_decide() -> None:
    assert idempotency_key(request()) is None
    assert timeout_seconds(request()) == 2.5


def test_a_header_sent_twice_is_ambiguous() -> None:
    with pytest.raises(RequestProblem, match="must be sent once"):
        idempotency_key(request(("Idempotency-Key", "a"), ("Idempotency-Key", "a")))
