"""`trimtab scorecard`: how good recorded answers were, from a log that is held."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.progress import Progress, TaskID

from app.commands.audit_export import ExportOption, opened
from app.commands.console import ExitCode, Failure, out, progress, reporting, table, write_bytes
from app.commands.serve import settings_of
from app.container import LOCAL_TENANT

if TYPE_CHECKING:
    from app.usecases.scorecard import ScorecardQuery

ROWS = (
    ("forecasts", "qlike", "QLIKE of variance forecasts", None),
    ("forecasts", "qlike_gain", "  better than an EWMA by", "above 0"),
    ("forecasts", "bias", "  realised over forecast variance", "1"),
    ("tails", "breach_rate", "losses beyond the value at risk", "0.01"),
    ("tails", "shortfall_excess", "  tail losses over the shortfall, less 1", "0"),
    ("tracking", "realized_to_target", "realised over target volatility", "1"),
    ("tracking", "realized_to_forecast", "  over the forecast of the book", "1"),
    ("tracking", "executed_share", "  orders executed", "1"),
    ("touches", "brier", "Brier score of touch probabilities", "low"),
    ("touches", "bias", "  happened less stated", "0"),
    ("hedges", "residual_variance", "variance left by hedges", "0"),
    ("hedges", "residual_delta", "  delta left", "0"),
)
"""Section, figure, what it is called, and what it is where all is right."""
REASONS = {
    "no_pairs": "nothing to judge",
    "too_few_moments": "fewer than 20 moments",
    "no_spread": "all alike",
}


def scorecard_command(
    first: Annotated[
        int | None, typer.Option("--from", min=0, help="First entry [the 20,000th newest].", show_default=False)
    ] = None,
    last: Annotated[
        int | None, typer.Option("--to", min=0, help="Last entry [the newest].", show_default=False)
    ] = None,
    portfolio_id: Annotated[
        str | None, typer.Option("--portfolio", help="Only answers about this portfolio.", show_default=False)
    ] = None,
    symbol: Annotated[
        str | None, typer.Option(help="Only statements on this market; figures of books are left out.")
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            "--db",
            help="Database of the log [DATABASE_URL, the embedded file].",
            show_default=False,
            metavar="URL",
        ),
    ] = None,
    export: ExportOption = None,
    tenant: Annotated[str, typer.Option(help="Whose entries, where the log has several tenants.")] = LOCAL_TENANT,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw a picture there (needs matplotlib).", metavar="FILE.png")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer of GET /v1/scorecard, byte for byte.")
    ] = False,
) -> None:
    """How good recorded answers were: forecasts, tails, tracking, touch probabilities and hedges.

    Computed from the log alone: what an answer stated against what later entries hold. On the same entries it gives the
    bytes of `GET /v1/scorecard`. The log is only read, also beside a running service.

    **Examples**

    - `trimtab scorecard`

    - `trimtab scorecard --portfolio desk --plot scorecard.png`

    - `trimtab scorecard --export history`

    - `trimtab scorecard --from 0 --to 19999 --json | jq .forecasts.qlike_gain`
    """
    from app.usecases.scorecard import ScorecardQuery

    with reporting(as_json):
        if export is not None and database_url is not None:
            raise Failure(ExitCode.USAGE, "Name one of --export and --database-url")
        query = ScorecardQuery(first, last, portfolio_id, symbol)
        with progress("reading", 0, visible=not as_json) as bar:
            if export is not None:
                body = _score_export(export, query, bar)
            else:
                settings = settings_of({"DATABASE_URL": database_url, "TRIMTAB_LOG_LEVEL": "WARNING"})
                body = asyncio.run(_score(settings.audit_url, tenant, query, bar))
        if plot is not None:
            draw_picture(orjson.loads(body), plot)
        if as_json:
            write_bytes(body)
        else:
            show(orjson.loads(body), plot)


async def _score(url: str, tenant: str, query: ScorecardQuery, bar: Progress) -> bytes:
    from app.adapters.database import open_tree
    from app.lifespan import REFUSALS
    from app.ports import AuditUnavailable
    from app.usecases.scorecard import score_log
    from services.core.errors import InvalidInput

    def advance(done: int, total: int) -> None:
        bar.update(TaskID(0), completed=done, total=total)

    try:
        async with open_tree(url) as tree:
            return await score_log(tree, tenant, query, advance)
    except (*REFUSALS, AuditUnavailable) as error:
        raise Failure(ExitCode.UNAVAILABLE, "The log cannot be read", str(error)) from None
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, f"--{error}") from None


def _score_export(folder: Path, query: ScorecardQuery, bar: Progress) -> bytes:
    from app.usecases.scorecard import score_span
    from services.core.errors import InvalidInput

    export = opened(folder)
    if not export.bodies:
        raise Failure(ExitCode.REFUSED, f"{folder} holds no bodies: nothing can be judged")

    def advance(done: int, total: int) -> None:
        bar.update(TaskID(0), completed=done, total=total)

    try:
        return score_span(export, query, advance)
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, f"--{error}") from None
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        remedy = "trimtab audit verify --export tells what is wrong with it."
        raise Failure(ExitCode.REFUSED, f"{folder} holds what is no entry", str(error), remedy) from None


def draw_picture(report: dict[str, Any], path: Path) -> None:
    """Write the picture, or say what it needs."""
    from app.commands.scorecard_plot import draw
    from app.demo.plot import MatplotlibMissing

    try:
        draw(report, path)
    except MatplotlibMissing as error:
        raise Failure(ExitCode.USAGE, str(error)) from None


def show(report: dict[str, Any], picture: Path | None) -> None:
    """All figures, a line each, and what could not be judged."""
    console, read = out(), report["range"]
    whole = table(f"Entries {read['from']} to {read['to']}: {read['answers']} answers of {read['entries']} entries")
    for name, side in (
        ("figure", "left"),
        ("value", "right"),
        ("± error", "right"),
        ("right", "right"),
        ("n", "right"),
    ):
        whole.add_column(name, justify=side)  # type: ignore[arg-type]
    for section, name, title, ideal in ROWS:
        found = report[section][name]
        if found["value"] is None:
            whole.add_row(title, "–", REASONS[found["reason"]], ideal or "", f"{found['n']:,}")
        else:
            error = "" if found["standard_error"] is None else f"{found['standard_error']:.2g}"
            value = f"{found['value']:.4g}"
            whole.add_row(title, value, error, ideal or "", f"{found['n']:,}")
    console.print(whole)
    if (coverage := report["tails"]["coverage"]) is not None:
        console.print(
            f"value at risk: {coverage['breaches']} breaches of {coverage['observations']}, {coverage['verdict']}, "
            f"{coverage['traffic_light']}; Kupiec p {coverage['kupiec']['p_value']:.3g}",
            markup=False,
        )
    for section in ("forecasts", "tails", "tracking", "touches", "hedges"):
        if left := report[section]["excluded"]:
            said = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in left.items())
            console.print(f"not judged in {section}: {said}", markup=False)
    if picture is not None:
        console.print(f"picture: {picture}", markup=False)
