"""`POST /v1/margin:reverse-stress` over HTTP: crossings put back into `:scenario`, what is assumed, what is refused."""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.margin_examples import REVERSE_STRESS
from models.api.reverse_stress import ReverseStressAnswer
from services.margin.liquidation import touch_probability
from tests.support.http import client

PATH = "/v1/margin:reverse-stress"
Body = dict[str, Any]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(**changes: Any) -> Body:
    return {**copy.deepcopy(REVERSE_STRESS), **changes}


async def answered(http: httpx.AsyncClient, request: Body) -> Body:
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    ReverseStressAnswer.model_validate(answer.json())
    found: Body = answer.json()
    return found


def moved(request: Body, crossing: Body, shift: float) -> Body:
    """The account as it is after a move, written as a request of `POST /v1/margin:scenario`."""
    ratios = {one["underlying"]: 1.0 + one["move"] for one in crossing["moves"]}
    changed = {name: value for name, value in request.items() if name not in ("correlation", "volatility_shifts")}
    cash = float(request["cash"])
    for item in changed["positions"]:
        ratio = ratios.get(item["underlying"], 1.0)
        if item["kind"] == "option":
            item["terms"]["forward"] = str(float(item["terms"]["forward"]) * ratio)
            item["implied_volatility"] *= 1.0 + shift
        else:
            price = float(item["mark_price"])
            cash += float(item["quantity"]) * price * (ratio - 1.0)
            item["mark_price"] = str(price * ratio)
    for item in changed["underlyings"]:
        item["spot"] = str(float(item["spot"]) * ratios.get(item["underlying"], 1.0))
    return {**changed, "cash": str(cash)}


async def test_a_crossing_put_back_meets_maintenance(http: httpx.AsyncClient) -> None:
    """The moved account, sent to the scenario door, has no more equity than maintenance to the digits of the answer."""
    found = await answered(http, body())
    for one in found["shifts"]:
        crossings = [one["nearest"]["crossing"], one["alone"][0]["down"], one["together"][1]["down"]]
        for crossing in crossings:
            request = moved(body(), crossing, one["volatility_shift"])
            margin = (await http.post("/v1/margin:scenario", json=request)).json()
            assert float(margin["equity"]) == pytest.approx(float(crossing["equity"]), abs=0.01)
            assert float(margin["net_maintenance"]) == pytest.approx(0.0, abs=0.01)


async def test_the_documented_example(http: httpx.AsyncClient) -> None:
    found = await answered(http, REVERSE_STRESS)
    calm, wild = found["shifts"]
    assert found["least_sigmas"] == wild["nearest"]["crossing"]["sigmas"] < calm["nearest"]["crossing"]["sigmas"]
    down = calm["alone"][0]["down"]
    assert down["sigmas"] == pytest.approx(-math.log1p(down["moves"][0]["move"]) / (0.62 / math.sqrt(365.0)), rel=1e-6)
    assert down["touch_probability"] == pytest.approx(
        touch_probability(43_100.0, down["moves"][0]["price"], 0.62), rel=1e-4
    )
    assert calm["together"][0]["down"]["touch_probability"] is None
    # A book that ETH alone cannot reach falls with it all the same.
    assert (calm["alone"][1]["down"], calm["status"]) == (None, "ok")
    assert calm["together"][1]["down"]["sigmas"] > calm["nearest"]["crossing"]["sigmas"]


async def test_what_is_assumed_is_listed(http: httpx.AsyncClient) -> None:
    request = body()
    for name in ("correlation", "volatility_shifts"):
        request.pop(name)
    found = await answered(http, request)
    pointers = {one["pointer"] for one in found["assumptions"]}
    assert {"/correlation", "/horizon_days", "/volatility_shifts", "/underlyings"} <= pointers
    assert [one["volatility_shift"] for one in found["shifts"]] == [0.0, 0.5, -0.3]
    assert all(one["together"] is None and one["nearest"] is None for one in found["shifts"])


async def test_an_account_without_options_is_looked_at_once(http: httpx.AsyncClient) -> None:
    request = body(positions=body()["positions"][2:])
    assert [one["volatility_shift"] for one in (await answered(http, request))["shifts"]] == [0.0]
    # Under a range that follows volatility a shift of it is a shift of the margin.
    regime = await answered(http, {**request, "preset": "regime"})
    calm, wild = regime["shifts"]
    assert float(wild["maintenance_margin"]) > float(calm["maintenance_margin"])


async def test_an_account_that_is_short_already(http: httpx.AsyncClient) -> None:
    found = await answered(http, body(cash="-30000"))
    assert [one["status"] for one in found["shifts"]] == ["liquidated", "liquidated"]
    assert found["least_sigmas"] == 0.0


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"correlation": [[1.0, 0.8]]}, ""),
        ({"correlation": [[1.0, 0.8], [0.7, 1.0]]}, "/correlation"),
        ({"correlation": [[1.0, 1.8], [1.8, 1.0]]}, "/correlation/0/1"),
        ({"max_sigmas": 100}, "/max_sigmas"),
        ({"volatility_shifts": [0.5, 0.5]}, ""),
        ({"volatility_shifts": []}, "/volatility_shifts"),
        ({"worst_count": 3}, "/worst_count"),
    ],
)
async def test_broken_requests_name_the_field(http: httpx.AsyncClient, changes: Body, pointer: str) -> None:
    answer = await http.post(PATH, json=body(**changes))
    assert answer.status_code == 422, answer.text
    assert pointer in [one["pointer"] for one in answer.json()["errors"]]


async def test_a_volatility_that_is_missing_is_named(http: httpx.AsyncClient) -> None:
    request = body()
    request["underlyings"][1].pop("volatility")
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/underlyings/1/volatility"
