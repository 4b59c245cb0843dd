"""`trimtab audit export`: a part of the log in a folder, to be checked where there is no database."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, TaskID

from app.commands.console import ExitCode, Failure, out, progress, reporting, write_json
from app.commands.serve import settings_of

if TYPE_CHECKING:
    from app.adapters.audit_export import Export
    from app.log_ports import LogSigner, LogTree, Span
    from app.settings import Settings

ExportOption = Annotated[
    Path | None,
    typer.Option("--export", help="Read a folder of `trimtab audit export` instead of a database.", show_default=False),
]


def export_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty folder.", show_default=False)],
    first: Annotated[int, typer.Option("--from", min=0, help="First entry.")] = 0,
    last: Annotated[
        int | None, typer.Option("--to", min=0, help="Last entry [the newest].", show_default=False)
    ] = None,
    bodies: Annotated[bool, typer.Option(help="Also write every recorded request and answer.")] = True,
    database_url: Annotated[
        str | None,
        typer.Option(help="Database of the log [DATABASE_URL, the embedded file].", show_default=False, metavar="URL"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write entries, bodies, hashes and the signed head to a folder that can be checked on its own.

    Also beside a running service. `trimtab audit verify --export DIR` and `replay --export DIR` read it on a machine
    without the database. Bodies hold the books of all tenants: hand them over with care, or use `--no-bodies`.

    **Examples**

    - `trimtab audit export --from 0 --to 9999 history`

    - `trimtab audit export --no-bodies proofs`
    """
    with reporting(as_json):
        settings = settings_of({"DATABASE_URL": database_url, "TRIMTAB_LOG_LEVEL": "WARNING"})
        with progress("writing", 0, visible=not as_json) as bar:
            found = _written(settings, folder, first, last, bar, bodies=bodies)
        if as_json:
            write_json(found)
        else:
            signed = "" if found["signed"] else ", not signed: no key is named"
            text = f"{found['log']}: entries {found['from']:,} to {found['to']:,} of {found['size']:,}{signed}"
            out().print(text, markup=False)


def _written(
    settings: Settings, folder: Path, first: int, last: int | None, bar: Progress, *, bodies: bool
) -> dict[str, Any]:
    from app.adapters.audit_export import ExportRefused
    from app.adapters.log_key import LogKeyRefused
    from app.lifespan import REFUSALS
    from app.ports import AuditUnavailable
    from services.core.errors import InvalidInput

    try:
        return asyncio.run(_export(settings, folder, first, last, bar, bodies=bodies))
    except InvalidInput as error:
        raise Failure(ExitCode.REFUSED, "The log does not have these entries", str(error)) from None
    except ExportRefused as error:
        raise Failure(ExitCode.REFUSED, "The export cannot be written", str(error)) from None
    except LogKeyRefused as error:
        raise Failure(ExitCode.REFUSED, "The head cannot be signed", str(error)) from None
    except (*REFUSALS, AuditUnavailable) as error:
        raise Failure(ExitCode.UNAVAILABLE, "The log cannot be read", str(error)) from None


async def _export(
    settings: Settings, folder: Path, first: int, last: int | None, bar: Progress, *, bodies: bool
) -> dict[str, Any]:
    from app.adapters.audit_export import ExportWriter
    from app.adapters.database import open_tree
    from app.usecases.export_log import rows_of, span_of

    async with open_tree(settings.audit_url) as tree:
        signer = await _signer(settings, tree)
        span = await span_of(tree, first, last)
        writer = ExportWriter(folder, span, bodies=bodies)
        done = 0
        async for rows in rows_of(tree, span, bodies=bodies):
            writer.add(rows)
            done += len(rows)
            bar.update(TaskID(0), completed=done, total=span.end - span.first)
        checkpoint, key = _signed(span, signer)
        writer.finish(checkpoint, key)
    return {
        "log": span.head.origin,
        "from": span.first,
        "to": span.end - 1,
        "size": span.head.size,
        "root": span.head.root.hex(),
        "bodies": bodies,
        "signed": checkpoint is not None,
        "folder": str(folder),
    }


async def _signer(settings: Settings, tree: LogTree) -> LogSigner | None:
    """The key of the log, if this machine has it; a log that nobody signed yet is not given one here."""
    from app.adapters.log_key import LogKeyRefused, load_signer

    known = (await tree.head()).verifier_key
    path = settings.log_key_path
    if known is None or path is None:
        return None
    signer = load_signer(path, create=False)
    if signer.public((await tree.head()).origin).text() != known:
        raise LogKeyRefused(f"the log is signed with the key {known}, and {path} holds another")
    return signer


def _signed(span: Span, signer: LogSigner | None) -> tuple[str | None, str | None]:
    from app.usecases.prove import signed_head

    if signer is None:
        return None, None
    return signed_head(span.head, signer), signer.public(span.head.origin).text() + "\n"


def opened(folder: Path) -> Export:
    """The export of a folder.

    Raises
    ------
    Failure
        If it is none.
    """
    from app.adapters.audit_export import ExportRefused, read_export

    try:
        return read_export(folder)
    except ExportRefused as error:
        raise Failure(ExitCode.REFUSED, "This is no export", str(error)) from None
