"""Portfolios in `auto` mode, from registration to intents: what is acted on, how often, and what outlives a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.usecases.live_engine import LiveEngine
from models.api.portfolio import LiveResponse, TargetsAnswer
from tests.support.live import LAST_CLOSE, Live, running

AUTO: dict[str, Any] = {
    "max_orders_per_day": 3,
    "max_notional_per_day": "1000000",
    "cooldown": "PT1M",
    "triggers": {"drift": 0.01},
}


def held(quantity: str, mark: str = "101") -> dict[str, Any]:
    return {"positions": [{"symbol": "AAA", "quantity": quantity, "mark_price": mark}]}


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with running(tmp_path) as found:
        await found.observe(["AAA"], count=80)
        await found.register(mode="auto", auto=AUTO)
        yield found


async def decided(live: Live) -> dict[str, Any]:
    """The newest decision, which must replay."""
    targets = await live.published()
    TargetsAnswer.model_validate(targets)
    decision = await live.decision(targets["evaluation_id"])
    LiveResponse.model_validate(decision)
    replay = live.answer(await live.http.post(f"/v1/evaluations/{targets['evaluation_id']}:replay"))
    assert replay["match"] is True, replay["differences"]
    assert targets["auto"] == decision["auto"]
    assert targets["intents"] == decision["intents"]
    ids = [[item["client_order_id"] for item in decision[name]] for name in ("orders", "intents")]
    assert ids[0] in ([], ids[1])
    return decision


async def test_a_drift_makes_one_decision_with_orders_until_a_snapshot_after_trading(live: Live) -> None:
    await live.snapshot(1)
    first = await decided(live)
    assert first["auto"]["triggers"] == ["drift"]
    assert (first["auto"]["acted"], len(first["orders"]), first["auto"]["orders_left"]) == (True, 1, 2)
    (order,), (intent,) = first["orders"], first["intents"]
    assert intent["ccxt"] == {
        "symbol": "AAA",
        "type": "limit",
        "side": "buy",
        "amount": order["contracts"],
        "price": order["limit_price"],
        "params": {"clientOrderId": order["client_order_id"], "timeInForce": "IOC", "reduceOnly": False},
    }
    assert int(intent["nonce"]) == int(order["client_order_id"], 16)

    live.clock.move(hours=24, minutes=2)
    await live.snapshot(2)
    await live.settle()
    live.clock.move(minutes=5)
    await live.observe(["AAA"], end=LAST_CLOSE + timedelta(days=1))
    again = await decided(live)
    assert again["snapshot_seq"] == 2
    assert (again["orders"], again["auto"]["acted"], again["auto"]["triggers"]) == ([], False, [])
    assert again["auto_memory"]["latched"] == ["drift"]
    assert again["targets"][0]["order_quantity"] != "0", "the target still says what would be right"


async def test_intents_stay_until_they_expire_the_account_changes_or_something_is_stopped(live: Live) -> None:
    """A decision without orders comes after every bar: a reader that polls must not miss what was ordered before it."""
    await live.register(symbols=["BBB"], mode="auto", auto=AUTO)
    await live.snapshot(1)
    first = await decided(live)

    async def after_a_bar(day: int) -> dict[str, Any]:
        await live.observe(["BBB"], end=LAST_CLOSE + timedelta(days=day))
        found = await decided(live)
        assert (found["orders"], found["auto"]["acted"]) == ([], False)
        return found

    for day in (-5, -4):
        assert (await after_a_bar(day))["intents"] == first["intents"] != []
    await live.register(symbols=["BBB"], mode="auto", auto={**AUTO, "enabled": False})
    assert (await decided(live))["intents"] == []
    await live.register(symbols=["BBB"], mode="auto", auto=AUTO)
    assert (await decided(live))["intents"] == [], "what was stopped does not come back"

    live.clock.move(minutes=2)
    await live.snapshot(2)
    assert len((await decided(live))["intents"]) == 1
    live.clock.move(seconds=61)
    assert (await after_a_bar(-3))["intents"] == [], "expired"
    await live.snapshot(3, **held("120"))
    assert len((await decided(live))["orders"]) == 1
    await live.snapshot(4, **held("121"))
    assert (await decided(live))["intents"] == [], "another account"


async def test_what_was_not_ordered_is_not_remembered_as_traded(live: Live) -> None:
    await live.register(mode="auto", auto={**AUTO, "triggers": {"drift": 9.0}})
    await live.snapshot(1)
    decision = await decided(live)
    assert decision["targets"][0]["action"] == "increase"
    assert (decision["auto"]["triggers"], decision["orders"]) == ([], [])
    assert not any(row.get("traded_at") for row in decision["state"].get("rows", ()))


async def test_beyond_the_budget_only_reductions_are_ordered_and_a_restart_or_a_deletion_counts_on(live: Live) -> None:
    for seq in range(1, 4):
        await live.snapshot(seq, **held(str(100 + seq)))
        assert (await decided(live))["auto"]["acted"] is True
        live.clock.move(minutes=2)
    await live.snapshot(4)
    spent = await decided(live)
    assert (spent["orders"], spent["auto"]["orders_left"]) == ([], 0)
    assert spent["auto"]["only_reductions"] == "max_orders_per_day: 3 of 3 are made, and this decision has 1"
    assert spent["targets"][0]["permission"] == "reduce_only"
    assert spent["auto"]["due_at"] == "2026-11-21T00:00:00.000000Z"

    await live.engine.end()
    await live.engine.begin(await live.container.audit.size())
    assert (await decided(live))["auto_memory"]["orders"] == 3, "a takeover counts on"
    live.answer(await live.http.delete("/v1/portfolios/desk"))
    await live.register(mode="manual")
    await live.snapshot(1)
    manual = await live.decision((await live.published())["evaluation_id"])
    assert (manual["auto_memory"]["orders"], "auto" in manual) == (3, False)
    await live.register(mode="auto", auto=AUTO)
    await live.snapshot(2)
    assert (await decided(live))["orders"] == [], "neither a deletion nor a change of mode gives budget back"

    await live.snapshot(3, **held("2000"))
    reduced = await decided(live)
    assert [order["reduce_only"] for order in reduced["orders"]] == [True]
    assert (reduced["auto_memory"]["orders"], reduced["auto"]["orders_left"]) == (4, 0)

    live.clock.move(days=1)
    await live.snapshot(4)
    next_day = await decided(live)
    assert [order["reduce_only"] for order in next_day["orders"]] == [False]
    assert next_day["auto_memory"]["orders"] == 1


async def test_the_notional_of_a_day_bounds_increases_as_a_whole(live: Live) -> None:
    await live.register(mode="auto", auto={**AUTO, "max_notional_per_day": "500"})
    await live.snapshot(1)
    decision = await decided(live)
    assert decision["orders"] == []
    assert decision["auto"]["only_reductions"].startswith("max_notional_per_day: 0 of 500 is used")
    assert decision["auto_memory"]["notional"] == "0"


async def test_a_cooldown_is_waited_for_and_then_acted_after_without_anything_new(live: Live) -> None:
    await live.snapshot(1, **held("110"))
    await decided(live)
    live.clock.move(seconds=10)
    await live.snapshot(2)
    waiting = await decided(live)
    assert (waiting["orders"], waiting["auto"]["triggers"]) == ([], [])
    live.clock.move(seconds=10)
    assert waiting["auto_memory"]["latched"] == ["drift"]
    assert any(30.0 < seconds < 70.0 for seconds in live.timers.due), "its orders expire within a minute"
    live.clock.move(seconds=60)
    live.timers.fire()
    later = await decided(live)
    assert later["snapshot_seq"] == 2
    assert (later["auto"]["acted"], later["auto"]["triggers"]) == (True, ["drift"])


async def test_a_schedule_acts_by_itself(live: Live) -> None:
    await live.register(mode="auto", auto={**AUTO, "schedule": "PT10M", "triggers": {}})
    await live.snapshot(1)
    first = await decided(live)
    assert (first["auto"]["triggers"], first["auto"]["acted"]) == (["schedule"], True)
    await live.snapshot(2)
    assert (await decided(live))["auto"]["triggers"] == []
    assert any(seconds == pytest.approx(600.0, abs=1.0) for seconds in live.timers.due)
    live.clock.move(minutes=10, seconds=1)
    live.timers.fire()
    second = await decided(live)
    assert (second["auto"]["triggers"], second["auto"]["acted"], second["snapshot_seq"]) == (["schedule"], True, 2)


async def test_disabled_nothing_is_ordered_and_switches_are_obeyed(live: Live) -> None:
    await live.register(mode="auto", auto={**AUTO, "enabled": False})
    await live.snapshot(1)
    off = await decided(live)
    assert (off["orders"], off["intents"], off["auto"]["waiting_for"]) == ([], [], "auto.enabled is false")
    assert off["targets"][0]["status"] in ("ok", "limited")

    await live.register(mode="auto", auto=AUTO)
    halt = {"mode": "halt", "actor": "ann", "reason": "drill"}
    live.answer(await live.http.put("/v1/breakers/portfolio:desk", json=halt))
    halted = await decided(live)
    assert (halted["orders"], halted["targets"][0]["reason"]) == ([], "halted")


async def test_expired_intents_are_not_given_out_again(live: Live) -> None:
    await live.snapshot(1)
    first = await decided(live)
    live.clock.move(hours=1, minutes=1)
    targets = live.answer(await live.targets())
    assert (targets["expired"], targets["intents"]) == (True, [])
    await live.engine.end()
    await live.engine.begin(await live.container.audit.size())
    await live.settle()
    assert len(await live.entries("live")) == 1, "nothing is decided on a snapshot that is too old"
    await live.snapshot(2)
    second = await decided(live)
    ids = [{intent["client_order_id"] for intent in found["intents"]} for found in (first, second)]
    assert ids[1] and ids[0].isdisjoint(ids[1])


async def test_on_chain_orders_are_typed_data(live: Live) -> None:
    settlement = {
        "venue": "chain",
        "kind": "eip712",
        "chain_id": 42161,
        "verifying_contract": "0x" + "5f" * 20,
        "name": "Perpchain",
        "version": "1",
        "quantity_decimals": 18,
        "price_decimals": 6,
    }
    await live.register(
        mode="auto",
        auto={**AUTO, "settlements": [settlement]},
        position_defaults={"venue": "chain"},
        instruments=[{"symbol": "AAA", "venue": "chain", "kind": "linear", "lot": "0.001"}],
    )
    await live.snapshot(1, signals=[{"symbol": "AAA", "venue": "chain", "direction": 1}])
    decision = await decided(live)
    (intent,), (order,) = decision["intents"], decision["orders"]
    message = intent["eip712"]["message"]
    assert "ccxt" not in intent
    assert int(message["quantity"]) * 10**-18 == pytest.approx(float(order["contracts"]), rel=1e-12)
    assert message["deadline"] == str(int(datetime.fromisoformat(order["valid_until"]).timestamp()))
    assert intent["eip712"]["domain"]["chainId"] == 42161

    coarse = {**settlement, "quantity_decimals": 0}
    await live.register(
        mode="auto",
        auto={**AUTO, "settlements": [coarse]},
        position_defaults={"venue": "chain"},
        instruments=[{"symbol": "AAA", "venue": "chain", "kind": "linear", "lot": "0.001"}],
    )
    live.clock.move(minutes=2)
    await live.snapshot(2, signals=[{"symbol": "AAA", "venue": "chain", "direction": 1}], **held("150"))
    found = await live.decision((await live.published())["evaluation_id"])
    assert (len(found["orders"]), found["intents"]) == (1, [])
    assert "intent_inexact" in {warning["code"] for warning in found["warnings"]}


async def test_two_engines_that_both_take_themselves_for_the_one_never_exceed_the_budget(live: Live) -> None:
    """Both decide on everything at once: of two that continue the same decision the log keeps one."""
    other = LiveEngine(live.container, live.failures.append, live.timers.later)
    await other.begin(await live.container.audit.size())
    seen = await live.container.audit.size() - 1
    for seq in range(1, 12):
        await live.snapshot(seq, **held(str(100 + seq)))
        live.clock.move(minutes=2)
        entries = await live.container.audit.tail(after=seen, limit=100)
        seen = entries[-1].entry.index
        await asyncio.gather(live.engine.saw(entries), other.saw(entries))
        while live.engine.busy or other.busy:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    await other.end()
    decisions = [await live.decision(entry["evaluation_id"]) for entry in await live.entries("live")]
    orders = [order for decision in decisions for order in decision["orders"]]
    assert len(orders) == AUTO["max_orders_per_day"]
    assert decisions[-1]["auto_memory"]["total_orders"] == len(orders)
    counts = [decision["auto_memory"]["orders"] for decision in decisions]
    assert counts == sorted(counts)
    for before, after in pairwise(decisions):
        request = await live.request(after["evaluation_id"])
        assert request["auto_memory"] == before["auto_memory"], "each goes on from the one before it"
