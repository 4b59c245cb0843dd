"""Fan-out: 1,000 readers of one channel, 2 kB a state.

Hypothesis: a window of acknowledgements, `prev` of every reader and the rest of the protocol cost no more than the bare
broadcast of the same bytes: deliveries per processor second are at least half of those of `websockets.broadcast`.
Expected growth: linear in readers times states. Both servers run as processes of their own, one after the other, on
the same readers, which take frames apart without parsing JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
import uvloop

from tests.support.service import ROOT

pytestmark = pytest.mark.benchmark
READERS = 1000
RATES = (20.0, 1000.0)
"""States a second: the steady load, and more than any of the two can deliver."""
SECONDS = 3.0
HANDSHAKE = (
    b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ACK_EVERY = 16


def masked(text: bytes) -> bytes:
    """A short text frame of a client, masked with zeros."""
    return bytes((0x81, 0x80 | len(text))) + b"\0\0\0\0" + text


@dataclass
class Tally:
    """What all readers got."""

    frames: int = 0
    waits: list[int] = field(default_factory=list)


class Reader(asyncio.Protocol):
    """One reader: notes when states arrive, and acknowledges them."""

    def __init__(self, tally: Tally, subscribes: bool) -> None:
        self.tally, self.subscribes = tally, subscribes
        self.rest, self.greeted, self.got = b"", False, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(HANDSHAKE)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        rest = self.rest + data
        if not self.greeted:
            head, found, rest = rest.partition(b"\r\n\r\n")
            if not found:
                self.rest = head
                return
            self.greeted = True
            if self.subscribes:
                self.transport.write(masked(b'{"op":"subscribe","id":"1","ch":"targets:pf_main"}'))  # type: ignore[attr-defined]
        place = 0
        while len(rest) - place >= 4:
            size, head_size = rest[place + 1], 2
            if size == 126:
                size, head_size = int.from_bytes(rest[place + 2 : place + 4]), 4
            if len(rest) - place < head_size + size:
                break
            self._take(rest[place + head_size : place + head_size + 200])
            place += head_size + size
        self.rest = rest[place:]

    def _take(self, start: bytes) -> None:
        at = start.find(b'"at":')
        if at < 0:
            return
        self.got += 1
        self.tally.frames += 1
        self.tally.waits.append(time.monotonic_ns() - int(start[at + 5 : start.index(b",", at)]))
        if self.subscribes and self.got % ACK_EVERY == 0:
            self.transport.write(masked(b'{"op":"ack","n":%d}' % self.got))  # type: ignore[attr-defined]


async def measure(kind: str, rate: float) -> dict[str, float]:
    """One run of one server."""
    command = [sys.executable, "-m", "tests.benchmark.stream_server", kind, str(READERS), str(rate), str(SECONDS)]
    with subprocess.Popen(  # noqa: ASYNC220
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        port, tally = int(process.stdout.readline()), Tally()
        loop = asyncio.get_running_loop()
        for _ in range(READERS):
            await loop.create_connection(lambda: Reader(tally, kind == "ours"), "127.0.0.1", port)
        assert await asyncio.to_thread(process.stdout.readline) == b"ready\n"
        process.stdin.write(b"\n")
        process.stdin.flush()
        found = json.loads(await asyncio.to_thread(process.stdout.readline))
        p50, p99 = np.percentile(np.array(tally.waits) / 1e6, [50, 99])
        return {
            "delivered_per_second": tally.frames / SECONDS,
            "delivered_per_processor_second": tally.frames / found["processor"],
            "share_of_published": tally.frames / (found["published"] * READERS),
            "p50_ms": float(p50),
            "p99_ms": float(p99),
            "kilobytes_per_connection": found["memory"] / 1000,
        }


@pytest.mark.parametrize("rate", RATES)
def test_fan_out_beside_a_bare_broadcast(rate: float) -> None:
    for kind in ("bare", "ours"):
        found = uvloop.run(measure(kind, rate))
        print(f"\n{kind:5} {rate:6g}/s: " + ", ".join(f"{name} {value:,.4g}" for name, value in found.items()))
        assert found["share_of_published"] > 0
