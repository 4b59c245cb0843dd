"""`POST /v1/options:greeks` and `:implied-volatility` over HTTP: figures, units, rows refused beside good ones."""

from __future__ import annotations

import copy
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.option_examples import GREEKS, IMPLIED_VOLATILITY
from models.api.implied_volatility import ImpliedVolatilityAnswer
from models.api.option_greeks import MAX_CONTRACTS, GreeksAnswer, OptionFigures
from services.options.black import black_price, delta_in_convention
from tests.support.http import client

JSON = dict[str, Any]
WEEK = 7 / 365
CALL: JSON = {"expiry": "2026-11-27T00:00:00Z", "forward": "50000", "strike": "52000", "right": "call"}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


async def greeks(http: httpx.AsyncClient, *contracts: JSON, **more: Any) -> JSON:
    body = {"as_of": GREEKS["as_of"], "contracts": list(contracts), **more}
    answer = await http.post("/v1/options:greeks", json=body)
    assert answer.status_code == 200, answer.text
    GreeksAnswer.model_validate_json(answer.content)
    return dict(answer.json())


async def inverted(http: httpx.AsyncClient, *contracts: JSON, **more: Any) -> JSON:
    body = {"as_of": GREEKS["as_of"], "contracts": list(contracts), **more}
    answer = await http.post("/v1/options:implied-volatility", json=body)
    assert answer.status_code == 200, answer.text
    ImpliedVolatilityAnswer.model_validate_json(answer.content)
    return dict(answer.json())


async def test_a_week_at_the_money_has_the_published_figures(http: httpx.AsyncClient) -> None:
    """The golden inverse option: 1656.948418 dollars, Black delta 0.516569484, hedge 0.483430516."""
    coin, linear = (await greeks(http, *GREEKS["contracts"]))["contracts"]
    assert float(coin["price"]) == pytest.approx(1656.948418, rel=1e-9)
    assert float(coin["price_base"]) == pytest.approx(1656.948418 / 50_000.0, rel=1e-9)
    assert (coin["delta"], coin["delta_hedge"]) == pytest.approx((0.516569484, 0.483430516), abs=1e-9)
    assert coin["position"]["delta_hedge"] == pytest.approx(4.83430516, abs=1e-8)
    assert (linear["price_base"], linear["position"]) == (None, None)
    assert linear["delta_hedge"] == linear["delta"]


@pytest.mark.parametrize("quantity", ["-10", "-0", "0"])
async def test_a_zero_has_no_sign(http: httpx.AsyncClient, quantity: str) -> None:
    """A put that cannot pay, sold: every Greek is a product with -1 somewhere."""
    put = {**CALL, "right": "put", "strike": "1", "implied_volatility": 0.1, "quantity": quantity}
    expired = {**put, "expiry": "2026-11-19T00:00:00Z"}
    body = {"as_of": GREEKS["as_of"], "contracts": [put, {**put, "settlement": "inverse"}, expired]}
    answer = await http.post("/v1/options:greeks", json=body)
    assert answer.json()["contracts"][0]["gamma"] == 0.0
    assert not re.search(r"-0(\.0)?[,}\]\"]", answer.text)


async def test_every_figure_has_a_unit(http: httpx.AsyncClient) -> None:
    found = await greeks(http, {**CALL, "implied_volatility": 0.6})
    assert set(OptionFigures.model_fields) <= set(found["units"])
    numbers = {name for name, value in found["contracts"][0].items() if type(value) in (int, float)}
    assert numbers <= set(found["units"])
    answer = await inverted(http, {**CALL, "price": "900"})
    numbers = {name for name, value in answer["contracts"][0].items() if type(value) in (int, float)}
    assert numbers <= set(answer["units"])


@pytest.mark.parametrize("convention", ["spot", "forward", "pa_spot", "pa_forward"])
async def test_delta_is_in_the_convention_asked_for(http: httpx.AsyncClient, convention: Any) -> None:
    contract = {**CALL, "implied_volatility": 0.6, "base_discount": 0.999}
    found = await greeks(http, contract, delta_convention=convention)
    terms = (50_000.0, 52_000.0, WEEK, 0.6, 1)
    expected = delta_in_convention(*terms, convention=convention, foreign_discount=0.999)
    assert found["contracts"][0]["delta"] == pytest.approx(float(expected), rel=1e-12)
    assert (found["delta_convention"], found["assumptions"]) == (convention, [])


