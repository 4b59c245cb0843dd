"""`POST /v1/options:price-ladder` over HTTP: ladders, Greeks, explained profit, what is left out, broken requests."""

from __future__ import annotations

import copy
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.book_examples import PRICE_LADDER
from app.examples import HEDGES
from models.api.option_book import PriceLadderAnswer
from services.options.black import black_greeks, black_price
from tests.support.http import client

PATH = "/v1/options:price-ladder"
Body = dict[str, Any]
YEARS = 14 / 365
"""To expiry, in the example."""


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(**changes: Any) -> Body:
    return {**copy.deepcopy(PRICE_LADDER), **changes}


async def answered(http: httpx.AsyncClient, request: Body) -> Body:
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    PriceLadderAnswer.model_validate(answer.json())
    found: Body = answer.json()
    return found


async def test_the_documented_example(http: httpx.AsyncClient) -> None:
    found = await answered(http, PRICE_LADDER)
    bitcoin, ether = found["underlyings"]
    assert (found["status"], found["left_out"], found["expanded"]) == ("ok", [], [])
    call, put = (black_greeks(8_030.0, 8_000.0, YEARS, 0.55, right) for right in (1, -1))
    mark = float(call.price + put.price) / 8_030.0
    black = -10 * float(call.delta + put.delta) - 1_200 / 8_020.0
    assert bitcoin["greeks"]["delta_black"] == pytest.approx(black, rel=1e-6)
    assert bitcoin["net_delta_coin"] == pytest.approx(black + 10 * mark, rel=1e-6)
    assert bitcoin["net_delta_usd_view"] == pytest.approx(black + 10 * mark + 2.5, rel=1e-6)
    assert bitcoin["greeks"]["vega_per_point"] == pytest.approx(-0.1 * float(call.vega + put.vega), rel=1e-6)
    assert ether["greeks"]["delta_coin"] == found["liquidity"][0]["base"]
    assert found["liquidity"][0]["state"] == "in_range"
    assert found["liquidity"][0]["impermanent_loss"] < 0.0
    total = np.array(found["total"]["ladder"]["pnl"])
    parts = [np.array(item["ladder"]["pnl"]) for item in (bitcoin, ether)]
    np.testing.assert_allclose(total, sum(parts), rtol=1e-6, atol=1e-3)
    assert total.shape == (len(found["spot_shocks"]), len(found["volatility_shocks"])) == (9, 3)
    assert found["total"]["ladder"]["worst"]["pnl"] == total.min()
    beta = found["beta_weighted"]
    expected = bitcoin["greeks"]["delta_usd"] + 2.5 * 8_018.5 + 1.3 * ether["greeks"]["delta_usd"]
    assert beta["delta_usd"] == pytest.approx(expected, rel=1e-6)


async def test_a_cell_of_the_ladder_is_coin_at_the_shocked_price(http: httpx.AsyncClient) -> None:
    request = body(spot_shocks=[-0.2], volatility_shocks=[0.25])
    found = (await answered(http, request))["underlyings"][0]
    volatility = 0.55 * (1 + 0.25 * (30 / 14) ** 0.5)
    coin = 0.0
    for right in (1, -1):
        now = float(black_price(8_030.0, 8_000.0, YEARS, 0.55, right)) / 8_030.0
        then = float(black_price(6_424.0, 8_000.0, YEARS, volatility, right)) / 6_424.0
        coin -= 10 * (then - now)
    hedge = -1_200.0 * (1 / 8_020.0 - 1 / 6_416.0)
    assert found["ladder"]["pnl_coin"][0][0] == pytest.approx(coin + hedge, rel=1e-6)
    money = coin * 6_424.0 + hedge * 6_416.0 - 0.2 * 2.5 * 8_018.5
    assert found["ladder"]["pnl"][0][0] == pytest.approx(money, rel=1e-6)


async def test_profit_since_the_snapshot_adds_up(http: httpx.AsyncClient) -> None:
    explain = (await answered(http, PRICE_LADDER))["explain"]
    assert explain["complete"] is True
    everything = [explain["total"], *(item["lines"] for item in explain["underlyings"])]
    for lines in everything:
        assert sum(value for name, value in lines.items() if name != "total") == pytest.approx(lines["total"], abs=1e-9)
    bitcoin = explain["underlyings"][0]["lines"]
    assert (bitcoin["funding"], bitcoin["fees"]) == (12.5, -4.1)
    assert bitcoin["collateral"] == pytest.approx(2.5 * (8_018.5 - 8_153.5))
    coin = 0.0
    for right in (1, -1):
        now = float(black_price(8_030.0, 8_000.0, YEARS, 0.55, right)) / 8_030.0
        then = float(black_price(8_165.0, 8_000.0, 15 / 365, 0.53, right)) / 8_165.0
        coin -= 10 * (now - then)
    perpetual = -1_200.0 * (8_020.0 / 8_155.0 - 1)
    assert bitcoin["total"] == pytest.approx(coin * 8_030.0 + perpetual + 12.5 - 4.1 + bitcoin["collateral"])
    greeks = ("delta", "gamma", "vega", "theta", "vanna", "volga")
    assert abs(bitcoin["residual"]) < 0.05 * sum(abs(bitcoin[name]) for name in greeks)


