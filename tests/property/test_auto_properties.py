"""`auto` mode under any sequence of snapshots, prices, clocks and rules: budgets hold, nothing is doubled or lost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.translate.auto import auto_memory, memory_block
from models.api.auto import AutoMemoryIn
from services.engine import StateInput, evaluate
from services.engine.auto_triggers import AutoMemory, AutoRules, Trigger
from services.engine.automatic import Automatic, emission_of, evaluate_automatically
from services.guards.switches import ActiveSwitch, SwitchMode
from tests.support.books import AS_OF, inputs, readout, row

RULES = st.builds(
    AutoRules,
    max_orders_per_day=st.integers(1, 5),
    max_notional_per_day=st.floats(500.0, 50_000.0),
    cooldown_seconds=st.sampled_from([0.0, 60.0, 600.0]),
    schedule_seconds=st.none() | st.sampled_from([30.0, 3600.0]),
    volatility_move=st.none() | st.floats(0.05, 1.0),
    drift=st.none() | st.floats(0.001, 0.5),
    margin_ratio=st.none() | st.floats(0.01, 0.5),
    enabled=st.sampled_from([True, True, True, False]),
)
STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "seconds": st.sampled_from([0, 1, 59, 61, 700, 40_000, 90_000]) | st.integers(-5, 100_000),
            "fresh": st.booleans(),
            "quantity": st.sampled_from(["0", "20", "45", "50", "90", "-30"]),
            "direction": st.sampled_from([-1.0, 0.0, 0.5, 1.0]),
            "volatility": st.sampled_from([0.2, 0.4, 0.8]),
            "halted": st.booleans(),
        }
    ),
    min_size=1,
    max_size=14,
)
HALT = ActiveSwitch("global", SwitchMode.HALT, "ann", "drill", 1)


def run(rules: list[AutoRules], steps: list[dict[str, Any]]) -> list[tuple[Any, AutoRules, Automatic]]:
    """Decisions one after another; the memory goes over the wire each time, as it does over a restart."""
    memory, now, seq, made = AutoMemory(), AS_OF, 0, []
    held, direction = "0", 1.0
    for number, (own, move) in enumerate(zip(rules, steps, strict=True)):
        now += timedelta(seconds=move["seconds"])
        if move["fresh"] or not seq:
            seq, held, direction = seq + 1, move["quantity"], move["direction"]
        given = inputs(
            row("A", held, direction=direction),
            row("B", "0", direction=0.3),
            states={
                "A": StateInput(readout(move["volatility"], last_close_at=now)),
                "B": StateInput(readout(0.4, last_close_at=now)),
            },
            as_of=now,
            evaluation_id=f"ev_{number}",
            snapshot_id=f"desk/{seq}",
            switches=(HALT,) if move["halted"] and number % 3 == 0 else (),
        )
        found = evaluate_automatically(given, own, memory)
        made.append((given, own, found))
        sent = orjson.loads(orjson.dumps(memory_block(found.memory)))
        memory = auto_memory(AutoMemoryIn.model_validate(sent))
    return made


@given(data=st.data(), steps=STEPS)
def test_budget_snapshot_and_cooldown_hold(data: st.DataObject, steps: list[dict[str, Any]]) -> None:
    own = data.draw(RULES)
    others = data.draw(st.lists(st.sampled_from([own, replace(own, max_orders_per_day=1)]), min_size=len(steps)))
    made = run(others[: len(steps)], steps)
    orders: dict[date | None, int] = defaultdict(int)
    notional: dict[date | None, float] = defaultdict(float)
    increased_on: set[str] = set()
    seen: set[str] = set()
    last = None
    for given_, rules, found in made:
        result, day = found.result, found.memory.day
        increases = [order for order in result.orders if not order.reduce_only]
        orders[day] += len(result.orders)
        notional[day] += found.emission.notional
        ids = [order.client_order_id for order in result.orders]
        assert seen.isdisjoint(ids), "no id is ever ordered twice"
        seen |= set(ids)
        assert (found.memory.orders, found.memory.total_orders) == (orders[day], sum(orders.values()))
        if increases:
            assert rules.enabled
            assert orders[day] <= rules.max_orders_per_day
            assert notional[day] <= rules.max_notional_per_day * (1.0 + 1e-9)
            assert given_.snapshot_id not in increased_on, "a snapshot is acted on once"
            assert last is None or given_.as_of >= last + timedelta(seconds=rules.cooldown_seconds)
        if result.orders:
            increased_on.add(given_.snapshot_id)
            last = given_.as_of
            assert found.verdict.fired
        else:
            before = given_.control
            assert result.control is None or before is not None or not result.control.rows
        assert found.due_at is None or found.due_at > given_.as_of, "no timer turns on the spot"


@given(rules=RULES, steps=STEPS)
def test_orders_are_those_of_the_decision_or_of_it_under_reduce_only(
    rules: AutoRules, steps: list[dict[str, Any]]
) -> None:
    for given_, _, found in run([rules] * len(steps), steps):
        free = evaluate(given_)
        if found.result.orders and not found.verdict.only_reductions:
            assert found.result.orders == free.orders
        if found.verdict.only_reductions:
            assert all(order.reduce_only for order in found.result.orders)
            for order in found.result.orders:
                held = given_.rows[order.row].quantity
                assert abs(order.contracts) <= abs(held)
                assert order.contracts * held < Decimal(0)


@given(steps=STEPS, drift=st.floats(0.01, 0.2))
def test_with_room_and_fresh_snapshots_every_drift_is_acted_on(steps: list[dict[str, Any]], drift: float) -> None:
    """Nothing is lost: where the drift is there, it is acted on now, or it is latched and its orders still live, or it
    is due once a clock that went back has reached the time of the last orders again.
    """
    rules = AutoRules(max_orders_per_day=100_000, max_notional_per_day=1e12, cooldown_seconds=0.0, drift=drift)
    until = None
    for given_, _, found in run([rules] * len(steps), [{**move, "fresh": True} for move in steps]):
        free = evaluate(given_)
        if emission_of(free).notional / given_.account.equity >= drift and not found.result.orders:
            assert until is not None
            assert given_.as_of < until
            went_back = Trigger.DRIFT in found.verdict.fired and found.due_at == found.memory.emitted_at
            assert Trigger.DRIFT in found.memory.latched or went_back
        until = found.memory.emitted_until
