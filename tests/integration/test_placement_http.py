"""Schedules with venues, worst prices, pools, gamma and latency over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.examples import HEDGE_OVER_VENUES, PUBLIC_SWAP, SCALE_IN, SCHEDULE, VENUE_BOOK
from models.api.schedule import ScheduleAnswer
from services.hedging.latency import LatencyBuffer
from services.liquidity.constant_product import ConstantProductPool
from services.liquidity.depth import Side
from tests.support.http import client

JSON = dict[str, Any]
VENUES: list[JSON] = HEDGE_OVER_VENUES["venues"]
ONE_SLICE = {"method": "twap", "duration_seconds": 600, "slices": 1}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(tmp_path) as found:
        yield found


async def planned(http: httpx.AsyncClient, body: JSON, **changes: Any) -> JSON:
    """Answer of a legal request, which fits its model; None leaves a field out."""
    sent = {key: value for key, value in (body | changes).items() if value is not None}
    answer = await http.post("/v1/schedules", json=sent)
    assert answer.status_code == 200, answer.text
    ScheduleAnswer.model_validate_json(answer.content)
    return dict(answer.json())


def by_venue(answer: JSON) -> dict[str, JSON]:
    return {row["venue"]: row for row in answer["venues"]}


def book(symbol: str = "BTC-PERP", **changes: Any) -> JSON:
    return VENUE_BOOK | {"symbol": symbol} | changes


async def test_slices_are_split_without_loss(http: httpx.AsyncClient) -> None:
    answer = await planned(http, HEDGE_OVER_VENUES)
    totals: dict[str, Decimal] = {}
    for item in answer["slices"]:
        placed = [Decimal(row["contracts"]) for row in item["venues"]]
        assert sum(placed) + Decimal(item["unplaced"]) == Decimal(item["contracts"])
        for row in item["venues"]:
            totals[row["venue"]] = totals.get(row["venue"], Decimal(0)) + Decimal(row["contracts"])
            assert Decimal(item["worst_price"]) <= Decimal(row["worst_price"]) <= Decimal(row["expected_price"])
            assert item["start"] <= item["at"] <= item["end"]
    found = by_venue(answer)
    assert {name: Decimal(row["contracts"]) for name, row in found.items() if row["reason"] == "none"} == totals
    assert found["gamma"]["reason"] == "stale" and found["gamma"]["cost_bps"] is None
    assert answer["assumptions"] == []


async def test_books_are_merged_by_price_and_fee(http: httpx.AsyncClient) -> None:
    dear = {"venue": "dear", "fee_rate": 0.001, "book": book(bids=[["7993.5", "5"], ["7990", "9"]])}
    cheap = {"venue": "cheap", "fee_rate": 0.0001, "book": book(bids=[["7990", "2"], ["7985", "9"]])}
    body = {key: HEDGE_OVER_VENUES[key] for key in ("as_of", "symbol", "instrument", "mark_price", "reduce_only")}
    split = {"venues": [dear, cheap], "split_rules": {"depth_reserve": 0}, "quantity": "-6", "schedule": ONE_SLICE}
    answer = await planned(http, body | split)
    rows = by_venue(answer)
    # net of fees: cheap 7989.2, dear 7985.5, cheap 7984.2, dear 7982
    assert (rows["cheap"]["contracts"], rows["dear"]["contracts"]) == ("2", "4")
    assert (rows["cheap"]["worst_price"], rows["dear"]["worst_price"]) == ("7990", "7993.5")
    assert rows["cheap"]["cost_bps"] == pytest.approx((1 - 7990 * 0.9999 / 7993.5) * 1e4, abs=1e-4)
    assert rows["dear"]["cost_bps"] == pytest.approx(10.0, abs=1e-4)


async def test_margin_is_used_up_by_one_slice_after_the_other(http: httpx.AsyncClient) -> None:
    rich = VENUES[1] | {"fee_rate": -0.0002, "margin_headroom": "8000", "initial_margin_rate": 0.2}
    answer = await planned(http, HEDGE_OVER_VENUES, venues=[VENUES[0], rich])
    first, *_, last = answer["slices"]
    assert [row["venue"] for row in first["venues"]] == ["alpha", "beta"] and len(last["venues"]) == 1
    used = Decimal(by_venue(answer)["beta"]["contracts"])
    assert used == Decimal("5.004")  # 8000 / (0.2 × 7993.5) = 5.00406…
    one = await planned(http, HEDGE_OVER_VENUES, venues=[VENUES[0], rich | {"initial_margin_rate": None}])
    assert Decimal(by_venue(one)["beta"]["contracts"]) == Decimal("1.000")
    assert [item["pointer"] for item in one["assumptions"]] == ["/venues/1/initial_margin_rate"]


async def test_what_venues_do_not_bear_is_said(http: httpx.AsyncClient) -> None:
    answer = await planned(http, HEDGE_OVER_VENUES, venues=VENUES[:1], quantity="-60")
    assert (answer["status"], answer["reason"]) == ("limited", "limit")
    unplaced = sum(Decimal(item["unplaced"]) for item in answer["slices"])
    assert unplaced > 0 and f"{unplaced.normalize():f}" in answer["detail"]
    assert Decimal(by_venue(answer)["alpha"]["contracts"]) + unplaced == 60
    none = await planned(http, HEDGE_OVER_VENUES, venues=[VENUES[0] | {"trusted": False}])
    assert by_venue(none)["alpha"]["reason"] == "untrusted"
    assert [item["unplaced"] for item in none["slices"]] == [item["contracts"] for item in none["slices"]]


SUMMARY = {"mid": "7993.5", "spread": "1", "depth_bid": "20", "depth_ask": "30", "distance": 0.005}


async def test_a_summary_of_a_book_is_depth_too(http: httpx.AsyncClient) -> None:
    summary = {"symbol": "X", "as_of": "2019-10-17T00:00:05Z", "depth": SUMMARY}
    venue = {"venue": "s", "fee_rate": 0.0, "book": summary}
    answer = await planned(http, HEDGE_OVER_VENUES, venues=[venue], schedule=ONE_SLICE, quantity="-16", jitter=None)
    row = by_venue(answer)["s"]
    assert row["contracts"] == "16"  # a fifth of 20 is kept in reserve
    half = 0.5 / 7993.5
    assert row["cost_bps"] == pytest.approx((half + 0.005) / 2 * 1e4, rel=1e-6)
    flat = {"venue": "s", "fee_rate": 0.0, "book": summary | {"depth": SUMMARY | {"depth_bid": "0"}}}
    assert by_venue(await planned(http, HEDGE_OVER_VENUES, venues=[flat]))["s"]["reason"] == "no_depth"


async def test_inverse_contracts_are_counted_and_averaged_as_such(http: httpx.AsyncClient) -> None:
    inverse = {
        "symbol": "BTC-PERPETUAL", "kind": "inverse", "contract_multiplier": "10", "quote_currency": "USD", "lot": "1",
        "tick": "0.5",
    }  # fmt: skip
    rows = [["8000", "800"], ["8800", "1000"]]
    here = {"venue": "v", "fee_rate": 0.0, "book": book("BTC-PERPETUAL", asks=rows, bids=[["7999", "1"]])}
    body = {
        "as_of": SCHEDULE["as_of"], "symbol": "BTC-PERPETUAL", "instrument": inverse, "mark_price": "8000",
        "quantity": "1600", "reduce_only": False, "schedule": ONE_SLICE, "venues": [here],
        "split_rules": {"depth_reserve": 0},
    }  # fmt: skip
    row = by_venue(await planned(http, body))["v"]
    average = 2.0 / (1 / 8000 + 1 / 8800)
    assert float(row["expected_price"]) == pytest.approx(average)
    assert row["cost_bps"] == pytest.approx((1 - 8000 / average) * 1e4)


async def test_a_worst_price_lies_on_the_side_of_the_order_and_on_the_tick(http: httpx.AsyncClient) -> None:
    for quantity, sign in (("-12", -1), ("12", 1)):
        answer = await planned(http, SCHEDULE, quantity=quantity, collar={})
        for item in answer["slices"]:
            price = Decimal(item["worst_price"])
            assert sign * (price - Decimal("7993.5")) > 0 and price % Decimal("0.5") == 0
    wide, narrow = [await planned(http, SCHEDULE, collar={"sigmas": sigmas, "tolerance": 0.0}) for sigmas in (3.0, 1.0)]
    for one, other in zip(wide["slices"], narrow["slices"], strict=True):
        assert Decimal(one["worst_price"]) < Decimal(other["worst_price"])
    without = await planned(http, SCHEDULE, collar={}, volatility=None, schedule=ONE_SLICE)
    assert without["slices"][0]["worst_price"] is None
    assert "worst_price_unknown" in {item["code"] for item in without["warnings"]}
    bare = await planned(http, SCHEDULE, collar={}, impact=None, average_daily_volume=None, max_participation=None,
        schedule=ONE_SLICE)  # fmt: skip
    assert [item["pointer"] for item in bare["assumptions"]] == ["/impact"]


async def test_the_sandwich_bound_is_what_three_swaps_give(http: httpx.AsyncClient) -> None:
    answer = await planned(http, PUBLIC_SWAP)
    found = answer["sandwich"]
    pool = ConstantProductPool(base_reserve=4000.0, quote_reserve=700_000.0, fee=0.003)
    fill = pool.walk(Side.BUY, 15.0)
    amount = float(fill.average_price) * 15.0
    front = float(found["front_run"])
    taken = pool.output(Side.BUY, front)
    one = ConstantProductPool(base_reserve=4000.0 - taken, quote_reserve=700_000.0 + front, fee=0.003)
    got = one.output(Side.BUY, amount)
    two = ConstantProductPool(base_reserve=one.base_reserve - got, quote_reserve=one.quote_reserve + amount, fee=0.003)
    assert two.output(Side.SELL, taken) - front == pytest.approx(float(found["bound"]), abs=1e-4)
    assert got == pytest.approx(15.0 * 0.99, rel=1e-6)
    assert float(found["worst_price"]) == pytest.approx(amount / got, rel=1e-6)
    assert found["safe"] is False and found["bound_bps"] == pytest.approx(float(found["bound"]) / 2625.0 * 1e4)
    # what it calls safe is called safe when asked again
    tight = PUBLIC_SWAP["sandwich"] | {"slippage_limit": found["safe_slippage"] * 0.9999}
    assert (await planned(http, PUBLIC_SWAP, sandwich=tight))["sandwich"]["safe"] is True
    small = str(4 * Decimal(found["largest_safe_slice"]))
    again = (await planned(http, PUBLIC_SWAP, quantity=small))["sandwich"]
    assert again["safe"] is True and again["contracts"] == found["largest_safe_slice"]


CONCENTRATED = {
    "kind": "concentrated", "symbol": "ETH-USDC", "as_of": "2019-10-17T00:00:00Z",
    "sqrt_price_x96": str(int((1 / 175e-12) ** 0.5 * 2**96)), "liquidity": str(10**18),
    "base_is_token0": False, "base_decimals": 18, "quote_decimals": 6, "fee": 0.0005,
}  # fmt: skip


async def test_a_concentrated_pool_is_answered_within_its_range_only(http: httpx.AsyncClient) -> None:
    tick = 224_670  # of token1 per token0, 1 / 175e-12
    wide = CONCENTRATED | {"ticks": [[tick - 9000, str(10**18)], [tick + 9000, str(-(10**18))]]}
    narrow = CONCENTRATED | {"ticks": [[tick - 20, str(10**18)], [tick + 20, str(-(10**18))]]}
    for quantity in ("60", "-60"):
        found = (await planned(http, PUBLIC_SWAP, pool=wide, quantity=quantity))["sandwich"]
        assert found["status"] == "ok" and found["largest_safe_slice"] is not None
        beyond = (await planned(http, PUBLIC_SWAP, pool=narrow, quantity=str(1000 * int(quantity))))["sandwich"]
        assert (beyond["status"], beyond["reason"], beyond["safe"]) == ("unknown", "beyond_range", False)
        assert beyond["bound"] is None


async def test_a_pool_that_is_old_or_too_small_says_nothing(http: httpx.AsyncClient) -> None:
    old = PUBLIC_SWAP["pool"] | {"as_of": "2019-10-16T23:59:00Z"}
    assert (await planned(http, PUBLIC_SWAP, pool=old))["sandwich"]["reason"] == "stale"
    assert (await planned(http, PUBLIC_SWAP, quantity="16000"))["sandwich"]["reason"] == "no_depth"
    plain = await planned(http, PUBLIC_SWAP, sandwich=None)
    assert [item["pointer"] for item in plain["assumptions"]] == ["/sandwich/slippage_limit", "/sandwich/attacker_cost"]
    poor = PUBLIC_SWAP["sandwich"] | {"attacker_capital": "100"}
    assert float((await planned(http, PUBLIC_SWAP, sandwich=poor))["sandwich"]["front_run"]) <= 100.0


async def test_a_hedge_that_feeds_on_itself_is_refused_unless_it_reduces(http: httpx.AsyncClient) -> None:
    answer = await planned(http, HEDGE_OVER_VENUES, impact_slope=60.0)
    assert (answer["status"], answer["reason"], answer["slices"]) == ("refused", "reflexive_hedge", [])
    assert answer["reflexivity"]["level"] == "refuse" and answer["reflexivity"]["amplification"] is None
    assert answer["latency"] is not None
    reducing = await planned(http, HEDGE_OVER_VENUES, impact_slope=60.0, reduce_only=True)
    assert reducing["status"] == "ok" and reducing["reflexivity"]["level"] == "refuse"
    assert "reflexive_hedge" in {item["code"] for item in reducing["warnings"]}
    long = await planned(http, HEDGE_OVER_VENUES, net_gamma=0.02)
    assert long["reflexivity"]["level"] == "ok" and long["reflexivity"]["gain"] == pytest.approx(-0.12)


async def test_the_slope_is_made_of_volume_or_of_the_impact(http: httpx.AsyncClient) -> None:
    body = {**HEDGE_OVER_VENUES, "jitter": None, "quantity": "-12", "venues": None, "split_rules": None}
    derived = await planned(http, body, impact_slope=None)
    # four base units by the square root: S Y σ √(4 / 20000) / 4
    slope = 7993.5 * 0.6 / 365**0.5 * (4 / 20_000) ** 0.5 / 4
    assert derived["reflexivity"]["impact_slope"] == pytest.approx(slope, rel=1e-6)
    assert [item["pointer"] for item in derived["assumptions"]] == ["/impact_slope"]
    kyle = await planned(http, body, impact_slope=None, average_daily_volume=None)
    assert kyle["reflexivity"]["impact_slope"] == 0.2
    levels = await planned(http, body, reflexivity=None, confidence_factor=None)
    assert {item["pointer"] for item in levels["assumptions"]} == {"/reflexivity", "/confidence_factor"}


async def test_the_buffer_is_that_of_the_core(http: httpx.AsyncClient) -> None:
    found = (await planned(http, HEDGE_OVER_VENUES))["latency"]
    cost = LatencyBuffer().of(-0.02, 7993.5, 0.6, 2.0)
    assert found["buffer_delta"] == pytest.approx(cost.delta, rel=1e-6)
    assert float(found["buffer_quote"]) == pytest.approx(cost.quote, rel=1e-6)
    unknown = await planned(http, HEDGE_OVER_VENUES, volatility=None, venues=None, split_rules=None)
    assert unknown["latency"] is None and "latency_unknown" in {item["code"] for item in unknown["warnings"]}


async def test_moments_repeat_with_their_seed_and_leave_sizes_alone(http: httpx.AsyncClient) -> None:
    times = {"times": 0.9, "seed": 7}
    plain, one, other, seeded = [
        await planned(http, SCHEDULE, jitter=jitter) for jitter in (None, times, times, times | {"seed": 8})
    ]
    assert one["slices"] == other["slices"] != seeded["slices"]
    assert [item["contracts"] for item in one["slices"]] == [item["contracts"] for item in plain["slices"]]
    assert all(item["at"] is None for item in plain["slices"])
    # what is sent later is held longer
    assert float(one["cost"]["standard_deviation"]) > float(plain["cost"]["standard_deviation"])


MISTAKES: list[tuple[JSON, str, str]] = [
    (HEDGE_OVER_VENUES | {"venues": []}, "/venues", "at least 1"),
    (HEDGE_OVER_VENUES | {"venues": [{"venue": "a", "fee_rate": 0}]}, "/venues/0", "either book or depth"),
    (HEDGE_OVER_VENUES | {"venues": [VENUES[0], VENUES[0]]}, "/venues", "twice"),
    (HEDGE_OVER_VENUES | {"venues": [VENUES[0] | {"fee_rate": 0.5}]}, "/venues/0/fee_rate", "0.1"),
    (HEDGE_OVER_VENUES | {"venues": [VENUES[0] | {"age_seconds": 1}]}, "/venues/0", "as_of"),
    (
        HEDGE_OVER_VENUES | {"venues": [VENUES[0] | {"book": book(as_of="2019-10-18T00:00:00Z")}]},
        "/venues/0/book/as_of",
        "must not lie after",
    ),
    (
        HEDGE_OVER_VENUES | {"venues": [VENUES[0] | {"book": book(bids=[["1", "1"], ["2", "1"]])}]},
        "/venues/0/book/bids/1",
        "best first",
    ),
    (
        HEDGE_OVER_VENUES
        | {
            "schedule": {"method": "twap", "duration_seconds": 9000, "slices": 500},
            "quantity": "-900",
            "venues": [VENUES[0] | {"venue": f"v{place}"} for place in range(5)],
        },
        "/venues",
        "venues times slices",
    ),
    (SCHEDULE | {"split_rules": {}}, "", "split_rules goes with venues"),
    (SCHEDULE | {"sandwich": {}}, "", "sandwich goes with pool"),
    (SCHEDULE | {"latency_seconds": 1}, "", "latency_seconds goes with net_gamma"),
    (HEDGE_OVER_VENUES | {"reflexivity": {"warn": 0.5}}, "/reflexivity", "warn <= prefer_option"),
    (SCHEDULE | {"collar": {"sigmas": "2"}}, "/collar/sigmas", "number"),
    (SCALE_IN | {"collar": {}}, "/collar", "in time"),
    (SCALE_IN | {"venues": VENUES[:1]}, "/venues", "in time"),
    (PUBLIC_SWAP | {"pool": PUBLIC_SWAP["pool"] | {"symbol": "X"}}, "/pool/symbol", "symbol of the request"),
    (PUBLIC_SWAP | {"pool": PUBLIC_SWAP["pool"] | {"as_of": "2019-10-18T00:00:00Z"}}, "/pool/as_of", "after"),
    (PUBLIC_SWAP | {"net_gamma": -1.0}, "/impact_slope", "average_daily_volume"),
]


@pytest.mark.parametrize(("body", "place", "words"), MISTAKES, ids=lambda value: str(value)[:24])
async def test_mistakes_can_be_mended_from_the_answer(
    http: httpx.AsyncClient, body: JSON, place: str, words: str
) -> None:
    answer = await http.post("/v1/schedules", json=body)
    assert answer.status_code == 422, answer.text
    details = {rule["pointer"]: rule["detail"] for rule in answer.json()["errors"]}
    assert place in details, details
    assert words in details[place]