async def test_trades_are_a_line_and_an_untold_one_is_an_assumption(http: httpx.AsyncClient) -> None:
    request = body()
    request["positions"][2] |= {"quantity": "-100", "trades": [{"quantity": "20", "price": "8100"}]}
    lines = (await answered(http, request))["explain"]["underlyings"][0]["lines"]
    assert lines["trades"] == pytest.approx(200 * (8_020.0 / 8_100.0 - 1))
    del request["positions"][2]["trades"]
    found = await answered(http, request)
    assert found["explain"]["underlyings"][0]["lines"]["trades"] == 0.0
    assert "/positions/2/trades" in [item["pointer"] for item in found["assumptions"]]


async def test_what_cannot_be_computed_is_left_out_with_its_reason(http: httpx.AsyncClient) -> None:
    request = body()
    blind, *rest = request["positions"]
    del blind["implied_volatility"]
    own: Body = {"kind": "own", "underlying": "BTC", "mark_price": "8020", "greeks": {"delta": 1.0}}
    ladder = {"spot_shocks": [0.5], "volatility_shocks": [0.0], "pnl": [[7.0]]}
    old = copy.deepcopy(rest[0]) | {"symbol": "OLD"}
    old["terms"]["expiry"] = "2019-10-17T00:00:00Z"
    strangers = [own | {"symbol": "OWN"}, own | {"symbol": "NODES", "ladder": ladder}, old]
    found = await answered(http, body(positions=[blind, *rest, *strangers]))
    assert found["status"] == "incomplete"
    assert [(item["symbol"], item["scope"], item["reason"]) for item in found["left_out"]] == [
        ("BTC-31OCT19-8000-C", "everything", "greeks_unavailable"),
        ("OLD", "everything", "expired"),
        ("NODES", "ladder", "scenario_missing"),
        ("BTC-31OCT19-8000-C", "explain", "greeks_unavailable"),
        ("OWN", "explain", "trades_unmatched"),
        ("NODES", "explain", "trades_unmatched"),
    ]
    assert "/positions/6/trades" in [item["pointer"] for item in found["assumptions"]]
    assert found["expanded"] == ["OWN"]
    assert [item["ladder"]["complete"] for item in found["underlyings"]] == [False, True]
    assert found["total"]["ladder"]["complete"] is False
    assert found["explain"]["complete"] is False


async def test_own_scenarios_are_added_at_their_nodes(http: httpx.AsyncClient) -> None:
    ladder = {"spot_shocks": [0.1, -0.1], "volatility_shocks": [0.0], "pnl": [[7.0], [-3.0]]}
    own = {
        "kind": "own",
        "symbol": "X",
        "underlying": "X",
        "mark_price": "10",
        "greeks": {"delta": 2},
        "ladder": ladder,
    }
    request = {"as_of": PRICE_LADDER["as_of"], "positions": [own], "spot_shocks": [-0.1], "volatility_shocks": [0.0]}
    found = await answered(http, request)
    assert found["underlyings"][0]["ladder"]["pnl"] == [[-3.0]]
    assert (found["expanded"], found["beta_weighted"], found["explain"]) == ([], None, None)
    assert found["underlyings"][0]["net_delta_coin"] == 2.0


async def test_an_evaluation_tells_the_same_greeks_and_hedges_by_them(http: httpx.AsyncClient) -> None:
    """The documented hedge: short calls and a perpetual, through the engine and through the ladder."""
    policy = {"sizing": {"method": "volatility_target", "target_volatility": 0.2}, **HEDGES["policy"]}
    made = (await http.post("/v1/evaluations", json={**HEDGES, "policy": policy})).json()
    (greeks,) = made["portfolio"]["greeks"]
    assert (greeks["underlying"], greeks["complete"], greeks["unknown"]) == ("BTC-PERP", True, [])
    assert greeks["net_delta_usd_view"] == made["hedges"][0]["delta_before"]
    option, perpetual = HEDGES["positions"]
    terms = {"strike": "9000", "expiry": "2019-12-27T08:00:00Z", "right": "call", "forward": option["forward_price"]}
    positions = [
        {"kind": "option", "symbol": "C", "underlying": "A", "quantity": "-10", "terms": terms}
        | {"implied_volatility": option["implied_volatility"]},
        {"kind": "linear", "symbol": "P", "underlying": "A", "quantity": "1", "mark_price": perpetual["mark_price"]},
    ]
    found = (await answered(http, {"as_of": HEDGES["as_of"], "positions": positions}))["underlyings"][0]
    assert found["net_delta_coin"] == greeks["net_delta_coin"]
    assert found["greeks"] == greeks["greeks"]


async def test_nothing_is_recorded(http: httpx.AsyncClient) -> None:
    await answered(http, PRICE_LADDER)
    assert "log_size 0.0" in (await http.get("/metrics")).text.splitlines()


