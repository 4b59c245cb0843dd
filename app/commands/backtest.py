"""`trimtab backtest`: one's own policy on the bars of a CSV file, beside its baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer
from rich.progress import TaskID

from app.commands.console import ExitCode, Failure, out, progress, reporting, table, write_json
from app.commands.evaluate import read_file
from app.commands.observe import file_summary, load
from app.commands.tables import percent

if TYPE_CHECKING:
    from app.commands.price_file import PriceFile
    from app.usecases.run_backtest import Plan
    from services.engine import Policy
    from services.simulation.backtest import BacktestPath
    from services.volatility.series import SeriesInput

STRATEGIES = 4
"""The policy and three baselines."""
ROWS = (
    ("total return", "total_return", True),
    ("volatility", "volatility", True),
    ("1-year tracking error", "tracking_error", True),
    ("volatility of volatility", "volatility_of_volatility", True),
    ("Sharpe ratio", "sharpe_ratio", False),
    ("largest drawdown", "max_drawdown", True),
    ("worst bar", "worst_bar", True),
    ("excess kurtosis", "excess_kurtosis", False),
    ("turnover a year", "turnover", False),
    ("costs", "costs", True),
    ("funding and interest", "carry", True),
    ("upside capture", "upside_capture", True),
    ("downside capture", "downside_capture", True),
)


def backtest_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV file, plain or .gz, with a time and a price column.", metavar="FILE.csv", show_default=False
        ),
    ],
    policy: Annotated[
        Path,
        typer.Option(
            "--policy", "-p", help="Policy as JSON, as in an evaluation; `-` reads standard input.", show_default=False
        ),
    ],
    symbol: Annotated[str, typer.Option(help="Symbol of the market.")] = "MARKET",
    interval: Annotated[str, typer.Option(help="Bar length: P1D, PT1H, PT5M, …")] = "P1D",
    calendar: Annotated[
        Literal["24/7", "XNYS", "XNAS", "XLON", "FX"], typer.Option(help="When the market trades.")
    ] = "24/7",
    label: Annotated[
        Literal["open", "close"],
        typer.Option(help="What the time column says: when a bar opened (most exchanges) or closed."),
    ] = "open",
    direction: Annotated[float, typer.Option(min=-2, max=2, help="Signal at every close.")] = 1.0,
    equity: Annotated[float, typer.Option(min=1e-6, help="Start capital.")] = 100_000.0,
    lot: Annotated[str, typer.Option(help="Smallest step of a position.")] = "0.000001",
    funding: Annotated[float, typer.Option(help="Annual rate that a long position pays.")] = 0.0,
    lag: Annotated[int, typer.Option(min=1, max=20, help="Bars from decision to earning.")] = 1,
    warm_up: Annotated[int, typer.Option(min=2, help="Bars before the first decision.")] = 60,
    baselines: Annotated[bool, typer.Option(help="Also constant leverage, fixed weights, the calendar.")] = True,
    out_file: Annotated[
        Path, typer.Option("--out", "-o", help="Where to write the picture.", metavar="FILE.png")
    ] = Path("backtest.png"),
    plot: Annotated[bool, typer.Option(help="Draw the picture (needs matplotlib).")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer of POST /v1/backtests as JSON.")] = False,
) -> None:
    """Walk a policy through the bars of a file: the same engine as the service, at every close, with costs and lots.

    A decision sees the bars up to its close and no more, and earns from the next one on. What trades cost is `costs` of
    the policy. Beside it stand constant leverage, fixed weights and monthly rebalancing at the same average leverage.

    **Examples**

    - `trimtab backtest BTC_daily.csv --policy policy.json`

    - `echo '{"sizing": {"method": "volatility_target", "target_volatility": 0.2}}' | trimtab backtest spy.csv -p -
      --calendar XNYS --out spy.png`

    - `trimtab backtest klines.csv.gz --interval PT1H -p policy.json --no-plot --json | jq .strategies[0].performance`
    """
    with reporting(as_json):
        rules = policy_of(read_file(policy))
        prices = load(file, interval, label)
        plan = plan_of(
            prices,
            rules,
            symbol=symbol,
            interval=interval,
            calendar=calendar,
            direction=direction,
            equity=equity,
            lot=lot,
            funding=funding,
            lag=lag,
            warm_up=warm_up,
            baselines=baselines,
        )
        paths = walk_with_progress(plan, visible=not as_json)
        if plot:
            draw_picture(plan, paths, file.name, out_file)
        report = answer(plan, paths, prices, interval, calendar)
        if as_json:
            write_json(report)
        else:
            show(report, file, out_file if plot else None)


def policy_of(raw: bytes) -> Policy:
    """Policy of a file, checked as the service checks it.

    Raises
    ------
    Failure
        With the rules that it breaks, in the words of the service.
    """
    from app.body import parse_json
    from app.commands.problems import problems_as_failures
    from models.api.policy import PolicyIn

    with problems_as_failures(PolicyIn, "/v1/backtests"):
        return PolicyIn.model_validate(parse_json(raw)).resolved()


def plan_of(
    prices: PriceFile, policy: Policy, *, symbol: str, interval: str, calendar: str, lot: str, **choices: Any
) -> Plan:
    """Back-test of a file's bars."""
    from decimal import Decimal, InvalidOperation

    import numpy as np

    from app.usecases.run_backtest import Plan
    from services.core.annualization import SECONDS_PER_YEAR
    from services.core.instrument import Instrument
    from services.simulation.backtest import BacktestMarket, Trading

    try:
        smallest = Decimal(lot)
    except InvalidOperation:
        smallest = Decimal(0)
    if not smallest > 0:
        raise Failure(ExitCode.USAGE, f"--lot {lot} is no positive number")
    series = series_of(prices, interval, calendar)
    market = BacktestMarket(
        instrument=Instrument(symbol=symbol, lot=smallest),
        series=series,
        direction=np.full(series.closes.size, choices["direction"]),
        funding_rate=choices["funding"] * np.diff(series.times, prepend=series.times[0]) / SECONDS_PER_YEAR,
    )
    trading = Trading(lag_bars=choices["lag"], warm_up_bars=choices["warm_up"])
    return Plan(
        markets=(market,),
        policy=policy,
        equity=choices["equity"],
        currency="USD",
        trading=trading,
        with_baselines=choices["baselines"],
    )


