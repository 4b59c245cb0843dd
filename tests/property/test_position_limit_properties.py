"""The largest position, put back: margin stays within the utilisation, and one lot more breaks what binds."""

from __future__ import annotations

import itertools
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.core.instrument import MarginTier
from services.margin.assembly import MarginRates, tier_initial, tier_maintenance
from services.margin.position_limits import (
    AccountRoom,
    PositionCaps,
    PositionTerms,
    Verdict,
    adds_risk,
    check_order,
    side_limit,
)
from services.margin.registry import MarginPolicy
from tests.property.test_margin_properties import policies

lots = st.sampled_from([Decimal("0.001"), Decimal("0.1"), Decimal(1), Decimal(10)])
rates = st.floats(0.001, 0.5)


@st.composite
def tables(draw: st.DrawFn) -> tuple[MarginTier, ...]:
    steps = draw(st.lists(st.tuples(st.floats(10.0, 1e6), st.floats(1e-3, 0.05)), max_size=4))
    floors = [0.0, *itertools.accumulate(size for size, _ in steps)]
    maintenance = [0.004, *itertools.accumulate((rise for _, rise in steps), initial=0.004)][: len(floors)]
    return tuple(MarginTier(floor, rate, 0.0, 2.0 * rate) for floor, rate in zip(floors, maintenance, strict=True))


def asked(
    policy: MarginPolicy, side: int, size: float, value: float, rate: float, tiers: tuple[MarginTier, ...]
) -> float:
    """Initial margin by the scalar functions of the core."""
    own = float(policy.requirement([side * size], [value], _rates(rate)).initial[0])
    return max(own, tier_initial(size * value, tiers) or 0.0, tier_maintenance(size * value, tiers))


def _rates(rate: float) -> MarginRates:
    both = np.array([rate])
    return MarginRates(both, both, ("given",), np.array([False]))


@given(policies, st.sampled_from([1, -1]), rates, st.floats(0.01, 1e5), tables(), lots, st.floats(-100.0, 1e7))
def test_put_back_it_fits_and_one_lot_more_does_not(
    policy: MarginPolicy,
    side: int,
    rate: float,
    value: float,
    tiers: tuple[MarginTier, ...],
    lot: Decimal,
    equity: float,
) -> None:
    terms = PositionTerms.under(policy, side, rate, value, tiers=tiers)
    found = side_limit(terms, AccountRoom(equity=equity), PositionCaps(), lot)
    assert found.binding == ("margin",)
    count, budget = found.largest, max(0.0, 0.8 * equity)
    assert count is not None
    slack = 1e-9 * budget + 2e-8
    assert asked(policy, side, float(count * lot), value, rate, tiers) <= budget + slack
    assert asked(policy, side, float((count + 1) * lot), value, rate, tiers) > budget - slack


@given(
    policies,
    st.sampled_from([1, -1]),
    rates,
    st.floats(0.0, 1e6),
    st.floats(0.05, 2.0),
    st.integers(-3_000, 3_000),
    st.integers(-3_000, 3_000).filter(bool),
)
def test_a_checked_order_never_leads_beyond_the_largest_position(
    policy: MarginPolicy, side: int, rate: float, equity: float, sigma: float, held: int, order: int
) -> None:
    lot = Decimal("0.1")
    sign = 1 if order > 0 else -1
    caps = PositionCaps(min_distance_sigma=3.0)
    limit = side_limit(PositionTerms.under(policy, sign, rate, 50.0), AccountRoom(equity=equity), caps, lot, sigma)
    current, wanted, largest = held * lot, order * lot, limit.largest
    assert largest is not None
    found = check_order(current, wanted, limit, lot, Decimal(0))
    after = sign * (current + found.contracts)
    assert abs(found.contracts) <= abs(wanted)
    assert found.contracts * order >= 0
    if not adds_risk(current, wanted):
        assert (found.verdict, found.contracts) == (Verdict.ACCEPT, wanted)
    else:
        assert after <= max(largest * lot, sign * current, 0)
        if found.verdict is not Verdict.ACCEPT:
            assert after + lot > max(largest * lot, min(sign * current, Decimal(0)))


@given(rates, st.floats(10.0, 1e6), st.floats(1.01, 10.0))
def test_more_equity_never_means_a_smaller_position(rate: float, equity: float, factor: float) -> None:
    terms = PositionTerms.under(MarginPolicy(), 1, rate, 100.0)
    caps = PositionCaps(min_distance_sigma=4.0)
    less, more = (
        side_limit(terms, AccountRoom(equity=equity * by), caps, Decimal("0.01"), 0.7).largest for by in (1.0, factor)
    )
    assert less is not None
    assert more is not None
    assert less <= more
