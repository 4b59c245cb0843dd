"""The stream over real sockets: protocol `trimtab.v1` as a client meets it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from services.streaming.delivery import DeliveryRules
from services.streaming.session import SessionRules
from services.streaming.update import COMMON, Channel, Kind, Position, Update
from tests.support.keys import ALL, bearer, make_key
from tests.support.sockets import exchange
from tests.support.stream import AUDIT, MARGIN, TARGETS, Served, Talk, served

BAR = {"symbol": "BTC", "interval": "P1D", "close_time": "2026-01-02T00:00:00Z", "close": 100.0, "calendar": "24/7"}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Served]:
    """A service of this test."""
    async with served(tmp_path) as found:
        yield found


@pytest.fixture
async def talk(service: Served) -> AsyncIterator[Talk]:
    """A connection."""
    async with service.talk() as found:
        yield found


async def test_the_server_speaks_first(talk: Talk) -> None:
    assert talk.socket.subprotocol == "trimtab.v1.json"
    assert talk.hello["type"] == "hello" and talk.hello["proto"] == "trimtab.v1"
    assert (talk.hello["hb_ms"], talk.hello["ack_window"], talk.hello["session_max_s"]) == (5000, 32, 86_400)
    assert talk.hello["limits"] == {
        "subs": 200, "batch": 50, "in_per_s": 20, "max_frame": 65_536, "errors_per_min": 10
    }  # fmt: skip


async def test_a_key_of_the_handshake_sees_its_own_tenant(service: Served) -> None:
    container = service.app.state.container
    owner, other = [bearer((await make_key(container, tenant, ALL))["key"]) for tenant in ("acme", "zeta")]
    with pytest.raises(InvalidStatus) as refused:
        async with service.talk(additional_headers=bearer("ttb_live_wrong")):
            pass
    assert refused.value.response.status_code == 401
    mine, theirs = (Channel(tenant, Kind.TARGETS, "pf_main") for tenant in ("acme", "zeta"))
    await service.publish(mine, 1)
    async with service.talk(additional_headers=owner) as one, service.talk(additional_headers=other) as two:
        assert (await one.ask(op="subscribe", ch="targets:pf_main"))["seq"] == 1
        assert (await two.ask(op="subscribe", ch="targets:pf_main"))["snapshot"] is None
        await service.publish(mine, 2)
        await service.publish(theirs, 7)
        assert (await one.push())["data"] == {"version": 2}
        assert (await two.push())["data"] == {"version": 7}, "and nothing of acme before it"
        await service.publish(Channel(COMMON, Kind.STATUS), 10**12)
        replies = [await talk.ask(op="subscribe", ch="status") for talk in (one, two)]
        assert replies[0]["epoch"] is not None
        assert replies[0]["epoch"] == replies[1]["epoch"], "one channel for all tenants"


async def test_the_snapshot_is_in_the_reply_and_the_next_push_continues_it(service: Served, talk: Talk) -> None:
    first = await service.publish(TARGETS, 1)
    reply = await talk.ask(op="subscribe", ch="targets:pf_main")
    assert (reply["epoch"], reply["seq"]) == first.position
    assert (reply["mode"], reply["recovered"], reply["snapshot"]) == ("latest", False, {"version": 1})
    await service.publish(TARGETS, 2, valid_for=60.0)
    push = await talk.push()
    assert (push["epoch"], push["seq"], push["prev"], push["conflated"]) == (reply["epoch"], 2, 1, 0)
    assert push["data"] == {"version": 2} and push["valid_until"] > push["ts"]


async def test_nothing_published_yet(service: Served, talk: Talk) -> None:
    reply = await talk.ask(op="subscribe", ch="audit")
    assert (reply["epoch"], reply["seq"], reply["snapshot"], reply["mode"]) == (None, 0, None, "every")
    await service.publish(AUDIT, 1)
    push = await talk.push()
    assert (push["seq"], push["prev"]) == (1, 0)


async def test_a_known_position_is_gone_on_from(service: Served, talk: Talk) -> None:
    for version in range(1, 8):
        newest = await service.publish(TARGETS, version)
    since = {"epoch": newest.position.epoch, "seq": 2}
    reply = await talk.ask(op="subscribe", ch="targets:pf_main", since=since)
    assert (reply["recovered"], reply["replayed"], reply["seq"]) == (True, 5, 2)
    assert "snapshot" not in reply
    assert [(push["seq"], push["prev"]) for push in [await talk.push() for _ in range(5)]] == [
        (3, 2), (4, 3), (5, 4), (6, 5), (7, 6)
    ]  # fmt: skip
    await service.publish(TARGETS, 8)
    assert (await talk.push())["prev"] == 7


async def test_the_newest_position_needs_nothing(service: Served, talk: Talk) -> None:
    newest = await service.publish(TARGETS, 1)
    reply = await talk.ask(op="subscribe", ch="targets:pf_main", since=newest.position._asdict())
    assert (reply["recovered"], reply["replayed"]) == (True, 0)


@pytest.mark.parametrize("epoch", ["other", None])
async def test_a_position_that_cannot_be_gone_on_from_gets_the_snapshot(
    service: Served, talk: Talk, epoch: str | None
) -> None:
    for version in range(1, 40):  # more than the history of a channel whose readers may skip
        newest = await service.publish(TARGETS, version)
    since = {"epoch": epoch or newest.position.epoch, "seq": 1}
    reply = await talk.ask(op="subscribe", ch="targets:pf_main", since=since)
    assert (reply["recovered"], reply["seq"], reply["snapshot"]) == (False, 39, {"version": 39})
    assert "replayed" not in reply


async def test_a_position_ahead_of_the_stream_closes_with_4404(service: Served, talk: Talk) -> None:
    newest = await service.publish(TARGETS, 1)
    await talk.send(op="subscribe", ch="targets:pf_main", since={"epoch": newest.position.epoch, "seq": 9})
    assert await talk.closed() == (4404, "stream_reset targets:pf_main")


async def test_a_batch_has_one_reply_for_each_channel(service: Served, talk: Talk) -> None:
    await service.publish(MARGIN, 1)
    name = await talk.send(
        op="subscribe", channels=[{"ch": "targets:pf_main"}, {"ch": "margin:pf_main"}, {"ch": "nonsense:1"}]
    )
    replies = [await talk.next("reply", id=name) for _ in range(3)]
    assert [(reply["ok"], reply["ch"]) for reply in replies] == [
        (True, "targets:pf_main"), (True, "margin:pf_main"), (False, "nonsense:1")
    ]  # fmt: skip
    listed = await talk.ask(op="subs")
    assert {row["ch"]: row["seq"] for row in listed["subs"]} == {"targets:pf_main": 0, "margin:pf_main": 1}


async def test_unsubscribing_ends_the_pushes(service: Served, talk: Talk) -> None:
    await talk.ask(op="subscribe", ch="targets:pf_main")
    assert (await talk.ask(op="unsubscribe", ch="targets:pf_main"))["ok"]
    await service.publish(TARGETS, 1)
    assert (await talk.ask(op="ping", ts="x"))["ts"] == "x"
    assert not [frame for frame in talk.kept if frame["type"] == "update"]
    again = await talk.ask(op="unsubscribe", ch="targets:pf_main")
    assert (again["ok"], again["error"]["code"]) == (False, "invalid_request")


async def test_get_is_one_shot(service: Served, talk: Talk) -> None:
    await service.publish(TARGETS, 1)
    got = await talk.ask(op="get", ch="targets:pf_main")
    assert (got["seq"], got["snapshot"]) == (1, {"version": 1})
    assert (await talk.ask(op="subs"))["subs"] == []


async def test_what_is_not_followed_any_more_is_let_go(service: Served) -> None:
    async with service.talk() as first, service.talk() as second:
        await first.ask(op="subscribe", ch="targets:pf_main")
        await second.ask(op="subscribe", ch="targets:pf_main")
        await first.ask(op="unsubscribe", ch="targets:pf_main")
        await service.publish(TARGETS, 1)
        assert (await second.push())["seq"] == 1
    for _ in range(100):
        if not service.hub._streams and not service.hub.connections:
            break
        await asyncio.sleep(0.02)
    assert not service.hub._streams and not service.hub.connections
    told: list[Update] = []
    service.hub.updated = told.append  # type: ignore[method-assign]
    await service.publish(TARGETS, 2)
    assert not told, "the bus tells nobody"


async def test_a_slow_reader_gets_the_newest_and_is_told_what_it_skipped(tmp_path: Path) -> None:
    async with served(tmp_path, delivery=DeliveryRules(window=4)) as service, service.talk() as talk:
        await talk.ask(op="subscribe", ch="targets:pf_main")
        for version in range(1, 21):
            await service.publish(TARGETS, version)
        pushes = [await talk.push() for _ in range(4)]
        assert [(push["seq"], push["conflated"]) for push in pushes] == [(1, 0), (2, 0), (3, 0), (4, 0)]
        assert (await talk.ask(op="ping"))["type"] == "pong"
        assert not [frame for frame in talk.kept if frame["type"] == "update"], "the window is full"
        await talk.send(op="ack", n=4)
        push = await talk.push()
        assert (push["seq"], push["prev"], push["conflated"], push["data"]) == (20, 4, 15, {"version": 20})
        text = service.app.state.telemetry.render().decode()
        assert "ws_conflated_total 15.0" in text and "ws_staleness_seconds_count 1.0" in text


async def test_without_acknowledgements_the_client_is_told_that_nothing_bounds_staleness(
    service: Served, talk: Talk
) -> None:
    reply = await talk.ask(op="hello", acks=False)
    assert (reply["acks"], reply["staleness"]) == (False, "unbounded")
    await talk.ask(op="subscribe", ch="targets:pf_main")
    late = await talk.ask(op="hello", acks=True)
    assert late["error"]["code"] == "too_late"
    for version in range(1, 101):
        await service.publish(TARGETS, version)
        await asyncio.sleep(0)
    seqs = []
    while not seqs or seqs[-1] < 100:
        seqs.append((await talk.push())["seq"])
    assert seqs == sorted(seqs)


async def test_an_acknowledgement_of_the_future_is_a_protocol_error(talk: Talk) -> None:
    await talk.send(op="ack", n=1)
    assert (await talk.closed())[0] == 4500


async def test_heartbeats_carry_positions_and_lag(tmp_path: Path) -> None:
    rules = SessionRules(heartbeat_seconds=0.3)
    async with served(tmp_path, session=rules, delivery=DeliveryRules(window=1)) as service, service.talk() as talk:
        assert talk.hello["hb_ms"] == 300
        await talk.ask(op="subscribe", channels=[{"ch": "targets:pf_main"}])
        while not (beat := await talk.next("hb"))["pos"]:  # one may come before the subscription
            pass
        assert (beat["pos"], beat["lag_ms"], beat["degraded"]) == ({"targets:pf_main": None}, 0, False)
        first = await service.publish(TARGETS, 1)
        await service.publish(TARGETS, 2)
        await talk.push()
        beat = await talk.next("hb")
        beat = await talk.next("hb")
        assert beat["pos"] == {"targets:pf_main": list(first.position) if beat["lag_ms"] else [first.position.epoch, 2]}


async def test_the_end_of_a_state_is_told_once(service: Served, talk: Talk) -> None:
    await talk.ask(op="subscribe", ch="targets:pf_main")
    await service.publish(TARGETS, 1, valid_for=0.1)
    push = await talk.push()
    told = await talk.next("notice", code="expired")
    assert told == {
        "type": "notice", "code": "expired", "ch": "targets:pf_main", "epoch": push["epoch"], "seq": 1,
        "valid_until": push["valid_until"], "on_expiry": "reduce_only",
    }  # fmt: skip
    await asyncio.sleep(0.6)
    await talk.ask(op="ping")
    assert not [frame for frame in talk.kept if frame["type"] == "notice"]
    again = await talk.ask(op="subscribe", ch="targets:pf_main")
    assert again["expired"] is True
    assert (await talk.next("notice", code="expired"))["seq"] == 1
    await service.publish(TARGETS, 2, valid_for=60.0)
    assert (await talk.push())["seq"] == 2


async def test_a_new_epoch_shows_in_the_push_and_the_old_position_is_not_recovered(service: Served, talk: Talk) -> None:
    await service.publish(TARGETS, 1)
    reply = await talk.ask(op="subscribe", ch="targets:pf_main")
    service.bus._lines.clear()  # what a store that lost its memory looks like
    newest = await service.publish(TARGETS, 5)
    service.hub.reset(TARGETS, newest)
    push = await talk.push()
    assert push["epoch"] != reply["epoch"] and push["prev"] == 0
    again = await talk.ask(op="subscribe", ch="targets:pf_main", since={"epoch": reply["epoch"], "seq": 1})
    assert (again["recovered"], again["epoch"]) == (False, push["epoch"])
    service.hub.reset(TARGETS, None)
    assert (await talk.next("notice", code="stream_reset"))["ch"] == "targets:pf_main"


async def test_health_is_told_to_all_also_to_those_who_come_later(service: Served, talk: Talk) -> None:
    service.hub.health(degraded=True, detail="redis")
    service.hub.health(degraded=True, detail="redis")
    assert (await talk.next("notice", code="degraded"))["detail"] == "redis"
    async with service.talk() as late:
        assert (await late.next("notice", code="degraded"))["detail"] == "redis"
    service.hub.health(degraded=False, detail="")
    assert (await talk.next("notice", code="recovered"))["type"] == "notice"
    assert not talk.kept


async def test_bars_are_fed_as_over_rest(service: Served, talk: Talk) -> None:
    fed = await talk.ask(op="observe", body={"observations": [BAR]}, idempotency_key="first")
    assert (fed["ok"], fed["status"], fed["replayed"]) == (True, 200, False)
    assert fed["answer"]["outcomes"] == ["accepted"] and fed["answer"]["audit"]["index"] == 0
    again = await talk.ask(op="observe", body={"observations": [BAR]}, idempotency_key="first")
    assert again["replayed"] is True and again["answer"]["event_id"] == fed["answer"]["event_id"]
    other = await talk.ask(op="observe", body={"observations": [{**BAR, "close": 101}]}, idempotency_key="first")
    assert other["error"]["code"] == "idempotency_mismatch"
    wrong = await talk.ask(op="observe", body={"observations": [{**BAR, "close": "x"}]})
    assert wrong["error"]["code"] == "invalid_request"
    assert wrong["error"]["errors"][0]["pointer"] == "/body/observations/0/close"
    shapeless = await talk.ask(op="observe", body=7)
    assert shapeless["error"]["errors"][0]["pointer"] == "/body"


REFUSED = {
    "not JSON": ("{", "malformed_json", ""),
    "no object": ("[1]", "invalid_request", ""),
    "NaN": ('{"op":"ack","n":NaN}', "malformed_json", ""),
    "a key twice": ('{"op":"ping","id":"1","id":"2"}', "duplicate_key", ""),
    "no op": ('{"id":"1"}', "invalid_request", "/op"),
    "an unknown op": ('{"op":"buy","id":"1"}', "invalid_request", "/op"),
    "an op that is no text": ('{"op":["ack"],"id":"1"}', "invalid_request", "/op"),
    "no id": ('{"op":"subs"}', "invalid_request", "/id"),
    "a long id": ('{"op":"subs","id":"%s"}' % ("x" * 37), "invalid_request", "/id"),
    "a number for a text": ('{"op":"get","id":"1","ch":5}', "invalid_request", "/ch"),
    "a flag for a number": ('{"op":"ack","n":true}', "invalid_request", "/n"),
    "a negative count": ('{"op":"ack","n":-1}', "invalid_request", "/n"),
    "an unknown member": ('{"op":"ping","id":"1","tss":1}', "invalid_request", "/tss"),
    "both forms": (
        '{"op":"subscribe","id":"1","ch":"audit","channels":[{"ch":"audit"}]}', "invalid_request", "/ch"
    ),
    "too many": (
        json.dumps({"op": "subscribe", "id": "1", "channels": [{"ch": "audit"}] * 51}), "invalid_request", "/channels"
    ),
    "no subject": ('{"op":"get","id":"1","ch":"targets"}', "invalid_request", "/ch"),
    "a subject too many": ('{"op":"get","id":"1","ch":"audit:x"}', "invalid_request", "/ch"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_a_frame_that_breaks_a_rule_is_answered_and_the_connection_stays(talk: Talk, name: str) -> None:
    text, code, pointer = REFUSED[name]
    await talk.socket.send(text)
    reply = await talk.next("reply")
    assert (reply["ok"], reply["error"]["code"], reply["error"]["retryable"]) == (False, code, False)
    if pointer:
        assert reply["error"]["errors"][0]["pointer"] == pointer
        assert reply["error"]["detail"]
    assert (await talk.ask(op="ping"))["type"] == "pong"


async def test_eleven_errors_close_with_4508(talk: Talk) -> None:
    for _ in range(11):
        await talk.socket.send("{")
    assert (await talk.closed())[0] == 4508


async def test_a_flood_of_frames_closes_with_4406_and_says_how_long_to_wait(service: Served, talk: Talk) -> None:
    async with service.talk() as other:
        for _ in range(60):
            await talk.socket.send('{"op":"subs","id":"1"}')
        assert await talk.closed() == (4406, "rate_limited retry_after_ms=2000")
        assert (await other.ask(op="ping"))["type"] == "pong"


async def test_the_201st_channel_closes_with_4506(talk: Talk) -> None:
    names = [{"ch": f"targets:pf_{number}"} for number in range(201)]
    for first in range(0, 201, 50):
        await talk.send(op="subscribe", channels=names[first : first + 50])
    assert (await talk.closed())[0] == 4506


@pytest.mark.parametrize(("payload", "code"), [(b"\x00", 1003), ("x" * 65_537, 1009)])
async def test_frames_of_the_wrong_kind_close_with_their_code(talk: Talk, payload: bytes | str, code: int) -> None:
    await talk.socket.send(payload)
    assert (await talk.closed())[0] == code


async def test_text_that_is_not_utf_8_closes_with_1007(talk: Talk) -> None:
    await talk.socket.send(b"\xff\xfe", text=True)
    assert (await talk.closed())[0] == 1007


async def test_other_sub_protocols_close_with_4504(service: Served) -> None:
    async with service.talk(hello=False, subprotocols=["trimtab.v9.json"]) as talk:
        assert await talk.closed() == (4504, "bad_version speaks trimtab.v1.json")


async def test_no_sub_protocol_is_fine(service: Served) -> None:
    async with service.talk(subprotocols=None) as talk:
        assert talk.hello["proto"] == "trimtab.v1"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Origin": "https://evil.example"}, 403, "origin_denied"),
        ({"Origin": "null"}, 403, "origin_denied"),
        ({"X-Request-Id": "a b"}, 400, "invalid_header"),
    ],
)
async def test_a_handshake_is_refused_with_a_problem(
    service: Served, headers: dict[str, str], status: int, code: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(service.url, additional_headers=headers).__aenter__()
    answer = refused.value.response
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body or b"")["code"] == code


async def test_other_hosts_are_refused_as_over_http(service: Served) -> None:
    handshake = (
        "GET /v1/stream HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    status, _, body = await asyncio.to_thread(exchange, service.port, handshake.encode())
    assert (status, json.loads(body)["code"]) == (421, "misdirected_request")


async def test_pages_of_this_host_and_of_the_list_may_connect(tmp_path: Path) -> None:
    async with served(tmp_path, allowed_origins=("https://desk.example",)) as service:
        for origin in (f"http://127.0.0.1:{service.port}", "https://desk.example"):
            async with service.talk(origin=origin) as talk:
                assert talk.hello["type"] == "hello"


async def test_a_key_in_the_url_is_refused(service: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(service.url + "?token=secret").__aenter__()
    assert refused.value.response.status_code == 422
    assert b"secret" not in (refused.value.response.body or b"")


async def test_an_old_connection_is_told_and_closed_with_4403(tmp_path: Path) -> None:
    rules = SessionRules(session_seconds=4.0, farewell_seconds=3.7)
    async with served(tmp_path, session=rules) as service, service.talk() as talk:
        assert (await talk.next("notice", code="session_expiring"))["close_in_s"] == 3.7
        assert (await talk.closed())[0] == 4403


async def test_who_never_acknowledges_is_closed_with_4400(tmp_path: Path) -> None:
    async with served(tmp_path, delivery=DeliveryRules(stall_seconds=0.4)) as service, service.talk() as talk:
        await talk.ask(op="subscribe", ch="targets:pf_main")
        await service.publish(TARGETS, 1)
        assert (await talk.closed())[0] == 4400


async def test_who_acknowledges_without_moving_is_closed_with_4401(tmp_path: Path) -> None:
    async with served(tmp_path, delivery=DeliveryRules(stall_seconds=0.6)) as service, service.talk() as talk:
        await talk.ask(op="subscribe", ch="targets:pf_main")
        await service.publish(TARGETS, 1)
        await talk.push()
        await talk.send(op="ack", n=0)
        assert (await talk.closed())[0] == 4401


async def test_who_reads_nothing_is_cut_although_the_socket_is_full(tmp_path: Path) -> None:
    """The sender is blocked in a write: the end must not wait for it, and others must not notice."""
    rules = DeliveryRules(stall_seconds=0.8)
    async with served(tmp_path, delivery=rules) as service, service.talk() as fast:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            await asyncio.get_running_loop().sock_connect(deaf, ("127.0.0.1", service.port))
            await asyncio.get_running_loop().sock_sendall(
                deaf,
                b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += await asyncio.get_running_loop().sock_recv(deaf, 1)
            for text in (b'{"op":"hello","acks":false}', b'{"op":"subscribe","id":"1","ch":"targets:pf_main"}'):
                masked = bytes((0x81, 0x80 | len(text))) + b"\0\0\0\0" + text  # with zeros
                await asyncio.get_running_loop().sock_sendall(deaf, masked)
            await fast.ask(op="subscribe", ch="targets:pf_main")
            async with asyncio.timeout(20.0):
                while len(service.hub._streams[TARGETS].readers) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            for version in range(1, 200):
                await service.publish(TARGETS, version, size=200_000)
                push = await fast.push()
                await fast.send(op="ack", n=version)
                if len(service.hub.connections) == 1:
                    break
                await asyncio.sleep(0.05)
            assert push["seq"] == version, "the fast reader missed nothing"
            assert [connection.delivery.acks for connection in service.hub.connections] == [True], "the deaf one is cut"
        assert 'ws_closes_total{code="4400"} 1.0' in service.app.state.telemetry.render().decode()


async def test_the_end_of_the_service_is_told_and_closed_with_1012(tmp_path: Path) -> None:
    async with served(tmp_path) as service:
        talks = [service.talk() for _ in range(5)]
        found = [await context.__aenter__() for context in talks]
        await found[0].ask(op="subscribe", ch="targets:pf_main")
        draining = asyncio.create_task(service.hub.drain(0.6))
        told = await found[0].next("notice", code="draining")
        assert (told["close_in_s"], told["reconnect_after_ms"]) == (0.6, [0, 5000])
        ends = await asyncio.gather(*(talk.closed() for talk in found))
        assert {code for code, _ in ends} == {1012}
        await draining
        with pytest.raises(InvalidStatus) as refused:
            await connect(service.url).__aenter__()
        assert refused.value.response.status_code == 503
        for context in talks:
            await context.__aexit__(None, None, None)


async def test_while_draining_nothing_new_begins_and_what_is_open_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as service, service.talk() as talk:
        await talk.ask(op="subscribe", ch="targets:pf_main")
        for connection in service.hub.connections:
            connection.drain(b'{"type":"notice","code":"draining"}')
        refused = await talk.ask(op="subscribe", ch="audit")
        assert (refused["error"]["code"], refused["error"]["retryable"]) == ("draining", True)
        assert (await talk.ask(op="observe", body={"observations": [BAR]}))["error"]["code"] == "draining"
        await service.publish(TARGETS, 1)
        assert (await talk.push())["seq"] == 1


async def test_what_was_asked_for_is_answered_before_the_end(tmp_path: Path) -> None:
    async with served(tmp_path) as service, service.talk() as talk:
        name = await talk.send(op="observe", body={"observations": [BAR]})
        for _ in range(100):
            if any(connection.busy for connection in service.hub.connections):
                break
            await asyncio.sleep(0.001)
        await service.hub.drain(2.0)
        assert (await talk.closed())[0] == 1012
        assert [frame["ok"] for frame in talk.kept if frame.get("id") == name] == [True]


async def test_metrics_tell_of_the_stream(service: Served, talk: Talk) -> None:
    newest = await service.publish(TARGETS, 1)
    await talk.ask(op="subscribe", ch="targets:pf_main", since=newest.position._asdict())
    await talk.ask(op="subscribe", ch="targets:pf_main", since=Position("gone", 3)._asdict())
    await service.publish(TARGETS, 2)
    await talk.push()
    text = service.app.state.telemetry.render().decode()
    assert "ws_connections 1.0" in text
    service.hub.tick(time.monotonic(), service.app.state.container.clock.now())
    assert "ws_pushes_total 1.0" in service.app.state.telemetry.render().decode()
    assert 'ws_resume_total{recovered="true"} 1.0' in text and 'ws_resume_total{recovered="false"} 1.0' in text
