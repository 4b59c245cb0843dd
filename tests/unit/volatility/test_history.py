"""A posted series told apart into returns that are used and returns that are not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from services.core.annualization import Calendar
from services.core.errors import Refusal
from services.core.explain import Floats
from services.core.outcome import Reason
from services.volatility.history import History, history_of, panel_of
from services.volatility.series import SeriesInput
from tests.unit.volatility.markets import DAY, candle_columns, series, times, walk


def told_apart(item: SeriesInput) -> History:
    found = history_of(item)
    assert isinstance(found, History)
    return found


def holed(closes: Floats, gone: list[int], **columns: Floats) -> SeriesInput:
    """Series without some of its bars."""
    kept = np.delete(np.arange(closes.size), gone)
    stamps = times(closes.size)[kept]
    return series(closes[kept], close_times=stamps, **{name: column[kept] for name, column in columns.items()})


def test_gaps_and_standing_prices() -> None:
    closes = walk(1, 40)
    closes[10:15] = closes[10]
    found = told_apart(holed(closes, [20, 21, *range(30, 36)]))
    assert np.flatnonzero(~found.used).tolist() == [12, 13, 27]
    assert np.flatnonzero(found.reset).tolist() == [27]
    assert found.flat[9:15].tolist() == [0, 1, 2, 3, 4, 0]
    assert found.spans[found.spans > 1].tolist() == [3]
    assert found.slots.max() == 7
    assert found.since_gap == 3
    assert found.returns.size == found.spans.size == found.close.size == found.close_at.size == 28
    np.testing.assert_array_equal(found.close_at[-1:], [times(40)[-1]])


def test_a_gap_in_a_standing_price_is_standing() -> None:
    closes = walk(2, 40)
    closes[10:] = closes[10]
    found = told_apart(holed(closes, list(range(20, 30))))
    assert not found.reset.any()
    assert found.since_gap is None


@pytest.mark.parametrize("column", ["volume", "realized_variance", "implied_volatility"])
@pytest.mark.parametrize("value", [-1.0, math.inf, 1e31])
def test_numbers_beyond_their_limits_are_refused_by_name_and_index(column: str, value: float) -> None:
    values = np.full(30, 0.5)
    values[3], values[17] = math.nan, value
    found = history_of(series(walk(3, 30), **{column: values}))
    assert isinstance(found, Refusal)
    assert found.reason is Reason.INVALID_PRICE
    assert f"{column} must lie within" in found.detail
    assert found.detail.endswith(f"found {value!r} at index 17")


def test_columns_of_the_first_bar_and_of_bridged_gaps_are_not_used() -> None:
    closes, ramp = walk(4, 30), np.linspace(0.1, 1.0, 30)
    columns = candle_columns(closes, 4) | {"realized_variance": 1e-4 * ramp, "implied_volatility": ramp}
    found = told_apart(holed(closes, [12, 13], **columns))
    kept = np.delete(np.arange(30), [0, 12, 13])
    bridged = kept == 14
    assert found.candles is not None and found.realized_variance is not None and found.implied_variance is not None
    np.testing.assert_array_equal(np.isnan(found.candles.high), bridged)
    np.testing.assert_allclose(found.realized_variance, np.where(bridged, np.nan, 1e-4 * ramp[kept]))
    np.testing.assert_allclose(found.implied_variance, ramp[kept] ** 2 / 365.0)
    assert found.opening == (True, True)


def test_what_the_first_used_bar_holds() -> None:
    closes = walk(5, 30)
    columns = candle_columns(closes, 5)
    assert told_apart(series(closes, **columns)).opening == (True, False)
    columns["high"][1] = math.nan
    assert told_apart(series(closes, **columns)).opening == (False, False)
    measured = np.full(30, 1e-4)
    assert told_apart(series(closes, realized_variance=measured, **columns)).opening == (True, False)
    assert told_apart(series(closes)).opening == (False, False)


def test_only_open_high_and_low_together_make_a_range() -> None:
    closes = walk(6, 30)
    columns = candle_columns(closes, 6)
    for name in columns:
        rest = {other: column for other, column in columns.items() if other != name}
        assert told_apart(series(closes, **rest)).candles is None


def test_a_split_is_suspected_where_volumes_are_known() -> None:
    closes, volume = walk(7, 40), np.full(40, 100.0)
    closes[20:] *= closes[19] / closes[20] / 2.0
    assert not told_apart(series(closes)).suspicious
    assert not told_apart(series(closes, volume=volume)).suspicious
    volume[20:] *= 2.0
    assert told_apart(series(closes, volume=volume)).suspicious


def test_sessions_have_no_missing_bars() -> None:
    stamps = times(60)[np.isin(np.arange(60) % 7, range(5))]
    found = told_apart(series(walk(8, stamps.size), close_times=stamps, calendar=Calendar("XNYS")))
    assert found.used.all() and not found.reset.any()
    assert (found.spans == 1).all()
    assert found.slots.max() == 3


def test_a_panel_repeats_bridged_gaps_and_pads_the_end() -> None:
    """Two markets, one with ranges: r / sqrt(k + 1) for k + 1 bars, zeros and NaN behind the shorter one."""
    closes = walk(9, 30)
    short = told_apart(holed(closes, [12, 13], **candle_columns(closes, 9)))
    long = told_apart(series(walk(10, 50), implied_volatility=np.full(50, 0.5)))
    moves = panel_of([short, long])
    assert moves.shape == (2, 49)
    row = moves.log_return[0]
    assert row[11:14].tolist() == [math.log(closes[14] / closes[11]) / math.sqrt(3.0)] * 3
    np.testing.assert_allclose(row[:11], np.diff(np.log(closes))[:11])
    assert not row[29:].any()
    assert moves.high is not None and moves.implied_variance is not None and moves.realized_variance is None
    assert np.isnan(moves.high[0, 11:14]).all() and not np.isnan(moves.high[0, 14:29]).any()
    assert np.isnan(moves.high[1]).all()
    assert np.isnan(moves.implied_variance[0]).all() and not np.isnan(moves.implied_variance[1]).any()
    assert np.isnan(moves.close_at[0, 29:]).all()
    assert moves.close_at[1, -1] == times(1)[0]


def test_times_without_close_times_count_back_from_the_end() -> None:
    item = series(walk(11, 5), bar_seconds=3_600)
    assert np.diff(item.times).tolist() == [3_600.0] * 4
    assert item.times[-1] == item.end.timestamp()
    assert [bar.close_at for bar in item.bars()] == item.times.tolist()
    assert DAY == 86_400
