"""Concurrent clients whose calls make the history that `tests.support.history` compares with the audit log."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from tests.support.history import Attempt, History, Known

PAGE = 100
REST_SECONDS = 0.2
SETTLE_TURNS = 200
PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Wire:
    """One keep-alive connection on bare sockets: cheap enough that fifty of them keep a server busy."""

    host: str
    port: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, host: str, port: int) -> Wire:
        """Connect."""
        return cls(host, port, *await asyncio.open_connection(host, port, limit=2**22))

    async def post(self, path: str, key: str, body: bytes, timeout_ms: int | None = None) -> tuple[int, bytes]:
        """Send one request and read the whole answer: status and body.

        Raises
        ------
        OSError, asyncio.IncompleteReadError
            When the connection breaks: the request may or may not have been done.
        """
        head = [f"POST {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Content-Type: application/json"]
        head += [f"Content-Length: {len(body)}", f"Idempotency-Key: {key}"]
        head += [f"Request-Timeout-Ms: {timeout_ms}"] if timeout_ms is not None else []
        self.writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await self.writer.drain()
        answer = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = answer.partition(b"content-length:")[2].partition(b"\r\n")[0]
        return int(answer.split(b" ", 2)[1]), await self.reader.readexactly(int(length))

    async def close(self) -> None:
        """End."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@dataclass(slots=True)
class Crowd:
    """`size` clients in closed loops, each call with a key of its own, until told to stop; spread over the ports.

    A broken connection is made again, a refusal is followed by a moment of rest: outages are lived through.

    Parameters
    ----------
    ports : sequence of int
        Ports of the instances on the loopback interface.
    size : int
        Number of clients.
    bodies : sequence of dict
        Requests, taken in turn; each call adds its key as `client_reference`.
    name : str
        Beginning of the keys.
    timeout_ms : int, optional
        `Request-Timeout-Ms` of every call.
    pause : float
        Rest after an answer [s].
    attempts : int
        Calls in all under one key, a second apart, while there is no answer: what the Python client does by itself.
    """

    ports: Sequence[int]
    size: int
    bodies: Sequence[dict[str, Any]]
    history: History
    name: str = "c"
    timeout_ms: int | None = None
    pause: float = 0.0
    attempts: int = 1
    over: bool = False

    async def run(self) -> None:
        """Send until `over`."""
        await asyncio.gather(*(self._client(number) for number in range(self.size)))

    async def _client(self, number: int) -> None:
        port, turn, tries, wire = self.ports[number % len(self.ports)], 0, 0, None
        while not self.over:
            try:
                wire = wire or await Wire.open("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(REST_SECONDS)
                continue
            body = self.bodies[(number + turn) % len(self.bodies)]
            attempt = await send(wire, self.history, f"{self.name}-{number}-{turn}", body, self.timeout_ms)
            if attempt.status is None:
                await wire.close()
                wire = None
            tries += 1
            again = attempt.status != 200 and tries < self.attempts
            await asyncio.sleep(1.0 if again else self.pause if attempt.status == 200 else REST_SECONDS)
            if not again:
                turn, tries = turn + 1, 0
        if wire is not None:
            await wire.close()


async def send(wire: Wire, history: History, key: str, body: dict[str, Any], timeout_ms: int | None = None) -> Attempt:
    """One evaluation under a key, which is also its client reference, and what became of it."""
    raw, began = orjson.dumps(body | {"client_reference": key}), time.monotonic()
    history.sent[key] = raw
    try:
        status, answer = await wire.post("/v1/evaluations", key, raw, timeout_ms)
    except (OSError, asyncio.IncompleteReadError) as error:
        return history.broken(key, began, error)
    return history.answered(key, began, status, answer)


async def settle(port: int, history: History) -> int:
    """Repeat every call in doubt with its key until the service tells the truth; the number of keys."""
    keys = history.unsettled
    for key in keys:
        for _ in range(SETTLE_TURNS):
            try:
                wire = await Wire.open("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(REST_SECONDS)
                continue
            attempt = await send(wire, history, key, orjson.loads(history.sent[key]))
            await wire.close()
            if attempt.known is Known.OK:
                break
            await asyncio.sleep(REST_SECONDS)
    return len(keys)


async def post(http: httpx.AsyncClient, key: str, body: dict[str, Any]) -> httpx.Response:
    """One evaluation under an idempotency key, which is also its client reference."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    return await http.post("/v1/evaluations", content=orjson.dumps(body | {"client_reference": key}), headers=headers)


def patient(call: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer of a call that may be repeated, once the service has time for it.

    A read that waits for a processor longer than the service waits for a store is a 503, which says nothing of the log.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while (answer := call()).status_code == 503 and time.monotonic() < until:
        time.sleep(REST_SECONDS)
    return answer


def audit_entries(url: str) -> Iterator[dict[str, Any]]:
    """Every entry of the audit log, page by page."""
    after: str | None = None
    with httpx.Client(base_url=url, timeout=30.0, trust_env=False) as http:
        while True:
            query = {"limit": PAGE} | ({"after": after} if after is not None else {})
            answer = patient(lambda: http.get("/v1/audit/entries", params=query))  # noqa: B023
            page = answer.raise_for_status().json()
            yield from page["items"]
            after = page["next"]
            if after is None:
                return
