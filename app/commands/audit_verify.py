"""`trimtab audit verify`: every row of the log checked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, TaskID

from app.commands.audit_export import ExportOption, opened
from app.commands.audit_files import MldsaKeyOption, read_checkpoint, read_key, read_mldsa_key
from app.commands.console import ExitCode, Failure, err, out, progress, reporting, write_json
from app.commands.serve import settings_of

if TYPE_CHECKING:
    from app.usecases.verify_log import Part, Verified
    from services.audit.note import Checkpoint, VerifierKey

TAMPERED, INCOMPLETE = 1, 2
HIGHEST = 18
"""log₂ of the entries of the largest part that one of several processes checks."""


def verify_command(
    database_url: Annotated[
        str | None,
        typer.Option(help="Database of the log [DATABASE_URL, the embedded file].", show_default=False, metavar="URL"),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="Head or receipt that you kept; may be repeated. Goes with --key.", show_default=False),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Public key of the log, or a file that holds it.", show_default=False, metavar="KEY"),
    ] = None,
    mldsa_key: MldsaKeyOption = None,
    bodies: Annotated[
        bool, typer.Option(help="Also read every recorded request and answer and compare its digest.")
    ] = True,
    export: ExportOption = None,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that read the log: for a long one on free cores.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check the whole log: every row against every other, its tree, its streams, its bodies, and heads that you kept.

    Also beside a running service. **Without a head that you kept, a log whose end was cut off looks like a shorter
    log**: keep receipts, or run `trimtab audit witness`.

    **Examples**

    - `trimtab audit verify`

    - `trimtab audit verify --checkpoint monday.txt --key log.vkey --json`

    - `trimtab audit verify --export history --key log.vkey`
    """
    with reporting(as_json):
        if checkpoint and key is None:
            raise Failure(ExitCode.USAGE, "--checkpoint goes with --key", remedy="Name the public key of the log.")
        if export is not None and database_url is not None:
            raise Failure(ExitCode.USAGE, "Name one of --export and --database-url")
        verifier = read_key(key) if key else None
        mldsa = read_mldsa_key(mldsa_key) if mldsa_key else None
        kept = [read_checkpoint(path, verifier, mldsa) for path in checkpoint or ()] if verifier else []
        started = time.perf_counter()
        with progress("checking", 0, visible=not as_json) as bar:
            if export is not None:
                found = _verify_export(export, verifier, kept, bar, bodies=bodies)
            else:
                url = settings_of({"DATABASE_URL": database_url, "TRIMTAB_LOG_LEVEL": "WARNING"}).audit_url
                found = asyncio.run(_verify(url, kept, bar, bodies=bodies, processes=processes))
        if as_json:
            write_json(verified_document(found))
        else:
            show_verified(found, time.perf_counter() - started)
        if found.findings:
            raise typer.Exit(TAMPERED)
        if found.pruned or found.outside:
            raise typer.Exit(INCOMPLETE)


def _verify_export(
    folder: Path, key: VerifierKey | None, kept: list[Checkpoint], bar: Progress, *, bodies: bool
) -> Verified:
    from app.signatures import check_signature
    from app.usecases.verify_log import verify_span
    from services.audit.note import verified_checkpoint
    from services.core.errors import InvalidInput

    export = opened(folder)
    signed = None
    if key is not None:
        if export.checkpoint is None:
            remedy = "Leave --key out, and compare with heads that you kept."
            raise Failure(ExitCode.REFUSED, f"{folder} holds no signed head", remedy=remedy)
        try:
            signed = verified_checkpoint(export.checkpoint, key, check_signature)
        except InvalidInput as error:
            raise Failure(ExitCode.FAILED, "The head of the export is not signed by this key", str(error)) from None

    def advance(done: int, total: int) -> None:
        bar.update(TaskID(0), completed=done, total=total)

    return verify_span(export, kept, signed, bodies=bodies, advance=advance)


