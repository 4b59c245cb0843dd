"""The bundled closes are those of their sources, whole and in order."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import pairwise

import pytest

from app.demo.markets import bundled, bundled_markets

DATA = files("app.demo").joinpath("data")
NAMES = ("btc_usd_daily", "sp500_daily", "vix_daily")


def rows_of(name: str) -> list[tuple[str, str]]:
    reader = csv.reader(io.StringIO(DATA.joinpath(f"{name}.csv").read_text("utf-8")))
    assert next(reader) == ["date", "close"]
    return [(day, close) for day, close in reader]


def test_checksums_are_those_on_record() -> None:
    recorded = dict(reversed(line.split()) for line in DATA.joinpath("SHA256SUMS").read_text().splitlines())
    found = {f"{name}.csv": hashlib.sha256(DATA.joinpath(f"{name}.csv").read_bytes()).hexdigest() for name in NAMES}
    assert found == recorded


def test_all_files_together_stay_small() -> None:
    assert sum(len(DATA.joinpath(f"{name}.csv").read_bytes()) for name in NAMES) < 300_000


@pytest.mark.parametrize("name", NAMES)
def test_the_manual_states_rows_and_range(name: str) -> None:
    row = next(line for line in DATA.joinpath("README.md").read_text("utf-8").splitlines() if f"`{name}.csv`" in line)
    count, first, last = re.findall(r"\| ([\d,]+) \| (\S+) … (\S+) \|", row)[0]
    rows = rows_of(name)
    assert (f"{len(rows):,}", rows[0][0], rows[-1][0]) == (count, first, last)


@pytest.mark.parametrize("name", NAMES)
def test_days_rise_and_prices_are_positive(name: str) -> None:
    rows = rows_of(name)
    assert all(before < after for (before, _), (after, _) in pairwise(rows))
    assert min(float(close) for _, close in rows) > 0


def test_bitcoin_has_the_one_gap_that_the_manual_names() -> None:
    days = [date.fromisoformat(day) for day, _ in rows_of("btc_usd_daily")]
    gaps = [(before, after) for before, after in pairwise(days) if after - before != timedelta(days=1)]
    assert gaps == [(date(2019, 3, 19), date(2019, 4, 1))]


def test_sessions_are_week_days() -> None:
    for name in ("sp500_daily", "vix_daily"):
        assert all(date.fromisoformat(day).weekday() < 5 for day, _ in rows_of(name))


def arch_rows(name: str, column: str) -> list[tuple[str, str]]:
    """Rows of a data set of the package `arch`, holidays left out, days as ISO 8601."""
    raw = files(f"arch.data.{name}").joinpath(f"{name}.csv.gz").read_bytes()
    table = csv.DictReader(io.StringIO(gzip.decompress(raw).decode()))
    kept = [row for row in table if row[column] != "."]
    return [
        (datetime.strptime(row["Date"], "%m/%d/%Y").replace(tzinfo=UTC).date().isoformat(), row[column]) for row in kept
    ]


@pytest.mark.parametrize(("ours", "theirs", "column"), [("sp500_daily", "sp500", "Close"), ("vix_daily", "vix", "vix")])
def test_digits_are_those_of_arch(ours: str, theirs: str, column: str) -> None:
    pytest.importorskip("arch", reason="the package that the closes were taken from is not installed")
    assert rows_of(ours) == arch_rows(theirs, column)


@pytest.mark.parametrize("name", ["sp500", "vix"])
def test_the_source_is_the_one_on_record(name: str) -> None:
    pytest.importorskip("arch", reason="the package that the closes were taken from is not installed")
    digest = hashlib.sha256(files(f"arch.data.{name}").joinpath(f"{name}.csv.gz").read_bytes()).hexdigest()
    assert digest in DATA.joinpath("README.md").read_text("utf-8")


def test_a_day_closes_at_its_end() -> None:
    first = bundled("btc_usd_daily").closes[0]
    assert (first.close_time, first.close) == (datetime(2015, 1, 27, tzinfo=UTC), "270")


def test_markets_name_their_sources_and_licences() -> None:
    for market in bundled_markets():
        assert re.fullmatch(r"\w+ [\d.]+, (Apache-2.0|NCSA)", market.source)