def series_of(prices: PriceFile, interval: str, calendar: str) -> SeriesInput:
    """Bars of a file, as a client posts them."""
    import numpy as np

    from services.core.annualization import Calendar, parse_interval
    from services.volatility.series import SeriesInput

    bars = prices.closes
    times = np.array([item.close_time.timestamp() for item in bars])
    others = [dict(item.others) for item in bars]
    columns = {
        name: np.array([row.get(name, np.nan) for row in others], dtype=float)
        for name in ("open", "high", "low", "volume")
        if any(name in row for row in others)
    }
    closes = np.array([float(item.close) for item in bars])
    return SeriesInput(closes, bars[-1].close_time, parse_interval(interval), Calendar(calendar), times, **columns)


def walk_with_progress(plan: Plan, *, visible: bool) -> dict[str, BacktestPath]:
    """Paths of all strategies, with a bar that counts the closes."""
    from app.usecases.run_backtest import walk
    from services.core.errors import InvalidInput

    total = plan.bars * (STRATEGIES if plan.with_baselines else 1)
    try:
        with progress("walking", total, visible=visible) as bar:
            return walk(plan, lambda done: bar.update(TaskID(0), completed=done))
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, "The back-test cannot run", str(error)) from None


def answer(
    plan: Plan, paths: dict[str, BacktestPath], prices: PriceFile, interval: str, calendar: str
) -> dict[str, Any]:
    """Answer of the service, with what was read from the file."""
    from app.translate.notes import Notes
    from app.usecases.run_backtest import body

    found = body(plan, paths, 0, Notes())
    return {"file": file_summary(prices, interval, calendar), **found}


def draw_picture(plan: Plan, paths: dict[str, BacktestPath], title: str, path: Path) -> None:
    """Write the picture, or say what it needs."""
    from app.commands.backtest_plot import draw
    from app.demo.plot import MatplotlibMissing

    try:
        draw(plan, paths, title, path)
    except MatplotlibMissing as error:
        raise Failure(ExitCode.USAGE, str(error)) from None


def show(report: dict[str, Any], file: Path, picture: Path | None) -> None:
    """Figures of every strategy, one column each."""
    console = out()
    rows = table(f"{file}: {report['bars']:,} bars, first decision {report['first_decision'][:10]}")
    rows.add_column("")
    for item in report["strategies"]:
        rows.add_column(item["strategy"].replace("_", " "), justify="right")
    for name, key, as_percent in ROWS:
        values = [item["performance"][key] for item in report["strategies"]]
        rows.add_row(
            name, *("–" if value is None else percent(value) if as_percent else f"{value:.2f}" for value in values)
        )
    rows.add_row("orders", *(f"{item['orders']:,}" for item in report["strategies"]))
    console.print(rows)
    if report["target_volatility"]:
        console.print(f"Target volatility {percent(report['target_volatility'])}", style="dim", markup=False)
    for item in (*report["warnings"], *({"detail": note} for note in [report["file"]["note"]] if note)):
        console.print(f"Note: {item['detail']}", style="yellow", markup=False)
    if picture is not None:
        console.print(f"Picture: {picture}", style="green", markup=False)
    console.print(orjson.dumps({"sizing": report["policy_resolved"]["sizing"]}).decode(), style="dim", markup=False)


def figure(value: float | None, *, as_percent: bool) -> str:
    """Cell of the table.

    Examples
    --------
    >>> figure(None, as_percent=True), figure(0.25, as_percent=False)
    ('–', '0.25')
    """
    if value is None:
        return "–"
    return percent(value) if as_percent else f"{value:.2f}"
