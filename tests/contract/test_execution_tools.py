"""Grids and schedules over HTTP: answers fit their models, are kept and recomputed; mistakes are taught."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.examples import CLOSES, GRID, HEDGE_OVER_VENUES, PUBLIC_SWAP, SCALE_IN, SCHEDULE
from app.ports import EventKind
from app.usecases.plan_execution import INLINE_LEVELS, TOOLS
from models.api.grid import MAX_LEVELS, GridAnswer, GridRequest
from models.api.schedule import ScheduleAnswer, ScheduleRequest
from tests.support.http import client

JSON = dict[str, Any]
TWAP = {"method": "twap", "duration_seconds": 3600, "slices": 6}
INVERSE = {
    "symbol": "BTC-PERPETUAL",
    "kind": "inverse",
    "contract_multiplier": "10",
    "quote_currency": "USD",
    "lot": "1",
    "tick": "0.5",
}
SPOT = {"symbol": "BTC-PERP", "kind": "spot", "quote_currency": "USD", "lot": "0.001", "min_notional": "10"}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def without(body: JSON, *names: str, **changes: Any) -> JSON:
    """Request without some fields and with others changed."""
    return {key: value for key, value in body.items() if key not in names} | changes


async def planned(http: httpx.AsyncClient, path: str, body: JSON) -> JSON:
    """Answer of a legal request, which fits its model."""
    answer = await http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    (GridAnswer if path == "/v1/grids" else ScheduleAnswer).model_validate_json(answer.content)
    return dict(answer.json())


GRIDS: list[JSON] = [
    GRID,
    without(GRID, "inventory", "fee_rate", "risk_budget", "volatility"),
    GRID | {"side": "two_sided", "stop_high": "9500", "max_levels": MAX_LEVELS, "equity": "5000", "max_leverage": 2},
    GRID | {"side": "short_only", "stop_high": "9500", "inventory": "-0.25"},
    GRID | {"budget": "1"},
    GRID | {"mark_price": "7000"},
    GRID | {"instrument": SPOT},
    GRID | {"spacing": {"method": "volatility", "multiple": 1.5}},
    without(GRID, "instrument", symbol="BTC-PERPETUAL"),
    GRID | {"symbol": "BTC-PERPETUAL", "instrument": INVERSE, "inventory": "100"},
    GRID | {"symbol": "BTC-PERPETUAL", "instrument": INVERSE, "inventory": "0.5", "quantity_unit": "base"},
    without(GRID, "volatility"),
]
SCHEDULES: list[JSON] = [
    SCHEDULE,
    SCALE_IN,
    without(SCHEDULE, "impact", spread="0.5"),
    without(SCHEDULE, "volatility", "reduce_only", schedule=TWAP),
    without(SCHEDULE, "volatility"),
    SCHEDULE | {"schedule": {"method": "participation", "duration_seconds": 600, "slices": 5}},
    SCHEDULE | {"schedule": TWAP, "jitter": {"fraction": 0.3, "seed": 7}, "start": "2019-10-18T00:00:00Z"},
    SCHEDULE | {"schedule": {"method": "scale_by_time", "spacing_seconds": 60, "ratio": 2}},
    SCHEDULE | {"quantity": "0.0001"},
    SCHEDULE | {"quantity": "0.0005", "reduce_only": False, "instrument": None},
    SCALE_IN | {"quantity": "-0.001", "instrument": SPOT, "reduce_only": True},
    SCALE_IN | {"quantity": "0.001", "instrument": SPOT},
    without(SCHEDULE, "instrument", symbol="XBTUSD"),
    SCHEDULE | {"symbol": "BTC-PERPETUAL", "instrument": INVERSE, "quantity": "5", "quantity_unit": "base"},
    HEDGE_OVER_VENUES,
    HEDGE_OVER_VENUES | {"impact_slope": 60.0},
    without(HEDGE_OVER_VENUES, "split_rules", "impact_slope", "reflexivity", "confidence_factor", quantity="400"),
    PUBLIC_SWAP,
    without(PUBLIC_SWAP, "sandwich", quantity="-60"),
]
CASES = [("/v1/grids", body) for body in GRIDS] + [("/v1/schedules", body) for body in SCHEDULES]


async def test_answers_fit_are_kept_and_are_recomputed(http: httpx.AsyncClient) -> None:
    statuses = set()
    for path, body in CASES:
        answer = await planned(http, path, body)
        statuses.add((path, answer["status"]))
        evaluation_id = answer["evaluation_id"]
        assert (await http.get(f"/v1/evaluations/{evaluation_id}")).json() == answer
        replay = (await http.post(f"/v1/evaluations/{evaluation_id}:replay")).json()
        assert replay["match"], replay["differences"]
    assert statuses == {
        (path, status) for path in ("/v1/grids", "/v1/schedules") for status in ("ok", "limited", "refused")
    }
    kinds = [entry["kind"] for entry in (await http.get("/v1/audit/entries")).json()["items"]]
    assert kinds == ["grid"] * len(GRIDS) + ["schedule"] * len(SCHEDULES)
    listed = (await http.get("/v1/evaluations", params={"kind": "schedule", "limit": 3})).json()["items"]
    assert [item["kind"] for item in listed] == ["schedule"] * 3


@pytest.mark.parametrize(("path", "body"), [("/v1/grids", GRID), ("/v1/schedules", SCHEDULE)])
async def test_a_key_repeats_the_stored_answer(http: httpx.AsyncClient, path: str, body: JSON) -> None:
    headers = {"Idempotency-Key": "once"}
    first, second = [await http.post(path, json=body, headers=headers) for _ in range(2)]
    assert first.content == second.content and second.headers["Idempotency-Replayed"] == "true"
    other = await http.post(path, json=body | {"mark_price": "7990"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_slices_are_the_order(http: httpx.AsyncClient) -> None:
    answer = await planned(http, "/v1/schedules", SCHEDULE | {"quantity": "-12.5006"})
    assert sum(Decimal(item["contracts"]) for item in answer["slices"]) == Decimal("12.5")
    assert (answer["side"], answer["contracts"], answer["remainder"]) == ("sell", "12.5", "0.0006")
    sizes = [Decimal(item["contracts"]) for item in answer["slices"]]
    assert sizes == sorted(sizes, reverse=True)


async def test_the_unit_is_the_clients(http: httpx.AsyncClient) -> None:
    body = SCHEDULE | {"symbol": "BTC-PERPETUAL", "instrument": INVERSE, "quantity": "5", "quantity_unit": "base"}
    answer = await planned(http, "/v1/schedules", body)
    assert answer["contracts"] == "3996"  # 5 × 7993.5 / 10 = 3996.75
    assert float(answer["quantity"]) == pytest.approx(3996 * 10 / 7993.5)
    assert float(answer["remainder"]) == pytest.approx(0.75)


async def test_what_the_least_says_is_enough(http: httpx.AsyncClient) -> None:
    poor = GRID | {"budget": "1"}
    refused = await planned(http, "/v1/grids", poor)
    assert (refused["status"], refused["reason"], refused["levels"]) == ("refused", "budget_too_small", [])
    answer = await planned(http, "/v1/grids", poor | refused["least"])
    assert answer["levels"] and Decimal(answer["committed"]) <= Decimal(refused["least"]["budget"])


async def test_registered_instruments_are_used(http: httpx.AsyncClient) -> None:
    await http.put("/v1/instruments", json={"instruments": [INVERSE | {"venue": "deribit"}]})
    body = without(GRID, "instrument", "risk_budget", symbol="BTC-PERPETUAL", venue="deribit", inventory="0")
    answer = await planned(http, "/v1/grids", body)
    assert answer["worst_case"]["low"]["loss_in_coin"] is not None
    assert (await planned(http, "/v1/grids", without(body, "venue")))["reason"] == "instrument_required"


def observed(closed: list[float]) -> JSON:
    """Daily closes of which the last is that of 2019-10-17."""
    first = datetime(2019, 10, 17, tzinfo=UTC) - timedelta(days=len(closed) - 1)
    times = [(first + timedelta(days=day)).isoformat() for day in range(len(closed))]
    rows = [{"close_time": at, "close": close} for at, close in zip(times, closed, strict=True)]
    return {"observations": [{"symbol": "BTC-PERP", "interval": "P1D", **row} for row in rows]}


async def test_volatility_comes_from_the_cached_state(http: httpx.AsyncClient) -> None:
    body = without(GRID, "volatility")
    missing = await planned(http, "/v1/grids", body)
    assert missing["reason"] == "volatility_unavailable" and "send volatility" in missing["detail"]
    assert (await http.post("/v1/observations", json=observed(CLOSES))).status_code == 200
    answer = await planned(http, "/v1/grids", body)
    state = (await http.get("/v1/volatility", params={"symbol": "BTC-PERP"})).json()
    assert answer["volatility"]["source"] == "state"
    assert answer["volatility"]["annual"] == pytest.approx(state["readout"]["volatility"], rel=1e-6)
    assert {item["pointer"] for item in answer["assumptions"]} == {"/interval"}
    replay = (await http.post(f"/v1/evaluations/{answer['evaluation_id']}:replay")).json()
    assert replay["match"], replay["differences"]
    far = await planned(http, "/v1/grids", body | {"mark_price": "12000"})
    assert far["warnings"][0]["code"] == "mark_far_from_close"


async def test_a_state_that_is_too_old_or_too_new_is_not_used(http: httpx.AsyncClient) -> None:
    await http.post("/v1/observations", json=observed(CLOSES))
    stale = await planned(http, "/v1/grids", without(GRID, "volatility", as_of="2019-10-20T00:00:01Z"))
    assert stale["reason"] == "stale_price"
    past = without(SCHEDULE, "volatility", as_of="2019-10-01T00:00:00Z")
    early = await planned(http, "/v1/schedules", past)
    assert early["reason"] == "volatility_unavailable" and "after as_of" in early["detail"]
    costless = await planned(http, "/v1/schedules", past | {"schedule": TWAP})
    assert costless["cost"] is None and costless["warnings"][0]["code"] == "cost_unknown"


async def test_strictness_refuses_assumptions(http: httpx.AsyncClient) -> None:
    body = without(GRID, "fee_rate", options={"strict": True})
    refused = await http.post("/v1/grids", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "assumptions_refused")
    assert [rule["pointer"] for rule in refused.json()["errors"]] == ["/fee_rate"]
    assert (await http.get("/v1/audit/entries")).json()["items"] == []


MISTAKES: list[tuple[str, JSON, str, tuple[str, ...]]] = [
    ("/v1/grids", GRID | {"stop_low": "7200"}, "/stop_low", ("< low", "7200")),
    ("/v1/grids", without(GRID, "stop_low"), "/stop_low", ("required for long_only", "below low")),
    ("/v1/grids", GRID | {"low": "9000"}, "/low", ("< high", "8800")),
    ("/v1/grids", GRID | {"side": "two_sided"}, "/stop_high", ("required for two_sided",)),
    ("/v1/grids", GRID | {"inventory": "-1"}, "/inventory", (">= 0 for long_only", "two_sided")),
    ("/v1/grids", GRID | {"instrument": SPOT, "side": "short_only", "stop_high": "9500"}, "/side", ("spot",)),
    ("/v1/grids", GRID | {"max_leverage": 2}, "/equity", ("needed by max_leverage",)),
    ("/v1/grids", GRID | {"fee_rate": 0.4}, "/fee_rate", ("<= 0.05", "fractions, not percent")),
    ("/v1/grids", without(GRID, "low", lower_price="7200"), "/lower_price", ("did you mean low?",)),
    ("/v1/grids", GRID | {"grid_count": 12}, "/grid_count", ("did you mean max_levels?",)),
    ("/v1/grids", GRID | {"stop_loss": "6800"}, "/stop_loss", ("did you mean stop_low?",)),
    ("/v1/grids", GRID | {"spacing": {"method": "log"}}, "/spacing/method", ("'linear', 'geometric' or 'volatility'",)),
    ("/v1/grids", GRID | {"spacing": {"method": "linear", "min_step": 1}}, "/spacing/min_step", ("0.01 is 1 %",)),
    ("/v1/grids", without(GRID, "budget"), "/budget", ("is required",)),
    ("/v1/grids", GRID | {"symbol": "ETH-PERP"}, "", ("instrument.symbol",)),
    ("/v1/grids", GRID | {"as_of": "2199-01-01T00:00:00Z"}, "/as_of", ("future",)),
    ("/v1/schedules", SCHEDULE | {"quantity": "0"}, "/quantity", ("must not be 0", "negative sells")),
    ("/v1/schedules", SCHEDULE | {"side": "sell"}, "/side", ("quantity is signed",)),
    ("/v1/schedules", SCHEDULE | {"adv": 1}, "/adv", ("average_daily_volume",)),
    ("/v1/schedules", without(SCHEDULE, "impact"), "/impact", ("spread and average_daily_volume",)),
    ("/v1/schedules", SCHEDULE | {"start": "2019-10-16T00:00:00Z"}, "/start", ("before as_of",)),
    ("/v1/schedules", SCHEDULE | {"impact": {"temporary": -1}}, "/impact/temporary", (">= 0",)),
    (
        "/v1/schedules",
        SCHEDULE | {"impact": {"temporary": 0.001, "permanent": 9}},
        "/impact/temporary",
        ("more slices",),
    ),
    ("/v1/schedules", SCHEDULE | {"volumes": [1, 2]}, "/volumes", ("each of the 8 slices",)),
    ("/v1/schedules", SCHEDULE | {"max_participation": 10}, "/max_participation", ("0.10 is 10 %",)),
    ("/v1/schedules", SCALE_IN | {"max_participation": 0.1}, "/max_participation", ("in time",)),
    (
        "/v1/schedules",
        SCALE_IN | {"schedule": {"method": "scale_by_price", "spacing_sigmas": 1, "fractions": [0.5, 0.6]}},
        "/schedule/fractions",
        ("sum to 1",),
    ),
    ("/v1/schedules", SCHEDULE | {"schedule": {"method": "vwap"}}, "/schedule/method", ("'twap'",)),
    ("/v1/schedules", SCHEDULE | {"schedule": TWAP | {"slices": "6"}}, "/schedule/slices", ("whole JSON number",)),
    ("/v1/schedules", SCHEDULE | {"reduce_only": 1}, "/reduce_only", ("true or false",)),
]


@pytest.mark.parametrize(("path", "body", "place", "words"), MISTAKES, ids=lambda value: str(value)[:24])
async def test_mistakes_can_be_mended_from_the_answer(
    http: httpx.AsyncClient, path: str, body: JSON, place: str, words: tuple[str, ...]
) -> None:
    answer = await http.post(path, json=body)
    assert answer.status_code == 422, answer.text
    details = {rule["pointer"]: rule["detail"] for rule in answer.json()["errors"]}
    assert place in details
    assert [word for word in words if word not in details[place]] == [], details[place]


async def test_a_kind_without_a_linear_payoff_is_refused(http: httpx.AsyncClient) -> None:
    quanto = {"symbol": "BTC-PERP", "kind": "quanto", "settle_currency": "ETH"}
    for path, body in (("/v1/grids", GRID), ("/v1/schedules", SCHEDULE)):
        answer = await http.post(path, json=body | {"instrument": quanto})
        assert answer.json()["errors"][0]["pointer"] == "/symbol"


def test_large_grids_and_splits_leave_the_event_loop() -> None:
    assert INLINE_LEVELS < MAX_LEVELS
    grid, schedule = TOOLS[EventKind.GRID].takes_long, TOOLS[EventKind.SCHEDULE].takes_long
    assert grid(GridRequest(**GRID | {"max_levels": MAX_LEVELS})) and not grid(GridRequest(**GRID))
    assert not schedule(ScheduleRequest(**SCHEDULE))
    for body in (HEDGE_OVER_VENUES, PUBLIC_SWAP):
        assert schedule(ScheduleRequest(**body))


async def test_steps_far_below_the_mark_have_a_price_or_are_refused(http: httpx.AsyncClient) -> None:
    """A price of zero ended in a division by it, and below the first tick a step waited at zero."""
    far = {"method": "scale_by_price", "spacing_sigmas": 10, "horizon_seconds": 2_592_000, "steps": 100}
    body = without(SCALE_IN, schedule=far, volatility=10.0)
    answer = await http.post("/v1/schedules", json=body)
    assert answer.status_code == 422 and "/schedule/spacing_sigmas" in answer.text
    near = {"method": "scale_by_price", "spacing_sigmas": 3, "steps": 100}
    found = await planned(http, "/v1/schedules", without(SCALE_IN, schedule=near, quantity="100", reduce_only=True))
    assert min(Decimal(item["price"]) for item in found["slices"]) == Decimal(body["instrument"]["tick"])
