"""Concurrent clients that remember what they were told: the history that a checker compares with the audit log."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

PAGE = 100


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An answer that reached the client."""

    key: str
    evaluation_id: str
    index: int
    body: bytes


@dataclass(slots=True)
class History:
    """What all clients saw: every call ends as acknowledged, refused (nothing written) or unknown (no answer)."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: list[tuple[str, int, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def record(self, key: str, status: int, body: bytes) -> None:
        """File one answer."""
        if status != 200:
            self.refused.append((key, status, body[:300].decode(errors="replace")))
            return
        answer = orjson.loads(body)
        self.acknowledged.append(Acknowledged(key, answer["evaluation_id"], answer["audit"]["index"], body))


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

    async def post(self, path: str, key: str, body: bytes) -> tuple[int, bytes]:
        """Send one request and read the whole answer: status and body.

        Raises
        ------
        OSError, asyncio.IncompleteReadError
            When the connection breaks: the request may or may not have been done.
        """
        head = [f"POST {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Content-Type: application/json"]
        head += [f"Content-Length: {len(body)}", f"Idempotency-Key: {key}", "", ""]
        self.writer.write("\r\n".join(head).encode() + body)
        await self.writer.drain()
        answer = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = answer.partition(b"content-length:")[2].partition(b"\r\n")[0]
        return int(answer.split(b" ", 2)[1]), await self.reader.readexactly(int(length))


@dataclass(slots=True)
class Crowd:
    """`size` clients in closed loops, each call with a key of its own, until the service goes away.

    Parameters
    ----------
    port : int
        Port of the service on the loopback interface.
    size : int
        Number of clients.
    body : dict
        Request; each call adds its key as `client_reference`.
    """

    port: int
    size: int
    body: dict[str, Any]
    history: History = field(default_factory=History)

    async def run(self, generation: int) -> None:
        """Send until every client has lost the service."""
        await asyncio.gather(*(self._client(f"r{generation}-c{number}") for number in range(self.size)))

    async def _client(self, name: str) -> None:
        wire = await Wire.open("127.0.0.1", self.port)
        for count in itertools.count():
            key = f"{name}-n{count}"
            try:
                answer = await wire.post("/v1/evaluations", key, orjson.dumps(self.body | {"client_reference": key}))
            except (OSError, asyncio.IncompleteReadError):
                self.history.unknown.append(key)
                break
            self.history.record(key, *answer)
        wire.writer.close()
        with contextlib.suppress(OSError):
            await wire.writer.wait_closed()


async def post(http: httpx.AsyncClient, key: str, body: dict[str, Any]) -> httpx.Response:
    """One evaluation under an idempotency key, which is also its client reference."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    return await http.post("/v1/evaluations", content=orjson.dumps(body | {"client_reference": key}), headers=headers)


def audit_entries(url: str) -> Iterator[dict[str, Any]]:
    """Every entry of the audit log, page by page."""
    after: str | None = None
    with httpx.Client(base_url=url, timeout=30.0, trust_env=False) as http:
        while True:
            query = {"limit": PAGE} | ({"after": after} if after is not None else {})
            page = http.get("/v1/audit/entries", params=query).raise_for_status().json()
            yield from page["items"]
            after = page["next"]
            if after is None:
                return
