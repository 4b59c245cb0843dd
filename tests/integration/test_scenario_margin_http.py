"""`POST /v1/margin:scenario` over HTTP: the examples, the slow reference, overrides, assumptions, broken requests."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.margin_examples import REGIME, SCENARIO
from models.api.scenario_margin import ScenarioMarginAnswer
from tests.support.http import client
from tests.support.scenario_books import reference_parameters
from tests.support.scenario_reference import reference_margin

PATH = "/v1/margin:scenario"
Body = dict[str, Any]
SECONDS = 21 * 86_400.0
"""To expiry, in the example."""


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(**changes: Any) -> Body:
    return {**copy.deepcopy(SCENARIO), **changes}


def one_underlying(**changes: Any) -> Body:
    """The example without its second underlying."""
    full = body()
    return {**full, "positions": full["positions"][:3], "underlyings": full["underlyings"][:1], **changes}


async def answered(http: httpx.AsyncClient, request: Body) -> Body:
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    ScenarioMarginAnswer.model_validate(answer.json())
    found: Body = answer.json()
    return found


def reference(stable: float = 1.0, confidence: float = 1.0) -> Body:
    portfolio = {
        "cash": 40_000.0,
        "spot": 43_100.0,
        "spot_conf": confidence,
        "stable": stable,
        "feeds": [{"expiry_s": SECONDS, "forward": 43_250.0, "rate": -np.log(0.998) / (21 / 365)}],
        "options": [
            {"expiry_s": SECONDS, "strike": 40_000.0, "type": "put", "qty": -2.0, "vol": 0.66},
            {"expiry_s": SECONDS, "strike": 48_000.0, "type": "call", "qty": -2.0, "vol": 0.68},
        ],
        "perp_qty": -0.3,
        "perp_price": 43_120.0,
        "perp_upnl": 85.0,
        "funding": -4.0,
        "collateral": [
            {"amount": 0.5, "price": 43_100.0, "mm_haircut": 0.05, "im_haircut": 0.02, "risk_cancelling": True}
        ],
    }
    return reference_margin(portfolio, reference_parameters())


@pytest.mark.parametrize(("stable", "confidence"), [(1.0, 1.0), (0.95, 0.4)])
async def test_agrees_with_the_slow_reference(http: httpx.AsyncClient, stable: float, confidence: float) -> None:
    request = one_underlying(stable_price=str(stable))
    request["underlyings"][0]["spot_confidence"] = confidence
    found, expected = await answered(http, request), reference(stable, confidence)
    np.testing.assert_allclose(found["scenario_pnl"], expected["scenario_pnl"], rtol=1e-7, atol=1e-6)
    assert float(found["net_initial"]) == pytest.approx(expected["net_im"], rel=1e-9)
    assert float(found["net_maintenance"]) == pytest.approx(expected["net_mm"], rel=1e-9)
    assert float(found["equity"]) == pytest.approx(expected["equity"], rel=1e-9)
    assert found["worst"] == pytest.approx(expected["worst"], rel=1e-7)


async def test_the_documented_example(http: httpx.AsyncClient) -> None:
    found = await answered(http, SCENARIO)
    assert (found["bound"], found["overridden"], found["warnings"]) == ("scenario", [], [])
    initial = float(found["scenario_initial"]) + sum(
        float(one["initial"]) + float(one["maintenance"]) for one in found["charges"]
    )
    assert float(found["initial_margin"]) == pytest.approx(initial, abs=1e-6)
    assert float(found["net_initial"]) == pytest.approx(float(found["equity"]) - initial, abs=1e-6)
    worst = found["worst_scenarios"]
    assert len(worst) == 3
    assert worst[0]["index"] == found["scenario"]
    assert [one["pnl"] for one in worst] == sorted(found["scenario_pnl"])[:3]
    for one in worst:
        assert sum(part["pnl"] for part in one["underlyings"]) + one["netting"] == pytest.approx(one["pnl"], rel=1e-6)
        for part in one["underlyings"]:
            origins = sum(part[name] for name in ("delta", "gamma", "vega", "discount", "residual"))
            assert origins == pytest.approx(part["pnl"], rel=1e-6, abs=1e-4)
            options = sum(item["pnl"] for item in part["by_expiry"])
            assert options + part["linear"] + part["collateral"] == pytest.approx(part["pnl"], rel=1e-6, abs=1e-4)
    assert worst[0]["underlyings"][0]["by_expiry"][0]["expiry"].startswith("2024-01-26T08:00:00")


async def test_the_price_range_follows_volatility(http: httpx.AsyncClient) -> None:
    found = await answered(http, REGIME)
    move = 4 * 0.9 * (2 / 365) ** 0.5
    assert found["underlyings"][0]["price_range"] == pytest.approx(move, rel=1e-7)
    assert found["worst"] == pytest.approx(-move * 22_660.0, rel=1e-7)


async def test_inverse_contracts_and_spot(http: httpx.AsyncClient) -> None:
    """4,312 contracts of 10 quote are one coin; spot beside it makes a book that nothing moves."""
    held = [
        {"kind": "inverse", "symbol": "I", "underlying": "BTC", "quantity": "-4312", "multiplier": "10"},
        {"kind": "spot", "symbol": "S", "underlying": "BTC", "quantity": "1"},
    ]
    request = one_underlying(positions=[one | {"mark_price": "43120"} for one in held], cash="0")
    request["underlyings"][0].pop("collateral")
    found = await answered(http, request)
    assert (found["bound"], found["worst"], found["equity"]) == ("none", 0.0, "43120")
    assert [one["kind"] for one in found["charges"]] == ["perpetuals"]
    assert "haircut 0" in [one["value"] for one in found["assumptions"]]


async def test_overrides_change_what_they_name(http: httpx.AsyncClient) -> None:
    scenarios = [{"range_multiple": -1.0}, {"move": -0.5, "volatility": "up", "damping": None}]
    overrides = {
        "price_range": 0.1,
        "scenarios": scenarios,
        "perpetual_maintenance": 0.0,
        "maintenance_factor": 0.5,
        "least_volatility_up": 0.0,
    }
    perpetual = body()["positions"][2] | {"quantity": "1", "unrealized_pnl": "0"}
    request = one_underlying(positions=[perpetual], overrides=overrides)
    request["underlyings"][0].pop("collateral")
    found = await answered(http, request)
    assert found["overridden"] == sorted(overrides)
    assert found["scenario_pnl"][:2] == [pytest.approx(-4_312.0), pytest.approx(-0.5 * 43_120.0 * 0.77 * 0.2)]
    assert float(found["maintenance_margin"]) == pytest.approx(0.5 * 4_312.0)
    assert float(found["initial_margin"]) == pytest.approx(4_312.0 + 431.0)


async def test_a_regime_for_any_preset(http: httpx.AsyncClient) -> None:
    request = {**copy.deepcopy(REGIME), "preset": "span16", "overrides": {"regime": {"multiple": 2.0, "most": 0.3}}}
    found = await answered(http, request)
    assert found["underlyings"][0]["price_range"] == pytest.approx(2 * 0.9 * (2 / 365) ** 0.5, rel=1e-7)


async def test_what_is_left_open_is_listed(http: httpx.AsyncClient) -> None:
    request = body(positions=body()["positions"])
    for name in ("as_of", "preset", "cash"):
        request.pop(name)
    for one in request["positions"][:2]:
        one["terms"].pop("discount")
        one["terms"]["settlement"] = "inverse"
        one["terms"]["expiry"] = "2199-01-26T08:00:00Z"
    request["underlyings"][1].pop("netting_offset")
    found = await answered(http, request)
    assert {one["pointer"] for one in found["assumptions"]} == {
        "/as_of",
        "/preset",
        "/cash",
        "/stable_price",
        "/underlyings/1/netting_offset",
        "/underlyings/0/spot_confidence",
        "/underlyings/1/spot_confidence",
        "/underlyings/0/collateral/0/price",
        "/positions",
    }


async def test_an_expired_option_is_its_pay_off(http: httpx.AsyncClient) -> None:
    option = copy.deepcopy(SCENARIO["positions"][1])
    option["terms"] |= {"expiry": "2024-01-05T07:00:00Z", "forward": "50000"}
    option["implied_volatility"] = None
    request = one_underlying(positions=[option], cash="10000")
    request["underlyings"][0].pop("collateral")
    found = await answered(http, request)
    assert (found["equity"], [one["code"] for one in found["warnings"]]) == ("6000", ["expired"])


async def test_markets_of_an_expiry_may_be_given_once(http: httpx.AsyncClient) -> None:
    request = one_underlying()
    request["positions"][0]["terms"]["forward"] = "43111"
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 422
    problem = answer.json()["errors"][0]
    assert problem["pointer"] == "/positions/1/terms/forward"
    assert "2024-01-26T08:00:00" in problem["detail"]
    expiry = {"expiry": "2024-01-26T08:00:00Z", "forward": "43250", "discount": 0.998, "confidence": 0.4}
    request["underlyings"][0]["expiries"] = [expiry]
    found = await answered(http, request)
    doubt = {one["kind"]: float(one["initial"]) for one in found["charges"]}["low_confidence"]
    assert doubt == pytest.approx(0.6 * 4 * 43_100.0)
    assert found["equity"] == (await answered(http, one_underlying()))["equity"]


async def test_a_large_book_is_as_many_small_ones(http: httpx.AsyncClient) -> None:
    position = body()["positions"][0]
    many = [{**position, "symbol": f"P{place}"} for place in range(2_000)]
    one = await answered(http, one_underlying(positions=[position | {"quantity": "-4000"}]))
    found = await answered(http, one_underlying(positions=many))
    np.testing.assert_allclose(found["scenario_pnl"], one["scenario_pnl"], rtol=1e-6)


async def test_nothing_is_recorded(http: httpx.AsyncClient) -> None:
    await answered(http, SCENARIO)
    assert "log_size 0.0" in (await http.get("/metrics")).text.splitlines()


def change(path: str, value: Any) -> Callable[[Body], None]:
    def edit(request: Body) -> None:
        place: Any = request
        *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        for part in parents:
            place = place[part]
        place[last] = value

    return edit


HAIRCUTS = {"amount": "1", "maintenance_haircut": 0.7, "initial_haircut": 0.7}
EXPIRY = {"expiry": "2024-01-26T08:00:00Z"}


@pytest.mark.parametrize(
    ("edit", "pointer", "words"),
    [
        (change("underlyings", []), "/underlyings", "at least 1"),
        (change("positions/1/symbol", "BTC-PERP"), "", "positions holds BTC-PERP more than once"),
        (change("positions/3/underlying", "SOL"), "", "underlyings must hold SOL"),
        (change("positions/0/kind", "future"), "/positions/0", "found 'future'"),
        (change("positions/0/terms/strike", "-1"), "/positions/0/terms/strike", "> 0"),
        (change("positions/0/implied_volatility", -0.1), "/positions/0", "> 0"),
        (change("positions/0/implied_volatility", None), "/positions/0/implied_volatility", "leave a risk out"),
        (change("underlyings/0/spot_confidence", 1.5), "/underlyings/0/spot_confidence", "<= 1"),
        (change("underlyings/0/collateral/0", HAIRCUTS), "/underlyings/0/collateral/0/initial_haircut", "at most 1"),
        (change("underlyings/0/expiries", [EXPIRY, EXPIRY]), "/underlyings/0/expiries", "every expiry once"),
        (change("preset", "regime"), "/underlyings/0/volatility", "the price range follows it"),
        (change("preset", "cme"), "/preset", "cme"),
        (change("overrides", {"scenarios": [{}] * 41}), "/overrides/scenarios", "40"),
        (change("overrides", {"scenarios": [{}] * 39}), "/overrides", "must number 1 to 40"),
        (change("overrides", {"maintenance_factor": 2.0}), "/overrides", "at most initial_factor"),
        (change("overrides", {"price_range": 0.1, "regime": {}}), "/overrides/price_range", "follows volatility"),
        (change("overrides", {"scenarios": [{"range_multiple": -9}]}), "/overrides", "must leave a price above 0"),
        (change("as_of", "2199-01-01T00:00:00Z"), "/as_of", "must not lie in the future"),
    ],
)
async def test_broken_requests_are_told_what_is_wrong(
    http: httpx.AsyncClient, edit: Callable[[Body], None], pointer: str, words: str
) -> None:
    request = body()
    edit(request)
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 422, answer.text
    problem = answer.json()["errors"][0]
    assert (problem["pointer"].startswith(pointer), words in problem["detail"]) == (True, True), problem
