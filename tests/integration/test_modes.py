"""Live and historical, full and compact, strict and lenient: what each leaves out, and what it must not change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx
import orjson
import pytest

from tests.support.bodies import DAY, SYMBOLS, book, coins_and_options, observations, smallest, with_series
from tests.support.service import running

BARS = 150


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Client of a fresh embedded service."""
    with (
        running(tmp_path_factory.mktemp("modes")) as service,
        httpx.Client(base_url=service.url, timeout=30.0, trust_env=False) as client,
    ):
        yield client


def answer(http: httpx.Client, body: dict[str, Any], path: str = "/v1/evaluations") -> dict[str, Any]:
    """Answer to a request that must be accepted."""
    response = http.post(path, content=orjson.dumps(body), headers={"Content-Type": "application/json"})
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_a_live_answer_has_orders_and_a_historical_one_has_none(http: httpx.Client) -> None:
    now = datetime.now(UTC)
    live, old = answer(http, with_series(5, BARS, now)), answer(http, with_series(5, BARS, now - 30 * DAY))
    assert (live["mode"], old["mode"]) == ("live", "historical")
    assert live["orders"] and not old["orders"]
    for order in live["orders"]:
        assert order["client_order_id"].isalnum() and len(order["client_order_id"]) <= 32
    same = [[(row["symbol"], row["target_quantity"]) for row in one["targets"]] for one in (live, old)]
    assert same[0] == same[1], "the mode must not move a size: prices and policy are the same"


def test_orders_take_the_book_from_current_to_target(http: httpx.Client) -> None:
    now = datetime.now(UTC)
    live = answer(http, with_series(20, BARS, now))
    moved = {row["symbol"]: float(row["order_quantity"]) for row in live["targets"]}
    ordered = dict.fromkeys(moved, 0.0)
    for order in live["orders"]:
        ordered[order["symbol"]] += float(order["quantity"]) * (1 if order["side"] == "buy" else -1)
    assert ordered == pytest.approx(moved, abs=1e-9)


def test_compact_gives_the_same_sizes_in_fewer_bytes(http: httpx.Client) -> None:
    full = answer(http, with_series(5, BARS))
    compact = answer(http, with_series(5, BARS, options={"view": "compact"}))
    keys = ("symbol", "status", "action", "permission", "reason", "target_quantity", "order_quantity")
    assert [[row[key] for key in keys] for row in full["targets"]] == [
        [row[key] for key in keys] for row in compact["targets"]
    ]
    assert all("steps" in row for row in full["targets"]) and not any("steps" in row for row in compact["targets"])
    assert len(orjson.dumps(compact)) < 0.5 * len(orjson.dumps(full))


def test_without_explanation_the_sizes_stay(http: httpx.Client) -> None:
    explained, short = (
        answer(http, with_series(3, BARS)),
        answer(http, with_series(3, BARS, options={"explain": False})),
    )
    for before, after in zip(explained["targets"], short["targets"], strict=True):
        assert {key: value for key, value in before.items() if key not in ("steps", "binding")} == after


def test_steps_are_one_chain_from_nothing_to_the_target(http: httpx.Client) -> None:
    for body in (with_series(20, BARS), coins_and_options()):
        for row in answer(http, body)["targets"]:
            steps = row.get("steps", [])
            for before, after in pairwise(steps):
                assert after["in"] == before["out"], f"{row['symbol']}: {before} does not lead to {after}"
            if steps and row["status"] in ("ok", "limited"):
                assert float(steps[-1]["out"]) == float(row["target_contracts"]), (
                    f"{row['symbol']}: the last step is not the target"
                )


def test_strict_lists_every_assumption_that_lenient_makes(http: httpx.Client) -> None:
    lenient = answer(http, smallest())
    response = http.post("/v1/evaluations", json=smallest() | {"options": {"strict": True}})
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "assumptions_refused"
    assert sorted(rule["pointer"] for rule in problem["errors"]) == sorted(
        item["pointer"] for item in lenient["assumptions"]
    )


def test_strict_accepts_a_request_that_leaves_nothing_open(http: httpx.Client) -> None:
    body = with_series(3, BARS, options={"strict": True})
    assert answer(http, body)["assumptions"] == []


def test_narrow_doors_agree_with_the_whole_call(http: httpx.Client) -> None:
    whole = answer(http, coins_and_options())
    shared = {key: value for key, value in coins_and_options().items() if key != "policy"}
    policy = coins_and_options()["policy"]
    assert answer(http, coins_and_options(), "/v1/targets")["targets"] == whole["targets"]
    assert answer(http, shared, "/v1/margin")["margin"]["current"] == whole["margin"]["current"]
    hedges = answer(http, shared | {"policy": {"hedging": policy["hedging"]}}, "/v1/hedges")["hedges"]
    assert [hedge["symbol"] for hedge in hedges] == [hedge["symbol"] for hedge in whole["hedges"]]


def test_scalar_times_equity_is_the_full_size_of_one_symbol(http: httpx.Client) -> None:
    """`GET /v1/scalar` and an evaluation with direction 1 on the same state must say the same number."""
    now = datetime.now(UTC)
    http.post("/v1/observations", json=observations(1, BARS, now)).raise_for_status()
    scalar = (
        http.get("/v1/scalar", params={"symbol": SYMBOLS[0], "interval": "P1D", "target_volatility": 0.2})
        .raise_for_status()
        .json()
    )
    body = book(1, now, bars=BARS, signals=[{"symbol": SYMBOLS[0], "direction": 1}])
    target = answer(http, body)["targets"][0]
    assert scalar["status"] == "ok"
    assert float(scalar["scalar"]) == pytest.approx(target["scalar"], rel=1e-6)
    assert scalar["volatility"] == pytest.approx(target["volatility"]["annual"], rel=1e-8)
