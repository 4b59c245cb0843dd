"""Load generator: keep-alive connections in a closed loop, in a process of its own, cheap enough not to be the
bottleneck.

``python -m tests.benchmark.load --port 8000 --path /v1/evaluations --body FILE --connections 16 --seconds 3``
prints one JSON object. Each connection sends its next request as soon as the answer to the last has been read
(wrk's model): the figures are those of a saturated server, and the latencies at one connection are those of an idle
one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from array import array
from pathlib import Path
from typing import cast

import uvloop

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


class Connection(asyncio.Protocol):
    """One client: at most one request in flight."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = bytearray()
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's
        self.send()

    def send(self) -> None:
        """Send the request once more, or stop when the time is over."""
        if self.run.over():
            self.transport.close()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(self.run.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(HEAD_END)
        if head < 0:
            return
        header = bytes(self.buffer[:head]).lower()
        start = header.index(LENGTH) + len(LENGTH)
        length = int(header[start:].split(b"\r\n", 1)[0])
        if len(self.buffer) < head + len(HEAD_END) + length:
            return
        self.run.answered(
            time.perf_counter() - self.sent_at, self.buffer[9:12] == b"200", bytes(self.buffer[head + len(HEAD_END) :])
        )
        self.buffer.clear()
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.run.closed(exc)


class Run:
    """Requests of one measurement."""

    def __init__(self, request: bytes, connections: int, seconds: float) -> None:
        self.request = request
        self.open_connections = connections
        self.seconds = seconds
        self.started = time.perf_counter()
        self.latencies = array("d")
        self.failed = 0
        self.first_failure = ""
        self.answer_bytes = 0
        self.done = asyncio.get_running_loop().create_future()

    def over(self) -> bool:
        """Whether the time of the measurement has passed."""
        return time.perf_counter() - self.started >= self.seconds

    def answered(self, latency: float, good: bool, body: bytes) -> None:
        """Count one answer."""
        self.latencies.append(latency)
        self.answer_bytes = len(body)
        if not good:
            self.failed += 1
            self.first_failure = self.first_failure or body[:500].decode(errors="replace")

    def closed(self, error: Exception | None) -> None:
        """Count a connection out; a broken one is a failure."""
        if not self.over():
            self.failed += 1
            self.first_failure = self.first_failure or f"connection lost: {error}"
        self.open_connections -= 1
        if self.open_connections == 0 and not self.done.done():
            self.done.set_result(None)

    def summary(self) -> dict[str, float | int | str]:
        """Figures of the run; latencies in milliseconds."""
        elapsed = time.perf_counter() - self.started
        ordered = sorted(self.latencies)
        return {
            "requests": len(ordered),
            "seconds": elapsed,
            "per_second": len(ordered) / elapsed,
            "p50_ms": 1e3 * percentile(ordered, 0.50),
            "p99_ms": 1e3 * percentile(ordered, 0.99),
            "failed": self.failed,
            "first_failure": self.first_failure,
            "answer_bytes": self.answer_bytes,
        }


def percentile(ordered: list[float], fraction: float) -> float:
    """Nearest-rank percentile of an ordered list.

    Examples
    --------
    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([], 0.5)
    (2.0, nan)
    """
    if not ordered:
        return float("nan")
    return ordered[max(0, min(len(ordered) - 1, -int(-fraction * len(ordered) // 1) - 1))]


def request_bytes(port: int, path: str, body: bytes) -> bytes:
    """Raw HTTP/1.1 request."""
    head = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def measure(port: int, path: str, body: bytes, connections: int, seconds: float) -> dict[str, float | int | str]:
    """One closed-loop run."""
    run = Run(request_bytes(port, path, body), connections, seconds)
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(run), "127.0.0.1", port)
    await run.done
    return run.summary()


def main(arguments: list[str]) -> None:
    """Run once and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--body", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args(arguments)
    print(
        json.dumps(
            uvloop.run(
                measure(options.port, options.path, options.body.read_bytes(), options.connections, options.seconds)
            )
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
