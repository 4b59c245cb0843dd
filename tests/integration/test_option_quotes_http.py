"""`option_quotes` over HTTP: the Greeks of volatilities given by hand, what is told, what is refused, replay."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.examples import HEDGES_BY_QUOTES
from models.api.evaluation import EvaluationResponse, HedgesResponse, MarginResponse, TargetsResponse
from tests.support.http import client

Body = dict[str, Any]
SIZING = {"sizing": {"method": "volatility_target", "target_volatility": 0.2}}
MODELS = {
    "evaluations": EvaluationResponse,
    "targets": TargetsResponse,
    "margin": MarginResponse,
    "hedges": HedgesResponse,
}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(door: str = "hedges", **changes: Any) -> Body:
    found = copy.deepcopy(HEDGES_BY_QUOTES)
    hedging = found["policy"]
    found["policy"] = {"hedges": hedging, "margin": {}}.get(door, {**SIZING, **hedging})
    return {**found, **changes}


def chain_of(request: Body) -> Body:
    found: Body = request["option_quotes"][0]
    return found


async def answered(http: httpx.AsyncClient, request: Body, door: str = "hedges") -> Body:
    answer = await http.post(f"/v1/{door}", json=request)
    assert answer.status_code == 200, answer.text
    MODELS[door].model_validate(answer.json())
    found: Body = answer.json()
    replay = (await http.post(f"/v1/evaluations/{found['evaluation_id']}:replay")).json()
    assert (replay["match"], replay["differences"]) == (True, [])
    return found


def codes(found: Body) -> list[str]:
    return [row["code"] for row in found["warnings"]]


async def test_greeks_are_those_of_the_same_volatility_by_hand(http: httpx.AsyncClient) -> None:
    quoted = await answered(http, body())
    (used,) = quoted["option_volatilities"]
    assert (used["source"], used["forward_source"], used["extrapolated"]) == ("surface", "quotes", False)
    assert used["volatility"] == pytest.approx(0.63, abs=0.005)
    by_hand = body(option_quotes=[])
    by_hand["positions"][0] |= {"implied_volatility": used["volatility"], "forward_price": used["forward"]}
    plain = await answered(http, by_hand)
    assert "option_volatilities" not in plain
    names = ("delta_before", "gamma_1pct", "vega_per_point", "theta_per_day")
    for name in names:
        assert quoted["hedges"][0][name] == pytest.approx(plain["hedges"][0][name], rel=1e-6)
    assert quoted["hedges"][0]["quantity"] == plain["hedges"][0]["quantity"]


@pytest.mark.parametrize("door", list(MODELS))
async def test_every_door_takes_quotes(http: httpx.AsyncClient, door: str) -> None:
    found = await answered(http, body(door), door)
    assert [row["source"] for row in found["option_volatilities"]] == ["surface"]
    (surface,) = found["option_surfaces"]
    assert (surface["status"], len(surface["slices"]), surface["dropped"]) == ("ok", 2, [])
    if "portfolio" in found:
        assert [row["complete"] for row in found["portfolio"]["greeks"]] == [True]


async def test_a_volatility_of_its_own_wins(http: httpx.AsyncClient) -> None:
    request = body()
    request["positions"][0]["implied_volatility"] = 0.8
    (used,) = (await answered(http, request))["option_volatilities"]
    assert (used["source"], used["volatility"], used["forward_source"]) == ("position", 0.8, "quotes")
    request["positions"][0]["forward_price"] = "8000"
    found = await answered(http, request)
    assert found["option_surfaces"][0]["status"] == "unused"
    assert "option_quotes_unused" in codes(found)


async def test_without_quotes_advice_is_refused_and_exposures_are_flagged(http: httpx.AsyncClient) -> None:
    found = await answered(http, body("evaluations", option_quotes=[]), "evaluations")
    assert (found["hedges"][0]["status"], found["hedges"][0]["reason"]) == ("refused", "greeks_unavailable")
    (greeks,) = found["portfolio"]["greeks"]
    assert (greeks["complete"], greeks["unknown"]) == (False, ["BTC-27DEC19-9000-C"])
    assert greeks["greeks"]["delta_coin"] == 1.0


async def test_bad_quotes_are_named_and_the_rest_still_works(http: httpx.AsyncClient) -> None:
    request = body()
    rows = chain_of(request)["quotes"]
    rows[0] |= {"bid": 0.01, "ask": 0.005}
    rows[3]["bid"] = 0
    rows.append({**rows[5], "as_of": "2019-10-16T00:00:00Z", "strike": 8600})
    rows.append({**rows[5], "expiry": "2019-10-01T08:00:00Z"})
    found = await answered(http, request)
    (surface,) = found["option_surfaces"]
    assert [(row["index"], row["reason"]) for row in surface["dropped"]] == [
        (0, "crossed"),
        (3, "no_bid"),
        (20, "stale"),
        (21, "expired"),
    ]
    assert "option_quotes_dropped" in codes(found)
    assert found["hedges"][0]["status"] == "ok"


async def test_a_stale_chain_refuses(http: httpx.AsyncClient) -> None:
    request = body()
    for row in chain_of(request)["quotes"]:
        row["as_of"] = "2019-10-16T22:00:00Z"
    found = await answered(http, request)
    assert (found["hedges"][0]["status"], found["hedges"][0]["reason"]) == ("refused", "greeks_unavailable")
    assert found["option_surfaces"][0]["status"] == "refused"
    assert {"option_quotes_refused", "volatility_unknown"} <= set(codes(found))
    chain_of(request)["max_age_seconds"] = 14_000
    ageing = await answered(http, request)
    assert ageing["hedges"][0]["status"] == "ok"
    assert "volatility_old" in codes(ageing)


async def test_beyond_the_quotes_is_told(http: httpx.AsyncClient) -> None:
    request = body(options={"view": "compact"})
    request["instruments"][0]["expiry"] = "2020-03-27T08:00:00Z"
    found = await answered(http, request)
    assert "volatility_extrapolated" in codes(found)
    assert "option_volatilities" not in found


async def test_what_was_left_open_is_an_assumption(http: httpx.AsyncClient) -> None:
    request = body()
    del chain_of(request)["discount"]
    for row in chain_of(request)["quotes"]:
        del row["as_of"]
    chain_of(request)["price_unit"] = "quote"
    for row in chain_of(request)["quotes"]:
        row |= {"bid": round(row["bid"] * 8050, 4), "ask": round(row["ask"] * 8050, 4)}
    found = await answered(http, request)
    pointers = {row["pointer"] for row in found["assumptions"]}
    assert {"/option_quotes/0/discount", "/option_quotes/0/quotes/as_of"} <= pointers
    refused = await http.post("/v1/hedges", json={**request, "options": {"strict": True}})
    assert refused.status_code == 422


async def test_skew_moves_the_hedge_only_where_it_is_asked_for(http: httpx.AsyncClient) -> None:
    plain = await answered(http, body("evaluations"), "evaluations")
    bent = body("evaluations")
    chain_of(bent)["skew_stickiness"] = 1
    found = await answered(http, bent, "evaluations")
    (used,) = found["option_volatilities"]
    before, after = (item["portfolio"]["greeks"][0]["greeks"] for item in (plain, found))
    expected = -100.0 * after["vega_per_point"] * used["skew"] / float(used["forward"])
    assert before["skew_delta"] == 0.0
    assert after["skew_delta"] == pytest.approx(expected, rel=1e-6)
    assert after["delta_coin"] == pytest.approx(before["delta_coin"] + expected, rel=1e-6)
    assert after["delta_black"] == before["delta_black"]
    assert found["hedges"][0]["delta_before"] == pytest.approx(after["delta_coin"], rel=1e-6)


async def test_broken_requests_are_told_where(http: httpx.AsyncClient) -> None:
    late = body()
    chain_of(late)["quotes"][2]["as_of"] = "2019-10-17T00:01:00Z"
    twice = body()
    twice["option_quotes"] *= 2
    many = body()
    row = chain_of(many)["quotes"][0]
    chain_of(many)["quotes"] = [{**row, "expiry": f"2020-01-01T{i // 60:02d}:{i % 60:02d}:00Z"} for i in range(201)]
    crowded = body()
    blocks = ({**chain_of(crowded), "underlying": name} for name in "ABC")
    crowded["option_quotes"] = [{**block, "quotes": [row] * 2_000} for block in blocks]
    for request, pointer in (
        (late, "/option_quotes/0/quotes/2/as_of"),
        (many, "/option_quotes/0"),
        (twice, ""),
        (crowded, ""),
    ):
        answer = await http.post("/v1/hedges", json=request)
        assert answer.status_code == 422, answer.text
        assert pointer in answer.json()["errors"][0]["pointer"]


async def test_a_position_fades_in_the_settlement_window(http: httpx.AsyncClient) -> None:
    deltas = []
    for averaged in (False, True):
        request = body(option_quotes=[])
        request["instruments"][0] |= {
            "expiry": "2019-10-17T00:15:05Z",
            "averaged_settlement": averaged,
            "strike": "8000",
        }
        request["positions"] = [{**request["positions"][0], "implied_volatility": 0.6, "forward_price": "8000"}]
        deltas.append((await answered(http, request))["hedges"][0]["delta_before"])
    assert deltas[1] == pytest.approx(0.5 * deltas[0])
