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
    # Options are a moment older in the second answer.
    assert [numbers(row) for row in found["hedges"]] == [
        pytest.approx(numbers(row), rel=1e-5, abs=1e-4) for row in alone["hedges"]
    ]
    assert [words(row) for row in found["hedges"]] == [words(row) for row in alone["hedges"]]
    without = [{**order, **dict.fromkeys(IDS)} for order in found["orders"]]
    assert without == [{**order, **dict.fromkeys(IDS)} for order in alone["orders"]]


def numbers(row: dict[str, Any]) -> dict[str, float]:
    """Figures of a row."""
    return {name: value for name, value in row.items() if isinstance(value, float)}


def words(row: dict[str, Any]) -> dict[str, Any]:
    """The rest of it."""
    return {name: value for name, value in row.items() if not isinstance(value, float)}


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


GATE: Body = {"max_funding_rate": 0.5}
FUNDED = {"funding_rate": 0.0001, "funding_interval": "PT8H"}


def gated(**changes: Any) -> Body:
    """The example with an index, funding and the gate."""
    request = body(hedge_gate=GATE)
    request["instruments"][2]["base_currency"] = "BTC"
    request["marks"].append({"symbol": "BTC", "price": "8012"})
    request["flow"][0].update(FUNDED)
    return request | changes


async def test_a_sound_market_passes_the_gate(http: httpx.AsyncClient) -> None:
    found = await answered(http, gated())
    assert found["hedge_plan"]["used"] is True
    assert {hedge["gate"]["reason"] for hedge in found["hedges"]} == {"none"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"marks": []}, "index_gap"),
        ({"flow": []}, "funding_too_high"),
        ({"books": []}, "no_depth"),
    ],
)
async def test_the_gate_says_why_a_hedge_may_not_grow(http: httpx.AsyncClient, change: Body, reason: str) -> None:
    request = gated(**change)
    request["policy"].pop("hedge_optimizer")
    found = await answered(http, request)
    (hedge,) = found["hedges"]
    assert (hedge["status"], hedge["reason"], hedge["quantity"], found["orders"]) == ("held", reason, "0", [])
    assert (hedge["gate"]["allowed"], hedge["gate"]["reason"], hedge["detail"]) == (
        False,
        reason,
        hedge["gate"]["detail"],
    )
    request["positions"][2]["quantity"] = "12"
    shrinking = await answered(http, request)
    (order,) = shrinking["orders"]
    assert (order["side"], order["reduce_only"]) == ("sell", True)


async def test_a_hedge_comes_in_slices_with_its_feedback_and_its_latency(http: httpx.AsyncClient) -> None:
    execution = {
        "schedule": {"method": "twap", "duration_seconds": 600, "slices": 5},
        "collar": {"sigmas": 2},
        "reflexivity": {},
        "latency_seconds": 5,
    }
    found = await answered(http, body(hedge_optimizer=None, hedge_execution=execution))
    (hedge,), (order,) = found["hedges"], found["orders"]
    assert sum(float(item["contracts"]) for item in hedge["slices"]) == pytest.approx(
        float(hedge["quantity"]), abs=1e-12
    )
    assert order["contracts"] == hedge["quantity"]
    assert [item["sequence"] for item in hedge["slices"]] == [1, 2, 3, 4, 5]
    assert all(float(item["worst_price"]) > 8010.5 for item in hedge["slices"])
    assert hedge["reflexivity"]["level"] == "ok" and hedge["reflexivity"]["gain"] > 0
    assert hedge["latency"]["drift"] > 0 and float(hedge["latency"]["quote"]) > 0
    assert hedge["slicing"] | {"expected_cost": "0"} == {
        "reason": "none",
        "detail": "",
        "unfilled": "0",
        "expected_cost": "0",
    }
    assert float(hedge["slicing"]["expected_cost"]) > 0


async def test_accounts_are_netted(http: httpx.AsyncClient) -> None:
    request = body(hedge_optimizer=None)
    short = request["positions"][0]
    other = {**short, "quantity": "4", "account_id": "two", "initial_margin": "0", "maintenance_margin": "0"}
    request["positions"] = [{**short, "account_id": "one"}, other, *request["positions"][1:]]
    found = await answered(http, request)
    netting = found["hedges"][0]["netting"]
    assert netting["saved_delta"] == pytest.approx(netting["gross_delta"] - abs(netting["net_delta"]))
    assert netting["net_delta"] == pytest.approx(found["hedges"][0]["delta_before"])
    shares = {item["account_id"]: item for item in netting["by_account"]}
    assert shares["one"]["share"] == 1.0 and shares["two"]["share"] == 0.0
    traded = found["hedges"][0]["delta_after"] - found["hedges"][0]["delta_before"]
    assert shares["one"]["hedge_delta"] == pytest.approx(traded, rel=1e-6)


@pytest.mark.parametrize(
    "blocks",
    [
        {"hedge_gate": {"max_index_gap": 0}},
        {"hedge_gate": {"unknown": 1}},
        {"hedge_execution": {"schedule": {"method": "magic"}}},
        {"hedge_execution": {"reflexivity": {"warn": 0.5, "prefer_option": 0.2}}},
        {"hedge_execution": {"latency_seconds": "5"}},
    ],
)
async def test_blocks_that_say_nothing_sound_are_refused(http: httpx.AsyncClient, blocks: Body) -> None:
    answer = await http.post(PATH, json=body(**blocks))
    assert answer.status_code == 422, answer.text


async def test_every_block_survives_being_stored(http: httpx.AsyncClient) -> None:
    execution = {
        "schedule": {"method": "scale_by_time", "spacing_seconds": 60, "fractions": [0.5, 0.5]},
        "reflexivity": {},
    }
    blocks = {"hedge_gate": GATE, "hedge_execution": execution}
    content = {**body(**blocks)["policy"], "sizing": {"method": "volatility_target", "target_volatility": 0.2}}
    stored = await http.post("/v1/policies", json={"policy_id": "desk", "policy": content})
    assert stored.status_code in (200, 201), stored.text
    request = gated()
    request["policy"] = {"id": "desk", "version": 1}
    found = await answered(http, request)
    assert all(hedge["gate"]["allowed"] for hedge in found["hedges"])
    assert not [item for item in found["assumptions"] if item["pointer"] == "/policy"]
