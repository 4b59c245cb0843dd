"""Calls of the client: what is sent, what is repeated, and what the caller learns when it fails."""

from __future__ import annotations

import asyncio
import inspect
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.problems import PROBLEMS
from trimtab_client import AsyncTrimtab, Backoff, Retry, Trimtab, errors, models
from trimtab_client.calls import encode
from trimtab_client.decimals import decimal_of

AT_ONCE = Retry(attempts=4, backoff=Backoff(jitter=lambda: 0.0))
REQUEST = {"account": {"equity": "1000", "currency": "USD"}}
SCALAR = {
    "symbol": "A",
    "interval": "P1D",
    "status": "ok",
    "reason": "ok",
    "scalar": "0.43",
    "volatility": 0.465,
    "target_volatility": 0.2,
    "max_leverage": 2.0,
    "as_of": "2026-11-20T00:00:00Z",
    "received_at": "2026-11-20T00:00:00Z",
    "valid_until": None,
    "evaluation_id": "ev_1",
    "audit": {"index": 1, "durable": True},
}


def problem(code: str, **members: Any) -> httpx.Response:
    """The service's own document of a code, as `app.errors` writes it."""
    kind = PROBLEMS[code]
    document = {
        "type": f"/v1/errors#{code}",
        "title": kind.title,
        "status": kind.status,
        "code": code,
        "detail": "what happened",
        "retryable": kind.retryable,
        "outcome": kind.outcome,
        "request_id": "r1",
        "instance": "/v1/x",
        "errors": [],
        "error_count": 0,
        "server_time": "2026-11-20T00:00:00Z",
    }
    return httpx.Response(kind.status, json=document | members)


