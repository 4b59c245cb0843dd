"""Two instances on one PostgreSQL and one Valkey, a registered portfolio, and the load that keeps all of it busy."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest
from sqlalchemy.engine import make_url

from scripts import embedded_servers
from tests import servers
from tests.support.bodies import with_series
from tests.support.service import ServiceProcess

DESK = "/v1/portfolios/desk"
SYMBOLS = ("AAA", "BBB")
WAIT_SECONDS = 20.0


@dataclass(slots=True)
class Deployment:
    """Processes of a deployment; the stores are this deployment's own and can be stopped."""

    database: servers.AnyServer
    valkey: embedded_servers.ValkeyServer
    database_url: str
    instances: list[ServiceProcess]
    seq: int = 0
    bar_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @property
    def ports(self) -> list[int]:
        """Where they listen."""
        return [service.port for service in self.instances]


@contextmanager
def deployed(database: servers.AnyServer, folder: Path, data: Path) -> Iterator[Deployment]:
    """Two instances, started."""
    with ExitStack() as stack:
        url = stack.enter_context(servers.fresh_database(database.url))
        valkey = stack.enter_context(embedded_servers.valkey(folder))
        instances = [ServiceProcess(data / name, url, valkey.url) for name in ("one", "two")]
        instances[0].migrate()
        for service in instances:
            stack.callback(service.kill)
            service.start()
        yield Deployment(database, valkey, url, instances)


class Called(NamedTuple):
    """A call as its client saw it: None where no answer came."""

    kind: str
    sent_at: float
    seconds: float
    status: int | None
    code: str | None


@dataclass(slots=True)
class Load:
    """Paced callers of the service, and the desk that sends snapshots and bars.

    Every caller waits for its answer before its next call, and then for the rest of its period. `series`: evaluations
    that bring their prices; `state`: evaluations on cached states; both with an Idempotency-Key.
    """

    url: str
    deployment: Deployment
    calls: list[Called] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _http: httpx.AsyncClient = field(init=False)
    _serial: int = 0

    def __post_init__(self) -> None:
        limits = httpx.Limits(max_connections=400, max_keepalive_connections=400)
        self._http = httpx.AsyncClient(base_url=self.url, timeout=WAIT_SECONDS, trust_env=False, limits=limits)

    def start(self, callers: int, period: float, *, desk_period: float = 0.5) -> None:
        """Begin; half of the callers send series, half do not."""
        for number in range(callers):
            kind = ("series", "state")[number % 2]
            self._tasks.append(asyncio.create_task(self._caller(kind, period, period * number / callers)))
        self._tasks.append(asyncio.create_task(self._desk(desk_period)))

    async def stop(self) -> None:
        """End the callers after their last answers."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel("the load ends")
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End."""
        await self.stop()
        await self._http.aclose()

    def of(self, kind: str, since: float = 0.0, until: float = float("inf")) -> list[Called]:
        """Calls of a kind that were sent in a span of wall-clock time."""
        return [one for one in self.calls if one.kind == kind and since <= one.sent_at < until]

    async def _caller(self, kind: str, period: float, delay: float) -> None:
        await asyncio.sleep(delay)
        while True:
            begun = time.monotonic()
            await asyncio.shield(self._call(kind))
            await asyncio.sleep(max(0.0, begun + period - time.monotonic()))

    async def _call(self, kind: str) -> None:
        self._serial += 1
        sent, begun = time.time(), time.monotonic()
        headers = {"Idempotency-Key": f"{kind}-{self._serial}-{sent}"}
        status, code = None, None
        try:
            answer = await self._http.post("/v1/evaluations", json=BODIES[kind], headers=headers)
            status = answer.status_code
            code = answer.json().get("code") if status != 200 else None
        except httpx.TransportError as error:
            code = type(error).__name__
        self.calls.append(Called(kind, sent, time.monotonic() - begun, status, code))

    async def _desk(self, period: float) -> None:
        while True:
            begun = time.monotonic()
            await asyncio.shield(self.turn())
            await asyncio.sleep(max(0.0, begun + period - time.monotonic()))

    async def turn(self) -> None:
        """A snapshot, and the bars that have closed since the last turn."""
        desk = self.deployment
        desk.seq += 1
        await self._send("POST", f"{DESK}/snapshots", snapshot(desk.seq))
        now = datetime.now(UTC).replace(microsecond=0)
        if now > desk.bar_at:
            body = {"observations": [bar(symbol, now) for symbol in SYMBOLS]}
            if await self._send("POST", "/v1/observations", body):
                desk.bar_at = now

    async def _send(self, method: str, path: str, body: Any) -> bool:
        try:
            answer = await self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            self.refused.append(type(error).__name__)
            return False
        if answer.status_code != 200:
            self.refused.append(f"{answer.status_code} {answer.text[:200]}")
        return answer.status_code == 200


