"""Concurrent clients that remember what they were told: the history that a checker compares with the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
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

    def record(self, key: str, response: httpx.Response) -> None:
        """File one answer."""
        if response.status_code != 200:
            self.refused.append((key, response.status_code, response.text[:300]))
            return
        answer = orjson.loads(response.content)
        self.acknowledged.append(Acknowledged(key, answer["evaluation_id"], answer["audit"]["index"], response.content))


@dataclass(slots=True)
class Crowd:
    """`size` clients in closed loops, each call with a key of its own, until the service goes away.

    Parameters
    ----------
    url : str
        Base URL of the service.
    body_of : callable
        Request body for a key.
    """

    url: str
    size: int
    body_of: Callable[[str], dict[str, Any]]
    history: History = field(default_factory=History)

    async def run(self, generation: int) -> None:
        """Send until every client has lost the service."""
        limits = httpx.Limits(max_connections=self.size)
        async with httpx.AsyncClient(base_url=self.url, timeout=15.0, limits=limits, trust_env=False) as http:
            await asyncio.gather(*(self._client(http, f"r{generation}-c{number}") for number in range(self.size)))

    async def _client(self, http: httpx.AsyncClient, name: str) -> None:
        count = 0
        while True:
            key = f"{name}-n{count}"
            count += 1
            try:
                response = await post(http, key, self.body_of(key))
            except httpx.ConnectError:
                return
            except httpx.TransportError:
                self.history.unknown.append(key)
                return
            self.history.record(key, response)


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