class Script:
    """A transport that answers as written and keeps what it was sent."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def keys(self) -> list[str | None]:
        return [request.headers.get("Idempotency-Key") for request in self.requests]


def blocking(script: Script, work: Callable[[Trimtab], Any], **options: Any) -> Any:
    with Trimtab(transport=httpx.MockTransport(script), **({"retry": AT_ONCE} | options)) as client:
        return work(client)


def awaiting(script: Script, work: Callable[[AsyncTrimtab], Any], **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncTrimtab(transport=httpx.MockTransport(script), **({"retry": AT_ONCE} | options)) as client:
            return await work(client)

    return asyncio.run(run())


both = pytest.mark.parametrize("drive", [blocking, awaiting])


@both
def test_a_call_that_is_repeated_sends_the_same_bytes_under_the_same_key(drive: Any) -> None:
    script = Script(
        problem("audit_unavailable"),
        problem("deadline_exceeded"),
        httpx.ReadTimeout("no answer"),
        httpx.Response(200, json={"value": 1}),
    )
    reply = drive(script, lambda client: client.request("POST", "/v1/evaluations", REQUEST))
    assert reply.value == {"value": 1}
    assert len(set(script.keys())) == 1
    assert script.keys()[0]
    assert len({request.content for request in script.requests}) == 1


@both
def test_two_calls_never_share_a_key(drive: Any) -> None:
    scripts = [Script(httpx.Response(200, json={})) for _ in range(2)]
    for script in scripts:
        drive(script, lambda client: client.request("POST", "/v1/evaluations", REQUEST))
    assert scripts[0].keys() != scripts[1].keys()


@both
def test_the_key_of_the_caller_is_used(drive: Any) -> None:
    script = Script(problem("invalid_request"))
    with pytest.raises(errors.InvalidRequest) as caught:
        drive(script, lambda client: client.evaluate(REQUEST, idempotency_key="mine"))
    assert script.keys() == ["mine"]
    assert caught.value.idempotency_key == "mine"


@both
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_request", errors.InvalidRequest),
        ("idempotency_mismatch", errors.InvalidRequest),
        ("not_found", errors.NotFound),
        ("state_conflict", errors.Conflict),
    ],
)
def test_what_would_be_refused_again_is_not_repeated(drive: Any, code: str, kind: type[errors.Problem]) -> None:
    """`state_conflict` is retryable for a caller that reads the newest state first, never with the same bytes."""
    script = Script(problem(code))
    with pytest.raises(kind) as caught:
        drive(script, lambda client: client.evaluate(REQUEST))
    assert (caught.value.code, caught.value.outcome, len(script.requests)) == (code, "rejected", 1)


@both
def test_a_problem_says_where_and_why(drive: Any) -> None:
    rules = [
        {"pointer": "/positions/0/quantity", "code": "bad_decimal", "detail": "must be a plain decimal"},
        {"pointer": "/policy", "code": "required", "detail": "is required"},
    ]
    script = Script(problem("invalid_request", errors=rules, error_count=7))
    with pytest.raises(errors.InvalidRequest) as caught:
        drive(script, lambda client: client.evaluate(REQUEST))
    error = caught.value
    assert (error.pointer, error.error_count, len(error.errors)) == ("/positions/0/quantity", 7, 2)
    assert "/policy: is required" in str(error)


@both
def test_an_unknown_outcome_is_repeated_only_where_twice_is_once(drive: Any) -> None:
    """A GET is; a POST with a key is; a PATCH, which has none, is not."""
    read = Script(httpx.ReadError("broke"), httpx.Response(200, json={}))
    drive(read, lambda client: client.request("GET", "/v1/time"))
    assert len(read.requests) == 2
    write = Script(httpx.ReadError("broke"))
    with pytest.raises(errors.NoAnswer) as caught:
        drive(write, lambda client: client.request("PATCH", "/v1/x", {}))
    assert (caught.value.outcome, len(write.requests)) == ("unknown", 1)


@both
def test_a_service_that_was_not_reached_has_recorded_nothing(drive: Any) -> None:
    script = Script(*[httpx.ConnectError("refused")] * 4)
    with pytest.raises(errors.NoAnswer) as caught:
        drive(script, lambda client: client.evaluate(REQUEST))
    assert (caught.value.outcome, len(script.requests)) == ("rejected", 4)


@both
def test_attempts_are_counted(drive: Any) -> None:
    script = Script(*[problem("audit_unavailable")] * 9)
    with pytest.raises(errors.ServiceUnavailable):
        drive(script, lambda client: client.evaluate(REQUEST), retry=Retry(attempts=2, backoff=AT_ONCE.backoff))
    assert len(script.requests) == 2


@both
def test_a_wait_beyond_the_deadline_is_not_begun(drive: Any) -> None:
    answer = problem("audit_unavailable")
    answer.headers["Retry-After"] = "3600"
    script = Script(answer)
    with pytest.raises(errors.ServiceUnavailable):
        drive(script, lambda client: client.evaluate(REQUEST), deadline=5.0)
    assert len(script.requests) == 1


@both
def test_what_is_in_between_may_speak_another_language(drive: Any) -> None:
    script = Script(httpx.Response(502, text="<html>"), httpx.Response(404, text="<html>"))
    with pytest.raises(errors.UnreadableAnswer) as caught:
        drive(script, lambda client: client.evaluate(REQUEST))
    assert (caught.value.status, caught.value.outcome, len(script.requests)) == (404, "rejected", 2)


@both
def test_an_answer_of_another_shape_was_recorded_all_the_same(drive: Any) -> None:
    with pytest.raises(errors.UnreadableAnswer) as caught:
        drive(Script(httpx.Response(200, json={"targets": 1})), lambda client: client.evaluate(REQUEST))
    assert (caught.value.outcome, caught.value.body) == ("recorded", b'{"targets":1}')


@both
def test_query_and_key(drive: Any) -> None:
    script = Script(httpx.Response(200, json=SCALAR))
    moment = datetime(2026, 11, 20, tzinfo=UTC)
    answer = drive(script, lambda client: client.scalar("BTC/USDT:USDT", 0.2, as_of=moment), key="ttb_secret")
    assert answer.scalar == Decimal("0.43")
    request = script.requests[0]
    assert dict(request.url.params) == {
        "symbol": "BTC/USDT:USDT",
        "target_volatility": "0.2",
        "as_of": "2026-11-20T00:00:00Z",
    }
    assert request.headers["Authorization"] == "Bearer ttb_secret"
    assert "secret" not in str(request.url)


@both
def test_a_key_of_the_environment_is_used_where_none_is_given(drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_API_KEY", "ttb_kept")
    script = Script(httpx.Response(200, json=SCALAR), httpx.Response(200, json=SCALAR))
    for given in ({}, {"key": "ttb_given"}):
        drive(script, lambda client: client.scalar("BTC", 0.2), **given)
    assert [item.headers["Authorization"] for item in script.requests] == ["Bearer ttb_kept", "Bearer ttb_given"]


@both
def test_a_key_without_the_scope_is_an_error_of_its_own(drive: Any) -> None:
    document = {"status": 403, "code": "forbidden_scope", "detail": "the key needs the scope evaluate",
                "retryable": False, "outcome": "rejected"}  # fmt: skip
    with pytest.raises(errors.AccessRefused, match="needs the scope evaluate") as caught:
        drive(Script(httpx.Response(403, json=document)), lambda client: client.evaluate(REQUEST))
    assert (caught.value.code, caught.value.outcome) == ("forbidden_scope", "rejected")


def test_the_service_is_given_less_time_than_the_client_waits() -> None:
    script = Script(httpx.Response(200, json={}))
    blocking(script, lambda client: client.request("POST", "/v1/x", {}), timeout=2.0)
    assert 1000 <= int(script.requests[0].headers["Request-Timeout-Ms"]) <= 1600


def test_decimals_keep_their_digits_and_floats_that_lost_theirs_are_refused() -> None:
    account = models.AccountIn(equity=Decimal("1E+5"), currency="USD")
    assert encode(account) == b'{"equity":"100000","currency":"USD"}'
    assert str(models.AccountIn(equity="0.10", currency="USD").equity) == "0.10"
    for bad in (0.1 + 0.2, math.nan, math.inf, "1e5", " 1", "1_0", True, None, Decimal("NaN")):
        with pytest.raises(ValueError, match=r"."):
            decimal_of(bad)


def test_nan_never_leaves() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode({"close": [math.nan]})
    with pytest.raises(ValueError, match="finite"):
        models.SignalIn(symbol="A", direction=math.nan)


def test_only_what_was_said_is_sent_and_the_tag_of_a_method_always() -> None:
    policy = models.PolicyIn(sizing=models.VolatilityTarget(target_volatility=0.2))
    sent = json.loads(encode(policy))
    assert sent == {"sizing": {"method": "volatility_target", "target_volatility": 0.2}}


def test_control_state_goes_back_whole_with_members_that_are_newer_than_this_client() -> None:
    told = {"version": 3, "from_the_future": {"latched": True}}
    state = models.ModelsApiControlStateOut.model_construct(_fields_set=set(told), **told)
    back = models.PreviousIn.model_validate(state)
    assert json.loads(encode(back)) == told


def test_both_clients_offer_the_same() -> None:
    names = {name for name in dir(Trimtab) if not name.startswith("_")}
    assert names == {name for name in dir(AsyncTrimtab) if not name.startswith("_")}
    for name in names:
        here, there = inspect.signature(getattr(Trimtab, name)), inspect.signature(getattr(AsyncTrimtab, name))
        assert here.parameters == there.parameters, name
