"""Calls and their answers, without any I/O: both clients drive the same conversation."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

import httpx
from pydantic import ValidationError

from trimtab_client.base import Model, members
from trimtab_client.decimals import plain
from trimtab_client.errors import NoAnswer, Outcome, Problem, TrimtabError, UnreadableAnswer, problem_of
from trimtab_client.retry import Retry
from trimtab_client.signing import Signer

A = TypeVar("A")
Body = Model | Mapping[str, Any]
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
CLOCK_SKEW = "clock_skew"
LONGEST_SERVICE_TIMEOUT = 60.0
SHARE_OF_SERVICE = 0.8
"""Of the time of one attempt that the service may take: it then says what became of the call before we stop reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[A]):
    """One call. `answer`: model of the answer, None for plain JSON. `keyed`: it carries an Idempotency-Key."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: type[A] | None = None
    keyed: bool = False
    idempotency_key: str | None = None

    @property
    def safe(self) -> bool:
        """Whether doing it twice is doing it once."""
        return self.keyed or self.method in ("GET", "HEAD", "PUT", "DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Generic[A]):
    """A successful answer; `value` is None where there is none (204, 304)."""

    status: int
    headers: Mapping[str, str]
    value: A

    @property
    def etag(self) -> str | None:
        """Version of the resource, as ``If-Match`` and ``If-None-Match`` take it."""
        return self.headers.get("ETag")


@dataclass(frozen=True, slots=True)
class Attempt:
    """Send this, and hand back the response or the error of the transport."""

    request: httpx.Request


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


Step = Attempt | Pause
Conversation = Generator[Step, httpx.Response | httpx.TransportError | None, Reply[A]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How calls are made.

    Parameters
    ----------
    base_url : str
        Of the service, without path.
    key : str, optional
        API key, by default that of the variable `TRIMTAB_API_KEY`; it goes into the header ``Authorization``,
        never into a URL.
    signer : Signer, optional
        Signs every attempt, in the place of a key.
    timeout : float
        Of one attempt [s].
    deadline : float
        Of a call with all its repetitions [s]; none is begun, and no wait is longer, than what is left of it.
    retry : Retry
        What is repeated.
    """

    base_url: str
    key: str | None = field(default=None, repr=False)
    signer: Signer | None = None
    timeout: float = 10.0
    deadline: float = 30.0
    retry: Retry = Retry()

    def headers(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        """Headers by which the service knows who calls; of the stream's handshake the method is WS."""
        if self.signer is not None:
            return self.signer.headers(method, target, body)
        key = os.environ.get("TRIMTAB_API_KEY", "").strip() if self.key is None else self.key
        return {"Authorization": f"Bearer {key}"} if key else {}


def converse(call: Call[A], manner: Manner) -> Conversation[A]:
    """Every attempt at one call, with the same bytes and the same key.

    Raises
    ------
    TrimtabError
        What became of the last attempt, with the Idempotency-Key that all of them carried.
    """
    key = (call.idempotency_key or new_key()) if call.keyed else None
    content = None if call.body is None else encode(call.body)
    end = time.monotonic() + manner.deadline
    attempt, adjusted = 0, False
    while True:
        outcome = yield Attempt(_request(call, manner, key, content, min(manner.timeout, end - time.monotonic())))
        try:
            return _reply(call, outcome)
        except TrimtabError as error:
            error.idempotency_key = key
            if manner.signer is not None and not adjusted and isinstance(error, Problem) and error.code == CLOCK_SKEW:
                manner.signer.hear(str(error.document["server_time"]))
                adjusted = True
                continue
            wait = manner.retry.wait(error, attempt=attempt, safe=call.safe, after=_retry_after(outcome))
            if wait is None or time.monotonic() + wait >= end:
                raise
        yield Pause(wait)
        attempt += 1


def new_key() -> str:
    """A fresh Idempotency-Key: 128 random bits."""
    return secrets.token_hex(16)


def encode(body: Body) -> bytes:
    """JSON of a body; decimals become strings, times RFC 3339.

    Raises
    ------
    ValueError
        For NaN or infinity, and for a value that JSON does not know.

    Examples
    --------
    >>> encode({"equity": Decimal("1E+5"), "at": datetime(2026, 11, 20, tzinfo=UTC)})
    b'{"equity":"100000","at":"2026-11-20T00:00:00Z"}'
    """
    if isinstance(body, Model):
        return body.model_dump_json(exclude_unset=True, by_alias=True).encode()
    return json.dumps(body, default=_plain_value, allow_nan=False, separators=(",", ":")).encode()


def _plain_value(value: Any) -> Any:
    if isinstance(value, Model):
        return members(value)
    if isinstance(value, Decimal) and value.is_finite():
        return plain(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise ValueError(f"JSON has no {type(value).__name__} like {value!r:.60} (a time needs its zone)")


def _request(call: Call[Any], manner: Manner, key: str | None, content: bytes | None, seconds: float) -> httpx.Request:
    query = {name: _text(value) for name, value in call.query.items() if value is not None}
    url = httpx.URL(manner.base_url.rstrip("/") + call.path, params=query or None)
    known = manner.headers(call.method, url.raw_path.decode("ascii"), content or b"")
    headers = {"Accept": "application/json", **known, **call.headers}
    if content is not None:
        headers["Content-Type"] = "application/json"
        milliseconds = int(1000 * min(SHARE_OF_SERVICE * seconds, LONGEST_SERVICE_TIMEOUT))
        headers.setdefault("Request-Timeout-Ms", str(max(1, milliseconds)))
    if key is not None:
        headers["Idempotency-Key"] = key
    return httpx.Request(
        call.method,
        url,
        headers=headers,
        content=content,
        extensions={"timeout": httpx.Timeout(seconds).as_dict()},
    )


def _text(value: Any) -> str:
    plain_value = value if isinstance(value, str | int | float) else _plain_value(value)
    return str(plain_value).lower() if isinstance(value, bool) else str(plain_value)


def _reply(call: Call[A], outcome: httpx.Response | httpx.TransportError | None) -> Reply[A]:
    if not isinstance(outcome, httpx.Response):
        sent = not isinstance(outcome, NOT_SENT)
        raise NoAnswer(f"{type(outcome).__name__}: {outcome}", "unknown" if sent else "rejected")
    if outcome.is_success or outcome.status_code == 304:
        return Reply(status=outcome.status_code, headers=outcome.headers, value=_value(call, outcome))
    raise _failure(outcome)


def _value(call: Call[A], response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        if call.answer is not None and issubclass(call.answer, Model):
            return call.answer.model_validate_json(response.content)
        return response.json()
    except ValidationError as error:
        raise UnreadableAnswer(response.status_code, str(error), response.content, "recorded") from None
    except ValueError as error:
        raise UnreadableAnswer(response.status_code, f"no JSON: {error}", response.content, "unknown") from None


def _failure(response: httpx.Response) -> TrimtabError:
    try:
        return problem_of(response.json())
    except (ValueError, KeyError, TypeError, AttributeError):
        outcome: Outcome = "rejected" if response.status_code < 500 else "unknown"
        text = "no problem document: the answer is not from the service, or not from one of this kind"
        return UnreadableAnswer(response.status_code, text, response.content, outcome)


def _retry_after(outcome: httpx.Response | httpx.TransportError | None) -> float | None:
    text = outcome.headers.get("Retry-After", "") if isinstance(outcome, httpx.Response) else ""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
