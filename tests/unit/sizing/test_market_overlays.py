"""Overlays on what surrounds a row: data, venue, chain, events, options, signals, control state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.core.control import Control
from services.core.errors import InvalidInput
from services.core.market_conditions import ChainCondition
from services.sizing.overlay import OverlayRule, grown
from services.sizing.overlays.breaker_tier import BreakerTier
from services.sizing.overlays.contagion import Contagion
from services.sizing.overlays.data_age import DataAge
from services.sizing.overlays.greek_bounds import GreekBounds, bounded_growth
from services.sizing.overlays.implied_volatility_velocity import ImpliedVolatilityVelocity
from services.sizing.overlays.latency import Latency
from services.sizing.overlays.oracle_quality import OracleQuality
from services.sizing.overlays.protocol_caps import ProtocolCaps
from services.sizing.overlays.scheduled_events import ScheduledEvents
from services.sizing.overlays.signal_quality import SignalQuality
from services.sizing.overlays.venue_caps import VenueCaps
from tests.support.overlays import effect, view

DAY = 86_400.0
NAN = float("nan")


def missing(overlay: OverlayRule, seen: Any) -> list[bool]:
    return list(overlay.effect(seen).missing.tolist())


def test_data_age_widens_the_horizon() -> None:
    """Half a bar old: σ² · 1.5 over what σ² was for."""
    seen = view([1.0, 1.0, 1.0], bar_seconds=[DAY] * 3, data_age_seconds=[0.0, DAY / 2, 3 * DAY])
    assert effect(DataAge(), seen) == pytest.approx([1.0, 1.5**-0.5, 0.5])
    assert effect(DataAge(horizon_seconds=DAY / 2), seen)[1] == pytest.approx(0.5**0.5)


def test_data_age_by_simulation() -> None:
    """The sized-down position has over age and bar the variance that a whole one has over the bar."""
    steps = np.random.default_rng(11).normal(0.0, 0.01, (20_000, 24 + 10))
    m = effect(DataAge(), view([1.0], bar_seconds=[24.0], data_age_seconds=[10.0]))[0]
    assert np.std(m * steps.sum(axis=1)) == pytest.approx(np.std(steps[:, :24].sum(axis=1)), rel=0.03)


def test_old_data_without_a_bar_is_not_judged() -> None:
    seen = view([1.0, 1.0], bar_seconds=[NAN, NAN], data_age_seconds=[0.0, 5.0])
    assert missing(DataAge(), seen) == [False, True]


def test_latency_adds_venue_and_chain() -> None:
    seen = view([1.0, 1.0], bar_seconds=[300.0] * 2, latency_seconds=[0.0, 900.0])
    assert effect(Latency(), seen) == pytest.approx([1.0, 0.5])


def test_latency_of_an_undescribed_venue_blocks_increases() -> None:
    assert missing(Latency(), view([1.0], bar_seconds=[300.0], latency_seconds=[NAN])) == [True]


def test_a_halt_blocks_increases_and_shrinks_nothing() -> None:
    seen = view([1.0], bar_seconds=[300.0], latency_seconds=[np.inf], halted=("the sequencer is down",))
    found = Latency().effect(seen)
    assert (found.multiplier.tolist(), found.halted.tolist(), found.missing.tolist()) == ([1.0], [True], [False])
    assert found.detail == ("the sequencer is down",)


def test_confirmation_is_the_mean_of_a_geometric_wait() -> None:
    blocks = np.random.default_rng(2).geometric(1.0 - 0.6, 200_000)
    chain = ChainCondition(block_time_seconds=2.0, finality_seconds=30.0, congestion=0.6)
    assert chain.confirmation_seconds == pytest.approx(2.0 * blocks.mean() + 30.0, rel=0.01)
    assert ChainCondition(block_time_seconds=2.0, congestion=1.0).confirmation_seconds == np.inf


@pytest.mark.parametrize("broken", [{"block_time_seconds": 0.0}, {"block_time_seconds": 1.0, "congestion": 1.1}])
def test_chains_that_cannot_be_are_refused(broken: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        ChainCondition(**broken)  # type: ignore[arg-type]


def test_contagion_takes_the_worse_of_distress_and_the_given_multiplier() -> None:
    seen = view(
        [1.0] * 5,
        venue=("a", "b", "c", "d", None),
        distress=[0.0, 0.25, NAN, 0.25, NAN],
        contagion_multiplier=[NAN, NAN, 0.6, 0.3, NAN],
    )
    found = Contagion(sensitivity=2.0).effect(seen)
    assert found.multiplier.tolist() == [1.0, 0.5, 0.6, 0.3, 1.0]
    assert found.missing.tolist() == [False] * 4 + [True]
    assert "venue b" in found.detail[1] and "venue c" in found.detail[2]
    assert effect(Contagion(sensitivity=2.0), view([1.0], distress=[0.9])) == [0.0]


def test_oracle_quality_passes_the_judgement_on() -> None:
    seen = view([1.0] * 3, oracle_multiplier=[0.0, 0.5, NAN], oracle_detail=("stale", "wide", ""))
    found = OracleQuality().effect(seen)
    assert found.multiplier.tolist() == [0.0, 0.5, 1.0]
    assert found.detail == ("stale", "wide", "")
    assert not found.missing.any()
    assert missing(OracleQuality(required=True), seen) == [False, False, True]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (3601.0, 3601.0, 1.0),
        (3600.0, 3600.0, 0.25),
        (-10.0, 500.0, 0.25),
        (-1799.0, -1799.0, 0.25),
        (-1800.0, -1800.0, 1.0),
    ],
)
def test_events_have_a_window(start: float, end: float, expected: float) -> None:
    starts, ends = np.array([[1e7, start]]), np.array([[1e7, end]])
    overlay = ScheduledEvents(multiplier=0.25)
    assert effect(overlay, view([1.0], event_starts=starts, event_ends=ends)) == [expected]


def test_events_that_move_other_rows_do_nothing() -> None:
    starts = np.array([[NAN], [0.0]])
    assert effect(ScheduledEvents(), view([1.0, 1.0], event_starts=starts, event_ends=starts)) == [1.0, 0.0]
    assert effect(ScheduledEvents(), view([1.0])) == [1.0]


def test_venue_caps_by_grade_and_by_own_share() -> None:
    """B may have 50 of the 100 of equity: 60 long and 40 short there are 100."""
    seen = view(
        [60.0, -40.0, 30.0, 30.0],
        venue=("b", "b", "own", None),
        venue_grade=("B", "B", "A", None),
        venue_max_share=[NAN, NAN, 0.1, NAN],
    )
    found = VenueCaps().effect(seen)
    assert found.multiplier.tolist() == pytest.approx([0.5, 0.5, 1 / 3, 1.0])
    assert found.missing.tolist() == [False, False, False, True]
    assert found.detail[0] == "venue b: 1 of equity wanted, 0.5 allowed"


def test_what_is_not_resized_takes_its_part_of_the_share() -> None:
    book = {"sizable": [True, False], "fixed_notional": [0.0, 30.0]}
    seen = view([40.0, 0.0], venue=("b", "b"), venue_grade=("B", "B"), book=book)
    assert effect(VenueCaps(), seen) == pytest.approx([0.5, 0.5])
    beyond = view([40.0, 0.0], venue=("b", "b"), venue_grade=("B", "B"), book={**book, "fixed_notional": [0.0, 70.0]})
    assert effect(VenueCaps(), beyond) == [0.0, 0.0]


def test_a_held_row_of_unknown_value_blocks_its_venue() -> None:
    book = {"sizable": [True, False], "fixed_notional": [0.0, 0.0]}
    seen = view([100.0, 5.0], current=[0.0, 5.0], venue=("b", "b"), venue_grade=("B", "B"), book=book)
    found = VenueCaps().effect(seen)
    assert found.missing.all()
    assert found.multiplier.tolist() == [0.5, 0.5]


def test_shares_of_margin() -> None:
    """100 long at 10 % and 100 short at 30 % have a margin of 40, and may have 10."""
    seen = view(
        [100.0, -100.0],
        venue=("d", "d"),
        venue_grade=("D", "D"),
        margin_long=[0.1, 0.2],
        margin_short=[0.5, 0.3],
    )
    assert effect(VenueCaps(measure="margin"), seen) == pytest.approx([0.25, 0.25])
    unmodelled = view([1.0], venue=("d",), venue_grade=("D",), margin_long=[NAN])
    assert missing(VenueCaps(measure="margin"), unmodelled) == [True]


def test_protocol_caps_reach_over_venues() -> None:
    seen = view(
        [60.0, 40.0, 10.0],
        venue=("x", "y", "z"),
        protocol=("p", "p", None),
        protocol_grade=("C", "C", None),
    )
    found = ProtocolCaps().effect(seen)
    assert found.multiplier.tolist() == pytest.approx([0.25, 0.25, 1.0])
    assert found.missing.tolist() == [False, False, True]


def test_implied_volatility_that_rises_fast() -> None:
    seen = view([1.0] * 4, implied_volatility_velocity=[-0.5, 0.15, 0.6, NAN])
    found = ImpliedVolatilityVelocity().effect(seen)
    assert found.multiplier.tolist() == pytest.approx([1.0, 1.0, 0.25, 1.0])
    assert found.missing.tolist() == [False, False, False, True]


def test_signals_in_calm_need_age_and_confidence() -> None:
    seen = view(
        [1.0] * 5,
        book={"volatility": [0.4, 0.1, 0.1, 0.1, 0.1]},
        long_run_volatility=[0.4] * 5,
        signal_age_seconds=[0.0, 1800.0, 1800.0, 7200.0, NAN],
        signal_confidence=[0.1, 0.5, 0.25, 1.0, 1.0],
    )
    found = SignalQuality().effect(seen)
    assert found.multiplier.tolist() == pytest.approx([1.0, 0.5, 0.25, 1.0, 1.0])
    assert found.missing.tolist() == [False, False, False, False, True]
    assert missing(SignalQuality(min_age_seconds=0.0), seen) == [False] * 5


def test_a_market_of_unknown_long_run_is_treated_as_calm() -> None:
    seen = view([1.0], long_run_volatility=[NAN], signal_age_seconds=[1800.0], signal_confidence=[1.0])
    assert effect(SignalQuality(), seen) == [0.5]


def test_greek_bounds_stop_at_the_bound() -> None:
    """Vega per contract 2: held 10 make 20, wanted 30 make 60, 50 are allowed (0.5 of 100)."""
    seen = view([30.0, 5.0], current=[10.0, 0.0], vega=[2.0, 0.0])
    assert effect(GreekBounds(vega=0.5, gamma=None), seen) == pytest.approx([0.75, 1.0])
    assert float(grown(np.array([10.0]), np.array([30.0]), 0.75)[0]) * 2.0 == 50.0


def test_the_tighter_greek_counts() -> None:
    seen = view([30.0], vega=[2.0], gamma=[-4.0])
    assert effect(GreekBounds(vega=0.3, gamma=0.3), seen) == pytest.approx([0.25])
    assert "gamma" in GreekBounds(vega=0.3, gamma=0.3).effect(seen).detail[0]


def test_greeks_that_are_unknown_block_all_that_carry_any() -> None:
    seen = view([1.0, 1.0, 1.0, 0.0], vega=[NAN, 0.0, 1.0, NAN])
    assert missing(GreekBounds(vega=1.0, gamma=None), seen) == [True, False, True, True]
    flat = view([1.0, 0.0], vega=[0.5, NAN])
    assert missing(GreekBounds(vega=1.0, gamma=None), flat) == [False, False]


def test_greek_bounds_need_a_bound() -> None:
    with pytest.raises(InvalidInput, match="a bound"):
        GreekBounds(vega=None, gamma=None)


def test_bounded_growth_against_a_search() -> None:
    """The multiplier is the largest on a grid that keeps the book within its bound, wherever increases can."""
    rng = np.random.default_rng(8)
    for _ in range(200):
        greek, kept = rng.normal(size=5), rng.normal(size=5)
        wanted = kept + rng.uniform(0.0, 3.0, 5) * np.sign(kept)
        bound = float(rng.uniform(0.5, 4.0))
        found = bounded_growth(greek, kept, wanted, bound)
        total, side = greek @ wanted, np.sign(greek @ wanted)
        pushing = side * greek * (wanted - kept) > 0.0

        def book(
            share: float, pushing: Any = pushing, kept: Any = kept, wanted: Any = wanted, greek: Any = greek
        ) -> float:
            return float(greek @ np.where(pushing, kept + share * (wanted - kept), wanted))

        grid = [share for share in np.linspace(0.0, 1.0, 2001) if side * book(share) <= bound]
        best = max(grid, default=0.0) if abs(total) > bound else 1.0
        assert found[~pushing].tolist() == [1.0] * int((~pushing).sum())
        assert found[pushing].tolist() == pytest.approx([best] * int(pushing.sum()), abs=1e-3)


@pytest.mark.parametrize(("tier", "expected"), [(0, 1.0), (1, 0.75), (2, 0.5), (3, 0.0), (4, 0.0)])
def test_breaker_tiers(tier: int, expected: float) -> None:
    seen = view([1.0, -1.0], book={"control": Control(breaker_tier=tier)})
    found = BreakerTier().effect(seen)
    assert found.multiplier.tolist() == [expected] * 2
    assert bool(found.detail[0]) is (tier > 0)


def test_a_higher_tier_never_allows_more() -> None:
    with pytest.raises(InvalidInput, match="caution"):
        BreakerTier(caution=0.4, reduce=0.5)
