"""Recorded decisions compared over HTTP: which one is compared with which, and shares that add up."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from models.api.difference import EvaluationDifference
from tests.support import requests
from tests.support.http import client

TARGET_POLICY = {"sizing": {"method": "volatility_target", "target_volatility": 0.2}}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(tmp_path) as found:
        yield found


async def evaluated(http: httpx.AsyncClient, body: dict[str, Any], door: str = "evaluations") -> dict[str, Any]:
    answer = await http.post(f"/v1/{door}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def compared(http: httpx.AsyncClient, after: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Difference of two answers; checked against its model and against both."""
    parameters = {"against": before["evaluation_id"]} if before else {}
    answer = await http.get(f"/v1/evaluations/{after['evaluation_id']}:diff", params=parameters)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    EvaluationDifference.model_validate_json(answer.content)
    assert found["evaluation_id"] == after["evaluation_id"]
    for row in found["rows"]:
        assert_adds_up(row)
    return dict(found)


def assert_adds_up(row: dict[str, Any]) -> None:
    """Contributions of a row add up to its change."""
    why = row["attribution"]
    if why is None:
        assert row["unexplained"]
        return
    shares = [share["contribution"] for share in why["stages"] if share["contribution"] is not None]
    unsplit = why["unsplit"]["contribution"] if why["unsplit"] else 0.0
    values = [share["value"][side] or 0.0 for share in why["stages"] for side in ("before", "after")]
    largest = max(map(abs, values), default=0.0)
    assert math.fsum([*shares, unsplit]) == pytest.approx(why["change"], abs=1e-9 * max(largest, 1.0))
    assert why["change"] == pytest.approx(why["size"]["after"] - why["size"]["before"], abs=1e-12 * max(largest, 1.0))


def contribution(row: dict[str, Any], stage: str) -> float:
    found: float = next(share["contribution"] for share in row["attribution"]["stages"] if share["stage"] == stage)
    return found


async def test_more_equity_is_the_whole_reason(http: httpx.AsyncClient) -> None:
    body = requests.smallest(policy={**TARGET_POLICY, "limits": {"max_margin_use": 1.0}})
    before = await evaluated(http, body)
    after = await evaluated(http, {**body, "account": {"equity": "110000", "currency": "USD"}})
    found = await compared(http, after, before)
    assert {"name": "account.equity", "before": "100000", "after": "110000"} in found["book"]
    assert found["policy"] == []
    (row,) = found["rows"]
    equity = next(share for share in row["attribution"]["stages"] if share["stage"] == "equity")
    assert equity["log_change"] == pytest.approx(math.log(1.1), abs=1e-9)
    others = [share for share in row["attribution"]["stages"] if share["stage"] not in ("equity", "buffer", "rounding")]
    assert all(share["contribution"] == pytest.approx(0.0, abs=1e-9) for share in others)


async def test_half_the_target_and_a_limit_that_begins_to_bind(http: httpx.AsyncClient) -> None:
    before = await evaluated(http, requests.smallest())
    policy = {"sizing": {"method": "volatility_target", "target_volatility": 0.1}, "limits": {"max_weight": 0.05}}
    after = await evaluated(http, requests.smallest(policy=policy))
    found = await compared(http, after, before)
    changes = {item["pointer"]: (item["before"], item["after"]) for item in found["policy"]}
    assert changes == {"/sizing/target_volatility": (0.2, 0.1), "/limits/max_weight": (None, 0.05)}
    assert "inputs.policy_resolved_sha256" in [change["name"] for change in found["book"]]
    (row,) = found["rows"]
    assert row["limits"]["began"] == [{"stage": "max_weight", "parameter": "limits.max_weight"}]
    target = next(share for share in row["attribution"]["stages"] if share["stage"] == "volatility_target")
    assert target["log_change"] == pytest.approx(math.log(0.5), abs=1e-9)
    assert contribution(row, "max_weight") < 0
    assert (row["target"]["before"], row["target"]["after"]) == (
        before["targets"][0]["target_quantity"],
        after["targets"][0]["target_quantity"],
    )


