"""One decision, whatever the door: REST on SQLite, REST on PostgreSQL and Redis, and `trimtab evaluate` give the
same bytes.

`targets` is compared as the raw slice of the answer, so that a difference in a last digit, in the order of keys or
in the spelling of a number shows. Every answer is then replayed from its audit record and must match byte for byte.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.support.bodies import book, coins_and_options, observations, smallest, with_series
from tests.support.service import ROOT, ServiceProcess, running, trimtab

SYMBOLS = 20
BARS = 300
SELF_CONTAINED = {
    "smallest": smallest(),
    "twenty_symbols": with_series(SYMBOLS, BARS),
    "book_without_signals": with_series(5, BARS, signals=None),
    "compact": with_series(3, 120, options={"view": "compact"}),
    "inverse_options_hedge": coins_and_options(),
    "constant_leverage": with_series(4, 150, policy={"sizing": {"method": "constant_leverage", "leverage": 1.5}}),
    "one_short_series": {
        **with_series(3, 120),
        "series": [*with_series(2, 120)["series"], {**with_series(3, 120)["series"][2], "close": [100.0, 101.0, 99.5]}],
    },
}
"""Requests that bring their prices: for all three doors."""
ON_STATE = {
    "cached": book(SYMBOLS, bars=BARS),
    "cached_compact": book(SYMBOLS, bars=BARS, view="compact"),
    "cached_and_posted": {**book(SYMBOLS, bars=BARS), "series": with_series(2, BARS)["series"]},
}
"""Requests on volatility states that were fed before: for the services."""


def raw_member(answer: bytes, name: str) -> bytes:
    """Bytes of a top-level member of an answer, exactly as sent.

    Examples
    --------
    >>> raw_member(b'{"a":1,"targets":[{"x":"0.10"}],"b":2}', "targets")
    b'[{"x":"0.10"}]'
    """
    mark = f'"{name}":'
    text = answer.decode()
    assert text.count(mark) == 1, f"{name} is not unique in the answer"
    start = text.index(mark) + len(mark)
    _, end = json.JSONDecoder().raw_decode(text, start)
    return text[start:end].encode()


def from_service(service: ServiceProcess, body: dict[str, Any]) -> bytes:
    """Answer of the service; its replay must match."""
    with httpx.Client(base_url=service.url, timeout=30.0, trust_env=False) as http:
        response = http.post(
            "/v1/evaluations",
            content=orjson.dumps(body),
            headers={"Content-Type": "application/json", "Request-Timeout-Ms": "10000"},
        )
        assert response.status_code == 200, response.text
        replay = http.post(f"/v1/evaluations/{response.json()['evaluation_id']}:replay")
        assert replay.status_code == 200, replay.text
        assert replay.json()["match"] is True, replay.json()["differences"]
        assert replay.json()["differences"] == []
    return response.content


def from_command_line(body: dict[str, Any], folder: Path) -> bytes:
    """Answer of `trimtab evaluate --json`."""
    path = folder / "evaluation.json"
    path.write_bytes(orjson.dumps(body))
    result = subprocess.run([*trimtab(), "evaluate", str(path), "--json"], cwd=ROOT, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def feed(service: ServiceProcess) -> None:
    """Warm the volatility states, in two calls, so that the second updates a stored state."""
    rows = observations(SYMBOLS, BARS)["observations"]
    halves = [[row for index, row in enumerate(rows) if (index % BARS < BARS // 2) is first] for first in (True, False)]
    with httpx.Client(base_url=service.url, timeout=60.0, trust_env=False) as http:
        for half in halves:
            http.post("/v1/observations", json={"observations": half}).raise_for_status()


def test_same_bytes_through_every_door(
    tmp_path: Path, postgres_url: str, redis_url: str, subtests: pytest.Subtests
) -> None:
    with (
        running(tmp_path / "embedded") as embedded,
        running(tmp_path / "servers", database_url=postgres_url, redis_url=redis_url) as servers,
    ):
        for name, body in SELF_CONTAINED.items():
            with subtests.test(msg=name):
                targets = [
                    raw_member(answer, "targets")
                    for answer in (
                        from_service(embedded, body),
                        from_service(servers, body),
                        from_command_line(body, tmp_path),
                    )
                ]
                assert targets[0] == targets[1], f"{name}: SQLite and PostgreSQL + Redis differ"
                assert targets[0] == targets[2], f"{name}: REST and command line differ"
        feed(embedded)
        feed(servers)
        for name, body in ON_STATE.items():
            with subtests.test(msg=name):
                answers = from_service(embedded, body), from_service(servers, body)
                assert raw_member(answers[0], "targets") == raw_member(answers[1], "targets"), (
                    f"{name}: the two stores of states differ"
                )
                sources = {
                    row["volatility"]["source"] for row in orjson.loads(answers[0])["targets"] if "volatility" in row
                }
                assert name == "cached_compact" or "state" in sources, (
                    f"{name}: no target was computed from a cached state"
                )
