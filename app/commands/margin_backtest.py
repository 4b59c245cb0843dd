"""`trimtab margin-backtest`: a margin model on the bars of a CSV file, beside a normal law and plain simulation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import TaskID

from app.commands.backtest import figure, series_of
from app.commands.console import ExitCode, Failure, out, progress, reporting, table, write_json
from app.commands.observe import file_summary, load

if TYPE_CHECKING:
    from app.usecases.backtest_margin import MarginPlan
    from services.margin.backtest import MarginWalk
    from services.margin.registry import MarginModel

PARTS = 4
"""The model, its rules, and two that it is compared with."""
VERDICT_STYLE = {"covered": "green", "over_coverage": "yellow", "under_coverage": "red"}
Method = Literal["filtered_historical", "sigma_multiple", "lognormal_expected_shortfall"]


def margin_backtest_command(
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
    alpha: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Confidence of the tail.")] = 0.975,
    horizon: Annotated[int, typer.Option(min=1, max=20, help="Bars that a loss runs for.")] = 1,
    warm_up: Annotated[int, typer.Option(min=60, help="Returns before the first margin that is judged.")] = 250,
    stress_weight: Annotated[float, typer.Option(min=0, max=0.99, help="Weight of the worst 250 bars so far.")] = 0.0,
    long_run_floor: Annotated[bool, typer.Option(help="Never below the margin at ten years' volatility.")] = False,
    buffer: Annotated[float, typer.Option(min=0, max=4, help="On top in calm times, used up as margins rise.")] = 0.0,
    release: Annotated[
        float | None, typer.Option(min=0.0001, max=0.99, help="Largest fall of the margin a bar.", show_default=False)
    ] = None,
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
    ] = Path("margin-backtest.png"),
    plot: Annotated[bool, typer.Option(help="Draw the picture (needs matplotlib).")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer of POST /v1/margin:backtest.")] = False,
) -> None:
    """How often a margin model was breached on the bars of a file, and how hard its margin rose.

    A margin at a close is made of the bars up to it and no more. Too many breaches are blamed (`under_coverage`); too
    few cost capital and not safety.

    **Examples**

    - `trimtab margin-backtest BTC_daily.csv`

    - `trimtab margin-backtest spy.csv --calendar XNYS --buffer 0.25 --stress-weight 0.25 --out spy.png`

    - `trimtab margin-backtest klines.csv.gz --interval PT1H --horizon 4 --no-plot --json | jq .strategies[0].long`
    """
    from app.usecases.backtest_margin import MarginPlan
    from models.api.observation import DEFAULT_ESTIMATOR
    from services.margin.backtest import BacktestRules
    from services.margin.procyclicality import AntiProcyclicality

    with reporting(as_json):
        prices = load(file, interval, label)
        rules = AntiProcyclicality(
            stress_weight=stress_weight, long_run_floor=long_run_floor, buffer=buffer, release=release
        )
        plan = MarginPlan(
            symbol=symbol,
            series=series_of(prices, interval, calendar),
            model=model_of(method, profile=profile, measure=measure, alpha=alpha),
            estimator=DEFAULT_ESTIMATOR,
            how=BacktestRules(horizon_bars=horizon, warm_up_bars=warm_up, rules=rules),
        )
        walks = walk_with_progress(plan, visible=not as_json)
        if plot:
            draw_picture(plan, walks, file.name, out_file)
        report = {"file": file_summary(prices, interval, calendar), **answer(plan, walks)}
        if as_json:
            write_json(report)
        else:
            show(report, file, out_file if plot else None)


def model_of(method: Method, *, alpha: float, **filtered: Any) -> MarginModel:
    """Margin model of the options; `profile` and `measure` are for filtered historical simulation."""
    from services.margin.methods.filtered_historical import FilteredHistorical
    from services.margin.methods.lognormal_expected_shortfall import LognormalExpectedShortfall
    from services.margin.methods.sigma_multiple import SigmaMultiple

    if method == "filtered_historical":
        return FilteredHistorical(alpha=alpha, **filtered)
    return (SigmaMultiple if method == "sigma_multiple" else LognormalExpectedShortfall)(alpha=alpha)


def walk_with_progress(plan: MarginPlan, *, visible: bool) -> dict[str, MarginWalk]:
    """Walks of the model and of what it stands beside, with a bar that counts them."""
    from app.usecases.backtest_margin import walk
    from services.core.errors import InvalidInput

    try:
        with progress("walking", PARTS, visible=visible) as bar:
            return walk(plan, lambda done: bar.update(TaskID(0), completed=done))
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, "The back-test cannot run", str(error)) from None


def answer(plan: MarginPlan, walks: dict[str, MarginWalk]) -> dict[str, Any]:
    """Answer of the service, without paths."""
    from app.translate.notes import Notes
    from app.usecases.backtest_margin import body

    return body(plan, walks, 0, plan.series.end, Notes())


def draw_picture(plan: MarginPlan, walks: dict[str, MarginWalk], title: str, path: Path) -> None:
    """Write the picture, or say what it needs."""
    from app.commands.margin_backtest_plot import draw
    from app.demo.plot import MatplotlibMissing

    try:
        draw(plan, walks, title, path)
    except MatplotlibMissing as error:
        raise Failure(ExitCode.USAGE, str(error)) from None


def show(report: dict[str, Any], file: Path, picture: Path | None) -> None:
    """Tests and movement of every strategy, a line for each side."""
    console = out()
    first, expected = report["first_margin"][:10], percent2(report["expected_breach_rate"])
    rows = table(f"{file}: {report['bars']:,} bars, judged from {first}; {expected} of margins may be breached")
    rows.add_column("margin")
    rows.add_column("side")
    headings = (
        "breaches",
        "of",
        "rate",
        "Kupiec p",
        "indep. p",
        "too many p",
        "light",
        "peak/trough",
        "+1 bar",
        "mean",
    )
    for heading in headings:
        rows.add_column(heading, justify="right", no_wrap=True)
    rows.add_column("verdict", no_wrap=True)
    for item in report["strategies"]:
        for side in ("long", "short"):
            rows.add_row(item["strategy"].replace("_", " "), side, *_cells(item[side]))
    console.print(rows)
    for note in (*report["warnings"], *({"detail": text} for text in [report["file"]["note"]] if text)):
        console.print(f"Note: {note['detail']}", style="yellow", markup=False)
    if picture is not None:
        console.print(f"Picture: {picture}", style="green", markup=False)


def _cells(side: dict[str, Any]) -> list[str]:
    found, moved = side["coverage"], side["procyclicality"] or {}
    return [
        f"{found['breaches']:,}",
        f"{found['observations']:,}",
        percent2(found["rate"]),
        figure(found["unconditional"]["p_value"], as_percent=False),
        figure(found["independence"]["p_value"], as_percent=False),
        figure(found["under_coverage_p"], as_percent=False),
        found["traffic_light"],
        figure(moved.get("peak_to_trough"), as_percent=False),
        figure(moved.get("max_rise_1"), as_percent=True),
        figure(moved.get("mean"), as_percent=True),
        f"[{VERDICT_STYLE[found['verdict']]}]{found['verdict'].replace('_', ' ')}[/]",
    ]


def percent2(value: float) -> str:
    """Rate of rare events as per cent.

    Examples
    --------
    >>> percent2(0.0107)
    '1.07 %'
    """
    return f"{100.0 * value:.2f} %"
