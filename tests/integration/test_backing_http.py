"""Collateral, loans and contagion over HTTP: golden cases, the doors of the engine, record and replay, refusals."""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.collateral_examples import VALUE
from tests.golden.harness import load
from tests.support import requests
from tests.support.http import client

Body = dict[str, Any]
GOLDEN = {case["id"]: case for case in load("margin")}
VALUED, AS_OF = "/v1/collateral:value", "2024-08-05T06:00:00Z"
PRICE = requests.closes()[-1]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(tmp_path) as found:
        yield found


async def posted(http: httpx.AsyncClient, path: str, body: Body) -> Body:
    answer = await http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: Body = answer.json()
    return found


def value(*balances: Body, **changes: Any) -> Body:
    return {"as_of": AS_OF, "account": {"currency": "USD", "collateral": list(balances)}, **changes}


def desk(**changes: Any) -> Body:
    """A long perpetual on half a bitcoin, at one venue."""
    body = requests.smallest(
        account={"equity": "100000", "currency": "USD", "collateral": [{"asset": "BTC", "amount": "0.5"}]},
        instruments=[
            {"symbol": "BTC-PERP", "kind": "linear", "base_currency": "BTC", "quote_currency": "USD", "lot": "0.001"}
        ],
        venues=[{"venue": "x", "metrics": {"depth_ratio": 0.4}}],
    )
    body["positions"][0]["venue"] = "x"
    body["policy"] = {**body["policy"], "collateral": {}, "contagion": {}}
    return {**body, **changes}


@pytest.mark.parametrize("name", ["haircut.btc", "haircut.usdt_depeg"])
async def test_golden_haircuts_through_the_wire(http: httpx.AsyncClient, name: str) -> None:
    case = GOLDEN[name]["inputs"]
    pegged = "price" in case
    balance = {
        "asset": "USDT" if pegged else "BTC",
        "amount": f"{case['size_usd']:.0f}",
        "price": "1",
        "as_of": AS_OF,
        "asset_class": "stable" if pegged else "major",
        "volatility": case["sigma"],
        "spread": case["spread"],
        "average_daily_volume": f"{case['adv_usd']:.0f}",
        **({"peg_price": str(case["price"])} if pegged else {}),
    }
    policy = {"tail_multiple": case["k"], "liquidation_seconds": case["hours"] * 3_600.0, "impact": case["impact"]}
    found = await posted(http, VALUED, value(balance, policy={"collateral": policy}))
    row = found["assets"][0]
    assert row["haircut_maintenance"] == pytest.approx(GOLDEN[name]["expected"], rel=1e-7)
    assert row["haircut_initial"] == pytest.approx(1.25 * GOLDEN[name]["expected"], rel=1e-7)
    assert row["reason"] == ("volatility" if pegged else "floor")


async def test_golden_contagion_through_the_wire(http: httpx.AsyncClient) -> None:
    case = GOLDEN["debtrank.hetero"]
    names = ["a", "b", "c"]
    inputs = case["inputs"]
    nodes = [
        {"name": name, "equity": str(inputs["equity"][place]), "shock": str(inputs["shock"][place])}
        for place, name in enumerate(names)
    ]
    claims = inputs["exposures_i_holds_claim_on_j"]
    exposures = [
        {"creditor": names[i], "debtor": names[j], "amount": str(claims[i][j])}
        for i in range(3)
        for j in range(3)
        if claims[i][j]
    ]
    found = await posted(http, "/v1/contagion:propagate", {"nodes": nodes, "exposures": exposures})
    assert [float(row["equity_after"]) for row in found["nodes"]] == pytest.approx(case["expected"], rel=1e-8)


async def test_a_loan_by_hand(http: httpx.AsyncClient) -> None:
    found = await posted(http, VALUED, VALUE)
    loan = found["loans"][0]
    assert loan["health_factor"] == pytest.approx(25_000 * 0.825 / 12_000)
    assert float(loan["liquidation_price"]) == pytest.approx(12_000 / (10 * 0.825))
    assert loan["seconds_to_liquidation"] == pytest.approx(math.log(1.71875) / 0.06 * 31_536_000, rel=1e-6)
    assert float(found["equity"]) == 120_000 + 49_250 - 15_000 + 13_000
    cut = sum(float(row["value"]) - float(row["credit_initial"]) for row in found["assets"])
    assert float(found["equity_initial"]) == pytest.approx(167_250 - 13_000 - cut)
    assert found["contagion"][0]["multiplier"] == pytest.approx(1 + 1.5 * (0.5 + 0.2) / 2)
    btc = found["assets"][1]["parts"]
    assert btc["floor"] * btc["wrong_way"] * btc["contagion"] == pytest.approx(0.05 * 1.2 * 1.525)


async def test_the_volatility_of_a_series_of_a_state_and_of_nothing(http: httpx.AsyncClient) -> None:
    balance = {"asset": "BTC", "amount": "1", "price": str(PRICE), "market": "BTC-USD", "venue": "kraken"}
    body = value(balance, as_of=requests.AS_OF)
    nothing = await posted(http, VALUED, body)
    assert (nothing["assets"][0]["reason"], nothing["equity_initial"]) == ("volatility_unavailable", "0")
    assert [item["code"] for item in nothing["warnings"]] == ["collateral_unknown"]
    series = await posted(http, VALUED, {**body, "series": [requests.series("BTC-USD")]})
    expected = series["assets"][0]["volatility"]
    assert expected is not None
    fed = await http.post("/v1/observations", json={"observations": bars("BTC-USD", "kraken")})
    assert fed.status_code == 200, fed.text
    state = await posted(http, VALUED, body)
    assert state["assets"][0]["volatility"] == pytest.approx(expected, rel=0.05)
    assert "/interval" in {item["pointer"] for item in state["assumptions"]}
    past = await posted(http, VALUED, {**body, "as_of": "2026-11-01T00:00:00Z"})
    assert past["assets"][0]["volatility"] is None, "a state that has seen later bars is not looked ahead into"


