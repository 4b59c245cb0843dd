"""Executions over HTTP: fills matched and counted once, what they cost, and the impact that evaluations are given."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app import fill_ledger
from app.fill_ledger import FillLedger
from models.api.execution_report import ExecutionsAnswer, ExecutionsTaken
from tests.support.live import REGISTRATION, Live, running

URL = "/v1/portfolios/desk/executions"
FLOW = {"flow": [{"symbol": "AAA", "average_daily_volume": "1000000"}]}
COEFFICIENT = 3.0


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with running(tmp_path) as found:
        await found.observe(["AAA"], count=80)
        await found.register()
        yield found


async def ordered(live: Live, seq: int, quantity: str = "100", **changes: Any) -> dict[str, Any]:
    """The one order of a new snapshot."""
    position = {"symbol": "AAA", "quantity": quantity, "mark_price": "100"}
    flow = {"flow": [{**FLOW["flow"][0], "as_of": live.clock.time.isoformat()}]}
    await live.snapshot(seq, positions=[position], **flow, **changes)
    decision = await live.published()
    (order,) = decision["orders"]
    order["target"] = decision["targets"][0]
    return order


def fill(live: Live, order: dict[str, Any], trade: str, **changes: Any) -> dict[str, Any]:
    """A fill of a whole order at its decision price."""
    made = {
        "trade_id": trade,
        "client_order_id": order["client_order_id"],
        "side": order["side"],
        "quantity": order["quantity"],
        "price": "100",
        "executed_at": live.clock.time.isoformat(),
    }
    return {**made, **changes}


async def report(live: Live, *fills: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = live.answer(await live.http.post(URL, json={"fills": list(fills)}, headers=headers))
    ExecutionsTaken.model_validate(answer)
    return answer


async def summary(live: Live) -> dict[str, Any]:
    answer = live.answer(await live.http.get(URL))
    ExecutionsAnswer.model_validate(answer)
    return answer


def outcomes(answer: dict[str, Any]) -> list[str]:
    return [row["outcome"] for row in answer["fills"]]


async def test_fills_are_matched_once_whoever_reports_them_how_often(live: Live) -> None:
    order = await ordered(live, 1)
    half = str(float(order["quantity"]) / 2)
    first, second = fill(live, order, "t1", quantity=half), fill(live, order, "t2", quantity=half)
    other = fill(live, order, "t3", client_order_id="elsewhere")
    answer = await report(live, first, first, other)
    assert outcomes(answer) == ["matched", "duplicate", "unknown"]
    assert answer["counts"] == {"matched": 1, "duplicate": 1, "unknown": 1}
    assert [row["client_order_id"] for row in answer["orders"]] == [order["client_order_id"]]
    rewritten = {**first, "quantity": half + "0", "executed_at": first["executed_at"].replace("+00:00", "Z")}
    answer = await report(live, rewritten, {**first, "price": "101"}, second, {**second, "venue": "kraken"})
    assert outcomes(answer) == ["duplicate", "conflict", "matched", "unknown"]
    found = await summary(live)
    assert (found["fills"], found["orders"]) == (2, 1)
    assert found["adherence"]["filled"] == pytest.approx(1.0)
    entries = await live.entries("executions")
    assert len(entries) == 2


async def test_of_two_calls_at_once_with_one_trade_one_counts(live: Live) -> None:
    order = await ordered(live, 1)
    await asyncio.gather(*(report(live, fill(live, order, "t1")) for _ in range(5)))
    assert (await summary(live))["fills"] == 1


async def test_another_process_and_a_restart_read_the_same(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill_ledger, "PAGE", 2)
    for seq in range(1, 6):
        order = await ordered(live, seq, str(100 + seq))
        await report(live, fill(live, order, f"t{seq}"))
    before = await summary(live)
    other = FillLedger()
    ledger = await other.read(live.container.audit, "local", "desk")
    assert [name for _, name in ledger.trades] == [f"t{seq}" for seq in range(1, 6)]
    assert before["fills"] == 5
    order = await ordered(live, 6, "106")
    await report(live, fill(live, order, "t6"))
    assert len((await other.read(live.container.audit, "local", "desk")).trades) == 6, "it reads on"


async def test_the_oldest_trades_are_forgotten_with_their_orders(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill_ledger, "MAX_TRADES", 2)
    for seq in range(1, 5):
        order = await ordered(live, seq, str(100 + seq))
        await report(live, fill(live, order, f"t{seq}"))
    found = await summary(live)
    assert (found["fills"], found["orders"]) == (2, 2)


async def test_shortfall_is_told_in_its_parts_beside_what_the_decision_expected(live: Live) -> None:
    """By hand: decided at 100, mid 100.2 at arrival, spread 0.1, bought at 100.45: 45 = 20 + 5 + 20 basis points."""
    order = await ordered(live, 1)
    assert order["side"] == "buy"
    made = fill(live, order, "t1", price="100.45", arrival_price="100.2", spread="0.1002", fee_rate=0.0004)
    await report(live, made)
    (market,) = (await summary(live))["markets"]
    shortfall = market["shortfall"]
    expected = {"price": 45.0, "delay": 20.0, "spread": 5.0, "impact": 20.0, "fee": 4.0, "parts_known": 1}
    for name, value in expected.items():
        assert shortfall[name] == pytest.approx(value, abs=1e-6), name
    cost = order["target"]["expected_cost"]
    assert float(cost["notional"]) == pytest.approx(100.0 * float(order["quantity"]))
    for name in ("fee", "spread", "impact"):
        expected_bps = 1e4 * float(cost[name]) / float(cost["notional"])
        assert shortfall[f"predicted_{name}"] == pytest.approx(expected_bps, rel=1e-6)
    volatility = order["target"]["volatility"]["annual"]
    law = volatility / math.sqrt(365.0) * math.sqrt(float(order["quantity"]) / 1e6)
    assert shortfall["predicted_impact"] == pytest.approx(1e4 * law, rel=1e-6)


async def test_adherence_tells_late_wrong_and_too_many_fills(live: Live) -> None:
    orders = [await ordered(live, seq, str(100 + seq)) for seq in range(1, 5)]
    sizes = [float(order["quantity"]) for order in orders]
    in_time = live.clock.time.isoformat()
    live.clock.move(minutes=5)
    await report(
        live,
        fill(live, orders[0], "a", quantity=str(round(sizes[0] / 2, 6)), executed_at=in_time),
        fill(live, orders[1], "b"),
        fill(live, orders[2], "c", quantity=str(round(2 * sizes[2], 6)), executed_at=in_time),
        fill(live, orders[3], "d", executed_at=in_time),
        fill(live, orders[3], "e", side="sell", executed_at=in_time),
    )
    found = (await summary(live))["adherence"]
    assert found["filled"] == pytest.approx((0.5 + 1.0 + 1.0 + 1.0) / 4.0, abs=1e-6)
    assert found["late"] == pytest.approx(0.25)
    assert (found["orders"], found["overfilled"], found["wrong_side"]) == (4, 1, 1)


async def test_decisions_on_one_snapshot_share_an_order_and_the_first_is_the_benchmark(live: Live) -> None:
    order = await ordered(live, 1)
    live.clock.move(seconds=5)
    instrument = {"symbol": "AAA", "kind": "linear", "lot": "0.1"}
    live.answer(await live.http.put("/v1/instruments", json={"instruments": [instrument]}))
    second = await live.published()
    assert second["orders"][0]["client_order_id"] == order["client_order_id"]
    answer = await report(live, fill(live, order, "t1"))
    first = (await live.entries("live"))[0]["evaluation_id"]
    assert answer["orders"][0]["evaluation_id"] == first != second["evaluation_id"]


@pytest.mark.parametrize("loosen", [False, True])
async def test_fitted_impact_goes_into_later_evaluations_and_their_record(live: Live, loosen: bool) -> None:
    """Fills that cost the law times three: the fit finds it, the next request holds it, and it replays.

    With a coefficient below that of the policy it is used only where loosening is allowed.
    """
    coefficient = 0.2 if loosen else COEFFICIENT
    for seq in range(1, 31):
        live.clock.move(seconds=2)
        order = await ordered(live, seq, str(100 + 5 * seq))
        cost = order["target"]["expected_cost"]
        sign = 1 if order["side"] == "buy" else -1
        paid = (coefficient * float(cost["impact"]) + float(cost["spread"])) / float(cost["notional"])
        await report(live, fill(live, order, f"t{seq}", price=f"{100.0 * (1.0 + sign * paid):.10f}"))
    (fit,) = (await summary(live))["impact"]
    assert (fit["venue"], fit["orders"], fit["prior"]) == (None, 30, 1.0)
    assert fit["coefficient"] == pytest.approx(coefficient, rel=1e-3)
    untouched = await live.decision((await live.published())["evaluation_id"])
    assert untouched["policy_resolved"]["costs"]["impact_coefficient"] == 1.0

    overlay = {**REGISTRATION["policy"], "overlays": [{"method": "liquidity", "max_impact": 0.01}]}
    for may in (False, True):
        await live.register(policy=overlay, feedback={"impact": True, "may_loosen": may})
        decision = await live.decision((await live.published())["evaluation_id"])
        request = await live.request(decision["evaluation_id"])
        assert request["fitted_impact"]["coefficient"] == pytest.approx(coefficient, rel=1e-3)
        used = decision["policy_resolved"]["costs"]["impact_coefficient"]
        assert used == decision["policy_resolved"]["overlays"][0]["impact_coefficient"]
        assert used == pytest.approx(coefficient if may else max(1.0, coefficient), rel=1e-3)
        assert "/policy/costs/impact_coefficient" in {item["pointer"] for item in decision["assumptions"]}
        replay = live.answer(await live.http.post(f"/v1/evaluations/{decision['evaluation_id']}:replay"))
        assert replay["match"] is True, replay["differences"]
    assert (await summary(live))["feedback"]["orders"] == 30


async def test_what_is_refused(live: Live) -> None:
    order = await ordered(live, 1)
    good = fill(live, order, "t1")
    for body, pointer in (
        ({}, "/fills"),
        ({"fills": []}, "/fills"),
        ({"fills": [{**good, "quantity": "0"}]}, "/fills/0/quantity"),
        ({"fills": [{**good, "price": "-1"}]}, "/fills/0/price"),
        ({"fills": [{**good, "fee": "1"}]}, "/fills/0/fee"),
        ({"fills": [{**good, "side": "long"}]}, "/fills/0/side"),
        ({"fills": [{**good, "executed_at": 5}]}, "/fills/0/executed_at"),
        ({"fills": [{**good, "trade_id": "a b"}]}, "/fills/0/trade_id"),
        ({"fills": [good] * 1001}, "/fills"),
        ({"fills": [{**good, "executed_at": "2027-01-01T00:00:00Z"}]}, "/fills/0/executed_at"),
    ):
        answer = await live.http.post(URL, json=body)
        assert answer.status_code == 422, answer.text
        assert pointer in {rule["pointer"] for rule in answer.json()["errors"]}, answer.text
    for method in ("get", "post"):
        kwargs = {"json": {"fills": [good]}} if method == "post" else {}
        missing = await getattr(live.http, method)("/v1/portfolios/none/executions", **kwargs)
        assert (missing.status_code, missing.json()["code"]) == (404, "unknown_portfolio")


async def test_the_same_key_gives_the_same_bytes(live: Live) -> None:
    order = await ordered(live, 1)
    body = {"fills": [fill(live, order, "t1")]}
    first, again = [await live.http.post(URL, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert first.content == again.content
    assert len(await live.entries("executions")) == 1


async def test_nothing_reported_yet_is_nothing(live: Live) -> None:
    found = await summary(live)
    assert (found["fills"], found["adherence"], found["markets"], found["impact"]) == (0, None, [], [])
