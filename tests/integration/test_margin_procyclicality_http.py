"""Rules against procyclicality over HTTP: the state travels through every door, assumptions, refusals, replay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.api.evaluation import EvaluationResponse, MarginResponse, TargetsResponse
from tests.support import requests
from tests.support.http import client

Body = dict[str, Any]
RULES: Body = {"buffer": 0.25, "release": 0.03}
MODELS = {
    "/v1/evaluations": EvaluationResponse,
    "/v1/margin": MarginResponse,
    "/v1/targets": TargetsResponse,
}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(path: str, rules: Body | None = RULES, **changes: Any) -> Body:
    """The smallest request of a door; its margin is that of Student t on the series."""
    policy: Body = {"margin": {"model": {"method": "sigma_multiple"}, "procyclicality": rules}}
    if path in ("/v1/evaluations", "/v1/targets"):
        policy["sizing"] = {"method": "volatility_target", "target_volatility": 0.2}
    request = requests.smallest(policy=policy, **changes)
    return {**request, "signals": None} if path == "/v1/margin" else request


async def answered(http: httpx.AsyncClient, path: str, request: Body) -> Body:
    answer = await http.post(path, json=request)
    assert answer.status_code == 200, answer.text
    MODELS[path].model_validate(answer.json())
    found: Body = answer.json()
    replay = (await http.post(f"/v1/evaluations/{found['evaluation_id']}:replay")).json()
    assert (replay["differences"], replay["match"]) == ([], True)
    return found


@pytest.mark.parametrize("path", list(MODELS))
async def test_the_state_travels_through_every_door(http: httpx.AsyncClient, path: str) -> None:
    first = await answered(http, path, body(path))
    (memory,) = first["state"]["margins"]
    assert (memory["market"], memory["as_of"]) == ("BTC-PERP", first["as_of"])
    pointers = {item["pointer"]: item for item in first["assumptions"]}
    assert pointers["/previous/margins"]["value"] == "1.25 times the margin of the model"
    higher = [{**memory, "long": 2.0 * memory["long"], "as_of": "2026-11-19T00:00:05Z"}]
    second = await answered(http, path, body(path, previous={**first["state"], "margins": higher}))
    (after,) = second["state"]["margins"]
    assert after["long"] == pytest.approx(2.0 * 0.97 * memory["long"], rel=1e-7)
    assert after["short"] == memory["short"]
    assert "/previous/margins" not in {item["pointer"] for item in second["assumptions"]}


async def test_every_rate_says_what_it_was_made_of(http: httpx.AsyncClient) -> None:
    plain = await answered(http, "/v1/margin", body("/v1/margin", None))
    found = await answered(http, "/v1/margin", body("/v1/margin"))
    before = plain["margin"]["current"]["per_position"][0]
    row = found["margin"]["current"]["per_position"][0]
    assert "procyclicality" not in before
    assert "state" not in plain
    long = row["procyclicality"]["long"]
    assert long["model"] == before["rate_initial"]
    assert long["asked"] == row["rate_initial"] == pytest.approx(1.25 * long["model"], rel=1e-7)
    assert (long["stressed"], long["long_run"], long["before"]) == (None, None, None)
    assert float(row["initial"]) == pytest.approx(1.25 * float(before["initial"]), rel=1e-7)


async def test_the_margin_door_hands_on_what_it_was_given(http: httpx.AsyncClient) -> None:
    whole = await answered(http, "/v1/evaluations", body("/v1/evaluations"))
    found = await answered(http, "/v1/margin", body("/v1/margin", None, previous=whole["state"]))
    assert found["state"]["margins"] == whole["state"]["margins"]
    assert found["state"]["high_water_mark"] == whole["state"]["high_water_mark"]


async def test_bad_times_are_read_off_the_series_and_that_is_said(http: httpx.AsyncClient) -> None:
    rules = {"stress_weight": 0.25, "long_run_floor": True}
    found = await answered(http, "/v1/margin", body("/v1/margin", rules))
    long = found["margin"]["current"]["per_position"][0]["procyclicality"]["long"]
    mixed = 0.75 * long["model"] + 0.25 * long["stressed"]
    assert long["asked"] == pytest.approx(max(mixed, long["long_run"]), rel=1e-7)
    told = {item["pointer"]: item["value"] for item in found["assumptions"]}
    assert told["/policy/margin/procyclicality/stress_weight"] == "worst 250 bars of the series"
    assert told["/policy/margin/procyclicality/long_run_floor"] == "up to 10 years of the series"
    short = requests.series("BTC-PERP", close=requests.closes(count=40))
    few = await answered(http, "/v1/margin", body("/v1/margin", rules, series=[short]))
    told = {item["pointer"]: item["value"] for item in few["assumptions"]}
    assert told["/policy/margin/procyclicality/stress_weight"] == "0"
    assert told["/policy/margin/procyclicality/long_run_floor"] == "none"


async def test_strict_refuses_a_buffer_that_starts_full(http: httpx.AsyncClient) -> None:
    described = {"symbol": "BTC-PERP", "kind": "linear", "quote_currency": "USD", "underlying": "BTC"}
    answer = await http.post("/v1/margin", json=body("/v1/margin", instruments=[described], options={"strict": True}))
    assert answer.status_code == 422
    assert "/previous/margins" in {item["pointer"] for item in answer.json()["errors"]}


async def test_a_clock_that_goes_back_is_told(http: httpx.AsyncClient) -> None:
    memory = {"market": "BTC-PERP", "long": 0.9, "short": 0.9, "as_of": "2026-11-21T00:00:05Z"}
    found = await answered(http, "/v1/margin", body("/v1/margin", previous={"margins": [memory]}))
    assert [item["symbol"] for item in found["warnings"] if item["code"] == "margin_clock_backwards"] == ["BTC-PERP"]
    assert found["margin"]["current"]["per_position"][0]["rate_initial"] == 0.9
    (after,) = found["state"]["margins"]
    assert (after["long"], after["as_of"]) == (0.9, "2026-11-21T00:00:05.000000Z")


@pytest.mark.parametrize(
    ("margins", "pointer"),
    [
        ([{"market": "A", "long": -0.1, "short": 0.1, "as_of": requests.AS_OF}], "/previous/margins/0/long"),
        ([{"market": "A", "long": 0.1, "short": 0.1}], "/previous/margins/0/as_of"),
        ([{"market": "A", "long": 0.1, "short": 0.1, "as_of": requests.AS_OF}] * 2, "/previous/margins"),
    ],
)
async def test_a_memory_that_cannot_be_is_refused(http: httpx.AsyncClient, margins: list[Body], pointer: str) -> None:
    answer = await http.post("/v1/margin", json=body("/v1/margin", previous={"margins": margins}))
    assert answer.status_code == 422
    assert [item["pointer"] for item in answer.json()["errors"]] == [pointer]
