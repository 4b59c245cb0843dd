"""`trimtab state`: cached volatility states, shown, reset and rebuilt."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from app.commands.client import DEFAULT_URL, connect
from app.commands.console import out, reporting, table, write_json
from app.commands.rebuild import rebuild_command
from app.commands.tables import number, percent

state_commands = typer.Typer(
    help="Show, reset or rebuild cached volatility states.", no_args_is_help=True, rich_markup_mode="markdown"
)

SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL", help="Symbol as it was observed.", show_default=False)]
IntervalOption = Annotated[str, typer.Option(help="Bar length; each has a state of its own.")]
VenueOption = Annotated[str | None, typer.Option(help="Venue of the symbol.", show_default=False)]
HalfLifeOption = Annotated[
    float | None,
    typer.Option(help="Short for the model ewma with this half-life [bars].", show_default=False),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        help="Estimator whose state it is, as the service names it; default: that of the default policy.",
        show_default=False,
        metavar="VERSION",
    ),
]
UrlOption = Annotated[str, typer.Option(help="Base URL of the service.", envvar="TRIMTAB_URL")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer of the service as it is.")]


@state_commands.command("show")
def show_command(
    symbol: SymbolArgument,
    interval: IntervalOption = "P1D",
    venue: VenueOption = None,
    model: ModelOption = None,
    half_life: HalfLifeOption = None,
    horizon: Annotated[
        str | None, typer.Option(help="Also show the volatility over this time, such as P7D.", show_default=False)
    ] = None,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Show what the service knows of a symbol, and the volatility it would size with.

    **Examples**

    - `trimtab state show BTC-PERP`

    - `trimtab state show BTC/USDT:USDT --venue binance --interval PT1H --json`
    """
    with reporting(as_json), connect(url) as client:
        named = query(symbol, interval, venue, model, half_life) | ({"horizon": horizon} if horizon else {})
        answer = client.call("GET", "/v1/volatility", params=named)
        if as_json:
            write_json(answer)
        else:
            out().print(state_table(answer))


@state_commands.command("reset")
def reset_command(
    symbol: SymbolArgument,
    interval: IntervalOption = "P1D",
    venue: VenueOption = None,
    model: ModelOption = None,
    half_life: HalfLifeOption = None,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Forget the state of a symbol; it begins anew with the next observation. The reset is in the audit log.

    **Examples**

    - `trimtab state reset BTC-PERP`
    """
    with reporting(as_json), connect(url) as client:
        answer = client.call("DELETE", "/v1/volatility", params=query(symbol, interval, venue, model, half_life))
        if as_json:
            write_json(answer)
        else:
            text = "is forgotten" if answer["existed"] else "had no state"
            out().print(f"{symbol} {interval} {text} (audit event {answer['event_id']})", markup=False)


state_commands.command("rebuild")(rebuild_command)


def query(symbol: str, interval: str, venue: str | None, model: str | None, half_life: float | None) -> dict[str, str]:
    """Query parameters of a state."""
    given = {
        "symbol": symbol,
        "interval": interval,
        "venue": venue,
        "model": model,
        "half_life": None if half_life is None else repr(half_life),
    }
    return {name: value for name, value in given.items() if value is not None}


def state_table(answer: dict[str, Any]) -> Table:
    """State and readout, one line each."""
    readout = answer["readout"]
    rows = table(f"{answer['symbol']} {answer['interval']} ({answer['calendar']})", headings=False)
    lines = {
        "status": "ok" if readout["status"] == "ok" else f"{readout['reason']}: {readout.get('detail') or ''}",
        "volatility used for sizing": percent(readout.get("volatility")),
        "forecast × calibration": f"{percent(readout.get('forecast'))} × {number(readout.get('calibration'))}",
        "floor; long-run": f"{percent(readout.get('floor'))}; {percent(readout.get('long_run'))}",
        "nine times in ten below": percent(_times(readout.get("volatility"), readout.get("confidence_factor"))),
        "regime; degrees of freedom": _labels(readout),
        "maturity; guard": f"{readout.get('maturity') or '—'}; {readout.get('guard') or '—'}",
        "model": answer["model_version"],
        "effective half-life": f"{number(readout.get('effective_half_life'))} bars",
        "annualised with": f"{readout['periods_per_year']:g} bars a year",
        "returns used": f"{answer['observations']:,}",
        "bars": f"{answer['first_close_time']} … {answer['last_close_time']}",
        "last close": f"{answer['last_close']:g}",
        "version": str(answer["version"]),
    }
    if ahead := readout.get("horizon"):
        lines["over " + ahead["duration"]] = f"{percent(ahead['deviation'])}, {percent(ahead['volatility'])} a year"
    for name, value in lines.items():
        rows.add_row(f"[bold]{name}[/]", escape(value))
    return rows


def _times(volatility: float | None, factor: float | None) -> float | None:
    return None if volatility is None or factor is None else volatility * factor


def _labels(readout: dict[str, Any]) -> str:
    if not readout.get("labels"):
        return "—"
    return f"{readout['labels']['regime']['label']}; {number(readout['tail']['degrees_of_freedom'])}"
