"""`trimtab margin-frontier`: what margin costs against how often it fails, on the bars of a CSV file, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import TaskID

from app.commands.backtest import figure, series_of
from app.commands.console import ExitCode, Failure, out, progress, reporting, table, write_json
from app.commands.margin_backtest import Method, model_of, percent2
from app.commands.observe import file_summary, load

if TYPE_CHECKING:
    from app.usecases.margin_frontier import FrontierPlan
    from services.margin.frontier import FrontierPoint

CONFIDENCES = (0.9, 0.95, 0.975, 0.99, 0.995)
MULTIPLIERS = (0.6, 0.8, 1.25, 1.5, 2.0)


def margin_frontier_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV file, plain or .gz, with a time and a price column.", metavar="FILE.csv", show_default=False
        ),
    ],
    method: Annotated[Method, typer.Option(help="Margin model.")] = "filtered_historical",
    profile: Annotated[
        Literal["default", "lean", "reactive"],
        typer.Option(help="Of filtered_historical: 1,000 returns and half scaling, 250 and half, 1,000 and full."),
    ] = "default",
    measure: Annotated[
        Literal["expected_shortfall", "value_at_risk"], typer.Option(help="Of filtered_historical.")
    ] = "expected_shortfall",
    alpha: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Confidence of the model's own point.")] = 0.975,
    confidence: Annotated[
        list[float] | None,
        typer.Option(min=0.5, max=0.9999, help="Confidence to compare with; repeat it.", show_default="0.9 to 0.995"),
    ] = None,
    multiplier: Annotated[
        list[float] | None,
        typer.Option(min=0.01, max=10, help="Multiple of the margin to compare with.", show_default="0.6 to 2"),
    ] = None,
    maintenance: Annotated[float, typer.Option(min=0.01, max=1, help="Maintenance over initial margin.")] = 0.6,
    horizon: Annotated[int, typer.Option(min=1, max=20, help="Bars that a loss runs for.")] = 1,
    warm_up: Annotated[int, typer.Option(min=60, help="Returns before the first margin that is judged.")] = 250,
    symbol: Annotated[str, typer.Option(help="Symbol of the market.")] = "MARKET",
    interval: Annotated[str, typer.Option(help="Bar length: P1D, PT1H, PT5M, …")] = "P1D",
    calendar: Annotated[
        Literal["24/7", "XNYS", "XNAS", "XLON", "FX"], typer.Option(help="When the market trades.")
    ] = "24/7",
    label: Annotated[
        Literal["open", "close"],
        typer.Option(help="What the time column says: when a bar opened (most exchanges) or closed."),
    ] = "open",
    out_file: Annotated[
        Path, typer.Option("--out", "-o", help="Where to write the picture.", metavar="FILE.png")
    ] = Path("margin-frontier.png"),
    plot: Annotated[bool, typer.Option(help="Draw the picture (needs matplotlib).")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer of POST /v1/margin:frontier.")] = False,
) -> None:
    """What margin costs on average against how often it fails, by confidence and by multiples of a model's margin.

    Every point is walked through the file: a margin at a close is made of the bars up to it. A breach is a loss beyond
    the margin, a liquidation one that leaves an account that held the margin without maintenance.

    **Examples**

    - `trimtab margin-frontier BTC_daily.csv`

    - `trimtab margin-frontier spy.csv --calendar XNYS --confidence 0.95 --confidence 0.99 --out spy.png`

    - `trimtab margin-frontier klines.csv.gz --interval PT1H --no-plot --json | jq '.points[] | select(.efficient)'`
    """
    from app.usecases.backtest_margin import MarginPlan
    from app.usecases.margin_frontier import FrontierPlan
    from models.api.observation import DEFAULT_ESTIMATOR
    from services.margin.backtest import BacktestRules

    with reporting(as_json):
        prices = load(file, interval, label)
        walk = MarginPlan(
            symbol=symbol,
            series=series_of(prices, interval, calendar),
            model=model_of(method, profile=profile, measure=measure, alpha=alpha),
            estimator=DEFAULT_ESTIMATOR,
            how=BacktestRules(horizon_bars=horizon, warm_up_bars=warm_up),
        )
        plan = FrontierPlan(
            walk=walk,
            confidences=CONFIDENCES if confidence is None else confidence,
            multipliers=MULTIPLIERS if multiplier is None else multiplier,
            maintenance_fraction=maintenance,
        )
        points = points_with_progress(plan, visible=not as_json)
        if plot:
            draw_picture(points, file.name, out_file)
        report = {"file": file_summary(prices, interval, calendar), **answer(plan, points)}
        if as_json:
            write_json(report)
        else:
            show(report, file, out_file if plot else None)


def points_with_progress(plan: FrontierPlan, *, visible: bool) -> list[FrontierPoint]:
    """Points of the frontier, with a bar that counts the walks."""
    from app.usecases.margin_frontier import points_of
    from services.core.errors import InvalidInput

    walks = len({*plan.confidences, plan.walk.model.alpha})
    try:
        with progress("walking", walks, visible=visible) as bar:
            return points_of(plan, lambda done: bar.update(TaskID(0), completed=done))
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, "The frontier cannot be walked", str(error)) from None


def answer(plan: FrontierPlan, points: Sequence[FrontierPoint]) -> dict[str, Any]:
    """Answer of the service."""
    from app.translate.notes import Notes
    from app.usecases.margin_frontier import body

    return body(plan, points, plan.walk.series.end, Notes())


def draw_picture(points: Sequence[FrontierPoint], title: str, path: Path) -> None:
    """Write the picture, or say what it needs."""
    from app.commands.margin_frontier_plot import draw
    from app.demo.plot import MatplotlibMissing

    try:
        draw({title: points}, path)
    except MatplotlibMissing as error:
        raise Failure(ExitCode.USAGE, str(error)) from None


def show(report: dict[str, Any], file: Path, picture: Path | None) -> None:
    """Every point, a line each."""
    console = out()
    rows = table(f"{file}: {report['bars']:,} bars, judged from {report['first_margin'][:10]}, both sides together")
    rows.add_column("margin", no_wrap=True)
    for heading in ("mean", "leverage", "breaches", "rate", "95 %", "liquidations", "efficient"):
        rows.add_column(heading, justify="right", no_wrap=True)
    for point in report["points"]:
        rows.add_row(*_cells(point))
    console.print(rows)
    for note in (*report["warnings"], *({"detail": text} for text in [report["file"]["note"]] if text)):
        console.print(f"Note: {note['detail']}", style="yellow", markup=False)
    if picture is not None:
        console.print(f"Picture: {picture}", style="green", markup=False)


def _cells(point: dict[str, Any]) -> list[str]:
    breaches = point["breaches"]
    name = f"{point['multiplier']:g} x" if point["varied"] == "multiplier" else f"alpha {point['alpha']:g}"
    leverages = [point[side]["mean_leverage"] for side in ("long", "short")]
    leverage = None if None in leverages else sum(leverages) / 2.0
    return [
        f"[bold]{name} (own)[/]" if point["varied"] == "own" else name,
        figure(point["mean_margin"], as_percent=True),
        figure(leverage, as_percent=False),
        f"{breaches['count']:,}",
        percent2(breaches["rate"]),
        f"{percent2(breaches['low'])} - {percent2(breaches['high'])}",
        percent2(point["liquidations"]["rate"]),
        "[green]yes[/]" if point["efficient"] else "no",
    ]