def bar(symbol: str, at: datetime) -> dict[str, Any]:
    """A bar of a second."""
    close = 100.0 + (7 * int(at.timestamp()) + 13 * ord(symbol[0])) % 11 * 0.05
    return {"symbol": symbol, "interval": "PT1S", "calendar": "24/7", "close_time": at.isoformat(), "close": close}


def snapshot(seq: int) -> dict[str, Any]:
    """The account."""
    return {
        "snapshot_seq": seq,
        "account": {"equity": str(100_000 + seq % 97), "currency": "USD"},
        "positions": [{"symbol": symbol, "quantity": "10", "mark_price": "100"} for symbol in SYMBOLS],
        "signals": [{"symbol": symbol, "direction": 1} for symbol in SYMBOLS],
    }


POLICY = {
    "sizing": {"method": "volatility_target", "target_volatility": 0.2},
    "limits": {"max_data_age_bars": 100},
}
BODIES = {
    "series": with_series(1, 60),
    "state": {
        "policy": POLICY,
        "interval": "PT1S",
        "account": {"equity": "100000", "currency": "USD"},
        "positions": snapshot(1)["positions"],
        "signals": snapshot(1)["signals"],
    },
}


async def prepare(url: str, deployment: Deployment) -> None:
    """Feed, register, and wait for the first targets."""
    now = datetime.now(UTC).replace(microsecond=0)
    bars = [bar(symbol, now - timedelta(seconds=80 - n)) for symbol in SYMBOLS for n in range(80)]
    deployment.bar_at = now
    deployment.seq += 1
    async with httpx.AsyncClient(base_url=url, timeout=60.0, trust_env=False) as http:
        registration = {"policy": POLICY, "interval": "PT1S", "max_snapshot_age": "PT10S"}
        for method, path, body in (
            ("POST", "/v1/observations", {"observations": bars}),
            ("PUT", DESK, registration),
            ("POST", f"{DESK}/snapshots", snapshot(deployment.seq)),
        ):
            # A store that is slow for a moment is a 503; each of these may be repeated.
            async with asyncio.timeout(60.0):
                while (answer := await http.request(method, path, json=body)).status_code == 503:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            assert answer.status_code == 200, answer.text
        answer = await http.get(f"{DESK}/targets", params={"wait_seconds": 20})
        assert answer.status_code == 200, answer.text


async def newest_indices(deployment: Deployment) -> tuple[int, int]:
    """Last index of the log, and of the last live decision, as the database has them."""
    query = "SELECT max(idx), max(idx) FILTER (WHERE kind = 'live') FROM audit_entry"
    newest, decision = await ask_database(deployment, query)
    return int(newest), int(decision)


async def evaluations_after(deployment: Deployment, index: int) -> int:
    """Evaluations that callers asked for and the log holds, behind an index."""
    query = f"SELECT count(*) FROM audit_entry WHERE kind = 'evaluation' AND idx > {index}"
    (found,) = await ask_database(deployment, query)
    return int(found)


@asynccontextmanager
async def statements(deployment: Deployment) -> AsyncIterator[Callable[[], Counter[str]]]:
    """Count the statements that the database is sent: its own statistics come seconds late and in lumps.

    Yields
    ------
    Callable[[], Counter[str]]
        Gives the beginnings of all statements since the database began to log them.
    """
    server = deployment.database
    if not isinstance(server, embedded_servers.PostgresServer):
        pytest.skip("statements are counted in the log of a PostgreSQL that the tests started themselves")
    await ask_database(deployment, "ALTER SYSTEM SET log_statement = 'all'")
    await ask_database(deployment, "SELECT pg_reload_conf()")
    logged = re.compile(rb"LOG:  (?:statement|execute [^:]*): (.{1,200})")
    try:
        yield lambda: Counter(found.decode(errors="replace") for found in logged.findall(server.log.read_bytes()))
    finally:
        await ask_database(deployment, "ALTER SYSTEM RESET log_statement")
        await ask_database(deployment, "SELECT pg_reload_conf()")


async def ask_database(deployment: Deployment, query: str) -> asyncpg.Record:
    """Execute, and return the first row if there is one."""
    url = make_url(deployment.database_url).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        return await connection.fetchrow(query)
    finally:
        await connection.close()
