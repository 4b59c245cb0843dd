"""Whatever the book and the policy: a halted row has no order, and one on reduce-only never grows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from app.usecases.call import Door
from app.usecases.decide import Decision, Gathered, decide, render
from models.api.evaluation import EvaluationRequest
from services.core.outcome import Permission
from services.engine.switches import switch_of
from services.guards.switches import ActiveSwitch, SwitchMode
from tests.support import requests

COUNT = 4
SYMBOLS = [f"COIN{index}-PERP" for index in range(COUNT)]
SCOPES = [f"symbol:{symbol}" for symbol in SYMBOLS] + ["venue:a", "venue:b", "account:x", "global", "portfolio:pf"]
POLICIES: list[dict[str, Any]] = [
    {},
    {"buffer": {"method": "none"}},
    {"rounding": {"method": "joint"}, "buffer": {"method": "none"}},
    {"orders": {"allow_bump": True}},
    {"limits": {"max_leverage": 0.3}, "breakers": {}},
    {"split": {"method": "equal"}},
    {"scaling": {"method": "volatility", "mode": "two_sided", "target_volatility": 0.4}},
]

quantities = st.sampled_from(["0", "5", "-5", "40", "-40", "0.5", "900", "-900"])
switches = st.builds(
    ActiveSwitch,
    scope=st.sampled_from(SCOPES),
    mode=st.sampled_from([SwitchMode.REDUCE_ONLY, SwitchMode.HALT]),
    actor=st.just("ann"),
    reason=st.just("why"),
    version=st.just(1),
)


@st.composite
def books(draw: st.DrawFn) -> dict[str, Any]:
    whole = draw(st.booleans())
    lot = {"lot": draw(st.sampled_from(["1", "0.001"])), "min_quantity": "3"}
    rows = []
    for symbol in SYMBOLS:
        row = {"symbol": symbol, "quantity": draw(quantities), "venue": draw(st.sampled_from(["a", "b"]))}
        row |= {"account_id": draw(st.sampled_from(["x", "y"]))} if whole else {}
        rows.append(row)
    named = [{key: row[key] for key in ("symbol", "venue", "account_id") if key in row} for row in rows]
    directions = st.sampled_from([-1.0, -0.1, 0.0, 0.1, 1.0])
    return requests.smallest(
        portfolio_id="pf",
        positions=rows,
        instruments=[{"symbol": symbol, "kind": "linear", **lot} for symbol in SYMBOLS],
        series=[
            requests.series(symbol, index, close=requests.closes(index, start=50.0 + 7 * index))
            for index, symbol in enumerate(SYMBOLS)
        ],
        signals=[{**name, "direction": draw(directions)} for name in named] if draw(st.booleans()) else None,
        policy={
            "sizing": {"method": "volatility_target", "target_volatility": 0.2},
            **draw(st.sampled_from(POLICIES)),
        },
    )


def decided(body: dict[str, Any], over: list[ActiveSwitch]) -> Decision:
    body = {key: value for key, value in body.items() if value is not None}
    request = EvaluationRequest.model_validate(body)
    moment = request.as_of
    assert moment is not None
    ids: dict[str, Any] = {"evaluation_id": "ev_" + "0" * 32, "received_at": moment + timedelta(seconds=1)}
    gathered = Gathered(switches=tuple(sorted(over)))
    return decide(Door.EVALUATIONS, request, orjson.dumps(body), gathered, **ids)


@settings(max_examples=150)
@given(books(), st.lists(switches, min_size=1, max_size=4, unique_by=lambda item: item.scope))
def test_nothing_grows_under_a_switch(body: dict[str, Any], over: list[ActiveSwitch]) -> None:
    made = decided(body, over)
    orders = {order.row: [] for order in made.result.orders}  # type: dict[int, list[Any]]
    for order in made.result.orders:
        orders[order.row].append(order)
    for index, (row, target) in enumerate(zip(made.inputs.rows, made.result.targets, strict=True)):
        switch = switch_of(row, made.inputs)
        if switch is None:
            continue
        if switch.mode is SwitchMode.HALT:
            assert index not in orders
            assert (target.target, target.order, target.permission) == (target.current, None, Permission.NONE)
            continue
        assert target.permission is not Permission.ANY
        assert target.target is not None
        assert abs(target.target) <= abs(target.current)
        assert target.target * target.current >= 0
        assert all(order.reduce_only for order in orders.get(index, ()))


@settings(max_examples=60)
@given(books(), st.lists(switches, min_size=1, max_size=4, unique_by=lambda item: item.scope))
def test_what_is_halted_counts_within_the_caps_of_the_rest(body: dict[str, Any], over: list[ActiveSwitch]) -> None:
    """The leverage cap is of the whole book: what stands still uses it up, and may alone exceed it."""
    if body["policy"].get("orders"):
        return  # a minimum order may be bumped up beyond a cap
    made = decided(body, over)
    value = made.result.columns.unit_value / made.inputs.account.equity
    gross = [abs(float(target.target or 0)) * one for target, one in zip(made.result.targets, value, strict=True)]
    found = [switch_of(row, made.inputs) for row in made.inputs.rows]
    stuck = [item is not None and item.mode is SwitchMode.HALT for item in found]
    dust = [target.dust for target in made.result.targets]  # less than a lot, which nothing can close
    standing = sum(size for size, still, rest in zip(gross, stuck, dust, strict=True) if still or rest)
    cap = made.inputs.policy.limits.max_leverage
    assert sum(gross) <= max(cap, standing) * (1.0 + 1e-9)


@settings(max_examples=30)
@given(books())
def test_without_a_switch_the_answer_is_the_same_to_the_byte(body: dict[str, Any]) -> None:
    elsewhere = ActiveSwitch("venue:c", SwitchMode.HALT, "ann", "why", 1)
    made = [decided(body, over) for over in ([], [elsewhere])]
    moment = made[0].received_at
    assert render(made[0], moment) == render(made[1], moment)
