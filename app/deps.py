"""What routes take from a request besides its body: headers, query parameters, the container."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from app import deadline
from app.body import read_json
from app.caller import caller_of
from app.container import Container
from app.limits import (
    ADMITTED_SHARE,
    MAX_IDEMPOTENCY_KEY,
    MAX_QUERY_PARAMETERS,
    MAX_TAGS,
    MAX_TIMEOUT_MS,
    MAX_WAITING_RECORDS,
)
from app.problems import BrokenRule, RequestProblem
from app.quota import TAB_KEY
from app.usecases.call import Call
from app.validation import broken_rules, core_rule
from services.core.errors import InvalidInput

Query = TypeVar("Query", bound=BaseModel)
TIMEOUT = "Request-Timeout-Ms"
_KEY = re.compile(rf"[!-~](?:[ -~]{{0,{MAX_IDEMPOTENCY_KEY - 2}}}[!-~])?\Z", re.ASCII)

_VERSION = re.compile(r'"([1-9][0-9]{0,8})"\Z', re.ASCII)
_TAGS = re.compile(rf"[!-~](?:[ -~]{{0,{MAX_TAGS - 2}}}[!-~])?\Z", re.ASCII)


def container_of(request: Request) -> Container:
    """Ports of this process, for the tenant of the caller."""
    container: Container = request.app.state.container
    return container.of(caller_of(request.scope).tenant_id)


def admit(request: Request) -> None:
    """Refuse work, before its body is read, while so many records wait that it would only wait behind them.

    Raises
    ------
    RequestProblem
        503 `overloaded`.
    """
    waiting = container_of(request).audit.activity().waiting
    if waiting > ADMITTED_SHARE * MAX_WAITING_RECORDS:
        detail = f"{waiting} records wait for the audit log, of at most {MAX_WAITING_RECORDS}"
        raise RequestProblem("overloaded", detail)


async def read_call(request: Request) -> Call:
    """Body and headers of a POST or PUT.

    Raises
    ------
    RequestProblem
        For a header, media type, size or JSON that breaks a rule.
    """
    admit(request)
    key, seconds = idempotency_key(request), timeout_seconds(request)
    raw, parsed = await read_json(request)
    _begin(request, seconds)
    if (tab := request.scope.get(TAB_KEY)) is not None:
        await tab.spend(parsed)
    return Call(raw, parsed, key, now(request), seconds)


def read_empty_call(request: Request) -> Call:
    """Headers of a call without a body, such as a DELETE; its path is on record in the place of a body."""
    admit(request)
    path, key, seconds = request.url.path.encode(), idempotency_key(request), timeout_seconds(request)
    _begin(request, seconds)
    return Call(path, None, key, now(request), seconds)


def read_timeout(request: Request) -> float:
    """Time of a request without a body that makes a record [s]; the caller's own begins now."""
    seconds = timeout_seconds(request)
    _begin(request, seconds)
    return seconds


def _begin(request: Request, seconds: float) -> None:
    if TIMEOUT in request.headers:
        deadline.begin(seconds)


def now(request: Request) -> datetime:
    """Time of receipt."""
    return container_of(request).clock.now()


def idempotency_key(request: Request) -> str | None:
    """Header `Idempotency-Key`: 1 to 255 printable ASCII characters, with or without a structured field's quotes."""
    text = _header(request, "Idempotency-Key")
    if text is None:
        return None
    if len(text) > 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not _KEY.match(text):
        raise _bad_header("Idempotency-Key", f"must be 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters")
    return text


def timeout_seconds(request: Request) -> float:
    """Header `Request-Timeout-Ms`, in seconds; by default what the settings say."""
    text = _header(request, TIMEOUT)
    if text is None:
        seconds: float = request.app.state.settings.request_timeout_seconds
        return seconds
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= MAX_TIMEOUT_MS):
        raise _bad_header(TIMEOUT, f"must be a whole number from 1 to {MAX_TIMEOUT_MS}")
    return int(text) / 1000.0


def known_tags(request: Request) -> frozenset[str]:
    """Entity tags of the header `If-None-Match`, weak ones as strong; `*` stands for any."""
    return frozenset(tag.removeprefix("W/") for tag in _tags(request, "If-None-Match"))


def matching_tags(request: Request) -> frozenset[str]:
    """Entity tags of the header `If-Match`, as they are: a weak one matches nothing."""
    return _tags(request, "If-Match")


def expected_version(request: Request) -> int | None:
    """Version that a change is made from: that of `If-Match`, 0 for none by ``If-None-Match: *``, else None for any.

    A tag that is none of a version is -1, which no version is.
    """
    absent, tags = _tags(request, "If-None-Match"), matching_tags(request)
    if absent and (tags or absent != {"*"}):
        raise _bad_header("If-None-Match", "must be * alone, without If-Match")
    if absent:
        return 0
    if not tags:
        return None
    if len(tags) > 1 or tags == {"*"}:
        raise _bad_header("If-Match", "must be the ETag of one version")
    found = _VERSION.match(next(iter(tags)))
    return int(found[1]) if found else -1