async def test_a_large_book(http: httpx.AsyncClient) -> None:
    position = body()["positions"][0]
    many = [{**position, "symbol": f"P{place}"} for place in range(2_000)]
    one = await answered(http, body(positions=[position], previous=None))
    found = await answered(http, body(positions=many, previous=None))
    first, last = (np.array(item["underlyings"][0]["ladder"]["pnl_coin"]) for item in (one, found))
    np.testing.assert_allclose(last, 2_000 * first, rtol=1e-6)


def change(path: str, value: Any) -> Callable[[Body], None]:
    def edit(request: Body) -> None:
        place: Any = request
        *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        for part in parents:
            place = place[part]
        place[last] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "pointer", "words"),
    [
        (change("positions", []), "/positions", "at least 1"),
        (change("positions/1/symbol", "BTC-31OCT19-8000-C"), "", "positions holds BTC-31OCT19-8000-C more than once"),
        (change("positions/0/kind", "future"), "/positions/0", "found 'future'"),
        (change("positions/0/terms/strike", "0"), "/positions/0/terms/strike", "> 0"),
        (change("spot_shocks", [-1.0]), "/spot_shocks/0", "> -1"),
        (change("spot_shocks", [0.1, 0.1]), "/spot_shocks", "every shock once"),
        (change("spot_shocks", [place / 100 for place in range(100)]), "", "may hold 200 scenarios"),
        (
            change("positions/3/pool/upper_price", "100"),
            "/positions/3/pool/concentrated",
            "above lower_price",
        ),
        (change("previous/as_of", "2019-10-18T00:00:00Z"), "/previous/as_of", "must lie before as_of"),
        (change("as_of", "2199-01-01T00:00:00Z"), "/as_of", "must not lie in the future"),
        (change("underlyings/1", {"underlying": "NOWHERE", "collateral": "1"}), "/underlyings/1/price", "given"),
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


async def test_a_zero_has_no_sign(http: httpx.AsyncClient) -> None:
    """Neither where a short position earns nothing, nor in shocks that are sent back."""
    pool = {"kind": "concentrated", "liquidity": "10", "lower_price": "50", "upper_price": "60"}
    flat: Body = {"underlying": "ETH", "mark_price": "100", "quantity": "-0"}
    request = {
        "as_of": "2026-10-01T00:00:00Z",
        "positions": [
            {**flat, "kind": "linear", "symbol": "ETH-PERP", "fees": "-0"},
            {**flat, "kind": "liquidity", "symbol": "POOL", "quantity": "-1", "pool": pool, "volatility": 0.5},
        ],
        "spot_shocks": [-0.0, 0.1],
        "volatility_shocks": [-0.0],
        "stickiness": -0.0,
    }
    previous = {"as_of": "2026-09-30T00:00:00Z", "positions": request["positions"]}
    answer = await http.post(PATH, json={**request, "previous": previous})
    assert answer.json()["status"] == "ok", answer.text
    assert not re.search(r"-0(\.0)?[,}\]\"]", answer.text)


async def test_what_takes_long_leaves_the_event_loop(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not positions alone: underlyings, an earlier snapshot and ladders take time too."""
    threads = []

    async def to_thread(work: Callable[..., bytes], *given: Any) -> bytes:
        threads.append(work)
        return work(*given)

    monkeypatch.setattr("app.usecases.revalue_book.in_thread", to_thread)
    one = body()["positions"][:1]
    coins = [{"underlying": f"C{place}", "price": "1", "collateral": "1"} for place in range(60)]
    many = [{**one[0], "symbol": f"S{place}"} for place in range(60)]
    shocks = [place / 100.0 for place in range(40)]
    wide = {"spot_shocks": shocks, "volatility_shocks": [0, 0.1, 0.2, 0.3, 0.4]}
    plain = {"as_of": body()["as_of"], "positions": one}
    await answered(http, plain)
    assert threads == []
    before = {"as_of": "2019-10-16T08:00:00Z", "positions": many}
    for more in ({"underlyings": coins}, {"previous": before}, {"underlyings": coins[:20], **wide}):
        await answered(http, plain | more)
    assert len(threads) == 3


async def test_a_contract_size_that_is_left_open_is_said_to_be_assumed(http: httpx.AsyncClient) -> None:
    """An inverse contract of 10 dollars that is taken for one of 1 has a tenth of its delta."""
    perpetual = {"kind": "inverse", "symbol": "P", "underlying": "BTC", "quantity": "-120", "mark_price": "8020"}
    spot = {**perpetual, "kind": "spot", "symbol": "S"}
    request = {"as_of": body()["as_of"], "positions": [spot, perpetual]}
    told = {item["pointer"]: item for item in (await answered(http, request))["assumptions"]}
    assert told["/positions/1/multiplier"]["effect"] == "one contract is one unit of quote"
    request["positions"] = [spot, {**perpetual, "multiplier": "1"}]
    assert "multiplier" not in str((await answered(http, request))["assumptions"])
