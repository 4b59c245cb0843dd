"""Prices from a CSV file as people have them: columns found by name, times in any usual form, oldest first or last."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

TIME_NAMES = (
    "close_time",
    "closetime",
    "timestamp",
    "ts",
    "time",
    "datetime",
    "date_time",
    "date",
    "open_time",
    "opentime",
    "unix",
    "day",
)
PRICE_NAMES = ("close", "close_price", "adj close", "adj_close", "price", "last", "value")
SYMBOL_NAMES = ("symbol", "asset", "ticker", "pair", "coin")
RANGE_NAMES = ("open", "high", "low")
OTHER_NAMES = (*RANGE_NAMES, "volume")
"""Columns that go with a close, and not with an adjusted one or another price."""
NO_PRICE = frozenset({"", ".", "-", "na", "n/a", "nan", "null", "none"})
"""What stands where there was no trade, holidays for one: no bar, and no error."""
HEADER_LINES = 5
"""Lines at the top among which the header is looked for: some vendors write their address above it."""

_NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?\Z", re.ASCII)
_EPOCH = re.compile(r"\d{9,19}(?:\.\d+)?\Z", re.ASCII)
_EPOCH_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (1e8, 1.0))
"""(Smallest number, ticks a second): an epoch since 1973 is told by its size."""


class PriceFileError(ValueError):
    """The file cannot be read as prices; the message names the line, what was found and how to mend it."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close of one bar; `close` holds the digits of the file, `others` what else the file knows of the bar, by name."""

    close_time: datetime
    close: str
    others: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class PriceFile:
    """Closes of one market, oldest first, the columns that they were read from, and how many rows had no price."""

    closes: tuple[Close, ...]
    time_column: str
    price_column: str
    without_price: int