def _tags(request: Request, name: str) -> frozenset[str]:
    text = _header(request, name)
    if text is None:
        return frozenset()
    if not _TAGS.match(text):
        raise _bad_header(name, f"must be 1 to {MAX_TAGS} printable ASCII characters")
    return frozenset(item.strip() for item in text.split(","))


def preferred_media(request: Request, offers: tuple[str, ...], hint: str = "") -> str:
    """Media type of `offers` that the header `Accept` likes best, the first of equals (RFC 9110, section 12.5.1).

    `hint` ends what is told where it allows none.

    Raises
    ------
    RequestProblem
        406 where it allows none of them.
    """
    text = request.headers.get("accept", "").strip().lower()
    if not text:
        return offers[0]
    liked = {offer: _liking(offer, text) for offer in offers}
    best = max(offers, key=lambda offer: liked[offer])
    if liked[best] <= 0.0:
        raise RequestProblem("not_acceptable", f"Accept must allow {' or '.join(offers)}{hint}")
    return best


def _liking(offer: str, accept: str) -> float:
    """Quality that the most specific range of an Accept header gives a media type; what cannot be read is none."""
    kind, found = offer.partition("/")[0], (-1, 0.0)
    for item in accept.split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        rank = {offer: 2, f"{kind}/*": 1, "*/*": 0}.get(media, -1)
        if rank > found[0]:
            found = (rank, _quality(parameters))
    return found[1]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            return float(value) if re.fullmatch(r"[01](\.[0-9]{0,3})?", value) else 0.0
    return 1.0


def _header(request: Request, name: str) -> str | None:
    wanted = name.lower().encode()
    values = [value for key, value in request.scope["headers"] if key == wanted]
    if not values:
        return None
    if len(values) > 1:
        raise _bad_header(name, "must be sent once")
    return str(values[0].decode("latin-1"))


def _bad_header(name: str, rule: str) -> RequestProblem:
    return RequestProblem("invalid_header", f"{name} {rule}", [BrokenRule(f"header:{name}", "bad_format", rule)])


def read_query(request: Request, model: type[Query]) -> Query:
    """Query parameters as a model; unknown and repeated ones are refused.

    Raises
    ------
    RequestProblem
        422 `invalid_request` with pointers `query:<name>`.
    """
    pairs = request.query_params.multi_items()
    values = dict(pairs)
    if len(values) != len(pairs) or len(pairs) > MAX_QUERY_PARAMETERS:
        repeated = next(
            (name for name, _ in pairs if sum(name == other for other, _ in pairs[: MAX_QUERY_PARAMETERS + 1]) > 1), ""
        )
        rule = BrokenRule(f"query:{repeated[:60]}", "duplicate_key", "must be sent once")
        raise RequestProblem("invalid_request", "a query parameter is repeated, or there are too many", [rule])
    return _of_url(values, model, "query")


def read_path(request: Request, model: type[Query]) -> Query:
    """Parameters of the path as a model.

    Raises
    ------
    RequestProblem
        422 `invalid_request` with pointers `path:<name>`.
    """
    return _of_url(request.path_params, model, "path")


def _of_url(values: Mapping[str, str], model: type[Query], place: str) -> Query:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        rules, count = broken_rules(error, model)
        named = [BrokenRule(f"{place}:{rule.pointer.removeprefix('/')}", rule.code, rule.detail) for rule in rules]
        raise RequestProblem("invalid_request", _summary(named), named, error_count=count) from None


def _summary(rules: list[BrokenRule]) -> str:
    return f"{rules[0].pointer} {rules[0].detail}" if rules else "the query breaks a rule"


@contextmanager
def query_rules() -> Iterator[None]:
    """A rule of the core that a query parameter breaks.

    Raises
    ------
    RequestProblem
        422 `invalid_request` at the parameter.
    """
    try:
        yield
    except InvalidInput as error:
        found = core_rule(error)
        rule = BrokenRule("query:" + found.pointer.removeprefix("/"), found.code, found.detail)
        raise RequestProblem("invalid_request", f"{rule.pointer} {rule.detail}", [rule]) from error


@contextmanager
def cursor_errors() -> Iterator[None]:
    """A cursor that is none of ours is the client's mistake.

    Raises
    ------
    RequestProblem
        422 `invalid_request` at `query:after`.
    """
    try:
        yield
    except ValueError as error:
        rule = BrokenRule("query:after", "bad_format", "must be the next of an earlier page, unchanged")
        raise RequestProblem("invalid_request", f"{rule.pointer} {rule.detail}", [rule]) from error
