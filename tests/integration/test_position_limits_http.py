"""`POST /v1/margin:max-position` and `POST /v1/orders:check` over HTTP: figures, verdicts, record and replay."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.margin_examples import MAX_POSITION, ORDER_CHECK
from models.api.position_limits import MaxPositionAnswer, OrderCheckAnswer
from services.margin.registry import MarginPolicy
from tests.support.http import client

JSON = dict[str, Any]
SIZES, CHECK = "/v1/margin:max-position", "/v1/orders:check"
PLAIN: JSON = {
    "as_of": "2019-10-18T00:00:05Z",
    "symbol": "COIN",
    "instrument": {"symbol": "COIN", "kind": "linear", "lot": "0.1"},
    "mark_price": "100",
    "volatility": 0.8,
    "account": {"equity": "10000", "other_initial_margin": "2000", "collateral": "quote"},
}
OPTION: JSON = {
    "symbol": "BTC-25OCT19-8000-C",
    "kind": "option",
    "strike": "8000",
    "expiry": "2019-10-25T08:00:00Z",
    "right": "call",
}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


async def sizes(http: httpx.AsyncClient, body: JSON) -> JSON:
    answer = await http.post(SIZES, json=body)
    assert answer.status_code == 200, answer.text
    MaxPositionAnswer.model_validate_json(answer.content)
    return dict(answer.json())


async def checked(http: httpx.AsyncClient, body: JSON) -> JSON:
    answer = await http.post(CHECK, json=body)
    assert answer.status_code == 200, answer.text
    OrderCheckAnswer.model_validate_json(answer.content)
    return dict(answer.json())


async def test_a_constant_rate_gives_the_budget_over_the_rate(http: httpx.AsyncClient) -> None:
    found = await sizes(http, PLAIN)
    rates = MarginPolicy().rates([0.8])
    assert found["margin_budget"] == "6000"
    for side, rate in (("long", rates.long[0]), ("short", rates.short[0])):
        expected = math.floor(6000.0 / (100.0 * rate) * 10.0) / 10.0
        assert float(found[side]["contracts"]) == pytest.approx(expected)
        assert found[side]["binding"] == ["margin"]
    assert not found["reduce_only"]


async def test_an_account_without_margin_may_only_reduce(http: httpx.AsyncClient) -> None:
    body = PLAIN | {"position": "3", "account": PLAIN["account"] | {"equity": "2000"}}
    found = await sizes(http, body)
    assert found["reduce_only"]
    assert (found["long"]["contracts"], found["long"]["headroom"]) == ("0", "-3")
    assert found["short"]["headroom"] == "3"
    assert (await checked(http, body | {"quantity": "0.1"}))["verdict"] == "reject"
    closing = await checked(http, body | {"quantity": "-5"})
    assert (closing["verdict"], closing["quantity"], closing["binding"]) == ("resize", "-3", ["margin"])
    assert (await checked(http, body | {"quantity": "-3"}))["verdict"] == "accept"


async def test_other_positions_count_under_the_same_policy(http: httpx.AsyncClient) -> None:
    other = {"symbol": "ETH", "quantity": "-20", "mark_price": "200", "volatility": 0.9}
    found = await sizes(http, PLAIN | {"account": PLAIN["account"] | {"positions": [other]}})
    initial = 20.0 * 200.0 * float(MarginPolicy().rates([0.9]).short[0])
    assert float(found["other_initial_margin"]) == pytest.approx(2000.0 + initial, abs=1e-7)
    assert float(found["other_maintenance_margin"]) == pytest.approx(0.6 * initial, abs=1e-7)
    stated = {"symbol": "ETH", "quantity": "-20", "initial_margin": "700", "maintenance_margin": "300"}
    found = await sizes(http, PLAIN | {"account": PLAIN["account"] | {"positions": [stated]}})
    assert (found["other_initial_margin"], found["other_maintenance_margin"]) == ("2700", "300")


async def test_the_largest_size_is_accepted_and_one_lot_more_is_cut_to_it(http: httpx.AsyncClient) -> None:
    found = await sizes(http, MAX_POSITION)
    lot = Decimal("0.001")
    for side, sign in (("long", 1), ("short", -1)):
        room = sign * Decimal(found[side]["headroom"])
        fits = await checked(http, MAX_POSITION | {"quantity": str(room)})
        assert fits["verdict"] == "accept", fits
        assert fits["after"]["position"] == str(sign * Decimal(found[side]["quantity"]))
        assert fits["after"]["utilisation"] <= 0.8
        cut = await checked(http, MAX_POSITION | {"quantity": str(room + sign * lot)})
        assert (cut["verdict"], Decimal(cut["quantity"]), cut["binding"]) == ("resize", room, found[side]["binding"])
        assert cut["caps"] == found[side]["caps"]


async def test_the_book_and_the_client_cap_a_position(http: httpx.AsyncClient) -> None:
    book = {
        "symbol": "COIN",
        "as_of": "2019-10-18T00:00:04Z",
        "bids": [["99.9", "7"], ["90", "100"]],
        "asks": [["100.1", "5"], ["110", "100"]],
    }
    found = await sizes(http, PLAIN | {"book": book, "caps": {"max_slippage": 0.001}})
    # A long is sold into the bids, at 99.9 or better on average.
    assert (found["long"]["contracts"], found["short"]["contracts"]) == ("7", "5")
    assert found["long"]["binding"] == ["liquidity"]
    found = await sizes(http, PLAIN | {"caps": {"max_quantity": "2.55"}})
    assert (found["long"]["contracts"], found["short"]["binding"]) == ("2.5", ["user"])


async def test_inverse_contracts_lose_the_coin_that_backs_a_long(http: httpx.AsyncClient) -> None:
    inverse = {"symbol": "X", "kind": "inverse", "contract_multiplier": "10", "lot": "1", "quote_currency": "USD"}
    body = PLAIN | {"symbol": "X", "instrument": inverse, "caps": {"min_distance_sigma": 4, "max_utilisation": 1}}
    coin = await sizes(http, body | {"account": {"equity": "10000", "collateral": "base"}})
    move = 4 * 0.8 / math.sqrt(365)
    rate = 0.6 * float(MarginPolicy().rates([0.8]).long[0])
    caps = {row["cap"]: int(row["contracts"]) for row in coin["long"]["caps"]}
    assert caps["distance"] == math.floor(10_000 * math.exp(-move) / (1 - math.exp(-move) + rate) / 10)
    cash = await sizes(http, body | {"account": {"equity": "10000", "collateral": "quote"}})
    assert int(cash["long"]["contracts"]) > int(coin["long"]["contracts"])
    assumed = await sizes(http, body | {"account": {"equity": "10000"}})
    assert assumed["long"] == coin["long"]
    assert [row["pointer"] for row in assumed["assumptions"]] == ["/account/collateral"]


async def test_without_a_volatility_nothing_is_added_and_anything_may_be_closed(http: httpx.AsyncClient) -> None:
    body = {key: value for key, value in PLAIN.items() if key != "volatility"} | {"position": "5"}
    found = await sizes(http, body)
    assert (found["status"], found["reason"], found["long"]) == ("refused", "volatility_unavailable", None)
    assert found["reduce_only"]
    assert (await checked(http, body | {"quantity": "1"}))["verdict"] == "reject"
    closed = await checked(http, body | {"quantity": "-5"})
    assert (closed["verdict"], closed["after"]["position"], closed["after"]["utilisation"]) == ("accept", "0", None)
    assert [row["code"] for row in closed["warnings"]] == ["margin_unknown"]


async def test_verdicts_are_recorded_once_and_recomputed(http: httpx.AsyncClient) -> None:
    first = await http.post(CHECK, json=ORDER_CHECK, headers={"Idempotency-Key": "one"})
    again = await http.post(CHECK, json=ORDER_CHECK, headers={"Idempotency-Key": "one"})
    assert again.content == first.content
    evaluation_id = first.json()["evaluation_id"]
    assert (await http.get(f"/v1/evaluations/{evaluation_id}")).json() == first.json()
    replay = (await http.post(f"/v1/evaluations/{evaluation_id}:replay")).json()
    assert replay["match"], replay["differences"]
    listed = (await http.get("/v1/evaluations", params={"kind": "order_check"})).json()["items"]
    assert [item["evaluation_id"] for item in listed] == [evaluation_id]


async def test_a_strict_caller_is_told_what_was_assumed(http: httpx.AsyncClient) -> None:
    open_question = PLAIN | {"account": {"equity": "10000"}, "options": {"strict": True}, "quantity": "1"}
    for path in (SIZES, CHECK):
        body = (
            open_question if path == CHECK else {key: open_question[key] for key in open_question if key != "quantity"}
        )
        answer = await http.post(path, json=body)
        assert answer.status_code == 422, answer.text
        assert "collateral" in answer.text


async def test_a_cached_state_gives_the_volatility(http: httpx.AsyncClient) -> None:
    closes = [100.0 * (1.02 if day % 2 else 1.0) for day in range(60)]
    points = [
        {"symbol": "COIN", "interval": "P1D", "close_time": f"2019-{8 + day // 30:02}-{1 + day % 30:02}T00:00:00Z"}
        | {"close": close}
        for day, close in enumerate(closes)
    ]
    assert (await http.post("/v1/observations", json={"observations": points})).status_code == 200
    body = {key: value for key, value in PLAIN.items() if key != "volatility"} | {"as_of": "2019-09-30T01:00:00Z"}
    found = await sizes(http, body)
    assert (found["status"], found["volatility"]["source"]) == ("ok", "state")
    given = await sizes(http, body | {"volatility": found["volatility"]["annual"]})
    assert found["long"]["contracts"] == given["long"]["contracts"]


async def test_sizes_are_not_recorded(http: httpx.AsyncClient) -> None:
    await asyncio.gather(*(sizes(http, MAX_POSITION) for _ in range(3)))
    assert (await http.get("/v1/audit/entries")).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "changes", "pointer"),
    [
        (CHECK, {"quantity": "0"}, "/quantity"),
        (SIZES, {"caps": {"max_tier": 1}}, "/caps/max_tier"),
        (SIZES, {"caps": {"max_slippage": 0.01}}, ""),
        (SIZES, {"caps": {"max_utilisation": 1.5}}, "/caps/max_utilisation"),
        (SIZES, {"instrument": PLAIN["instrument"] | {"kind": "spot"}}, "/symbol"),
        (SIZES, {"symbol": OPTION["symbol"], "instrument": OPTION}, "/symbol"),
        (
            SIZES,
            {"account": PLAIN["account"] | {"positions": [{"symbol": "A", "quantity": "1"}]}},
            "/account/positions/0",
        ),
    ],
)
async def test_mistakes_are_named(http: httpx.AsyncClient, path: str, changes: JSON, pointer: str) -> None:
    answer = await http.post(path, json=PLAIN | changes)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
