"""From an observation to the pushed target: a portfolio of 20 symbols, every step audited, 50 observations a second.

Hypothesis: p50 at most 8 ms and p99 at most 35 ms on two free cores. Each call carries one bar of one symbol and leads
to an evaluation of the whole portfolio, or shares one with those that came while another was under way. The latency of
an observation ends with the first push of an evaluation that began after the live engine had seen it. Stages are cut
at the moments that the server notes (`tests.benchmark.live_server`). Expected growth: linear in symbols; flat in rate
until evaluations take all of the processor, from where on more observations share one.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
import uvloop
from websockets.asyncio.client import connect

from app.adapters.schema import migrate
from tests.support.bodies import SYMBOLS
from tests.support.clients import Wire
from tests.support.service import ROOT

pytestmark = pytest.mark.benchmark
RATE, SECONDS = 50.0, 20.0
WARM_UP_SECONDS = 3.0
CONNECTIONS = 8
HISTORY_BARS = 80
MINUTE = timedelta(minutes=1)
POLICY = {
    "sizing": {"method": "volatility_target", "target_volatility": 0.2},
    "limits": {"max_data_age_bars": 100},
}


def bars_of(number: int, start: datetime) -> dict[str, Any]:
    """One bar: symbols take turns."""
    turn, place = divmod(number, len(SYMBOLS))
    close = 100.0 + (7 * turn + 13 * place) % 11 * 0.05
    at = (start + turn * MINUTE).isoformat()
    return {"symbol": SYMBOLS[place], "interval": "PT1M", "calendar": "24/7", "close_time": at, "close": close}


async def prepare(url: str, start: datetime) -> None:
    """History, registration, snapshot, first targets."""
    history = [bars_of(number, start) for number in range(HISTORY_BARS * len(SYMBOLS))]
    snapshot = {
        "snapshot_seq": 1,
        "account": {"equity": "1000000", "currency": "USD"},
        "positions": [{"symbol": symbol, "quantity": "10", "mark_price": "100"} for symbol in SYMBOLS],
        "signals": [{"symbol": symbol, "direction": 1} for symbol in SYMBOLS],
    }
    registration = {"policy": POLICY, "interval": "PT1M", "max_snapshot_age": "PT1H"}
    async with httpx.AsyncClient(base_url=url, timeout=60.0, trust_env=False) as http:
        for method, path, body in (
            ("POST", "/v1/observations", {"observations": history}),
            ("PUT", "/v1/portfolios/desk", registration),
            ("POST", "/v1/portfolios/desk/snapshots", snapshot),
        ):
            answer = await http.request(method, path, json=body)
            assert answer.status_code == 200, answer.text
        answer = await http.get("/v1/portfolios/desk/targets", params={"wait_seconds": 20})
        assert answer.status_code == 200, answer.text


async def read_pushes(port: int, received: dict[int, float], ready: asyncio.Event) -> None:
    """Note when each decision arrives."""
    async with connect(f"ws://127.0.0.1:{port}/v1/stream", compression=None, max_size=None) as socket:
        await socket.send('{"op":"subscribe","id":"s","ch":"targets:desk"}')
        count = 0
        async for text in socket:
            now = time.monotonic()
            frame = orjson.loads(text)
            if frame.get("id") == "s":
                ready.set()
            if frame["type"] == "update":
                received[frame["data"]["index"]] = now
                count += 1
                if count % 8 == 0:
                    await socket.send(f'{{"op":"ack","n":{count}}}')


async def send_bars(port: int, first: int, start: datetime, seconds: float) -> dict[int, float]:
    """Send bars at the rate, on free connections; when each was due, by its audit index."""
    free: asyncio.Queue[Wire] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await Wire.open("127.0.0.1", port))
    sent: dict[int, float] = {}

    async def send(number: int, due: float) -> None:
        wire = await free.get()
        body = orjson.dumps({"observations": [bars_of(number, start)]})
        status, answer = await wire.post("/v1/observations", f"bar-{number}", body)
        assert status == 200, answer
        sent[orjson.loads(answer)["audit"]["index"]] = due
        free.put_nowait(wire)

    begun = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for turn in range(int(seconds * RATE)):
            due = begun + turn / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.create_task(send(first + turn, time.monotonic()))
    while not free.empty():
        free.get_nowait().writer.close()
    return sent


async def measure(process: subprocess.Popen[bytes]) -> tuple[dict[int, float], dict[int, float], dict[str, Any]]:
    """Load the server; moments of sending and of receiving, and what the server noted."""
    assert process.stdin is not None and process.stdout is not None
    port = int(process.stdout.readline())
    start = datetime.now(UTC).replace(second=0, microsecond=0) - (HISTORY_BARS + 65) * MINUTE
    await prepare(f"http://127.0.0.1:{port}", start)
    received: dict[int, float] = {}
    ready = asyncio.Event()
    reading = asyncio.create_task(read_pushes(port, received, ready))
    await ready.wait()
    first = HISTORY_BARS * len(SYMBOLS)
    await send_bars(port, first, start, WARM_UP_SECONDS)
    await asyncio.sleep(0.5)
    process.stdin.write(b"\n")
    process.stdin.flush()
    await asyncio.sleep(0.1)
    sent = await send_bars(port, first + int(WARM_UP_SECONDS * RATE), start, SECONDS)
    await asyncio.sleep(1.0)
    reading.cancel()
    process.stdin.write(b"\n")
    process.stdin.flush()
    found: dict[str, Any] = json.loads(await asyncio.to_thread(process.stdout.readline))
    return sent, received, found


def stages_of(
    sent: dict[int, float], received: dict[int, float], notes: list[tuple[str, int, float]]
) -> dict[str, np.ndarray]:
    """Milliseconds of every stage, by observation; `total` is from sending to receiving."""
    at: dict[str, dict[int, float]] = {}
    for stage, index, moment in notes:
        if stage != "begun":
            at.setdefault(stage, {})[index] = moment
    begun = sorted(moment for stage, _, moment in notes if stage == "begun")
    # An evaluation is under way alone: the decision handed over after it began, and before the next began, is its own.
    handed = sorted((moment, index) for index, moment in at["decision handed over"].items())
    rows = []
    for index, due in sent.items():
        seen = at["seen"][index]
        place = bisect_left(begun, seen)
        if place == len(begun):
            continue
        _, decision = handed[bisect_left(handed, (begun[place], -1))]
        moments = (
            due,
            at["observation handed over"][index],
            at["observation durable"][index],
            seen,
            begun[place],
            at["decision handed over"][decision],
            at["decision durable"][decision],
            at["published"][decision],
            at["told"][decision],
            received[decision],
        )
        rows.append((*np.diff(moments), received[decision] - due))
    names = ("observe", "commit", "tail", "turn", "evaluate", "commit_decision", "relay", "publish", "push", "total")
    return dict(zip(names, 1e3 * np.array(rows).T, strict=True))


@pytest.mark.parametrize("stores", ["sqlite", "postgres"])
def test_from_observation_to_push(stores: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    if stores == "postgres":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres_url")
        environment["REDIS_URL"] = request.getfixturevalue("redis_url")
        migrate(environment["DATABASE_URL"])
    command = [sys.executable, "-m", "tests.benchmark.live_server", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment) as process:
        try:
            sent, received, found = uvloop.run(measure(process))
        finally:
            process.kill()
    stages = stages_of(sent, received, [tuple(note) for note in found["notes"]])
    decisions = sum(stage == "decision durable" for stage, _, _ in found["notes"])
    share = found["processor"] / SECONDS
    print(f"\n{stores}: {len(sent)} observations, {decisions} decisions, {100 * share:.0f} % of a processor")
    for name, values in stages.items():
        p50, p90, p99 = np.percentile(values, [50, 90, 99])
        print(f"{name:16} p50 {p50:7.2f}  p90 {p90:7.2f}  p99 {p99:7.2f}  max {values.max():7.2f} ms")
    assert len(sent) == int(SECONDS * RATE)
    assert len(stages["total"]) > 0.9 * len(sent)
