"""Price series of the wire as arrays: closes with the close time of the last complete bar."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

import numpy as np

from app.translate.notes import Notes
from models.api.market import BAR_COLUMNS, CalendarIn, SeriesIn
from services.core.annualization import Calendar, parse_interval
from services.core.errors import InvalidInput
from services.core.explain import Bools, Floats
from services.engine.inputs import SeriesInput
from services.volatility.bars import CLOCK_TOLERANCE, BarClock
from services.volatility.registry import Estimator

_COLUMN_NAMES = {"range": "open, high and low"}
_CCXT = ("open", "high", "low", "close", "volume")
EARLIEST_BAR, LATEST_BAR = 1e8, 7.26e9
"""March 1973 and the year 2200 [s]: seconds that are read as milliseconds lie before, microseconds after."""


def calendar_of(choice: str | CalendarIn | None) -> Calendar:
    """Calendar that the wire names; 24/7 by default."""
    return Calendar("custom", choice.periods_per_year) if isinstance(choice, CalendarIn) else Calendar(choice or "24/7")


def series_input(
    item: SeriesIn, index: int, as_of: datetime, notes: Notes, *, drivers: tuple[str, ...] = ()
) -> SeriesInput:
    """Closes with the close time of the last complete bar, and what stands beside them.

    Parameters
    ----------
    drivers : tuple of str
        Those that the estimator names; no others are taken, and one that is absent is an assumption.
    """
    said = _drivers(item, index, drivers, notes)
    seconds = parse_interval(item.interval)
    if item.close is not None:
        assert item.end is not None
        if item.end > as_of:
            raise InvalidInput(
                f"series.{index}.end",
                f"is the close time of the last complete bar and must not lie after as_of ({as_of.isoformat()})",
                item.end.isoformat(),
                "if the last bar is still open, leave it out",
            )
        if item.end + timedelta(seconds=seconds) <= as_of:
            notes.warn(
                "bar_missing",
                f"a whole {item.interval} bar fits between end and as_of: "
                "if your times label the open of a bar, end is the open plus one interval",
                item.symbol,
            )
        columns = {name: floats(column) for name in BAR_COLUMNS if (column := getattr(item, name)) is not None}
        return SeriesInput(floats(item.close), item.end, seconds, calendar_of(item.calendar), drivers=said, **columns)
    return _ohlcv(item, index, seconds, as_of, notes, said)


def _drivers(item: SeriesIn, index: int, names: tuple[str, ...], notes: Notes) -> Floats | None:
    """Values of the drivers as columns in their order; None where there are none."""
    given = item.drivers or {}
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        rule = f"must be among the drivers that the estimator names ({', '.join(names) or 'none'})"
        remedy = "name it in estimator.drivers of the adaptive method"
        raise InvalidInput(f"series.{index}.drivers", rule, unknown, remedy)
    absent = [name for name in names if name not in given]
    if absent:
        effect = f"for {item.symbol}: without a value a driver changes nothing"
        notes.assume(f"/series/{index}/drivers", f"no {', '.join(absent)}", effect)
    if not given:
        return None
    silent = np.full(len(item.close or item.ohlcv or ()), np.nan)
    return np.column_stack([floats(given[name]) if name in given else silent for name in names])


def check_columns(series: SeriesInput, index: int, estimator: Estimator) -> None:
    """Refuse a series without the columns that the estimator lives on, before anything runs.

    Raises
    ------
    InvalidInput
        Naming the series and the columns.
    """
    there = {
        "close": True,
        "range": series.ranged,
        "realized_variance": series.realized_variance is not None,
        "implied_volatility": series.implied_volatility is not None,
    }
    missing = [_COLUMN_NAMES.get(column, column) for column in sorted(estimator.requires) if not there[column]]
    if missing:
        remedy = "send them, or ohlcv rows; or choose an estimator on closes, such as adaptive"
        raise InvalidInput(f"series.{index}", f"needs {' and '.join(missing)} for {estimator.method}", "absent", remedy)


def floats(values: list[float]) -> Floats:
    """Array of a list of numbers; through `struct`, which is three times as fast as `numpy.array` on a list."""
    return np.frombuffer(struct.pack(f"{len(values)}d", *values))


def _ohlcv(
    item: SeriesIn, index: int, seconds: int, as_of: datetime, notes: Notes, drivers: Floats | None
) -> SeriesInput:
    assert item.ohlcv is not None
    rows = np.array(item.ohlcv, dtype=float)  # a volume of null becomes NaN
    opens = rows[:, 0] / 1000.0
    _check_opens(item, index, opens, seconds)
    times = opens + seconds
    kept = _complete(item, index, times, as_of, notes)
    times, columns = times[kept], {name: rows[kept, place] for place, name in enumerate(_CCXT, start=1)}
    closes = columns.pop("close")
    for name in BAR_COLUMNS:
        if (given := getattr(item, name)) is not None:
            columns[name] = floats(given)[kept]
    if drivers is not None:
        columns["drivers"] = drivers[kept]
    end = datetime.fromtimestamp(float(times[-1]), UTC)
    regular = bool(np.all(np.abs(np.diff(times) - seconds) < 1e-3))
    return SeriesInput(closes, end, seconds, calendar_of(item.calendar), None if regular else times, **columns)


def _check_opens(item: SeriesIn, index: int, opens: Floats, seconds: int) -> None:
    """Milliseconds, rising, at least a bar apart; a week of a market that closes may lose an hour, or a Monday."""
    assert item.ohlcv is not None
    if not (EARLIEST_BAR <= opens[0] and opens[-1] < LATEST_BAR):
        raise InvalidInput(
            f"series.{index}.ohlcv",
            "needs timestamps in milliseconds between 1973 and 2200, as ccxt returns them",
            item.ohlcv[0][0],
            "multiply seconds by 1000" if opens[0] < EARLIEST_BAR else "divide microseconds by 1000",
        )
    steps = np.diff(opens)
    if steps.size and steps.min() <= 0:
        place = int(np.argmin(steps)) + 1
        raise InvalidInput(
            f"series.{index}.ohlcv.{place}",
            "must be later than the row before it",
            item.ohlcv[place][0],
            "sort the bars, oldest first, without repeats",
        )
    tolerance = BarClock(seconds, calendar_of(item.calendar)).tolerance
    nearest = seconds * (1.0 - tolerance) if tolerance > CLOCK_TOLERANCE else seconds
    if steps.size and steps.min() < nearest - 1e-3:
        raise InvalidInput(
            f"series.{index}.interval", f"must match the bars, which are {steps.min():.0f} s apart", item.interval
        )


def _complete(item: SeriesIn, index: int, times: Floats, as_of: datetime, notes: Notes) -> Bools:
    """Which bars had closed at `as_of`; one that had not is left out, more than one is a mistake."""
    assert item.ohlcv is not None
    complete = times <= as_of.timestamp()
    dropped = int(complete.size - np.count_nonzero(complete))
    if dropped > 1:
        raise InvalidInput(
            f"series.{index}.ohlcv",
            f"holds {dropped} bars that end after as_of ({as_of.isoformat()})",
            item.ohlcv[-1][0],
            "rows are labelled by the open of the bar; send bars up to as_of",
        )
    if dropped == times.size:
        raise InvalidInput(f"series.{index}.ohlcv", "holds no complete bar at as_of", len(item.ohlcv))
    if dropped:
        notes.warn("unfinished_bar_dropped", "the last bar was still open at as_of and was left out", item.symbol)
    return np.asarray(complete, dtype=bool)
