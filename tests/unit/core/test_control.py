"""Control state: marks, deposits, drawdowns."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.control import Control, RowMemory, drawdown_of

AMOUNT = st.floats(0.0, 1e9)


def test_a_new_account_starts_at_its_equity() -> None:
    started = Control().at(100.0, None)
    assert (started.initial_capital, started.high_water_mark, started.floor) == (100.0, 100.0, None)


def test_a_rise_lifts_the_mark_and_a_fall_leaves_it() -> None:
    control = Control(initial_capital=100.0, high_water_mark=120.0)
    assert control.at(130.0, None).high_water_mark == 130.0
    assert control.at(90.0, None).high_water_mark == 120.0
    assert control.at(130.0, None).initial_capital == 100.0


def test_deposits_and_withdrawals_move_everything_once() -> None:
    control = Control(initial_capital=100.0, high_water_mark=120.0, net_deposits=30.0, floor=80.0)
    more = control.at(140.0, 50.0)
    assert (more.initial_capital, more.high_water_mark, more.floor, more.net_deposits) == (120.0, 140.0, 100.0, 50.0)
    assert more.at(140.0, 50.0) == more
    less = control.at(60.0, -20.0)
    assert (less.initial_capital, less.high_water_mark, less.floor, less.net_deposits) == (50.0, 70.0, 30.0, -20.0)


def test_without_a_figure_deposits_stand_still() -> None:
    assert Control(net_deposits=30.0, high_water_mark=100.0).at(90.0, None).net_deposits == 30.0


def test_a_withdrawal_of_everything_leaves_no_negative_amount() -> None:
    gone = Control(initial_capital=100.0, high_water_mark=120.0, floor=80.0).at(0.0, -1000.0)
    assert (gone.initial_capital, gone.high_water_mark, gone.floor) == (0.0, 0.0, 0.0)


def test_the_rest_is_carried_over() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rows = {("A", None, None, None): RowMemory(moment)}
    control = Control(as_of=moment, breaker_tier=2, rows=rows).at(1.0, None)
    assert (control.as_of, control.breaker_tier, control.rows) == (moment, 2, rows)


@given(AMOUNT, AMOUNT, st.floats(-1e6, 1e6))
def test_a_drawdown_is_a_fraction_and_no_deposit_makes_one(equity: float, mark: float, deposit: float) -> None:
    control = Control(high_water_mark=mark).at(equity, 0.0)
    assert 0.0 <= drawdown_of(control, equity) <= 1.0
    paid_in = control.at(equity + abs(deposit), abs(deposit))
    assert paid_in.high_water_mark is not None and paid_in.high_water_mark >= equity + abs(deposit)
    lost = (control.high_water_mark or 0.0) - equity
    assert paid_in.high_water_mark - (equity + abs(deposit)) == pytest.approx(lost, abs=1e-5)


def test_drawdown_of_nothing() -> None:
    assert drawdown_of(Control(), 100.0) == 0.0
    assert drawdown_of(Control(high_water_mark=0.0), 0.0) == 0.0
    assert drawdown_of(Control(high_water_mark=100.0), -50.0) == 1.0


def test_the_state_is_a_value() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Control().floor = 1.0  # type: ignore[misc]
