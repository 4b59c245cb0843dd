"""Service and echo side by side: the same load on both, in turns, and the processor time that each spends on a
request.

Wall-clock figures of a shared machine swing; the processor time of the server process (user and system, all
threads) per request hardly does. Both are measured; every figure is the median of the repetitions.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.service import ROOT, ServiceDied, answers, free_port

REPETITIONS = 3
SECONDS = 2.0
WARM_UP_SECONDS = 1.0


def server_cores() -> set[int]:
    """One processor for the server under test."""
    return {min(os.sched_getaffinity(0))}


def other_cores() -> set[int]:
    """The other processors, for the load and for database servers; the same one where there is only one."""
    available = os.sched_getaffinity(0)
    return available - server_cores() or available


@dataclass(frozen=True, slots=True)
class Target:
    """A server under test and what is sent to it."""

    name: str
    pid: int
    port: int
    path: str
    body: Path


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the repetitions."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    answer_bytes: int


def processor_seconds(pid: int) -> float:
    """Processor time of a process so far, user and system [s]."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def load(target: Target, connections: int, seconds: float) -> dict[str, float]:
    """One run of the load generator; a single failed request fails the measurement."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmark.load",
        "--port",
        str(target.port),
        "--path",
        target.path,
        "--body",
        str(target.body),
    ]
    command += ["--connections", str(connections), "--seconds", str(seconds)]
    before = processor_seconds(target.pid)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    os.sched_setaffinity(process.pid, other_cores())
    printed, _ = process.communicate(timeout=10 * seconds + 30)
    used = processor_seconds(target.pid) - before
    figures = json.loads(printed)
    assert process.returncode == 0 and figures["failed"] == 0, (
        f"{target.name}: {figures['failed']} failed: {figures['first_failure']}"
    )
    return {**figures, "cpu_us": 1e6 * used / figures["requests"]}


def compare(targets: Sequence[Target], connections: int) -> list[Figures]:
    """Figures of every target, measured in turns so that a slow minute of the machine hits all of them."""
    for target in targets:
        load(target, connections, WARM_UP_SECONDS)
    runs = [[load(target, connections, SECONDS) for target in targets] for _ in range(REPETITIONS)]
    return [summarise([repetition[place] for repetition in runs]) for place in range(len(targets))]


def summarise(runs: Sequence[dict[str, float]]) -> Figures:
    """Median of each figure."""
    middle = {
        name: statistics.median(run[name] for run in runs) for name in ("per_second", "p50_ms", "p99_ms", "cpu_us")
    }
    return Figures(**middle, answer_bytes=int(runs[-1]["answer_bytes"]))


@contextmanager
def echo_server(answer: Path) -> Iterator[tuple[int, int]]:
    """(pid, port) of the FastAPI echo, served like the service: uvicorn, uvloop, httptools, no access log."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        "tests.benchmark.echo:create_app",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += [
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--log-level",
        "warning",
        "--no-server-header",
    ]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TRIMTAB_ECHO_ANSWER": str(answer)})
    try:
        os.sched_setaffinity(process.pid, server_cores())
        wait_for(f"http://127.0.0.1:{port}/openapi.json", process)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return once `url` answers 200."""
    deadline = time.monotonic() + 30.0
    while not answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServiceDied(f"{url} does not answer")
        time.sleep(0.05)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain text table: first column left, the others right.

    Examples
    --------
    >>> print(table("t", ["name", "n"], [["a", "10"], ["bcd", "7"]]))
    t
    name   n
    a     10
    bcd    7
    """
    widths = [max(len(row[place]) for row in [header, *rows]) for place in range(len(header))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in [header, *rows]
    ]
    return "\n".join([title, *lines])
