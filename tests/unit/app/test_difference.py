"""Two recorded answers compared: what is named, and shares worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from app.translate.difference import RecordedAnswer, difference, stages_of

STEPS_BEFORE = [
    {"stage": "equity", "in": "0", "out": "2", "parameter": "account.equity"},
    {"stage": "volatility_target", "in": "2", "out": "1", "parameter": "sizing.target_volatility", "factor": 0.5},
    {"stage": "max_weight", "in": "1", "out": "0.9", "parameter": "limits.max_weight", "bound_by": "limits.max_weight"},
    {"stage": "rounding", "in": "0.9", "out": "0.9", "parameter": "instruments.lot"},
]
STEPS_AFTER = [
    {"stage": "equity", "in": "0", "out": "2.2", "parameter": "account.equity"},
    {"stage": "volatility_target", "in": "2.2", "out": "0.55", "parameter": "sizing.target_volatility", "factor": 0.25},
    {"stage": "rounding", "in": "0.55", "out": "0.5", "parameter": "instruments.lot"},
]


def row(steps: Any, **changes: Any) -> dict[str, Any]:
    """A recorded row of BTC-PERP."""
    found: dict[str, Any] = {
        "symbol": "BTC-PERP",
        "status": "limited",
        "action": "increase",
        "permission": "any",
        "reason": "limit",
        "quantity_unit": "base",
        "current_quantity": "0.1",
        "target_quantity": "0.9",
        "order_quantity": "0.8",
        "volatility": {"annual": 0.4, "observations": 300, "method": "adaptive"},
        "price_used": {"value": "50000", "source": "mark", "age_seconds": 3.0},
        "steps": steps,
    }
    return {key: value for key, value in (found | changes).items() if value is not None}


def recorded(*rows: dict[str, Any], equity: str = "100000", direction: float = 1.0, **answer: Any) -> RecordedAnswer:
    """A recorded decision."""
    signals = [{"symbol": "BTC-PERP", "direction": direction}]
    request = {"account": {"equity": equity, "currency": "USD"}, "signals": signals}
    inputs = {"request_sha256": f"of {equity}", "policy_resolved_sha256": "a" * 64, "engine": "0.2.0"}
    found = {"as_of": "2026-11-20T00:00:05.000000Z", "mode": "live", "inputs": inputs, "targets": list(rows), **answer}
    return RecordedAnswer(request, found, {"numpy": "2.0.0"})


def test_by_hand_the_volatility_doubles_while_the_equity_grows_by_a_tenth() -> None:
    """2 × ½ = 1 capped to 0.9; then 2.2 × ¼ = 0.55 rounded to 0.5.

    L(1, 0.55) = 0.45 / 0.597837 = 0.752714: the equity gives 0.752714 × ln 1.1 = 0.071741, the volatility
    0.752714 × ln ½ = −0.521741, the cap gives its 0.1 back, rounding takes 0.05: in all −0.4.
    """
    after = row(
        STEPS_AFTER,
        status="ok",
        reason="none",
        target_quantity="0.5",
        order_quantity="0.4",
        volatility={"annual": 0.8, "observations": 301, "method": "adaptive"},
    )
    found = difference(recorded(row(STEPS_BEFORE)), recorded(after, equity="110000"))
    assert found["book"] == [{"name": "account.equity", "before": "100000", "after": "110000"}]
    assert (found["policy"], found["rows_unchanged"]) == (None, 0)
    (changed,) = found["rows"]
    assert changed["target"] == {"before": "0.9", "after": "0.5"}
    assert changed["order"] == {"before": "0.8", "after": "0.4"}
    assert changed["changes"] == [
        {"name": "status", "before": "limited", "after": "ok"},
        {"name": "reason", "before": "limit", "after": "none"},
        {"name": "volatility.annual", "before": 0.4, "after": 0.8},
    ]
    assert changed["limits"] == {"began": [], "ceased": [{"stage": "max_weight", "parameter": "limits.max_weight"}]}
    why = changed["attribution"]
    assert why["unrounded"] == {"before": "0.9", "after": "0.55"}
    assert why["unsplit"] is None
    shares = {share["stage"]: share["contribution"] for share in why["stages"]}
    assert shares == pytest.approx(
        {"equity": 0.071741, "volatility_target": -0.521741, "max_weight": 0.1, "rounding": -0.05}, abs=1e-6
    )
    assert math.fsum(shares.values()) == pytest.approx(-0.4, abs=1e-12)
    assert why["change"] == pytest.approx(-0.4, abs=1e-12)


def test_nothing_changed() -> None:
    one = recorded(row(STEPS_BEFORE))
    assert difference(one, one) == {
        "as_of": {"before": one.answer["as_of"], "after": one.answer["as_of"]},
        "book": [],
        "policy": None,
        "rows": [],
        "rows_unchanged": 1,
    }


def test_rows_that_appear_and_vanish() -> None:
    other = row(STEPS_AFTER, symbol="ETH-PERP")
    found = difference(recorded(row(STEPS_BEFORE)), recorded(other))
    assert [(item["symbol"], item["presence"]) for item in found["rows"]] == [
        ("BTC-PERP", "vanished"),
        ("ETH-PERP", "appeared"),
    ]
    vanished, appeared = found["rows"]
    assert (vanished["target"], appeared["target"]) == (
        {"before": "0.9", "after": None},
        {"before": None, "after": "0.9"},
    )
    assert appeared["attribution"] is None
    assert "one of the two" in appeared["unexplained"]


def test_rows_of_one_symbol_are_told_apart_by_venue_account_and_side() -> None:
    rows = [row(STEPS_BEFORE, venue=venue, account_id="a", position_side="long") for venue in ("okx", "bybit")]
    later = [rows[1], {**rows[0], "target_quantity": "0.7"}]
    (changed,) = difference(recorded(*rows), recorded(*later))["rows"]
    assert (changed["venue"], changed["account_id"], changed["position_side"]) == ("okx", "a", "long")


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (row(None, status="refused", reason="stale_price", target_quantity=None, order_quantity=None), "refused"),
        (row(None, target_quantity="0.5"), "explain"),
    ],
    ids=["refused", "without steps"],
)
def test_what_cannot_be_explained_says_why(after: dict[str, Any], words: str) -> None:
    (changed,) = difference(recorded(row(STEPS_BEFORE)), recorded(after))["rows"]
    assert changed["attribution"] is None
    assert words in changed["unexplained"]


def test_a_direction_that_turns_is_said_and_its_stages_stand_side_by_side() -> None:
    short = [
        {**step, "in": "0" if step["in"] == "0" else f"-{step['in']}", "out": f"-{step['out']}"} for step in STEPS_AFTER
    ]
    after = row(short, target_quantity="-0.5")
    (changed,) = difference(recorded(row(STEPS_BEFORE)), recorded(after, direction=-1.0))["rows"]
    assert {"name": "signal.direction", "before": 1.0, "after": -1.0} in changed["changes"]
    why = changed["attribution"]
    assert why["unsplit"] == {"reason": "sign_changed", "contribution": pytest.approx(-1.55)}
    equity = next(share for share in why["stages"] if share["stage"] == "equity")
    assert (equity["factor"], equity["contribution"]) == ({"before": 2.0, "after": -2.2}, None)
    rest = [share["contribution"] for share in why["stages"] if share["contribution"] is not None]
    assert math.fsum([*rest, why["unsplit"]["contribution"]]) == pytest.approx(-1.4)


def test_the_signal_closest_to_a_row_is_its_own() -> None:
    before, after = recorded(row(STEPS_BEFORE, venue="okx")), recorded(row(STEPS_BEFORE, venue="okx"))
    for record, own in ((before, 0.5), (after, 0.25)):
        record.request["signals"].append({"symbol": "BTC-PERP", "venue": "okx", "direction": own})  # type: ignore[index]
        record.request["signals"].append({"symbol": "BTC-PERP", "venue": "bybit", "direction": own + 0.1})  # type: ignore[index]
    (changed,) = difference(before, after)["rows"]
    assert changed["changes"] == [{"name": "signal.direction", "before": 0.5, "after": 0.25}]


def test_policies_are_compared_field_by_field_where_both_answers_hold_them() -> None:
    old = {"sizing": {"method": "volatility_target", "target_volatility": 0.2}, "overlays": []}
    new = {"sizing": {"method": "volatility_target", "target_volatility": 0.1}, "overlays": [{"method": "x"}]}
    one, other = recorded(row(STEPS_BEFORE), policy_resolved=old), recorded(row(STEPS_BEFORE), policy_resolved=new)
    assert difference(one, other)["policy"] == [
        {"pointer": "/sizing/target_volatility", "before": 0.2, "after": 0.1},
        {"pointer": "/overlays", "before": [], "after": [{"method": "x"}]},
    ]
    assert difference(one, one)["policy"] == []
    assert difference(one, recorded(row(STEPS_BEFORE)))["policy"] is None


def test_versions_and_the_named_policy_belong_to_the_book() -> None:
    before = recorded(row(STEPS_BEFORE), policy={"id": "desk", "version": 1, "sha256": "a"})
    after = recorded(row(STEPS_BEFORE), policy={"id": "desk", "version": 2, "sha256": "b"}, scope="book")
    after = RecordedAnswer(after.request, after.answer, {"numpy": "2.1.0"})
    assert [change["name"] for change in difference(before, after)["book"]] == [
        "scope",
        "policy.version",
        "policy.sha256",
        "versions.numpy",
    ]


def test_a_book_that_is_scaled_as_a_whole_begins_at_its_position() -> None:
    steps = [
        {"stage": "collateral", "in": "3", "out": "4", "parameter": "account.collateral"},
        {
            "stage": "portfolio_volatility",
            "in": "4",
            "out": "2",
            "parameter": "sizing.target_volatility",
            "factor": 0.5,
        },
        {"stage": "collateral", "in": "2", "out": "1", "parameter": "account.collateral"},
    ]
    assert [stage.is_factor for stage in stages_of(steps)] == [False, True, False]
    after = [*steps[:1], {**steps[1], "out": "4.4", "factor": 1.1}, {**steps[2], "in": "4.4", "out": "3.4"}]
    (changed,) = difference(recorded(row(steps)), recorded(row(after)))["rows"]
    shares = {
        (share["stage"], place): share["contribution"] for place, share in enumerate(changed["attribution"]["stages"])
    }
    # (3 × 1.1 − 3 × 0.5) of the factor on the position, (1.1 − 0.5) × 1 on the collateral that it multiplies
    assert shares == pytest.approx(
        {("start", 0): 0.0, ("collateral", 1): 0.6, ("portfolio_volatility", 2): 1.8, ("collateral", 3): 0.0}
    )
