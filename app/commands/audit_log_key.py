"""`trimtab audit change-key` and `follow-key`: another key for the log, and how its readers come to it."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path
from typing import Annotated

import typer

from app.commands.audit_files import KeyOption, read_key, read_text
from app.commands.console import ExitCode, Failure, err, out, reporting, write_bytes, write_json
from app.commands.serve import settings_of


def change_key_command(
    new_key: Annotated[Path, typer.Argument(help="Key file from now on; made, with mode 0600, where there is none.")],
    actor: Annotated[
        str | None, typer.Option(help="Who changes it, as the log will say [your user name].", show_default=False)
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="Key file up to now [TRIMTAB_LOG_KEY_FILE, log.key].", show_default=False, metavar="FILE"),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="Database of the log [DATABASE_URL, the embedded file].", show_default=False, metavar="URL"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the statement and its entry as JSON.")] = False,
) -> None:
    """Give the log another key: record a statement that both keys sign, print it, and make the new key that of the log.

    Publish what is printed: whoever trusts the former key learns the new one from it (`trimtab audit follow-key`). Then
    restart every process with TRIMTAB_LOG_KEY_FILE naming the new file; with TRIMTAB_LOG_FORMER_KEY_FILE naming the
    former one heads are signed with both, until readers have followed. An embedded file must not be in use.

    **Examples**

    - `trimtab audit change-key next.key > change.note`

    - `trimtab audit change-key next.key --key-file log.key --actor "yearly change"`
    """
    with reporting(as_json):
        given = {
            "DATABASE_URL": database_url,
            "TRIMTAB_LOG_KEY_FILE": str(key_file) if key_file else None,
            "TRIMTAB_LOG_LEVEL": "WARNING",
        }
        settings = settings_of(given)
        if settings.log_key_path is None:
            raise Failure(ExitCode.USAGE, "No key file is named", "--key-file or TRIMTAB_LOG_KEY_FILE names it")
        statement, index = _changed(settings.audit_url, settings.log_key_path, new_key, actor or getpass.getuser())
        if as_json:
            write_json({"statement": statement, "index": index})
        else:
            write_bytes(statement.encode())
            told = f"It is in entry {index:,}. Restart every process with TRIMTAB_LOG_KEY_FILE={new_key}"
            err().print(told, soft_wrap=True, markup=False)


def _changed(url: str, former: Path, new_key: Path, actor: str) -> tuple[str, int]:
    from app.adapters.log_key import LogKeyRefused
    from app.lifespan import REFUSALS
    from app.ports import AuditUnavailable
    from app.usecases.change_key import KeyChangeRefused
    from services.core.errors import InvalidInput

    try:
        return asyncio.run(_change(url, former, new_key, actor))
    except (KeyChangeRefused, LogKeyRefused, InvalidInput) as error:
        raise Failure(ExitCode.REFUSED, "The log keeps its key", str(error)) from None
    except (*REFUSALS, AuditUnavailable) as error:
        raise Failure(ExitCode.UNAVAILABLE, "The log cannot be used", str(error)) from None


async def _change(url: str, former: Path, new_key: Path, actor: str) -> tuple[str, int]:
    from app.adapters.database import open_database
    from app.adapters.log_key import load_signer
    from app.adapters.system_clock import SystemClock
    from app.container import LOCAL_TENANT
    from app.usecases.change_key import change_key

    signer = load_signer(former, create=False)
    async with open_database(url) as database:
        following = load_signer(new_key, create=True, name="the new log key")
        return await change_key(
            database.audit,
            database.tree,
            signer,
            following,
            tenant_id=LOCAL_TENANT,
            actor=actor,
            now=SystemClock().now(),
        )


def follow_key_command(
    statement: Annotated[Path, typer.Argument(help="What `trimtab audit change-key` printed.", show_default=False)],
    key: KeyOption,
) -> None:
    """Print the public key of a log after a change, if the former key and the new one have signed it.

    **Examples**

    - `trimtab audit follow-key change.note --key log.pub > log-next.pub`
    """
    from app.signatures import check_signature
    from services.audit.key_change import followed
    from services.core.errors import InvalidInput

    with reporting(as_json=False):
        text, trusted = read_text(statement), read_key(key)
        try:
            following = followed(text, trusted, check_signature)
        except InvalidInput as error:
            raise Failure(ExitCode.REFUSED, "This is no change of that key", str(error)) from None
        out().print(following.text(), soft_wrap=True, markup=False)
