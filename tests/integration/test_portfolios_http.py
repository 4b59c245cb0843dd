"""Portfolios over HTTP: versions and their tags, what a registration refuses, snapshots in order, reading targets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import portfolio_examples
from models.api.portfolio import (
    PortfolioAnswer,
    PortfolioDeleted,
    PortfolioPage,
    PortfolioRegistered,
    SnapshotTaken,
    TargetsAnswer,
)
from tests.support.live import REGISTRATION, SNAPSHOT, START, Live, running

URL = "/v1/portfolios/desk"
AUTO = {"max_orders_per_day": 2, "max_notional_per_day": "1000", "triggers": {"drift": 0.1}}


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with running(tmp_path) as found:
        yield found


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def broken(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(rule["pointer"], rule["code"]) for rule in answer.json()["errors"]]


async def put(live: Live, body: Any = REGISTRATION, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await live.http.put(URL, json=body, headers=named)


async def push(live: Live, seq: int, **changes: Any) -> httpx.Response:
    return await live.http.post(f"{URL}/snapshots", json={**SNAPSHOT, "snapshot_seq": seq, **changes})


async def test_a_portfolio_is_registered_read_replaced_and_deleted(live: Live) -> None:
    made = await put(live, {**REGISTRATION, "comment": "first"})
    first = PortfolioRegistered.model_validate(made.json())
    assert (first.version, first.created, first.comment) == (1, True, "first")
    assert first.requires == ["price", "volatility"]
    assert first.assumptions == []
    assert made.headers["ETag"] == '"1"'

    read = await live.http.get(URL)
    assert PortfolioAnswer.model_validate(read.json()).portfolio == {**REGISTRATION, "comment": "first"}
    assert read.headers["ETag"] == '"1"'
    assert (await live.http.get(URL, headers={"If-None-Match": '"1"'})).status_code == 304

    second = (await put(live, {"policy": REGISTRATION["policy"]})).json()
    assert (second["version"], second["created"]) == (2, False)
    assert [(item["pointer"], item["value"]) for item in second["assumptions"]] == [
        ("/interval", "P1D"),
        ("/max_snapshot_age", "P1D"),
    ]
    assert (await live.http.get(URL, headers={"If-None-Match": '"1"'})).status_code == 200

    gone = await live.http.delete(URL)
    PortfolioDeleted.model_validate(gone.json())
    assert problem(await live.http.get(URL)) == (404, "unknown_portfolio")
    assert problem(await live.http.delete(URL)) == (404, "unknown_portfolio")
    assert problem(await push(live, 1)) == (404, "unknown_portfolio")
    assert problem(await live.targets()) == (404, "unknown_portfolio")
    again = (await put(live)).json()
    assert (again["version"], again["created"]) == (3, True), "versions count on"
    kinds = [entry["kind"] for entry in await live.entries("portfolio")]
    assert kinds == ["portfolio"] * 4


async def test_a_change_is_made_from_the_version_that_it_names(live: Live) -> None:
    assert problem(await put(live, If_Match='"1"')) == (412, "precondition_failed")
    assert (await put(live, If_None_Match="*")).json()["version"] == 1
    found = await put(live, If_None_Match="*")
    assert problem(found) == (412, "precondition_failed")
    assert found.headers["ETag"] == '"1"'
    assert (await put(live, If_Match='"1"')).json()["version"] == 2
    for tag in ('"1"', '"3"', 'W/"2"', '"x"', '"0"'):
        assert problem(await put(live, If_Match=tag)) == (412, "precondition_failed"), tag
        assert problem(await live.http.delete(URL, headers={"If-Match": tag})) == (412, "precondition_failed"), tag
    for headers in ({"If_None_Match": '"2"'}, {"If_Match": '"2"', "If_None_Match": "*"}, {"If_Match": "*"}):
        assert problem(await put(live, **headers)) == (400, "invalid_header"), headers
    assert (await live.http.get(URL)).json()["version"] == 2
    assert (await live.http.delete(URL, headers={"If-Match": '"2"'})).status_code == 200


async def test_of_two_that_change_one_version_one_wins(live: Live) -> None:
    await put(live)
    answers = await asyncio.gather(*(put(live, If_Match='"1"') for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


async def test_the_same_key_gives_the_same_bytes_for_each_portfolio(live: Live) -> None:
    first = await put(live, Idempotency_Key="k")
    again = await put(live, Idempotency_Key="k")
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    assert problem(await put(live, {**REGISTRATION, "comment": "x"}, Idempotency_Key="k")) == (
        422,
        "idempotency_mismatch",
    )
    other = await live.http.put("/v1/portfolios/other", json=REGISTRATION, headers={"Idempotency-Key": "k"})
    assert other.json()["portfolio_id"] == "other"
    gone = [await live.http.delete(URL, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert gone[0].content == gone[1].content


async def test_a_registration_is_checked_as_a_whole(live: Live) -> None:
    def with_(**changes: Any) -> dict[str, Any]:
        return {**REGISTRATION, **changes}

    sizing = {"method": "historical_risk_constrained_kelly", "max_drawdown": 0.2, "drawdown_probability": 0.1}
    for body, pointer, code in (
        ({}, "/policy", "required"),
        (with_(policy={"id": "house"}), "/policy/id", "unknown_policy"),
        (with_(policy={"sizing": {"method": "volatility_target"}}), "/policy/sizing/target_volatility", "required"),
        (with_(policy={"sizing": sizing}), "/policy/sizing", "rule"),
        (with_(interval="1h"), "/interval", "bad_format"),
        (with_(series=[]), "/series", "unknown_field"),
        (with_(account={}), "/account", "unknown_field"),
        (with_(mode="automatic"), "/mode", "not_allowed"),
        (with_(mode="auto"), "", "inconsistent"),
        (with_(auto=AUTO), "", "inconsistent"),
        (with_(mode="auto", auto={**AUTO, "triggers": {}}), "/auto", "inconsistent"),
        (with_(mode="auto", auto={**AUTO, "triggers": {"breaker": True}}), "/auto/triggers/breaker", "rule"),
        (with_(mode="auto", auto={"triggers": {"drift": 0.1}}), "/auto/max_orders_per_day", "required"),
        (with_(mode="auto", auto={**AUTO, "triggers": {"drift": 0}}), "/auto/triggers/drift", "out_of_range"),
        (with_(feedback={"may_loosen": True}), "/feedback", "inconsistent"),
        (with_(symbols=["A", "A"]), "/symbols", "duplicate_row"),
        (with_(instruments=[{"symbol": "A", "kind": "spot"}] * 2), "/instruments", "duplicate_row"),
        (with_(options={"strict": True}), "/options/strict", "unknown_field"),
    ):
        assert (pointer, code) in broken(await put(live, body)), pointer
    assert (await live.http.get(URL)).status_code == 404, "nothing was registered"
    assert await live.entries("portfolio") == []
    for name in ("a b", "-x", "x" * 65):
        answer = await live.http.put(f"/v1/portfolios/{name}", json=REGISTRATION)
        assert broken(answer) == [("path:portfolio_id", "bad_format")]


async def test_pages_of_portfolios(live: Live) -> None:
    for name in ("b", "a", "c"):
        await live.register(name, comment=name)
    page = (await live.http.get("/v1/portfolios", params={"limit": 2})).json()
    PortfolioPage.model_validate(page)
    assert [(item["portfolio_id"], item["comment"]) for item in page["items"]] == [("a", "a"), ("b", "b")]
    rest = (await live.http.get("/v1/portfolios", params={"after": page["next"]})).json()
    assert ([item["portfolio_id"] for item in rest["items"]], rest["next"]) == (["c"], None)
    wrong = await live.http.get("/v1/portfolios", params={"after": "%"})
    assert wrong.status_code == 422


async def test_a_snapshot_is_taken_once_and_only_forward(live: Live) -> None:
    await put(live)
    first = await push(live, 5)
    taken = SnapshotTaken.model_validate(first.json())
    assert (taken.duplicate, taken.as_of, taken.expires_at - taken.as_of) == (
        False,
        taken.received_at,
        timedelta(hours=1),
    )
    again = (await push(live, 5)).json()
    assert again["duplicate"] is True
    assert {key: again[key] for key in ("received_at", "as_of", "expires_at")} == {
        key: first.json()[key] for key in ("received_at", "as_of", "expires_at")
    }
    reordered = dict(reversed(({**SNAPSHOT, "snapshot_seq": 5}).items()))
    answer = await live.http.post(f"{URL}/snapshots", json=reordered)
    assert answer.json()["duplicate"] is True, "the same content in another order"
    other = await push(live, 5, account={"equity": "1", "currency": "USD"})
    assert problem(other) == (409, "snapshot_conflict")
    older = await push(live, 4)
    assert problem(older) == (409, "stale_snapshot")
    assert "5" in older.json()["detail"]
    assert (await push(live, 6)).json()["duplicate"] is False
    assert len(await live.entries("snapshot")) == 4, "what was refused is not on record"


async def test_equal_times_are_equal_however_they_are_written(live: Live) -> None:
    await put(live)
    assert (await push(live, 1, as_of="2026-11-20T00:00:05Z")).json()["duplicate"] is False
    assert (await push(live, 1, as_of="2026-11-20T01:00:05.000+01:00")).json()["duplicate"] is True


async def test_a_snapshot_that_no_evaluation_could_use_is_refused(live: Live) -> None:
    await put(live)

    def at(**amount: float) -> str:
        return (START + timedelta(**amount)).isoformat()

    row = SNAPSHOT["positions"][0]
    for changes, pointer in (
        ({"as_of": at(hours=-1)}, "/as_of"),
        ({"as_of": at(minutes=1)}, "/as_of"),
        ({"account": None}, "/account"),
        ({"positions": [row, row]}, "/positions"),
        ({"positions": [{**row, "quantity": "much"}]}, "/positions/0/quantity"),
        ({"marks": [{"symbol": "AAA", "price": "1", "as_of": at(hours=1)}]}, "/marks/0/as_of"),
        ({"signals": [{"symbol": "AAA", "direction": 1, "as_of": at(hours=1)}]}, "/signals/0/as_of"),
        ({"policy": REGISTRATION["policy"]}, "/policy"),
        ({"series": []}, "/series"),
        ({"previous": {}}, "/previous"),
        ({"snapshot_seq": -1}, "/snapshot_seq"),
        ({"snapshot_seq": 2**53}, "/snapshot_seq"),
        ({"snapshot_seq": "1"}, "/snapshot_seq"),
        ({"breaker_reset": {"scope": "account", "actor": "a", "reason": "b"}}, "/breaker_reset/scope"),
    ):
        body = {**SNAPSHOT, "snapshot_seq": 1, **changes}
        found = broken(await live.http.post(f"{URL}/snapshots", json=body))
        assert pointer in [place for place, _ in found], (pointer, found)
    assert await live.container.portfolios.get_snapshot("local", "desk") is None
    assert await live.entries("snapshot") == []


async def test_what_is_missing_before_the_first_targets_is_said(live: Live) -> None:
    await put(live)
    answer = await live.targets()
    assert problem(answer) == (404, "not_evaluated")
    assert "POST /v1/portfolios/desk/snapshots" in answer.json()["detail"]
    await push(live, 1)
    assert "snapshot_seq 1 waits" in (await live.targets()).json()["detail"]
    live.clock.move(hours=2)
    assert "older than max_snapshot_age" in (await live.targets()).json()["detail"]
    for wait in ("31", "-1", "x"):
        answer = await live.http.get(f"{URL}/targets", params={"wait_seconds": wait})
        assert answer.status_code == 422


async def test_the_documented_examples_run(live: Live) -> None:
    live.answer(await live.http.put(URL, json=portfolio_examples.REGISTRATION))
    live.answer(await live.http.post(f"{URL}/snapshots", json=portfolio_examples.SNAPSHOT))
    targets = await live.published()
    TargetsAnswer.model_validate(targets)
    assert [row["symbol"] for row in targets["targets"]] == ["BTC-USDC-PERP", "ETH-USDC-PERP"]
    assert {row["reason"] for row in targets["targets"]} == {"volatility_unavailable"}, "nothing was observed yet"