async def test_limits_and_refusals_are_rows_beside_good_ones(http: httpx.AsyncClient) -> None:
    expired = {**CALL, "expiry": "2026-11-19T00:00:00Z", "strike": "45000", "implied_volatility": 0.6}
    rows = (
        await greeks(
            http,
            {**CALL, "implied_volatility": 0.6},
            expired,
            {**CALL, "strike": "45000", "implied_volatility": 0},
            {**CALL, "quantity": "2"},
        )
    )["contracts"]
    assert [(row["status"], row["reason"]) for row in rows] == [
        ("ok", "none"),
        ("expired", "expired"),
        ("degenerate", "zero_volatility"),
        ("refused", "volatility_required"),
    ]
    for row in rows[1:3]:
        assert (float(row["price"]), row["delta"], row["vega_per_point"]) == (5000.0, 1.0, 0.0)
    assert [rows[3][name] for name in OptionFigures.model_fields] == [None] * len(OptionFigures.model_fields)
    assert rows[3]["position"] is None


async def test_the_averaging_window_fades_a_position(http: httpx.AsyncClient) -> None:
    contract = {**CALL, "expiry": "2026-11-20T00:15:00Z", "strike": "45000", "implied_volatility": 0.6}
    plain, faded = (await greeks(http, contract, {**contract, "averaged_settlement": True}))["contracts"]
    assert (plain["settlement_factor"], faded["settlement_factor"]) == (1.0, pytest.approx(0.5))
    assert faded["delta"] == pytest.approx(plain["delta"] / 2.0)
    assert float(faded["price"]) == pytest.approx(float(plain["price"]) / 2.0)


async def test_what_is_left_open_is_listed_or_refused(http: httpx.AsyncClient) -> None:
    contract = {**CALL, "implied_volatility": 0.6, "quantity": "2"}
    found = await greeks(http, contract, delta_convention="spot")
    pointers = [item["pointer"] for item in found["assumptions"]]
    assert pointers == ["/contracts/0/base_discount", "/contracts/0/contract_multiplier"]
    now = await http.post("/v1/options:greeks", json={"contracts": [{**CALL, "implied_volatility": 0.6}]})
    assert [item["pointer"] for item in now.json()["assumptions"]] == ["/as_of"]
    strict = {"contracts": [contract], "as_of": GREEKS["as_of"], "options": {"strict": True}}
    refused = await http.post("/v1/options:greeks", json=strict)
    assert (refused.status_code, refused.json()["code"]) == (422, "assumptions_refused")


async def test_prices_of_greeks_give_their_volatility_back(http: httpx.AsyncClient) -> None:
    volatilities = [0.3, 0.6, 1.2]
    chain = [
        {**CALL, "strike": str(strike), "right": side, "settlement": settlement, "implied_volatility": volatility}
        for strike in (42_000, 50_000, 61_000)
        for side in ("call", "put")
        for settlement in ("linear", "inverse")
        for volatility in volatilities
    ]
    priced = (await greeks(http, *chain))["contracts"]
    posted = []
    for contract, row in zip(chain, priced, strict=True):
        price = row["price_base"] if contract["settlement"] == "inverse" else row["price"]
        rest = {key: value for key, value in contract.items() if key != "implied_volatility"}
        posted.append({**rest, "price": price})
    found = await inverted(http, *posted)
    assert [item["pointer"] for item in found["assumptions"]] == ["/contracts/3/price_unit"]
    for contract, row, back in zip(chain, priced, found["contracts"], strict=True):
        time_value = float(row["price"]) - max(
            (1 if contract["right"] == "call" else -1) * (50_000 - int(contract["strike"])), 0
        )
        if time_value > 1.0:  # the price has twelve digits
            assert back["implied_volatility"] == pytest.approx(contract["implied_volatility"], rel=1e-6)


