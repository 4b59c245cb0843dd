"""Columns of a posted series: opens, ranges, volumes and variances beside the closes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from app.translate.notes import Notes
from app.translate.series import series_input
from models.api.market import BAR_COLUMNS, SeriesIn
from services.core.errors import InvalidInput
from services.engine.inputs import SeriesInput
from tests.unit.volatility.markets import DAY, END


def read(item: dict[str, Any]) -> tuple[SeriesInput, Notes]:
    notes = Notes()
    body = SeriesIn.model_validate({"symbol": "A", "interval": "P1D", **item})
    return series_input(body, 0, END + timedelta(seconds=5), notes), notes


def posted(**columns: Any) -> dict[str, Any]:
    return {"end": END.isoformat(), "close": [10.0, 11.0, 12.0], **columns}


def rows(count: int, *, ahead: int = 0) -> list[list[float]]:
    first = int(END.timestamp()) - DAY * (count - ahead)
    return [[(first + DAY * place) * 1000, 10 + place, 12 + place, 9 + place, 11 + place, 7] for place in range(count)]


def test_columns_stand_beside_the_closes_and_null_is_nan() -> None:
    series, _ = read(
        posted(
            open=[9, "10.5", 11.5],
            high=[10, 11, 12.5],
            low=[8.5, None, 11],
            volume=[0, None, 3],
            realized_variance=[1e-4, None, 2e-4],
            implied_volatility=[0.5, 0.6, None],
        )
    )
    nan = np.nan
    wanted = {
        "open": [9, 10.5, 11.5],
        "high": [10, 11, 12.5],
        "low": [8.5, nan, 11],
        "volume": [0, nan, 3],
        "realized_variance": [1e-4, nan, 2e-4],
        "implied_volatility": [0.5, 0.6, nan],
    }
    for name, column in wanted.items():
        np.testing.assert_array_equal(getattr(series, name), column)


def test_closes_alone_have_no_columns() -> None:
    series, _ = read(posted())
    assert [getattr(series, name) for name in BAR_COLUMNS] == [None] * len(BAR_COLUMNS)


def test_ccxt_rows_keep_what_they_hold() -> None:
    series, _ = read({"ohlcv": [*rows(3)[:2], [*rows(3)[2][:5], None]], "implied_volatility": [0.5, None, 0.7]})
    assert (series.open is not None, series.close_times) == (True, None)
    np.testing.assert_array_equal(series.open, [10, 11, 12])
    np.testing.assert_array_equal(series.high, [12, 13, 14])
    np.testing.assert_array_equal(series.low, [9, 10, 11])
    np.testing.assert_array_equal(series.closes, [11, 12, 13])
    np.testing.assert_array_equal(series.volume, [7, 7, np.nan])
    np.testing.assert_array_equal(series.implied_volatility, [0.5, np.nan, 0.7])


def test_an_unfinished_row_leaves_with_all_its_columns() -> None:
    series, notes = read({"ohlcv": rows(3, ahead=1), "implied_volatility": [0.5, 0.6, 0.7]})
    assert [warning["code"] for warning in notes.warnings] == ["unfinished_bar_dropped"]
    for name in ("closes", "open", "high", "low", "volume", "implied_volatility"):
        assert getattr(series, name).size == 2
    with pytest.raises(InvalidInput, match="2 bars"):
        read({"ohlcv": rows(4, ahead=2)})


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        (posted(open=[1, 2, 3]), "open, high and low go together"),
        (posted(high=[1, 2, 3], low=[1, 2, 3]), "open, high and low go together"),
        (posted(volume=[1, 2]), r"volume must have as many values as there are bars \(3\), found 2"),
        ({"ohlcv": rows(2), "implied_volatility": [0.5]}, "implied_volatility must have as many"),
        ({"ohlcv": rows(2), "volume": [1, 2]}, "ohlcv holds volume"),
        (posted(volume=[1, True, 2]), "numbers or plain decimal strings"),
        (posted(volume=[]), "1 to 20000"),
        (posted(volume=[1, -1, 2]), "volume must lie within 0 and 1e.30, found -1 at index 1"),
        (posted(implied_volatility=[0.5, None, 65.0]), "implied_volatility must lie within 1e-06 and 10, found 65.0"),
        (posted(realized_variance=["0.1", 26, 0.1]), "realized_variance must lie within 0 and 25, found 26"),
        (posted(volume=7), "list with one number"),
    ],
)
def test_columns_that_do_not_fit_are_refused(item: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        read(item)
