"""Weekly rows of exchanges, labelled by local time: holidays and summer time move their openings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.translate.notes import Notes
from app.translate.series import series_input
from models.api.market import SeriesIn
from services.core.errors import InvalidInput
from services.volatility.estimators.ewma import Ewma
from services.volatility.forecast import SeriesForecast, forecast_markets
from services.volatility.series import SeriesInput

MONDAY = datetime(2024, 1, 1, 5, tzinfo=UTC)
"""Midnight in New York."""
WEEKS = 100


def weekly(calendar: str, moved: dict[int, float]) -> SeriesInput:
    """Rows of which some open so many hours later."""
    opens = [MONDAY + timedelta(weeks=week, hours=moved.get(week, 0.0)) for week in range(WEEKS)]
    prices = [100.0 + (week * 7) % 5 for week in range(WEEKS)]
    rows = [
        [int(opened.timestamp()) * 1_000, price, price + 1.0, price - 1.0, price, 1.0]
        for opened, price in zip(opens, prices, strict=True)
    ]
    body = SeriesIn.model_validate({"symbol": "A", "interval": "P1W", "calendar": calendar, "ohlcv": rows})
    return series_input(body, 0, MONDAY + timedelta(weeks=WEEKS + 1), Notes())


@pytest.mark.parametrize(
    "moved",
    [dict.fromkeys(range(10, 44), -1.0), {13: 24.0}, {51: 48.0}],
    ids=["summer time", "Easter Monday", "two holidays"],
)
def test_a_week_may_open_late_and_the_next_one_is_a_week_all_the_same(moved: dict[int, float]) -> None:
    found, plain = forecast_markets([weekly("XNYS", moved), weekly("XNYS", {})], Ewma())
    assert isinstance(found, SeriesForecast)
    assert isinstance(plain, SeriesForecast)
    assert found.readout.volatility == plain.readout.volatility


@pytest.mark.parametrize(("calendar", "hours"), [("24/7", 24.0), ("XNYS", 72.0)])
def test_rows_nearer_than_that_have_another_interval(calendar: str, hours: float) -> None:
    with pytest.raises(InvalidInput, match="s apart"):
        weekly(calendar, {13: hours})
