"""`trimtab state rebuild`: volatility states made anew from the audit log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, TaskID

from app.commands.console import ExitCode, Failure, err, out, progress, reporting, table, write_json
from app.commands.serve import settings_of

if TYPE_CHECKING:
    from app.settings import Settings
    from app.usecases.rebuild_states import Rebuild, RebuiltState


def rebuild_command(
    symbol: Annotated[
        list[str] | None, typer.Option("--symbol", "-s", help="Only this symbol; may be repeated.", show_default=False)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also replace states that are there and differ from the log.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare only; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Make lost volatility states anew from the observations in the audit log.

    Reads the log of `DATABASE_URL` and writes to `REDIS_URL`, beside running services. States that are missing, damaged
    or begun later than the log says are replaced; bars that only the store knows are kept. A service without
    `REDIS_URL` keeps its states in memory and rebuilds them by itself when it starts.

    **Examples**

    - `trimtab state rebuild --dry-run`

    - `trimtab state rebuild --symbol BTC-PERP --symbol ETH-PERP`
    """
    with reporting(as_json):
        settings = settings_of({"TRIMTAB_LOG_LEVEL": "WARNING"})
        if settings.redis_url is None:
            detail = "without REDIS_URL states live in the memory of one service, which rebuilds them when it starts"
            raise Failure(ExitCode.USAGE, "There is no shared store to write to", detail, "Set REDIS_URL.")
        with progress("reading the audit log", 0, visible=not as_json) as bar:
            found = asyncio.run(_rebuild(settings, bar, symbol or [], force=force, dry_run=dry_run))
        if as_json:
            write_json(rebuild_document(found, dry_run=dry_run))
        else:
            show_rebuild(found, dry_run=dry_run)
        if found.unreadable:
            raise typer.Exit(ExitCode.FAILED)


async def _rebuild(settings: Settings, bar: Progress, symbols: list[str], *, force: bool, dry_run: bool) -> Rebuild:
    from app.adapters.database import open_database
    from app.adapters.redis_volatility import open_redis_volatility
    from app.lifespan import REFUSALS
    from app.ports import AuditUnavailable
    from app.usecases.rebuild_states import rebuild_states

    assert settings.redis_url is not None
    try:
        async with open_database(settings.audit_url) as database, open_redis_volatility(settings.redis_url) as store:
            return await rebuild_states(
                database.audit,
                store,
                tenants=list(await database.tree.stream_secrets()),
                symbols=symbols,
                force=force,
                dry_run=dry_run,
                advance=lambda done: bar.update(TaskID(0), completed=done.bytes, total=done.total_bytes),
            )
    except (*REFUSALS, AuditUnavailable) as error:
        raise Failure(ExitCode.UNAVAILABLE, "The stores cannot be used", str(error)) from None


def rebuild_document(found: Rebuild, *, dry_run: bool) -> dict[str, Any]:
    """Comparison as JSON."""
    return {
        "dry_run": dry_run,
        "entries": found.entries,
        "points": found.points,
        "unreadable": [{"index": index, "reason": reason} for index, reason in found.unreadable.items()],
        "written": sum(row.written for row in found.states),
        "states": [_rebuilt_row(row) for row in found.states],
    }


def _rebuilt_row(row: RebuiltState) -> dict[str, Any]:
    from app.usecases.observe_prices import state_row

    shown = state_row(row.key, row.fed.state) | {"model_version": row.key.model_version}
    return {**shown, "found": row.found, "written": row.written}


def show_rebuild(found: Rebuild, *, dry_run: bool) -> None:
    """Comparison as a table, and what it came to."""
    from app.usecases.rebuild_states import FOUND_TEXT

    rows = table()
    for heading in ("symbol", "venue", "interval", "model", "returns", "last close", "state in the store", ""):
        rows.add_column(heading, justify="right" if heading == "returns" else "left")
    for state in found.states:
        shown = _rebuilt_row(state)
        cells = [shown["symbol"], shown.get("venue", ""), shown["interval"], shown["model_version"]]
        cells += [f"{shown['observations']:,}", str(shown["last_close_time"]), FOUND_TEXT[state.found]]
        rows.add_row(*map(escape, cells), "[green]written[/]" if state.written else "")
    console, written = out(), sum(state.written for state in found.states)
    console.print(rows)
    read = f"{found.points:,} points of {found.entries:,} entries make {len(found.states):,} states"
    console.print(f"{read}; {written:,} written" + (" (dry run)" if dry_run else ""), markup=False)
    for index, reason in found.unreadable.items():
        err().print(f"entry {index} cannot be read: {reason}", style="yellow", markup=False)
