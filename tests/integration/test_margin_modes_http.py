"""Margin modes of an account over HTTP: the block of a whole account, replay, what is assumed, what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.api.evaluation import EvaluationResponse, MarginResponse
from tests.support import requests
from tests.support.http import client

Body = dict[str, Any]
MODELS = {"/v1/evaluations": EvaluationResponse, "/v1/margin": MarginResponse}
PRICE = requests.closes()[-1]
STRIKE = round(PRICE * 1.1, -2)
INSTRUMENTS = [
    {"symbol": "BTC-PERP", "kind": "linear", "base_currency": "BTC", "quote_currency": "USD", "lot": "0.001"},
    {
        "symbol": "BTC-C",
        "kind": "option",
        "underlying": "BTC-PERP",
        "base_currency": "BTC",
        "quote_currency": "USD",
        "strike": str(STRIKE),
        "expiry": "2026-12-25T08:00:00Z",
        "right": "call",
        "lot": "0.1",
    },
]
CALLS: Body = {"symbol": "BTC-C", "quantity": "-2", "implied_volatility": 0.6, "forward_price": str(PRICE)}
PERP: Body = {"symbol": "BTC-PERP", "quantity": "0.85", "mark_price": str(PRICE)}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(path: str, mode: str, positions: list[Body], margin: Body | None = None, **changes: Any) -> Body:
    policy: Body = {"limits": {"max_leverage": 20, "min_liquidation_distance": 0.0}}
    if margin is not None:
        policy["margin"] = margin
    if path == "/v1/evaluations":
        policy["sizing"] = {"method": "volatility_target", "target_volatility": 3.0}
    account = {"equity": "100000", "currency": "USD", "margin_mode": mode}
    request = requests.smallest(account=account, positions=positions, instruments=INSTRUMENTS, policy=policy, **changes)
    return request if path == "/v1/evaluations" else {**request, "signals": None}


async def answered(http: httpx.AsyncClient, path: str, request: Body) -> Body:
    answer = await http.post(path, json=request)
    assert answer.status_code == 200, answer.text
    MODELS[path].model_validate(answer.json())
    found: Body = answer.json()
    replay = (await http.post(f"/v1/evaluations/{found['evaluation_id']}:replay")).json()
    assert (replay["differences"], replay["match"]) == ([], True)
    return found


@pytest.mark.parametrize("path", list(MODELS))
async def test_a_whole_account_and_the_scenario_door_agree(http: httpx.AsyncClient, path: str) -> None:
    """Current margin is that of POST /v1/margin:scenario for the same book; options block nothing."""
    found = await answered(
        http, path, body(path, "portfolio", [PERP, CALLS], {"portfolio": {"preset": "derive_pmrm2"}})
    )
    block = found["margin"]["current"]
    assert (block["complete"], block["method_used"]) == (True, ["scenario:derive_pmrm2"])
    terms = {"strike": str(STRIKE), "expiry": "2026-12-25T08:00:00Z", "right": "call", "forward": str(PRICE)}
    option = {"kind": "option", "symbol": "BTC-C", "underlying": "BTC", "quantity": "-2", "implied_volatility": 0.6}
    linear = {"kind": "linear", "symbol": "BTC-PERP", "underlying": "BTC", "quantity": "0.85", "mark_price": str(PRICE)}
    same = {
        "as_of": requests.AS_OF,
        "positions": [{**option, "terms": terms}, linear],
        "underlyings": [{"underlying": "BTC", "spot": str(PRICE)}],
        "worst_count": 3,
    }
    door = (await http.post("/v1/margin:scenario", json=same)).json()
    assert float(block["initial"]) == pytest.approx(float(door["initial_margin"]), rel=1e-9)
    assert float(block["maintenance"]) == pytest.approx(float(door["maintenance_margin"]), rel=1e-9)
    whole = block["portfolio"]
    assert whole["bound"] == door["bound"]
    assert [item["index"] for item in whole["worst_scenarios"]] == [item["index"] for item in door["worst_scenarios"]]
    assert whole["unmodelled"] == []
    pointers = [item["pointer"] for item in found["assumptions"]]
    assert "/positions" in pointers
    assert "/policy/margin/portfolio" not in pointers


async def test_the_target_is_within_the_limit_and_the_step_says_so(http: httpx.AsyncClient) -> None:
    found = await answered(http, "/v1/evaluations", body("/v1/evaluations", "portfolio", [PERP, CALLS]))
    assert found["margin"]["target"]["initial_to_equity"] <= 0.8
    assert found["margin"]["target"]["method_used"] == ["scenario:regime"]
    target = found["targets"][0]
    (step,) = [step for step in target["steps"] if step["stage"] == "portfolio_margin"]
    assert step["parameter"] == "limits.max_margin_use"
    assert target["reason"] == "limit"
    assert {"pointer": "/policy/margin/portfolio", "value": "regime"}.items() <= next(
        item for item in found["assumptions"] if item["pointer"] == "/policy/margin/portfolio"
    ).items()
    cross = await answered(http, "/v1/evaluations", body("/v1/evaluations", "cross", [PERP, CALLS]))
    assert cross["targets"][0]["reason"] == "margin_unmodelled"
    assert "portfolio" not in cross["margin"]["current"]


async def test_what_the_account_saves_is_reported(http: httpx.AsyncClient) -> None:
    other = {"symbol": "BTC-FUT", "quantity": "-0.85", "mark_price": str(PRICE)}
    future = {"symbol": "BTC-FUT", "kind": "linear", "underlying": "BTC-PERP", "base_currency": "BTC"}
    request = body("/v1/margin", "portfolio", [PERP, other])
    request["instruments"] = [INSTRUMENTS[0], {**future, "quote_currency": "USD"}]
    found = (await answered(http, "/v1/margin", request))["margin"]["current"]
    rows = sum(float(item["initial"]) for item in found["per_position"])
    assert float(found["portfolio"]["separate_initial"]) == pytest.approx(rows, abs=1e-6)
    assert float(found["initial"]) == pytest.approx(2.0 * 0.85 * PRICE * 0.04, rel=1e-6)
    assert float(found["portfolio"]["benefit"]) == pytest.approx(rows - float(found["initial"]), abs=1e-6)
    assert float(found["portfolio"]["benefit"]) > 0.0


async def test_an_option_that_cannot_be_valued_is_named(http: httpx.AsyncClient) -> None:
    blind = {key: value for key, value in CALLS.items() if key != "implied_volatility"}
    found = await answered(http, "/v1/margin", body("/v1/margin", "portfolio", [PERP, blind]))
    block = found["margin"]["current"]
    assert block["complete"] is False
    assert [item["symbol"] for item in block["portfolio"]["unmodelled"]] == ["BTC-C"]
    assert "margin_unmodelled" in [item["code"] for item in found["warnings"]]


async def test_wallets_are_required_where_each_position_has_its_own(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/margin", json=body("/v1/margin", "isolated", [PERP]))
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/positions/0/isolated_margin"
    assert "margin_mode is isolated" in error["detail"]
    own = {**PERP, "margin_mode": "isolated", "isolated_margin": "9000"}
    found = await answered(http, "/v1/evaluations", body("/v1/evaluations", "isolated", [own]))
    assert float(found["margin"]["target"]["per_position"][0]["initial"]) <= 0.8 * 9_000.0
    await_portfolio = await http.post("/v1/margin", json=body("/v1/margin", "portfolio", [own]))
    assert await_portfolio.status_code == 422
    assert await_portfolio.json()["errors"][0]["pointer"] == "/positions/0/isolated_margin"


async def test_a_row_without_a_wallet_is_assumed_to_have_none(http: httpx.AsyncClient) -> None:
    flat = body("/v1/evaluations", "isolated", [], series=[requests.series("BTC-PERP")])
    found = await answered(http, "/v1/evaluations", flat)
    assert float(found["targets"][0]["target_quantity"]) == 0.0
    assert ("/positions", "isolated_margin 0") in [(item["pointer"], item["value"]) for item in found["assumptions"]]


async def test_a_mode_or_preset_that_is_none_is_refused(http: httpx.AsyncClient) -> None:
    for request, pointer in (
        (body("/v1/margin", "joint", [PERP]), "/account/margin_mode"),
        (body("/v1/margin", "portfolio", [PERP], {"portfolio": {"preset": "mine"}}), "/policy/margin/portfolio/preset"),
    ):
        answer = await http.post("/v1/margin", json=request)
        assert answer.status_code == 422
        assert [item["pointer"] for item in answer.json()["errors"]] == [pointer]


COIN: Body = {"asset": "BTC", "amount": "0.5", "price": str(PRICE), "as_of": requests.AS_OF, "volatility": 0.6}
COIN |= {"average_daily_volume": "2000000000", "wrong_way_correlation": 0, "venue": "exchange"}


@pytest.mark.parametrize("path", list(MODELS))
async def test_haircuts_and_isolated_wallets_do_not_go_together(http: httpx.AsyncClient, path: str) -> None:
    """No balance backs a position with a wallet of its own, so that the block would bound nothing."""
    own = {**PERP, "margin_mode": "isolated", "isolated_margin": "9000"}
    request = body(path, "isolated", [own])
    request["account"]["collateral"] = [COIN]
    assert (await http.post(path, json=request)).status_code == 200
    loan = {"collateral": {"asset": "BTC", "amount": "1"}, "debt": {"asset": "USD", "amount": "9"}}
    for policy, loans in (({"collateral": {}}, []), ({}, [{**loan, "liquidation_threshold": 0.8}])):
        account, rules = {**request["account"], "loans": loans}, {**request["policy"], **policy}
        answer = await http.post(path, json={**request, "account": account, "policy": rules})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/account/margin_mode"
        assert "policy.collateral or account.loans" in error["detail"]


@pytest.mark.parametrize("path", list(MODELS))
async def test_haircuts_distress_memory_and_scenarios_in_one_account(http: httpx.AsyncClient, path: str) -> None:
    """Both states travel in one `state`; a second decision on it is replayed to the byte as the first is."""
    margin: Body = {"model": {"method": "sigma_multiple"}, "procyclicality": {"buffer": 0.25, "release": 0.03}}
    request = body(path, "portfolio", [{**PERP, "venue": "exchange"}], margin)
    request["account"]["collateral"] = [COIN]
    request["policy"] |= {"collateral": {}, "contagion": {}}
    request["venues"] = [{"venue": "exchange", "distress": 0.4}]
    first = await answered(http, path, request)
    assert ("/account/collateral", "haircut 0") not in [(one["pointer"], one["value"]) for one in first["assumptions"]]
    block = first["margin"]["current"]
    assert block["portfolio"]["contagion_multiplier"] == 1.6
    assert block["method_used"] == ["scenario:regime"]
    counted = float(first["margin"]["collateral"]["equity_initial"])
    assert counted < 100_000.0
    assert block["initial_to_equity"] == pytest.approx(float(block["initial"]) / counted, rel=1e-7)
    state = first["state"]
    assert [item["multiplier"] for item in state["contagion"]] == [1.6]
    (memory,) = state["margins"]
    smoothed = block["per_position"][0]["procyclicality"]["long"]
    assert memory["long"] == pytest.approx(1.25 * smoothed["model"], rel=1e-7), "without the multiplier of the venue"
    assert block["per_position"][0]["rate_initial"] == pytest.approx(1.6 * memory["long"], rel=1e-6)
    calm = {**request, "previous": state, "venues": [{"venue": "exchange", "distress": 0.0}]}
    second = await answered(http, path, calm)
    assert second["state"]["contagion"][0]["multiplier"] == 1.6, "no time has passed"
    assert second["state"]["margins"] == state["margins"]
    assert second["margin"]["current"]["initial"] == block["initial"]