async def test_other_prices_and_directions_of_a_whole_book(http: httpx.AsyncClient) -> None:
    """Twenty instruments, some of them flat, short or turned round: every row adds up."""
    one = requests.book(20)
    other = requests.book(20)
    for number, signal in enumerate(other["signals"]):
        signal["direction"] = round(-signal["direction"] if number % 3 == 0 else signal["direction"] / 2, 3)
    for number, series in enumerate(other["series"]):
        series["close"] = requests.closes(number + 1, start=50.0 + 7 * number, volatility=0.04)
    before, after = await evaluated(http, one), await evaluated(http, other)
    found = await compared(http, after, before)
    assert len(found["rows"]) == 20
    reasons = {row["attribution"]["unsplit"]["reason"] for row in found["rows"] if row["attribution"]["unsplit"]}
    assert reasons == {"sign_changed", "zero_size"}
    assert any(row["attribution"]["unsplit"] is None for row in found["rows"])


async def test_a_book_without_signals_begins_at_its_positions(http: httpx.AsyncClient) -> None:
    signalled = requests.book(5)
    body = {**signalled, "signals": None, "positions": [{**row, "quantity": "40"} for row in signalled["positions"]]}
    before = await evaluated(http, body)
    half = {"sizing": {"method": "volatility_target", "target_volatility": 0.1}}
    found = await compared(http, await evaluated(http, {**body, "policy": half}), before)
    assert len(found["rows"]) == 5
    for row in found["rows"]:
        start = row["attribution"]["stages"][0]
        assert (start["stage"], start["factor"], start["contribution"]) == (
            "start",
            {"before": 40.0, "after": 40.0},
            0.0,
        )
        assert contribution(row, "portfolio_volatility") < 0
    other = await compared(http, await evaluated(http, signalled), before)
    assert {"name": "scope", "before": "book", "after": "instrument"} in other["book"]


async def test_by_default_the_one_before_of_the_same_portfolio_through_the_same_door(http: httpx.AsyncClient) -> None:
    def body(portfolio: str | None, equity: str) -> dict[str, Any]:
        return requests.smallest(portfolio_id=portfolio, account={"equity": equity, "currency": "USD"})

    first = await evaluated(http, body("pf", "100000"))
    await evaluated(http, body("other", "100001"))
    await evaluated(http, body("pf", "100002"), door="targets")
    second = await evaluated(http, body("pf", "100003"))
    assert (await compared(http, second, None))["against"] == first["evaluation_id"]
    for alone in (first, await evaluated(http, body(None, "100000"))):
        answer = await http.get(f"/v1/evaluations/{alone['evaluation_id']}:diff")
        assert answer.status_code == 422
        assert [(rule["pointer"], rule["code"]) for rule in answer.json()["errors"]] == [("query:against", "required")]
    same = await compared(http, first, first)
    assert (same["rows"], same["book"], same["rows_unchanged"]) == ([], [], 1)


async def test_compact_answers_have_targets_and_no_reasons(http: httpx.AsyncClient) -> None:
    before = await evaluated(http, requests.smallest(options={"view": "compact"}))
    more = {"equity": "150000", "currency": "USD"}
    after = await evaluated(http, requests.smallest(options={"view": "compact"}, account=more))
    found = await compared(http, after, before)
    (row,) = found["rows"]
    assert row["target"]["before"] != row["target"]["after"]
    assert (row["attribution"], row["limits"], found["policy"]) == (None, None, None)


async def test_what_cannot_be_compared_is_refused(http: httpx.AsyncClient) -> None:
    sized = await evaluated(http, requests.smallest())
    margin = await evaluated(http, requests.margin_only(), door="margin")
    path = f"/v1/evaluations/{sized['evaluation_id']}:diff"
    assert (await http.get(path, params={"against": margin["evaluation_id"]})).json()["code"] == "not_comparable"
    assert (await http.get(path, params={"against": "ev_" + "0" * 32})).json()["code"] == "not_found"
    assert (await http.get(path, params={"against": "yesterday"})).json()["errors"][0]["pointer"] == "query:against"
    assert (await http.get("/v1/evaluations/ev_1:diff")).json()["code"] == "not_found"
    refused = await http.post(path, content=orjson.dumps({}))
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET")