def bars(symbol: str, venue: str) -> list[Body]:
    end, closes = datetime.fromisoformat(requests.END), requests.closes()
    return [
        {
            "symbol": symbol,
            "venue": venue,
            "interval": "P1D",
            "calendar": "24/7",
            "close_time": (end - timedelta(days=len(closes) - 1 - place)).isoformat(),
            "close": close,
        }
        for place, close in enumerate(closes)
    ]


async def test_an_evaluation_counts_it_records_it_and_replays(http: httpx.AsyncClient) -> None:
    found = await posted(http, "/v1/evaluations", desk())
    block, margin = found["margin"]["collateral"], found["margin"]["current"]
    row = block["assets"][0]
    assert (row["asset"], row["parts"]["wrong_way_source"]) == ("BTC", "measured")
    assert float(row["price"]) == PRICE
    assert margin["maintenance_to_equity"] == pytest.approx(
        float(margin["maintenance"]) / float(block["equity_maintenance"]), rel=1e-6
    )
    assert row["parts"]["contagion"] == found["margin"]["contagion"][0]["multiplier"] == pytest.approx(1.9)
    again = (await http.post(f"/v1/evaluations/{found['evaluation_id']}:replay")).json()
    assert again["match"] is True


async def test_a_cached_state_behind_a_balance_is_recorded_and_replays(http: httpx.AsyncClient) -> None:
    fed = await http.post("/v1/observations", json={"observations": bars("ETH-USD", "kraken")})
    assert fed.status_code == 200, fed.text
    body = desk()
    body["account"]["collateral"].append(
        {"asset": "ETH", "amount": "10", "price": "2500", "market": "ETH-USD", "venue": "kraken"}
    )
    found = await posted(http, "/v1/evaluations", body)
    row = found["margin"]["collateral"]["assets"][1]
    assert row["volatility"] is not None
    assert row["parts"]["contagion"] == 1.9, "a venue of which nothing is known: as the worst"
    again = (await http.post(f"/v1/evaluations/{found['evaluation_id']}:replay")).json()
    assert again["match"] is True


async def test_state_travels_and_loosens_by_a_tenth_an_hour(http: httpx.AsyncClient) -> None:
    first = await posted(http, "/v1/evaluations", desk())
    calm = desk(venues=[{"venue": "x", "distress": 0}], previous=first["state"], as_of="2026-11-20T01:00:05Z")
    second = await posted(http, "/v1/evaluations", calm)
    assert second["margin"]["contagion"][0]["multiplier"] == pytest.approx(1.81)
    margin = copy.deepcopy(calm)
    del margin["signals"]
    margin["policy"] = {"collateral": {}, "contagion": {}}
    narrow = await posted(http, "/v1/margin", margin)
    assert narrow["state"]["contagion"] == second["state"]["contagion"]
    assert narrow["margin"]["collateral"]["equity_initial"] == second["margin"]["collateral"]["equity_initial"]


async def test_without_the_blocks_an_answer_is_as_it_was(http: httpx.AsyncClient) -> None:
    body = desk(venues=[])
    body["policy"] = {"sizing": body["policy"]["sizing"]}
    found = await posted(http, "/v1/evaluations", body)
    assert not {"collateral", "contagion"} & set(found["margin"])
    assert "contagion" not in found["state"]
    assert not {"collateral", "contagion"} & set(found["policy_resolved"])


async def test_loans_without_a_policy_that_counts_them_are_refused(http: httpx.AsyncClient) -> None:
    body = desk()
    body["account"]["loans"] = [
        {
            "collateral": {"asset": "BTC", "amount": "1"},
            "debt": {"asset": "USD", "amount": "1"},
            "liquidation_threshold": 0.8,
        }
    ]
    answer = await http.post("/v1/evaluations", json={**body, "policy": {"sizing": body["policy"]["sizing"]}})
    assert answer.status_code == 422
    assert "policy.collateral" in answer.text
    body["account"]["loans"][0]["maximum_loan_to_value"] = 0.9
    assert (await http.post("/v1/evaluations", json=body)).status_code == 422


async def test_a_price_of_the_future_is_refused_and_strict_says_what_is_open(http: httpx.AsyncClient) -> None:
    balance = {"asset": "BTC", "amount": "1", "price": "60000", "volatility": 0.6}
    later = await http.post(VALUED, json=value({**balance, "as_of": "2024-08-05T07:00:00Z"}))
    assert later.status_code == 422
    assert "account.collateral.0.as_of" in later.text or "/account/collateral/0/as_of" in later.text
    strict = await http.post(VALUED, json=value(balance, options={"strict": True}))
    assert strict.status_code == 422
    found = await posted(http, VALUED, value(balance))
    assert {item["value"] for item in found["assumptions"]} == {
        "as_of of the request",
        "no average_daily_volume",
        "wrong_way_correlation 0",
    }


async def test_a_stale_coin_is_said_and_opens_nothing(http: httpx.AsyncClient) -> None:
    body = desk()
    body["account"]["collateral"][0] |= {
        "price": str(PRICE),
        "as_of": "2026-11-19T00:00:00Z",
        "heartbeat_seconds": 60,
    }
    found = await posted(http, "/v1/evaluations", body)
    row = found["margin"]["collateral"]["assets"][0]
    assert (row["credit_initial"], row["reason"], row["parts"]["stale"]) == ("0", "stale_price", True)
    assert "collateral_stale" in {item["code"] for item in found["warnings"]}
