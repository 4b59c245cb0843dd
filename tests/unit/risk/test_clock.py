"""Bars of several markets on one clock."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from services.core.explain import Floats
from services.risk.clock import Ring, Uncorrelated, align, common_clock, thinnest_pair, well_observed
from tests.unit.volatility.markets import DAY, END

HOUR, NAN = 3_600, np.nan


def ring(values: Floats, *, late: float = 0.0, bar_seconds: int = DAY, consecutive: bool = False) -> Ring:
    return Ring(END - timedelta(seconds=late), bar_seconds, values, consecutive)


def lined_up(*rings: Ring, previous_tick: bool = False) -> Floats:
    panel = align(rings, previous_tick=previous_tick)
    assert not isinstance(panel, Uncorrelated), panel.detail
    return panel


def refusal(*rings: Ring) -> Uncorrelated:
    found = common_clock(rings)
    assert isinstance(found, Uncorrelated)
    return found


def test_a_shorter_history_has_no_values_before_it_began() -> None:
    panel = lined_up(ring(np.arange(512.0)), ring(1_000.0 + np.arange(100.0)))
    assert panel.shape == (512, 2)
    assert panel[-1].tolist() == [511.0, 1_099.0]
    assert panel[412].tolist() == [412.0, 1_000.0]
    assert np.isnan(panel[:412, 1]).all()


def test_equal_histories_are_the_plain_columns() -> None:
    left, right = np.random.default_rng(0).standard_normal((2, 300))
    assert np.array_equal(lined_up(ring(left), ring(right)), np.stack([left, right], axis=-1))


def test_a_market_that_lags_has_no_value_in_the_newest_bars() -> None:
    panel = lined_up(ring(np.arange(200.0)), ring(np.arange(200.0), late=3.0 * DAY))
    assert panel.shape == (200, 2)
    assert panel[-4].tolist() == [196.0, 199.0]
    assert np.isnan(panel[-3:, 1]).all()
    assert panel[0].tolist() == [0.0, 3.0]


def test_a_hole_of_one_market_costs_the_others_nothing() -> None:
    broken = np.arange(200.0)
    broken[50:60] = NAN
    panel = lined_up(ring(broken), ring(np.arange(200.0)), ring(np.arange(200.0)))
    assert np.isnan(panel).sum() == 10
    assert panel[55].tolist()[1:] == [55.0, 55.0]


def test_bars_that_no_market_has_are_left_out() -> None:
    closed = np.arange(100.0)
    closed[[0, 1, 2, 40, 41]] = NAN
    panel = lined_up(ring(closed), ring(closed))
    assert panel.shape == (95, 2)
    assert not np.isnan(panel).any()


def test_the_millisecond_before_midnight_is_midnight() -> None:
    panel = lined_up(ring(np.arange(100.0)), ring(np.arange(100.0), late=0.001))
    assert panel.shape == (100, 2)
    assert np.array_equal(panel[:, 0], panel[:, 1])


def test_shorter_bars_add_up_to_the_longest() -> None:
    hours, days = np.random.default_rng(1).standard_normal(24 * 70), np.arange(70.0)
    panel = lined_up(ring(hours, bar_seconds=HOUR), ring(days))
    assert panel.shape == (70, 2)
    np.testing.assert_allclose(panel[:, 0], hours.reshape(70, 24).sum(axis=1) / 24**0.5, atol=1e-14)
    assert np.array_equal(panel[:, 1], days)


def test_a_bar_seen_in_part_is_left_out_at_the_ends_only() -> None:
    """The hours begin at 05:00 and end at 07:00 of the day after the last complete one; one whole day is silent."""
    hours = np.ones(24 * 5 + 7 - 5)
    hours[19 + 24 : 19 + 48] = NAN
    hours[19 + 48 : 19 + 60] = NAN
    panel = lined_up(ring(hours, bar_seconds=HOUR, late=-7.0 * HOUR), ring(np.arange(5.0)))
    expected = [NAN, 24**0.5, NAN, 12**0.5, 24**0.5]
    np.testing.assert_allclose(panel[:, 0], expected, atol=1e-14)
    assert panel[:, 1].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_day_that_the_slow_market_has_not_closed_yet_is_there() -> None:
    hours = np.ones(24 * 3)
    panel = lined_up(ring(hours, bar_seconds=HOUR, late=-24.0 * HOUR - 0.5 * HOUR), ring(np.arange(3.0)))
    assert panel.shape == (3, 2)
    assert np.isnan(panel[-1, 1])
    assert panel[-2, 1] == 2.0


def test_bars_that_close_at_different_moments_need_the_previous_tick() -> None:
    days, evening = ring(np.arange(100.0)), ring(np.arange(100.0), late=10_800.0)
    assert refusal(days, evening).markets == (1,)
    panel = lined_up(days, evening, previous_tick=True)
    assert np.array_equal(panel[:, 0], panel[:, 1])
    morning = ring(np.arange(100.0), late=21.0 * HOUR)
    assert lined_up(days, morning, previous_tick=True)[-1].tolist() == [99.0, 99.0]


@pytest.mark.parametrize(
    ("other", "words", "markets"),
    [
        (ring(np.arange(100.0), bar_seconds=50_000), "50000 s do not add up to the longest bar, 86400 s", (1,)),
        (ring(np.arange(100.0), late=10_800.0), "different moments", (1,)),
        (ring(np.arange(100.0), consecutive=True), "close times", (1,)),
        (ring(np.arange(59.0)), "only 59 common bars of the 60", (0, 1)),
        (ring(np.arange(100.0), late=45.0 * DAY), "only 55 common bars", (0, 1)),
        (ring(np.where(np.arange(100) < 45, np.nan, 1.0)), "only 55 common bars", (0, 1)),
        (ring(np.arange(100.0), late=400.0 * DAY), "only 0 common bars", (0, 1)),
        (ring(np.arange(100.0), late=400.0 * 365 * DAY), "only 0 common bars", (0, 1)),
    ],
    ids=["interval", "phase", "session", "short", "behind", "holes", "apart", "far apart"],
)
def test_no_common_clock(other: Ring, words: str, markets: tuple[int, ...]) -> None:
    found = refusal(ring(np.arange(100.0)), other)
    assert words in found.detail
    assert set(found.markets) <= set(markets)
    assert markets[-1] in found.markets


def test_no_market_has_no_clock() -> None:
    assert "no market" in refusal().detail


def test_sessions_line_up_only_bar_by_bar() -> None:
    session = ring(np.arange(100.0), consecutive=True)
    assert lined_up(session, session).shape == (100, 2)
    assert refusal(session, ring(np.arange(100.0), late=float(DAY), consecutive=True)).markets == (1,)


def test_the_pair_with_the_fewest_bars_is_named() -> None:
    panel = np.random.default_rng(2).standard_normal((100, 4))
    panel[:30, 1] = NAN
    panel[65:, 3] = NAN
    found = thinnest_pair(panel)
    assert found is not None
    assert found == Uncorrelated("only 35 common bars of the 60 that a pair needs", (1, 3))
    assert thinnest_pair(panel[:, [0, 1, 2]]) is None
    assert well_observed(panel) == [0, 1, 2]
    assert well_observed(panel[:, [0, 3]]) == [0, 1]
    assert well_observed(panel[:59]) == []