def read_price_file(
    path: Path,
    *,
    bar_seconds: int,
    label: str = "open",
    time_column: str | None = None,
    price_column: str | None = None,
) -> PriceFile:
    """Closes of a CSV file, plain or gzipped.

    Parameters
    ----------
    bar_seconds : int
        Length of a bar [s].
    label : {"open", "close"}
        What the time column says: when the bar opened (most exchanges) or when it closed.
    time_column, price_column : str, optional
        Names in the header; by default the first known one.

    Raises
    ------
    PriceFileError
        If a column is missing or ambiguous, or a row cannot be read.
    OSError
        If the file cannot be opened.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
        return parse_prices(
            stream, bar_seconds=bar_seconds, label=label, time_column=time_column, price_column=price_column
        )


def parse_prices(
    lines: Iterable[str],
    *,
    bar_seconds: int,
    label: str = "open",
    time_column: str | None = None,
    price_column: str | None = None,
) -> PriceFile:
    """`read_price_file` of lines.

    Examples
    --------
    >>> found = parse_prices(["Date,Open,Close", "2026-01-02,101,102.50", "2026-01-01,99,101"], bar_seconds=86_400)
    >>> [(item.close_time.isoformat(), item.close) for item in found.closes]
    [('2026-01-02T00:00:00+00:00', '101'), ('2026-01-03T00:00:00+00:00', '102.50')]
    """
    try:
        rows = [
            (number, row) for number, row in enumerate(csv.reader(lines), start=1) if any(cell.strip() for cell in row)
        ]
    except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise PriceFileError(f"this is not a CSV file in UTF-8, plain or gzipped: {error}") from error
    place, header, time_at, price_at = _header(rows, time_column, price_column)
    body = rows[place + 1 :]
    if not body:
        raise PriceFileError("the file holds a header and no row")
    _one_market(header, body)
    shift = timedelta(seconds=bar_seconds) if label == "open" else timedelta(0)
    ticks = _ticks(_cell(body[0], time_at))
    priced = [row for row in body if _cell(row, price_at).lower() not in NO_PRICE]
    if not priced:
        raise PriceFileError(f"column {header[price_at]!r} holds no price")
    others = _other_columns(header, price_at)
    closes = sorted(
        (Close(_moment(row, time_at, ticks) + shift, _price(row, price_at), _others(row, others)) for row in priced),
        key=_by_time,
    )
    return PriceFile(tuple(closes), header[time_at], header[price_at], len(body) - len(priced))


def looks_like_sessions(closes: Sequence[Close], bar_seconds: int) -> bool:
    """Whether so many bars are missing (one step in ten is longer than a bar) that the market must close at times."""
    steps = [(after.close_time - before.close_time).total_seconds() for before, after in pairwise(closes)]
    return sum(step > 1.5 * bar_seconds for step in steps) > 0.1 * len(steps)


_Row = tuple[int, list[str]]


def _by_time(item: Close) -> datetime:
    return item.close_time


def _header(rows: Sequence[_Row], time_column: str | None, price_column: str | None) -> tuple[int, list[str], int, int]:
    """Place of the header among the rows, its cells, and the places of time and price in it."""
    times, prices = (time_column,) if time_column else TIME_NAMES, (price_column,) if price_column else PRICE_NAMES
    for place, (_, row) in enumerate(rows[:HEADER_LINES]):
        header = [cell.strip() for cell in row]
        time_at, price_at = _known(header, times), _known(header, prices)
        if time_at is not None and price_at is not None:
            return place, header, time_at, price_at
    found = ", ".join(rows[0][1][:12]) if rows else "an empty file"
    wanted = f"{time_column or 'a time (date, time, timestamp, …)'} and {price_column or 'a price (close, price, …)'}"
    remedy = "name them with --time-column and --price-column"
    raise PriceFileError(f"no header with {wanted} in the first {HEADER_LINES} lines, found: {found}; {remedy}")


def _known(header: Sequence[str], names: Sequence[str]) -> int | None:
    lower = [cell.lower() for cell in header]
    return next((lower.index(name.lower()) for name in names if name.lower() in lower), None)


def _one_market(header: Sequence[str], body: Sequence[_Row]) -> None:
    place = _known(header, SYMBOL_NAMES)
    if place is None:
        return
    markets = sorted({row[place] for _, row in body if len(row) > place})
    if len(markets) > 1:
        named = ", ".join(markets[:4]) + (", …" if len(markets) > 4 else "")
        raise PriceFileError(
            f"column {header[place]!r} holds {len(markets)} markets ({named}): give one file per market"
        )


def _cell(row: _Row, place: int) -> str:
    number, cells = row
    if place >= len(cells):
        raise PriceFileError(f"line {number} has {len(cells)} columns, fewer than the header")
    return cells[place].strip()


def _ticks(text: str) -> float | None:
    """Ticks a second of an epoch time, None for a written date."""
    if not _EPOCH.match(text):
        return None
    return next((ticks for smallest, ticks in _EPOCH_UNITS if float(text) >= smallest), None)


def _moment(row: _Row, place: int, ticks: float | None) -> datetime:
    text = _cell(row, place)
    if _ticks(text) != ticks:
        raise PriceFileError(f"line {row[0]}: time {text!r} is written in another form than that of the first row")
    try:
        if ticks is not None:
            return datetime.fromtimestamp(float(text) / ticks, UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        forms = "ISO 8601 (2026-01-31 or 2026-01-31T13:00:00Z) or an epoch in s, ms, µs or ns"
        raise PriceFileError(f"line {row[0]}: time {text!r} must be {forms}") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _other_columns(header: Sequence[str], price_at: int) -> dict[str, int]:
    if header[price_at].lower() not in PRICE_NAMES[:2]:
        return {}
    known = {name: _known(header, (name,)) for name in OTHER_NAMES}
    return {name: place for name, place in known.items() if place is not None}


def _others(row: _Row, columns: dict[str, int]) -> tuple[tuple[str, float], ...]:
    """Numbers beside the close; what is no number is left out, and so is a range that is not whole."""
    cells = ((name, row[1][place].strip()) for name, place in columns.items() if place < len(row[1]))
    found = {name: float(text) for name, text in cells if _NUMBER.match(text)}
    if not {*RANGE_NAMES} <= found.keys():
        found = {name: value for name, value in found.items() if name not in RANGE_NAMES}
    return tuple(found.items())


def _price(row: _Row, place: int) -> str:
    text = _cell(row, place)
    if not _NUMBER.match(text):
        raise PriceFileError(f"line {row[0]}: price {text!r} must be a plain number such as 93120.5")
    return text
