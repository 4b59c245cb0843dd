"""`POST /v1/hedges` over HTTP, with every trigger: answers, the state that travels, assumptions, refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.api.evaluation import EvaluationResponse, HedgesResponse
from tests.support.bodies import coins_and_options, text
from tests.support.http import client

PATH = "/v1/hedges"
Body = dict[str, Any]
TRIGGERS: list[Body] = [
    {"method": "threshold", "max_delta": 0.25},
    {"method": "threshold", "max_move": 0.05, "max_gamma_drift": 0.01},
    {"method": "price_move", "move": 0.02},
    {"method": "price_move", "move_daily_sigmas": 0.5},
    {"method": "interval", "interval_seconds": 3600, "min_move_bps": 5},
    {"method": "adaptive"},
    {"method": "adaptive", "risk_aversion": 0.001},
    {"method": "adaptive", "atm_band": 0.1, "atm_gamma_1pct": 0.05},
    {
        "method": "any_of",
        "triggers": [{"method": "adaptive"}, {"method": "price_move", "move": 0.05}],
        "cooldown_seconds": 600,
        "hard_limit": 2,
    },
]
EVERY = pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda item: item["method"])


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(trigger: Body, **changes: Any) -> Body:
    """A book of options, to be hedged now with an inverse perpetual; its net delta is beyond every band."""
    request = coins_and_options(datetime.now(UTC))
    request["policy"] = {"hedging": {"instrument": "BTC-PERPETUAL", **trigger}}
    return request | changes


async def answered(http: httpx.AsyncClient, request: Body) -> Body:
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    HedgesResponse.model_validate(answer.json())
    found: Body = answer.json()
    return found


def moved(request: Body, order: Body, state: Body) -> Body:
    """The next request: the order is filled, the state goes back."""
    sign = 1 if order["side"] == "buy" else -1
    rows = [dict(row) for row in request["positions"]]
    rows[0]["quantity"] = str(float(rows[0]["quantity"]) + sign * float(order["contracts"]))
    return request | {"positions": rows, "previous": state}


@EVERY
async def test_a_hedge_is_made_explained_and_replayed(http: httpx.AsyncClient, trigger: Body) -> None:
    found = await answered(http, body(trigger))
    (hedge,), (order,) = found["hedges"], found["orders"]
    assert (hedge["status"], hedge["trigger"]) == ("ok", trigger["method"])
    assert hedge["fired"]
    assert abs(hedge["delta_after"]) < abs(hedge["delta_before"])
    assert order["contracts"] == hedge["quantity"].lstrip("-")
    band = hedge.get("band")
    if band is not None:
        assert band["outer"] >= band["inner"] >= 0.0
        assert abs(hedge["delta_after"]) <= band["inner"] + 2e-4
    assert ("basis" in hedge) == (trigger["method"] in ("adaptive", "any_of"))
    replay = await http.post(f"/v1/evaluations/{found['evaluation_id']}:replay")
    assert replay.status_code == 200, replay.text
    assert (replay.json()["match"], replay.json()["differences"]) == (True, [])


@EVERY
async def test_a_filled_hedge_with_its_state_asks_for_no_other(http: httpx.AsyncClient, trigger: Body) -> None:
    request = body(trigger)
    first = await answered(http, request)
    (memory,) = first["state"]["hedges"]
    assert memory["underlying"] == first["hedges"][0]["underlying"]
    assert (memory["last_hedge_at"], memory["last_hedge_price"]) == (first["as_of"], "93120.5")
    assert memory["gamma_1pct"] == pytest.approx(first["hedges"][0]["gamma_1pct"])
    second = await answered(http, moved(request, first["orders"][0], first["state"]))
    assert second["orders"] == []
    assert second["hedges"][0]["quantity"] == "0"
    assert second["state"]["hedges"] == first["state"]["hedges"]
    replay = await http.post(f"/v1/evaluations/{second['evaluation_id']}:replay")
    assert replay.json()["match"] is True


async def test_a_pending_hedge_counts_as_done(http: httpx.AsyncClient) -> None:
    request = body({"method": "adaptive"})
    first = await answered(http, request)
    (order,) = first["orders"]
    rows = [dict(row) for row in request["positions"]]
    rows[0]["open_buys" if order["side"] == "buy" else "open_sells"] = order["quantity"]
    second = await answered(http, request | {"positions": rows})
    assert (second["orders"], second["hedges"][0]["delta_before"]) == ([], first["hedges"][0]["delta_after"])


async def test_a_cooldown_holds_and_the_hard_limit_does_not_wait(http: httpx.AsyncClient) -> None:
    trigger = {"method": "any_of", "triggers": [{"method": "adaptive"}], "cooldown_seconds": 600}
    now = datetime.now(UTC)
    just = {"underlying": "BTC", "last_hedge_at": text(now - timedelta(seconds=60)), "last_hedge_price": "93000"}
    held = await answered(http, body(trigger, previous={"hedges": [just]}))
    assert (held["hedges"][0]["reason"], held["orders"]) == ("cooldown", [])
    until = datetime.fromisoformat(held["hedges"][0]["cooldown_until"])
    assert timedelta(seconds=535) < until - now < timedelta(seconds=545)
    acting = await answered(http, body({**trigger, "hard_limit": 0.5}, previous={"hedges": [just]}))
    assert acting["hedges"][0]["fired"] == ["adaptive", "hard_limit"]
    assert acting["orders"]


async def test_never_hedged_is_an_assumption_where_it_matters(http: httpx.AsyncClient) -> None:
    def told(found: Body) -> list[str]:
        return [item["pointer"] for item in found["assumptions"] if item["pointer"] == "/previous/hedges"]

    hourly = {"method": "interval", "interval_seconds": 3600}
    assert told(await answered(http, body(hourly))) == ["/previous/hedges"]
    assert told(await answered(http, body(hourly, previous={"net_deposits": "0"}))) == ["/previous/hedges"]
    assert told(await answered(http, body(hourly, previous={"hedges": []}))) == []
    assert told(await answered(http, body({"method": "adaptive"}))) == []
    refused = await http.post(PATH, json=body(hourly, options={"strict": True}))
    assert refused.status_code == 422
    assert "/previous/hedges" in [item["pointer"] for item in refused.json()["errors"]]


async def test_costs_widen_the_band(http: httpx.AsyncClient) -> None:
    async def outer(costs: Body, **changes: Any) -> float:
        request = body({"method": "adaptive"}, **changes)
        request["policy"]["costs"] = costs
        hedge = (await answered(http, request))["hedges"][0]
        assert hedge["basis"]["impact_known"] is bool(changes)
        return float(hedge["band"]["outer"])

    cheap, dear = await outer({"fee": 0.0001}), await outer({"fee": 0.002})
    assert cheap < dear < await outer({"fee": 0.002, "gas": 25})
    flow = [{"symbol": "BTC-PERPETUAL", "as_of": text(datetime.now(UTC)), "average_daily_volume": "200000"}]
    assert await outer({"fee": 0.002}, flow=flow) > dear
    book = {"symbol": "BTC-PERPETUAL", "as_of": text(datetime.now(UTC))}
    book |= {"bids": [["93000", "5000"]], "asks": [["93240", "5000"]]}
    request = body({"method": "adaptive"}, books=[book])
    basis = (await answered(http, request))["hedges"][0]["basis"]
    assert basis["cost_rate"] == pytest.approx(0.0005 + 120.0 / 93_120.0, rel=1e-3)


async def test_both_doors_hedge_alike_and_share_their_state(http: httpx.AsyncClient) -> None:
    trigger = {"method": "any_of", "triggers": [{"method": "adaptive"}], "cooldown_seconds": 600}
    whole = body(trigger)
    whole["policy"]["sizing"] = {"method": "constant_leverage", "leverage": 1}
    first = await http.post("/v1/evaluations", json=whole)
    assert first.status_code == 200, first.text
    EvaluationResponse.model_validate(first.json())
    narrow = {**whole, "policy": {"hedging": whole["policy"]["hedging"]}}
    second = await answered(http, narrow)
    assert second["hedges"][0]["band"] == first.json()["hedges"][0]["band"]
    third = await answered(http, narrow | {"previous": first.json()["state"]})
    assert third["hedges"][0]["reason"] == "cooldown"


async def test_an_old_policy_is_a_threshold(http: httpx.AsyncClient) -> None:
    named = await answered(http, body({"method": "threshold", "max_delta": 1}))
    nameless = await answered(http, body({"max_delta": 1}))
    assert nameless["hedges"] == named["hedges"]
    assert nameless["hedges"][0]["max_delta"] == 1.0


@pytest.mark.parametrize(
    ("trigger", "pointer"),
    [
        ({"method": "adaptive", "risk_aversion": -1}, "/policy/hedging/risk_aversion"),
        ({"method": "threshold"}, "/policy/hedging/max_delta"),
        ({"method": "price_move", "move": 0.1, "move_daily_sigmas": 1}, "/policy/hedging/move"),
        ({"method": "any_of", "triggers": []}, "/policy/hedging/triggers"),
        (
            {"method": "any_of", "triggers": [{"method": "interval", "interval_seconds": 0}]},
            "/policy/hedging/triggers/0/interval_seconds",
        ),
        ({"method": "any_of", "triggers": [{"method": "nothing"}]}, "/policy/hedging/triggers/0/method"),
        ({"method": "nothing"}, "/policy/hedging/method"),
        ({"method": "adaptive", "max_delta": 1}, "/policy/hedging/max_delta"),
    ],
)
async def test_a_broken_trigger_is_told_where(http: httpx.AsyncClient, trigger: Body, pointer: str) -> None:
    answer = await http.post(PATH, json=body(trigger))
    assert answer.status_code == 422, answer.text
    assert pointer in [item["pointer"] for item in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [("last_hedge_price", "0"), ("last_hedge_at", "yesterday"), ("gamma_1pct", "1"), ("underlying", ""), ("delta", 1)],
)
async def test_a_broken_memory_is_told_where(http: httpx.AsyncClient, field: str, value: Any) -> None:
    memory = {"underlying": "BTC", "last_hedge_at": "2026-11-20T00:00:00Z", "last_hedge_price": "93000"}
    answer = await http.post(PATH, json=body({"method": "adaptive"}, previous={"hedges": [{**memory, field: value}]}))
    assert answer.status_code == 422, answer.text
    assert [item["pointer"] for item in answer.json()["errors"]] == [f"/previous/hedges/0/{field}"]


async def test_two_memories_of_one_underlying_are_refused(http: httpx.AsyncClient) -> None:
    """The older of them would forget the cooldown of the newer."""
    memory = {"underlying": "BTC", "last_hedge_price": "93000"}
    both = [{**memory, "last_hedge_at": f"2026-11-{day}T00:00:00Z"} for day in (20, 10)]
    answer = await http.post(PATH, json=body({"method": "adaptive"}, previous={"hedges": both}))
    assert answer.status_code == 422, answer.text
    assert "every underlying once" in answer.text
