"""Bars and prices as a log tells them: nothing is seen before it was told, holes are holes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.scorecard.history import Bar, BarLog, Price, PricePath

DAY = 86_400.0
NONE = (np.full(100, np.nan), np.full(100, np.nan))


def post(log: BarLog, entry: int, last_day: int, closes: list[float], times: list[float] | None = None) -> None:
    given = None if times is None else np.array(times)
    log.post(entry, given, last_day * DAY, np.array(closes), (NONE[0][: len(closes)], NONE[1][: len(closes)]))


def test_a_series_that_is_posted_again_adds_its_new_bars_only() -> None:
    log = BarLog(86_400)
    post(log, 0, 10, [1.0, 2.0, 4.0])
    post(log, 5, 12, [2.0, 4.0, 5.0, 6.0])
    post(log, 9, 12, [2.0, 4.0, 5.0, 66.0])  # what was told first counts
    found = log.history()
    assert [(bar.time / DAY, bar.entry, bar.close) for bar in found.bars] == [
        (9, 0, 2.0),
        (10, 0, 4.0),
        (11, 5, 5.0),
        (12, 5, 6.0),
    ]
    after = found.following(10 * DAY, continuous=True)
    assert after is not None and after.log_return == pytest.approx(math.log(5.0 / 4.0)) and after.entry == 5
    assert found.following(12 * DAY, continuous=True) is None


def test_the_return_is_that_of_the_series_that_told_it() -> None:
    """After a split a series comes adjusted: its own closes give the return, not the close of an older series."""
    log = BarLog(86_400)
    post(log, 0, 10, [100.0, 110.0])
    post(log, 1, 11, [50.0, 55.0, 56.1])
    found = log.history().following(10 * DAY, continuous=True)
    assert found is not None and found.log_return == pytest.approx(math.log(56.1 / 55.0))


def test_observed_bars_are_joined_close_to_close_and_a_hole_is_no_bar() -> None:
    log = BarLog(86_400)
    for entry, day, close in ((3, 2, 110.0), (1, 1, 100.0), (4, 4, 120.0), (5, 2, 999.0)):
        log.observe(Bar(day * DAY, entry, close, math.nan, math.nan, math.nan))
    found = log.history()
    after = found.following(1 * DAY, continuous=True)
    assert after is not None and (after.entry, after.log_return) == (3, pytest.approx(math.log(1.1)))
    assert found.following(2 * DAY, continuous=True) is None
    weekend = found.following(2 * DAY, continuous=False)
    assert weekend is not None and weekend.log_return == pytest.approx(math.log(120.0 / 110.0))
    assert found.following(1.5 * DAY, continuous=True) is None, "a close that is not on record has no return after it"


def test_the_benchmark_begins_in_what_was_posted_before() -> None:
    closes = np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.01, 40))).tolist()
    log = BarLog(86_400)
    post(log, 0, 30, closes[:30])
    post(log, 1, 31, closes[1:31])
    squares = np.diff(np.log(closes[:31])) ** 2
    level = squares[:20].mean()
    for square in squares[20:]:
        level = 0.94 * level + 0.06 * square
    assert log.history().benchmark[-1] == pytest.approx(level, rel=1e-12)


def point(hour: float, price: float, entry: int = 9) -> Price:
    return Price(hour * 3600.0, hour * 3600.0, price, price, price, entry)


def test_a_session_has_a_time_for_its_last_bar_only() -> None:
    log = BarLog(86_400)
    post(log, 0, 10, [1.0, 2.0, 4.0], [-math.inf, -math.inf, 10 * DAY])
    post(log, 1, 13, [2.0, 4.0, 5.0], [-math.inf, -math.inf, 13 * DAY])
    assert log.warm_up == (pytest.approx(math.log(2.0)),)
    found = log.history()
    assert [bar.time / DAY for bar in found.bars] == [10, 13]
    monday = found.following(10 * DAY, continuous=False)
    assert monday is not None and monday.log_return == pytest.approx(math.log(5.0 / 4.0))


class TestPricePath:
    def test_a_price_that_an_earlier_entry_told_is_no_outcome(self) -> None:
        path = PricePath([point(24.0, 1.0, entry=3), point(24.5, 2.0, entry=7)])
        assert path.at(24.4 * 3600, 3600.0, after_entry=2) == point(24.5, 2.0, entry=7)
        assert path.at(24.4 * 3600, 3600.0, after_entry=3) is None
        assert path.next(0.0, DAY * 2, 2) == point(24.0, 1.0, entry=3)
        assert path.next(0.0, DAY * 2, 3) is None

    def test_a_mark_is_the_last_that_was_known(self) -> None:
        path = PricePath([point(1.0, 1.0, entry=3), point(2.0, 2.0, entry=8), point(3.0, 3.0, entry=4)])
        assert path.before(2.5 * 3600, DAY, entry=5) == point(1.0, 1.0, entry=3)
        assert path.before(2.5 * 3600, DAY, entry=8) == point(2.0, 2.0, entry=8)
        assert path.before(30.0 * 3600, DAY, entry=9) is None

    def test_a_bar_with_its_range_watches_the_whole_day(self) -> None:
        bar = Price(DAY, 0.0, 100.0, 90.0, 105.0, 9)
        path = PricePath([bar])
        assert path.touched(5.0, DAY + 5.0, 95.0, down=True, after_entry=1) is True
        assert path.touched(5.0, DAY + 5.0, 89.0, down=True, after_entry=1) is False
        assert path.touched(5.0, DAY + 5.0, 104.0, down=False, after_entry=1) is True
        assert path.touched(5.0, DAY + 5.0, 95.0, down=True, after_entry=9) is None

    def test_a_bar_that_began_long_before_says_nothing_either_way(self) -> None:
        path = PricePath([Price(DAY, 0.0, 100.0, 90.0, 105.0, 9)])
        for level in (95.0, 80.0):
            assert path.touched(10.0 * 3600, 34.0 * 3600, level, down=True, after_entry=1) is None

    def test_a_path_with_a_hole_is_unknown_although_it_touches(self) -> None:
        hourly = [point(hour, 100.0 - hour) for hour in np.arange(0.5, 25.0, 0.75)]
        assert PricePath(hourly).touched(0.0, DAY, 90.0, down=True, after_entry=1) is True
        assert PricePath(hourly).touched(0.0, DAY, 70.0, down=True, after_entry=1) is False
        holed = hourly[:5] + hourly[9:]
        assert PricePath(holed).touched(0.0, DAY, 90.0, down=True, after_entry=1) is None