async def _verify(url: str, kept: list[Checkpoint], bar: Progress, *, bodies: bool, processes: int) -> Verified:
    from app.adapters.database import open_tree
    from app.lifespan import REFUSALS
    from app.ports import AuditUnavailable
    from app.usecases.verify_log import join_segments, segments, verify_log

    def advance(done: int, total: int) -> None:
        bar.update(TaskID(0), completed=done, total=total)

    try:
        async with open_tree(url) as tree:
            state = await tree.head()
            if processes == 1 or (bodies and await tree.retentions()):  # an announced removal reaches over segments
                return await verify_log(tree, kept, bodies=bodies, advance=advance)
            height = min(max(state.size // (4 * processes), 1).bit_length(), HIGHEST)
            parts = _parts(url, segments(state.size, height), kept, bodies=bodies, workers=processes)
            return await join_segments(tree, state, kept, parts, bodies=bodies, advance=advance)
    except (*REFUSALS, AuditUnavailable) as error:
        raise Failure(ExitCode.UNAVAILABLE, "The log cannot be read", str(error)) from None


async def _parts(
    url: str, places: list[tuple[int, int]], kept: list[Checkpoint], *, bodies: bool, workers: int
) -> AsyncIterator[Part]:
    """Segments in order, checked by several processes."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [asyncio.wrap_future(pool.submit(checked_segment, url, *place, kept, bodies)) for place in places]
        try:
            for part in waiting:
                yield await part
        finally:
            for part in waiting:
                part.cancel()


def checked_segment(url: str, start: int, end: int, kept: list[Checkpoint], bodies: bool) -> Part:
    """A segment, in a process of its own."""
    from app.adapters.database import open_tree
    from app.usecases.verify_log import verify_segment

    async def check() -> Part:
        async with open_tree(url) as tree:
            return await verify_segment(tree, start, end, kept, bodies=bodies)

    return asyncio.run(check())


def verified_document(found: Verified) -> dict[str, Any]:
    """Findings as JSON."""
    return {
        "log": found.origin,
        "size": found.size,
        "root": found.root.hex(),
        "sound": not found.findings,
        "findings": [{"index": item.index, "what": item.what} for item in found.findings],
        "findings_left_out": found.left_out,
        "bodies_checked": found.bodies_checked,
        "bodies_pruned": found.pruned,
        "checkpoints": found.checkpoints,
        "checkpoints_outside": found.outside,
        "from": found.first,
        "to": found.end - 1,
    }


def show_verified(found: Verified, seconds: float) -> None:
    """Findings, and what was checked."""
    console = out()
    for item in found.findings:
        place = "the log" if item.index is None else f"entry {item.index}"
        err().print(f"{place}: {item.what}", style="bold red", markup=False)
    if found.left_out:
        err().print(f"and {found.left_out:,} more", style="bold red", markup=False)
    checked = "rows and bodies" if found.bodies_checked else "rows, not their bodies"
    heads = {0: "no kept head", 1: "1 kept head"}.get(found.checkpoints, f"{found.checkpoints} kept heads")
    count = found.end - found.first
    rate = count / seconds if seconds > 0 else 0.0
    part = "" if count == found.size else f" ({found.first:,} to {found.end - 1:,} of {found.size:,})"
    console.print(f"{found.origin}: {count:,} entries{part}, {checked}, {heads}; {rate:,.0f} a second", markup=False)
    if found.outside:
        text = f"{found.outside:,} kept heads lie outside of these entries, and nothing could be compared with them"
        console.print(text, markup=False)
    if found.pruned:
        console.print(f"{found.pruned:,} bodies are pruned: of these only the digests could be checked", markup=False)
    if not found.findings:
        console.print("nothing is wrong", style="green", markup=False)
    if not found.checkpoints:
        note = (
            "Nobody can tell without a kept head whether the end was cut off: --checkpoint, or trimtab audit witness."
        )
        console.print(note, markup=False)
