"""Published parameters over HTTP: numbered, announced, moved in steps, found by time."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import margin_examples
from app.container import Container
from app.lifespan import open_container
from app.settings import Settings
from services.margin.haircuts import VolatilityHaircut
from services.margin.registry import MarginPolicy
from tests.integration.test_switches_http import SetClock
from tests.support import requests
from tests.support.http import client_of

NOW = datetime(2026, 11, 20, 0, 0, 5, tzinfo=UTC)
PUBLISH = margin_examples.PUBLISH
PATH = "/v1/parameters/BTC-PERP"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
async def http(tmp_path: Path, clock: SetClock) -> AsyncIterator[httpx.AsyncClient]:
    async with open_container(Settings(data_dir=tmp_path)) as found:
        container: Container = dataclasses.replace(found, clock=clock)
        async with client_of(container) as client:
            yield client


def scaled(factor: float, **changes: Any) -> dict[str, Any]:
    rates = {name: round(value * factor, 9) for name, value in PUBLISH["rates"].items()}
    return {**PUBLISH, "rates": rates, **changes}


async def publish(http: httpx.AsyncClient, body: dict[str, Any] = PUBLISH, path: str = PATH) -> dict[str, Any]:
    answer = await http.put(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refused(http: httpx.AsyncClient, body: dict[str, Any]) -> tuple[str, str]:
    answer = await http.put(PATH, json=body)
    assert answer.status_code == 422, answer.text
    (rule,) = answer.json()["errors"]
    return rule["pointer"], rule["detail"]


async def test_a_first_version_holds_at_once_and_the_next_after_its_notice(
    http: httpx.AsyncClient, clock: SetClock
) -> None:
    first = await publish(http)
    assert (first["version"], first["effective_at"]) == (1, "2026-11-20T00:00:05.000000Z")
    assert (first["rates"], first["max_notional"], first["inputs"]) == (PUBLISH["rates"], "25000000", None)
    second = await publish(http, scaled(1.2))
    assert (second["version"], second["effective_at"]) == (2, "2026-11-21T00:00:05.000000Z")
    found = (await http.get(PATH)).json()
    assert (found["in_force"]["version"], found["scheduled"]["version"]) == (1, 2)
    assert found["in_force"] == {key: first[key] for key in found["in_force"]}
    later = (await http.get(PATH, params={"as_of": "2026-11-21T00:00:05Z"})).json()
    assert (later["in_force"]["version"], later["scheduled"]) == (2, None)
    before = (await http.get(PATH, params={"as_of": "2026-11-19T00:00:00Z"})).json()
    assert (before["in_force"], before["scheduled"]["version"]) == (None, 1)
    clock.moment += timedelta(days=1)
    assert (await http.get(PATH)).json()["in_force"]["version"] == 2


async def test_what_moves_too_far_or_comes_too_soon_is_refused_with_what_is_allowed(http: httpx.AsyncClient) -> None:
    await publish(http)
    pointer, detail = await refused(http, scaled(1.3))
    assert pointer == "/rates/initial_long"
    assert "must lie within 0.0375 and 0.0625" in detail
    pointer, detail = await refused(http, scaled(1.1, effective_at="2026-11-20T12:00:00Z"))
    assert (pointer, "notice of 86400 s" in detail) == ("/effective_at", True)
    assert (await refused(http, {**PUBLISH, "max_leverage": 30}))[0] == "/max_leverage"
    without = {key: value for key, value in PUBLISH.items() if key != "max_notional"}
    assert (await refused(http, without))[0] == "/max_notional"
    assert (await refused(http, {**PUBLISH, "effective_at": "2026-11-19T00:00:00Z"}))[0] == "/effective_at"
    versions = (await http.get(f"{PATH}/versions")).json()["items"]
    assert [item["version"] for item in versions] == [1], "nothing refused is published"


async def test_an_emergency_tightens_at_once_and_loosens_nothing(http: httpx.AsyncClient) -> None:
    await publish(http)
    assert await refused(http, scaled(0.99, emergency=True)) == (
        "/rates/initial_long",
        "must be at least 0.05 in an emergency, which holds, found 0.0495",
    )
    urgent = await publish(http, scaled(4.0, emergency=True, max_leverage=5))
    assert (urgent["emergency"], urgent["effective_at"]) == (True, "2026-11-20T00:00:05.000000Z")
    assert (await http.get(PATH)).json()["in_force"]["version"] == 2
    assert "must lie within 0.15 and 0.25" in (await refused(http, {**PUBLISH, "max_leverage": 5}))[1]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({key: value for key, value in PUBLISH.items() if key != "rates"}, ""),
        ({**PUBLISH, "from_model": {}}, ""),
        ({key: value for key, value in PUBLISH.items() if key != "actor"}, "/actor"),
        ({**PUBLISH, "rates": {**PUBLISH["rates"], "initial_long": 5}}, "/rates/initial_long"),
        ({**PUBLISH, "rates": {**PUBLISH["rates"], "maintenance_long": 0.06}}, "/rates/maintenance_long"),
        ({**PUBLISH, "rates": {**PUBLISH["rates"], "haircut": None}}, "/rates/haircut"),
        ({**PUBLISH, "max_notional": "-1"}, "/max_notional"),
        ({**PUBLISH, "rules": {"notice": 5}}, "/rules/notice"),
        ({**PUBLISH, "notice": 5}, "/notice"),
    ],
)
async def test_mistakes_are_refused_where_they_stand(
    http: httpx.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    answer = await http.put(PATH, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await http.get(PATH)).json()["code"] == "not_found"
    assert (await http.get(f"{PATH}/versions")).status_code == 404


async def test_rates_of_the_model_are_those_of_the_library_and_say_what_they_are_made_of(
    http: httpx.AsyncClient,
) -> None:
    pointer, detail = await refused(http, margin_examples.FROM_MODEL)
    assert (pointer, "POST /v1/observations" in detail) == ("/from_model", True)
    bars = [
        {"symbol": "BTC-PERP", "interval": "P1D", "close_time": f"{NOW.date() - timedelta(days=age)}T00:00:00Z"}
        for age in range(299, -1, -1)
    ]
    closes = zip(bars, requests.closes(), strict=True)
    fed = await http.post("/v1/observations", json={"observations": [{**bar, "close": price} for bar, price in closes]})
    assert fed.status_code == 200, fed.text
    sizing = {"method": "volatility_target", "target_volatility": 0.2}
    policy = {"sizing": sizing, "margin": {"maintenance_fraction": 0.5}}
    await http.post("/v1/policies", json={"policy_id": "desk", "policy": policy})
    wanted = {**margin_examples.FROM_MODEL, "from_model": {"policy": {"id": "desk"}, "haircut_floor": 0.05}}
    made = await publish(http, wanted)
    volatility = (await http.get("/v1/volatility", params={"symbol": "BTC-PERP"})).json()["readout"]["volatility"]
    assert made["inputs"]["volatility"] == volatility
    rates = MarginPolicy(maintenance_fraction=0.5).rates([volatility], venue_floor=1 / 20)
    cut = VolatilityHaircut().haircuts([volatility], floor=0.05).initial[0]
    for side, rate in (("long", rates.long[0]), ("short", rates.short[0])):
        published = made["rates"][f"initial_{side}"]
        assert 0.0 <= published - rate < 2e-6, "rounded up"
        assert 0.0 <= made["rates"][f"maintenance_{side}"] - 0.5 * published <= 1e-6
    assert 0.0 <= made["rates"]["haircut"] - cut < 2e-6
    assert (made["inputs"]["method_used"], made["inputs"]["policy"]["version"]) == ("sigma_multiple", 1)


async def test_reads_can_be_conditional_and_history_comes_in_pages(http: httpx.AsyncClient, clock: SetClock) -> None:
    await publish(http)
    tag = (await http.get(PATH)).headers["ETag"]
    assert (await http.get(PATH, headers={"If-None-Match": tag})).status_code == 304
    for factor in (1.1, 1.2):
        await publish(http, scaled(factor))
    assert (await http.get(PATH, headers={"If-None-Match": tag})).status_code == 200, "another one is scheduled"
    tag = (await http.get(PATH)).headers["ETag"]
    clock.moment += timedelta(days=1)
    assert (await http.get(PATH, headers={"If-None-Match": tag})).status_code == 200, "another one holds"
    page = (await http.get(f"{PATH}/versions", params={"limit": 2})).json()
    rest = (await http.get(f"{PATH}/versions", params={"limit": 2, "after": page["next"]})).json()
    assert [item["version"] for item in page["items"] + rest["items"]] == [1, 2, 3]
    assert rest["next"] is None


async def test_a_market_is_a_symbol_and_a_repeat_with_the_same_key_publishes_nothing(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "one"}
    path = "/v1/parameters/BTC%2FUSDT%3AUSDT"
    first = await http.put(path, json=PUBLISH, headers=headers)
    again = await http.put(path, json=PUBLISH, headers=headers)
    assert (again.content, first.json()["market"]) == (first.content, "BTC/USDT:USDT")
    assert len((await http.get(f"{path}/versions")).json()["items"]) == 1
    entries = (await http.get("/v1/audit/entries", params={"kind": "parameters"})).json()["items"]
    assert [entry["event_id"] for entry in entries] == [first.json()["event_id"]]
    for bad in ("a%20b", "x%2Fversions", "%C3%A9", "a" * 65):
        answer = await http.put(f"/v1/parameters/{bad}", json=PUBLISH)
        assert answer.status_code in (405, 422), answer.text
        if answer.status_code == 422:
            assert answer.json()["errors"][0]["pointer"] == "path:market"


async def test_a_time_is_a_date_and_versions_is_no_market(http: httpx.AsyncClient) -> None:
    seconds = await http.get("/v1/parameters/BTC-PERP", params={"as_of": "0.5"})
    assert (seconds.status_code, seconds.json()["errors"][0]["pointer"]) == (422, "query:as_of")
    assert (await http.put("/v1/parameters/BTC-PERP/versions", json={})).status_code == 405
