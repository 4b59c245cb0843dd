"""Collateral, contagion and liquidation prices over HTTP: examples, audit and replay, limits, broken requests."""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import QuantLib as ql  # noqa: N813 - as everybody writes it

from app.collateral_examples import ALLOCATE, CONTAGION, LIQUIDATION, VALUE
from models.api.collateral import AllocateAnswer
from models.api.collateral_value import CollateralValueAnswer
from models.api.contagion import ContagionAnswer
from models.api.liquidation import LiquidationPriceAnswer
from tests.support.http import client

Body = dict[str, Any]
PATHS = {
    "/v1/collateral:allocate": (ALLOCATE, AllocateAnswer),
    "/v1/collateral:value": (VALUE, CollateralValueAnswer),
    "/v1/contagion:propagate": (CONTAGION, ContagionAnswer),
    "/v1/margin:liquidation-price": (LIQUIDATION, LiquidationPriceAnswer),
}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(tmp_path) as found:
        yield found


def changed(body: Body, **changes: Any) -> Body:
    return {**copy.deepcopy(body), **changes}


async def answered(http: httpx.AsyncClient, path: str, request: Body) -> Body:
    answer = await http.post(path, json=request)
    assert answer.status_code == 200, answer.text
    PATHS[path][1].model_validate(answer.json())
    found: Body = answer.json()
    return found


async def test_a_plan_adds_up_is_recorded_and_replays(http: httpx.AsyncClient) -> None:
    found = await answered(http, "/v1/collateral:allocate", changed(ALLOCATE, client_reference="night"))
    assert (found["status"], found["binding"] is not None, found["client_reference"]) == ("transfer", True, "night")
    assert found["safety_before"] == 0.25
    assert found["safety_after"] > 1.9
    limits = {row["venue"]: Decimal(row["withdrawable"]) for row in ALLOCATE["balances"]}
    left = dict.fromkeys(limits, Decimal(0))
    for move in found["moves"]:
        sent, fee, arrives = (Decimal(move[name]) for name in ("sent", "fee", "arrives"))
        assert sent == fee + arrives
        left[move["source"]] += sent
    assert all(left[name] <= Decimal("0.9") * limits[name] for name in limits)
    by_name = {row["venue"]: row for row in found["venues"]}
    assert by_name["bybit"]["equity_in_transit"] == by_name["bybit"]["equity_before"] == "100000"
    total = [sum(Decimal(row[name]) for row in found["venues"]) for name in ("equity_before", "equity_after")]
    fees = sum(Decimal(move["fee"]) for move in found["moves"])
    assert total[0] - total[1] == pytest.approx(fees * Decimal("0.9998"), abs=Decimal("1e-3"))
    assert found["pooling"]["safety"] == pytest.approx((1_000_000 - 410_000) / 150_000)
    entry = found["evaluation_id"]
    listed = (await http.get("/v1/evaluations", params={"kind": "allocation"})).json()["items"]
    assert [(row["evaluation_id"], row["client_reference"]) for row in listed] == [(entry, "night")]
    assert (await http.get(f"/v1/evaluations/{entry}")).json() == found
    assert (await http.post(f"/v1/evaluations/{entry}:replay")).json()["match"] is True


async def test_a_plan_is_stored_under_its_key(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "plan-1"}
    first = await http.post("/v1/collateral:allocate", json=ALLOCATE, headers=headers)
    again = await http.post("/v1/collateral:allocate", json=ALLOCATE, headers=headers)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_not_enough_anywhere_is_a_reduction_and_funds_on_the_way_are_said(http: httpx.AsyncClient) -> None:
    request = changed(ALLOCATE)
    for row, equity in zip(request["venues"], ("210000", "50000", "200000"), strict=True):
        row["equity"] = equity
    request["venues"][1]["in_transit"] = "90000"
    found = await answered(http, "/v1/collateral:allocate", request)
    assert (found["status"], found["moves"]) == ("reduce", [])
    assert found["safety_attainable"] < 0.0
    assert [row["reduction"] > 0.0 for row in found["venues"]] == [True, True, True]
    assert [item["code"] for item in found["warnings"]] == ["in_transit"]


