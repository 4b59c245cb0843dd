"""From a wanted size to exact lots: never more risk than wanted, reductions never blocked."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.decimals import SNAP, decimal_text, lots_toward_zero, plain, to_tick
from services.core.outcome import Reason
from services.sizing.rounding import Leg, change_in_lots

D = Decimal
LOTS = st.sampled_from([D("1"), D("0.1"), D("0.001"), D("0.00000001"), D("5"), D("0.025")])


def legs(
    held: str, wanted: float, lot: str = "0.1", minimum: str = "0", *, allow_bump: bool = False
) -> list[tuple[str, bool]]:
    change = change_in_lots(D(held), wanted, lot=D(lot), minimum=D(minimum), allow_bump=allow_bump)
    return [(plain(leg.quantity), leg.reduce_only) for leg in change.legs]


def test_increase_is_rounded_toward_zero() -> None:
    assert legs("0.3", 0.79) == [("0.4", False)]


def test_reduction_ends_at_or_below_the_wanted_size() -> None:
    assert legs("0.9", 0.55) == [("-0.4", True)]


def test_reduction_of_a_position_off_the_lot_grid_goes_one_lot_further_when_needed() -> None:
    """0.853 to 0.6 in lots of 0.01: 0.25 would leave 0.603, more than wanted."""
    assert legs("0.853", 0.6, lot="0.01") == [("-0.26", True)]


def test_sign_change_is_a_reduce_only_close_and_an_open() -> None:
    assert legs("0.8", -0.5) == [("-0.8", True), ("-0.5", False)]


def test_closing_leaves_only_dust_below_a_lot() -> None:
    change = change_in_lots(D("0.85"), 0.0, lot=D("0.1"), minimum=D(5))
    assert change.legs == (Leg(D("-0.8"), True),)
    assert change.dust and change.target == D("0.05")


def test_reduce_only_is_exempt_from_the_minimum() -> None:
    assert legs("2", 1.5, minimum="10") == [("-0.5", True)]


def test_increase_below_the_minimum_is_held_with_its_reason() -> None:
    change = change_in_lots(D("0"), 0.9, lot=D("0.1"), minimum=D(1))
    assert change.legs == () and change.reason is Reason.BELOW_MINIMUM and change.target == 0


def test_bump_to_the_minimum_is_at_most_30_percent_larger() -> None:
    assert legs("0", 0.8, minimum="1", allow_bump=True) == [("1", False)]
    assert legs("0", 0.7, minimum="1", allow_bump=True) == []


def test_change_below_a_lot_is_named() -> None:
    assert change_in_lots(D("0.5"), 0.55, lot=D("0.1"), minimum=D(0)).reason is Reason.BELOW_LOT


@given(
    held=st.decimals("-50", "50", places=3),
    wanted=st.floats(-50, 50),
    lot=LOTS,
    minimum=st.sampled_from([D(0), D(1), D(7)]),
)
def test_rounding_never_raises_risk(held: Decimal, wanted: float, lot: Decimal, minimum: Decimal) -> None:
    change = change_in_lots(held, wanted, lot=lot, minimum=minimum)
    slack = SNAP * float(lot) * 2
    assert abs(float(change.target)) <= max(abs(wanted), abs(float(held))) + slack
    if abs(wanted) < abs(float(held)) and wanted * float(held) >= 0:
        assert abs(float(change.target)) <= max(abs(wanted) + slack, float(lot))
        assert all(leg.reduce_only for leg in change.legs)
    for leg in change.legs:
        assert leg.quantity % lot == 0
        assert not leg.reduce_only or abs(leg.quantity) <= abs(held)
        assert leg.reduce_only or abs(leg.quantity) >= minimum
    assert held + change.order == change.target


@given(held=st.decimals("-50", "50", places=3), wanted=st.floats(-50, 50), lot=LOTS)
def test_sign_symmetry(held: Decimal, wanted: float, lot: Decimal) -> None:
    change = change_in_lots(held, wanted, lot=lot, minimum=D(0))
    mirror = change_in_lots(-held, -wanted, lot=lot, minimum=D(0))
    assert mirror.target == -change.target


@given(value=st.floats(-1e15, 1e15), lot=LOTS)
def test_lots_are_exact_multiples_toward_zero(value: float, lot: Decimal) -> None:
    lots = lots_toward_zero(value, lot)
    assert lots % lot == 0
    assert abs(float(lots)) <= abs(value) * (1 + 1e-9) + 2 * SNAP * float(lot)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e18, max_value=1e18))
def test_decimal_text_is_plain_and_reads_back(value: float) -> None:
    text = decimal_text(value)
    assert "e" not in text.lower() and "+" not in text and text != "-0"
    assert float(text) == pytest.approx(value, rel=1e-11, abs=1e-300)


@pytest.mark.parametrize(
    ("price", "up", "expected"), [(100.26, True, "100.5"), (100.26, False, "100.0"), (100.5, True, "100.5")]
)
def test_tick(price: float, up: bool, expected: str) -> None:
    assert to_tick(price, D("0.5"), up=up) == D(expected)
