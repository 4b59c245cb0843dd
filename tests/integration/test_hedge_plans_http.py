"""`POST /v1/hedges` and hedges of evaluations with an optimiser, over HTTP: plan, orders, fallback, replay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import examples
from models.api.evaluation import EvaluationResponse, HedgesResponse
from tests.support.bodies import DAY, midnight, series, text
from tests.support.http import client

PATH = "/v1/hedges"
Body = dict[str, Any]
NEW = ("hedge_optimizer", "hedge_gate", "hedge_execution")


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(**blocks: Any) -> Body:
    """The published example, as of now, so that orders are made."""
    now = datetime.now(UTC)
    request = deepcopy(examples.OPTIMIZED_HEDGES)
    request["as_of"] = text(now)
    for item, days in zip(request["instruments"][:2], (70, 42), strict=True):
        item["expiry"] = text(midnight(now) + days * DAY)
    request["series"] = [series("BTC-PERP", 3, 120, now, start=8_000.0)]
    request["marks"] = [{"symbol": "BTC-PERP", "price": "8010.5", "as_of": text(now)}]
    for block in ("books", "flow"):
        request[block] = [{**item, "as_of": text(now)} for item in request[block]]
    request["policy"].update(blocks)
    request["policy"] = {key: value for key, value in request["policy"].items() if value is not None}
    return request


async def answered(http: httpx.AsyncClient, request: Body) -> Body:
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    HedgesResponse.model_validate(answer.json())
    found: Body = answer.json()
    replay = await http.post(f"/v1/evaluations/{found['evaluation_id']}:replay")
    assert (replay.json()["match"], replay.json()["differences"]) == (True, []), replay.text
    return found


def optimizer(**changes: Any) -> Body:
    return {**examples.OPTIMIZED_HEDGES["policy"]["hedge_optimizer"], **changes}


async def test_short_calls_are_hedged_with_a_perpetual_and_a_listed_call(http: httpx.AsyncClient) -> None:
    found = await answered(http, body())
    plan = found["hedge_plan"]
    assert (plan["used"], plan["status"]) == (True, "optimal")
    assert {item["symbol"]: item["quantity"] for item in plan["trades"]} == {
        hedge["symbol"]: hedge["quantity"] for hedge in found["hedges"]
    }
    assert {order["symbol"] for order in found["orders"]} == {hedge["symbol"] for hedge in found["hedges"]}
    assert abs(plan["after"]["delta"]) <= 0.1 < abs(plan["before"]["delta"])
    assert abs(plan["after"]["gamma_1pct"]) <= 0.02 < abs(plan["before"]["gamma_1pct"])
    assert float(plan["risk_after"]) < float(plan["risk_before"])
    assert found["hedges"][-1]["delta_after"] == pytest.approx(plan["after"]["delta"], rel=1e-6)
    assert [item["depth_source"] for item in plan["instruments"]] == ["book", "book"]
    state = found["state"]["hedges"][0]
    assert state["gamma_1pct"] == pytest.approx(plan["after"]["gamma_1pct"])


async def test_the_delta_alone_is_hedged_as_before_where_no_block_asks_for_more(http: httpx.AsyncClient) -> None:
    found = await answered(http, body(hedge_optimizer=None))
    (hedge,) = found["hedges"]
    assert "hedge_plan" not in found
    assert hedge["symbol"] == "BTC-PERP"
    assert hedge.keys().isdisjoint({"slices", "slicing", "gate", "netting", "latency", "reflexivity"})
    request = body(hedge_optimizer=None)
    request["policy"]["sizing"] = {"method": "volatility_target", "target_volatility": 0.2}
    answer = (await http.post("/v1/evaluations", json=request)).json()
    assert answer["policy_resolved"].keys().isdisjoint(NEW)


async def test_hedges_of_an_evaluation_are_planned_too(http: httpx.AsyncClient) -> None:
    request = body()
    request["policy"]["sizing"] = {"method": "volatility_target", "target_volatility": 0.2}
    answer = await http.post("/v1/evaluations", json=request)
    EvaluationResponse.model_validate(answer.json())
    found = answer.json()
    assert found["hedge_plan"]["used"] is True
    reasons = {target["symbol"]: target["reason"] for target in found["targets"]}
    assert reasons["BTC-29NOV19-8500-C"] == "option_not_resized"
    assert reasons["BTC-PERP"] == "hedge_instrument"
    assert found["policy_resolved"]["hedge_optimizer"]["instruments"] == ["BTC-PERP", "BTC-29NOV19-8500-C"]
    assert len(found["hedges"]) == 2


async def test_bounds_that_cannot_be_kept_leave_the_hedge_of_the_delta(http: httpx.AsyncClient) -> None:
    hard = optimizer(instruments=["BTC-PERP"], hard=True)
    found, alone = await answered(http, body(hedge_optimizer=hard)), await answered(http, body(hedge_optimizer=None))
    plan = found["hedge_plan"]
    assert (plan["used"], plan["status"], plan["reason"]) == (False, *INFEASIBLE)
    assert found["hedges"] == alone["hedges"]
    without = [{**order, **dict.fromkeys(IDS)} for order in found["orders"]]
    assert without == [{**order, **dict.fromkeys(IDS)} for order in alone["orders"]]


INFEASIBLE = ("infeasible_fallback_delta_only", "bounds_infeasible")
IDS = ("client_order_id", "bundle_id", "valid_until")


async def test_without_books_nothing_grows_by_a_plan(http: httpx.AsyncClient) -> None:
    found = await answered(http, body() | {"books": []})
    plan = found["hedge_plan"]
    assert [item["depth_source"] for item in plan["instruments"]] == ["none", "none"]
    assert (plan["used"], plan["reason"], plan["trades"]) == (False, "limit", [])
    assert [hedge["symbol"] for hedge in found["hedges"]] == ["BTC-PERP"]


async def test_an_assumed_depth_is_listed_and_refused_under_strict(http: httpx.AsyncClient) -> None:
    request = body(hedge_optimizer=optimizer(assumed_depth=5)) | {"books": []}
    found = await answered(http, request)
    (said,) = [item for item in found["assumptions"] if item["pointer"].endswith("assumed_depth")]
    assert said["value"] == "5"
    assert "BTC-29NOV19-8500-C" in said["effect"]
    request["series"] = [{**item, "calendar": "24/7"} for item in request["series"]]
    strict = await http.post(PATH, json=request | {"options": {"strict": True}})
    assert strict.status_code == 422
    assert "assumed_depth" in strict.text


async def test_an_optimiser_without_a_trigger_is_refused(http: httpx.AsyncClient) -> None:
    request = body()
    request["policy"] = {
        "sizing": {"method": "volatility_target", "target_volatility": 0.2},
        "hedge_optimizer": optimizer(),
    }
    answer = await http.post("/v1/evaluations", json=request)
    assert answer.status_code == 422
    assert "policy.hedge_optimizer" in answer.text or "/policy/hedge_optimizer" in answer.text


async def test_a_stored_policy_brings_its_optimiser(http: httpx.AsyncClient) -> None:
    content = {**body()["policy"], "sizing": {"method": "volatility_target", "target_volatility": 0.2}}
    stored = await http.post("/v1/policies", json={"policy_id": "desk", "policy": content})
    assert stored.status_code in (200, 201), stored.text
    request = body()
    request["policy"] = {"id": "desk", "version": 1}
    found = await answered(http, request)
    assert found["hedge_plan"]["used"] is True
    assert not [item for item in found["assumptions"] if item["pointer"] == "/policy"]


@pytest.mark.parametrize(
    "change",
    [
        {"instruments": []},
        {"max_delta": -1},
        {"max_delta": "1"},
        {"sell_options": 1},
        {"unknown": 1},
        {"instruments": ["A", "A"]},
    ],
)
async def test_an_optimiser_that_says_nothing_sound_is_refused(http: httpx.AsyncClient, change: Body) -> None:
    answer = await http.post(PATH, json=body(hedge_optimizer=optimizer(**change)))
    assert answer.status_code == 422, answer.text
