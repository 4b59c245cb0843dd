"""Triggers of `auto` mode: when each fires, when it fires again, and what is held back."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.engine.auto_triggers import (
    AutoMemory,
    AutoRules,
    Emission,
    Readings,
    Trigger,
    Verdict,
    due_at,
    judge,
    over_budget,
    remember,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def rules(**changes: Any) -> AutoRules:
    return AutoRules(**{"max_orders_per_day": 10, "max_notional_per_day": 1e6, **changes})


def read(minutes: float = 0.0, snapshot: str = "s1", **changes: Any) -> Readings:
    return Readings(at=NOW + minutes * MINUTE, snapshot=snapshot, **changes)


def step(own: AutoRules, memory: AutoMemory, readings: Readings, orders: int = 1) -> tuple[Verdict, AutoMemory]:
    """Judge, order where it may be, remember; orders live a minute."""
    verdict = judge(own, memory, readings)
    made = orders if verdict.act and not verdict.only_reductions else 0
    emission = Emission(orders=made, notional=100.0 * made, until=readings.at + MINUTE if made else None)
    return verdict, remember(own, memory, readings, verdict, emission, wanted=orders > 0)


def fired(own: AutoRules, memory: AutoMemory, readings: Readings) -> list[str]:
    return [trigger.value for trigger in judge(own, memory, readings).fired]


def test_nothing_fires_without_a_rule_or_a_figure() -> None:
    everything = read(volatility={"A": 9.0}, drift=9.0, collateral=1.0, margin_ratio=9.0, tier=4)
    moved = AutoMemory(volatility={"A": 0.1}, collateral=9.0)
    assert judge(rules(), moved, everything) == Verdict()
    own = rules(volatility_move=0.1, drift=0.1, collateral_move=0.1, margin_ratio=0.1, breaker=True)
    blind = judge(own, moved, read())
    assert (blind.fired, blind.act) == ((), False)
    assert set(blind.unknown) == set(Trigger) - {Trigger.SCHEDULE}
    assert set(fired(own, moved, everything)) == {trigger.value for trigger in Trigger} - {"schedule"}


@pytest.mark.parametrize(
    ("now", "fires"), [(0.5, True), (0.4999, False), (0.4, False), (0.3201, False), (0.3199, True), (0.0, True)]
)
def test_a_move_of_volatility_is_relative_and_the_same_up_and_down(now: float, fires: bool) -> None:
    """0.4 and a move of 25 %: from 0.4 / 1.25 = 0.32 to 0.5."""
    own, memory = rules(volatility_move=0.25), AutoMemory(volatility={"A": 0.4, "B": 0.4})
    assert bool(fired(own, memory, read(volatility={"A": 0.4, "B": now + 1e-12 if now == 0.5 else now}))) is fires


def test_a_market_that_is_new_has_not_moved() -> None:
    own = rules(volatility_move=0.25)
    verdict, memory = step(own, AutoMemory(), read(volatility={"A": 0.4}))
    assert verdict.fired == ()
    assert fired(own, memory, read(1, volatility={"A": 0.41, "B": 3.0})) == []
    assert fired(own, memory, read(1, volatility={"A": 0.6})) == ["volatility"]


def test_moves_are_measured_from_the_last_action() -> None:
    own = rules(collateral_move=0.1, cooldown_seconds=0.0)
    _, memory = step(own, AutoMemory(), read(collateral=100.0))
    _, memory = step(own, memory, read(1, collateral=95.0))
    verdict, memory = step(own, memory, read(2, "s2", collateral=90.0))
    assert verdict.fired == (Trigger.COLLATERAL,)
    assert memory.collateral == 90.0
    assert fired(own, memory, read(3, "s3", collateral=95.0)) == []
    assert fired(own, memory, read(3, "s3", collateral=0.0)) == ["collateral"]


def test_the_schedule_acts_at_once_and_then_at_its_turns() -> None:
    own = rules(schedule_seconds=600.0)
    verdict, memory = step(own, AutoMemory(), read())
    assert verdict.act
    assert due_at(own, memory, read(), verdict) == NOW + 10 * MINUTE
    assert fired(own, memory, read(9.99, "s2")) == []
    assert fired(own, memory, read(10, "s2")) == ["schedule"]
    quiet, after = step(own, AutoMemory(), read(), orders=0)
    assert quiet.act
    assert due_at(own, after, read(), quiet) == NOW + 10 * MINUTE, "also where there was nothing to order"


@pytest.mark.parametrize("name", ["drift", "margin_ratio"])
def test_a_level_fires_once_however_long_it_hovers(name: str) -> None:
    own, memory = rules(**{name: 0.10}, cooldown_seconds=0.0), AutoMemory()
    count = 0
    for minute in range(100):
        level = 0.1001 if minute % 2 else 0.0999
        verdict, memory = step(own, memory, read(minute / 100.0, f"s{minute}", **{name: level}))
        count += verdict.act
    assert count == 1
    _, memory = step(own, memory, read(2, "below", **{name: 0.0799}))
    assert memory.latched == frozenset()
    assert fired(own, memory, read(3, "above", **{name: 0.11})) == [name]


def test_a_level_that_a_later_snapshot_still_shows_fires_again_when_its_orders_have_expired() -> None:
    own = rules(drift=0.1, cooldown_seconds=0.0)
    _, memory = step(own, AutoMemory(), read(drift=0.2))
    assert fired(own, memory, read(0.5, "s2", drift=0.2)) == []
    assert due_at(own, memory, read(0.5, "s2", drift=0.2), Verdict()) == NOW + MINUTE
    assert fired(own, memory, read(1.0, "s2", drift=0.2)) == ["drift"]
    assert fired(own, memory, read(1.0, "s1", drift=0.2)) == [], "the old snapshot does not know what was traded"


def test_a_level_without_orders_stays_armed() -> None:
    own = rules(margin_ratio=0.5)
    _, memory = step(own, AutoMemory(), read(margin_ratio=0.6), orders=0)
    assert fired(own, memory, read(1, margin_ratio=0.9)) == ["margin_ratio"]


def test_a_breaker_fires_when_its_tier_rises() -> None:
    own = rules(breaker=True, cooldown_seconds=0.0)
    tiers, found, memory = [0, 1, 1, 2, 1, 0, 1, 4], [], AutoMemory()
    for minute, tier in enumerate(tiers):
        verdict, memory = step(own, memory, read(minute, f"s{minute}", tier=tier))
        found.append(bool(verdict.fired))
    assert found == [False, True, False, True, False, False, True, True]


def test_in_the_cooldown_and_on_a_used_snapshot_only_urgent_reductions_are_made() -> None:
    own = rules(drift=0.1, margin_ratio=0.5, cooldown_seconds=300.0)
    _, memory = step(own, AutoMemory(), read(drift=0.2, margin_ratio=0.1))
    memory = replace(memory, latched=frozenset())
    waiting = judge(own, memory, read(2, "s2", drift=0.2, margin_ratio=0.1))
    assert (waiting.act, waiting.waiting_for) == (False, "the cooldown lasts until 2026-11-20T12:05:00Z")
    assert due_at(own, memory, read(2, "s2"), waiting) == NOW + 5 * MINUTE
    urgent = judge(own, memory, read(2, "s2", drift=0.2, margin_ratio=math.inf))
    assert (urgent.act, urgent.only_reductions) == (True, waiting.waiting_for)
    same = judge(own, memory, read(10, "s1", drift=0.2, margin_ratio=0.1))
    assert (same.act, "send a snapshot" in same.waiting_for) == (False, True)
    assert judge(own, memory, read(10, "s1", margin_ratio=0.6)).only_reductions == same.waiting_for
    assert judge(own, memory, read(5, "s2", drift=0.2, margin_ratio=0.1)).act


def test_a_trigger_whose_orders_were_held_back_stays_due() -> None:
    own = rules(volatility_move=0.25, cooldown_seconds=300.0)
    _, memory = step(own, AutoMemory(), read(volatility={"A": 0.4}))
    memory = replace(memory, emitted_at=NOW, emitted_snapshot="s1")
    waiting, memory = step(own, memory, read(1, "s2", volatility={"A": 0.8}))
    assert not waiting.act
    assert memory.volatility == {"A": 0.4}
    acted, memory = step(own, memory, read(6, "s2", volatility={"A": 0.8}))
    assert acted.act
    assert memory.volatility == {"A": 0.8}


def test_the_budget_is_of_a_utc_day_and_no_clock_gives_it_back() -> None:
    own = rules(max_orders_per_day=3, max_notional_per_day=250.0)
    used = AutoMemory(day=date(2026, 11, 20), orders=2, notional=200.0)
    assert over_budget(own, used, Emission(orders=1, notional=50.0), NOW) == ""
    assert over_budget(own, used, Emission(orders=2, notional=1.0), NOW).startswith("max_orders_per_day: 2 of 3")
    for notional in (50.1, math.nan, math.inf):
        assert over_budget(own, used, Emission(orders=1, notional=notional), NOW).startswith("max_notional_per_day")
    tomorrow = datetime(2026, 11, 21, tzinfo=UTC)
    assert over_budget(own, used, Emission(orders=3, notional=250.0), tomorrow) == ""
    assert over_budget(own, used, Emission(orders=3, notional=1.0), tomorrow - timedelta(microseconds=1)) != ""
    assert over_budget(own, used.on(tomorrow), Emission(orders=4), NOW) != ""
    late = used.on(tomorrow)
    assert late.on(NOW) == late


def test_markets_that_come_and_go_do_not_pile_up() -> None:
    own, memory = rules(volatility_move=9.0), AutoMemory()
    for number in range(700):
        _, memory = step(own, memory, read(number, volatility={"A": 0.4 + number / 1e4, f"B{number}": 0.4}))
    assert len(memory.volatility) == 500
    assert memory.volatility["A"] == 0.4


def test_disabled_it_remembers_and_does_nothing() -> None:
    own = rules(drift=0.1, schedule_seconds=60.0, enabled=False)
    verdict, memory = step(own, AutoMemory(day=NOW.date(), orders=7, total_orders=9), read(drift=5.0))
    assert (verdict.act, verdict.waiting_for) == (False, "auto.enabled is false")
    assert (memory.orders, memory.total_orders) == (7, 9)
    assert due_at(own, memory, read(), verdict) is None
