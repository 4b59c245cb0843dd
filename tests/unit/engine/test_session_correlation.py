"""Correlation of intraday bars of sessions: pairs are bars that closed at the same moment, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.explain import Floats
from services.engine.correlations import correlate_series
from services.engine.market import ring_of
from services.engine.states import state_input
from services.risk.clock import Ring, Uncorrelated, align
from services.risk.methods.exponential import Exponential
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import SeriesForecast, forecast_markets
from services.volatility.series import SeriesInput
from services.volatility.state import Feed, empty_state, update
from tests.unit.volatility.markets import DAY

HOUR, HALF = 3_600, 1_800
MODEL, METHOD = Ewma(), Exponential(half_life=2_000.0)
MONDAY = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
DAYS = 120
NEW_YORK, LONDON = (14 * HOUR + HALF, 21 * HOUR), (8 * HOUR, 16 * HOUR + HALF)


def session(hours: tuple[int, int], *, holidays: Sequence[int] = (), bar_seconds: int = HOUR) -> Floats:
    """Closes of bars that begin with the session; the last one of a day is cut short by its end."""
    days = [day for day in range(DAYS) if day % 7 < 5 and day not in holidays]
    ends = [*range(hours[0] + bar_seconds, hours[1], bar_seconds), hours[1]]
    return np.array([MONDAY + day * DAY + end for day in days for end in ends], dtype=float)


def around_the_clock(phase: int = 0) -> Floats:
    return np.arange(MONDAY + HOUR + phase, MONDAY + (DAYS - 3) * DAY - 3 * HOUR + phase + 1, HOUR, dtype=float)


def market(own: int, closes_at: Floats, name: str = "XNYS", *, bar_seconds: int = HOUR) -> SeriesInput:
    """A common path with a third as much of its own, known at every half hour."""
    rng, steps = np.random.default_rng(own), DAYS * 48 + 1
    common = np.cumsum(np.random.default_rng(99).standard_normal(steps)) * 0.003
    path = common + np.cumsum(rng.standard_normal(steps)) * 0.001
    closes = 100.0 * np.exp(path[((closes_at - MONDAY) // HALF).astype(int)])
    end = datetime.fromtimestamp(closes_at[-1], UTC)
    return SeriesInput(closes, end, bar_seconds, Calendar(name), close_times=closes_at)


def heard(item: SeriesInput) -> dict[float, float]:
    """z of each whole bar of the ring's length by its exact close, as the feed reckons it."""
    feed = Feed(empty_state(MODEL, bar_seconds=item.bar_seconds, calendar=item.calendar), MODEL)
    found, before = {}, -np.inf
    for bar in item.bars():
        feed.take(bar)
        if bar.close_at - before >= item.bar_seconds:
            found[bar.close_at] = feed.tail[-1]
        before = bar.close_at
    return {close_at: z for close_at, z in found.items() if z == z}


def posted(item: SeriesInput) -> Ring:
    (found,) = forecast_markets([item], MODEL)
    assert isinstance(found, SeriesForecast)
    return ring_of(found)


def streamed(item: SeriesInput) -> Ring:
    """Ring of a cached state that came in uneven pieces."""
    state, bars = empty_state(MODEL, bar_seconds=item.bar_seconds, calendar=item.calendar), list(item.bars())
    for place in range(0, len(bars), 11):
        state, _ = update(state, bars[place : place + 11], estimator=MODEL)
    ring = state_input(state, MODEL).ring
    assert ring is not None
    return ring


def pairs(first: Ring, second: Ring) -> Floats:
    panel = align([first, second])
    assert not isinstance(panel, Uncorrelated), panel.detail
    both: Floats = panel[~np.isnan(panel).any(axis=1)]
    return both


def by_exact_time(first: SeriesInput, second: SeriesInput) -> Floats:
    """z's of the bars that closed at the same second and began at the same second, oldest first."""
    one, other = heard(first), heard(second)
    began = [dict(zip(bars[1:].tolist(), bars[:-1].tolist(), strict=True)) for bars in map(exact, (first, second))]
    common = [moment for moment in sorted(one) if moment in other and began[0][moment] == began[1][moment]]
    return np.array([(one[moment], other[moment]) for moment in common])


def exact(item: SeriesInput) -> Floats:
    assert item.close_times is not None
    return item.close_times


@pytest.mark.parametrize("kind", [posted, streamed])
@pytest.mark.parametrize(
    ("first", "second", "least"),
    [
        (market(1, session(NEW_YORK)), market(2, session(NEW_YORK), "XNAS"), 80),
        (market(1, session(NEW_YORK)), market(2, session(NEW_YORK, holidays=[DAYS - 12])), 80),
        (market(1, session(NEW_YORK)), market(2, session(NEW_YORK)[:-3]), 80),
        (market(1, session(NEW_YORK)[:-5]), market(2, session(NEW_YORK, holidays=[10, DAYS - 5])), 80),
        (market(1, session(NEW_YORK)), market(2, around_the_clock(HALF), "24/7"), 75),
        (market(1, session((14 * HOUR, 21 * HOUR))), market(2, around_the_clock(), "24/7"), 85),
        (market(1, session(LONDON)), market(2, around_the_clock(), "24/7"), 100),
        (
            market(1, session(NEW_YORK, bar_seconds=4 * HOUR), bar_seconds=4 * HOUR),
            market(2, session(NEW_YORK, bar_seconds=4 * HOUR, holidays=[40, 41]), bar_seconds=4 * HOUR),
            50,
        ),
    ],
    ids=[
        "same session", "extra holiday", "one lags by three bars", "one lags by a day", "beside 24/7 at half past",
        "whole hours beside 24/7", "London beside 24/7", "four hours",
    ],
)  # fmt: skip
def test_pairs_are_those_of_equal_close_times(
    first: SeriesInput, second: SeriesInput, least: int, kind: Callable[[SeriesInput], Ring]
) -> None:
    found, expected = pairs(kind(first), kind(second)), by_exact_time(first, second)
    assert least <= len(found) <= len(expected)
    np.testing.assert_allclose(found, expected[-len(found) :], rtol=1e-9)


