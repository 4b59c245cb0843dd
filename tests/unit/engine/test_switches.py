"""Switches in the engine: hedges, plans, accounts without equity, breakers that would flatten, the record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from app import examples
from app.translate.state_record import decode_state
from app.usecases.call import Door
from app.usecases.decide import Decision, Gathered, decide, render, state_record
from app.usecases.evaluate_portfolio import REQUEST_MODELS
from services.core.outcome import Permission, Reason, Status
from services.guards.switches import ActiveSwitch, SwitchMode
from tests.support import requests

HEDGED = {
    name: getattr(examples, name) for name in ("HEDGES", "ADAPTIVE_HEDGES", "HEDGES_BY_QUOTES", "OPTIMIZED_HEDGES")
}
DESK: dict[str, Any] = {
    **requests.desk(),
    "policy": {
        **requests.desk()["policy"],
        "hedging": {"method": "threshold", "instrument": "BTC-PERPETUAL", "max_delta": 0.05},
    },
}


def switch(mode: SwitchMode, scope: str = "global") -> ActiveSwitch:
    return ActiveSwitch(scope, mode, "ann", "why", 4)


def decided(door: Door, body: dict[str, Any], *over: ActiveSwitch, gathered: Gathered | None = None) -> Decision:
    request = REQUEST_MODELS[door].model_validate(body)
    assert request.as_of is not None
    ids: dict[str, Any] = {"evaluation_id": "ev_" + "0" * 32, "received_at": request.as_of + timedelta(seconds=1)}
    return decide(door, request, orjson.dumps(body), gathered or Gathered(switches=over), **ids)


CALLS = [*((Door.HEDGES, body) for body in HEDGED.values()), (Door.EVALUATIONS, DESK)]
NAMES = [*HEDGED, "DESK"]


@pytest.mark.parametrize(("door", "body"), CALLS, ids=NAMES)
def test_a_halt_makes_no_order_of_any_hedge(door: Door, body: dict[str, Any]) -> None:
    assert decided(door, body).result.orders, "there is something to stop"
    made = decided(door, body, switch(SwitchMode.HALT))
    assert made.result.orders == ()
    wanted = [hedge for hedge in made.result.hedges if hedge.status is not Status.REFUSED]
    assert all(not hedge.contracts and hedge.reason is Reason.HALTED for hedge in wanted)
    assert wanted or door is Door.EVALUATIONS


@pytest.mark.parametrize(("door", "body"), CALLS, ids=NAMES)
def test_under_reduce_only_hedges_and_targets_only_shrink_positions(door: Door, body: dict[str, Any]) -> None:
    made = decided(door, body, switch(SwitchMode.REDUCE_ONLY))
    positions = [state.contracts for state in made.result.columns.states]
    traded = dict.fromkeys(range(len(positions)), 0)
    for order in made.result.orders:
        assert order.reduce_only
        traded[order.row] += order.contracts
    for held, change in zip(positions, traded.values(), strict=True):
        assert abs(held + change) <= abs(held)
        assert held * (held + change) >= 0


def test_one_hedge_instrument_is_halted_and_the_others_go_on() -> None:
    free = decided(Door.HEDGES, examples.OPTIMIZED_HEDGES)
    symbols = [free.inputs.rows[order.row].symbol for order in free.result.orders]
    assert len(set(symbols)) > 1
    stopped = decided(Door.HEDGES, examples.OPTIMIZED_HEDGES, switch(SwitchMode.HALT, f"symbol:{symbols[0]}"))
    assert symbols[0] not in {stopped.inputs.rows[order.row].symbol for order in stopped.result.orders}


def test_without_equity_a_halt_is_stricter_than_reduce_only() -> None:
    body = requests.smallest(account={"equity": "-1", "currency": "USD"})
    (free,) = decided(Door.EVALUATIONS, body).result.targets
    assert (free.permission, free.reason) == (Permission.REDUCE_ONLY, Reason.EQUITY_NOT_POSITIVE)
    (held,) = decided(Door.EVALUATIONS, body, switch(SwitchMode.HALT)).result.targets
    assert (held.permission, held.reason, held.order) == (Permission.NONE, Reason.HALTED, None)
    (reduced,) = decided(Door.EVALUATIONS, body, switch(SwitchMode.REDUCE_ONLY)).result.targets
    assert (reduced.permission, reduced.reason) == (Permission.REDUCE_ONLY, Reason.EQUITY_NOT_POSITIVE)


def test_a_refused_row_stays_refused_and_may_not_be_traded() -> None:
    body = requests.smallest(series=[])
    free, held = (decided(Door.EVALUATIONS, body, *over).result.targets[0] for over in ((), (switch(SwitchMode.HALT),)))
    assert (free.status, held.status, held.reason) == (Status.REFUSED, Status.REFUSED, free.reason)
    assert (held.target, held.order, held.permission) == (None, None, Permission.NONE)
    assert held.detail.endswith("global is on halt, version 4, set by ann: why")


def test_a_halt_holds_what_a_breaker_would_flatten() -> None:
    flat = {
        "as_of": requests.AS_OF,
        "breakers": [{"scope": "account", "level": 4, "latched": True, "last_at": requests.END}],
    }
    base = requests.smallest()
    body = {**base, "policy": {**base["policy"], "breakers": {}}, "previous": flat}
    (closed,) = decided(Door.EVALUATIONS, body).result.targets
    assert closed.target == 0
    (held,) = decided(Door.EVALUATIONS, body, switch(SwitchMode.HALT)).result.targets
    assert (held.target, held.order) == (held.current, None)


def test_the_record_replays_to_the_byte_whatever_the_switches_are_by_then() -> None:
    over = (
        switch(SwitchMode.REDUCE_ONLY),
        ActiveSwitch("venue:x", SwitchMode.HALT, "bob", 'said "no"', 1, expired=True),
    )
    made = decided(Door.EVALUATIONS, DESK, *over)
    assert made.inputs.switches == over[:1], "the other is over nothing of this book"
    recorded = decode_state(state_record(made, Gathered()))
    again = decided(
        Door.EVALUATIONS,
        DESK,
        gathered=Gathered(
            recorded.registered,
            recorded.states,
            recorded.correlation,
            policy=recorded.policy,
            switches=recorded.switches,
        ),
    )
    moment = made.received_at
    assert render(again, moment) == render(made, moment)
    assert render(again, moment) != render(decided(Door.EVALUATIONS, DESK), moment)