async def test_contagion_of_the_example_by_hand(http: httpx.AsyncClient) -> None:
    found = await answered(http, "/v1/contagion:propagate", CONTAGION)
    lender, exchange, desk = found["nodes"]
    # h_e = .2 + .25 h_d, h_d = h_l, h_l = .25 h_e.
    expected = 0.2 / (1.0 - 0.0625)
    assert exchange["propagated"] == pytest.approx(expected, rel=1e-7)
    assert lender["propagated"] == desk["propagated"] == pytest.approx(0.25 * expected, rel=1e-7)
    seen = (35 / 50 + 0.6 + 0.6 + 0.4) / 4
    assert exchange["venue"]["value"] == pytest.approx(seen)
    assert exchange["distress"] == pytest.approx(seen)
    assert exchange["multiplier"] == pytest.approx(1.0 + 1.5 * seen)
    assert exchange["contagion_multiplier"] == pytest.approx(1.0 / (1.0 + 1.5 * seen))
    assert lender["venue"] is None


async def test_unknown_metrics_do_not_loosen_and_endless_circles_are_said(http: httpx.AsyncClient) -> None:
    blind = {"name": "a", "equity": "1", "shock": "0.0000000000001", "metrics": {}, "previous_multiplier": 2.0}
    nodes = [blind, {"name": "b", "equity": "1", "previous_multiplier": 2.0}]
    exposures = [{"creditor": one, "debtor": other, "amount": "1"} for one, other in ("ab", "ba")]
    found = await answered(http, "/v1/contagion:propagate", {"nodes": nodes, "exposures": exposures})
    assert [row["multiplier"] for row in found["nodes"]] == [2.0, pytest.approx(1.9)]
    assert found["converged"] is False
    assert {item["code"] for item in found["warnings"]} == {"not_converged", "distress_unknown"}


async def test_tail_risk_of_returns(http: httpx.AsyncClient) -> None:
    moves = [(-1) ** n * (n % 17) / 100 for n in range(120)]
    nodes = [
        {"name": "a", "equity": "1", "returns": moves},
        {"name": "still", "equity": "1", "returns": [0.0] * 120},
    ]
    request = {"nodes": nodes, "system_returns": [0.5 * move for move in moves]}
    found = await answered(http, "/v1/contagion:propagate", request)
    a, still = (row["tail_risk"] for row in found["nodes"])
    assert (a["slope"], a["thin"]) == (pytest.approx(0.5), False)
    assert a["delta_covar"] < 0.0
    assert still["delta_covar"] is None


def by_hand(price: float) -> float:
    """Equity less maintenance of the example, with QuantLib's Black formula."""
    years = (53 * 86_400 + 2 * 3_600) / 31_536_000
    forward = 60_500.0 * price / 60_000.0
    call = ql.blackFormula(ql.Option.Call, 66_000.0, forward, 0.6 * math.sqrt(years))
    put = ql.blackFormula(ql.Option.Put, 52_000.0, forward, 0.7 * math.sqrt(years))
    equity = 30_000.0 + 0.4 * 0.92 * price + 0.5 * (price - 60_000.0) - 2.0 * call - 1.5 * put + 0.3 * price - 9_000.0
    return float(equity - (0.5 * 0.005 + 3.5 * 0.075 + 0.3 * 0.2) * price)


async def test_liquidation_prices_put_back_into_an_independent_formula(http: httpx.AsyncClient) -> None:
    found = await answered(http, "/v1/margin:liquidation-price", LIQUIDATION)
    assert found["status"] == "ok"
    assert found["residual"] <= 1e-9
    for side in ("down", "up"):
        assert by_hand(float(found[side]["price"])) == pytest.approx(0.0, abs=1e-4)
        move = abs(math.log(float(found[side]["price"]) / 60_000.0))
        assert found[side]["distance_sigmas"] == pytest.approx(move / (0.65 * math.sqrt(7 / 365)), rel=1e-6)
    assert float(found["equity"]) - float(found["maintenance_margin"]) == pytest.approx(by_hand(60_000.0), abs=1e-6)
    assert found["loans"][0]["health_factor"] == pytest.approx(0.3 * 60_000 * 0.8 / 9_000)
    assert {item["pointer"] for item in found["assumptions"]} >= {"/positions", "/positions/1/maintenance_rate"}


