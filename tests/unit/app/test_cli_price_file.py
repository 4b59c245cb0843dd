"""CSV files of prices, in the forms in which people have them."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.commands.price_file import PriceFileError, looks_like_sessions, parse_prices, read_price_file

DAY = 86_400
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
SECOND = datetime(2024, 1, 2, tzinfo=UTC)
EPOCH = 1_704_067_200
"""2024-01-01T00:00:00Z (date -u -d 2024-01-01 +%s)."""


def closes(*lines: str, label: str = "close", **options: str) -> list[tuple[datetime, str]]:
    found = parse_prices(lines, bar_seconds=DAY, label=label, **options)
    return [(item.close_time, item.close) for item in found.closes]


@pytest.mark.parametrize(
    "header",
    ["date,close", "Date,Open,Close", "timestamp,price", "TIME,Adj Close", "\ufeffts,last", "open_time,close,volume"],
)
def test_finds_the_columns_by_name(header: str) -> None:
    cells = ["2024-01-01", *["7"] * (header.count(",") - 1), "42.5"]
    if header.startswith("open_time"):
        cells = ["2024-01-01", "42.5", "7"]
    assert closes(header.lstrip("\ufeff"), ",".join(cells)) == [(FIRST, "42.5")]


def test_what_stands_beside_a_close_is_kept_by_name() -> None:
    lines = ["Date,Open,High,Low,Close,Volume", "2024-01-01,1,4,0.5,2,1e3", "2024-01-02,2,,1,3,-", "2024-01-03,3,5,2,4"]
    found = parse_prices(lines, bar_seconds=DAY, label="close").closes
    first = {"open": 1.0, "high": 4.0, "low": 0.5, "volume": 1000.0}
    assert [dict(item.others) for item in found] == [first, {}, {"open": 3.0, "high": 5.0, "low": 2.0}]


@pytest.mark.parametrize("ending", ["low,adj close", "low,price", "x,close"])
def test_a_range_goes_with_the_close_it_was_made_with(ending: str) -> None:
    (item,) = parse_prices([f"date,open,high,{ending}", "2024-01-01,1,4,0.5,2"], bar_seconds=DAY).closes
    assert item.others == ()


def test_close_is_preferred_to_other_prices() -> None:
    assert closes("date,price,close", "2024-01-01,1,2") == [(FIRST, "2")]


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01",
        "2024-01-01 00:00",
        "2024-01-01T00:00:00Z",
        "2024-01-01T01:00:00+01:00",
        f"{EPOCH}",
        f"{EPOCH}.0",
        f"{EPOCH}000",
        f"{EPOCH}000000",
        f"{EPOCH}000000000",
    ],
)
def test_reads_times_in_every_usual_form(text: str) -> None:
    assert closes("time,close", f"{text},1") == [(FIRST, "1")]


def test_a_bar_that_is_labelled_by_its_open_closes_one_bar_later() -> None:
    assert closes("date,close", "2024-01-01,1", label="open") == [(SECOND, "1")]


def test_newest_first_is_turned_around() -> None:
    assert closes("date,close", "2024-01-02,2", "2024-01-01,1") == [(FIRST, "1"), (SECOND, "2")]


def test_a_line_above_the_header_is_passed_over() -> None:
    assert closes("Created on 2024-02-01,https://vendor.example", "date,close", "2024-01-01,1") == [(FIRST, "1")]


def test_rows_without_a_price_are_counted_and_left_out() -> None:
    found = parse_prices(
        ["date,close", "2024-01-01,1", "2024-01-02,.", "2024-01-03,", "2024-01-04,NaN"], bar_seconds=DAY
    )
    assert (len(found.closes), found.without_price) == (1, 3)


def test_columns_can_be_named() -> None:
    found = closes("when,close,vwap", "2024-01-01,1,2", time_column="when", price_column="vwap")
    assert found == [(FIRST, "2")]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], "an empty file"),
        (["a,b", "1,2"], "no header with a time .* found: a, b; name them with --time-column"),
        (["date,close"], "a header and no row"),
        (["date,close", "01/31/2024,1"], "line 2: time '01/31/2024' must be ISO 8601"),
        (["date,close", "2024-01-01,1", "1704153600,2"], "line 3: .* another form"),
        (["date,close", "2024-01-01,1e"], "line 2: price '1e' must be a plain number"),
        (["date,close", "2024-01-01,1_000"], "line 2: price '1_000' must be a plain number"),
        (["date,close", "2024-01-01,."], "'close' holds no price"),
        (["date,close", "2024-01-01"], "line 2 has 1 columns"),
        (["date,symbol,close", "2024-01-01,BTC,1", "2024-01-01,ETH,2"], r"2 markets \(BTC, ETH\)"),
    ],
)
def test_what_cannot_be_read_is_named(lines: list[str], text: str) -> None:
    with pytest.raises(PriceFileError, match=text):
        parse_prices(lines, bar_seconds=DAY)


def test_reads_compressed_files(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv.gz"
    path.write_bytes(gzip.compress(b"date,close\n2024-01-01,1\n"))
    assert [item.close for item in read_price_file(path, bar_seconds=DAY).closes] == ["1"]


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("binary.csv", b"\xff\xfe\x00d"),
        ("truncated.csv.gz", gzip.compress(b"date,close\n", mtime=0)[:-12]),
        ("plain.csv.gz", b"date,close\n"),
    ],
)
def test_bytes_that_are_no_text_are_an_error_of_the_file(tmp_path: Path, name: str, raw: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(raw)
    with pytest.raises(PriceFileError, match="not a CSV file"):
        read_price_file(path, bar_seconds=DAY)


def test_weekends_give_a_session_market_away() -> None:
    week = [f"2024-01-{day:02d},1" for day in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12)]
    assert looks_like_sessions(parse_prices(["date,close", *week], bar_seconds=DAY).closes, DAY)
    whole = [f"2024-01-{day:02d},1" for day in range(1, 15)]
    assert not looks_like_sessions(parse_prices(["date,close", *whole], bar_seconds=DAY).closes, DAY)
