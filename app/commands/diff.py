"""`trimtab diff`: two recorded decisions of a running service compared."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from app.commands.client import DEFAULT_URL, connect
from app.commands.console import out, reporting, table, write_json
from app.commands.state import JsonOption, UrlOption
from app.commands.tables import name_of

NEGLIGIBLE = 1e-9
"""Share of the size that is not worth a line."""


def diff_command(
    evaluation_id: Annotated[
        str, typer.Argument(metavar="ID", help="`evaluation_id` of the later decision.", show_default=False)
    ],
    against: Annotated[
        str | None,
        typer.Argument(
            metavar="OTHER",
            help="The one to compare with; default: the last of the same portfolio before it.",
            show_default=False,
        ),
    ] = None,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Show what changed between two recorded decisions, and which stage moved each size by how much.

    Nothing is computed anew: both answers are read from the audit log of the service.

    **Examples**

    - `trimtab diff ev_01a1fb67180070008000000000000001`

    - `trimtab diff ev_01a1fb67180070008000000000000001 ev_01a1fb67180070008000000000000000 --json`
    """
    with reporting(as_json), connect(url) as client:
        named = {"against": against} if against else {}
        answer = client.call("GET", f"/v1/evaluations/{evaluation_id}:diff", params=named)
        if as_json:
            write_json(answer)
        else:
            show_difference(out(), answer)


def show_difference(console: Console, answer: dict[str, Any]) -> None:
    """Changes of the book and the policy, then each row that changed."""
    times = answer["as_of"]
    console.print(f"{answer['against']} → {answer['evaluation_id']}", style="bold", markup=False)
    console.print(f"as of {times['before']} → {times['after']}", style="dim", markup=False)
    policy = [{**item, "name": f"policy{item['pointer']}"} for item in answer["policy"] or ()]
    if changes := answer["book"] + policy:
        console.print(_changes(changes))
    for row in answer["rows"]:
        _show_row(console, row)
    console.print(f"{answer['rows_unchanged']} rows unchanged", style="dim", markup=False)


def _changes(changes: list[dict[str, Any]]) -> Any:
    rows = table(headings=False)
    for change in changes:
        rows.add_row(escape(change["name"]), _text(change["before"]), "→", _text(change["after"]))
    return rows


def _text(value: Any) -> str:
    return "–" if value is None else escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def _show_row(console: Console, row: dict[str, Any]) -> None:
    target = row["target"]
    presence = "" if row["presence"] == "both" else f" ({row['presence']})"
    console.print(f"[bold]{escape(name_of(row))}[/]{presence} {_text(target['before'])} → {_text(target['after'])}")
    limits = row["limits"] or {"began": [], "ceased": []}
    moved = [(item["parameter"], verb) for verb in ("began", "ceased") for item in limits[verb]]
    for parameter, verb in moved:
        console.print(f"  {parameter} {verb} to bind", style="yellow", markup=False)
    if row["changes"]:
        console.print(_changes(row["changes"]))
    if row["attribution"] is not None:
        console.print(_stages(row["attribution"]))
    else:
        console.print(f"  {row['unexplained']}", style="dim", markup=False)


def _stages(why: dict[str, Any]) -> Any:
    rows = table()
    for heading in ("stage", "factor", "", "contracts"):
        rows.add_column(heading, justify="left" if heading == "stage" else "right")
    least = NEGLIGIBLE * max(abs(value or 0.0) for value in why["size"].values())
    for share in why["stages"]:
        factor = share["factor"] or share["value"]
        if share["contribution"] is None or abs(share["contribution"]) > least:
            contribution = "?" if share["contribution"] is None else f"{share['contribution']:+.6g}"
            rows.add_row(escape(share["stage"]), _text(factor["before"]), f"→ {_text(factor['after'])}", contribution)
    if why["unsplit"] is not None:
        reason = why["unsplit"]["reason"].replace("_", " ")
        rows.add_row(f"factors together ({reason})", "", "", f"{why['unsplit']['contribution']:+.6g}")
    rows.add_row("in all", "", "", f"{why['change']:+.6g}", style="bold")
    return rows
