"""`trimtab observe`: bars of a CSV file into the volatility state of a service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import TaskID

from app.commands.client import DEFAULT_URL, ServiceClient, connect
from app.commands.console import ExitCode, Failure, out, progress, reporting, table, write_json
from app.commands.price_file import Close, PriceFile, PriceFileError, looks_like_sessions, read_price_file

SESSIONS_NOTE = (
    "many bars are missing for a market that never closes; for one that does, reset the state and use --calendar XNYS"
)
BATCH_POINTS = 5_000
"""Points of one call: with all columns about 1.3 MB, a third of the largest body."""


def observe_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV file, plain or .gz, with a time and a price column.", metavar="FILE.csv", show_default=False
        ),
    ],
    symbol: Annotated[
        str, typer.Option("--symbol", "-s", help="Symbol under which the state is kept.", show_default=False)
    ],
    interval: Annotated[str, typer.Option(help="Bar length: P1D, PT1H, PT5M, …")] = "P1D",
    venue: Annotated[str | None, typer.Option(help="Venue of the symbol.", show_default=False)] = None,
    calendar: Annotated[str, typer.Option(help="24/7, XNYS, XNAS, XLON or FX.")] = "24/7",
    label: Annotated[
        Literal["open", "close"],
        typer.Option(help="What the time column says: when a bar opened (most exchanges) or closed."),
    ] = "open",
    time_column: Annotated[
        str | None, typer.Option(help="Name of the time column; default: found by name.", show_default=False)
    ] = None,
    price_column: Annotated[
        str | None, typer.Option(help="Name of the price column; default: found by name.", show_default=False)
    ] = None,
    url: Annotated[str, typer.Option(help="Base URL of the service.", envvar="TRIMTAB_URL")] = DEFAULT_URL,
    direct: Annotated[
        bool,
        typer.Option("--direct", help="Without a running service: write to the stores of REDIS_URL and DATABASE_URL."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome counts as JSON.")] = False,
) -> None:
    """Warm the volatility state of a symbol from the bars of a CSV file.

    Columns are found by name (time, date, timestamp, … and close, price, …); times may be ISO 8601 or epochs in s, ms,
    µs or ns, oldest or newest first. Columns open, high, low and volume beside a close are sent too: forecasts from
    ranges are better. Running it twice changes nothing: points that are known come back as `duplicate`
    or `out_of_order`. The exit code is 1 if no bar was stored and none was known already. A service without REDIS_URL
    keeps its states in memory: feed it while it runs. Every call is in the audit log.

    **Examples**

    - `trimtab observe BTC_daily.csv --symbol BTC-PERP`

    - `trimtab observe klines.csv.gz -s BTC/USDT:USDT --venue binance --interval PT1H`

    - `trimtab observe spy.csv -s SPY --calendar XNYS --label close --url http://risk.internal:8000`
    """
    with reporting(as_json):
        prices = load(file, interval, label, time_column, price_column)
        with (
            service_of(url, direct=direct) as client,
            progress(f"observing {symbol}", len(prices.closes), visible=not as_json) as bar,
        ):
            sent = send(
                client,
                prices.closes,
                symbol=symbol,
                interval=interval,
                venue=venue,
                calendar=calendar,
                ranges=True,
                advance=lambda done: bar.update(TaskID(0), completed=done),
            )
        named = {"symbol": symbol, "interval": interval, **({"venue": venue} if venue else {})}
        summary = {**named, "calendar": calendar, **file_summary(prices, interval, calendar), "outcomes": dict(sent)}
        if as_json:
            write_json(summary)
        else:
            show(summary)
        if not known_bars(sent):
            raise typer.Exit(ExitCode.FAILED)


def known_bars(outcomes: Mapping[str, int]) -> int:
    """Bars that the state holds after a call, whether they were new to it or not.

    Examples
    --------
    >>> known_bars({"accepted": 2, "duplicate": 1, "conflict": 5}), known_bars({"unfinished": 1, "off_clock": 9})
    (3, 0)
    """
    from services.volatility.outcome import PointOutcome

    held = {outcome for outcome in PointOutcome if outcome.stored} | {PointOutcome.DUPLICATE}
    return sum(count for outcome, count in outcomes.items() if outcome in held)


def load(
    file: Path, interval: str, label: str, time_column: str | None = None, price_column: str | None = None
) -> PriceFile:
    """Prices of a file, failures in words."""
    from services.core.annualization import parse_interval
    from services.core.errors import InvalidInput

    try:
        return read_price_file(
            file, bar_seconds=parse_interval(interval), label=label, time_column=time_column, price_column=price_column
        )
    except InvalidInput as error:
        raise Failure(ExitCode.USAGE, str(error)) from None
    except (OSError, PriceFileError) as error:
        detail = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise Failure(ExitCode.USAGE, f"{file} cannot be read as prices", detail) from None


@contextmanager
def service_of(url: str, *, direct: bool) -> Iterator[ServiceClient]:
    """Client of the service at `url`, or of one that this process runs on the shared stores."""
    if not direct:
        with connect(url) as client:
            yield client
        return
    from app.commands.embedded import embedded_service
    from app.commands.serve import settings_of

    settings = settings_of({"TRIMTAB_LOG_LEVEL": "WARNING"})
    if settings.redis_url is None:
        remedy = "Set REDIS_URL, or feed the running service with --url."
        raise Failure(
            ExitCode.USAGE, "--direct needs REDIS_URL: without it states live in the memory of one process", "", remedy
        )
    with embedded_service(settings) as own, connect(own) as client:
        yield client


def send(
    client: ServiceClient,
    closes: Sequence[Close],
    *,
    symbol: str,
    interval: str,
    venue: str | None = None,
    calendar: str = "24/7",
    ranges: bool = False,
    advance: Callable[[int], object] = lambda done: None,
) -> Counter[str]:
    """Post closes, with what else is known of their bars if `ranges`, oldest first; how many had which outcome."""
    fixed = {"symbol": symbol, "interval": interval, "calendar": calendar, **({"venue": venue} if venue else {})}
    counts: Counter[str] = Counter()
    for batch in batches(closes):
        points = [
            {**fixed, "close_time": item.close_time.isoformat(), "close": float(item.close)}
            | (dict(item.others) if ranges else {})
            for item in batch
        ]
        answer = client.call("POST", "/v1/observations", body={"observations": points})
        counts.update(answer["counts"])
        advance(counts.total())
    return counts


def batches(closes: Sequence[Close], size: int = BATCH_POINTS) -> Iterator[Sequence[Close]]:
    """Closes in slices."""
    return (closes[start : start + size] for start in range(0, len(closes), size))


def file_summary(prices: PriceFile, interval: str, calendar: str) -> dict[str, Any]:
    """What was read from a file."""
    from services.core.annualization import parse_interval

    closes_at_times = calendar == "24/7" and looks_like_sessions(prices.closes, parse_interval(interval))
    return {
        "points": len(prices.closes),
        "first_close_time": prices.closes[0].close_time.isoformat(),
        "last_close_time": prices.closes[-1].close_time.isoformat(),
        "time_column": prices.time_column,
        "price_column": prices.price_column,
        "other_columns": [name for name, _ in prices.closes[-1].others],
        "rows_without_price": prices.without_price,
        "note": SESSIONS_NOTE if closes_at_times else None,
    }


def show(summary: dict[str, Any]) -> None:
    """Outcome counts, each with its meaning."""
    from services.volatility.state import OUTCOME_TEXT, PointOutcome

    console = out()
    read = f"{summary['points']} closes from {summary['first_close_time']} to {summary['last_close_time']}"
    console.print(f"{summary['symbol']} {summary['interval']}: {read}", style="bold", markup=False)
    beside = "".join(f", {name}" for name in summary["other_columns"])
    columns = f"columns {summary['time_column']!r} and {summary['price_column']!r}{beside}"
    console.print(f"{columns}; {summary['rows_without_price']} rows without a price", style="dim", markup=False)
    rows = table()
    for heading in ("outcome", "points", "meaning"):
        rows.add_column(heading, justify="right" if heading == "points" else "left")
    for outcome, count in sorted(summary["outcomes"].items(), key=lambda item: -item[1]):
        rows.add_row(
            f"[{'green' if PointOutcome(outcome).stored else 'yellow'}]{outcome}[/]",
            f"{count:,}",
            OUTCOME_TEXT[PointOutcome(outcome)],
        )
    console.print(rows)
    if not known_bars(summary["outcomes"]):
        console.print("No bar was stored.", style="bold red")
    if summary["note"]:
        console.print(f"Note: {summary['note']}", style="yellow", markup=False)
