"""Vaults and tail hedges over HTTP: answers fit, are kept, listed and recomputed; mistakes are taught."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.examples import CLOSES
from app.usecases.plan_execution import INLINE_QUOTES
from app.vault_examples import COVERED_CALL, PUT_SPREAD, QUOTES, THEORETICAL
from models.api.vault import MAX_QUOTES, VaultAnswer
from services.hedging.vault_plan import Verdict
from tests.support.http import client

JSON = dict[str, Any]
PATH = "/v1/vaults"
PUTS = [quote for quote in QUOTES if quote["right"] == "put"]
COLLAR = PUT_SPREAD | {"vault": {"method": "collar", "horizon_days": 14}, "quotes": QUOTES}
PUT = PUT_SPREAD | {"vault": {"method": "protective_put", "horizon_days": 7, "objective": "floor", "max_cost": 0.02}}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def without(body: JSON, *names: str, **changes: Any) -> JSON:
    """Request without some fields and with others changed."""
    return {key: value for key, value in body.items() if key not in names} | changes


def method(body: JSON, **changes: Any) -> JSON:
    """Request with other parameters of its method."""
    return body | {"vault": body["vault"] | changes}


async def planned(http: httpx.AsyncClient, body: JSON) -> JSON:
    """Answer of a legal request, which fits its model."""
    answer = await http.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    VaultAnswer.model_validate_json(answer.content)
    return dict(answer.json())


CASES: list[JSON] = [
    COVERED_CALL,
    method(COVERED_CALL, max_contracts=3, drift=0.5),
    COVERED_CALL | {"volatility": 0.9},
    COVERED_CALL | {"collateral": {"asset": "base", "amount": "0.05"}},
    without(COVERED_CALL, "volatility"),
    without(COVERED_CALL, "instrument", "fees"),
    without(COVERED_CALL, quotes=[without(quote, "forward", "implied_volatility") for quote in QUOTES]),
    COVERED_CALL | {"symbol": "BTC-PERPETUAL", "instrument": None},
    PUT_SPREAD,
    COLLAR,
    PUT,
    method(PUT_SPREAD, max_cost=0.000001),
    method(PUT_SPREAD, horizon_days=900),
    PUT_SPREAD | {"quotes": PUTS * 8},
    THEORETICAL,
    method(THEORETICAL, max_contracts=50),
    THEORETICAL | {"expiry": "2019-10-16T00:00:00Z"},
    THEORETICAL | {"implied_volatility": 0.01, "volatility": 0.005},
]


async def test_answers_fit_are_kept_and_are_recomputed(http: httpx.AsyncClient) -> None:
    statuses = set()
    for body in CASES:
        answer = await planned(http, body)
        statuses.add((answer["status"], answer["reason"]))
        evaluation_id = answer["evaluation_id"]
        assert (await http.get(f"/v1/evaluations/{evaluation_id}")).json() == answer
        replay = (await http.post(f"/v1/evaluations/{evaluation_id}:replay")).json()
        assert replay["match"], replay["differences"]
    assert statuses == {
        ("ok", "none"),
        ("limited", "limit"),
        *(
            ("refused", reason)
            for reason in ("no_edge", "below_lot", "volatility_unavailable", "no_candidate", "expired")
        ),
    }
    entries = (await http.get("/v1/audit/entries", params={"kind": "vault"})).json()["items"]
    assert [entry["kind"] for entry in entries] == ["vault"] * len(CASES)
    listed = (await http.get("/v1/evaluations", params={"kind": "vault", "limit": 3})).json()["items"]
    assert [item["kind"] for item in listed] == ["vault"] * 3
    assert (await http.get("/v1/evaluations")).json()["items"] == []


async def test_a_key_repeats_the_stored_answer(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first, second = [await http.post(PATH, json=COVERED_CALL, headers=headers) for _ in range(2)]
    assert first.content == second.content and second.headers["Idempotency-Replayed"] == "true"
    other = await http.post(PATH, json=COVERED_CALL | {"mark_price": "7990"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_a_sale_explains_itself(http: httpx.AsyncClient) -> None:
    answer = await planned(http, COVERED_CALL)
    (leg,), figures = answer["legs"], answer["figures"]
    assert (leg["side"], leg["strike"], leg["contracts"]) == ("sell", "9250", answer["steps"][-1]["out"])
    assert answer["steps"][0]["in"] == "10" and answer["steps"][0]["parameter"] == "forecast_error"
    assert Decimal(figures["sale"]["collateral_used"]) <= 10
    assert (answer["quantity_unit"], answer["currency"], answer["assumptions"]) == ("contracts", "USD", [])
    chosen = [row for row in answer["candidates"] if row["reason"] == "chosen"]
    assert [row["options"][0]["strike"] for row in chosen] == ["9250"]
    known = (await http.get("/v1/errors")).json()["candidate_reasons"]
    assert known.keys() == {verdict.value for verdict in Verdict}
    assert {row["reason"] for row in answer["candidates"]} <= known.keys()


async def test_a_refusal_is_no_zero(http: httpx.AsyncClient) -> None:
    answer = await planned(http, COVERED_CALL | {"volatility": 0.9})
    assert (answer["status"], answer["reason"], answer["legs"], answer["figures"]) == ("refused", "no_edge", [], None)
    assert "0.9" in answer["detail"]


async def test_assumptions_are_listed_and_can_be_refused(http: httpx.AsyncClient) -> None:
    bare = without(COVERED_CALL, "fees", quotes=[without(quote, "forward") for quote in QUOTES])
    assert {item["pointer"] for item in (await planned(http, bare))["assumptions"]} == {"/fees", "/quotes"}
    assert [item["pointer"] for item in (await planned(http, THEORETICAL))["assumptions"]] == ["/quotes"]
    refused = await http.post(PATH, json=bare | {"options": {"strict": True}})
    assert (refused.status_code, refused.json()["code"]) == (422, "assumptions_refused")


async def test_symbols_are_echoed(http: httpx.AsyncClient) -> None:
    quotes = [quote | {"symbol": f"BTC-{quote['strike']}-{quote['right']}"} for quote in QUOTES]
    answer = await planned(http, COLLAR | {"quotes": quotes})
    for leg in answer["legs"]:
        assert leg["symbol"] == f"BTC-{leg['strike']}-{leg['right']}"


async def test_the_forecast_comes_from_the_cached_state(http: httpx.AsyncClient) -> None:
    first = datetime(2019, 10, 17, tzinfo=UTC) - timedelta(days=len(CLOSES) - 1)
    rows = [
        {"symbol": "BTC", "interval": "P1D", "close_time": (first + timedelta(days=day)).isoformat(), "close": close}
        for day, close in enumerate(CLOSES)
    ]
    assert (await http.post("/v1/observations", json={"observations": rows})).status_code == 200
    answer = await planned(http, without(COVERED_CALL, "volatility"))
    assert answer["volatility"]["source"] == "state"
    replay = (await http.post(f"/v1/evaluations/{answer['evaluation_id']}:replay")).json()
    assert replay["match"], replay["differences"]


MISTAKES: list[tuple[JSON, str, tuple[str, ...]]] = [
    (COVERED_CALL | {"collateral": {"asset": "quote", "amount": "1"}}, "/collateral/asset", ("base", "covered_call")),
    (THEORETICAL | {"collateral": {"asset": "base", "amount": "1"}}, "/collateral/asset", ("quote",)),
    (without(THEORETICAL, "expiry"), "/expiry", ("without quotes",)),
    (without(THEORETICAL, "implied_volatility"), "/implied_volatility", ("without quotes",)),
    (THEORETICAL | {"expiry": "2029-10-25T08:00:00Z"}, "/expiry", ("most_days",)),
    (without(PUT_SPREAD, "quotes"), "/quotes", ("put_spread",)),
    (COVERED_CALL | {"expiry": "2019-10-25T08:00:00Z"}, "/expiry", ("without quotes",)),
    (COVERED_CALL | {"quantity_unit": "base"}, "/quantity_unit", ("contracts",)),
    (without(COVERED_CALL, "vault"), "/vault", ("is required", "covered_call")),
    (method(COVERED_CALL, method="iron_condor"), "/vault/method", ("'covered_call'",)),
    (method(COVERED_CALL, delta=10), "/vault/delta", ("< 1",)),
    (method(COVERED_CALL, delta="0.1"), "/vault/delta", ("JSON number",)),
    (method(COVERED_CALL, least_delta=0.5), "/vault/least_delta", ("delta",)),
    (method(COVERED_CALL, utilisation=90), "/vault/utilisation", ("0.90 is 90 %",)),
    (method(PUT_SPREAD, shocks=[0.3]), "/vault/shocks/0", ("< 0",)),
    (PUT_SPREAD | {"quotes": PUTS * 21}, "/quotes", (str(MAX_QUOTES),)),
    (without(COVERED_CALL, "contract"), "/contract", ("is required",)),
    (COVERED_CALL | {"contract": {"settlement": "inverse"}}, "/contract/lot", ("is required",)),
]


@pytest.mark.parametrize(("body", "place", "words"), MISTAKES, ids=lambda value: str(value)[:24])
async def test_mistakes_can_be_mended_from_the_answer(
    http: httpx.AsyncClient, body: JSON, place: str, words: tuple[str, ...]
) -> None:
    answer = await http.post(PATH, json=body)
    assert answer.status_code == 422, answer.text
    details = {rule["pointer"]: rule["detail"] for rule in answer.json()["errors"]}
    assert place in details, details
    assert [word for word in words if word not in details[place]] == [], details[place]


HOSTILE = ("0.000000000000000001", "99999999999999999999")


@pytest.mark.parametrize("number", HOSTILE)
@pytest.mark.parametrize("body", [COVERED_CALL, COLLAR, PUT, THEORETICAL], ids=["call", "collar", "put", "computed"])
async def test_extreme_numbers_are_answered(http: httpx.AsyncClient, body: JSON, number: str) -> None:
    cases = [body | {"mark_price": number}, body | {"collateral": body["collateral"] | {"amount": number}}]
    cases += [body | {"contract": body["contract"] | {name: number}} for name in ("lot", "contract_multiplier", "tick")]
    if "quotes" in body:
        fields = ("strike", "forward", "bid", "ask", "depth")
        cases += [body | {"quotes": [quote | {name: number} for quote in body["quotes"]]} for name in fields]
    for case in cases:
        await planned(http, case)


def test_many_quotes_leave_the_event_loop() -> None:
    assert INLINE_QUOTES < MAX_QUOTES


async def test_a_premium_off_the_tick_is_said(http: httpx.AsyncClient) -> None:
    """Its limit is on the tick and on the safe side, so that a bought leg may be missing where a sold one trades."""
    coarse = PUT | {"contract": PUT["contract"] | {"tick": "1000"}}
    found = await planned(http, coarse)
    assert [Decimal(leg["limit_price"]) for leg in found["legs"]] == [0]
    assert [item["code"] for item in found["warnings"]] == ["limit_off_quote"]
    assert (await planned(http, PUT))["warnings"] == []
