"""Floods of pings, and compression that nobody gets (S36, S37)."""

from __future__ import annotations

from pathlib import Path

from websockets.asyncio.client import connect

from models.api.stream import SUBPROTOCOL
from tests.support.stream import served


async def test_a_flood_of_pings_of_the_protocol_closes_like_any_other(tmp_path: Path) -> None:
    async with served(tmp_path) as service, service.talk() as other, service.talk() as talk:
        for number in range(60):
            await talk.socket.send(f'{{"op":"ping","id":"{number}"}}')
        code, reason = await talk.closed()
        assert (code, reason.split()[0]) == (4406, "rate_limited")
        assert (await other.ask(op="ping"))["type"] == "pong"


async def test_a_flood_of_websocket_pings_disturbs_nobody(tmp_path: Path) -> None:
    """They are answered below the protocol and make no reply of ours; whoever sends them still is one connection."""
    async with served(tmp_path) as service, service.talk() as other, service.talk(ping_interval=None) as talk:
        waiting = [await talk.socket.ping(f"{number}".encode()) for number in range(1_000)]
        assert (await other.ask(op="ping"))["type"] == "pong"
        for pong in waiting:
            await pong
        assert (await talk.ask(op="ping"))["type"] == "pong"


async def test_no_connection_is_compressed_although_it_asks(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as service,
        connect(service.url, subprotocols=[SUBPROTOCOL], compression="deflate") as socket,  # type: ignore[list-item]
    ):
        assert socket.protocol.extensions == []
        assert "Sec-WebSocket-Extensions" not in (socket.response.headers if socket.response else {})
