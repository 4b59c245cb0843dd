"""Permits over HTTP: of orders, within them, the same on every call, and none where a switch stops."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.container import Container
from app.lifespan import open_container
from app.settings import Settings
from app.signatures import check_signature
from services.audit.note import ED25519, VerifierKey
from services.audit.permit import Permit, read_permit
from tests.integration.test_cli_service import run
from tests.integration.test_examples import EXAMPLES
from tests.integration.test_switches_http import HALT, NOW, REDUCE, SetClock, put
from tests.support import requests
from tests.support.http import client_of
from tests.support.live import REGISTRATION, running

ASKED = requests.book(6, options={"permits": True}, portfolio_id="desk")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def container(tmp_path: Path, clock: SetClock) -> AsyncIterator[Container]:
    async with open_container(Settings(data_dir=tmp_path)) as found:
        yield dataclasses.replace(found, clock=clock)


@pytest.fixture
async def http(container: Container) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(container) as found:
        yield found


async def ask(http: httpx.AsyncClient, body: dict[str, Any] = ASKED, **headers: str) -> dict[str, Any]:
    answer = await http.post("/v1/evaluations", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def key_of(http: httpx.AsyncClient) -> VerifierKey:
    return VerifierKey.parse((await http.get("/v1/log/key")).text)


async def later(http: httpx.AsyncClient, answer: dict[str, Any]) -> list[dict[str, str]]:
    found = await http.get(f"/v1/evaluations/{answer['evaluation_id']}/permits")
    assert found.status_code == 200, found.text
    permits: list[dict[str, str]] = found.json()["permits"]
    return permits


async def test_every_order_has_a_permit_and_none_allows_more(http: httpx.AsyncClient) -> None:
    answer, key = await ask(http), await key_of(http)
    permits = {row["client_order_id"]: row["token"] for row in answer["audit"]["permits"]}
    assert len(answer["orders"]) > 2 and permits.keys() == {order["client_order_id"] for order in answer["orders"]}
    for order in answer["orders"]:
        permit = read_permit(permits[order["client_order_id"]], key, check_signature)
        assert permit.max_quantity == Decimal(order["quantity"]) and permit.unit == order["quantity_unit"]
        assert (permit.symbol, permit.side) == (order["symbol"], order["side"])
        assert (permit.reduce_only, permit.limit_price) == (order["reduce_only"], Decimal(order["limit_price"]))
        assert permit.valid_from == NOW and permit.evaluation_id == answer["evaluation_id"]
        assert not permit.refusals(at=NOW, quantity=Decimal(order["quantity"]))
    assert await later(http, answer) == answer["audit"]["permits"]


async def test_the_same_key_gives_the_same_bytes_with_a_receipt_too(http: httpx.AsyncClient) -> None:
    body = {**ASKED, "options": {"permits": True, "receipt": "proof"}}
    first, again = [await http.post("/v1/evaluations", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert first.status_code == 200 and again.headers["Idempotency-Replayed"] == "true"
    assert first.content == again.content and {"receipt", "permits"} <= first.json()["audit"].keys()


async def test_a_halt_leaves_none_and_reduce_only_leaves_reductions(http: httpx.AsyncClient) -> None:
    before = await ask(http)
    assert {order["reduce_only"] for order in before["orders"]} == {True, False}
    await put(http, "global", REDUCE)
    shrinking = [order["client_order_id"] for order in before["orders"] if order["reduce_only"]]
    assert [row["client_order_id"] for row in await later(http, before)] == shrinking
    await put(http, "portfolio:desk", HALT)
    assert await later(http, before) == []
    assert (await ask(http))["audit"]["permits"] == []


async def test_an_order_without_a_venue_is_under_the_switches_of_every_venue(http: httpx.AsyncClient) -> None:
    before = await ask(http)
    await put(http, "venue:okx", HALT)
    assert await later(http, before) == []


async def test_there_are_none_once_the_orders_have_expired(http: httpx.AsyncClient, clock: SetClock) -> None:
    answer = await ask(http)
    clock.moment += timedelta(days=3)
    assert await later(http, answer) == []


async def test_there_are_none_of_a_historical_evaluation(http: httpx.AsyncClient, clock: SetClock) -> None:
    clock.moment += timedelta(days=30)
    answer = await ask(http)
    assert answer["mode"] == "historical" and answer["audit"]["permits"] == [] == await later(http, answer)


async def test_increases_that_a_live_portfolio_made_of_one_snapshot_share_what_their_permits_allow(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "live") as live:
        await live.observe(["AAA"], count=80)
        await live.register()
        await live.snapshot(1)
        first = await live.published()
        await live.register(policy={**REGISTRATION["policy"], "limits": {"max_leverage": 1.5}})
        second = await live.published()
        key = await key_of(live.http)
        permits = [
            read_permit(row["token"], key, check_signature)
            for answer in (first, second)
            for row in await later(live.http, answer)
        ]
    assert first["evaluation_id"] != second["evaluation_id"] and len(permits) == 2
    assert {permit.evaluation_id for permit in permits} == {first["evaluation_id"], second["evaluation_id"]}
    assert len({permit.nonce for permit in permits}) == 1 and not any(permit.reduce_only for permit in permits)


async def test_what_has_no_orders_or_no_key_is_refused(http: httpx.AsyncClient, container: Container) -> None:
    refused = await http.post("/v1/margin", json={**requests.margin_only(), "options": {"permits": True}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/options/permits")
    async with client_of(dataclasses.replace(container, signer=None)) as unsigned:
        refused = await unsigned.post("/v1/evaluations", json=ASKED)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/options/permits")
        assert (await unsigned.get("/v1/audit/entries")).json()["items"] == []
    margin = (await http.post("/v1/margin", json=requests.margin_only())).json()
    unknown = await http.get(f"/v1/evaluations/{margin['evaluation_id']}/permits")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


async def test_the_command_reads_checks_and_refuses(http: httpx.AsyncClient) -> None:
    answer, key = await ask(http), await key_of(http)
    order, token = answer["orders"][0], answer["audit"]["permits"][0]["token"]
    at = answer["received_at"][:19] + "Z"
    asked = ("permit", "check", token, "--key", key.text(), "--at", at, "--json")
    named = ("--symbol", order["symbol"], "--side", order["side"])
    found = run(*asked, *named, "--quantity", order["quantity"])
    assert found.exit_code == 0, found.stdout
    assert orjson.loads(found.stdout_bytes)["permit"]["nonce"] == order["client_order_id"]
    assert run(*asked, *named, "--quantity", str(Decimal(order["quantity"]) * 2)).exit_code == 1
    assert run(*asked, "--symbol", "ETH-PERP").exit_code == 1
    assert run("permit", "check", token[:-5] + "AAAAA", "--key", key.text()).exit_code == 1
    assert run(*asked, "--quantity", "1e5").exit_code == 2


async def test_the_gateway_of_the_examples_lets_an_order_through_once() -> None:
    private, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    key = VerifierKey("risk.example/log1", ED25519, private.public_key().public_bytes_raw())
    valid = {"valid_from": now - timedelta(hours=1), "valid_until": now + timedelta(hours=1)}
    made = Permit(
        issuer=key.name,
        key_id=key.key_id.hex(),
        symbol="BTC-PERP",
        side="buy",
        max_quantity=Decimal("0.85"),
        unit="base",
        reduce_only=False,
        limit_price=Decimal("93000"),
        nonce="tt-1",
        evaluation_id="ev_1",
        **valid,
    )
    late = dataclasses.replace(made, valid_until=now - timedelta(minutes=1))
    sent = {"permit": made.token(private.sign), "symbol": "BTC-PERP", "side": "buy", "quantity": "0.5"}
    lines: list[dict[str, Any]] = [
        sent,
        sent,
        {**sent, "quantity": "0.35"},
        {**sent, "side": "sell"},
        {**sent, "permit": late.token(private.sign)},
        {**sent, "permit": made.token(Ed25519PrivateKey.generate().sign)},
        {**sent, "permit": "nonsense"},
    ]
    program = await asyncio.create_subprocess_exec(
        sys.executable, EXAMPLES / "permit_gateway.py", key.text(), stdin=-1, stdout=-1
    )
    out, _ = await program.communicate("\n".join(map(json.dumps, lines)).encode())
    assert out.decode().splitlines() == [
        "send",
        "0.5 of 0.85 base is used",
        "send",
        "another order",
        "not valid now",
        "no permit: InvalidSignature",
        "no permit: ValueError",
    ]
