"""Add-ons that read the size of a market, over HTTP: figures, what is unknown, replay, the doors of one market."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import requests
from tests.support.http import client

Body = dict[str, Any]
RAMP: Body = {"method": "oi_ramp", "lower": 20e6, "upper": 50e6}
LINEAR: Body = {"method": "oi_linear", "per_notional": 1e-8}
IMPACT: Body = {"method": "impact", "coefficient": 0.1}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(addon: Body | None, flow: Body | None, **changes: Any) -> Body:
    margin: Body = {"model": {"method": "sigma_multiple"}, **({"size_addon": addon} if addon else {})}
    posted = [] if flow is None else [{"symbol": "BTC-PERP", "as_of": requests.AS_OF, **flow}]
    return requests.smallest(policy={"margin": margin}, signals=None, flow=posted, **changes)


async def row(http: httpx.AsyncClient, request: Body) -> tuple[Body, Body]:
    answer = await http.post("/v1/margin", json=request)
    assert answer.status_code == 200, answer.text
    found: Body = answer.json()
    replay = (await http.post(f"/v1/evaluations/{found['evaluation_id']}:replay")).json()
    assert (replay["differences"], replay["match"]) == ([], True)
    return found["margin"]["current"]["per_position"][0], found


async def test_open_interest_and_volume_come_from_flow(http: httpx.AsyncClient) -> None:
    plain, _ = await row(http, body(None, None))
    price, base = requests.closes()[-1], plain["rate_initial"]
    interest = 35e6 / price
    ramp, _ = await row(http, body(RAMP, {"open_interest": f"{interest:.8f}"}))
    assert ramp["rate_initial"] == pytest.approx(base + 0.5 * (1.0 - base), rel=1e-7)
    linear, _ = await row(http, body(LINEAR, {"open_interest": "35000000", "quantity_unit": "quote"}))
    assert linear["rate_initial"] == pytest.approx(max(base, 0.35), rel=1e-7)
    impact, _ = await row(http, body(IMPACT, {"average_daily_volume": "85"}))
    assert impact["rate_initial"] == pytest.approx(base + 0.1 * (0.85 / 85.0) ** 0.5, rel=1e-7)
    assert ramp["maintenance"] == linear["maintenance"] == plain["maintenance"]
    assert float(impact["maintenance"]) == pytest.approx(0.6 * float(impact["initial"]), rel=1e-7)


@pytest.mark.parametrize(
    ("addon", "field"), [(RAMP, "open_interest"), (LINEAR, "open_interest"), (IMPACT, "average_daily_volume")]
)
async def test_what_is_unknown_asks_the_most_and_says_so(http: httpx.AsyncClient, addon: Body, field: str) -> None:
    plain, _ = await row(http, body(None, None))
    for flow in (None, {"order_flow_imbalance": 0.1}):
        found, answer = await row(http, body(addon, flow))
        assert found["rate_initial"] == 1.0
        assert found["maintenance"] == plain["maintenance"]
        (told,) = [item for item in answer["assumptions"] if item["pointer"] == "/flow"]
        assert told["value"] == addon["method"]
        assert f"no {field} was sent" in told["effect"]
        assert "BTC-PERP" in told["effect"]


async def test_a_target_is_bound_by_the_rate_of_its_market(http: httpx.AsyncClient) -> None:
    """Half a ramp: IM of the target is within the limit, and a smaller book than without it."""
    sizing = {"method": "volatility_target", "target_volatility": 3.0}
    limits = {"max_leverage": 20, "max_margin_use": 0.8, "min_liquidation_distance": 0.0}
    interest = {"symbol": "BTC-PERP", "as_of": requests.AS_OF, "quantity_unit": "quote", "open_interest": "35000000"}
    found = {}
    for name, addon in (("plain", {"method": "none"}), ("ramp", RAMP)):
        policy = {"sizing": sizing, "limits": limits, "margin": {"size_addon": addon}}
        answer = (await http.post("/v1/evaluations", json=requests.smallest(policy=policy, flow=[interest]))).json()
        assert answer["margin"]["target"]["initial_to_equity"] <= 0.8 + 1e-9
        found[name] = float(answer["targets"][0]["target_quantity"])
    assert 0.0 < found["ramp"] < 0.5 * found["plain"]


async def test_doors_of_one_market_read_the_same_figures(http: httpx.AsyncClient) -> None:
    request: Body = {
        "as_of": "2019-10-18T00:00:05Z",
        "symbol": "COIN",
        "instrument": {"symbol": "COIN", "kind": "linear", "lot": "0.1"},
        "mark_price": "100",
        "volatility": 0.8,
        "account": {"equity": "10000", "collateral": "quote"},
    }
    flow = {"symbol": "COIN", "as_of": "2019-10-18T00:00:05Z", "open_interest": "350000"}
    blind = (await http.post("/v1/margin:max-position", json={**request, "margin": {"size_addon": RAMP}})).json()
    seen = (
        await http.post("/v1/margin:max-position", json={**request, "margin": {"size_addon": RAMP}, "flow": flow})
    ).json()
    plain = (await http.post("/v1/margin:max-position", json=request)).json()
    assert float(blind["long"]["quantity"]) == 80.0
    assert [item["value"] for item in blind["assumptions"] if item["pointer"] == "/flow"] == ["oi_ramp"]
    rate = 8_000.0 / (100.0 * float(plain["long"]["quantity"]))
    assert 8_000.0 / (100.0 * float(seen["long"]["quantity"])) == pytest.approx(rate + 0.5 * (1.0 - rate), rel=2e-3)
    other = {**request, "flow": {**flow, "symbol": "OTHER"}}
    assert (await http.post("/v1/margin:max-position", json=other)).status_code == 422
    market = {"symbol": "COIN", "mark_price": "100", "volatility": 0.8}
    batch: Body = {"as_of": "2024-01-05T08:00:00Z", "accounts": ["a"], "equity": [1e4], "quantities": [[10]]}
    known = {**batch, "markets": [{**market, "open_interest": "350000"}], "margin": {"size_addon": RAMP}}
    unknown = {**batch, "markets": [market], "margin": {"size_addon": RAMP}}
    half = (await http.post("/v1/margin:batch", json=known)).json()
    most = (await http.post("/v1/margin:batch", json=unknown)).json()
    assert most["initial_margin"] == [1_000.0]
    assert half["initial_margin"][0] == pytest.approx(1_000.0 * (rate + 0.5 * (1.0 - rate)), rel=2e-3)
    assert [item["pointer"] for item in most["assumptions"]] == ["/markets"]
    assert half["maintenance_margin"] == most["maintenance_margin"]


async def test_a_ramp_that_falls_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/margin", json=body({**RAMP, "upper": 1e6}, None))
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/size_addon/upper"
    assert "must be > lower" in error["detail"]
