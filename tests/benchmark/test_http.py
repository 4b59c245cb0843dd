"""Requests per second of `POST /v1/evaluations` beside a FastAPI echo of the same bodies in the same run.

Hypothesis: sizing 20 symbols on cached state, explained and durably audited, costs at most 3.3 times what FastAPI
and pydantic alone spend on reading the request and writing an answer of the same size (throughput >= 0.3 of the
echo's; >= 0.5 with `view: compact`); and reading 20 series of 1,000 closes with forecasts from scratch costs at
most half of what the stock echo spends on reading them (throughput >= 2 times the echo's), because FastAPI parses
JSON with the standard library.

Input: 20 described linear contracts with positions and signals; growth is linear in symbols for the answer, in
points for the series. `make bench` prints the tables; nothing is asserted about time, only that every request was
answered 200.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.benchmark.comparison import Figures, Target, compare, echo_server, server_cores, table
from tests.support.bodies import book, observations, with_series
from tests.support.service import ServiceProcess, running

pytestmark = pytest.mark.benchmark

SYMBOLS = 20
STATE_BARS = 400
SERIES_BARS = 1000
CONNECTIONS = (1, 16)
HEADER = (
    "server",
    "c",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "CPU us/request",
    "request B",
    "answer B",
    "of the echo: wall",
    "CPU",
)


def bodies() -> dict[str, dict[str, Any]]:
    """The three loads, at the present time: live answers hold orders."""
    now = datetime.now(UTC)
    return {
        "20 symbols, cached state": book(SYMBOLS, now, bars=STATE_BARS),
        "20 symbols, cached state, compact": book(SYMBOLS, now, bars=STATE_BARS, view="compact"),
        f"20 x {SERIES_BARS:,} closes, EWMA": with_series(SYMBOLS, SERIES_BARS, now),
    }


@pytest.fixture(params=["sqlite", "postgres"], ids=["SQLite + memory", "PostgreSQL + Valkey"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServiceProcess]:
    """Pinned service on each pair of stores, with warm states."""
    urls: dict[str, Any] = {"cores": server_cores()}
    if request.param == "postgres":
        urls |= {
            "database_url": request.getfixturevalue("postgres_url"),
            "redis_url": request.getfixturevalue("redis_url"),
        }
    with running(tmp_path / "data", **urls) as process:
        with httpx.Client(base_url=process.url, timeout=60.0, trust_env=False) as http:
            http.post("/v1/observations", json=observations(SYMBOLS, STATE_BARS, datetime.now(UTC))).raise_for_status()
        yield process


def first_answer(service: ServiceProcess, body: bytes) -> bytes:
    """Answer that the echo will give back: every target sized, none refused."""
    with httpx.Client(base_url=service.url, timeout=30.0, trust_env=False) as http:
        response = http.post("/v1/evaluations", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200, response.text
    targets = response.json()["targets"]
    assert len(targets) == SYMBOLS and all(row["status"] in ("ok", "limited") for row in targets), {
        row["symbol"]: row["reason"] for row in targets
    }
    return response.content


def rows_of(targets: list[Target], connections: int, figures: list[Figures]) -> list[list[str]]:
    """Lines of the table; the ratio is that of throughput, so that 1 is as fast as the echo."""
    yardstick = figures[-1]
    return [
        [
            target.name,
            str(connections),
            f"{item.per_second:,.0f}",
            f"{item.p50_ms:.2f}",
            f"{item.p99_ms:.2f}",
            f"{item.cpu_us:,.0f}",
            f"{target.body.stat().st_size:,}",
            f"{item.answer_bytes:,}",
            f"{item.per_second / yardstick.per_second:.2f}",
            f"{yardstick.cpu_us / item.cpu_us:.2f}",
        ]
        for target, item in zip(targets, figures, strict=True)
    ]


def stored_bytes(service: ServiceProcess, evaluation_id: str) -> int:
    """Bytes of the record of one evaluation, as the audit log stores its body."""
    with httpx.Client(base_url=service.url, timeout=30.0, trust_env=False) as http:
        items = http.get("/v1/audit/entries", params={"limit": 100}).raise_for_status().json()["items"]
    return int(next(item["stored_bytes"] for item in items if item.get("evaluation_id") == evaluation_id))


@pytest.mark.parametrize("name", list(bodies()))
def test_beside_the_echo(
    service: ServiceProcess,
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    body_path, answer_path = tmp_path / "body.json", tmp_path / "answer.json"
    body_path.write_bytes(orjson.dumps(bodies()[name]))
    answer_path.write_bytes(first_answer(service, body_path.read_bytes()))
    size = stored_bytes(service, orjson.loads(answer_path.read_bytes())["evaluation_id"])
    lines: list[list[str]] = []
    with echo_server(answer_path) as (pid, port):
        targets = [
            Target("trimtab", service.pid, service.port, "/v1/evaluations", body_path),
            Target("FastAPI echo of a dict", pid, port, "/echo-dict", body_path),
            Target("FastAPI echo", pid, port, "/echo", body_path),
        ]
        for connections in CONNECTIONS:
            lines += rows_of(targets, connections, compare(targets, connections))
    with capsys.disabled():
        stores = request.node.callspec.id.removesuffix(f"-{name}")
        print("\n\n" + table(f"{name} · {stores} · {size:,} bytes stored per evaluation", HEADER, lines))
