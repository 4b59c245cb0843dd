"""`trimtab fit`: parameters of a GARCH model from the closes of a CSV file, without a service."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer
from rich.progress import TaskID

from app.commands.console import ExitCode, Failure, out, progress, reporting, table, write_json
from app.commands.observe import SESSIONS_NOTE, file_summary, load
from app.commands.tables import percent

if TYPE_CHECKING:
    from app.commands.price_file import PriceFile
    from services.volatility.fitting import FitChoice
    from services.volatility.series import SeriesInput

TYPICAL_STEPS = 40
"""Steps of the optimiser that the progress bar counts on; most fits need fewer."""


def fit_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV file, plain or .gz, with a time and a price column.", metavar="FILE.csv", show_default=False
        ),
    ],
    model: Annotated[
        Literal["garch", "gjr_garch", "egarch"], typer.Option(help="Estimator whose parameters are wanted.")
    ] = "gjr_garch",
    distribution: Annotated[
        Literal["student_t", "normal"], typer.Option(help="Density of the standardised returns.")
    ] = "student_t",
    mean: Annotated[
        Literal["zero", "constant"], typer.Option(help="zero is what estimators assume; arch takes constant.")
    ] = "zero",
    procedure: Annotated[
        Literal["full", "variance_targeted"], typer.Option(help="Targeted: the long-run variance is the sample's.")
    ] = "full",
    interval: Annotated[str, typer.Option(help="Bar length: P1D, PT1H, PT5M, …")] = "P1D",
    calendar: Annotated[
        Literal["24/7", "XNYS", "XNAS", "XLON", "FX"], typer.Option(help="When the market trades.")
    ] = "24/7",
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the estimates as JSON.")] = False,
) -> None:
    """Fit a GARCH model to the closes of a CSV file; the estimates are ready to paste as `estimator`.

    Needs no service and writes nothing. Give the calendar of the market: closed hours of one that closes are no missing
    bars. A fit that is not to be used (persistence at 1, tails without a variance) ends with code 3 and its reason.

    **Examples**

    - `trimtab fit BTC_daily.csv`

    - `trimtab fit spy.csv --calendar XNYS --model garch --distribution normal --mean constant`

    - `trimtab fit klines.csv.gz --interval PT1H --json`
    """
    with reporting(as_json):
        prices = load(file, interval, label, time_column, price_column)
        choice = _choice(model, distribution, mean, procedure)
        answer = {
            "file": str(file),
            **dataclasses.asdict(choice),
            **estimates(prices, choice, interval, calendar, visible=not as_json),
            "note": SESSIONS_NOTE if file_summary(prices, interval, calendar)["note"] else None,
        }
        if as_json:
            write_json(answer)
        else:
            show(answer)


def _choice(model: Any, distribution: Any, mean: Any, procedure: Any) -> FitChoice:
    from services.core.errors import InvalidInput
    from services.volatility.fitting import FitChoice

    try:
        return FitChoice(model=model, distribution=distribution, mean=mean, procedure=procedure)
    except InvalidInput as error:
        raise Failure(ExitCode.USAGE, str(error)) from None


def estimates(prices: PriceFile, choice: FitChoice, interval: str, calendar: str, *, visible: bool) -> dict[str, Any]:
    """What the service would answer as `result`, and the periods a year that it is annualised with.

    Raises
    ------
    Failure
        If a bar is none, or the fit is rejected.
    """
    from app.usecases.fit_volatility import result_row
    from services.core.errors import Refusal
    from services.volatility.fit_window import fit_returns
    from services.volatility.fitting import FIT_REASON_TEXT, FitRejected, fit

    series = _series(prices, interval, calendar)
    log_returns = fit_returns(series)
    if isinstance(log_returns, Refusal):
        raise Failure(ExitCode.REFUSED, "The file holds a bar that is none", log_returns.detail)
    with progress(f"fitting {choice.model}", TYPICAL_STEPS, visible=visible) as bar:
        found = fit(log_returns, choice, on_iteration=lambda steps: bar.update(TaskID(0), completed=steps))
    if isinstance(found, FitRejected):
        title = f"The fit is rejected ({found.reason})"
        raise Failure(ExitCode.REFUSED, title, f"{found.detail}. {FIT_REASON_TEXT[found.reason]}")
    periods = series.clock.periods_per_year
    return {"periods_per_year": periods, "result": result_row(found, periods)}


def _series(prices: PriceFile, interval: str, calendar: str) -> SeriesInput:
    import numpy as np

    from services.core.annualization import Calendar, parse_interval
    from services.volatility.series import SeriesInput

    times = np.array([item.close_time.timestamp() for item in prices.closes])
    closes = np.array([float(item.close) for item in prices.closes])
    end = prices.closes[-1].close_time
    return SeriesInput(closes, end, parse_interval(interval), Calendar(calendar), times)


def show(answer: dict[str, Any]) -> None:
    """Estimates, one line each, and the estimator as JSON."""
    result, fitted, periods = answer["result"], answer["result"]["fitted"], answer["periods_per_year"]
    rows = table(f"{answer['model']} on {answer['file']}", headings=False)
    freedom = fitted["degrees_of_freedom"]
    lines = {
        **{name: f"{value:.6g}" for name, value in fitted["estimator"].items() if isinstance(value, float)},
        "mean a bar": f"{fitted['mean']:.6g}",
        "degrees of freedom": "normal density" if freedom is None else f"{freedom:.2f}",
        "persistence": f"{result['persistence']:.4f}",
        "long-run volatility": f"{percent(result['long_run_volatility'])} a year of {periods:g} bars",
        "last volatility": percent(result["last_volatility"]),
        "log-likelihood": f"{result['log_likelihood']:.2f} over {result['returns']:,} returns",
        "AIC; BIC": f"{result['akaike']:.1f}; {result['bayes']:.1f}",
        "rms of residuals": f"{result['residual_rms']:.3f} (1 is right)",
        "steps": str(result["iterations"]),
    }
    for name, value in lines.items():
        rows.add_row(f"[bold]{name}[/]", value)
    console = out()
    console.print(rows)
    console.print(orjson.dumps({"estimator": fitted["estimator"]}).decode(), markup=False, soft_wrap=True)
    if answer["note"]:
        console.print(f"Note: {answer['note']}", style="yellow", markup=False)
