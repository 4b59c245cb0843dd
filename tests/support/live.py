"""A live engine in process: what it publishes is there when `settle` returns, at a time that the test sets."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson

from app.container import Container
from app.lifespan import open_container
from app.settings import Settings
from app.translate.publications import publications
from app.usecases.live_engine import LiveEngine
from tests.support.http import client_of

START = datetime(2026, 11, 20, 0, 0, 5, tzinfo=UTC)
LAST_CLOSE = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass(slots=True)
class SetClock:
    """Clock of a test; it moves a microsecond at each look, so that no two moments are the same."""

    time: datetime = START

    def now(self) -> datetime:
        """The time that was set."""
        self.time += timedelta(microseconds=1)
        return self.time

    def move(self, **amount: float) -> None:
        """Later."""
        self.time += timedelta(**amount)


@dataclass(slots=True)
class Timers:
    """Timers that fire when the test says so."""

    waiting: list[Any] = field(default_factory=list)

    def later(self, seconds: float, callback: Any) -> Any:
        """Keep it."""
        timer = asyncio.get_running_loop().call_later(1e6, lambda: None)
        self.waiting.append((seconds, callback, timer))
        return timer

    @property
    def due(self) -> list[float]:
        """Seconds of those that were not cancelled."""
        return [seconds for seconds, _, timer in self.waiting if not timer.cancelled()]

    def fire(self) -> None:
        """Fire those that were not cancelled."""
        waiting, self.waiting = self.waiting, []
        for _, callback, timer in waiting:
            if not timer.cancelled():
                timer.cancel()
                callback()


@dataclass(slots=True)
class Live:
    """The service, its live engine, and a relay that reads the log when told."""

    container: Container
    http: httpx.AsyncClient
    clock: SetClock
    timers: Timers = field(default_factory=Timers)
    failures: list[Any] = field(default_factory=list)
    seen: int = -1
    engine: LiveEngine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = LiveEngine(self.container, self.failures.append, self.timers.later)

    async def settle(self) -> None:
        """Hand the log to relay and engine until nothing moves any more."""
        quiet = 0
        while quiet < 3:
            entries = await self.container.audit.tail(after=self.seen, limit=100)
            for item in entries:
                self.seen = item.entry.index
                await self.container.bus.publish_many(publications(item))
            await self.engine.saw(entries)
            await asyncio.sleep(0.002)
            quiet = 0 if entries or self.engine.busy else quiet + 1

    async def register(self, name: str = "desk", **changes: Any) -> dict[str, Any]:
        """Register a portfolio on daily bars."""
        body = {**REGISTRATION, **changes}
        return self.answer(await self.http.put(f"/v1/portfolios/{name}", json=body))

    async def snapshot(self, seq: int, name: str = "desk", **changes: Any) -> dict[str, Any]:
        """Send a snapshot."""
        body = {**SNAPSHOT, "snapshot_seq": seq, **changes}
        return self.answer(await self.http.post(f"/v1/portfolios/{name}/snapshots", json=body))

    async def observe(self, symbols: list[str], count: int = 1, seed: int = 1, **fields: Any) -> dict[str, Any]:
        """Feed closes up to `LAST_CLOSE`, or later ones."""
        end = fields.pop("end", LAST_CLOSE)
        rows = [
            {
                "symbol": symbol,
                "interval": "P1D",
                "calendar": "24/7",
                "close_time": (end - timedelta(days=count - 1 - n)).isoformat(),
                "close": 100.0 + (7 * n + 13 * seed + 5 * place) % 11 * 0.5,
                **fields,
            }
            for place, symbol in enumerate(symbols)
            for n in range(count)
        ]
        return self.answer(await self.http.post("/v1/observations", json={"observations": rows}))

    async def targets(self, name: str = "desk", **headers: str) -> httpx.Response:
        """Newest targets, whatever they are."""
        return await self.http.get(f"/v1/portfolios/{name}/targets", headers=headers)

    async def published(self, name: str = "desk") -> dict[str, Any]:
        """Newest targets after everything has settled."""
        await self.settle()
        return self.answer(await self.targets(name))

    async def entries(self, kind: str, name: str = "desk") -> list[dict[str, Any]]:
        """Entries of a portfolio in the log."""
        found = await self.http.get("/v1/audit/entries", params={"kind": kind, "portfolio_id": name})
        items: list[dict[str, Any]] = self.answer(found)["items"]
        return items

    async def decision(self, evaluation_id: str) -> dict[str, Any]:
        """Recorded answer."""
        return self.answer(await self.http.get(f"/v1/evaluations/{evaluation_id}"))

    async def request(self, evaluation_id: str) -> Any:
        """Recorded request."""
        entry = await self.container.audit.get("local", evaluation_id)
        assert entry is not None
        return orjson.loads(entry.request)

    @staticmethod
    def answer(response: httpx.Response) -> dict[str, Any]:
        """Body of a success."""
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found


REGISTRATION: dict[str, Any] = {
    "policy": {"sizing": {"method": "volatility_target", "target_volatility": 0.2}},
    "interval": "P1D",
    "max_snapshot_age": "PT1H",
}
SNAPSHOT: dict[str, Any] = {
    "account": {"equity": "100000", "currency": "USD"},
    "positions": [{"symbol": "AAA", "quantity": "100", "mark_price": "101"}],
    "signals": [{"symbol": "AAA", "direction": 1}],
}


@asynccontextmanager
async def running(folder: Path, **ports: Any) -> AsyncIterator[Live]:
    """A live engine on embedded stores in `folder`."""
    clock = SetClock()
    async with open_container(Settings(data_dir=folder)) as opened:
        container = dataclasses.replace(opened, clock=clock, **ports)
        async with client_of(container) as http:
            live = Live(container, http, clock)
            await live.engine.begin(await container.audit.size())
            try:
                yield live
            finally:
                await live.engine.end()
