"""`POST /v1/margin:batch` over HTTP: the same as one account at a time, bad rows as outcomes, its larger body."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from app.margin_examples import BATCH
from models.api.margin_batch import MarginBatchAnswer
from services.margin.registry import MarginPolicy
from tests.support.http import client

JSON = dict[str, Any]
PATH = "/v1/margin:batch"


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


async def answered(http: httpx.AsyncClient, body: JSON | bytes) -> JSON:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    answer = await http.post(PATH, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text[:500]
    MarginBatchAnswer.model_validate_json(answer.content)
    return dict(answer.json())


async def test_the_example_has_each_status(http: httpx.AsyncClient) -> None:
    found = await answered(http, BATCH)
    policy = MarginPolicy()
    assert found["status"] == ["ok", "below_initial", "below_maintenance", "below_maintenance", "unknown"]
    assert found["counts"] == {"ok": 1, "below_initial": 1, "below_maintenance": 2, "deficit": 0, "unknown": 1}
    # No equity at all comes before little of it.
    assert [row["account"] for row in found["queue"]] == ["a4", "a3"]
    assert found["queue"][0]["ratio"] is None
    short = 0.6 * 43_120.0 * float(policy.rates([0.5]).short[0])
    assert found["initial_margin"][1] == pytest.approx(short, abs=1e-7)
    assert found["maintenance_margin"][1] == pytest.approx(0.6 * short, abs=1e-7)
    assert (found["ratio"][4], found["ratio"][3]) == (None, None)
    assert [(row["account"], row["reason"]) for row in found["unknown"]] == [("a5", "unusable_data")]


async def test_a_batch_is_one_account_at_a_time(http: httpx.AsyncClient) -> None:
    generator = np.random.default_rng(5)
    accounts, markets = 60, 4
    held = generator.normal(size=(markets, accounts)).round(3)
    body: JSON = {
        "as_of": "2024-01-05T08:00:00Z",
        "markets": [
            {"symbol": f"M{place}", "mark_price": 100 + place, "volatility": 0.3 + place / 10, "netting_offset": 0.6}
            for place in range(markets)
        ],
        "accounts": [f"a{place}" for place in range(accounts)],
        "equity": generator.uniform(10.0, 200.0, accounts).tolist(),
        "quantities": held.tolist(),
    }
    for preset in (None, "derive_pmrm2", "span16", "regime"):
        together = await answered(http, body | {"preset": preset})
        for place in range(0, accounts, 13):
            columns = {name: body[name][place : place + 1] for name in ("accounts", "equity")}
            alone = await answered(
                http, body | columns | {"preset": preset, "quantities": held[:, place : place + 1].tolist()}
            )
            for name in ("initial_margin", "maintenance_margin", "ratio"):
                assert together[name][place] == pytest.approx(alone[name][0], rel=1e-12), name
            assert together["status"][place] == alone["status"][0]


async def test_a_scenario_batch_is_the_scenario_margin_of_the_account(http: httpx.AsyncClient) -> None:
    body: JSON = {
        "as_of": "2024-01-05T08:00:00Z",
        "preset": "regime",
        "markets": [
            {"symbol": "A", "mark_price": "50", "volatility": 0.9, "netting_offset": 0.6},
            {"symbol": "B", "mark_price": "20", "volatility": 0.4, "netting_offset": 0.6},
        ],
        "accounts": ["one"],
        "equity": [1000],
        "quantities": [[3], [-5]],
    }
    single = {
        "as_of": body["as_of"],
        "currency": "USD",
        "preset": "regime",
        "cash": "1000",
        "positions": [
            {"kind": "linear", "symbol": name, "underlying": name, "quantity": size, "mark_price": price}
            for name, size, price in (("A", "3", "50"), ("B", "-5", "20"))
        ],
        "underlyings": [
            {"underlying": name, "spot": price, "volatility": sigma, "netting_offset": 0.6}
            for name, price, sigma in (("A", "50", 0.9), ("B", "20", 0.4))
        ],
    }
    found = await answered(http, body)
    answer = (await http.post("/v1/margin:scenario", json=single)).json()
    assert found["initial_margin"][0] == pytest.approx(float(answer["initial_margin"]), abs=2e-8)
    assert found["maintenance_margin"][0] == pytest.approx(float(answer["maintenance_margin"]), abs=2e-8)


async def test_bad_rows_and_markets_leave_the_others_alone(http: httpx.AsyncClient) -> None:
    markets = [
        {"symbol": "A", "mark_price": 10, "volatility": 0.5},
        {"symbol": "B", "volatility": 0.5},
        {"symbol": "C"},
    ]
    names = ["fine", "text", "flag", "huge", "no_price", "no_volatility", "flat", "owes"]
    body: JSON = {
        "as_of": "2024-01-05T08:00:00Z",
        "markets": [markets[0], markets[1], markets[2] | {"mark_price": 5}],
        "accounts": names,
        "equity": [100, "100", 100, 100, 100, 100, 100, -1],
        "quantities": [[1, 1, True, 1e16, 0, 0, 0, 0], [0, 0, 0, 0, 2, 0, 0, 0], [0, 0, 0, 0, 0, 3, 0, 0]],
    }
    found = await answered(http, body)
    assert found["status"] == ["ok", *["unknown"] * 5, "ok", "deficit"]
    assert [row["reason"] for row in found["unknown"]] == [
        *["unusable_data"] * 3,
        "price_required",
        "volatility_unavailable",
    ]
    assert found["queue"] == []
    assert (found["initial_margin"][6], found["ratio"][6]) == (0, 0)
    assert [row["code"] for row in found["warnings"]] == ["margin_unknown"]
    netted = await answered(http, body | {"preset": "span16"})
    assert netted["status"] == ["ok", *["unknown"] * 4, "ok", "ok", "deficit"]
    assert (await answered(http, body | {"preset": "regime"}))["status"] == found["status"]


async def test_its_body_may_be_four_times_as_large(http: httpx.AsyncClient) -> None:
    limits = (await http.get("/v1/limits")).json()
    assert limits["max_batch_body_bytes"] == 4 * limits["max_body_bytes"]
    large = orjson.dumps(BATCH)[:-1] + b" " * limits["max_body_bytes"] + b"}"
    assert (await answered(http, large))["counts"]["ok"] == 1
    headers = {"Content-Type": "application/json"}
    elsewhere = await http.post("/v1/margin:scenario", content=large, headers=headers)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (413, "body_too_large")
    larger = b" " * (limits["max_batch_body_bytes"] + 1)
    assert (await http.post(PATH, content=larger, headers=headers)).status_code == 413


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"equity": [1, 2]}, ""),
        ({"quantities": [[0] * 5]}, ""),
        ({"accounts": ["a1", "a1", "a3", "a4", "a5"]}, ""),
        ({"markets": [BATCH["markets"][0]] * 2}, ""),
        ({"preset": "deribit_like"}, "/preset"),
        ({"equity": "1"}, "/equity"),
        ({"as_of": "2199-01-01T00:00:00Z"}, "/as_of"),
    ],
)
async def test_mistakes_in_shape_are_named(http: httpx.AsyncClient, changes: JSON, pointer: str) -> None:
    answer = await http.post(PATH, json=BATCH | changes)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
