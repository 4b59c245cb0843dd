"""`trimtab audit prune`: requests and answers removed after their retention; their digests stay."""

from __future__ import annotations

import asyncio
import getpass
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.console import ExitCode, Failure, out, reporting, write_json
from app.commands.serve import settings_of

if TYPE_CHECKING:
    from app.usecases.retention import Removal

_AGE = re.compile(r"([1-9][0-9]{0,4})([dh])\Z", re.ASCII)


def prune_command(
    older_than: Annotated[
        str, typer.Option(help="Age from which bodies are removed: 400d, 72h; at least 48h.", metavar="AGE")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    actor: Annotated[
        str | None, typer.Option(help="Who removes, as the log will say [your user name].", show_default=False)
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="Database of the log [DATABASE_URL, the embedded file].", show_default=False, metavar="URL"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was removed as JSON.")] = False,
) -> None:
    """Remove the bodies (request, answer, state) of entries from the beginning of the log up to an age.

    Entries, leaves and tiles stay: receipts and proofs go on working, and `trimtab audit verify` says which bodies are
    pruned. First an entry of kind `retention` announces range, digest and actor; run again after a crash. An embedded
    file must not be in use: its service removes by itself (`TRIMTAB_BODY_RETENTION_DAYS`).

    **Examples**

    - `trimtab audit prune --older-than 400d --dry-run`

    - `trimtab audit prune --older-than 400d --actor "night job"`
    """
    with reporting(as_json):
        match = _AGE.match(older_than)
        if match is None:
            detail = f"--older-than must be days or hours such as 400d or 72h, found {older_than[:20]!r}"
            raise Failure(ExitCode.USAGE, detail)
        age = timedelta(**{"days" if match[2] == "d" else "hours": int(match[1])})
        url = settings_of({"DATABASE_URL": database_url, "TRIMTAB_LOG_LEVEL": "WARNING"}).audit_url
        removal, entry = asyncio.run(_prune(url, age, actor or getpass.getuser(), dry_run=dry_run))
        if as_json:
            write_json(document(removal, entry, dry_run=dry_run))
        else:
            out().print(sentence(removal, entry, dry_run=dry_run), markup=False)


async def _prune(url: str, age: timedelta, actor: str, *, dry_run: bool) -> tuple[Removal, int | None]:
    from app.adapters.database import open_database
    from app.adapters.system_clock import SystemClock
    from app.container import LOCAL_TENANT
    from app.lifespan import REFUSALS
    from app.ports import AuditUnavailable
    from app.usecases.retention import RemovalRefused, plan_removal, remove
    from services.core.errors import InvalidInput

    now = SystemClock().now()
    try:
        async with open_database(url) as database:
            removal = await plan_removal(database.retention, before=now - age, now=now)
            if dry_run:
                return removal, None
            store = database.retention
            return removal, await remove(database.audit, store, removal, tenant_id=LOCAL_TENANT, actor=actor, now=now)
    except InvalidInput as error:
        raise Failure(ExitCode.USAGE, f"--older-than {error.rule}") from None
    except RemovalRefused as error:
        raise Failure(ExitCode.REFUSED, "Nothing was removed", str(error)) from None
    except (*REFUSALS, AuditUnavailable) as error:
        raise Failure(ExitCode.UNAVAILABLE, "The log cannot be used", str(error)) from None


def document(removal: Removal, entry: int | None, *, dry_run: bool) -> dict[str, Any]:
    """What was removed, as JSON."""
    return {
        "first": removal.first,
        "end": removal.end,
        "bodies": removal.bodies,
        "stored_bytes": removal.stored_bytes,
        "bodies_sha256": removal.bodies_sha256,
        "dry_run": dry_run,
        "announced_in": entry,
    }


def sentence(removal: Removal, entry: int | None, *, dry_run: bool) -> str:
    """What was removed, in words."""
    if not removal.bodies:
        return "nothing is that old"
    what = (
        f"{removal.bodies:,} bodies, entries {removal.first:,} to {removal.end - 1:,}, {removal.stored_bytes:,} bytes"
    )
    return f"would be removed: {what}" if dry_run else f"removed: {what}; announced in entry {entry:,}"
