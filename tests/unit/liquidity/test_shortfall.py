"""Implementation shortfall and adherence against sums by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.liquidity.shortfall import Execution, adherence_of, shortfall_of


def execution(**changes: Any) -> Execution:
    fields: dict[str, Any] = {"side": 1, "ordered": 1.0, "filled": 1.0, "decision_price": 100.0, "average_price": 101.0}
    return Execution(**{**fields, **changes})


PRICES = st.floats(50.0, 200.0)


@given(st.sampled_from([-1, 1]), PRICES, PRICES, PRICES, st.floats(0.0, 0.01))
def test_the_parts_add_up_and_a_sale_is_a_mirrored_buy(
    side: int, decision: float, arrival: float, average: float, half_spread: float
) -> None:
    made = execution(
        side=side, decision_price=decision, arrival_price=arrival, average_price=average, half_spread=half_spread
    )
    found, mirrored = shortfall_of([made]), shortfall_of([replace(made, side=-side)])
    assert found is not None and mirrored is not None
    parts = (found.delay or 0.0) + (found.spread or 0.0) + (found.impact or 0.0)
    assert parts == pytest.approx(found.price, abs=1e-8)
    assert mirrored.price == pytest.approx(-found.price, abs=1e-9)
    assert found.price == pytest.approx(side * (average / decision - 1.0) * 1e4, abs=1e-8)


def test_means_weigh_what_was_filled_and_leave_out_what_is_not_known() -> None:
    rows = [
        execution(filled=1.0, fee_rate=0.001),
        execution(filled=3.0, average_price=103.0, arrival_price=102.0, half_spread=0.0, predicted_impact=0.002),
        execution(filled=0.0, average_price=500.0),
        execution(filled=9.0, decision_price=None, average_price=500.0),
    ]
    found = shortfall_of(rows)
    assert found is not None
    assert (found.orders, found.parts_known) == (2, 1)
    assert found.price == pytest.approx((1.0 * 100.0 + 3.0 * 300.0) / 4.0)
    assert (found.delay, found.impact) == (pytest.approx(200.0), pytest.approx(100.0))
    assert (found.fee, found.predicted_impact, found.predicted_fee) == (pytest.approx(10.0), pytest.approx(20.0), None)


def test_nothing_filled_costs_nothing_that_is_known() -> None:
    assert shortfall_of([]) is None
    assert shortfall_of([execution(filled=0.0)]) is None
    assert adherence_of([]) is None


def test_adherence_weighs_orders_alike_and_counts_no_more_than_was_ordered() -> None:
    found = adherence_of(
        [
            execution(ordered=1000.0, filled=500.0, late=250.0),
            execution(ordered=1.0, filled=7.0, late=7.0),
            execution(ordered=1.0, filled=0.0, wrong_side=1.0),
        ]
    )
    assert found is not None
    assert (found.orders, found.overfilled, found.wrong_side) == (3, 1, 1)
    assert found.filled == pytest.approx(1.5 / 3.0)
    assert found.late == pytest.approx(1.25 / 3.0)
