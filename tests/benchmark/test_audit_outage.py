"""PostgreSQL stopped under 100 callers: how long a refusal takes, and how long until the first answer afterwards.

Hypothesis: every call that must be recorded is refused within a second while the server is away, and is answered within
five of its return, by the same process. Nothing is asserted about time; that every call is answered, and how, is.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import pytest

from scripts import embedded_servers
from tests import servers
from tests.benchmark.comparison import table
from tests.benchmark.document import conditions, markdown, write
from tests.support.bodies import smallest
from tests.support.service import running

pytestmark = pytest.mark.benchmark
CALLERS = 100
PERIOD = 4.0
BEFORE_SECONDS, AWAY_SECONDS, WAIT_SECONDS = 6.0, 8.0, 60.0
HEADER = ("phase", "calls", "answered", "refused", "in doubt", "p50 ms", "p99 ms", "largest ms")


class Called(NamedTuple):
    """A call: when it was sent, how long it took, and its status."""

    sent: float
    seconds: float
    status: int


async def test_while_the_server_is_away(
    servers_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = conditions()
    calls: list[Called] = []
    with (
        embedded_servers.postgres(servers_directory / "postgres-outage-benchmark") as server,
        servers.fresh_database(server.url) as url,
        running(tmp_path / "data", database_url=url) as service,
    ):
        limits = httpx.Limits(max_connections=CALLERS, max_keepalive_connections=CALLERS)
        async with httpx.AsyncClient(base_url=service.url, timeout=30.0, trust_env=False, limits=limits) as http:

            async def caller(number: int) -> None:
                await asyncio.sleep(PERIOD * number / CALLERS)
                while True:
                    sent = time.monotonic()
                    headers = {"Idempotency-Key": f"{number}-{sent}"}
                    answer = await http.post("/v1/evaluations", json=smallest(), headers=headers)
                    calls.append(Called(sent, time.monotonic() - sent, answer.status_code))
                    await asyncio.sleep(max(0.0, sent + PERIOD - time.monotonic()))

            callers = [asyncio.create_task(caller(number)) for number in range(CALLERS)]
            await asyncio.sleep(BEFORE_SECONDS)
            stopped = time.monotonic()
            server.kill()
            await asyncio.sleep(AWAY_SECONDS)
            server.start()
            returned = time.monotonic()
            async with asyncio.timeout(WAIT_SECONDS):
                while not any(call.status == 200 and call.sent > stopped + 1.0 for call in calls):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            recovered = time.monotonic()
            await asyncio.sleep(BEFORE_SECONDS)
            for task in callers:
                task.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
    spans = {"before": (0.0, stopped), "away": (stopped, returned), "afterwards": (recovered, float("inf"))}
    rows = [row_of(name, [call for call in calls if start <= call.sent < end]) for name, (start, end) in spans.items()]
    title = f"{CALLERS} callers, each every {PERIOD:g} s; first answer {recovered - returned:.1f} s after the return"
    with capsys.disabled():
        print("\n\n" + table(title, HEADER, rows))
    write("outage", f"{before} {title}.\n\n{markdown(HEADER, rows)}")
    assert {call.status for call in calls} <= {200, 503, 504}
    assert not [one for one in calls if one.status == 200 and stopped + 1.0 < one.sent + one.seconds < returned]


def row_of(name: str, calls: list[Called]) -> list[str]:
    """Line of the table."""
    taken = 1000 * np.array([call.seconds for call in calls])
    counts = [sum(call.status == status for call in calls) for status in (200, 503, 504)]
    return [
        name,
        str(len(calls)),
        *map(str, counts),
        *(f"{value:.0f}" for value in (*np.percentile(taken, (50, 99)), taken.max())),
    ]
