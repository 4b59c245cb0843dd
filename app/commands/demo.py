"""`trimtab demo`: real closes through the real service, the last decision explained, a picture of the whole walk."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import TaskID
from rich.table import Table

from app.commands.console import ExitCode, Failure, out, progress, reporting, table, write_json

if TYPE_CHECKING:
    from app.commands.client import ServiceClient
    from app.demo.markets import DemoMarket
    from app.demo.walk import Walk

FEWEST_CLOSES = 60


def demo_command(
    csv: Annotated[
        Path | None,
        typer.Option(help="Your own closes instead of the bundled ones.", metavar="FILE.csv", show_default=False),
    ] = None,
    symbol: Annotated[str, typer.Option(help="Symbol of your closes.")] = "MINE",
    interval: Annotated[str, typer.Option(help="Bar length of your closes.")] = "P1D",
    calendar: Annotated[str, typer.Option(help="24/7, XNYS, XNAS, XLON or FX, for your closes.")] = "24/7",
    label: Annotated[Literal["open", "close"], typer.Option(help="What the times of your closes say.")] = "open",
    target_volatility: Annotated[
        float | None, typer.Option(help="Annual, fraction; default: 0.20, S&P 500 0.10.", show_default=False)
    ] = None,
    out_file: Annotated[
        Path, typer.Option("--out", "-o", help="Where to write the picture.", metavar="FILE.png")
    ] = Path("demo.png"),
    plot: Annotated[bool, typer.Option(help="Draw the picture (needs matplotlib).")] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the audit database, and say where it is.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures and answers as JSON.")] = False,
) -> None:
    """Walk through years of real closes, size at each one, and show what came of it. Takes well under a minute.

    1. Every close of the past is observed and evaluated by the engine, in this process.

    2. The embedded service starts on a free loopback port. The same closes go to POST /v1/observations, the last
    evaluation to POST /v1/evaluations: durably audited, replayed from its record, and equal to the walk.

    3. Realised volatility is compared with its target; each size earns only after it was decided (one-bar lag).

    **Examples**

    - `trimtab demo`

    - `trimtab demo --csv ETH_daily.csv --symbol ETH-USD --target-volatility 0.3 --out eth.png`

    - `trimtab demo --no-plot --json`
    """
    with reporting(as_json):
        started = time.perf_counter()
        markets = chosen_markets(csv, symbol, interval, calendar, label, target_volatility)
        walks = [walk_with_progress(market, visible=not as_json) for market in markets]
        walked = time.perf_counter() - started
        with kept_directory(keep) as directory:
            answers = through_the_service(walks, directory, visible=not as_json)
        if plot:
            draw_picture(walks, out_file)
        report = demo_report(walks, answers, out_file if plot else None, walked, directory if keep else None)
        if as_json:
            write_json(report)
        else:
            show(out(), walks, answers, report)


def chosen_markets(
    csv: Path | None, symbol: str, interval: str, calendar: str, label: str, target_volatility: float | None
) -> list[DemoMarket]:
    """The bundled markets, or that of the user's file."""
    from dataclasses import replace

    from app.demo.markets import bundled_markets

    if target_volatility is not None and not 0.0 < target_volatility <= 3.0:
        raise Failure(
            ExitCode.USAGE,
            f"--target-volatility must be > 0 and <= 3, found {target_volatility:g}",
            "0.20 is 20 % a year",
        )
    markets = [own_market(csv, symbol, interval, calendar, label)] if csv else bundled_markets()
    return (
        [replace(market, target_volatility=target_volatility) for market in markets] if target_volatility else markets
    )


def own_market(csv: Path, symbol: str, interval: str, calendar: str, label: str) -> DemoMarket:
    """Market of a file, checked so far that a walk makes sense."""
    from itertools import pairwise

    from app.commands.observe import load
    from app.demo.markets import DemoMarket
    from services.core.annualization import parse_interval

    closes = load(csv, interval, label).closes
    if len(closes) < FEWEST_CLOSES:
        raise Failure(ExitCode.REFUSED, f"{csv} holds {len(closes)} closes; a walk needs {FEWEST_CLOSES}")
    bad = next((item for item in closes if not 1e-9 < float(item.close) < 1e12), None)
    if bad is not None:
        raise Failure(
            ExitCode.REFUSED, f"{csv} holds the close {bad.close} at {bad.close_time.isoformat()}: a price is positive"
        )
    twice = next((after for before, after in pairwise(closes) if after.close_time == before.close_time), None)
    if twice is not None:
        raise Failure(
            ExitCode.REFUSED,
            f"{csv} holds two closes at {twice.close_time.isoformat()}",
            "",
            "Give one file per market.",
        )
    hours = parse_interval(interval) / 3600
    return DemoMarket(
        symbol=symbol,
        title=symbol,
        closes=closes,
        interval=interval,
        calendar=calendar,
        lot="0.00000001",
        source=f"{csv.name}, {hours:g} h bars",
    )


def walk_with_progress(market: DemoMarket, *, visible: bool) -> Walk:
    """Walk through one market under a progress bar."""
    from app.demo.walk import walk

    with progress(f"walking {market.symbol}", len(market.closes), visible=visible) as bar:
        return walk(market, lambda done: bar.update(TaskID(0), completed=done))


@contextmanager
def kept_directory(keep: bool) -> Iterator[Path]:
    """Directory for the embedded database, removed at the end unless it is to be kept."""
    if keep:
        yield Path(tempfile.mkdtemp(prefix="trimtab-demo-"))
        return
    with tempfile.TemporaryDirectory(prefix="trimtab-demo-") as name:
        yield Path(name)


