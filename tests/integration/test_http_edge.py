"""What holds for every request: ids, headers, hosts, methods, sizes, slow clients, failures, metrics."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from app import protocol
from app.examples import SMALLEST
from app.operations import OPERATIONS
from app.ports import AuditActivity, AuditUnavailable, Outcome, StateUnavailable
from app.problems import PROBLEMS
from app.settings import Settings
from tests.support.http import client
from tests.support.paths import a_path
from tests.support.sockets import exchange, listening, raw_request, read_answer

MEBIBYTE = 1024 * 1024


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


@dataclass(frozen=True)
class Failing:
    """A store whose every call fails."""

    error: Exception
    staleness_seconds: float = 0.0

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: object, **__: object) -> None:
            raise self.error

        return fail

    def activity(self) -> AuditActivity:
        """Nothing."""
        return AuditActivity(0, 0, 0)

    def server_version(self) -> str:
        """Kind."""
        return "broken"

    def warnings(self) -> tuple[str, ...]:
        """None."""
        return ()


async def test_request_ids_are_repeated_or_made_up(http: httpx.AsyncClient) -> None:
    given = await http.get("/v1/time", headers={"X-Request-Id": "trace/7=="})
    assert given.headers["x-request-id"] == "trace/7=="
    first, second = [(await http.get("/v1/time")).headers["x-request-id"] for _ in range(2)]
    assert first != second
    problem = (await http.get("/v1/nothing", headers={"X-Request-Id": "abc"})).json()
    assert problem["request_id"] == "abc"


async def test_every_answer_carries_the_security_headers_and_no_server(http: httpx.AsyncClient) -> None:
    for path in ("/livez", "/docs", "/v1/nothing", "/openapi.json"):
        headers = (await http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src" in headers["content-security-policy"]
        assert "server" not in headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "[::1]:8000", "127.9.9.9", "app.localhost"])
async def test_names_of_this_machine_are_served(http: httpx.AsyncClient, host: str) -> None:
    assert (await http.get("/livez", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "localhost.evil.example"])
async def test_a_foreign_name_is_refused_while_only_this_machine_may_call(http: httpx.AsyncClient, host: str) -> None:
    answer = await http.get("/v1/evaluations", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "misdirected_request")


async def test_named_hosts_and_public_services_are_not_tied_to_loopback(tmp_path: Path) -> None:
    named = Settings(data_dir=tmp_path / "a", allowed_hosts=("risk.example",))
    public = Settings(data_dir=tmp_path / "b", host="0.0.0.0", allow_unauthenticated=True)
    async with client(tmp_path, named) as http:
        assert (await http.get("/livez", headers={"Host": "risk.example:443"})).status_code == 200
        assert (await http.get("/livez", headers={"Host": "other.example"})).status_code == 421
    async with client(tmp_path, public) as http:
        assert (await http.get("/livez", headers={"Host": "any.example"})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/evaluations", "GET, POST"),
        ("GET", "/v1/targets", "POST"),
        ("PATCH", "/v1/instruments", "GET, PUT"),
        ("POST", "/v1/volatility", "DELETE, GET"),
        ("GET", "/v1/evaluations/ev_1:replay", "POST"),
        ("OPTIONS", "/v1/evaluations", "GET, POST"),
        ("BREW", "/livez", "GET"),
        ("DELETE", "/v1/keys/current", "GET"),
    ],
)
async def test_a_wrong_method_names_the_right_ones(
    http: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await http.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["code"] == "method_not_allowed"


async def test_every_path_has_the_documented_methods_alone(http: httpx.AsyncClient) -> None:
    methods: dict[str, set[str]] = {}
    for operation in OPERATIONS:
        methods.setdefault(a_path(operation), set()).add(operation.method)
    for path, documented in methods.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - documented:
            answer = await http.request(method, path)
            assert (answer.status_code, answer.headers.get("allow")) == (405, ", ".join(sorted(documented))), (
                method,
                path,
            )


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/evaluations/", "/v1//time", "/docs/", "/docs/README.md", "/docs/..%2fmain.py", "/console/SHA256SUMS"],
)
async def test_other_paths_do_not_exist(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("symbol=A&target_volatility=0.2&symbol=B", "query:symbol"),
        ("symbol=A&target_volatility=20", "query:target_volatility"),
        ("symbol=A&target_volatility=nan", "query:target_volatility"),
        ("symbol=A&target_volatility=1_0", "query:target_volatility"),
        ("symbol=A", "query:target_volatility"),
        ("symbol=A&target_volatility=0.2&vol=1", "query:vol"),
        ("symbol=A&target_volatility=0.2&interval=1d", "query:interval"),
        ("symbol=A%20B&target_volatility=0.2", "query:symbol"),
    ],
)
async def test_query_parameters_are_as_strict_as_bodies(http: httpx.AsyncClient, query: str, pointer: str) -> None:
    answer = await http.get(f"/v1/scalar?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "path", ["/v1/instruments?after=zzz", "/v1/volatility?after=bnVsbA==", "/v1/evaluations?after=-1"]
)
async def test_a_foreign_cursor_is_the_clients_mistake(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "query:after")


async def test_timings_and_metrics_tell_what_was_served(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/evaluations", json=SMALLEST)
    assert answer.status_code == 200
    assert {part.partition(";")[0].strip() for part in answer.headers["server-timing"].split(",")} == {
        "compute",
        "audit",
    }
    await http.post("/v1/evaluations", json={})
    await http.get("/nowhere/at/all")
    text = (await http.get("/metrics")).text
    for line in (
        'http_requests_total{code="",method="POST",route="/v1/evaluations",status="200"} 1.0',
        'http_requests_total{code="invalid_request",method="POST",route="/v1/evaluations",status="422"} 1.0',
        'http_requests_total{code="not_found",method="GET",route="unmatched",status="404"} 1.0',
        'eval_seconds_count{stage="compute"} 1.0',
        "audit_commit_seconds_count 1.0",
        "log_size 1.0",
        'dependency_up{dependency="audit"} 1.0',
    ):
        assert line in text.splitlines(), line


async def test_a_dead_audit_log_gives_no_answer_but_lives(tmp_path: Path) -> None:
    audit = Failing(AuditUnavailable("the disk is full"))
    async with client(tmp_path, audit=audit) as http:
        answer = await http.post("/v1/evaluations", json=SMALLEST)
        assert (answer.status_code, answer.json()["code"], answer.json()["outcome"]) == (
            503,
            "audit_unavailable",
            "rejected",
        )
        assert answer.headers["retry-after"] == "1"
        assert (await http.get("/livez")).status_code == 200
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["status"], ready.json()["degraded"]) == (503, "unavailable", ["audit"])
        assert 'dependency_up{dependency="audit"} 0.0' in (await http.get("/metrics")).text


async def test_a_write_in_doubt_is_said_to_be_in_doubt(tmp_path: Path) -> None:
    async with client(tmp_path, audit=Failing(AuditUnavailable("late", Outcome.UNKNOWN))) as http:
        answer = await http.post("/v1/evaluations", json=SMALLEST)
        assert (answer.status_code, answer.json()["outcome"], answer.json()["retryable"]) == (504, "unknown", True)


async def test_without_states_what_brings_its_prices_is_still_answered(tmp_path: Path) -> None:
    async with client(tmp_path, volatility=Failing(StateUnavailable("no route"))) as http:
        assert (await http.post("/v1/evaluations", json=SMALLEST)).status_code == 200
        answer = await http.get("/v1/scalar?symbol=A&target_volatility=0.2")
        assert (answer.status_code, answer.json()["code"]) == (503, "vol_state_unavailable")
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")


async def test_a_defect_is_logged_and_shows_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with client(tmp_path, audit=Failing(ZeroDivisionError("secret /path"))) as http:
        answer = await http.post("/v1/evaluations", json=SMALLEST, headers={"X-Request-Id": "find-me"})
    assert (answer.status_code, answer.json()["code"], answer.json()["outcome"]) == (500, "internal_error", "unknown")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "find-me" in caplog.text


async def test_registered_instruments_read_back(http: httpx.AsyncClient) -> None:
    row = {"symbol": "TINY", "kind": "linear", "quote_currency": "USD", "lot": "0.00000001", "tick": "0.0000001"}
    assert (await http.put("/v1/instruments", json={"instruments": [row]})).status_code == 200
    listed = (await http.get("/v1/instruments")).json()["items"]
    assert [(item["symbol"], item["lot"], item["tick"]) for item in listed] == [("TINY", "0.00000001", "0.0000001")]
    body = json.loads(json.dumps(SMALLEST).replace("BTC-PERP", "TINY"))
    answer = await http.post("/v1/evaluations", json=body)
    assert answer.status_code == 200
    assert "/instruments" not in {item["pointer"] for item in answer.json()["assumptions"]}


async def test_a_replay_of_an_observation_is_refused(http: httpx.AsyncClient) -> None:
    point = {"symbol": "A", "interval": "P1D", "close_time": "2019-10-17T00:00:00Z", "close": 1.5}
    stored = (await http.post("/v1/observations", json={"observations": [point]})).json()
    answer = await http.post(f"/v1/evaluations/{stored['event_id']}:replay")
    assert (answer.status_code, answer.json()["code"]) == (422, "not_replayable")
    unknown = await http.post(f"/v1/evaluations/ev_{'0' * 32}:replay")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


def test_problem_codes_fit_their_status() -> None:
    for code, kind in PROBLEMS.items():
        assert 400 <= kind.status < 600, code
        assert kind.outcome == "unknown" or kind.status not in (500, 504), code
        again = kind.status in (408, 429, 503, 504) or code in ("state_conflict", "not_evaluated")
        assert kind.retryable == again, code


async def test_a_large_body_is_refused_at_once_by_its_declared_length(tmp_path: Path) -> None:
    async with listening(Settings(port=0, data_dir=tmp_path)) as service:

        def declare() -> tuple[int, dict[str, str], bytes]:
            with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
                head = "POST /v1/evaluations HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                lines = f"Content-Type: application/json\r\nContent-Length: {10**12}\r\n\r\n"
                connection.sendall((head + lines).encode())
                return read_answer(connection)

        status, _, body = await asyncio.to_thread(declare)
    assert (status, json.loads(body)["code"]) == (413, "body_too_large")


async def test_an_endless_chunked_body_is_cut_off_and_takes_no_memory(tmp_path: Path) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    head = "POST /v1/evaluations HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    request = (head + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunk * 1024
    async with listening(Settings(port=0, data_dir=tmp_path)) as service:
        await service.send(raw_request("GET", "/livez"))
        before = psutil.Process().memory_info().rss
        status, _, body = await asyncio.to_thread(exchange, service.port, request)
        assert psutil.Process().memory_info().rss - before < 16 * MEBIBYTE
    assert (status, json.loads(body)["code"]) == (413, "body_too_large")


async def test_a_slow_body_is_given_up(tmp_path: Path) -> None:
    async with listening(Settings(port=0, data_dir=tmp_path, body_timeout_seconds=0.2)) as service:

        def trickle() -> tuple[int, dict[str, str], bytes]:
            with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
                head = "POST /v1/evaluations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                connection.sendall((head + "Content-Length: 100\r\n\r\n{").encode())
                return read_answer(connection)

        status, headers, body = await asyncio.to_thread(trickle)
        assert (status, json.loads(body)["code"]) == (408, "body_timeout")
        assert headers["connection"] == "close"
        assert (await service.send(raw_request("GET", "/livez")))[0] == 200


async def test_header_bombs_and_endless_urls_are_refused(tmp_path: Path) -> None:
    async with listening(Settings(port=0, data_dir=tmp_path)) as service:
        for request in (
            raw_request("GET", "/livez", headers=tuple((f"X-{index}", "v" * 1000) for index in range(200))),
            raw_request("GET", "/livez?" + "a" * 200_000),
            raw_request("GET", "/livez?" + "a" * 10_000),
            b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Endless: " + b"v" * 1_000_000,
            b"GET /livez HTTP/9.9\r\n\r\n",
            b"\x00\x01\x02\r\n\r\n",
        ):
            try:
                status, _, _ = await service.send(request)
            except ConnectionResetError:  # closed while we were still sending: refused, too
                continue
            assert 400 <= status < 500, request[:80]
        assert (await service.send(raw_request("GET", "/livez")))[0] == 200


async def test_a_head_that_does_not_arrive_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    async with listening(Settings(port=0, data_dir=tmp_path)) as service:
        for start in (b"", b"GET /livez HTTP/1.1\r\nHost: 127"):

            def hang(start: bytes = start) -> bytes:
                with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
                    connection.sendall(start)
                    return connection.recv(1)

            assert await asyncio.to_thread(hang) == b""
        assert (await service.send(raw_request("GET", "/livez")))[0] == 200


async def test_a_client_that_goes_away_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with listening(Settings(port=0, data_dir=tmp_path)) as service:

        def leave() -> None:
            with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
                head = "POST /v1/evaluations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                connection.sendall((head + "Content-Length: 100\r\n\r\n{").encode())

        line = b'http_requests_total{code="",method="POST",route="/v1/evaluations",status="499"} 1.0'
        await asyncio.to_thread(leave)
        async with asyncio.timeout(20):
            while line not in (await service.send(raw_request("GET", "/metrics", headers=())))[2]:
                pass
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
