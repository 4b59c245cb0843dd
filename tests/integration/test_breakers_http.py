"""Circuit breakers over HTTP: the block, the state that travels, the reset, refusals, and replay from the record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.api.evaluation import EvaluationResponse
from tests.support import requests
from tests.support.http import client

Body = dict[str, Any]
PATH = "/v1/evaluations"
RATIO: Body = {"distance": None, "drawdown": None}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(breakers: Body | None = None, quantity: str = "0.85", equity: str = "100000", **changes: Any) -> Body:
    """One perpetual; `quantity` and `equity` decide how short its margin is."""
    prices = requests.closes()
    position = {"symbol": "BTC-PERP", "quantity": quantity, "mark_price": str(prices[-1])}
    policy = {
        "sizing": {"method": "volatility_target", "target_volatility": 3.0},
        "limits": {"max_leverage": 50, "max_margin_use": 1.0, "min_liquidation_distance": 0.0},
        "margin": {"floor": 0.3},
        "breakers": RATIO if breakers is None else breakers,
    }
    account = {"equity": equity, "currency": "USD"}
    return requests.smallest(positions=[position], policy=policy, account=account, **changes)


async def answered(http: httpx.AsyncClient, request: Body) -> Body:
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    EvaluationResponse.model_validate(answer.json())
    found: Body = answer.json()
    return found


async def equity_for(http: httpx.AsyncClient, ratio: float) -> str:
    """Equity at which the book asks for this part of it."""
    found = await answered(http, body())
    return str(round(float(found["margin"]["current"]["maintenance"]) / ratio, 2))


async def matches(http: httpx.AsyncClient, answer: Body) -> bool:
    replay = (await http.post(f"/v1/evaluations/{answer['evaluation_id']}:replay")).json()
    assert replay["differences"] == []
    return bool(replay["match"])


async def test_the_answer_says_which_tier_since_when_and_how_it_ends(http: httpx.AsyncClient) -> None:
    found = await answered(http, body(RATIO | {"reduce_to": 0.5}, equity=await equity_for(http, 0.7)))
    breaker = found["margin"]["breaker"]
    assert (breaker["scope"], breaker["tier"], breaker["level"], breaker["latched"]) == ("account", 2, "reduce", False)
    assert breaker["since"] == found["as_of"]
    assert breaker["next_exit"] == {
        "tier": 1,
        "maintenance_ratio_below": 0.6,
        "distance_sigma_from": None,
        "drawdown_below": None,
        "dwell_seconds": 120.0,
        "not_before": None,
    }
    assert breaker["metrics"]["maintenance_ratio"] == pytest.approx(0.7, rel=1e-4)
    assert [(change["before"], change["after"], change["cause"]) for change in breaker["transitions"]] == [
        ("normal", "reduce", "maintenance_ratio")
    ]
    (target,) = found["targets"]
    assert (target["action"], target["reason"]) == ("decrease", "limit")
    assert found["margin"]["target"]["maintenance_to_equity"] == pytest.approx(0.5, abs=0.01)
    (step,) = [step for step in target["steps"] if step["stage"] == "breaker"]
    assert step["parameter"] == "policy.breakers"
    assert found["state"]["breaker_tier"] == 2
    assert await matches(http, found)


async def test_the_state_travels_and_the_exit_gets_a_time(http: httpx.AsyncClient) -> None:
    """Short at first; then money comes in, and every metric is calm."""
    first = await answered(http, body(equity=await equity_for(http, 0.7)))
    times = ["2026-11-20T00:01:05Z", "2026-11-20T00:03:04Z", "2026-11-20T00:03:05Z"]
    state, seen = first["state"], []
    for moment in times:
        found = await answered(http, body(as_of=moment, previous=state))
        breaker, state = found["margin"]["breaker"], found["state"]
        seen.append((breaker["tier"], (breaker["next_exit"] or {}).get("not_before")))
        assert await matches(http, found)
    assert seen == [
        (2, "2026-11-20T00:03:05.000000Z"),
        (2, "2026-11-20T00:03:05.000000Z"),
        (1, "2026-11-20T00:04:05.000000Z"),
    ]


async def test_flatten_latches_closes_and_waits_for_a_name_and_a_reason(http: httpx.AsyncClient) -> None:
    short = await answered(http, body(equity=await equity_for(http, 0.95)))
    (target,) = short["targets"]
    assert (target["action"], float(target["target_quantity"])) == ("close", 0.0)
    assert all(order["reduce_only"] for order in short["orders"])
    assert short["margin"]["breaker"]["latched"]
    assert short["margin"]["breaker"]["next_exit"] is None
    assert "breaker_latched" in [warning["code"] for warning in short["warnings"]]
    later = body(as_of="2026-11-20T06:00:00Z", previous=short["state"])
    assert (await answered(http, later))["margin"]["breaker"]["tier"] == 4
    reset = {"scope": "account", "actor": "risk desk", "reason": "collateral added"}
    released = await answered(http, {**later, "breaker_reset": reset})
    (change,) = released["margin"]["breaker"]["transitions"]
    assert (change["before"], change["after"], change["cause"]) == ("flatten", "close_only", "manual_reset")
    assert (change["actor"], change["reason"]) == ("risk desk", "collateral added")
    assert released["targets"][0]["permission"] == "reduce_only"
    assert await matches(http, released)


async def test_a_venue_has_its_own_breaker(http: httpx.AsyncClient) -> None:
    request = body()
    request["positions"][0]["venue"] = "dex"
    asked = float((await answered(http, request))["margin"]["current"]["maintenance"])
    request["venues"] = [{"venue": "dex", "equity": str(round(asked / 0.85, 2))}]
    found = await answered(http, request)
    scopes = {item["scope"]: item["tier"] for item in found["margin"]["breaker"]["scopes"]}
    assert scopes == {"account": 0, "portfolio": 0, "venue:dex": 3}
    assert found["targets"][0]["permission"] == "reduce_only"
    assert await matches(http, found)


async def test_drawdown_is_read_from_the_high_water_mark(http: httpx.AsyncClient) -> None:
    found = await answered(http, body({"distance": None}, previous={"high_water_mark": "120000"}))
    scopes = {item["scope"]: item for item in found["margin"]["breaker"]["scopes"]}
    assert scopes["portfolio"]["level"] == "reduce"
    assert scopes["portfolio"]["metrics"]["drawdown"] == pytest.approx(1 / 6)
    assert scopes["portfolio"]["next_exit"]["drawdown_below"] == pytest.approx(0.12)


async def test_a_clock_that_goes_back_is_flagged(http: httpx.AsyncClient) -> None:
    first = await answered(http, body(equity=await equity_for(http, 0.7)))
    early = await answered(http, body(as_of="2026-11-20T00:00:01Z", previous=first["state"]))
    assert "breaker_clock_backwards" in [warning["code"] for warning in early["warnings"]]
    assert early["state"]["breakers"] == first["state"]["breakers"]


async def test_a_first_call_is_told_that_it_starts_at_normal(http: httpx.AsyncClient) -> None:
    found = await answered(http, body())
    assert "/previous/breakers" in [item["pointer"] for item in found["assumptions"]]


async def test_a_policy_without_breakers_has_none_and_its_old_fingerprint(http: httpx.AsyncClient) -> None:
    found = await answered(http, requests.smallest())
    assert "breaker" not in found["margin"]
    assert "breakers" not in found["state"]
    assert "breakers" not in found["policy_resolved"]


async def test_a_stored_policy_keeps_its_ladder(http: httpx.AsyncClient) -> None:
    policy = body({"distance": None, "drawdown": None, "enter": [0.4, 0.6, 0.7, 0.8], "leave": [0.3, 0.5, 0.6]})
    policy["policy"]["breakers"]["reduce_to"] = 0.5
    stored = await http.post("/v1/policies", json={"policy_id": "desk", "policy": policy["policy"]})
    assert stored.status_code in (200, 201), stored.text
    request = body(equity=await equity_for(http, 0.75)) | {"policy": {"id": "desk", "version": 1}}
    found = await answered(http, request)
    assert found["margin"]["breaker"]["level"] == "close_only"
    assert found["policy_resolved"]["breakers"]["enter"] == [0.4, 0.6, 0.7, 0.8]
    assert await matches(http, found)


STATE: Body = {"scope": "account", "level": 1, "latched": False}
RESET: Body = {"scope": "account", "actor": "desk", "reason": "margin added"}


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        (body({"enter": [0.9, 0.8, 0.7, 0.6]}), "/policy/breakers/enter"),
        (body({"leave": [0.5, 0.6, 0.72]}), "/policy/breakers/leave"),
        (body({"enter": [0.5, 0.67, 0.8]}), "/policy/breakers/enter"),
        (body({"caution": "0.5"}), "/policy/breakers/caution"),
        (body({"dwell": 5}), "/policy/breakers/dwell"),
        (body(breaker_reset=RESET), "/breaker_reset/scope"),
        (body(breaker_reset={**RESET, "actor": " "}), "/breaker_reset/actor"),
        (body(breaker_reset={**RESET, "scope": "moon"}), "/breaker_reset/scope"),
        (body(previous={"breakers": [{**STATE, "level": 4}]}), "/previous/breakers/0"),
        (body(previous={"breakers": [STATE, STATE]}), "/previous/breakers"),
        (requests.smallest(breaker_reset=RESET), "/breaker_reset"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_pointer(http: httpx.AsyncClient, request_: Body, pointer: str) -> None:
    answer = await http.post(PATH, json=request_)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith(pointer), answer.text
