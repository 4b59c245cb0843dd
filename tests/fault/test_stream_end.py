"""SIGTERM under load (R16): streams are told and closed with 1012, what was asked for is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import time
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from models.api.stream import SUBPROTOCOL
from tests.fault.harness import Row, sizes
from tests.support.service import ServiceProcess, running


async def stream(service: ServiceProcess, ready: asyncio.Semaphore) -> tuple[int | None, bool, int, int]:
    """Read and feed bars until the service closes: code, whether told before, bars taken and left unanswered."""
    told, asked, answered, taken, pushes = False, 0, 0, 0, 0
    url = service.url.replace("http", "ws") + "/v1/stream"
    async with connect(url, subprotocols=[SUBPROTOCOL]) as socket:  # type: ignore[list-item]
        await socket.send('{"op":"subscribe","id":"s","ch":"status"}')
        try:
            while True:
                frame = json.loads(await socket.recv())
                if frame.get("id") == "s":
                    ready.release()
                told = told or frame.get("code") == "draining"
                answered += frame.get("id") == "o"
                taken += frame.get("id") == "o" and frame.get("ok") is True
                pushes += frame["type"] == "update"
                if frame["type"] == "update" and pushes % 16 == 0:
                    await socket.send(json.dumps({"op": "ack", "n": pushes}))
                if (frame["type"] == "hb" or frame.get("id") == "s") and not told:
                    asked += 1
                    bar = {"symbol": f"S{id(socket)}", "interval": "P1D", "close": 100 + asked, "calendar": "24/7"}
                    bar["close_time"] = f"2026-01-{asked:02d}T00:00:00Z"
                    await socket.send(json.dumps({"op": "observe", "id": "o", "body": {"observations": [bar]}}))
        except ConnectionClosed:
            return socket.close_code, told, taken, asked - answered


async def call(service: ServiceProcess, refused: list[str], begun: asyncio.Event) -> int:
    """Feed bars over REST until the service ends; the number of answers."""
    answers = 0
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=20.0) as http:
        while True:
            bar = {"symbol": "REST", "interval": "P1D", "close_time": "2026-01-01T00:00:00Z", "close": 1 + answers}
            try:
                answer = await http.post(
                    "/v1/observations", json={"observations": [bar]}, headers={"Connection": "close"}
                )
            except httpx.TransportError:
                return answers  # closed before the request was read: the log must not know it
            answers += 1
            begun.set()
            if answer.status_code != 200:
                refused.append(answer.text)


async def end_under_load(folder: Path, streams: int, callers: int, seconds: float) -> tuple[float, int, int]:
    """Load a service, end it, see what everybody was told."""
    with running(folder) as service:
        ready, refused = asyncio.Semaphore(0), list[str]()
        reading = [asyncio.create_task(stream(service, ready)) for _ in range(streams)]
        for _ in range(streams):
            await ready.acquire()
        begun = [asyncio.Event() for _ in range(callers)]
        calling = [asyncio.create_task(call(service, refused, event)) for event in begun]
        async with asyncio.timeout(60.0):
            for event in begun:
                await event.wait()
        await asyncio.sleep(seconds)
        assert service.process is not None
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        ends = await asyncio.gather(*reading)
        answers = await asyncio.gather(*calling)
        code = await asyncio.to_thread(service.process.wait, 60.0)
        took = time.monotonic() - began
        assert code == -signal.SIGTERM
        assert "Application shutdown complete" in service.log_tail()
        assert [(code, told, left) for code, told, _, left in ends] == [(1012, True, 0)] * streams
        assert refused == []
        assert all(answers)
    with contextlib.closing(sqlite3.connect(folder / "trimtab.db")) as database:
        (recorded,) = database.execute("SELECT count(*) FROM audit_entry").fetchone()
    assert recorded == sum(answers) + sum(fed for _, _, fed, _ in ends), "what was done was answered, and no more"
    return took, sum(answers), recorded


@sizes((500, 200, 6), (10, 4, 1))
async def test_the_end_under_load(tmp_path: Path, size: tuple[int, ...], fault_table: Row) -> None:
    streams, callers, seconds = size
    took, answers, recorded = await end_under_load(tmp_path, streams, callers, seconds)
    fault_table(
        "R16",
        "SIGTERM under load",
        load=f"{callers} REST in closed loops, {streams} WS that feed",
        acked=f"{answers} over REST, {recorded - answers} over WS",
        stored=recorded,
        recovery=f"ended {took:.1f} s after the signal",
        besides=f"notice and 1012 to {streams} of {streams}",
    )