def through_the_service(walks: Sequence[Walk], directory: Path, *, visible: bool) -> list[dict[str, Any]]:
    """Warm the embedded service with every close, and let it make the last decision of each walk."""
    from app.commands.client import connect
    from app.commands.embedded import embedded_service
    from app.settings import Settings

    settings = Settings(data_dir=directory, log_level="WARNING", request_timeout_seconds=30.0)
    with embedded_service(settings) as url, connect(url) as client:
        return [last_decision(client, walk, visible=visible) for walk in walks]


def last_decision(client: ServiceClient, walk: Walk, *, visible: bool) -> dict[str, Any]:
    """Answer of the service to the last request of a walk, replayed from its record and compared with the walk.

    Raises
    ------
    Failure
        If the service decides otherwise than the engine did: a defect.
    """
    from app.commands.observe import send

    market = walk.market
    with progress(f"observing {market.symbol} over HTTP", len(market.closes), visible=visible) as bar:
        outcomes = send(
            client,
            market.closes,
            symbol=market.symbol,
            interval=market.interval,
            calendar=market.calendar,
            advance=lambda done: bar.update(TaskID(0), completed=done),
        )
    answer = client.call("POST", "/v1/evaluations", body=walk.last_request)
    replay = client.call("POST", f"/v1/evaluations/{answer['evaluation_id']}:replay")
    decided = answer["targets"][0]["target_quantity"]
    if decided is None or float(decided) != float(walk.last_target) or not replay["match"]:
        same = "equal" if replay["match"] else "different"
        detail = f"{market.symbol}: service {decided}, walk {walk.last_target}, replay {same}"
        raise Failure(ExitCode.FAILED, "The service did not decide as the engine did", detail)
    return {"outcomes": dict(outcomes), "answer": answer, "replay_matches": replay["match"]}


def draw_picture(walks: Sequence[Walk], path: Path) -> None:
    """Write the picture, failures in words."""
    from app.demo.plot import MatplotlibMissing, draw

    try:
        draw(walks, path)
    except MatplotlibMissing as error:
        raise Failure(ExitCode.FAILED, str(error)) from None
    except OSError as error:
        raise Failure(ExitCode.USAGE, f"{path} cannot be written", error.strerror or str(error)) from None


def demo_report(
    walks: Sequence[Walk],
    answers: Sequence[dict[str, Any]],
    picture: Path | None,
    seconds: float,
    directory: Path | None,
) -> dict[str, Any]:
    """Everything that the demonstration found."""
    return {
        "evaluations": sum(len(walk.times) for walk in walks),
        "walk_seconds": round(seconds, 3),
        "walks": [walk_figures(walk) for walk in walks],
        "service": list(answers),
        "picture": str(picture) if picture else None,
        "data_dir": str(directory) if directory else None,
    }


def walk_figures(walk: Walk) -> dict[str, Any]:
    """Figures of one walk."""
    return {
        "symbol": walk.market.symbol,
        "evaluations": len(walk.times),
        "first_close_time": walk.times[0].isoformat(),
        "last_close_time": walk.times[-1].isoformat(),
        "price_volatility": walk.market_volatility,
        "target_volatility": walk.market.target_volatility,
        "realized_volatility": walk.realized_volatility,
        "tracking_ratio": walk.tracking_ratio,
        "last_target": str(walk.last_target),
    }


def show(console: Console, walks: Sequence[Walk], answers: Sequence[dict[str, Any]], report: dict[str, Any]) -> None:
    """Figures, the last decision of each walk with its explanation, and where everything is."""
    from app.commands.tables import show_answer

    for found in answers:
        answer, outcomes = found["answer"], found["outcomes"]
        show_answer(console, answer, explain=True)
        fed = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items())
        place = f"{answer['evaluation_id']}, audit index {answer['audit']['index']}"
        console.print(f"[dim]Observed over HTTP: {fed}. Decided as {place}:")
        console.print("[dim]the same target as the walk's, and byte-identical when replayed from its record.\n")
    console.print(figures_table(walks))
    console.print(
        f"{report['evaluations']:,} evaluations by the engine in this process in {report['walk_seconds']:.1f} s; "
        "the last of each market also by the embedded service. A size decided at a close earns from that close to the "
        "next: nothing is known in advance. Costs are left out.",
        markup=False,
    )
    if report["picture"]:
        console.print(f"Picture: [bold]{report['picture']}[/]")
    if report["data_dir"]:
        console.print(
            f"Audit database kept. Look at it: TRIMTAB_DATA_DIR={report['data_dir']} trimtab serve", markup=False
        )


def figures_table(walks: Sequence[Walk]) -> Table:
    """Realised volatility against target, one line per market."""
    from app.commands.tables import percent

    rows = table("Realised volatility against target")
    for heading in ("market", "closes", "period", "price", "target", "realised", "ratio"):
        rows.add_column(heading, justify="left" if heading in ("market", "period") else "right", no_wrap=True)
    for walk in walks:
        rows.add_row(
            escape(walk.market.symbol),
            f"{len(walk.times):,}",
            f"{walk.times[0]:%Y-%m} … {walk.times[-1]:%Y-%m}",
            percent(walk.market_volatility),
            percent(walk.market.target_volatility),
            percent(walk.realized_volatility),
            f"[bold]{walk.tracking_ratio:.2f}[/]",
        )
    return rows
