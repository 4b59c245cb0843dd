"""Bars of weeks of markets that close: a week that ends before a holiday is a week."""

from __future__ import annotations

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.volatility.bars import Bar, BarClock
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import SeriesForecast, forecast_markets
from services.volatility.outcome import PointOutcome
from services.volatility.readout import VolatilityReadout
from services.volatility.state import empty_state, readout, update
from tests.unit.volatility.markets import DAY, bars_of, series, walk

WEEK = 7 * DAY
FRIDAYS = WEEK * np.arange(2_900.0, 2_980.0) + DAY + 21 * 3_600.0
"""Closes of 80 weeks; 1 January 1970 was a Thursday."""


def early(weeks: dict[int, int]) -> Floats:
    """Fridays, of which some weeks close days before."""
    closes_at = FRIDAYS.copy()
    for week, days in weeks.items():
        closes_at[week] -= days * DAY
    return closes_at


def weekly(name: str, closes_at: Floats) -> SeriesForecast | Refusal:
    item = series(walk(3, closes_at.size), close_times=closes_at, bar_seconds=WEEK, calendar=Calendar(name))
    (found,) = forecast_markets([item], Ewma())
    return found


@pytest.mark.parametrize("name", ["XNYS", "XLON", "FX"])
def test_good_friday_changes_no_number(name: str) -> None:
    plain, holidays = weekly(name, FRIDAYS), weekly(name, early({30: 1, 51: 2, 79: 1}))
    assert isinstance(plain, SeriesForecast)
    assert isinstance(holidays, SeriesForecast)
    assert holidays.readout.volatility == plain.readout.volatility
    assert np.array_equal(holidays.standardized, plain.standardized, equal_nan=True)


def test_the_stream_takes_an_early_close_as_the_batch_does() -> None:
    closes_at = early({30: 1, 79: 1})
    fresh = empty_state(Ewma(), bar_seconds=WEEK, calendar=Calendar("XNYS"))
    state, outcomes = update(fresh, bars_of(walk(3, 80), closes_at), estimator=Ewma())
    assert set(outcomes) == {PointOutcome.ACCEPTED}
    found, batch = readout(state, estimator=Ewma()), weekly("XNYS", closes_at)
    assert isinstance(found, VolatilityReadout)
    assert isinstance(batch, SeriesForecast)
    assert found.volatility == pytest.approx(batch.readout.volatility, rel=1e-12)
    assert state.ring[-batch.standardized.size :] == pytest.approx(batch.standardized, rel=1e-9, nan_ok=True)


def test_three_days_early_is_no_week_and_a_market_that_never_closes_keeps_its_hours() -> None:
    for name, closes_at in (("XNYS", early({30: 3})), ("24/7", early({30: 1}))):
        found = weekly(name, closes_at)
        assert isinstance(found, Refusal)
        assert "index 30" in found.detail


def test_a_missing_week_is_a_gap() -> None:
    """No holiday takes a whole week: the return over it spans two bars, and a long absence is not used."""
    fresh = empty_state(Ewma(), bar_seconds=WEEK, calendar=Calendar("XNYS"))
    state, _ = update(fresh, bars_of(walk(3, 60), FRIDAYS[:60]), estimator=Ewma())
    for missing, outcome in ((1, PointOutcome.GAP_FILLED), (6, PointOutcome.GAP_RESET)):
        _, outcomes = update(state, [Bar(FRIDAYS[60 + missing] - DAY, 100.0)], estimator=Ewma())
        assert outcomes == [outcome]


def test_the_least_volatility_is_that_of_the_calendar_for_every_bar() -> None:
    for name, floor in (("24/7", 0.01), ("XNYS", 0.005), ("FX", 0.005)):
        clocks = [BarClock(seconds, Calendar(name)) for seconds in (3_600, DAY, WEEK, 2 * WEEK)]
        assert [clock.absolute_floor for clock in clocks] == [floor] * 4
    assert BarClock(WEEK, Calendar("custom", 52.0)).absolute_floor == 0.01
