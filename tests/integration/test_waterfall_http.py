"""`POST /v1/margin:waterfall` over HTTP: the example by hand, the record and its replay, what is refused."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.collateral_examples import WATERFALL
from models.api.waterfall import WaterfallAnswer
from tests.support.http import client

PATH = "/v1/margin:waterfall"
Body = dict[str, Any]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Client of a fresh service."""
    async with client(tmp_path) as found:
        yield found


def body(**changes: Any) -> Body:
    return {**copy.deepcopy(WATERFALL), **changes}


async def answered(http: httpx.AsyncClient, request: Body) -> Body:
    answer = await http.post(PATH, json=request)
    assert answer.status_code == 200, answer.text
    WaterfallAnswer.model_validate(answer.json())
    found: Body = answer.json()
    return found


async def test_the_example_by_hand(http: httpx.AsyncClient) -> None:
    found = await answered(http, WATERFALL)
    # 1,000 of equity on 8 coins: bankrupt 125 below the mark. A quarter sold at half a per cent below costs 250 each.
    assert (found["bankruptcy_price"], found["status"], found["ended"]) == ("49875", "deleveraged", "fund_exhausted")
    (sale,) = found["slices"]
    assert {name: sale[name] for name in ("side", "quantity", "price", "to_fund", "equity", "maintenance_margin")} == {
        "side": "sell",
        "quantity": "2",
        "price": "49750",
        "to_fund": "-250",
        "equity": "750",
        "maintenance_margin": "3000",
    }
    # The widest distance is 1.5 times maintenance that is to be restored, by the share of it that equity lacks.
    assert float(sale["worst_price"]) == pytest.approx(50_000 - 1.5 * 1.1 * 500 * (1 - 1_000 / 4_400))
    taken = found["deleveraging"]
    assert (taken["price"], taken["uncovered"]) == ("49875", "0")
    # Profit times leverage: 0.138 · 4.1, then 0.064 · 5 of a long, then 0.02 · 13.
    assert [(one["account"], one["quantity"], one["cost"]) for one in taken["filled"]] == [
        ("short-1", "5", "-625"),
        ("short-2", "1", "-125"),
    ]
    assert taken["skipped"] == [{"account": "long-1", "reason": "same_side"}]
    assert (found["insurance_fund_after"], found["equity"], found["quantity"]) == ("150", "0", "0")
    assert found["cover"]["worst"] == {"scenario": 0, "cover_1": 1.3333333, "cover_2": 1.0, "members": 3}
    assert found["cover"]["passed"] is True


async def test_it_is_recorded_and_computed_again(http: httpx.AsyncClient) -> None:
    found = await answered(http, body(client_reference="august"))
    entry = found["evaluation_id"]
    listed = (await http.get("/v1/evaluations", params={"kind": "waterfall"})).json()["items"]
    assert [(row["evaluation_id"], row["client_reference"]) for row in listed] == [(entry, "august")]
    assert (await http.get(f"/v1/evaluations/{entry}")).json() == found
    assert (await http.post(f"/v1/evaluations/{entry}:replay")).json()["match"] is True
    headers = {"Idempotency-Key": "waterfall-1"}
    first, again = [await http.post(PATH, json=body(), headers=headers) for _ in range(2)]
    assert again.content == first.content


async def test_what_the_fund_bears_and_what_nobody_does(http: httpx.AsyncClient) -> None:
    account = {**WATERFALL["account"], "equity": "-8000"}
    found = await answered(http, body(account=account, rules={**WATERFALL["rules"], "price_cap": 0.01}))
    assert found["status"] == "deleveraged"
    # 2 % beyond the mark, of which others bear 1: half of 8,000 is left to the fund, and then to nobody.
    assert (found["insurance_fund_after"], found["socialised"], found["equity"]) == ("0", "3600", "0")
    assert sum(Decimal(one["cost"]) for one in found["deleveraging"]["filled"]) == 4_000


async def test_status_of_each_end(http: httpx.AsyncClient) -> None:
    async def status(**changes: Any) -> str:
        return str((await answered(http, body(**changes)))["status"])

    account = WATERFALL["account"]
    assert await status(account={**account, "equity": "4001"}) == "healthy"
    assert await status(account={**account, "equity": "3900"}, rules={}) == "restored"
    assert await status(account={**account, "equity": "-10"}, rules={}, insurance_fund="100000") == "closed"
    assert await status(counterparties=[]) == "uncovered"
    found = await answered(http, body(pool={"profit_share": 0.8, "active": True}))
    assert found["pool_deleveraging"] is True


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"account": {**WATERFALL["account"], "quantity": "0"}}, "/account/quantity"),
        ({"account": {**WATERFALL["account"], "maintenance_rate": 0}}, "/account/maintenance_rate"),
        ({"rules": {"restore_to": 0.5}}, "/rules/restore_to"),
        ({"counterparties": WATERFALL["counterparties"][:1] * 2}, ""),
        ({"members": [{"member": "a", "losses": ["1"]}, {"member": "b", "losses": ["1", "2"]}]}, ""),
        ({"pool": {"profit_share": 0.8, "active": False, "start": 0.5, "stop": 0.6}}, "/pool/stop"),
        ({"mark_price": "0"}, "/mark_price"),
    ],
)
async def test_broken_requests_name_the_field(http: httpx.AsyncClient, changes: Body, pointer: str) -> None:
    answer = await http.post(PATH, json=body(**changes))
    assert answer.status_code == 422, answer.text
    assert pointer in [one["pointer"] for one in answer.json()["errors"]]