async def test_liquidatable_and_safe(http: httpx.AsyncClient) -> None:
    path = "/v1/margin:liquidation-price"
    short = await answered(http, path, changed(LIQUIDATION, balance="-10000"))
    assert (short["status"], short["down"]["price"], short["up"]["price"]) == ("liquidatable", "60000", "60000")
    assert short["down"]["touch_probability"] == 1.0
    perpetual = [{"kind": "linear", "quantity": "0.1", "maintenance_rate": 0.005}]
    safe = await answered(http, path, changed(LIQUIDATION, positions=perpetual, volatility=None))
    assert (safe["status"], safe["down"], safe["up"]) == ("safe", None, None)
    gone = changed(LIQUIDATION)
    gone["positions"][1]["terms"]["expiry"] = "2024-08-01T08:00:00Z"
    assert [item["code"] for item in (await answered(http, path, gone))["warnings"]] == ["expired"]


BROKEN: list[tuple[str, Body]] = [
    ("/v1/collateral:value", {"as_of": "2199-01-01T00:00:00Z"}),
    ("/v1/collateral:value", {"account": {"currency": "USD"}}),
    ("/v1/collateral:value", {"account": {"currency": "USD", "collateral": [{"asset": "X", "amount": "1"}]}}),
    ("/v1/collateral:value", {"venues": [{"venue": "exchange"}] * 2}),
    ("/v1/collateral:value", {"policy": {"collateral": {"other_floor": 2}}}),
    ("/v1/collateral:value", {"policy": {"collateral": {"method": "none"}}}),
    ("/v1/collateral:value", {"policy": {"contagion": {"step_seconds": "60"}}}),
    ("/v1/collateral:allocate", {"as_of": "2199-01-01T00:00:00Z"}),
    ("/v1/collateral:allocate", {"venues": [ALLOCATE["venues"][0]] * 2}),
    ("/v1/collateral:allocate", {"venues": []}),
    ("/v1/collateral:allocate", {"balances": []}),
    ("/v1/collateral:allocate", {"assets": []}),
    ("/v1/collateral:allocate", {"routes": [{**ALLOCATE["routes"][0], "fee_proportional": "1"}]}),
    ("/v1/collateral:allocate", {"routes": [{**ALLOCATE["routes"][0], "destination": "binance"}]}),
    ("/v1/collateral:allocate", {"policy": {"withdrawable_share": 0}}),
    ("/v1/contagion:propagate", {"nodes": [CONTAGION["nodes"][0]] * 2}),
    ("/v1/contagion:propagate", {"exposures": [{"creditor": "lender", "debtor": "nobody", "amount": "1"}]}),
    ("/v1/contagion:propagate", {"nodes": [{"name": "a", "equity": "1", "returns": [0.1, 0.2, 0.3]}], "exposures": []}),
    ("/v1/contagion:propagate", {"tightening": {"cap": 0.5}}),
    ("/v1/margin:liquidation-price", {"positions": []}),
    ("/v1/margin:liquidation-price", {"positions": [{"kind": "linear", "quantity": "1"}]}),
    ("/v1/margin:liquidation-price", {"mark": "0"}),
    ("/v1/margin:liquidation-price", {"as_of": "2199-01-01T00:00:00Z"}),
]


@pytest.mark.parametrize(("path", "change"), BROKEN)
async def test_broken_requests_are_refused_with_a_pointer(http: httpx.AsyncClient, path: str, change: Body) -> None:
    answer = await http.post(path, json=changed(PATHS[path][0], **change))
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]
