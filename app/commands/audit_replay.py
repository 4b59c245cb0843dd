"""`trimtab audit replay`: recorded answers computed again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, TaskID

from app.commands.audit_export import ExportOption, opened
from app.commands.console import ExitCode, Failure, err, out, progress, reporting, write_json
from app.commands.serve import settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from app.usecases.replay_log import Replayed

DIFFERENT, INCOMPLETE = 1, 2
SHOWN = 20


def replay_command(
    first: Annotated[int, typer.Option("--from", min=0, help="First entry.")] = 0,
    last: Annotated[
        int | None, typer.Option("--to", min=0, help="Last entry [the newest].", show_default=False)
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="Database of the log [DATABASE_URL, the embedded file].", show_default=False, metavar="URL"),
    ] = None,
    export: ExportOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compute recorded decisions again from what was recorded with them, and compare byte for byte.

    The same build on the same platform gives the same bytes; another build says in `versions` why it may not.

    **Examples**

    - `trimtab audit replay`

    - `trimtab audit replay --from 1000 --to 1999 --json`

    - `trimtab audit replay --export history`
    """
    with reporting(as_json):
        if export is not None and database_url is not None:
            raise Failure(ExitCode.USAGE, "Name one of --export and --database-url")
        with progress("computing again", 0, visible=not as_json) as bar:
            if export is not None:
                found = _replay_export(export, first, last, bar)
            else:
                settings = settings_of({"DATABASE_URL": database_url, "TRIMTAB_LOG_LEVEL": "WARNING"})
                found = asyncio.run(_replay(settings.audit_url, first, last, bar))
        if as_json:
            write_json(replayed_document(found))
        else:
            show_replayed(found)
        if found.different:
            raise typer.Exit(DIFFERENT)
        if found.pruned:
            raise typer.Exit(INCOMPLETE)


def _replay_export(folder: Path, first: int, last: int | None, bar: Progress) -> Replayed:
    import orjson

    from app.usecases.replay_log import replay_span
    from services.core.errors import InvalidInput

    export = opened(folder)
    if not export.bodies:
        raise Failure(ExitCode.REFUSED, f"{folder} holds no bodies: nothing can be computed again")

    def advance(done: int, total: int) -> None:
        bar.update(TaskID(0), completed=done, total=total)

    try:
        return replay_span(export, first=first, last=last, advance=advance)
    except (InvalidInput, orjson.JSONDecodeError, KeyError, TypeError) as error:
        remedy = "trimtab audit verify --export tells what is wrong with it."
        raise Failure(ExitCode.REFUSED, f"{folder} holds what is no entry", str(error), remedy) from None


async def _replay(url: str, first: int, last: int | None, bar: Progress) -> Replayed:
    from app.adapters.database import open_tree
    from app.lifespan import REFUSALS
    from app.ports import AuditUnavailable
    from app.usecases.replay_log import replay_log

    def advance(done: int, total: int) -> None:
        bar.update(TaskID(0), completed=done, total=total)

    try:
        async with open_tree(url) as tree:
            return await replay_log(tree, first=first, last=last, advance=advance)
    except (*REFUSALS, AuditUnavailable) as error:
        raise Failure(ExitCode.UNAVAILABLE, "The log cannot be read", str(error)) from None


def replayed_document(found: Replayed) -> dict[str, Any]:
    """Comparison as JSON."""
    return {
        "entries": found.entries,
        "computed_again": found.same + len(found.different),
        "identical": found.same,
        "different": [
            {"index": item.index, "evaluation_id": item.event_id, "pointers": list(item.pointers)}
            for item in found.different
        ],
        "not_replayable": found.skipped,
        "pruned": found.pruned,
    }


def show_replayed(found: Replayed) -> None:
    """Comparison in words."""
    for item in found.different[:SHOWN]:
        places = ", ".join(item.pointers[:3])
        err().print(f"entry {item.index} ({item.event_id}) differs at {places}", style="bold red", markup=False)
    total = found.same + len(found.different)
    out().print(
        f"{found.entries:,} entries: {total:,} computed again, {found.same:,} byte for byte the same, "
        f"{len(found.different):,} different; {found.skipped:,} record facts, or states of another build; "
        f"{found.pruned:,} bodies are pruned",
        markup=False,
    )
    if found.pruned:
        out().print(f"{found.pruned:,} have no body any more and could not be computed again", markup=False)
