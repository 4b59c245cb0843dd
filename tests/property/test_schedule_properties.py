"""What must hold for every schedule: nothing is lost, nothing is traded on the side of more risk, volumes bind."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.hedging.execution import Execution, LinearImpact
from services.hedging.schedule import Schedule, SliceRules, schedule_order
from services.hedging.schedule_registry import ScheduleMethod
from services.hedging.schedules.almgren_chriss import AlmgrenChriss
from services.hedging.schedules.participation import Participation
from services.hedging.schedules.scale_by_price import ScaleByPrice
from services.hedging.schedules.scale_by_time import ScaleByTime
from services.hedging.schedules.twap import Twap

IMPACT = LinearImpact(temporary=1e-3, permanent=1e-7, fixed=0.01)
SECONDS = st.floats(60.0, 86_400.0)
SLICES = st.integers(1, 60)
TIMED = st.one_of(
    st.builds(Twap, duration_seconds=SECONDS, slices=SLICES),
    st.builds(AlmgrenChriss, duration_seconds=SECONDS, slices=SLICES, risk_aversion=st.floats(0.0, 10.0)),
)
CLOCKED = st.one_of(
    TIMED,
    st.builds(Participation, duration_seconds=SECONDS, slices=SLICES, participation_rate=st.floats(0.01, 1.0)),
    st.builds(ScaleByTime, spacing_seconds=SECONDS, steps=st.integers(1, 40), ratio=st.floats(0.2, 5.0)),
)
METHODS = st.one_of(
    CLOCKED,
    st.builds(ScaleByPrice, spacing_sigmas=st.floats(0.1, 3.0), steps=st.integers(1, 40), ratio=st.floats(0.2, 5.0)),
)
LOTS = st.integers(1, 100_000)
NO_RULES = SliceRules()


def planned(
    lots: int,
    method: ScheduleMethod,
    *,
    reduces: bool,
    volume: float = 1e6,
    rules: SliceRules = NO_RULES,
    **more: int,
) -> Schedule:
    """Schedule of an order of lots of a thousandth."""
    execution = Execution(
        quantity=lots * 0.001, price=100.0, reduces=reduces, volatility=0.5, impact=IMPACT, average_daily_volume=volume
    )
    return schedule_order(lots, method, execution, rules, generator=np.random.default_rng(7), **more)


@given(LOTS, METHODS, st.booleans(), st.integers(1, 500), st.floats(0.0, 0.9), st.floats(1e-3, 1e6))
def test_lots_sum_to_the_order(
    lots: int, method: ScheduleMethod, reduces: bool, minimum: int, jitter: float, volume: float
) -> None:
    found = planned(lots, method, reduces=reduces, volume=volume, minimum=minimum, rules=SliceRules(jitter=jitter))
    sizes = [item.lots for item in found.slices]
    assert sum(sizes) + found.unfilled == lots
    assert all(size > 0 for size in sizes) and found.unfilled >= 0
    assert len(sizes) <= 1 or min(sizes) >= minimum
    if not isinstance(method, Participation):
        assert found.unfilled == 0
    assert found.cost is None or (found.cost.expected > 0.0 and found.cost.variance >= 0.0)


@given(LOTS, METHODS, st.booleans())
def test_slices_follow_one_another(lots: int, method: ScheduleMethod, reduces: bool) -> None:
    for one, other in pairwise(planned(lots, method, reduces=reduces).slices):
        if isinstance(method, ScaleByPrice):
            assert one.offset < other.offset
        else:
            assert one.start is not None and one.end is not None and other.start is not None
            assert one.start < one.end <= other.start


@given(LOTS, TIMED, st.integers(1, 500))
def test_a_reduction_is_never_behind_and_an_increase_never_ahead(
    lots: int, method: ScheduleMethod, minimum: int
) -> None:
    execution = Execution(quantity=lots * 0.001, price=100.0, volatility=0.5, impact=IMPACT)
    exact = list(accumulate(part.share * lots for part in method.parts(execution)))
    starts = [part.start for part in method.parts(execution)]
    for reduces in (True, False):
        found = planned(lots, method, reduces=reduces, minimum=minimum)
        for done, start in zip(exact, starts, strict=True):
            assert start is not None
            traded = sum(item.lots for item in found.slices if item.start is not None and item.start <= start)
            assert traded >= done - 1e-3 if reduces else traded <= done + 1e-3


@given(LOTS, TIMED, st.integers(1, 50), st.floats(0.0, 0.9))
def test_the_first_slice_of_a_reduction_is_the_largest(
    lots: int, method: ScheduleMethod, minimum: int, jitter: float
) -> None:
    found = planned(lots, method, reduces=True, minimum=minimum, rules=SliceRules(jitter=jitter))
    assert found.slices[0].lots == max(item.lots for item in found.slices)


@given(LOTS, CLOCKED, st.booleans(), st.floats(0.01, 1.0), st.floats(0.1, 1e5), st.integers(1, 20))
def test_no_slice_takes_more_of_the_volume_than_it_may(
    lots: int, method: ScheduleMethod, reduces: bool, share: float, volume: float, minimum: int
) -> None:
    rules = SliceRules(max_participation=share)
    found = planned(lots, method, reduces=reduces, volume=volume, rules=rules, minimum=minimum)
    for item in found.slices:
        assert item.volume is not None
        assert item.lots <= share * item.volume + 1e-3
    assert sum(item.lots for item in found.slices) + found.unfilled == lots


@given(LOTS, st.floats(0.0, 5.0), st.floats(0.0, 5.0), st.integers(2, 40))
def test_more_risk_aversion_is_never_less_traded_by_any_time(lots: int, one: float, other: float, slices: int) -> None:
    low, high = sorted((one, other))
    calm, hurried = (
        planned(lots, AlmgrenChriss(duration_seconds=3600.0, slices=slices, risk_aversion=value), reduces=True)
        for value in (low, high)
    )
    for edge in np.linspace(0.0, 3600.0, slices):
        done = [
            sum(item.lots for item in plan.slices if (item.start or 0.0) <= edge + 1e-6) for plan in (calm, hurried)
        ]
        assert done[1] >= done[0]
