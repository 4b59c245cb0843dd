"""Who opens a stream, with what, what they may do there, and when it ends because their key did."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.exceptions import InvalidStatus

from app.caller import Scope
from app.limits import MAX_KEY_STREAMS
from app.usecases.tickets import redeem_ticket
from services.streaming.session import SessionRules
from services.streaming.update import Channel, Kind
from tests.support.keys import ALL, bearer, make_key
from tests.support.stream import TARGETS, Served, served
from trimtab_client import AsyncTrimtab, Signer, errors

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
BAR = {"symbol": "BTC", "interval": "P1D", "close_time": "2026-01-02T00:00:00Z", "close": 100.0, "calendar": "24/7"}
SIGNED = ("Trimtab-Key-Id", "Trimtab-Timestamp", "Trimtab-Nonce", "Trimtab-Signature")
"""Headers of a signed request, in the order of key_id, ts, nonce and sig of a frame."""


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Served]:
    """A service that asks for keys."""
    async with served(tmp_path, require_keys=True) as found:
        yield found


async def key_of(service: Served, tenant: str = "local", scopes: Any = ALL, **fields: Any) -> dict[str, Any]:
    return dict(await make_key(service.app.state.container, tenant, scopes, **fields))


def known(service: Served, key: dict[str, Any], **options: Any) -> Any:
    """A connection that shows a key with its handshake."""
    return service.talk(additional_headers=bearer(key["key"]), **options)


async def post(service: Served, path: str, body: Any, key: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as http:
        return await http.post(path, json=body, headers=bearer(key["key"]))


async def signer_of(service: Served) -> Signer:
    made = await key_of(service, signing="ed25519", public_key=PUBLIC)
    # As if the memory of nonces had begun long ago: in its first second it takes nothing.
    service.app.state.container.doors._began_ms = 0
    return Signer(made["key_id"], PRIVATE.sign)


def frame_of(signer: Signer, method: str) -> dict[str, str]:
    """Members of a signed auth frame."""
    headers = signer.headers(method, "/v1/stream")
    return {name: headers[header] for name, header in zip(("key_id", "ts", "nonce", "sig"), SIGNED, strict=True)}


async def test_a_key_in_the_handshake_opens_the_connection(service: Served) -> None:
    key = await key_of(service, "acme")
    async with known(service, key) as talk:
        assert (talk.hello["keys"], talk.hello["authenticated"]) == ("required", True)
        assert (await talk.ask(op="subscribe", ch="targets:pf_main"))["ok"]
        reply = await talk.ask(op="auth", key=key["key"])
        assert (reply["tenant"], reply["scopes"], reply["checked"]) == ("acme", sorted(ALL), True)


async def test_a_key_in_the_first_frame_opens_the_connection(service: Served) -> None:
    key = await key_of(service, "acme", ["read"], expires_at="2099-01-01T00:00:00Z")
    async with service.talk() as talk:
        assert (talk.hello["keys"], talk.hello["authenticated"]) == ("required", False)
        refused = await talk.ask(op="subscribe", ch="targets:pf_main")
        assert refused["error"]["code"] == "unauthenticated"
        assert (await talk.ask(op="ping"))["type"] == "pong"
        reply = await talk.ask(op="auth", key=key["key"])
        assert (reply["tenant"], reply["scopes"]) == ("acme", ["read"])
        assert reply["expires_at"] == "2099-01-01T00:00:00.000000Z"
        assert (await talk.ask(op="subscribe", ch="targets:pf_main"))["ok"]


async def test_without_a_key_it_ends_with_4501(tmp_path: Path) -> None:
    rules = SessionRules(auth_seconds=0.3)
    async with served(tmp_path, session=rules, require_keys=True) as service, service.talk() as talk:
        assert (await talk.closed())[0] == 4501


def test_the_time_for_a_key_is_five_seconds() -> None:
    from app.usecases.stream_access import AUTH_SECONDS

    assert AUTH_SECONDS == 5.0


@pytest.mark.parametrize(
    "frame",
    [
        {"key": "ttb_live_abcdefghijklmnop_" + "A" * 43 + "000000"},
        {"key": "secret"},
        {"ticket": "ttk_none"},
        {"key_id": "key_aaaaaaaaaaaaaaaa", "ts": "1790000000000", "nonce": "n" * 16, "sig": "A" * 88},
        {},
    ],
)
async def test_what_proves_nobody_ends_with_4501(service: Served, frame: dict[str, str]) -> None:
    async with service.talk() as talk:
        reply = await talk.ask(op="auth", **frame)
        assert not reply["ok"]
        code, reason = await talk.closed()
        assert code == 4501 and reason.startswith("unauthenticated")
        assert not any(value in str(reply) + reason for name, value in frame.items() if name in ("key", "ticket"))


async def test_a_bad_key_in_the_handshake_is_answered_with_401(service: Served) -> None:
    for headers in (bearer("secret"), {"Authorization": "Basic eDp5"}, {"Trimtab-Signature": "x"}):
        with pytest.raises(InvalidStatus) as refused:
            async with service.talk(additional_headers=headers):
                pass
        assert refused.value.response.status_code == 401


async def test_two_forms_at_once_are_none(service: Served) -> None:
    async with service.talk() as talk:
        for frame in ({"key": "a", "ticket": "b"}, {"key_id": "k"}, {"ticket": "a", "sig": "b"}):
            assert (await talk.ask(op="auth", **frame))["error"]["code"] == "invalid_request"


async def test_a_signature_opens_the_connection_once(service: Served) -> None:
    signer = await signer_of(service)
    headers = signer.headers("WS", "/v1/stream")
    async with service.talk(additional_headers=headers) as talk:
        assert talk.hello["authenticated"]
    with pytest.raises(InvalidStatus) as refused:
        async with service.talk(additional_headers=headers):
            pass
    assert refused.value.response.status_code == 401
    parts = frame_of(signer, "WS")
    async with service.talk() as talk:
        assert (await talk.ask(op="auth", **parts))["ok"]
    async with service.talk() as talk:
        assert (await talk.ask(op="auth", **parts))["error"]["code"] == "nonce_replayed"
    wrong = frame_of(signer, "GET")
    async with service.talk() as talk:
        assert (await talk.ask(op="auth", **wrong))["error"]["code"] == "invalid_signature"


async def test_a_ticket_opens_one_connection_with_no_more_than_its_key_may(service: Served) -> None:
    key = await key_of(service, "acme")
    made = (await post(service, "/v1/stream/tickets", {"scopes": ["read"]}, key)).json()
    assert (made["tenant"], made["scopes"]) == ("acme", ["read"])
    async with service.talk() as talk:
        reply = await talk.ask(op="auth", ticket=made["ticket"])
        assert (reply["tenant"], reply["scopes"]) == ("acme", ["read"])
        refused = await talk.ask(op="observe", body={"observations": [BAR]})
        assert refused["error"]["code"] == "forbidden_scope"
    async with service.talk() as talk:
        assert (await talk.ask(op="auth", ticket=made["ticket"]))["error"]["code"] == "unauthorized"
        assert (await talk.closed())[0] == 4501


async def test_nobody_gets_a_ticket_for_more_than_they_may(service: Served) -> None:
    key = await key_of(service, scopes=["read"])
    answer = await post(service, "/v1/stream/tickets", {"scopes": ["read", "observe"]}, key)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden_scope")
    assert (await post(service, "/v1/stream/tickets", {}, key)).json()["scopes"] == ["read"]
    assert (await post(service, "/v1/stream/tickets", {"tenant": "other"}, key)).status_code == 422


async def test_a_ticket_ends_with_its_key(service: Served) -> None:
    container, key = service.app.state.container, await key_of(service)
    tickets = [(await post(service, "/v1/stream/tickets", {}, key)).json()["ticket"] for _ in range(2)]
    await container.keys.revoke("local", key["key_id"], container.clock.now())
    async with service.talk() as talk:
        assert (await talk.ask(op="auth", ticket=tickets[0]))["error"]["code"] == "revoked_key"
    kept = container.doors._tickets.items()
    assert not any(tickets[1] in name or tickets[1].encode() in content for name, (_, content) in kept)


async def test_each_operation_takes_its_scope(service: Served) -> None:
    wanted = {"targets:pf": "read", "status": "read", "volatility:BTC": "read", "audit": "audit:read"}
    for scope in ("read", "audit:read", "observe", "evaluate"):
        key = await key_of(service, scopes=[scope])
        async with known(service, key) as talk:
            for channel, needed in wanted.items():
                for op in ("subscribe", "get"):
                    reply = await talk.ask(op=op, ch=channel)
                    assert reply["ok"] is (scope == needed), (scope, op, channel)
                    if not reply["ok"]:
                        assert reply["error"]["code"] == "forbidden_scope" and needed in reply["error"]["detail"]
            fed = await talk.ask(op="observe", body={"observations": [BAR]})
            assert fed["ok"] is (scope == "observe")


async def test_the_channel_of_another_tenant_is_as_one_that_nobody_knows(service: Served) -> None:
    mine, other = await key_of(service, "acme"), await key_of(service, "other")
    channel = Channel("acme", Kind.TARGETS, "pf_main")
    await service.publish(channel, 1)
    async with known(service, mine) as talk, known(service, other) as stranger:
        assert (await talk.ask(op="subscribe", ch="targets:pf_main"))["snapshot"] == {"version": 1}
        for op in ("subscribe", "get"):
            replies = [await stranger.ask(op=op, ch=f"targets:{name}") for name in ("pf_main", "pf_none")]
            told = [{**reply, "id": "", "ch": ""} for reply in replies]
            assert told[0] == told[1] and told[0]["snapshot"] is None
        since = {"epoch": "x", "seq": 1}
        names = ("targets:pf_main", "targets:pf_x")
        replies = [await stranger.ask(op="subscribe", ch=name, since=since) for name in names]
        assert {**replies[0], "id": "", "ch": ""} == {**replies[1], "id": "", "ch": ""}
        await service.publish(channel, 2)
        assert (await talk.push())["data"] == {"version": 2}
        await stranger.ask(op="ping")
        assert not [frame for frame in stranger.kept if frame["type"] == "update"]


async def test_the_status_of_the_service_is_one_for_all_tenants(service: Served) -> None:
    one, other = await key_of(service, "acme"), await key_of(service, "other")
    async with known(service, one) as talk, known(service, other) as beside:
        for connection in (talk, beside):
            assert (await connection.ask(op="subscribe", ch="status"))["ok"]
        await service.publish(Channel.parse("local", "status"), 2**52)
        for connection in (talk, beside):
            while (await connection.push())["data"] != {"version": 2**52}:
                pass  # what the service says of itself
        assert (await talk.ask(op="unsubscribe", ch="status"))["ok"]
        assert (await talk.ask(op="subs"))["subs"] == []


async def revoked(service: Served, key: dict[str, Any]) -> None:
    container = service.app.state.container
    await container.keys.revoke("local", key["key_id"], container.clock.now())


async def test_a_revoked_key_ends_its_streams_and_no_others(service: Served) -> None:
    key, other = await key_of(service), await key_of(service)
    async with known(service, key) as talk, known(service, other) as goes_on:
        await talk.ask(op="subscribe", ch="targets:pf_main")
        await revoked(service, key)
        code, reason = await talk.closed()
        assert (code, reason) == (4507, "key_revoked revoked")
        assert (await goes_on.ask(op="ping"))["type"] == "pong"


async def test_an_expired_key_ends_its_streams(service: Served) -> None:
    key = await key_of(service)
    async with known(service, key) as talk:
        container = service.app.state.container
        stored = await container.keys.find(key["key_id"])
        old = dataclasses.replace(stored, expires_at=container.clock.now())

        async def find(key_id: str) -> Any:
            return old

        with contextlib.ExitStack() as stack:
            whole, container.keys.find = container.keys.find, find
            stack.callback(setattr, container.keys, "find", whole)
            assert await talk.closed() == (4507, "key_revoked expired")


async def test_the_first_key_ends_the_streams_of_those_without_one(tmp_path: Path) -> None:
    async with served(tmp_path) as service, service.talk() as talk:
        assert (talk.hello["keys"], talk.hello["authenticated"]) == ("none", True)
        reply = await talk.ask(op="auth", key="ttb_x")
        assert (reply["ok"], reply["tenant"], reply["scopes"], reply["checked"]) == (True, "local", ["*"], False)
        await key_of(service)
        assert (await talk.closed())[0] == 4501


async def test_a_key_has_twenty_streams(service: Served) -> None:
    key, other = await key_of(service), await key_of(service)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MAX_KEY_STREAMS):
            await stack.enter_async_context(known(service, key))
        async with known(service, key) as talk:
            assert (await talk.closed())[0] == 4505
        async with service.talk() as talk:
            await talk.send(op="auth", key=key["key"])
            assert (await talk.closed())[0] == 4505
        async with known(service, other) as talk:
            assert (await talk.ask(op="ping"))["type"] == "pong"
    container = service.app.state.container
    async with asyncio.timeout(30):
        while container.turnstile.count("streaming", key["key_id"]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    async with known(service, key) as talk:
        assert (await talk.ask(op="ping"))["type"] == "pong"


async def test_a_connection_stays_with_its_caller(service: Served) -> None:
    key, other = await key_of(service, "acme"), await key_of(service, "other")
    async with known(service, key) as talk:
        refused = await talk.ask(op="auth", key=other["key"])
        assert refused["error"]["code"] == "too_late"
        assert (await talk.ask(op="auth", key="ttb_wrong"))["error"]["code"] == "malformed_key"
        assert (await talk.ask(op="auth", key=key["key"]))["tenant"] == "acme"


async def test_a_key_in_another_frame_than_auth_is_refused(service: Served) -> None:
    key = await key_of(service)
    async with known(service, key) as talk:
        refused = await talk.ask(op="observe", idempotency_key=key["key"], body={"observations": [BAR]})
        assert refused["error"]["code"] == "misplaced_key" and key["key"] not in str(refused)


async def test_bars_over_the_stream_cost_units(service: Served) -> None:
    key = await key_of(service, units_per_second=1, burst_units=3)
    async with known(service, key) as talk:
        assert (await talk.ask(op="observe", body={"observations": [BAR]}))["ok"]
        refused = await talk.ask(op="observe", body={"observations": [BAR, {**BAR, "symbol": "ETH"}]})
        assert refused["error"]["code"] == "rate_limited" and refused["error"]["retryable"]


@pytest.mark.parametrize("kind", ["bearer", "signed"])
async def test_the_client_shows_its_key_with_the_handshake(service: Served, kind: str) -> None:
    shown = {"key": (await key_of(service))["key"]} if kind == "bearer" else {"signer": await signer_of(service)}
    await service.publish(TARGETS, 1)
    url = f"http://127.0.0.1:{service.port}"
    async with asyncio.timeout(60), AsyncTrimtab(url, **shown) as client, client.subscribe(TARGETS.name) as stream:
        assert (await anext(stream)).data == {"version": 1}
    async with asyncio.timeout(60), AsyncTrimtab(url, key="wrong") as client, client.subscribe(TARGETS.name) as stream:
        with pytest.raises(errors.StreamClosed, match="401"):
            await anext(stream)


async def test_a_ticket_of_nobody_serves_while_there_are_no_keys(tmp_path: Path) -> None:
    async with served(tmp_path) as service:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as http:
            made = [(await http.post("/v1/stream/tickets", json={"scopes": ["read"]})).json() for _ in range(2)]
        caller = await redeem_ticket(service.app.state.container, made[0]["ticket"], None)
        assert (caller.key_id, caller.scopes) == (None, frozenset({Scope.READ}))
        await key_of(service)
        async with service.talk() as talk:
            assert (await talk.ask(op="auth", ticket=made[1]["ticket"]))["error"]["code"] == "unauthorized"
