"""`POST /v1/options:surface` over HTTP: figures, reasons, and what a broken request is told."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.surface_examples import SURFACE
from models.api.option_quotes import MAX_EXPIRIES
from models.api.option_surface import SurfaceAnswer
from services.options.svi import RawSvi, total_variance
from tests.support.http import client

PATH = "/v1/options:surface"
Body = dict[str, Any]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(**changes: Any) -> Body:
    return {**copy.deepcopy(SURFACE), **changes}


async def answered(http: httpx.AsyncClient, request: Body) -> Body:
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    SurfaceAnswer.model_validate(answer.json())
    found: Body = answer.json()
    return found


async def test_the_example_is_fitted_within_its_quotes(http: httpx.AsyncClient) -> None:
    found = await answered(http, body())
    assert (found["status"], found["detail"], found["method"], found["underlying"]) == ("ok", None, "svi", "BTC-USD")
    assert [row["method_used"] for row in found["slices"]] == ["svi"] * 3
    assert [row["inside_bid_ask"] for row in found["slices"]] == [1.0] * 3
    assert [row["atm_volatility"] for row in found["slices"]] == pytest.approx([0.46, 0.48, 0.50], abs=0.002)
    assert all(row["rr25"] < 0.0 < row["bf25"] for row in found["slices"])
    assert all(row["model_free_volatility"] > row["atm_volatility"] for row in found["slices"])
    assert [row["reason"] for row in found["dropped"]] == ["crossed", "no_bid", "stale", "expired"]
    assert [row["index"] for row in found["dropped"]] == [27, 28, 29, 30]
    assert set(found["reason_texts"]) == {"crossed", "no_bid", "stale", "expired"}
    assert found["audit"]["severity"] == "none"
    assert found["assumptions"] == []


async def test_points_are_those_of_the_parameters(http: httpx.AsyncClient) -> None:
    request = body()
    last = "2026-12-25T08:00:00Z"
    request["at"] = [
        {"expiry": last, "strike": "100000"},
        {"expiry": last, "delta": 0.5},
        {"expiry": last, "delta": -0.1},
    ]
    found = await answered(http, request)
    part = found["slices"][2]
    raw = RawSvi(**part["parameters"])
    strike, half, tenth = found["points"]
    assert strike["log_moneyness"] == pytest.approx(np.log(100_000 / 91_200))
    assert strike["total_variance"] == pytest.approx(float(total_variance(raw, strike["log_moneyness"])))
    assert strike["volatility"] == pytest.approx(np.sqrt(strike["total_variance"] / part["years"]))
    assert half["log_moneyness"] == pytest.approx(half["total_variance"] / 2.0)
    assert float(tenth["strike"]) < 91_200 < float(half["strike"])
    assert (tenth["extrapolated"], tenth["delta"]) == (False, -0.1)


async def test_a_grid_and_a_point_that_has_passed(http: httpx.AsyncClient) -> None:
    request = body(grid={"log_moneyness": [-0.2, 0.0, 0.2], "days": [5, 40]})
    request["at"] = [{"expiry": "2026-09-01T08:00:00Z", "strike": "90000"}]
    found = await answered(http, request)
    grid = np.array(found["grid"]["volatility"])
    assert grid.shape == (2, 3)
    assert np.all(grid[:, 1] < grid[:, [0, 2]].min(axis=1))
    assert found["grid"]["forward"][0] == "90150"
    assert (found["points"][0]["status"], found["points"][0]["volatility"]) == ("refused", None)


@pytest.mark.parametrize(("method", "used"), [("essvi", "essvi"), ("flat", "flat")])
async def test_other_methods(http: httpx.AsyncClient, method: str, used: str) -> None:
    found = await answered(http, body(surface={"method": method}))
    assert {row["method_used"] for row in found["slices"]} == {used}
    assert found["audit"]["severity"] == "none"


async def test_prices_in_coin_are_the_same_surface(http: httpx.AsyncClient) -> None:
    request = body(price_unit="base")
    for row in request["quotes"]:
        row["bid"], row["ask"] = (f"{float(row[side]) / float(row['forward']):.12f}" for side in ("bid", "ask"))
    coin, money = await answered(http, request), await answered(http, body())
    assert [row["atm_volatility"] for row in coin["slices"]] == pytest.approx(
        [row["atm_volatility"] for row in money["slices"]], rel=1e-5
    )


async def test_what_is_left_open_is_listed(http: httpx.AsyncClient) -> None:
    request = body()
    del request["discount"], request["max_age_seconds"], request["as_of"]
    found = await answered(http, request)
    assert {row["pointer"] for row in found["assumptions"]} >= {"/as_of", "/discount", "/max_age_seconds"}


async def test_without_a_usable_quote_it_is_refused_not_failed(http: httpx.AsyncClient) -> None:
    request = body()
    request["quotes"] = request["quotes"][27:]
    found = await answered(http, request)
    assert (found["status"], found["slices"], found["points"], found["audit"]) == ("refused", [], [], None)
    assert "crossed" in found["detail"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"quotes": []}, "/quotes"),
        ({"at": [{"expiry": "2026-12-25T08:00:00Z"}]}, "/at/0"),
        ({"at": [{"expiry": "2026-12-25T08:00:00Z", "strike": "1", "delta": 0.1}]}, "/at/0"),
        ({"surface": {"method": "sabr"}}, "/surface/method"),
        ({"surface": {"method": "svi", "wide_spread": 0}}, "/surface/wide_spread"),
        ({"as_of": "2126-01-01T00:00:00Z"}, "/as_of"),
        ({"grid": {"log_moneyness": [0.0], "days": []}}, "/grid/days"),
    ],
)
async def test_a_broken_request_is_told_where(http: httpx.AsyncClient, changes: Body, pointer: str) -> None:
    answer = await http.post(PATH, json=body(**changes))
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


async def test_five_thousand_quotes_are_answered_and_more_are_refused(http: httpx.AsyncClient) -> None:
    quote = body()["quotes"][0]
    answer = await http.post(PATH, json=body(quotes=[quote] * 5_001))
    assert answer.status_code == 422
    found = await answered(http, body(quotes=[quote] * 5_000))
    assert [row["method_used"] for row in found["slices"]] == ["flat"]
    assert len(found["dropped"]) == 4_999
    assert found["slices"][0]["reasons"] == ["few_strikes"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"surface": {"method": "svi", "wide_spread": 5e-324}}, "/surface/wide_spread"),
        ({"surface": {"method": "essvi", "wide_spread": 1e-9}}, "/surface/wide_spread"),
        ({"grid": {"log_moneyness": [0], "days": [5e-324]}}, "/grid/days/0"),
    ],
)
async def test_numbers_too_small_to_compute_with_are_told_where(
    http: httpx.AsyncClient, changes: Body, pointer: str
) -> None:
    answer = await http.post(PATH, json=body(**changes))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text


@pytest.mark.parametrize("method", ["svi", "essvi", "flat"])
async def test_a_volatility_of_nothing_is_a_bad_quote_not_a_bad_request(http: httpx.AsyncClient, method: str) -> None:
    request = body(surface={"method": method})
    request["quotes"][3]["implied_volatility"] = 5e-324
    found = await answered(http, request)
    assert {"index": 3, "reason": "volatility_out_of_range"} in found["dropped"]


async def test_more_expiries_than_can_be_fitted_are_refused(http: httpx.AsyncClient) -> None:
    days = [f"2027-{month:02}-{day:02}T08:00:00Z" for month in range(1, 8) for day in range(1, 11)]
    quotes = [{"expiry": day, "strike": "100", "right": "call", "forward": "100", "mark": "5"} for day in days]
    answer = await http.post(PATH, json=body(quotes=quotes))
    assert answer.status_code == 422
    assert "64 expiries" in answer.json()["detail"], answer.text
    assert (await http.post(PATH, json=body(quotes=quotes[:MAX_EXPIRIES]))).json()["status"] == "ok"