@pytest.mark.parametrize(
    ("second", "least"),
    [
        (market(2, session(NEW_YORK)), 0.75),
        (market(2, session(NEW_YORK, holidays=[DAYS - 12])), 0.7),
        (market(2, around_the_clock(HALF), "24/7"), 0.85),
    ],
    ids=["same session", "extra holiday", "24/7"],
)
def test_the_correlation_is_that_of_equal_close_times(second: SeriesInput, least: float) -> None:
    """The common factor is 90 % of the variance; with places that counted the bars in between, 24/7 gave -0.2."""
    first = market(1, session(NEW_YORK))
    table = correlate_series({"a": first, "b": second}, MODEL, METHOD)
    assert table.estimate is not None
    used = len(pairs(posted(first), posted(second)))
    one, other = np.clip(by_exact_time(first, second)[-used:], -4.2, 4.2).T
    expected = one @ other / np.sqrt((one @ one) * (other @ other))
    assert table.estimate.matrix[0, 1] == pytest.approx(expected, abs=0.02)
    assert expected > least


@pytest.mark.parametrize("kind", [posted, streamed])
@pytest.mark.parametrize("hours", [NEW_YORK, (13 * HOUR + HALF, 20 * HOUR)])
def test_bars_half_an_hour_apart_are_not_taken_for_common_ones(
    hours: tuple[int, int], kind: Callable[[SeriesInput], Ring]
) -> None:
    """At the end of a session both markets close a bar, by day none."""
    one, other = session(hours), around_the_clock()
    for last in (one[-1], one[-2]):
        rings = [
            kind(market(1, one[one <= last])),
            kind(market(2, other[other <= last], "24/7")),
        ]
        found = align(rings)
        assert isinstance(found, Uncorrelated)
        assert "different moments" in found.detail
        panel = align(rings, previous_tick=True)
        assert not isinstance(panel, Uncorrelated)
        assert (~np.isnan(panel).any(axis=1)).sum() > 60


def test_the_ring_ends_with_the_last_whole_bar() -> None:
    closes_at = session(NEW_YORK)
    for item in (market(1, closes_at), market(1, closes_at[:-1])):
        for ring in (posted(item), streamed(item)):
            assert ring.last_close_at.timestamp() == closes_at[-2]
            assert ring.standardized[-1] == pytest.approx(heard(item)[closes_at[-2]], rel=1e-9)


def test_a_short_bar_alone_changes_the_state_and_not_its_ring() -> None:
    bars = list(market(1, session(NEW_YORK)).bars())
    before, _ = update(empty_state(MODEL, bar_seconds=HOUR, calendar=Calendar("XNYS")), bars[:-1], estimator=MODEL)
    after, _ = update(before, bars[-1:], estimator=MODEL)
    assert after.version == before.version + 1
    assert after.observations == before.observations + 1
    assert after.last_close_at == bars[-1].close_at
    assert after.ring_at == before.ring_at == bars[-2].close_at
    assert np.array_equal(after.ring, before.ring, equal_nan=True)


def test_a_night_counts_between_markets_that_were_closed_together_and_beside_no_other() -> None:
    """The first bar of each day: 15 of 90 that two sessions share."""
    first, second = (posted(market(own, session(NEW_YORK))) for own in (1, 2))
    open_market = posted(market(3, around_the_clock(HALF), "24/7"))
    together, beside = pairs(first, second), pairs(first, open_market)
    panel = align([first, second, open_market])
    assert not isinstance(panel, Uncorrelated)
    whole = panel[~np.isnan(panel).any(axis=1)]
    assert len(together) >= len(beside) + 14
    assert np.array_equal(whole[:, [0, 2]], beside)
    assert {tuple(row) for row in whole[:, :2].tolist()} < {tuple(row) for row in together.tolist()}


def test_markets_that_never_close_keep_every_value() -> None:
    """Also those that follow a hole: what they were before sessions took places on the clock."""
    broken = np.random.default_rng(5).standard_normal(200)
    broken[[0, 50, 51, 90]] = np.nan
    end = datetime(2026, 1, 1, tzinfo=UTC)
    panel = align([Ring(end, HOUR, broken), Ring(end, HOUR, np.arange(200.0))])
    assert not isinstance(panel, Uncorrelated)
    np.testing.assert_array_equal(panel[:, 0], broken)
