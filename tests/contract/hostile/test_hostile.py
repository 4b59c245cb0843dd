"""Every hostile body against a real server: the right refusal, a small answer, no defect, and a loop that keeps turning."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn

from app.server import configuration
from app.settings import Settings
from tests.contract.hostile.corpus import Case, corpus

MAX_ANSWER_BYTES = 8192
MAX_STALL_SECONDS = 0.050
"""Of processor time: what else runs on the machine does not count."""
TRIES = 3
CASES = corpus()


class Running:
    """A server on this loop, with a watch on how much processor time passes between two turns of the loop."""

    def __init__(self, server: uvicorn.Server, port: int) -> None:
        self.server, self.port, self.stall = server, port, 0.0

    async def watch(self) -> None:
        """Note the longest stall, for ever."""
        while True:
            before = time.process_time()
            await asyncio.sleep(0.0005)
            self.stall = max(self.stall, time.process_time() - before)

    async def least_stall(self, case: Case) -> float:
        """Longest stall while a case is served; of three tries the best, because a busy machine only ever adds."""
        stalls = []
        while len(stalls) < TRIES and min(stalls, default=math.inf) >= MAX_STALL_SECONDS:
            await asyncio.sleep(0.002)
            self.stall = 0.0
            await self.send(case)
            stalls.append(self.stall)
        return min(stalls)

    async def send(self, case: Case) -> tuple[int, dict[str, str], bytes]:
        """Send a case from another thread."""
        return await asyncio.to_thread(exchange, self.port, request_bytes(case))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """The service on a socket, with its embedded stores."""
    config = configuration(Settings(port=0, data_dir=Path(tmp_path_factory.mktemp("hostile"))))
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    here = Running(server, server.servers[0].sockets[0].getsockname()[1])
    watch = asyncio.create_task(here.watch())
    yield here
    watch.cancel()
    server.should_exit = True
    await task


def request_bytes(case: Case) -> bytes:
    """The request as it goes over the wire: no client library mends it."""
    lines = [
        f"{case.method} {case.path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        f"Content-Length: {len(case.body)}",
    ]
    lines += [f"{name}: {value}" for name, value in case.headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + case.body


def exchange(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes and read the answer to its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent: the answer is there to be read
        received = bytearray()
        while chunk := connection.recv(65_536):
            received += chunk
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), fields, body


def test_the_corpus_is_large_enough_and_its_names_are_unique() -> None:
    assert len(CASES) >= 80
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_hostile_body(running: Running, case: Case) -> None:
    status, fields, body = await running.send(case)
    assert status in case.statuses, body[:400]
    stall = await running.least_stall(case)
    assert stall < MAX_STALL_SECONDS, f"the loop stood still for {stall * 1000:.0f} ms of processor time"
    answer = json.loads(body, parse_constant=pytest.fail)
    if status == 200:
        assert_finite(answer)
        return
    assert fields["content-type"] == "application/problem+json"
    assert len(body) < MAX_ANSWER_BYTES
    assert answer["status"] == status
    assert answer["outcome"] == "rejected"
    assert answer["error_count"] >= len(answer["errors"])
    assert all(len(rule["detail"]) <= 400 for rule in answer["errors"])


def assert_finite(value: Any) -> None:
    """No number of an answer is infinite."""
    if isinstance(value, dict):
        for item in value.values():
            assert_finite(item)
    elif isinstance(value, list):
        for item in value:
            assert_finite(item)
    elif isinstance(value, float):
        assert math.isfinite(value)
