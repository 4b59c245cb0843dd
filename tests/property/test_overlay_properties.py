"""What must hold for every set of overlays: nothing is raised, reductions pass, unknown never closes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.core.explain import Trail
from services.sizing.overlay import apply_overlays, without_growth
from tests.support.overlays import KINDS, OnIncrease, columns, conditions, made

SIZES = st.floats(-1e6, 1e6, allow_subnormal=False)
SLACK = 1.0 + 1e-12


@st.composite
def cases(draw: st.DrawFn, kinds: Any = KINDS, coin: bool = False) -> Any:
    """Sizes, positions, overlays and coin collateral of one to four rows."""
    n = draw(st.integers(1, 4))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=n, max_size=n))

    overlays = [
        made(
            draw(st.sampled_from(kinds)),
            *column(st.one_of(st.floats(0.0, 1.0), st.just(float("nan")))),
            missing=tuple(column(st.booleans())),
            halted=tuple(column(st.booleans())),
            method=f"made_{index}",
        )
        for index in range(draw(st.integers(1, 4)))
    ]
    collateral = column(st.floats(0.0, 1e6)) if coin else [0.0] * n
    return column(SIZES), column(SIZES), overlays, collateral


def after(wanted: list[float], current: list[float], overlays: list[Any], collateral: list[float]) -> Trail:
    trail = Trail(np.array(wanted))
    book = columns(current, collateral=collateral)
    apply_overlays(trail, book, overlays, conditions(len(wanted)), target_volatility=None, after_caps=False)
    return trail


@given(cases())
def test_no_overlay_raises_or_turns_a_size(case: Any) -> None:
    wanted = np.array(case[0])
    value = after(*case).value
    assert np.isfinite(value).all()
    assert (np.abs(value) <= np.abs(wanted)).all()
    assert (value * wanted >= 0.0).all()


@given(cases())
def test_reductions_are_never_blocked(case: Any) -> None:
    """What is left of a position is never more than what was wanted of it, nor than what a reduction leaves."""
    wanted, current = np.array(case[0]), np.array(case[1])
    value = after(*case).value
    reduces = without_growth(current, wanted) == wanted
    assert (np.abs(value[reduces]) <= np.abs(wanted[reduces])).all()
    turned = wanted * current < 0.0
    assert (value[turned] * current[turned] <= 0.0).all()


@given(cases(kinds=(OnIncrease,)))
def test_overlays_on_increases_leave_reductions_whole(case: Any) -> None:
    wanted, current = np.array(case[0]), np.array(case[1])
    value = after(*case).value
    kept = without_growth(current, wanted)
    assert (value[kept == wanted] == wanted[kept == wanted]).all()
    assert (np.abs(value) >= np.abs(kept) / SLACK).all()


@given(cases())
def test_a_blocked_row_is_not_increased_and_not_closed_for_it(case: Any) -> None:
    """With multipliers of 1, blocked rows end where their reduction ends."""
    wanted, current, overlays, collateral = case
    whole = [
        made(type(item), *[1.0] * len(wanted), missing=item.missing, halted=item.halted, method=item.method)
        for item in overlays
    ]
    value = after(wanted, current, whole, collateral).value
    blocked = np.any([np.array(item.missing) | np.array(item.halted) for item in whole], axis=0)
    kept = without_growth(np.array(current), np.array(wanted))
    assert (value == np.where(blocked, kept, wanted)).all()


@given(cases(coin=True))
def test_exposure_with_collateral_is_never_raised_by_overlays_on_exposure(case: Any) -> None:
    wanted, current, overlays, collateral = case
    trail = after(wanted, current, [item for item in overlays if item.acts_on == "exposure"], collateral)
    coin, largest = np.array(collateral), np.abs(np.array(wanted)) + np.array(collateral)
    blocked = np.any([np.array(item.missing) | np.array(item.halted) for item in overlays], axis=0)
    rise = np.abs(trail.value + coin) - np.abs(np.array(wanted) + coin)
    assert (rise[~blocked] <= 1e-12 * largest[~blocked]).all()


@given(cases())
def test_the_stages_of_the_explanation_meet(case: Any) -> None:
    trail = after(*case)
    before = np.array(case[0])
    for stage in trail.stages:
        assert stage.before.tolist() == before.tolist()
        before = stage.after
    assert before.tolist() == trail.value.tolist()