async def test_quotes_are_inverted_side_by_side(http: httpx.AsyncClient) -> None:
    quoted, crossed, last = (await inverted(http, *IMPLIED_VOLATILITY["contracts"]))["contracts"]
    assert (quoted["status"], quoted["source"], quoted["price_used"]) == ("ok", "mark", "1655")
    low, used, high = (
        quoted["bid"]["implied_volatility"],
        quoted["implied_volatility"],
        quoted["ask"]["implied_volatility"],
    )
    assert low < used < high
    assert float(black_price(50_000.0, 50_000.0, WEEK, used, 1)) == pytest.approx(1655.0, rel=1e-12)
    assert (crossed["status"], crossed["reason"], crossed["implied_volatility"]) == ("refused", "crossed", None)
    assert (last["status"], last["source"], last["bid"]) == ("ok", "price", None)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({}, "refused", "missing"),
        ({"bid": "10", "ask": "9"}, "refused", "crossed"),
        ({"bid": "0", "ask": "9"}, "refused", "zero_bid"),
        ({"bid": "10"}, "refused", "one_sided"),
        ({"price": "900", "mark": "900"}, "refused", "price_and_quote"),
        ({"price": "51000"}, "refused", "above_maximum"),
        ({"price": "-1"}, "refused", "below_intrinsic"),
        ({"price": "4000", "strike": "45000"}, "refused", "below_intrinsic"),
        ({"price": "5000", "strike": "45000"}, "degenerate", "no_time_value"),
        ({"price": "49999"}, "refused", "above_limit"),
        ({"price": "900", "expiry": "2026-11-19T00:00:00Z"}, "expired", "expired"),
        ({"bid": "4990", "ask": "5400", "strike": "45000"}, "ok", "none"),
    ],
)
async def test_a_bad_quote_has_a_reason_and_its_neighbour_an_answer(
    http: httpx.AsyncClient, change: JSON, status: str, reason: str
) -> None:
    bad, good = (await inverted(http, {**CALL, **change}, {**CALL, "price": "900"}))["contracts"]
    assert (bad["status"], bad["reason"], good["status"]) == (status, reason, "ok")
    assert (bad["implied_volatility"] is None) == (status in ("refused", "expired"))
    assert (bad["detail"] is None) == (status == "ok")
    if change.get("bid") == "4990":
        assert bad["bid"] == {"implied_volatility": 0.0, "reason": "below_intrinsic"}


async def test_broken_requests_are_taught(http: httpx.AsyncClient) -> None:
    async def code(path: str, body: JSON) -> tuple[int, str]:
        answer = await http.post(path, json=body)
        return answer.status_code, answer.json()["errors"][0]["pointer"]

    bad = copy.deepcopy(GREEKS)
    bad["contracts"][1]["right"] = "straddle"
    assert await code("/v1/options:greeks", bad) == (422, "/contracts/1/right")
    assert await code("/v1/options:greeks", {"contracts": []}) == (422, "/contracts")
    future = {**IMPLIED_VOLATILITY, "as_of": "2199-01-01T00:00:00Z"}
    assert await code("/v1/options:implied-volatility", future) == (422, "/as_of")


async def test_a_request_may_be_as_large_as_it_says(http: httpx.AsyncClient) -> None:
    """Every field at its extremes: numbers or null, never a fault."""
    contracts = [
        {**CALL, "forward": forward, "strike": strike, "implied_volatility": 10, "quantity": "99999999999999999999"}
        for forward in ("0.000000000000000001", "99999999999999999999")
        for strike in ("0.000000000000000001", "99999999999999999999")
    ]
    found = await greeks(http, *contracts, *[{**CALL, "implied_volatility": 0.6}] * (MAX_CONTRACTS - 4))
    assert len(found["contracts"]) == MAX_CONTRACTS
    assert np.isfinite([row["delta"] for row in found["contracts"]]).all()
    over = {"as_of": GREEKS["as_of"], "contracts": [{**CALL, "implied_volatility": 0.6}] * (MAX_CONTRACTS + 1)}
    assert (await http.post("/v1/options:greeks", json=over)).status_code == 422
