"""Decisions that are made again and again on one snapshot: when they expire, when they are renewed, ids of orders."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.engine import Evaluation, StateInput, evaluate
from services.engine.inputs import EvaluationInputs
from services.engine.renewal import renewal_at
from services.sizing.limits import Limits
from tests.support.books import AS_OF, CLOSE, inputs, readout, row

DAYS = Limits().max_data_age_bars
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def decided(**changes: Any) -> tuple[EvaluationInputs, Evaluation]:
    """One daily market `A`, whose bar is fresh for `DAYS` days after its close."""
    made = inputs(row(direction=1.0), **changes)
    return made, evaluate(made)


def closed(**at: datetime) -> dict[str, StateInput]:
    """States of daily markets by the time of their last close."""
    return {key: StateInput(readout(0.4, last_close_at=moment)) for key, moment in at.items()}


def test_the_answer_expires_with_the_first_input_that_does() -> None:
    bar = CLOSE + DAYS * DAY
    assert decided()[1].valid_until == bar
    soon = decided(expires_at=AS_OF + HOUR)[1]
    assert (soon.valid_until, soon.valid_until_reason) == (
        AS_OF + HOUR,
        "the snapshot becomes older than max_snapshot_age allows",
    )
    assert decided(expires_at=bar + HOUR)[1].valid_until == bar


def test_without_any_market_the_snapshot_alone_says_how_long() -> None:
    made = inputs(expires_at=AS_OF + 9 * DAY)
    assert evaluate(made).valid_until == AS_OF + 9 * DAY


def test_old_bars_are_not_made_fresh_by_a_snapshot() -> None:
    made = inputs(row(direction=1.0), states=closed(A=CLOSE - 30 * DAY), expires_at=AS_OF + 9 * DAY)
    found = evaluate(made)
    assert found.valid_until == AS_OF + timedelta(seconds=60)
    assert renewal_at(made, found) is None
    assert renewal_at(made, found, refresh_seconds=10.0) is None


@pytest.mark.parametrize(
    ("age_of_b", "expires", "refresh", "due"),
    [
        (0 * DAY, 9 * DAY, None, None),  # everything expires together
        (1 * DAY, 9 * DAY, None, CLOSE + (DAYS - 1) * DAY),  # B falls silent first, A goes on
        (1 * DAY, 1 * HOUR, None, None),  # but not on an old snapshot
        (0 * DAY, 9 * DAY, 600.0, AS_OF + timedelta(minutes=10)),
        (0 * DAY, 1 * HOUR, 600.0, AS_OF + timedelta(minutes=10)),
        (0 * DAY, 1 * HOUR, 3600.0, None),  # the snapshot is too old by then
        (30 * DAY, 9 * DAY, None, None),  # B is silent already, A is the last
    ],
)
def test_renewal_is_when_the_clock_alone_changes_something(
    age_of_b: timedelta, expires: timedelta, refresh: float | None, due: datetime | None
) -> None:
    rows = (row("A", direction=1.0), row("B", direction=1.0))
    states = closed(A=CLOSE, B=CLOSE - age_of_b)
    made = inputs(*rows, states=states, expires_at=AS_OF + expires)
    assert renewal_at(made, evaluate(made), refresh_seconds=refresh) == due


def test_renewed_decisions_hold_the_silent_market_only() -> None:
    rows = (row("A", direction=1.0), row("B", "10", direction=1.0))
    states = closed(A=CLOSE, B=CLOSE - DAY)
    made = inputs(*rows, states=states, expires_at=AS_OF + 9 * DAY)
    due = renewal_at(made, evaluate(made))
    assert due is not None
    later = inputs(*rows, states=states, expires_at=AS_OF + 9 * DAY, as_of=due + timedelta(milliseconds=1))
    again = evaluate(later)
    assert [target.reason for target in again.targets][1] == "stale_price"
    assert again.targets[0].reason != "stale_price"
    assert again.valid_until == CLOSE + DAYS * DAY


def ids(evaluation_id: str, snapshot_id: str | None, quantity: str, direction: float) -> dict[bool, str]:
    """Client order ids by reduce-only."""
    made = inputs(row("A", quantity, direction=direction), evaluation_id=evaluation_id, snapshot_id=snapshot_id)
    return {order.reduce_only: order.client_order_id for order in evaluate(made).orders}


def test_decisions_on_one_snapshot_share_the_id_of_an_increase_and_not_that_of_a_reduction() -> None:
    first, second = ids("ev_1", "desk/1", "10", -1.0), ids("ev_2", "desk/1", "10", -0.5)
    assert first[False] == second[False], "a venue takes it once"
    assert first[True] != second[True], "a larger reduction must not be refused"
    assert ids("ev_3", "desk/2", "10", -1.0)[False] != first[False], "the next snapshot knows what was traded"
    alone = ids("ev_1", None, "10", -1.0)
    assert alone[True] == first[True]
    assert alone[False] != first[False]
    everything = {*first.values(), *second.values(), *alone.values()}
    assert all(len(item) == 32 and item.isalnum() for item in everything)


def test_legs_and_rows_of_one_snapshot_have_ids_of_their_own() -> None:
    rows = (row("A", "10", direction=-1.0), row("B", "5", direction=-1.0), row("C", direction=1.0))
    result = evaluate(inputs(*rows, snapshot_id="desk/1", policy=None))
    assert len({order.client_order_id for order in result.orders}) == len(result.orders) == 5
    assert {order.contracts > Decimal(0) for order in result.orders} == {True, False}
